"""EUICCResponse: examples of sgp02-euicc.md 5.9 and profile-package.md 5."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec import euicc_response, tlv
from ferryman.codec.euicc_response import EUICCResponse, PEStatus
from ferryman.errors import PeerError


def test_5_9_success() -> None:
    response = euicc_response.parse(bytes.fromhex("3007A0053003800100"))
    assert response == EUICCResponse((PEStatus(0),), False)
    assert response.ok
    assert response.installed
    assert euicc_response.describe(response) == "ok"


def test_profile_package_5_abort() -> None:
    response = euicc_response.parse(bytes.fromhex("3012A00E300C8001068101088201018301118100"))
    assert response == EUICCResponse((PEStatus(6, 8, 1, 17),), True)
    assert not response.ok
    assert not response.installed
    assert euicc_response.describe(response) == "aborted; PE 8: invalid-parameter (information 1, offset 17)"


def test_a_warning_is_not_a_bare_success() -> None:
    response = euicc_response.parse(
        bytes.fromhex("3014A012 3006800101810105 3008 800203E7 840209FF".replace(" ", ""))
    )
    assert [status.name for status in response.statuses] == ["pe-not-supported", "unknown 999"]
    warned = EUICCResponse((PEStatus(1, 5), PEStatus(0)), False)
    assert warned.installed
    assert not warned.ok
    # Without the closing status (that of PE-End, which names no element) nothing is installed.
    assert not EUICCResponse((PEStatus(0, 5),), False).installed


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("6A80", "status word 6A80"),
        ("009000", "status word 9000"),
        ("9485", "status word 9485"),
        ("00A001", "proprietary 40961"),
        ("1F", "unsupported-profile-version"),
    ],
)
def test_status_names(number: str, name: str) -> None:
    value = bytes.fromhex(number)
    status = b"\x80" + bytes((len(value),)) + value
    pe = b"\x30" + bytes((len(status),)) + status
    listed = b"\xa0" + bytes((len(pe),)) + pe
    response = euicc_response.parse(b"\x30" + bytes((len(listed),)) + listed)
    assert response.statuses[0].name == name


def test_message_is_shown_quoted() -> None:
    response = euicc_response.parse(bytes.fromhex("300CA00530038001058203410A42"))
    assert response.message == "A\nB"
    assert euicc_response.describe(response).endswith("'A\\nB'")


@pytest.mark.parametrize(
    "data",
    [
        "",
        "3000",
        "3005A003300181",
        "3004A0023000",
        "3105A0033001",
        "3009A0073005800500000000",
        "30028100",
        "3007A0053103800100",
        "300BA009300780050000000000",
        "3005A003300180",
        "3007A0053003810100",
    ],
)
def test_broken_responses_are_refused(data: str) -> None:
    with pytest.raises(PeerError):
        euicc_response.parse(bytes.fromhex(data))


def test_message_is_bounded() -> None:
    listed = bytes.fromhex("A0053003800100")
    for size, fine in ((256, True), (257, False)):
        data = tlv.encode(0x30, listed + tlv.encode(0x82, b"m" * size))
        if fine:
            assert euicc_response.parse(data).message == "m" * size
        else:
            with pytest.raises(PeerError):
                euicc_response.parse(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(PeerError):
        euicc_response.describe(euicc_response.parse(data))
    with contextlib.suppress(PeerError):
        euicc_response.describe(euicc_response.parse(b"\x30" + bytes((len(data),)) + data))
