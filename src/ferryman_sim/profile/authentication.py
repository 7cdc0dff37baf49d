"""AUTHENTICATE of the USIM and its sequence number array (3GPP TS 31.102 7.1.2, TS 33.102 annex C)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any

from .aka import (
    KEY_LENGTH,
    MILENAGE_CONSTANTS,
    MILENAGE_ROTATIONS,
    TUAK_KEY_LENGTHS,
    TUAK_TOPC_LENGTH,
    Algorithm,
    Milenage,
    TestAlgorithm,
    Tuak,
    xor,
)
from .der import Fields, Tlv
from .outcome import Abort, Status

INDEX_BITS = 5
"""Low bits of SQN that choose the array entry (IND); a profile gives 32 entries."""

ENTRIES = 1 << INDEX_BITS
MAX_SEQUENCE = (1 << 48 - INDEX_BITS) - 1
"""Highest SEQ: 43 bits."""

DEFAULT_LIMIT = 0x10000000
"""sqnDelta and sqnAgeLimit when the package leaves them out, in SEQ steps."""

RESYNC_AMF = bytes(2)
"""AMF under MAC-S (TS 33.102 6.3.3)."""

SUCCESS_TAG = 0xDB
RESYNC_TAG = 0xDC
WRONG_MAC = 0x9862
NO_CONTEXT = 0x6985

MILENAGE, TUAK, TEST_ALGORITHM = 1, 2, 3


class AuthenticationRefused(Exception):
    """AUTHENTICATE ended without data; `sw` is the status word (9862 = MAC wrong)."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"authentication refused with {sw:04X}")
        self.sw = sw


@dataclass(frozen=True, slots=True, repr=False)
class AkaParameters:
    """Content of an akaParameter element. delta, age: limits in SEQ steps; 0 switches the check off.

    algorithm_options, sqn_options and counter_limit are kept as given: their meaning is not known for sure.
    """

    algorithm: int
    algorithm_options: int
    key: bytes
    opc: bytes
    rotations: bytes
    constants: bytes
    keccaks: int
    counter_limit: bytes | None
    sqn_options: int
    delta: int
    age: int

    def build(self) -> Algorithm:
        """The algorithm set with these keys."""
        if self.algorithm == MILENAGE:
            return Milenage(self.key, self.opc, self.rotations, self.constants)
        if self.algorithm == TUAK:
            return Tuak(self.key, self.opc, self.keccaks)
        return TestAlgorithm(self.key)

    def dump(self) -> dict[str, Any]:
        """JSON form; holds the keys."""
        return {
            "algorithm": self.algorithm,
            "algorithm_options": self.algorithm_options,
            "key": self.key.hex(),
            "opc": self.opc.hex(),
            "rotations": self.rotations.hex(),
            "constants": self.constants.hex(),
            "keccaks": self.keccaks,
            "counter_limit": None if self.counter_limit is None else self.counter_limit.hex(),
            "sqn_options": self.sqn_options,
            "delta": self.delta,
            "age": self.age,
        }

    @classmethod
    def load(cls, image: dict[str, Any]) -> AkaParameters:
        """From `dump`."""
        octets = ("key", "opc", "rotations", "constants")
        limit = image["counter_limit"]
        fixed = {name: bytes.fromhex(image[name]) for name in octets}
        return cls(
            **{**image, **fixed, "counter_limit": None if limit is None else bytes.fromhex(limit)},
        )


@dataclass(slots=True, repr=False)
class Authenticator:
    """Keys of one network access application with its array of highest accepted SEQ values."""

    parameters: AkaParameters
    sequences: list[int] = field(default_factory=lambda: [0] * ENTRIES)

    @property
    def highest(self) -> bytes:
        """SQN_MS: highest accepted SQN, 6 bytes."""
        top = max(range(ENTRIES), key=lambda index: (self.sequences[index], index))
        return (self.sequences[top] << INDEX_BITS | top).to_bytes(6)

    def authenticate(self, rand: bytes, autn: bytes) -> bytes:
        """3G security context: `DB` RES CK IK (each with its length), or `DC 0E` AUTS when SQN is not fresh.

        rand, autn: 16 bytes each, else ValueError. Raises AuthenticationRefused (9862) when MAC-A is wrong.
        """
        if len(rand) != 16 or len(autn) != 16:
            raise ValueError("RAND and AUTN have 16 bytes")
        algorithm = self.parameters.build()
        quintet = algorithm.f2345(rand)
        sqn = xor(autn[:6], quintet.ak)
        expected = algorithm.f1(rand, sqn, autn[6:8])
        if not hmac.compare_digest(expected, autn[8:]):
            raise AuthenticationRefused(WRONG_MAC)
        if not self._accept(int.from_bytes(sqn)):
            concealed = xor(self.highest, algorithm.f5_star(rand))
            auts = concealed + algorithm.f1_star(rand, self.highest, RESYNC_AMF)
            return bytes([RESYNC_TAG, len(auts)]) + auts
        parts = (quintet.res, quintet.ck, quintet.ik)
        return bytes([SUCCESS_TAG]) + b"".join(bytes([len(part)]) + part for part in parts)

    def _accept(self, sqn: int) -> bool:
        """TS 33.102 C.2.2: newer than the entry of its index, no leap above delta, below the age limit."""
        sequence, index = sqn >> INDEX_BITS, sqn & ENTRIES - 1
        newest = max(self.sequences)
        limits = self.parameters
        fresh = sequence > self.sequences[index]
        leap = limits.delta and sequence - newest > limits.delta
        aged = limits.age and newest - sequence >= limits.age
        if not fresh or leap or aged:
            return False
        self.sequences[index] = sequence
        return True


