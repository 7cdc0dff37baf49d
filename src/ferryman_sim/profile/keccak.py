"""Keccak-f[1600], the permutation of FIPS 202 clause 3 (TUAK needs it bare; hash libraries hide it)."""

from __future__ import annotations

ROUNDS = 24
STATE_BYTES = 200
_MASK = (1 << 64) - 1


def _round_constants() -> tuple[int, ...]:
    """FIPS 202 algorithm 5: bits of a linear feedback shift register at positions 2^j - 1."""
    constants: list[int] = []
    register = 1
    for _ in range(ROUNDS):
        constant = 0
        for j in range(7):
            if register & 1:
                constant |= 1 << ((1 << j) - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


def _offsets() -> tuple[int, ...]:
    """Rotation of lane x + 5y in the rho step."""
    offsets = [0] * 25
    x, y = 1, 0
    for step in range(24):
        offsets[x + 5 * y] = (step + 1) * (step + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(offsets)


_CONSTANTS = _round_constants()
_OFFSETS = _offsets()


def _rotate(lane: int, count: int) -> int:
    return (lane << count | lane >> 64 - count) & _MASK


def keccak_f(state: bytes) -> bytes:
    """One permutation of a 200-byte state (lanes little-endian, lane x + 5y)."""
    lanes = [int.from_bytes(state[at : at + 8], "little") for at in range(0, STATE_BYTES, 8)]
    for constant in _CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        mix = [columns[(x + 4) % 5] ^ _rotate(columns[(x + 1) % 5], 1) for x in range(5)]
        moved = [0] * 25
        for x in range(5):
            for y in range(5):
                at = x + 5 * y
                moved[y + 5 * ((2 * x + 3 * y) % 5)] = _rotate(lanes[at] ^ mix[x], _OFFSETS[at])
        for y in range(0, 25, 5):
            row = moved[y : y + 5]
            for x in range(5):
                lanes[x + y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
        lanes[0] ^= constant
    return b"".join(lane.to_bytes(8, "little") for lane in lanes)
