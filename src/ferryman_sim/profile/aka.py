"""AKA algorithm sets: Milenage (3GPP TS 35.206), TUAK (TS 35.231) and the test algorithm (TS 34.108 8.1.2).

All values are bytes: RAND 16, SQN 6, AMF 2; MAC 8, AK 6, RES 8, CK and IK 16 unless a set is made otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from Cryptodome.Cipher import AES

from .keccak import keccak_f

AK_LENGTH = 6
MAC_LENGTH = 8
RES_LENGTH = 8
"""Bytes of RES. The profile's algorithmOptions could say otherwise, but their bits are not known for sure."""

KEY_LENGTH = 16
TUAK_KEY_LENGTHS = (16, 32)
TUAK_TOPC_LENGTH = 32
MILENAGE_ROTATIONS = bytes.fromhex("4000204060")
MILENAGE_CONSTANTS = b"".join(value.to_bytes(16) for value in (0, 1, 2, 4, 8))


def xor(left: bytes, right: bytes) -> bytes:
    """Bitwise exclusive or of two strings of one length."""
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))


@dataclass(frozen=True, slots=True, repr=False)
class Quintet:
    """Outputs of f2, f3, f4 and f5 for one RAND."""

    res: bytes
    ck: bytes
    ik: bytes
    ak: bytes


class Algorithm(Protocol):
    """One AKA algorithm set with its subscriber keys."""

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-A."""

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-S."""

    def f2345(self, rand: bytes) -> Quintet:
        """RES, CK, IK, AK."""

    def f5_star(self, rand: bytes) -> bytes:
        """AK for resynchronisation."""


class Milenage:
    """TS 35.206 with OPc (never OP); rotations in bits, constants 5 x 16 bytes."""

    def __init__(
        self,
        key: bytes,
        opc: bytes,
        rotations: bytes = MILENAGE_ROTATIONS,
        constants: bytes = MILENAGE_CONSTANTS,
    ) -> None:
        self._cipher = AES.new(key, AES.MODE_ECB)
        self._opc = opc
        self._rotations = rotations
        self._constants = [constants[at : at + 16] for at in range(0, 80, 16)]

    def _output(self, index: int, mask: bytes, block: bytes) -> bytes:
        """E(mask ^ rotate(block ^ OPc) ^ c) ^ OPc with the rotation and constant of output `index` (0..4)."""
        number = int.from_bytes(xor(block, self._opc))
        shift = self._rotations[index] % 128
        rotated = (number << shift | number >> 128 - shift) & (1 << 128) - 1
        data = xor(xor(rotated.to_bytes(16), mask), self._constants[index])
        return xor(self._cipher.encrypt(data), self._opc)

    def _temp(self, rand: bytes) -> bytes:
        return self._cipher.encrypt(xor(rand, self._opc))

    def _macs(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        return self._output(0, self._temp(rand), (sqn + amf) * 2)

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-A."""
        return self._macs(rand, sqn, amf)[:8]

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-S."""
        return self._macs(rand, sqn, amf)[8:]

    def f2345(self, rand: bytes) -> Quintet:
        """RES, CK, IK, AK."""
        temp, zero = self._temp(rand), bytes(16)
        second = self._output(1, zero, temp)
        return Quintet(second[8:], self._output(2, zero, temp), self._output(3, zero, temp), second[:6])

    def f5_star(self, rand: bytes) -> bytes:
        """AK for resynchronisation."""
        return self._output(4, bytes(16), self._temp(rand))[:6]


@dataclass(frozen=True, slots=True)
class TuakLengths:
    """Bytes of the outputs."""

    mac: int = MAC_LENGTH
    res: int = RES_LENGTH
    ck: int = 16
    ik: int = 16


TUAK_NAME = b"TUAK1.0"
TUAK_RATE = 136
"""Bytes of the sponge's rate: input with padding."""

_LENGTH_BITS = {4: 0x00, 8: 0x08, 16: 0x10, 32: 0x20}
"""Bits of the instance byte for an output of so many bytes."""


class Tuak:
    """TS 35.231 with TOPc; iterations: permutations of Keccak-f[1600] for each function."""

    def __init__(self, key: bytes, topc: bytes, iterations: int = 1, lengths: TuakLengths | None = None) -> None:
        self._key = key
        self._topc = topc
        self._iterations = iterations
        self._lengths = lengths or TuakLengths()

    @classmethod
    def derive_topc(cls, key: bytes, top: bytes, iterations: int = 1) -> bytes:
        """TOPc of an operator's TOP."""
        state = cls(key, top, iterations)._permute(0x00, bytes(16), bytes(8))
        return state[31::-1]

    def _permute(self, instance: int, rand: bytes, tail: bytes) -> bytes:
        """State after the permutations. tail: SQN reversed after AMF, that is AMF || SQN in this file's order."""
        amf, sqn = tail[:2], tail[2:]
        instance |= len(self._key) == 32
        parts = (self._topc, bytes([instance]), TUAK_NAME, rand, amf, sqn, self._key)
        state = b"".join(part[::-1] for part in parts).ljust(96, b"\x00") + b"\x1f"
        state = state.ljust(TUAK_RATE - 1, b"\x00") + b"\x80"
        state = state.ljust(200, b"\x00")
        for _ in range(self._iterations):
            state = keccak_f(state)
        return state

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-A."""
        return self._mac(0x00, rand, sqn, amf)

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-S."""
        return self._mac(0x80, rand, sqn, amf)

    def _mac(self, instance: int, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        size = self._lengths.mac
        return self._permute(instance | _LENGTH_BITS[size], rand, amf + sqn)[:size][::-1]

    def f2345(self, rand: bytes) -> Quintet:
        """RES, CK, IK, AK."""
        sizes = self._lengths
        instance = 0x40 | _LENGTH_BITS[sizes.res] | (sizes.ck == 32) << 2 | (sizes.ik == 32) << 1
        state = self._permute(instance, rand, bytes(8))
        return Quintet(
            state[: sizes.res][::-1],
            state[32 : 32 + sizes.ck][::-1],
            state[64 : 64 + sizes.ik][::-1],
            state[96 : 96 + AK_LENGTH][::-1],
        )

    def f5_star(self, rand: bytes) -> bytes:
        """AK for resynchronisation."""
        return self._permute(0xC0, rand, bytes(8))[96 : 96 + AK_LENGTH][::-1]


class TestAlgorithm:
    """TS 34.108 8.1.2: everything is cut out of K xor RAND. f5* is f5 and f1* is f1 with another AMF."""

    __test__ = False  # the name is the standard's; it is no test case

    def __init__(self, key: bytes, res_length: int = RES_LENGTH) -> None:
        self._key = key
        self._res_length = res_length

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-A."""
        return xor(xor(self._key, rand)[:8], sqn + amf)

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-S."""
        return self.f1(rand, sqn, amf)

    def f2345(self, rand: bytes) -> Quintet:
        """RES, CK, IK, AK."""
        mixed = xor(self._key, rand)
        return Quintet(
            mixed[: self._res_length], mixed[1:] + mixed[:1], mixed[2:] + mixed[:2], mixed[3 : 3 + AK_LENGTH]
        )

    def f5_star(self, rand: bytes) -> bytes:
        """AK for resynchronisation."""
        return self.f2345(rand).ak
