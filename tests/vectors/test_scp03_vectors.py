"""Vectors of scp03.json: sessions with real cards, traces, generated sessions, key wrapping (Amendment D)."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec.apdu import CommandAPDU, ResponseAPDU
from ferryman.codec.isdr_keys import put_keys
from ferryman.errors import PeerError
from ferryman.secure import kcv, scp03
from shared_data import vectors

ALL = vectors("scp03")


def chosen(*, having: tuple[str, ...], lacking: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    def fits(vector: dict[str, Any]) -> bool:
        names = set(vector["input"]) | set(vector["expected"])
        return names.issuperset(having) and not names.intersection(lacking)

    return pytest.mark.parametrize("vector", [v for v in ALL if fits(v)], ids=lambda v: v["id"])


def static_keys(given: dict[str, Any]) -> scp03.StaticKeys:
    return scp03.StaticKeys(bytes.fromhex(given["kenc"]), bytes.fromhex(given["kmac"]))


def channel(vector: dict[str, Any]) -> scp03.SecureChannel:
    given = vector["input"]
    level = int(given["security_level"], 16)
    if "init_rsp" in given:
        update = CommandAPDU.parse(bytes.fromhex(given["init_update"]))
        aid = bytes.fromhex(given["isdp_aid"]) if "isdp_aid" in given else None
        return scp03.SecureChannel.open(
            static_keys(given),
            host_challenge=update.data,
            response=bytes.fromhex(given["init_rsp"]),
            aid=aid,
            level=level,
        )
    return scp03.SecureChannel(
        static_keys(given),
        host_challenge=bytes.fromhex(given["host_challenge"]),
        card_challenge=bytes.fromhex(given["card_challenge"]),
        level=level,
    )


@chosen(having=("s_enc",))
def test_session_keys_and_cryptograms(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    host = bytes.fromhex(given.get("host_challenge") or expected["host_challenge"])
    card = bytes.fromhex(given.get("card_challenge") or expected["card_challenge"])
    keys = scp03.session_keys(static_keys(given), host, card)
    assert (keys.enc.hex(), keys.mac.hex(), keys.rmac.hex()) == (
        expected["s_enc"],
        expected["s_mac"],
        expected["s_rmac"],
    )
    assert scp03.card_cryptogram(keys, host, card).hex() == expected["card_cryptogram"]
    if "host_cryptogram" in expected:
        assert scp03.host_cryptogram(keys, host, card).hex() == expected["host_cryptogram"]
    if "init_rsp" in given:
        answer = scp03.parse_initialize_response(bytes.fromhex(given["init_rsp"]))
        assert answer.card_challenge == card
        assert answer.card_cryptogram.hex() == expected["card_cryptogram"]
        assert scp03.initialize_update(int(given["init_update"][4:6], 16), host).hex() == given["init_update"]
    if "sequence_counter" in expected:
        aid = bytes.fromhex(given["isdp_aid"])
        predicted = scp03.predict_card_challenge(
            static_keys(given).enc, int(expected["sequence_counter"], 16), aid
        )
        assert (predicted == card) == expected["pseudo_random_challenge_ok"]


@chosen(having=("external_authenticate", "s_enc"))
def test_dialogue(vector: dict[str, Any]) -> None:
    expected = vector["expected"]
    host = channel(vector)
    assert host.external_authenticate().hex() == expected["external_authenticate"]
    for command in expected.get("commands", ()):
        wrapped = CommandAPDU.parse(host.wrap(bytes.fromhex(command["plain"])))
        wanted = CommandAPDU.parse(bytes.fromhex(command["wrapped"]))
        # Traces show Le behind the protected form of a command without one; it is outside the MAC.
        assert (wrapped.cla, wrapped.ins, wrapped.p1, wrapped.p2, wrapped.data) == (
            wanted.cla,
            wanted.ins,
            wanted.p1,
            wanted.p2,
            wanted.data,
        )
        if "sw" not in command:
            continue
        answer = ResponseAPDU(bytes.fromhex(command.get("rsp_wrapped", "")), int(command["sw"], 16))
        opened = host.unwrap(answer)
        assert opened.sw == int(command["sw"], 16)
        assert opened.data.hex() == command.get("rsp_plain", "")


@chosen(having=("aid", "sequence_counter", "card_challenge"))
def test_card_challenge(vector: dict[str, Any]) -> None:
    given = vector["input"]
    challenge = scp03.predict_card_challenge(
        bytes.fromhex(given["kenc"]), int(given["sequence_counter"], 16), bytes.fromhex(given["aid"])
    )
    assert challenge.hex() == vector["expected"]["card_challenge"]


@chosen(having=("encrypted_key", "kcv"))
def test_key_wrapping(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    component = kcv.wrap_key(bytes.fromhex(given["kdek"]), bytes.fromhex(given["key"]))
    assert component.encrypted.hex() == expected["encrypted_key"]
    assert component.kcv.hex() == expected["kcv"]
    if "data_field" in expected:
        apdu = CommandAPDU.parse(put_keys(int(given["new_key_version"], 16), [component]))
        assert apdu.data.hex() == expected["data_field"]


@chosen(having=("external_authenticate", "accept"), lacking=("rsp_wrapped",))
def test_what_a_card_accepts_is_what_we_send_and_nothing_else(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    host = channel(vector)
    ours = [host.external_authenticate().hex(), host.wrap(bytes.fromhex("80e2880004aabbccdd")).hex()]
    theirs = [given["external_authenticate"], given.get("wrapped", ours[1])]
    assert (ours == theirs) == expected["accept"]


@chosen(having=("external_authenticate", "replay"))
def test_a_repeated_command_is_never_the_same(vector: dict[str, Any]) -> None:
    host = channel(vector)
    host.external_authenticate()
    plain = bytes.fromhex("80e2880004aabbccdd")
    assert host.wrap(plain).hex() == vector["input"]["wrapped"]
    assert host.wrap(plain).hex() != vector["input"]["wrapped"]


@chosen(having=("rsp_wrapped", "accept"))
def test_wrong_r_mac(vector: dict[str, Any]) -> None:
    given = vector["input"]
    host = channel(vector)
    host.external_authenticate()
    assert host.wrap(bytes.fromhex("80e2880004aabbccdd")).hex() == given["wrapped"]
    with pytest.raises(PeerError, match="R-MAC"):
        host.unwrap(ResponseAPDU(bytes.fromhex(given["rsp_wrapped"]), int(given["sw"], 16)))
