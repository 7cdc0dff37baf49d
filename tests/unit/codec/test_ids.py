"""Identifiers: examples of sgp02-euicc.md 1 and profile-package.md 6."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec import ids
from ferryman.errors import PeerError


def digits(low: int, high: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=low, max_size=high)


def test_1_1_aids_and_tars() -> None:
    first = ids.isdp_aid(0x10)
    assert first.hex().upper() == "A0000005591010FFFFFFFF8900001000"
    assert ids.AID(first).tar == bytes.fromhex("000010")
    assert ids.AID(ids.ISDR_AID).tar == ids.ISDR_TAR
    assert ids.isdp_aid(0xFFFF).hex().upper().endswith("8900FFFF00")
    assert ids.AID(first).is_isdp
    assert not ids.AID(ids.ISDR_AID).is_isdp
    assert not ids.AID(ids.ISDP_LOADFILE_AID).is_isdp
    for index in (0x0F, 0x10000):
        with pytest.raises(ValueError):
            ids.isdp_aid(index)


def test_1_1_aid_uri() -> None:
    aid = ids.isdp_aid(0x10)
    assert ids.aid_uri(aid) == "//aid/A000000559/1010FFFFFFFF8900001000"
    assert ids.AID(aid).uri == ids.aid_uri(aid)
    for text in (
        "//aid/A000000559/1010FFFFFFFF8900001000",
        "//aa-id/aid/A000000559/1010ffffffff8900001000",
        "//aaid/aid/A000000559/1010FFFFFFFF8900001000",
        " //aid/a000000559/1010FFFFFFFF8900001000 ",
    ):
        assert ids.parse_aid_uri(text) == aid
    for text in ("", "//aid/A000000559", "//aid/A00000055/10", "//aid/A000000559/101", "//eid/A000000559/10"):
        with pytest.raises(PeerError):
            ids.parse_aid_uri(text)


def test_1_2_eid_check_digits() -> None:
    eid = ids.EID.parse("89049032123456789012345678901203")
    assert eid.check_digits_ok
    assert eid.bcd == bytes.fromhex("89049032123456789012345678901203")
    assert ids.EID.from_bcd(eid.bcd) == eid
    assert str(eid) == eid.digits
    assert ids.EID.parse("89001012012341234012345678901224").check_digits_ok
    assert not ids.EID.parse("89049032123456789012345678901204").check_digits_ok


def test_1_3_iccid() -> None:
    iccid = ids.ICCID.parse("8933150319301234567")
    assert iccid.ef == bytes.fromhex("983351309103214365F7")
    assert iccid.header == bytes.fromhex("8933150319301234567F")
    assert ids.ICCID.from_ef(iccid.ef) == ids.ICCID.from_header(iccid.header) == iccid
    assert ids.ICCID.parse("8933150319301234567F") == iccid


def test_profile_package_6_encodings() -> None:
    iccid = ids.ICCID.parse("8999010000000000185")
    assert iccid.check_digit_ok
    assert not ids.ICCID.parse("8999010000000000184").check_digit_ok
    assert not ids.ICCID.parse("899901000000000018").check_digit_ok
    assert iccid.header == bytes.fromhex("8999010000000000185F")
    assert iccid.ef == bytes.fromhex("989910000000000081F5")
    assert ids.IMSI.parse("001019876543210").ef == bytes.fromhex("080910108967452301")
    assert ids.IMSI.parse("00101987654321").ef == bytes.fromhex("0801101089674523F1")
    assert ids.IMSI.parse("001010").ef == bytes.fromhex("04011010F0FFFFFFFF")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ids.EID, "8904903212345678901234567890120"),
        (ids.EID, "8904903212345678901234567890120A"),
        (ids.EID, "８9049032123456789012345678901203"),
        (ids.ICCID, "89331503193012345"),
        (ids.ICCID, "893315031930123456789"),
        (ids.ICCID, "89331503193012345F7"),
        (ids.IMSI, "12345"),
        (ids.IMSI, "1234567890123456"),
        (ids.AID, "A0000005"),
        (ids.AID, "A0 00 00 05 59"),
        (ids.AID, "A" * 33),
        (ids.TAR, "0001"),
        (ids.TAR, "00000G"),
    ],
)
def test_wrong_text_is_refused_with_the_field(kind: type, text: str) -> None:
    with pytest.raises(PeerError) as caught:
        kind.parse(text)
    assert caught.value.field


def test_wrong_bytes_are_refused() -> None:
    for data in (b"", bytes(15), bytes.fromhex("8904903212345678901234567890120A")):
        with pytest.raises(PeerError):
            ids.EID.from_bcd(data)
    for data in (bytes(9), bytes.fromhex("98335130F103214365F7")):
        with pytest.raises(PeerError):
            ids.ICCID.from_ef(data)
    with pytest.raises(PeerError):
        ids.ICCID.from_header(bytes.fromhex("89331F0319301234567F"))
    with pytest.raises(PeerError):
        _ = ids.AID(bytes(14)).tar


def test_text_forms() -> None:
    assert str(ids.TAR.parse("b00010")) == "B00010"
    assert str(ids.AID.parse("a000000559")) == "A000000559"
    assert str(ids.IMSI.parse("001010123456789")) == "001010123456789"
    assert str(ids.ICCID.parse("8933150319301234567")) == "8933150319301234567"


@settings(max_examples=100, deadline=None)
@given(digits(18, 20), digits(32, 32), digits(6, 15))
def test_round_trips(iccid: str, eid: str, imsi: str) -> None:
    value = ids.ICCID.parse(iccid)
    assert ids.ICCID.from_ef(value.ef).digits == iccid
    assert ids.ICCID.from_header(value.header).digits == iccid
    assert ids.EID.from_bcd(ids.EID.parse(eid).bcd).digits == eid
    coded = ids.IMSI.parse(imsi).ef
    assert len(coded) == 9
    assert ids.unswap_nibbles(coded[1 : 1 + coded[0]], field="x")[1:] == imsi
    body = iccid[:-1]
    assert ids.ICCID.parse(body.ljust(18, "1") + str(ids.luhn_digit(body.ljust(18, "1")))).check_digit_ok


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.binary(max_size=17))
def test_anything_parses_or_is_refused(text: str, data: bytes) -> None:
    for reader in (
        ids.EID.parse,
        ids.ICCID.parse,
        ids.IMSI.parse,
        ids.AID.parse,
        ids.TAR.parse,
        ids.parse_aid_uri,
    ):
        with contextlib.suppress(PeerError):
            reader(text)
    for decoder in (ids.EID.from_bcd, ids.ICCID.from_ef, ids.ICCID.from_header):
        with contextlib.suppress(PeerError):
            decoder(data)
