"""Key derivation: AES-CMAC (RFC 4493), NIST SP 800-108 as SCP03 uses it (Amendment D 4.1.5), ANSI X9.63 KDF."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

_LABEL_ZEROS = bytes(11)
MAX_SP800_108_BITS = 256  # AES-256 is the longest key of the protocol
MAX_X963_BYTES = 1024  # far above the 64 or 128 bytes of a keyset


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes; `key` of 16, 24 or 32 bytes."""
    context = CMAC(AES(key))
    context.update(message)
    return context.finalize()


def sp800_108(key: bytes, constant: int, context: bytes, bits: int) -> bytes:
    """Counter-mode derivation of `bits` (a multiple of 8, at most 256) with a derivation constant."""
    if bits % 8 or not 0 < bits <= MAX_SP800_108_BITS:
        raise ValueError(f"{bits} bits cannot be derived")
    fixed = _LABEL_ZEROS + bytes((constant, 0)) + bits.to_bytes(2)
    blocks = (cmac(key, fixed + bytes((number,)) + context) for number in range(1, (bits + 127) // 128 + 1))
    return b"".join(blocks)[: bits // 8]


def x963(z: bytes, shared_info: bytes, length: int) -> bytes:
    """X9.63 KDF with SHA-256: `length` bytes from the shared secret `z`."""
    if not 0 < length <= MAX_X963_BYTES:
        raise ValueError(f"{length} bytes cannot be derived")
    size = hashlib.sha256().digest_size
    blocks = (
        hashlib.sha256(z + number.to_bytes(4) + shared_info).digest()
        for number in range(1, (length + size - 1) // size + 1)
    )
    return b"".join(blocks)[:length]
