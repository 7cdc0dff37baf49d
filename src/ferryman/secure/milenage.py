"""Milenage f1 to f5* and OPc (3GPP TS 35.206): what a subscription imported with OP, or a test, needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

BLOCK = 16
# Rotations r1..r5 in bytes and constants c1..c5 (4.1); all rotations are whole bytes.
_ROTATIONS = (8, 0, 4, 8, 12)
_CONSTANTS = (0, 1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Quintuple:
    """All outputs for one RAND, SQN and AMF; not shown in text."""

    mac_a: bytes = field(repr=False)
    mac_s: bytes = field(repr=False)
    res: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)
    ak: bytes = field(repr=False)
    ak_star: bytes = field(repr=False)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _encrypt(k: bytes, block: bytes) -> bytes:
    # The algorithm is built on the bare block cipher.
    encryptor = Cipher(AES(k), ECB()).encryptor()  # noqa: S305
    return encryptor.update(block) + encryptor.finalize()


def opc(k: bytes, op: bytes) -> bytes:
    """OPc = E_K(OP) xor OP; 16 bytes each, ValueError else."""
    if len(k) != BLOCK or len(op) != BLOCK:
        raise ValueError("K and OP have 16 bytes")
    return _xor(_encrypt(k, op), op)


def _out(k: bytes, opc_value: bytes, block: bytes, index: int, addend: bytes = bytes(BLOCK)) -> bytes:
    rotation = _ROTATIONS[index]
    mixed = _xor(block, opc_value)
    rotated = mixed[rotation:] + mixed[:rotation]
    constant = _CONSTANTS[index].to_bytes(BLOCK)
    return _xor(_encrypt(k, _xor(_xor(rotated, constant), addend)), opc_value)


def quintuple(k: bytes, opc_value: bytes, rand: bytes, sqn: bytes, amf: bytes) -> Quintuple:
    """f1, f1*, f2, f3, f4, f5, f5* for `rand` (16 bytes), `sqn` (6) and `amf` (2)."""
    temp = _encrypt(k, _xor(rand, opc_value))
    out1 = _out(k, opc_value, (sqn + amf) * 2, 0, temp)
    out2, out3, out4, out5 = (_out(k, opc_value, temp, index) for index in (1, 2, 3, 4))
    return Quintuple(mac_a=out1[:8], mac_s=out1[8:], res=out2[8:], ck=out3, ik=out4, ak=out2[:6], ak_star=out5[:6])
