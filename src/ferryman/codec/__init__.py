"""Bytes to values and back: pure codecs, no sockets, clocks, randomness or keys."""
