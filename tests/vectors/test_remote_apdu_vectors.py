"""Vectors of remote_apdu.json: scripts, answers, PUSH, session triggers (ETSI TS 102 226, Amendment B)."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec import admin_trigger, ota_script, tlv
from ferryman.errors import PeerError
from shared_data import vectors

ALL = vectors("remote_apdu")
CHAINING = {"first, delete on reset": ota_script.CHAIN_FIRST, "subsequent, more follow": ota_script.CHAIN_MORE}


def of(*ops: str) -> list[dict[str, Any]]:
    return [vector for vector in ALL if vector["input"]["op"] in ops]


def cases(*ops: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", of(*ops), ids=lambda vector: vector["id"])


def unhex(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


@cases("encode")
def test_encode(vector: dict[str, Any]) -> None:
    given = vector["input"]
    apdus = [bytes.fromhex(text) for text in given["c_apdus"]]
    if given["format"] == "compact":
        built = ota_script.encode_compact(apdus)
    else:
        built = ota_script.build_command_script(
            [ota_script.c_apdu(apdu) for apdu in apdus],
            indefinite=given["format"] == "expanded-indefinite",
            chaining=CHAINING[given["script_chaining"]] if "script_chaining" in given else None,
            immediate_action=unhex(given.get("immediate_action")),
            error_action=unhex(given.get("error_action")),
        )
    assert built.hex() == vector["expected"]["data"]


@cases("decode")
def test_decode(vector: dict[str, Any]) -> None:
    expected, data = vector["expected"], bytes.fromhex(vector["input"]["data"])
    if expected.get("error"):
        with pytest.raises(PeerError):
            ota_script.parse_response_script(data)
        return
    if vector["input"]["format"] == "compact":
        compact = ota_script.parse_compact_response(data)
        assert compact.executed == expected["executed"]
        assert f"{compact.sw:04x}" == expected["sw"]
        assert compact.data.hex() == expected["data"]
        return
    script = ota_script.parse_response_script(data)
    assert script.executed == expected.get("executed")
    if "r_apdus" in expected:
        assert [{"data": r.data.hex(), "sw": f"{r.sw:04x}"} for r in script.r_apdus] == expected["r_apdus"]
    if "tlvs" in expected:
        assert [item.raw.hex() for item in script.tlvs] == expected["tlvs"]
    names = (
        ("bad_format", script.bad_format, ota_script.BAD_FORMAT),
        ("script_chaining_error", script.chaining_error, ota_script.CHAINING_ERROR),
        ("immediate_action_error", script.immediate_action_error, ota_script.IMMEDIATE_ACTION_ERROR),
    )
    for key, code, texts in names:
        assert (texts[code] if code is not None else None) == expected.get(key)


@cases("push")
def test_push(vector: dict[str, Any]) -> None:
    given = vector["input"]
    built = ota_script.push(int(given["p2"], 16), [bytes.fromhex(item) for item in given["tlvs"]])
    assert built.hex() == vector["expected"]["apdu"]


@cases("session_trigger")
def test_session_trigger(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], bytes.fromhex(vector["expected"]["data"])
    built = ota_script.encode_trigger(
        connection=unhex(given["connection_parameters"]),
        security=unhex(given["security_parameters"]),
        retry=unhex(given["retry_policy"]),
        http=unhex(given["http_post"]),
    )
    assert built == expected
    if vector["id"].startswith("trig-gen-") or vector["id"] == "trig-default":
        read = ota_script.parse_trigger(expected)
        again = ota_script.build_trigger(
            host=read.host,
            uri=read.uri,
            agent_id=read.agent_id,
            port=read.port,
            ipv4=read.address if read.address and ":" not in read.address else None,
            ipv6=read.address if read.address and ":" in read.address else None,
            bearer=read.bearer,
            buffer_size=read.buffer_size,
            apn=read.apn,
            psk_identity=read.psk_identity,
            psk_key=read.psk_key,
            retry_count=read.retry_count,
            retry_delay=read.retry_delay,
        )
        assert again == expected


@cases("security_parameters")
def test_security_parameters(vector: dict[str, Any]) -> None:
    given = vector["input"]
    value = admin_trigger.security_value(
        bytes.fromhex(given["psk_identity"]), int(given["kvn"], 16), int(given["kid"], 16)
    )
    assert value.hex() == vector["expected"]["value"]
    assert tlv.encode(0x85, value).hex() == vector["expected"]["tlv"]


@cases("bip_open_channel")
def test_open_channel_objects_are_those_of_the_trigger(vector: dict[str, Any]) -> None:
    # The proactive command is the card's; its objects are what a trigger carries in `84`. The access name is left
    # out: the source of this vector puts one length in front of the whole name, not one per label.
    given = vector["input"]
    objects = admin_trigger.connection_objects(
        bearer=bytes.fromhex(given["bearer"]),
        buffer_size=given["buffer"],
        port=given["port"],
        address=".".join(str(byte) for byte in bytes.fromhex(given["address"])),
    )
    command = tlv.parse_one(bytes.fromhex(vector["expected"]["proactive"]), 0xD0).value
    names = (0x35, 0x39, 0x3C, 0x3E)
    inside = b"".join(item.raw for item in tlv.parse(command) if item.tag in names)
    assert inside == objects


@cases("parse_terminal_response")
def test_terminal_response_objects(vector: dict[str, Any]) -> None:
    objects = {item.tag & 0x7F: item.value for item in tlv.parse(bytes.fromhex(vector["input"]["data"]))}
    expected = vector["expected"]
    assert objects[0x03].hex() == expected["result"]
    assert objects[0x38].hex() == expected["channel_status"]
    assert objects[0x35].hex() == expected["bearer"]
    assert int.from_bytes(objects[0x39]) == expected["buffer"]


@cases("channel_data")
def test_channel_data_object(vector: dict[str, Any]) -> None:
    assert tlv.encode(0x36, bytes.fromhex(vector["input"]["data"])).hex() == vector["expected"]["tlv"]
