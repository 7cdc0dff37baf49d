"""CryptoServer: the only role that sees keys. Others hold references (`contracts.crypto`)."""
