"""One AES key of a card with its cipher objects kept, for SCP80 (ETSI TS 102 225 5.1.2, 5.1.3).

Setting up a context costs several times what one short packet costs to cipher. An object belongs to one thread:
the contexts are not shared safely. It holds key material as long as it lives, so whoever keeps one drops it when
the key is replaced or destroyed.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

BLOCK = 16  # octets
AES_KEY_BYTES = (16, 24, 32)
_ZERO_BLOCK = bytes(BLOCK)


class CardKey:
    """AES-CBC with IV zero and AES-CMAC under one key of 16, 24 or 32 bytes; ValueError for another length.

    The contexts go on chaining from packet to packet; both directions see to it that nothing of the last packet
    reaches the next.
    """

    __slots__ = ("_decryptor", "_encryptor", "_last", "_mac")

    def __init__(self, key: bytes) -> None:
        if len(key) not in AES_KEY_BYTES:
            raise ValueError(f"AES key of {len(key)} bytes")
        algorithm = AES(key)
        cipher = Cipher(algorithm, CBC(_ZERO_BLOCK))
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()
        self._last = 0  # the last ciphered block that the encryptor gave out
        self._mac = CMAC(algorithm)

    def __repr__(self) -> str:
        return "CardKey(***)"

    def encrypt(self, data: bytes) -> bytes:
        """CBC with IV zero over whole blocks; ValueError for anything else."""
        if not data or len(data) % BLOCK:
            raise ValueError(f"{len(data)} bytes are no whole blocks")
        # What the context will add to our first block is taken off beforehand.
        first = int.from_bytes(data[:BLOCK]) ^ self._last
        ciphered = self._encryptor.update(first.to_bytes(BLOCK) + data[BLOCK:])
        self._last = int.from_bytes(ciphered[-BLOCK:])
        return ciphered

    def decrypt(self, data: bytes) -> bytes:
        """The inverse of `encrypt`; ValueError for what is no whole number of blocks."""
        if not data or len(data) % BLOCK:
            raise ValueError(f"{len(data)} bytes are no whole blocks")
        # A ciphered block of zeros before the packet is as good as IV zero; what comes out for it is no use.
        clear: bytes = self._decryptor.update(_ZERO_BLOCK + data)
        return clear[BLOCK:]

    def checksum(self, data: bytes) -> bytes:
        """AES-CMAC, 16 bytes."""
        mac = self._mac.copy()
        mac.update(data)
        return mac.finalize()
