"""The SMS transport: an SMPP v3.4 ESME and the role that carries secured packets over it."""
