"""Cryptography of the card side: secured packets, secure channels, key agreement, certificates."""
