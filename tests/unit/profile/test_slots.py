"""Values of a subscription in card form."""

from __future__ import annotations

import pytest

from ferryman.errors import InputError
from ferryman.profile.slots import PUBLIC_SLOTS, SECRET_SLOTS, derive_public, derive_secret

KEY = bytes(range(16))


def secret(**changes: object) -> dict[str, bytes]:
    arguments: dict[str, object] = {"ki": KEY, "opc": KEY, "kic": KEY, "kid": KEY, "kik": KEY}
    arguments |= {"pin1": "1234", "puk1": "12345678", "adm1": "1234"}
    return derive_secret(**(arguments | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("iccid", "header", "file"),
    [
        ("8999010000000000185", "8999010000000000185F", "989910000000000081F5"),
        ("8933150319301234567", "8933150319301234567F", "983351309103214365F7"),
        ("89000123456789012341", "89000123456789012341", "98001032547698103214"),
    ],
)
def test_iccid(iccid: str, header: str, file: str) -> None:
    values = derive_public(iccid, "001019876543210")
    assert values["iccid_header"] == bytes.fromhex(header)
    assert values["iccid_ef"] == bytes.fromhex(file)


@pytest.mark.parametrize(
    ("imsi", "file", "acc"),
    [
        ("001019876543210", "080910108967452301", "0001"),
        ("001010123456789", "080910101032547698", "0200"),
        ("00101012345678", "0801101010325476F8", "0100"),
    ],
)
def test_imsi_and_access_class(imsi: str, file: str, acc: str) -> None:
    values = derive_public("8999010000000000185", imsi)
    assert values["imsi_ef"] == bytes.fromhex(file)
    assert values["acc"] == bytes.fromhex(acc)
    assert values["imsi_digits"] == imsi.encode()


@pytest.mark.parametrize(
    ("msisdn", "record"),
    [
        ("", "FF" * 14),
        ("+99912345678", "07919919325476F8" + "FF" * 6),
        ("12345", "04812143F5" + "FF" * 9),
    ],
)
def test_msisdn(msisdn: str, record: str) -> None:
    assert derive_public("8999010000000000185", "001019876543210", msisdn)["msisdn_record"].hex().upper() == record


@pytest.mark.parametrize(
    ("iccid", "imsi", "msisdn"),
    [
        ("899901000000000018", "00101987654321", "+"),
        ("89990100000000001", "001019876543210", ""),
        ("899901000000000018500", "001019876543210", ""),
        ("899901000000000018F", "001019876543210", ""),
        ("8999010000000000185", "0010198765432", ""),
        ("8999010000000000185", "00101987654321٠", ""),
        ("8999010000000000185", "001019876543210", "+1234567890123456"),
    ],
)
def test_wrong_identities(iccid: str, imsi: str, msisdn: str) -> None:
    with pytest.raises(InputError):
        derive_public(iccid, imsi, msisdn)


def test_codes() -> None:
    values = secret(pin2="12345678", puk2="87654321", adm1="00112233AABBCCdd")
    assert values["pin1"] == b"1234\xff\xff\xff\xff"
    assert values["puk1"] == b"12345678"
    assert values["pin2"] == b"12345678"
    assert values["adm1"] == bytes.fromhex("00112233AABBCCDD")
    assert secret(adm1="123456")["adm1"] == b"123456\xff\xff"
    assert "pin2" not in secret()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ki", KEY[:15]),
        ("opc", KEY + b"\x00"),
        ("kik", b""),
        ("pin1", "123"),
        ("pin1", "123456789"),
        ("pin1", "12a4"),
        ("puk1", "1234567"),
        ("adm1", "123"),
        ("adm1", "123456789"),
        ("adm1", "00112233 ABBCCDD"),
        ("pin2", "12"),
    ],
)
def test_wrong_secrets_are_named_but_not_shown(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        secret(**{name: value})
    assert caught.value.field == name
    if isinstance(value, str):
        assert value not in caught.value.rule


def test_every_slot_is_either_public_or_secret() -> None:
    assert not PUBLIC_SLOTS & SECRET_SLOTS
    assert derive_public("8999010000000000185", "001019876543210").keys() == PUBLIC_SLOTS
    assert secret(pin2="1234", puk2="12345678").keys() == SECRET_SLOTS
