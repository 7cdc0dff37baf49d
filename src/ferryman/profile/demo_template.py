"""A small profile template of our own for demonstrations and tests (TCA profile package format 2.3).

Network 001 01 of TS 36.508, USIM with Milenage, one operator security domain with AES keys, remote file
management of the UICC and of the USIM. Every value of a subscription is a placeholder of zeros, so the
template by itself authenticates nowhere and opens nothing.
"""

from __future__ import annotations

from ferryman.codec.saip import Package, ProfileElement, encode
from ferryman.codec.saip.elements import MILENAGE
from ferryman.codec.saip.types import Value

VERSION = (2, 3)
PROFILE_TYPE = "Ferryman demo"

TEMPLATE_MF = "2.23.143.1.2.1"
TEMPLATE_USIM = "2.23.143.1.2.4"

USIM_AID = bytes.fromhex("A0000000871002FFFFFFFF8900000000")
USIM_FILE_ID = bytes.fromhex("7FD0")
RFM_UICC_AID = bytes.fromhex("A0000000090005FFFFFFFF89B0000000")
RFM_USIM_AID = bytes.fromhex("A0000000090005FFFFFFFF89B0001000")
"""ETSI's provider, remote management; bytes 13 to 15 are the TAR (TS 101 220)."""

MINIMUM_SECURITY = b"\x16"
"""SPI1 of incoming packets: cryptographic checksum, ciphering, counter higher (TS 102 225)."""

PIN1, PIN2, ADM1 = 1, 129, 10
PUK1, PUK2 = 1, 129
PIN_DISABLED, PIN_ENABLED, ADM_ENABLED = 6, 7, 3
TEN_TRIES = 0xAA

MNO_SD_PACKAGE = bytes.fromhex("A0000001515350")
MNO_SD_CLASS = bytes.fromhex("A000000151535041")
MNO_SD_AID = bytes.fromhex("A000000151000000")
MNO_SD_PRIVILEGES = bytes.fromhex("82DC00")
MNO_SD_INSTALL = bytes.fromhex("810280008201F08301F08701F0")
MNO_SD_TOOLKIT = bytes.fromhex("01000000000201160300000000")
"""Priority 1, no timers, menus or channels; minimum security level 16; TAR 000000; no services."""

PERSONALIZED = b"\x0f"
AES = b"\x88"

READ, UPDATE, READ_UPDATE, DEACTIVATE_ACTIVATE, ALL_BUT_READ, DF_WORK = (
    b"\x01",
    b"\x02",
    b"\x03",
    b"\x18",
    b"\x5a",
    b"\x5e",
)
"""Access mode bytes of TS 102 221 9.4.2: what a rule of EF ARR is about."""

SERVICES_IN_UST = (10, 12, 19, 28, 33, 34, 85)
"""TS 31.102 4.2.8: SMS, SMSP, SPN, SMS-PP data download, (always 1), EST, EPS mobility."""

UST_BYTES = 14


def demo_template() -> bytes:
    """The template as DER, about 1.4 kB; `compile_template` finds all places of a subscription in it."""
    return encode(demo_package())


def demo_package() -> Package:
    """The template as a tree, elements numbered in order from 1."""
    bodies = (
        _mf,
        _puk_codes,
        _pin_codes,
        _usim,
        _adf_pin_codes,
        _aka,
        _security_domain,
        _rfm_uicc,
        _rfm_usim,
        _end,
    )
    elements = [body(number) for number, body in enumerate(bodies, start=1)]
    return Package(VERSION, (_header(), *elements))


def _pe_header(number: int) -> Value:
    return {"mandated": None, "identification": number}


def _header() -> ProfileElement:
    return ProfileElement(
        "header",
        {
            "major-version": VERSION[0],
            "minor-version": VERSION[1],
            "profileType": PROFILE_TYPE,
            "iccid": bytes(10),
            "eUICC-Mandatory-services": {"usim": None, "milenage": None},
            "eUICC-Mandatory-GFSTEList": [TEMPLATE_MF, TEMPLATE_USIM],
        },
    )


