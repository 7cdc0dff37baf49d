"""Secrets of accounts at rest: AES-256-GCM under a key of this role's own, bound to the account."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ferryman.errors import Unavailable
from ferryman.platform.clock import Entropy

NONCE_OCTETS = 12
TAG_OCTETS = 16


class Seal:
    """Closes and opens; `key` has 32 octets."""

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        self._cipher = AESGCM(key)
        self._entropy = entropy

    def close(self, account: str, value: bytes) -> bytes:
        """Nonce, ciphered value, tag."""
        nonce = self._entropy(NONCE_OCTETS)
        return nonce + self._cipher.encrypt(nonce, value, account.encode())

    def open(self, account: str, sealed: bytes) -> bytes:
        """The value; raises Unavailable when the key is another than it was closed with."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_OCTETS], sealed[NONCE_OCTETS:], account.encode())
        except InvalidTag:
            raise Unavailable("the key of the accounts' secrets", retry_after=3600.0) from None
