"""Published packages made with Milenage and with TUAK authenticate on the simulated card (TS 35.208, TS 35.233).

TUAK's expected values for the card's lengths come from a third implementation, over SHAKE256, which is checked
with the test sets in all their lengths first.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ferryman.codec.saip import decode, encode
from ferryman.profile.places import Algorithm
from ferryman.profile.template import compile_template
from ferryman_sim.profile import AuthenticationRefused, install
from saip_samples import TS48_NAMES, sample_values, ts48
from shared_data import vectors

MEMORY = 1 << 16
NO_LIMIT = bytes(6)
WORDS = ("op", "algorithm")


def by_id(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def card(name: str, algorithm: Algorithm, key: bytes, opc: bytes) -> Any:
    """The profile on a card; test sets jump in their sequence numbers, so there is no limit to a leap."""
    template = compile_template(ts48(name), algorithm=algorithm)
    package = decode(template.render(sample_values() | {"ki": key, "opc": opc}))
    for element in package.named("akaParameter"):
        element.fields["sqnDelta"] = element.fields["sqnAgeLimit"] = NO_LIMIT
    outcome = install(encode(package), free_memory=MEMORY)
    assert outcome.profile is not None, outcome.reason
    return outcome.profile


def octets(values: dict[str, Any]) -> dict[str, bytes]:
    hexadecimal = (item for item in values.items() if isinstance(item[1], str) and item[0] not in WORDS)
    return {name: bytes.fromhex(value) for name, value in hexadecimal}


def answer(*parts: bytes) -> bytes:
    return b"\xdb" + b"".join(bytes((len(part),)) + part for part in parts)


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))


@pytest.mark.parametrize("vector", vectors("milenage"), ids=by_id)
def test_milenage_test_sets(vector: dict[str, Any]) -> None:
    given, wanted = octets(vector["input"]), octets(vector["expected"])
    profile = card(TS48_NAMES[-2], "milenage", given["k"], wanted["opc"])
    token = xor(given["sqn"], wanted["f5"]) + given["amf"] + wanted["f1"]
    assert profile.authenticate(given["rand"], token) == answer(wanted["f2"], wanted["f3"], wanted["f4"])


@pytest.mark.parametrize("name", TS48_NAMES)
def test_every_published_package_with_a_vector_of_each_algorithm(name: str) -> None:
    for vector in vectors("usim_auth"):
        if vector["input"]["op"] != "auth":
            continue
        given, wanted = octets(vector["input"]), octets(vector["expected"])
        tuak = vector["input"]["algorithm"] == "tuak"
        profile = card(name, "tuak128" if tuak else "milenage", given["k"], given["topc" if tuak else "opc"])
        expected = answer(wanted["res"], wanted["ck"], wanted["ik"])
        assert profile.authenticate(given["rand"], wanted["autn"]) == expected
        if tuak or vector["id"].endswith("0"):
            wrong = wanted["autn"][:-1] + bytes((wanted["autn"][-1] ^ 1,))
            with pytest.raises(AuthenticationRefused):
                profile.authenticate(given["rand"], wrong)


class Tuak:
    """TS 35.231 with one Keccak permutation, whose padding is that of SHAKE256; each value last byte first."""

    def __init__(self, key: bytes, topc: bytes, *, mac: int = 8, res: int = 8, ck: int = 16, ik: int = 16) -> None:
        self.key, self.topc = key, topc
        self.mac, self.res, self.ck, self.ik = mac, res, ck, ik

    def block(self, instance: int, rand: bytes, amf: bytes = b"", sqn: bytes = b"") -> bytes:
        long_key = 1 if len(self.key) == 32 else 0
        middle = rand[::-1] + amf[::-1].ljust(2, b"\0") + sqn[::-1].ljust(6, b"\0")
        data = self.topc[::-1] + bytes((instance | long_key,)) + b"TUAK1.0"[::-1] + middle
        return hashlib.shake_256(data + self.key[::-1].ljust(32, b"\0")).digest(136)

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        return self.block({8: 0x08, 16: 0x10, 32: 0x20}[self.mac], rand, amf, sqn)[: self.mac][::-1]

    def f2345(self, rand: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        instance = 0x40 | {4: 0x00, 8: 0x08, 16: 0x10, 32: 0x20}[self.res]
        instance |= (0x04 if self.ck == 32 else 0) | (0x02 if self.ik == 32 else 0)
        out = self.block(instance, rand)
        parts = ((0, self.res), (32, self.ck), (64, self.ik), (96, 6))
        res, ck, ik, ak = (out[at : at + size][::-1] for at, size in parts)
        return res, ck, ik, ak


def one_round() -> list[dict[str, Any]]:
    return [vector for vector in vectors("tuak") if vector["input"]["iterations"] == 1]


@pytest.mark.parametrize("vector", one_round(), ids=by_id)
def test_the_third_implementation_gives_the_test_sets(vector: dict[str, Any]) -> None:
    given, wanted = octets(vector["input"]), octets(vector["expected"])
    sizes = {name: vector["input"][f"{name}_length"] // 8 for name in ("mac", "res", "ck", "ik")}
    tuak = Tuak(given["k"], wanted["topc"], **sizes)
    assert tuak.f1(given["rand"], given["sqn"], given["amf"]) == wanted["f1"]
    assert tuak.f2345(given["rand"]) == (wanted["f2"], wanted["f3"], wanted["f4"], wanted["f5"])


@pytest.mark.parametrize("vector", one_round(), ids=by_id)
def test_tuak_test_sets(vector: dict[str, Any]) -> None:
    given, wanted = octets(vector["input"]), octets(vector["expected"])
    algorithm: Algorithm = "tuak256" if len(given["k"]) == 32 else "tuak128"
    profile = card(TS48_NAMES[-2], algorithm, given["k"], wanted["topc"])
    tuak = Tuak(given["k"], wanted["topc"])
    res, ck, ik, ak = tuak.f2345(given["rand"])
    token = xor(given["sqn"], ak) + given["amf"] + tuak.f1(given["rand"], given["sqn"], given["amf"])
    assert profile.authenticate(given["rand"], token) == answer(res, ck, ik)
