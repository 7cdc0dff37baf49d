"""Values that have to agree with each other, and the profile header (reference 1.3, 4 and 6)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ferryman.codec.ids import luhn_digit
from ferryman.codec.saip.decoder import EXTENSION
from ferryman.codec.saip.types import Value
from ferryman.errors import InputError
from ferryman.profile.lint.findings import WARNING, Spot, rule
from ferryman.profile.lint.view import File, View, octets
from ferryman.profile.overrides import check_connectivity, check_pol1
from ferryman.profile.slots import ACC_BYTES, access_class, imsi_file

_IDENTITY = re.compile(rb"([0-9]{14,15})@")
_REALM = re.compile(rb"mnc([0-9]{3})\.mcc([0-9]{3})")
MCC_DIGITS = 3

SERVICE_FILES = {
    17: "ef-gid1",
    18: "ef-gid2",
    20: "ef-plmnwact",
    21: "ef-msisdn",
    42: "ef-oplmnwact",
    43: "ef-hplmnwact",
    45: "ef-pnn",
    46: "ef-opl",
    51: "ef-spdi",
}
"""Services of EF UST (TS 31.102 4.2.8) whose file is optional, with that file."""


def _imsi(file: File | None) -> str | None:
    """Digits of EF IMSI, None when it has none or holds no IMSI."""
    content = (file.content if file is not None else None) or b""
    if len(content) < 9 or not 7 <= content[0] <= 8:
        return None
    swapped = "".join(f"{byte & 15:X}{byte >> 4:X}" for byte in content[1:9])
    digits = swapped[1:].rstrip("F")
    return digits if digits.isdigit() and len(digits) >= 14 and imsi_file(digits)[1:] == content[1:9] else None


def _subscribers(view: View) -> Iterator[tuple[int, str]]:
    """Index of every USIM with the IMSI that it holds."""
    for index, _ in view.elements("usim", "iot"):
        imsi = _imsi(view.file(index, "ef-imsi"))
        if imsi is not None:
            yield index, imsi


@rule("header-iccid-digits", "1.3")
def _(view: View) -> Iterator[Spot]:
    """The ICCID of the header is 18 to 20 digits, filled up with F."""
    text = octets(view.header.get("iccid")).hex().upper()
    digits = text.rstrip("F")
    if text and not (digits.isdigit() and 18 <= len(digits) <= 20):
        yield Spot(0, "iccid", "is not 18 to 20 digits and F behind them")


@rule("header-iccid-check-digit", "6", WARNING)
def _(view: View) -> Iterator[Spot]:
    """The ICCID of the header ends with its check digit."""
    digits = octets(view.header.get("iccid")).hex().upper().rstrip("F")
    if digits.isdigit() and len(digits) in (19, 20) and luhn_digit(digits[:-1]) != int(digits[-1]):
        yield Spot(0, "iccid", "does not end with the check digit of E.118")


@rule("header-iccid-in-file", "4", WARNING)
def _(view: View) -> Iterator[Spot]:
    """EF ICCID holds the ICCID of the header."""
    text = octets(view.header.get("iccid")).hex().upper()
    wanted = bytes.fromhex("".join(text[at + 1] + text[at] for at in range(0, len(text) - 1, 2)))
    for file in view.files:
        if file.path == (b"\x2f\xe2",) and file.content is not None and file.content != wanted:
            yield Spot(file.index, file.name, "does not hold the ICCID of the header")


@rule("header-pol1", "1.3")
def _(view: View) -> Iterator[Spot]:
    """POL1 is one byte with bits 3 to 1."""
    pol1 = view.header.get("pol")
    try:
        wrong = pol1 == b""
        check_pol1(octets(pol1))
    except InputError:
        wrong = True
    if wrong:
        yield Spot(0, "pol", "is not one byte of 00 to 07")


@rule("header-connectivity", "1.3")
def _(view: View) -> Iterator[Spot]:
    """Connectivity parameters are objects A0, A1 and A2, each at most once."""
    try:
        check_connectivity(octets(view.header.get("connectivityParameters")))
    except InputError as problem:
        yield Spot(0, "connectivityParameters", problem.rule)


@rule("imsi-form", "6")
def _(view: View) -> Iterator[Spot]:
    """EF IMSI holds 14 or 15 digits with their length and parity."""
    for index, _ in view.elements("usim", "iot"):
        file = view.file(index, "ef-imsi")
        if file is not None and file.content is not None and _imsi(file) is None:
            yield Spot(index, "ef-imsi", "holds no IMSI")


@rule("acc-of-imsi", "4", WARNING)
def _(view: View) -> Iterator[Spot]:
    """EF ACC has the bit of the last digit of the IMSI."""
    for index, imsi in _subscribers(view):
        file = view.file(index, "ef-acc")
        content = file.content if file is not None else None
        bit = int.from_bytes(access_class(imsi))
        if content is not None and not int.from_bytes(content[:ACC_BYTES]) & bit:
            yield Spot(index, "ef-acc", "has not the bit of the last digit of the IMSI")


@rule("mnc-length", "4")
def _(view: View) -> Iterator[Spot]:
    """EF AD says that the MNC has 2 or 3 digits."""
    for index, _ in view.elements("usim", "iot"):
        file = view.file(index, "ef-ad")
        content = file.content if file is not None else None
        if content is not None and len(content) >= 4 and content[3] & 0x0F not in (2, 3):
            yield Spot(index, "ef-ad", f"says that the MNC has {content[3] & 0x0F} digits")


@rule("isim-identity", "4", WARNING)
def _(view: View) -> Iterator[Spot]:
    """The private identity of an ISIM begins with the IMSI of the USIM."""
    imsis = {imsi for _, imsi in _subscribers(view)}
    for index, _ in view.elements("isim"):
        file = view.file(index, "ef-impi")
        found = _IDENTITY.search((file.content if file is not None else None) or b"")
        if found and imsis and found[1].decode() not in imsis:
            yield Spot(index, "ef-impi", "does not begin with the IMSI of the USIM")


@rule("isim-realm", "4", WARNING)
def _(view: View) -> Iterator[Spot]:
    """MCC and MNC of an ISIM's identities are those of the IMSI, the MNC as long as EF AD says."""
    known = [(imsi, _mnc_digits(view, index)) for index, imsi in _subscribers(view)]
    for index, _ in view.elements("isim"):
        file = view.file(index, "ef-impi")
        found = _REALM.search((file.content if file is not None else None) or b"")
        fitting = [
            imsi
            for imsi, digits in known
            if found
            and imsi[:MCC_DIGITS] == found[2].decode()
            and imsi[MCC_DIGITS : MCC_DIGITS + digits].zfill(3) == found[1].decode()
        ]
        if found and known and not fitting:
            yield Spot(index, "ef-impi", "names another network than the IMSI")