def _always(mode: bytes) -> bytes:
    """Part of an access rule: `mode` is free (TS 102 221 9.2.4 in expanded format)."""
    return b"\x80\x01" + mode + b"\x90\x00"


def _by(mode: bytes, reference: int) -> bytes:
    """Part of an access rule: `mode` needs the code with this key reference."""
    return b"\x80\x01" + mode + b"\xa4\x06\x83\x01" + bytes((reference,)) + b"\x95\x01\x08"


def _access_rules() -> tuple[bytes, ...]:
    """Records 1 to 14 of EF ARR; the numbers are those that the files of the templates refer to by default.

    The numbers no file of these two templates uses are for the administrator only.
    """
    administrator = _by(READ_UPDATE, ADM1)
    rules = dict.fromkeys(range(1, 15), administrator)
    rules[1] = _always(READ) + _by(UPDATE, PIN1) + _by(DEACTIVATE_ACTIVATE, ADM1)
    rules[2] = _by(READ, PIN1) + _by(ALL_BUT_READ, ADM1)
    rules[5] = _by(READ_UPDATE, PIN1) + _by(DEACTIVATE_ACTIVATE, ADM1)
    rules[8] = _by(READ, PIN1) + _by(UPDATE, PIN2) + _by(DEACTIVATE_ACTIVATE, ADM1)
    rules[10] = _always(READ) + _by(ALL_BUT_READ, ADM1)
    rules[11] = _always(READ)
    rules[14] = _by(DF_WORK, ADM1)
    return tuple(rules[number] for number in sorted(rules))


