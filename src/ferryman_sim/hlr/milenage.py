"""3GPP TS 35.206: Milenage, written for the network's end (the card has its own in `ferryman_sim.profile`).

TS 33.102 6.3: AUTN and AUTS built from it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from Cryptodome.Cipher import AES

BLOCK = 16
# TS 35.206 4.1: (rotation in bytes, last byte of the constant) of OUT1 to OUT5
_STEPS = {1: (8, 0), 2: (0, 1), 3: (4, 2), 4: (8, 4), 5: (12, 8)}
RESYNC_AMF = b"\x00\x00"  # TS 33.102 6.3.3


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


@dataclass(frozen=True, slots=True)
class Milenage:
    """The functions for one subscriber: K and OPc, 16 bytes each; `repr` shows neither."""

    k: bytes
    opc: bytes

    def __repr__(self) -> str:
        return "Milenage(...)"

    def __post_init__(self) -> None:
        if len(self.k) != BLOCK or len(self.opc) != BLOCK:
            raise ValueError("Milenage takes K and OPc of 16 bytes")

    def _cipher(self, block: bytes) -> bytes:
        return bytes(AES.new(self.k, AES.MODE_ECB).encrypt(block))

    def _out(self, step: int, rand: bytes) -> bytes:
        """OUT2 to OUT5."""
        rotation, constant = _STEPS[step]
        mixed = _xor(self._cipher(_xor(rand, self.opc)), self.opc)
        rotated = mixed[rotation:] + mixed[:rotation]
        return _xor(self._cipher(rotated[:-1] + bytes([rotated[-1] ^ constant])), self.opc)

    def _out1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        rotation, _ = _STEPS[1]
        mixed = _xor((sqn + amf) * 2, self.opc)
        rotated = mixed[rotation:] + mixed[:rotation]
        return _xor(self._cipher(_xor(self._cipher(_xor(rand, self.opc)), rotated)), self.opc)

    def mac_a(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """f1, 8 bytes."""
        return self._out1(rand, sqn, amf)[:8]

    def mac_s(self, rand: bytes, sqn: bytes, amf: bytes = RESYNC_AMF) -> bytes:
        """f1*, 8 bytes."""
        return self._out1(rand, sqn, amf)[8:]

    def res(self, rand: bytes) -> bytes:
        """f2, 8 bytes."""
        return self._out(2, rand)[8:]

    def ak(self, rand: bytes) -> bytes:
        """f5, 6 bytes."""
        return self._out(2, rand)[:6]

    def ak_resync(self, rand: bytes) -> bytes:
        """f5*, 6 bytes."""
        return self._out(5, rand)[:6]

    def ck(self, rand: bytes) -> bytes:
        """f3, 16 bytes."""
        return self._out(3, rand)

    def ik(self, rand: bytes) -> bytes:
        """f4, 16 bytes."""
        return self._out(4, rand)

    def autn(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """AUTN, 16 bytes: (SQN xor AK) || AMF || MAC-A."""
        return _xor(sqn, self.ak(rand)) + amf + self.mac_a(rand, sqn, amf)

    def sqn_of_auts(self, rand: bytes, auts: bytes) -> bytes | None:
        """The card's SQN out of AUTS (14 bytes), None when MAC-S does not hold."""
        if len(auts) != 14:
            return None
        sqn = _xor(auts[:6], self.ak_resync(rand))
        return sqn if hmac.compare_digest(self.mac_s(rand, sqn), auts[6:]) else None


def opc_from_op(k: bytes, op: bytes) -> bytes:
    """TS 35.206 4.1: OPc = E_K(OP) xor OP."""
    return _xor(bytes(AES.new(k, AES.MODE_ECB).encrypt(op)), op)
