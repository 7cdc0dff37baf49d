"""AKA algorithms of the simulated USIM against 3GPP conformance sets and the USIM answer vectors."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ferryman_sim.profile import AuthenticationRefused
from ferryman_sim.profile.aka import Milenage, TestAlgorithm, Tuak, TuakLengths, xor
from ferryman_sim.profile.authentication import (
    DEFAULT_LIMIT,
    MILENAGE,
    TEST_ALGORITHM,
    TUAK,
    AkaParameters,
    Authenticator,
)
from ferryman_sim.profile.keccak import keccak_f
from shared_data import vectors

K = bytes(range(16))
RAND = bytes(range(0x50, 0x60))
AMF = bytes.fromhex("8000")


def by_id(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def parameters(algorithm: int, key: bytes, opc: bytes, **changes: int) -> AkaParameters:
    values: dict[str, Any] = {
        "algorithm": algorithm,
        "algorithm_options": 2,
        "key": key,
        "opc": opc,
        "rotations": bytes.fromhex("4000204060"),
        "constants": b"".join(value.to_bytes(16) for value in (0, 1, 2, 4, 8)),
        "keccaks": 1,
        "counter_limit": None,
        "sqn_options": 2,
        "delta": DEFAULT_LIMIT,
        "age": DEFAULT_LIMIT,
    }
    return AkaParameters(**{**values, **changes})


def autn(algorithm: Any, rand: bytes, sqn: int) -> bytes:
    number = sqn.to_bytes(6)
    return xor(number, algorithm.f2345(rand).ak) + AMF + algorithm.f1(rand, number, AMF)


@pytest.mark.parametrize("vector", vectors("milenage"), ids=by_id)
def test_milenage_conformance(vector: dict[str, Any]) -> None:
    given = {name: bytes.fromhex(text) for name, text in vector["input"].items()}
    wanted = {name: bytes.fromhex(text) for name, text in vector["expected"].items()}
    algorithm = Milenage(given["k"], wanted["opc"])
    quintet = algorithm.f2345(given["rand"])
    assert algorithm.f1(given["rand"], given["sqn"], given["amf"]) == wanted["f1"]
    assert algorithm.f1_star(given["rand"], given["sqn"], given["amf"]) == wanted["f1star"]
    assert quintet.res == wanted["f2"]
    assert (quintet.ck, quintet.ik, quintet.ak) == (wanted["f3"], wanted["f4"], wanted["f5"])
    assert algorithm.f5_star(given["rand"]) == wanted["f5star"]


def test_milenage_takes_rotations_and_constants_from_the_profile() -> None:
    usual = Milenage(K, bytes(16)).f2345(RAND)
    turned = Milenage(K, bytes(16), bytes.fromhex("4000204160")).f2345(RAND)
    other = Milenage(K, bytes(16), constants=bytes(79) + b"\x08").f2345(RAND)
    assert (turned.res, turned.ck) == (usual.res, usual.ck)
    assert turned.ik != usual.ik
    assert other.res != usual.res


@pytest.mark.parametrize("vector", vectors("tuak"), ids=by_id)
def test_tuak_conformance(vector: dict[str, Any]) -> None:
    given, wanted = vector["input"], {k: bytes.fromhex(v) for k, v in vector["expected"].items()}
    key, rand, sqn, amf = (bytes.fromhex(given[name]) for name in ("k", "rand", "sqn", "amf"))
    lengths = TuakLengths(*(given[f"{name}_length"] // 8 for name in ("mac", "res", "ck", "ik")))
    assert Tuak.derive_topc(key, bytes.fromhex(given["top"]), given["iterations"]) == wanted["topc"]
    algorithm = Tuak(key, wanted["topc"], given["iterations"], lengths)
    quintet = algorithm.f2345(rand)
    assert algorithm.f1(rand, sqn, amf) == wanted["f1"]
    assert algorithm.f1_star(rand, sqn, amf) == wanted["f1star"]
    assert (quintet.res, quintet.ck) == (wanted["f2"], wanted["f3"])
    assert (quintet.ik, quintet.ak) == (wanted["f4"], wanted["f5"])
    assert algorithm.f5_star(rand) == wanted["f5star"]


def test_keccak_permutation_gives_sha3() -> None:
    block = (b"abc\x06".ljust(135, b"\x00") + b"\x80").ljust(200, b"\x00")
    assert keccak_f(block)[:32] == hashlib.sha3_256(b"abc").digest()


def test_test_algorithm_cuts_everything_from_one_block() -> None:
    algorithm = TestAlgorithm(K)
    mixed = xor(K, RAND)
    quintet = algorithm.f2345(RAND)
    assert quintet.res == mixed[:8]
    assert quintet.ck == mixed[1:] + mixed[:1]
    assert quintet.ik == mixed[2:] + mixed[:2]
    assert quintet.ak == mixed[3:9] == algorithm.f5_star(RAND)
    assert algorithm.f1(RAND, bytes(6), bytes(2)) == mixed[:8]
    assert algorithm.f1(RAND, b"\x01" * 6, b"\x02\x03") == xor(mixed[:8], b"\x01" * 6 + b"\x02\x03")


def usim_vectors(op: str) -> list[dict[str, Any]]:
    return [vector for vector in vectors("usim_auth") if vector["input"]["op"] == op]


def usim(given: dict[str, Any]) -> Authenticator:
    if given["algorithm"] == "tuak":
        return Authenticator(parameters(TUAK, bytes.fromhex(given["k"]), bytes.fromhex(given["topc"])))
    return Authenticator(parameters(MILENAGE, bytes.fromhex(given["k"]), bytes.fromhex(given["opc"])))


@pytest.mark.parametrize("vector", usim_vectors("auth"), ids=by_id)
def test_usim_answers(vector: dict[str, Any]) -> None:
    given, wanted = vector["input"], vector["expected"]
    rand, token = bytes.fromhex(given["rand"]), bytes.fromhex(wanted["autn"])
    answer = usim(given).authenticate(rand, token).hex()
    assert answer == f"db08{wanted['res']}10{wanted['ck']}10{wanted['ik']}"
    if "success_response" in wanted:
        assert answer == wanted["success_response"]
        card = usim(given)
        highest, offered = int(given["sqn_ms_for_resync"], 16), int(given["sqn"], 16)
        card.sequences[highest % 32] = highest // 32
        card.sequences[offered % 32] = max(card.sequences[offered % 32], offered // 32)
        assert card.authenticate(rand, token).hex() == wanted["sync_failure_response"]


@pytest.mark.parametrize("vector", usim_vectors("auth_check"), ids=by_id)
def test_usim_refuses_a_wrong_mac(vector: dict[str, Any]) -> None:
    given = vector["input"]
    with pytest.raises(AuthenticationRefused) as refused:
        usim(given).authenticate(bytes.fromhex(given["rand"]), bytes.fromhex(given["autn"]))
    assert f"{refused.value.sw:04x}" == vector["expected"]["sw"]


def card(**changes: int) -> Authenticator:
    return Authenticator(parameters(TEST_ALGORITHM, K, bytes(16), **changes))


def offer(device: Authenticator, sequence: int, index: int = 0) -> int:
    """Tag of the card's answer to a token with this SEQ and IND."""
    return device.authenticate(RAND, autn(TestAlgorithm(K), RAND, sequence << 5 | index))[0]