def parse_aka(body: Fields) -> AkaParameters | tuple[bytes, int]:
    """akaParameter after its header; a tuple is a mapping: (AID of the source, offset).

    The initial sequence numbers are read by `parse_sequences`, which continues in `body`.
    Raises MalformedDer, UnknownField, Abort.
    """
    configuration = body.required(0xA1)
    choice = Fields(configuration)
    mapping = choice.optional(0xA0)
    given = None if mapping else choice.required(0xA1)
    choice.finish()
    if mapping is not None:
        fields = Fields(mapping)
        fields.required(0x80).octets(1)
        source = fields.required(0x81)
        fields.finish()
        return source.octets(5, 16), source.offset
    sqn_options = body.optional(0x82)
    delta, age = body.optional(0x83), body.optional(0x84)
    if given is None:
        raise Abort(Status.INVALID_REQUEST_FORMAT, "no algorithm", configuration.offset)
    return _parse_algorithm(
        given,
        sqn_options.octets(1)[0] if sqn_options else 0x02,
        int.from_bytes(delta.octets(6)) if delta else DEFAULT_LIMIT,
        int.from_bytes(age.octets(6)) if age else DEFAULT_LIMIT,
    )


def parse_sequences(body: Fields) -> list[int]:
    """sqnInit: 32 values of 6 bytes without IND. Raises MalformedDer, UnknownField, Abort."""
    listed = body.optional(0xA5)
    body.finish()
    if listed is None:
        return [0] * ENTRIES
    items = listed.children()
    values = [int.from_bytes(item.octets(6)) for item in items if item.tag == 0x04]
    if len(values) != ENTRIES or len(items) != ENTRIES or max(values) > MAX_SEQUENCE:
        raise Abort(Status.BAD_VALUES, "initial sequence numbers", listed.offset)
    return values


def skip_mapping_rest(body: Fields) -> None:
    """Sequence parameters beside a mapping: those of the source count. Raises MalformedDer, UnknownField."""
    for tag in (0x82, 0x83, 0x84, 0xA5):
        body.optional(tag)
    body.finish()


def _parse_algorithm(item: Tlv, sqn_options: int, delta: int, age: int) -> AkaParameters:
    fields = Fields(item)
    number = fields.required(0x80)
    options = fields.required(0x81).octets(1)[0]
    key, opc = fields.required(0x82), fields.required(0x83)
    rotations, constants = fields.optional(0x84), fields.optional(0x85)
    limit, keccaks = fields.optional(0x86), fields.optional(0x87)
    fields.finish()
    algorithm = number.integer()
    if algorithm not in (MILENAGE, TUAK, TEST_ALGORITHM):
        raise Abort(Status.INVALID_PARAMETER, "algorithm", number.offset)
    _check_key(algorithm, key, opc)
    count = keccaks.integer() if keccaks else 1
    if not 1 <= count <= 0xFF:
        raise Abort(Status.BAD_VALUES, "numberOfKeccak", item.offset)
    return AkaParameters(
        algorithm=algorithm,
        algorithm_options=options,
        key=key.value,
        opc=opc.value,
        rotations=rotations.octets(5) if rotations else MILENAGE_ROTATIONS,
        constants=constants.octets(80) if constants else MILENAGE_CONSTANTS,
        keccaks=count,
        counter_limit=limit.octets(3) if limit else None,
        sqn_options=sqn_options,
        delta=delta,
        age=age,
    )


def _check_key(algorithm: int, key: Tlv, opc: Tlv) -> None:
    lengths = TUAK_KEY_LENGTHS if algorithm == TUAK else (KEY_LENGTH,)
    if len(key.value) not in lengths:
        raise Abort(Status.BAD_VALUES, "length of K", key.offset)
    if algorithm == TEST_ALGORITHM:
        return  # opc has no meaning there
    if len(opc.value) != (TUAK_TOPC_LENGTH if algorithm == TUAK else KEY_LENGTH):
        raise Abort(Status.BAD_VALUES, "length of OPc or TOPc", opc.offset)
