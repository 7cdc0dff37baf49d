"""OPc from OP and Ki (3GPP TS 35.206, clause 3)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def opc_from_op(ki: bytes, op: bytes) -> bytes:
    """OPc = AES-128 of OP under Ki, xor OP; all values have 16 bytes."""
    encryptor = Cipher(algorithms.AES(ki), modes.ECB()).encryptor()  # noqa: S305 - one block, as TS 35.206 says
    enciphered = encryptor.update(op) + encryptor.finalize()
    return bytes(left ^ right for left, right in zip(enciphered, op, strict=True))