def _mnc_digits(view: View, index: int) -> int:
    file = view.file(index, "ef-ad")
    content = (file.content if file is not None else None) or b""
    return content[3] & 0x0F if len(content) >= 4 else 2


@rule("service-table", "4", WARNING)
def _(view: View) -> Iterator[Spot]:
    """A service of EF UST with an optional file has that file."""
    for index, _ in view.elements("usim"):
        file = view.file(index, "ef-ust")
        table = (file.content if file is not None else None) or b""
        present = {one.name for one in view.files if view.application_before(one.index) == index}
        for number, name in SERVICE_FILES.items():
            on = len(table) > (number - 1) // 8 and table[(number - 1) // 8] >> (number - 1) % 8 & 1
            if on and name not in present:
                yield Spot(index, "ef-ust", f"service {number} is on, {name} is not created")


@rule("component-unknown", "3.3", WARNING)
def _(view: View) -> Iterator[Spot]:
    """Proprietary content stands in nonStandard, not in unknown components."""
    for index, element in enumerate(view.package.elements):
        if element.name != "nonStandard" and _has_extension(element.fields):
            yield Spot(index, EXTENSION, "has components that the version of the header does not know")


def _has_extension(value: Value) -> bool:
    if isinstance(value, dict):
        return EXTENSION in value or any(_has_extension(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_extension(item) for item in value)
    return isinstance(value, tuple) and _has_extension(value[1])
