"""The curve brainpoolP256r1 (RFC 5639 3.4) in affine coordinates: what PyCryptodome does not have.

For the laboratory only: nothing here runs in constant time. A card or a card maker needs three things of it:
the public point of a private number, ECDH, and the verification of ECDSA (SEC 1, 4.1.4).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

P = 0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377
A = 0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9
B = 0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6
ORDER = 0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7
COORDINATE = 32
"""Bytes of one coordinate."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point other than the one at infinity (which is None)."""

    x: int
    y: int


GENERATOR = Point(
    0x8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262,
    0x547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997,
)


def decode(data: bytes) -> Point:
    """An uncompressed point 04 || X || Y. Raises ValueError when it is not on the curve."""
    if len(data) != 1 + 2 * COORDINATE or data[0] != 0x04:
        raise ValueError("no uncompressed point")
    x, y = int.from_bytes(data[1 : 1 + COORDINATE]), int.from_bytes(data[1 + COORDINATE :])
    if max(x, y) >= P or (y * y - (x * x * x + A * x + B)) % P:
        raise ValueError("point not on the curve")
    return Point(x, y)


def encode(point: Point) -> bytes:
    """04 || X || Y."""
    return b"\x04" + point.x.to_bytes(COORDINATE) + point.y.to_bytes(COORDINATE)


def add(one: Point | None, other: Point | None) -> Point | None:
    """The group law."""
    if one is None or other is None:
        return one or other
    if one.x == other.x:
        if (one.y + other.y) % P == 0:
            return None
        slope = (3 * one.x * one.x + A) * pow(2 * one.y, -1, P) % P
    else:
        slope = (other.y - one.y) * pow(other.x - one.x, -1, P) % P
    x = (slope * slope - one.x - other.x) % P
    return Point(x, (slope * (one.x - x) - one.y) % P)


def multiply(number: int, point: Point) -> Point | None:
    """`number` times `point`, by doubling and adding."""
    result: Point | None = None
    addend: Point | None = point
    while number:
        if number & 1:
            result = add(result, addend)
        addend = add(addend, addend)
        number >>= 1
    return result


def public(private: int) -> bytes:
    """The public point of a private number from 1 to the order less 1."""
    point = multiply(private, GENERATOR)
    if point is None:
        raise ValueError("private number out of range")
    return encode(point)


def agree(private: int, other: Point) -> bytes:
    """ECDH: the x coordinate, 32 bytes. Raises ValueError for the point at infinity."""
    shared = multiply(private, other)
    if shared is None:
        raise ValueError("no shared secret")
    return shared.x.to_bytes(COORDINATE)


def verifies(key: Point, data: bytes, signature: bytes) -> bool:
    """ECDSA over SHA-256; the signature is r || s."""
    if len(signature) != 2 * COORDINATE:
        return False
    r, s = int.from_bytes(signature[:COORDINATE]), int.from_bytes(signature[COORDINATE:])
    if not (0 < r < ORDER and 0 < s < ORDER):
        return False
    digest = int.from_bytes(hashlib.sha256(data).digest())
    inverse = pow(s, -1, ORDER)
    found = add(multiply(digest * inverse % ORDER, GENERATOR), multiply(r * inverse % ORDER, key))
    return found is not None and found.x % ORDER == r
