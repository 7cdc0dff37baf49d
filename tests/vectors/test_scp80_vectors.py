"""SCP80 vectors: scp80_sms_command, scp80_sms_response, scp80_bip, scp80_negative (ETSI TS 102 225)."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec import ota_packet
from ferryman.errors import PeerError
from ferryman.secure import scp80
from shared_data import vectors

BIP = vectors("scp80_bip")
COMMANDS = vectors("scp80_sms_command") + [v for v in BIP if v["input"]["direction"] == "command"]
RESPONSES = vectors("scp80_sms_response") + [v for v in BIP if v["input"]["direction"] == "response"]
NEGATIVE = vectors("scp80_negative")

# Words of the vectors and what our refusals say.
REASONS = {
    "RC/CC/DS failed": "check value",
    "malformed header or check failed": "header length",
    "padding counter out of range": "padding counter",
    "malformed length": "packet length",
    "CC failed": "check value",
}


def unhex(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def keys(given: dict[str, Any]) -> tuple[bytes | None, bytes | None]:
    return unhex(given["kic_key"]), unhex(given["kid_key"])


def ids(vector: dict[str, Any]) -> str:
    return str(vector["id"])


@pytest.mark.parametrize("vector", COMMANDS, ids=ids)
def test_command(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    ber = given["transport"] != "sms"
    packet = scp80.wrap_command(
        *keys(given),
        spi=bytes.fromhex(given["spi"]),
        kic=int(given["kic"], 16),
        kid=int(given["kid"], 16),
        tar=bytes.fromhex(given["tar"]),
        counter=int(given["cntr"], 16),
        data=bytes.fromhex(given["data"]),
        cc_length=given["cc_len"],
        ber=ber,
    )
    assert packet.hex() == expected["packet"]
    opened = scp80.unwrap_command(
        *keys(given), packet, minimum_spi1=0, algorithms=None, cc_length=given["cc_len"], ber=ber
    )
    assert opened.data.hex() == given["data"]
    assert opened.counter == int(given["cntr"], 16)
    assert opened.tar.hex() == given["tar"]
    header = ota_packet.peek_command(packet, ber=ber)
    assert header.check_bytes + 13 == expected["chl"]
    open_counter = None if header.spi.ciphered else opened.counter
    assert header.open_counter == open_counter


@pytest.mark.parametrize("vector", RESPONSES, ids=ids)
def test_response(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    ber = given["transport"] != "sms"
    spi2, kic, kid = (int(given[name], 16) for name in ("spi2", "kic", "kid"))
    packet = bytes.fromhex(expected["packet"])
    opened = scp80.unwrap_response(
        *keys(given),
        packet,
        spi2=spi2,
        kic=kic,
        kid=kid,
        tar=bytes.fromhex(given["tar"]),
        counter=int(given["cntr"], 16),
        cc_length=given["cc_len"],
        ber=ber,
    )
    assert opened.data.hex() == given["data"]
    assert f"{opened.status:02x}" == given["status"]
    again = scp80.wrap_response(
        *keys(given),
        spi2=spi2,
        kic=kic,
        kid=kid,
        tar=opened.tar,
        counter=opened.counter,
        status=opened.status,
        data=opened.data,
        cc_length=given["cc_len"],
        ber=ber,
    )
    assert again == packet
    header = ota_packet.peek_response(packet, ber=ber)
    assert header.tar.hex() == given["tar"]
    assert header.check_bytes + 10 == expected["rhl"]


def open_negative(vector: dict[str, Any]) -> scp80.Command | scp80.Response:
    given = vector["input"]
    packet = bytes.fromhex(given["packet"])
    if given["kind"] == "command":
        return scp80.unwrap_command(
            *keys(given),
            packet,
            minimum_spi1=int(given["minimum_spi1"], 16),
            last_counter=int(given["last_counter"], 16),
            tars=[bytes.fromhex(tar) for tar in given["known_tars"]],
            algorithms=None,
            cc_length=given["cc_len"],
        )
    key_octet = 0x15 if "3des2" in vector["id"] else 0x12
    return scp80.unwrap_response(
        *keys(given),
        packet,
        spi2=int(given["spi2"], 16),
        kic=key_octet,
        kid=key_octet,
        tar=bytes.fromhex(given["expected_tar"]),
        counter=int(given["expected_cntr"], 16),
        cc_length=given["cc_len"],
    )


@pytest.mark.parametrize("vector", NEGATIVE, ids=ids)
def test_negative(vector: dict[str, Any]) -> None:
    expected = vector["expected"]
    if expected["accept"]:
        opened = open_negative(vector)
        assert opened.data.hex() == expected["data"]
        return
    with pytest.raises(PeerError) as caught:
        open_negative(vector)
    assert REASONS.get(expected["reason"], expected["reason"]) in caught.value.reason
    if "log_status" in expected:
        assert caught.value.reason.endswith(expected["log_status"].upper())
