"""Values of a column under a transport key (profile-package reference, 9): AES or 3DES, ECB or CBC, AES-GCM.

Card makers encrypt each 16-byte field by itself. Those forms prove nothing about who wrote them; only AES-GCM
does, and only we offer it.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from ferryman.errors import InputError

NONCE_BYTES = 12


def decrypt(key: bytes, cipher: str, iv: bytes, values: Sequence[bytes]) -> list[bytes]:
    """Each of `values` (all of the same whole number of blocks) on its own; `cipher` aes-ecb, aes-cbc, 3des-ecb or
    3des-cbc, `iv` one block. Raises InputError when the key does not fit the cipher.
    """
    decryptor = Cipher(_algorithm(key, cipher), ECB()).decryptor()  # noqa: S305 - as card makers do; CBC is built on it
    clear = decryptor.update(b"".join(values)) + decryptor.finalize()
    size = len(values[0]) if values else 1
    found = [clear[at : at + size] for at in range(0, len(clear), size)]
    if cipher.endswith("ecb"):
        return found
    block = len(iv)
    return (
        [_xor(plain, (iv + value)[:size]) for plain, value in zip(found, values, strict=True)] if block else found
    )


def encrypt(key: bytes, cipher: str, values: Sequence[bytes]) -> list[bytes]:
    """Each of `values` on its own, CBC with an IV of zeros."""
    encryptor = Cipher(_algorithm(key, cipher), ECB()).encryptor()  # noqa: S305 - as operators' AuCs take it
    block = _block(cipher)
    found: list[bytes] = []
    for value in values:
        chain = bytes(block)
        out = bytearray()
        for at in range(0, len(value), block):
            part = value[at : at + block]
            ciphered = encryptor.update(_xor(part, chain) if cipher.endswith("cbc") else part)
            out += ciphered
            chain = ciphered
        found.append(bytes(out))
    return found


def seal(key: bytes, nonce: bytes, value: bytes, bound: bytes) -> bytes:
    """AES-GCM: nonce, ciphered value, tag; `bound` is authenticated with it."""
    return nonce + AESGCM(key).encrypt(nonce, value, bound)


def _block(cipher: str) -> int:
    return 16 if cipher.startswith("aes") else 8


def _algorithm(key: bytes, cipher: str) -> BlockCipherAlgorithm:
    if cipher.startswith("aes"):
        return AES(key)
    if len(key) not in (16, 24):
        raise InputError("transport key", "a key for 3DES has 16 or 24 bytes")
    return TripleDES(key if len(key) == 24 else key + key[:8])  # two keys: the first is used twice


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
