"""Vectors of scp03t.json: whole recorded and generated profile downloads (SGP.02 4.1.3.3)."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec import euicc_response
from ferryman.secure import scp03, scp03t
from ferryman.secure.kdf import cmac
from shared_data import vectors

ALL = vectors("scp03t")


def cases(*names: str, without: str = "") -> pytest.MarkDecorator:
    chosen = [
        v
        for v in ALL
        if {*v["input"], *v["expected"]}.issuperset(names) and without not in {*v["input"], *v["expected"]}
    ]
    return pytest.mark.parametrize("vector", chosen, ids=lambda v: v["id"])


def static_keys(given: dict[str, Any]) -> scp03t.StaticKeys:
    return scp03t.StaticKeys(bytes.fromhex(given["kenc"]), bytes.fromhex(given["kmac"]))


def parameters(vector: dict[str, Any]) -> dict[str, Any]:
    given, expected = vector["input"], vector["expected"]
    return {
        "host_challenge": bytes.fromhex(given["initialize_update"])[4:],
        "sequence_counter": int(given.get("sequence_counter") or expected["sequence_counter"], 16),
        "isdp_aid": bytes.fromhex(given["isdp_aid"]),
    }


@cases("isdp_aid", "initialize_update")
def test_opening(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    place = parameters(vector)
    package = scp03t.protect(static_keys(given), key_version=0x30, plaintext=b"", **place)
    assert package.initialize_update.hex() == given["initialize_update"]
    assert package.external_authenticate.hex() == expected["external_authenticate"]
    assert package.segments == ()
    response = given.get("initialize_update_response") or expected["initialize_update_response"]
    answer = scp03t.check_initialize_response(static_keys(given), response_84=bytes.fromhex(response), **place)
    assert answer.card_challenge.hex() == expected["card_challenge"]
    assert answer.sequence_counter == place["sequence_counter"]


@cases("segments_plain", "segments_protected")
def test_download(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    place = parameters(vector)
    challenge = bytes.fromhex(expected["card_challenge"])
    session = scp03.session_keys(static_keys(given), place["host_challenge"], challenge)
    _, chain = scp03t.authenticate(session, place["host_challenge"], challenge)
    plain = [bytes.fromhex(text) for text in given["segments_plain"]]
    segments = scp03t.protect_segments(session, chain, plain)
    assert [segment.hex() for segment in segments] == expected["segments_protected"]

    responses = [bytes.fromhex(text) for text in expected.get("responses", ())]
    if responses:
        scp03t.check_authenticate_response(responses.pop(0))
    else:
        responses = [b"\x86\x00"] * (len(plain) - 1) + [bytes.fromhex(expected["final_response"])]
    opened = [
        scp03t.unprotect_response(
            static_keys(given), segments=segments, index=index, response_86=response, **place
        )
        for index, response in enumerate(responses)
    ]
    assert opened[:-1] == [b""] * (len(opened) - 1)
    wanted = expected.get("final_response_plain") or given["final_response_plain"]
    assert opened[-1].hex() == wanted
    assert euicc_response.parse(opened[-1]).ok == (wanted == "3007a0053003800100")


def cut_evenly(vector: dict[str, Any]) -> bool:
    sizes = [len(text) // 2 for text in vector["input"].get("segments_plain", ())]
    return bool(sizes) and set(sizes[:-1]) <= {sizes[0]} and sizes[-1] <= sizes[0] <= scp03t.MAX_SEGMENT


@pytest.mark.parametrize("vector", [v for v in ALL if cut_evenly(v)], ids=lambda v: v["id"])
def test_the_package_is_cut_blindly(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    plain = [bytes.fromhex(text) for text in given["segments_plain"]]
    size = len(plain[0])
    package = scp03t.protect(
        static_keys(given), key_version=0x30, plaintext=b"".join(plain), segment=size, **parameters(vector)
    )
    assert [segment.hex() for segment in package.segments] == expected["segments_protected"]


@cases("segments_protected", "card_challenge", "responses", without="isdp_aid")
def test_what_a_card_refuses_is_not_what_we_send(vector: dict[str, Any]) -> None:
    given = vector["input"]
    host, card = bytes.fromhex(given["host_challenge"]), bytes.fromhex(given["card_challenge"])
    session = scp03.session_keys(static_keys(given), host, card)
    authenticate, chain = scp03t.authenticate(session, host, card)
    refused = bytes.fromhex(vector["expected"]["responses"][0])
    with pytest.raises(scp03t.SCP03tError) as caught:
        scp03t.check_authenticate_response(refused)
    assert (caught.value.tag, caught.value.code) == (int.from_bytes(refused[:2]), 0x02)
    if refused[:2] == b"\x9f\x45":
        assert authenticate.hex() != given["external_authenticate"]
        return
    assert authenticate.hex() == given["external_authenticate"]
    first = bytes.fromhex(given["segments_protected"][0])
    assert cmac(session.mac, chain + first[:-8])[:8] != first[-8:]


@cases("keys_present")
def test_unknown_key_version(vector: dict[str, Any]) -> None:
    with pytest.raises(scp03t.SCP03tError, match="keyset not found") as caught:
        scp03t.check_initialize_response(
            scp03t.StaticKeys(bytes(16), bytes(16)),
            host_challenge=bytes(8),
            isdp_aid=bytes(16),
            response_84=bytes.fromhex(vector["expected"]["responses"][0]),
        )
    assert (caught.value.tag, caught.value.code) == (0x9F44, 0x03)


@cases("first_segment_protected_head")
def test_first_bytes_of_other_recorded_downloads(vector: dict[str, Any]) -> None:
    # These sessions sent the Profile of the recorded download of 2017, one of them in 1024-byte pieces.
    given, expected = vector["input"], vector["expected"]
    profile = next(v for v in ALL if v["id"] == "sgp02-trace-2017-02-14-112827")["input"]["segments_plain"]
    place = parameters(vector)
    challenge = bytes.fromhex(expected["card_challenge"])
    session = scp03.session_keys(static_keys(given), place["host_challenge"], challenge)
    _, chain = scp03t.authenticate(session, place["host_challenge"], challenge)
    head = bytes.fromhex(expected["first_segment_protected_head"])
    (segment,) = scp03t.protect_segments(session, chain, [bytes.fromhex(profile[0])])
    assert segment[4 : len(head)] == head[4:]
    assert segment[:4].hex() == "868203f8"
