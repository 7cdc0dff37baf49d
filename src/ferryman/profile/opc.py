"""OPc from OP and Ki (3GPP TS 35.206, clause 3), TOPc from TOP and Ki (3GPP TS 35.231, clause 6)."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TOP_BYTES = 32
TUAK_KEY_SIZES = (16, 32)
_ALGONAME = b"TUAK1.0"
_INPUT_BYTES = 96  # of the sponge before its padding: TS 35.231 puts the five padding ones at bit 768


def opc_from_op(ki: bytes, op: bytes) -> bytes:
    """OPc = AES-128 of OP under Ki, xor OP; all values have 16 bytes."""
    encryptor = Cipher(algorithms.AES(ki), modes.ECB()).encryptor()  # noqa: S305 - one block, as TS 35.206 says
    enciphered = encryptor.update(op) + encryptor.finalize()
    return bytes(left ^ right for left, right in zip(enciphered, op, strict=True))


def topc_from_top(ki: bytes, top: bytes) -> bytes:
    """TOPc of 32 bytes from a Ki of 16 or 32 and a TOP of 32 bytes, with one round of Keccak.

    The input block of TS 35.231 with its padding is what SHAKE256 makes of the first 96 bytes, each value
    with its last byte first.
    """
    instance = 0x01 if len(ki) == TOP_BYTES else 0x00
    block = top[::-1] + bytes((instance,)) + _ALGONAME[::-1] + bytes(24) + ki[::-1].ljust(TOP_BYTES, b"\0")
    if len(block) != _INPUT_BYTES:
        raise ValueError("Ki has 16 or 32 bytes, TOP 32")
    return hashlib.shake_256(block).digest(TOP_BYTES)[::-1]
