"""SMPP v3.4 without sockets: PDUs, stream framing, receipts and the ESME's session machine.

Source: Short Message Peer to Peer Protocol Specification v3.4. May not know sockets, clocks, logging.
"""