def _size(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _linear_fixed(records: tuple[bytes, ...], **fcp: Value) -> Value:
    """A File of records as long as the longest; the rest of each is skipped and so stays FF."""
    length = max(len(each) for each in records)
    entries: list[Value] = [
        (
            "fileDescriptor",
            {
                "fileDescriptor": b"\x42\x21" + length.to_bytes(2, "big"),
                "efFileSize": _size(length * len(records)),
                **fcp,
            },
        )
    ]
    gap = 0
    for each in records:
        if gap:
            entries.append(("fillFileOffset", gap))
        entries.append(("fillFileContent", each))
        gap = length - len(each)
    return entries


def _content(content: bytes) -> Value:
    """A File as its template describes it, with this content."""
    return [("fillFileContent", content)]


def _application_entry(aid: bytes, label: str) -> bytes:
    """A record of EF DIR (TS 102 221 13.1): application identifier and label."""
    name = label.encode("ascii")
    body = b"\x4f" + bytes((len(aid),)) + aid + b"\x50" + bytes((len(name),)) + name
    return b"\x61" + bytes((len(body),)) + body


def _mf(number: int) -> ProfileElement:
    return ProfileElement(
        "mf",
        {
            "mf-header": _pe_header(number),
            "templateID": TEMPLATE_MF,
            "mf": [("fileDescriptor", {"pinStatusTemplateDO": bytes((PIN1, ADM1))})],
            "ef-iccid": _content(bytes(10)),
            "ef-dir": _linear_fixed((_application_entry(USIM_AID, "USIM"),)),
            "ef-arr": _linear_fixed(_access_rules()),
        },
    )


def _puk_codes(number: int) -> ProfileElement:
    codes: list[Value] = [{"keyReference": reference, "pukValue": bytes(8)} for reference in (PUK1, PUK2)]
    return ProfileElement("pukCodes", {"puk-Header": _pe_header(number), "pukCodes": codes})


def _pin_codes(number: int) -> ProfileElement:
    """Global codes: PIN1, disabled as usual in machines, and ADM1."""
    codes: list[Value] = [
        {
            "keyReference": PIN1,
            "pinValue": bytes(8),
            "unblockingPINReference": PUK1,
            "pinAttributes": PIN_DISABLED,
        },
        {
            "keyReference": ADM1,
            "pinValue": bytes(8),
            "pinAttributes": ADM_ENABLED,
            "maxNumOfAttemps-retryNumLeft": TEN_TRIES,
        },
    ]
    return ProfileElement("pinCodes", {"pin-Header": _pe_header(number), "pinCodes": ("pinconfig", codes)})


def _service_table(services: tuple[int, ...], size: int) -> bytes:
    table = bytearray(size)
    for service in services:
        table[(service - 1) // 8] |= 1 << (service - 1) % 8
    return bytes(table)


def _usim(number: int) -> ProfileElement:
    adf: Value = {
        "fileID": USIM_FILE_ID,
        "dfName": USIM_AID,
        "pinStatusTemplateDO": bytes((PIN2, PIN1, ADM1)),
    }
    return ProfileElement(
        "usim",
        {
            "usim-header": _pe_header(number),
            "templateID": TEMPLATE_USIM,
            "adf-usim": [("fileDescriptor", adf)],
            "ef-imsi": _content(bytes.fromhex("080910101032547698")),
            "ef-arr": _linear_fixed(_access_rules()),
            "ef-ust": _content(_service_table(SERVICES_IN_UST, UST_BYTES)),
            "ef-spn": _content(b"\x00" + b"Ferryman".ljust(16, b"\xff")),
            "ef-est": _content(b"\x00"),
            "ef-acc": _content(b"\x00\x01"),
            "ef-ad": _content(bytes.fromhex("00000002")),
            "ef-ecc": _content(bytes.fromhex("11F2FF00")),
        },
    )


def _adf_pin_codes(number: int) -> ProfileElement:
    code: Value = {
        "keyReference": PIN2,
        "pinValue": bytes(8),
        "unblockingPINReference": PUK2,
        "pinAttributes": PIN_ENABLED,
    }
    return ProfileElement("pinCodes", {"pin-Header": _pe_header(number), "pinCodes": ("pinconfig", [code])})


def _aka(number: int) -> ProfileElement:
    parameter: Value = {
        "algorithmID": MILENAGE,
        "algorithmOptions": b"\x00",
        "key": bytes(16),
        "opc": bytes(16),
    }
    return ProfileElement(
        "akaParameter",
        {"aka-header": _pe_header(number), "algoConfiguration": ("algoParameter", parameter)},
    )


def _ota_key(identifier: int, usage: int) -> Value:
    """An AES-128 key of version 1, which is SCP80's."""
    return {
        "keyUsageQualifier": bytes((usage,)),
        "keyIdentifier": bytes((identifier,)),
        "keyVersionNumber": b"\x01",
        "keyCompontents": [{"keyType": AES, "keyData": bytes(16)}],
    }


def _security_domain(number: int) -> ProfileElement:
    instance: Value = {
        "applicationLoadPackageAID": MNO_SD_PACKAGE,
        "classAID": MNO_SD_CLASS,
        "instanceAID": MNO_SD_AID,
        "applicationPrivileges": MNO_SD_PRIVILEGES,
        "lifeCycleState": PERSONALIZED,
        "applicationSpecificParametersC9": MNO_SD_INSTALL,
        "applicationParameters": {"uiccToolkitApplicationSpecificParametersField": MNO_SD_TOOLKIT},
    }
    keys: list[Value] = [_ota_key(1, 0x18), _ota_key(2, 0x14), _ota_key(3, 0x48)]
    return ProfileElement(
        "securityDomain", {"sd-Header": _pe_header(number), "instance": instance, "keyList": keys}
    )


def _rfm(number: int, aid: bytes) -> dict[str, Value]:
    return {
        "rfm-header": _pe_header(number),
        "instanceAID": aid,
        "tarList": [aid[12:15]],
        "minimumSecurityLevel": MINIMUM_SECURITY,
        "uiccAccessDomain": b"\x00",
        "uiccAdminAccessDomain": b"\x00",
    }


def _rfm_uicc(number: int) -> ProfileElement:
    return ProfileElement("rfm", _rfm(number, RFM_UICC_AID))


def _rfm_usim(number: int) -> ProfileElement:
    access: Value = {"adfAID": USIM_AID, "adfAccessDomain": b"\x00", "adfAdminAccessDomain": b"\x00"}
    return ProfileElement("rfm", _rfm(number, RFM_USIM_AID) | {"adfRFMAccess": access})


def _end(number: int) -> ProfileElement:
    return ProfileElement("end", {"end-header": _pe_header(number)})