def test_a_sequence_number_counts_once_for_its_index() -> None:
    device = card()
    assert offer(device, 5) == 0xDB
    assert offer(device, 5) == 0xDC
    assert offer(device, 4) == 0xDC
    assert offer(device, 4, index=1) == 0xDB
    assert offer(device, 6) == 0xDB


def test_zero_is_never_fresh() -> None:
    assert offer(card(), 0) == 0xDC


def test_a_leap_above_delta_and_an_aged_number_resynchronise() -> None:
    device = card(delta=100, age=10)
    assert offer(device, 101) == 0xDC
    assert offer(device, 100) == 0xDB
    assert offer(device, 90, index=1) == 0xDC
    assert offer(device, 91, index=1) == 0xDB


def test_limits_of_zero_are_off() -> None:
    device = card(delta=0, age=0)
    assert offer(device, (1 << 43) - 1) == 0xDB
    assert offer(device, 1, index=1) == 0xDB


def test_auts_carries_the_highest_accepted_number() -> None:
    device = card()
    assert offer(device, 7, index=3) == 0xDB
    assert offer(device, 6, index=9) == 0xDB
    answer = device.authenticate(RAND, autn(TestAlgorithm(K), RAND, 2 << 5 | 3))
    algorithm = TestAlgorithm(K)
    assert answer[:2] == b"\xdc\x0e"
    assert xor(answer[2:8], algorithm.f5_star(RAND)) == (7 << 5 | 3).to_bytes(6)
    assert answer[8:] == algorithm.f1_star(RAND, (7 << 5 | 3).to_bytes(6), bytes(2))


def test_a_wrong_mac_leaves_the_numbers_alone() -> None:
    device = card()
    token = bytearray(autn(TestAlgorithm(K), RAND, 9 << 5))
    token[15] ^= 1
    with pytest.raises(AuthenticationRefused):
        device.authenticate(RAND, bytes(token))
    assert device.sequences == [0] * 32


@pytest.mark.parametrize(("rand", "token"), [(RAND[1:], bytes(16)), (RAND, bytes(15))])
def test_sizes_are_checked(rand: bytes, token: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        card().authenticate(rand, token)
