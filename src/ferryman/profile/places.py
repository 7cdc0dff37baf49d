"""Where a subscription's values belong in a profile package (TCA profile package format, clauses 8.2 to 8.6).

The automatic mapping: it declares nothing, it finds the places by their meaning and puts slots there.
A package with a place missing, or one where the mapping would have to guess, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from ferryman.codec.saip.elements import MILENAGE, TUAK, USIM_TEST_ALGORITHM
from ferryman.codec.saip.package import Package, ProfileElement
from ferryman.codec.saip.tree import as_bytes, as_choice, as_list, as_number, as_record, choices
from ferryman.codec.saip.types import Mixed, Slot, Value
from ferryman.errors import InputError
from ferryman.profile import files
from ferryman.profile.slots import (
    ACC_BYTES,
    CODE_BYTES,
    ICCID_BYTES,
    IMSI_EF_BYTES,
    KEY_BYTES,
    MSISDN_BYTES,
)

type Algorithm = Literal["milenage", "tuak128", "tuak256", "as-is"]

TOPC_BYTES = 32
"""TOPc of TUAK (TS 35.231)."""

SETTINGS: dict[str, tuple[int, int, int]] = {
    "milenage": (MILENAGE, KEY_BYTES, KEY_BYTES),
    "tuak128": (TUAK, KEY_BYTES, TOPC_BYTES),
    "tuak256": (TUAK, 2 * KEY_BYTES, TOPC_BYTES),
}
"""By service name: algorithmID, bytes of the key and of OPc or TOPc."""

PIN_SLOTS = {1: "pin1", 129: "pin2", 10: "adm1"}
PUK_SLOTS = {1: "puk1", 129: "puk2"}

OTA_KEY_VERSION = b"\x01"
OTA_KEY_SLOTS = {b"\x01": "kic", b"\x02": "kid", b"\x03": "kik"}
AES_KEY_TYPE = b"\x88"

_IMPI = re.compile(rb"\x80[\x10-\x7f]([0-9]{14,15})@")
"""Start of EF IMPI (TS 31.103 4.2.2): tag 80, length, and a network access identifier that begins with an IMSI."""

DEFAULT_MNC_DIGITS = 2
"""What EF AD of the USIM template says when the package does not override it."""

MANDATORY_PLACES = {
    "iccid_header": "an ICCID in its profile header",
    "iccid_ef": "an EF ICCID (PE-MF, or 2FE2 by generic file management)",
    "imsi_ef": "a USIM with an EF IMSI",
    "acc": "a USIM with an EF ACC",
    "ki": "an akaParameter with algoParameter (key)",
    "opc": "an akaParameter with algoParameter (opc)",
    "pin1": "a PIN1 (key reference 1) in a PE-PINCodes",
    "puk1": "a PUK1 (key reference 1) in PE-PUKCodes",
    "adm1": "an ADM1 (key reference 10) in a PE-PINCodes",
}
"""Slots every template must have, and what it lacks without them."""


def algorithm_named(name: str) -> Algorithm:
    """The algorithm of this name. Raises InputError."""
    match name:
        case "milenage" | "tuak128" | "tuak256" | "as-is":
            return name
        case _:
            raise InputError("algorithm", "must be one of milenage, tuak128, tuak256, as-is")


@dataclass(slots=True)
class Mapping:
    """Result of the mapping: the slots placed, by name, and what an operator should know."""

    slots: dict[str, Slot] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def slot(self, name: str, size: int) -> Slot:
        """A slot of exactly `size` bytes. Raises InputError when the template has it in another size too."""
        slot = self.slots.setdefault(name, Slot(name, size, size))
        if slot.minimum != size:
            raise InputError("template", f"has places of {slot.minimum} and of {size} bytes for {name}")
        return slot


def place_slots(package: Package, algorithm: Algorithm) -> Mapping:
    """Replaces the subscription's values in `package`, in place, by slots.

    With the name of an algorithm every akaParameter is set to it and the mandatory services follow; with
    `as-is` algorithms stay. Raises InputError naming a missing, doubtful or too small place.
    """
    mapping = Mapping()
    package.header["iccid"] = mapping.slot("iccid_header", ICCID_BYTES)
    _place_iccid(package, mapping)
    _place_usim(package, mapping)
    _place_msisdn(package, mapping)
    _place_aka(package, mapping, algorithm)
    for element in package.named("pinCodes"):
        _place_pins(element, mapping)
    for element in package.named("pukCodes"):
        _place_codes(as_list(element.fields["pukCodes"]), "pukValue", PUK_SLOTS, mapping)
    _place_ota_keys(package, mapping)
    _note_what_stays(package, mapping)
    for name, what in MANDATORY_PLACES.items():
        if name not in mapping.slots:
            raise InputError("template", f"lacks {what}")
    _require_ota_keys(package, mapping)
    return mapping


def _place_iccid(package: Package, mapping: Mapping) -> None:
    for element in package.named("mf"):
        slot = mapping.slot("iccid_ef", ICCID_BYTES)
        file = element.fields["ef-iccid"]
        element.fields["ef-iccid"] = files.replaced(file, slot, ICCID_BYTES, "mf.ef-iccid")
    for element in package.named("genericFileManagement"):
        commands = as_list(element.fields["fileManagementCMD"])
        for index, command in enumerate(commands):
            commands[index] = _iccid_in_command(as_list(command), mapping)


def _iccid_in_command(command: list[Value], mapping: Mapping) -> list[Value]:
    """The same commands, with the content of a generically created 2FE2 replaced."""
    result: list[Value] = []
    inside = False
    for name, value in choices(command):
        created = as_record(value) if name == "createFCP" else None
        if created is not None or name == "filePath":
            inside = created is not None and created.get("fileID") == b"\x2f\xe2"
        elif inside:
            continue  # old content of EF ICCID
        result.append((name, value))
        if inside and created is not None:
            result.append(("fillFileContent", mapping.slot("iccid_ef", ICCID_BYTES)))
    return result


def _place_usim(package: Package, mapping: Mapping) -> None:
    usims = package.named("usim")
    if len(usims) != 1:
        raise InputError("template", f"has {len(usims)} USIMs, the automatic mapping needs exactly one")
    fields = usims[0].fields
    for name, slot, size in (("ef-imsi", "imsi_ef", IMSI_EF_BYTES), ("ef-acc", "acc", ACC_BYTES)):
        fields[name] = files.replaced(fields[name], mapping.slot(slot, size), size, f"usim.{name}")
    for element in package.named("isim"):
        _place_identities(element, mapping)


def mnc_digits(package: Package) -> int:
    """Digits of the MNC as EF AD of the first USIM says (TS 31.102 4.2.18)."""
    for element in package.named("usim")[:1]:
        entries = choices(element.fields.get("ef-ad", []))
        if all(isinstance(value, bytes) for name, value in entries if name == "fillFileContent"):
            ad = files.content_of(entries)
            if len(ad) >= 4 and ad[3] & 0x0F in (2, 3):
                return ad[3] & 0x0F
    return DEFAULT_MNC_DIGITS


def _place_identities(isim: ProfileElement, mapping: Mapping) -> None:
    """Puts the IMSI into IMPI and IMPU where the template's own stands; their realms are the operator's and stay.

    The sample is the user part of the IMPI, not EF IMSI: published packages have different ones.
    """
    private = as_list(isim.fields["ef-impi"])
    stored = _constant_bytes(private)
    if b"@" not in stored:
        mapping.notes.append("isim.ef-impi holds no identity and stays as it is")
        return
    sample = _IMPI.search(stored)
    if sample is None:
        raise InputError("isim.ef-impi", "does not begin with an IMSI, so it cannot be personalised")
    slot = mapping.slot("imsi_digits", len(sample[1]))
    for file in (private, as_list(isim.fields["ef-impu"])):
        file[:] = [_with_imsi_digits(name, value, sample[1], slot) for name, value in choices(file)]


def _with_imsi_digits(name: str, value: Value, sample: bytes, slot: Slot) -> tuple[str, Value]:
    """One entry of a File, with the sample replaced in its content or in the patterns of its descriptor."""
    if name == "fillFileContent":
        return name, files.with_slot(value, sample, slot)
    if name == "fileDescriptor":
        proprietary = as_record(as_record(value).get("proprietaryEFInfo", {}))
        for key in ("fillPattern", "repeatPattern"):
            if key in proprietary:
                proprietary[key] = files.with_slot(proprietary[key], sample, slot)
    return name, value


def _constant_bytes(file: list[Value]) -> bytes:
    """All content and patterns of a File, one after the other."""
    found: list[Value] = []
    for name, value in choices(file):
        if name == "fillFileContent":
            found.append(value)
        elif name == "fileDescriptor":
            proprietary = as_record(as_record(value).get("proprietaryEFInfo", {}))
            found += [proprietary.get("fillPattern", b""), proprietary.get("repeatPattern", b"")]
    return b"\x00".join(value for value in found if isinstance(value, bytes))


def _place_msisdn(package: Package, mapping: Mapping) -> None:
    """The first record of EF MSISDN, where the package has that file with a stated record length."""
    for element in package.named("opt-usim"):
        file = element.fields.get("ef-msisdn")
        if file is None:
            continue
        entries = choices(file)
        length = files.record_length(files.descriptor(entries, "opt-usim.ef-msisdn"))
        if length is None or length < MSISDN_BYTES:
            mapping.notes.append("opt-usim.ef-msisdn states no record length and stays as it is")
            continue
        written = files.content_of(entries)
        alpha = written[: length - MSISDN_BYTES].ljust(length - MSISDN_BYTES, b"\xff")
        content = Mixed((alpha, mapping.slot("msisdn_record", MSISDN_BYTES), written[length:]))
        size = max(length, len(written))
        element.fields["ef-msisdn"] = files.replaced(file, content, size, "opt-usim.ef-msisdn")


def _place_aka(package: Package, mapping: Mapping, algorithm: Algorithm) -> None:
    left: set[Value] = set()
    for element in package.named("akaParameter"):
        kind, value = as_choice(element.fields["algoConfiguration"])
        if kind != "algoParameter":
            continue
        parameter = as_record(value)
        if algorithm == "as-is":
            key_size, opc_size = (len(as_bytes(parameter[name])) for name in ("key", "opc"))
        else:
            identifier, key_size, opc_size = SETTINGS[algorithm]
            if parameter["algorithmID"] != identifier:
                parameter.pop("numberOfKeccak", None)
            parameter["algorithmID"] = identifier
        parameter["key"] = mapping.slot("ki", key_size)
        parameter["opc"] = mapping.slot("opc", opc_size)
        left.add(parameter["algorithmID"])
    if algorithm != "as-is" and left:
        _follow_services(as_record(package.header["eUICC-Mandatory-services"]), algorithm)
    if USIM_TEST_ALGORITHM in left:
        mapping.notes.append("the USIM test algorithm stays: such a profile is for test networks only")


def _follow_services(services: dict[str, Value], algorithm: str) -> None:
    """The eUICC must now know this algorithm, and no longer what was there before."""
    for name in ("milenage", "usim-test-algorithm", "tuak128", "tuak256"):
        services.pop(name, None)
    services[algorithm] = None


def _place_pins(element: ProfileElement, mapping: Mapping) -> None:
    kind, value = as_choice(element.fields["pinCodes"])
    if kind == "pinconfig":
        _place_codes(as_list(value), "pinValue", PIN_SLOTS, mapping)


def _place_codes(entries: list[Value], component: str, names: dict[int, str], mapping: Mapping) -> None:
    for entry in entries:
        code = as_record(entry)
        reference = as_number(code["keyReference"])
        if reference in names:
            code[component] = mapping.slot(names[reference], CODE_BYTES)
        else:
            mapping.notes.append(f"{component} of key reference {reference} stays as the template has it")


def _place_ota_keys(package: Package, mapping: Mapping) -> None:
    """KIc, KID and KIK of the operator's security domain, which is the first one; they become AES keys."""
    for position, element in enumerate(package.named("securityDomain")):
        for item in as_list(element.fields.get("keyList", [])):
            key = as_record(item)
            version, identifier = as_bytes(key["keyVersionNumber"]), as_bytes(key["keyIdentifier"])
            name = OTA_KEY_SLOTS.get(identifier) if version == OTA_KEY_VERSION and not position else None
            if name is None:
                where = f"PE {element.identification} securityDomain"
                mapping.notes.append(
                    f"{where}: key {identifier[0]} of version {version[0]} stays as the template has it"
                )
                continue
            components = as_list(key["keyCompontents"])
            if len(components) != 1:
                raise InputError("securityDomain", f"key {identifier[0]} of version 1 has several components")
            component = as_record(components[0])
            component["keyType"] = AES_KEY_TYPE
            component["keyData"] = mapping.slot(name, KEY_BYTES)


def _require_ota_keys(package: Package, mapping: Mapping) -> None:
    """All three OTA keys or, in a package without remote file management, none."""
    lacking = [name for name in OTA_KEY_SLOTS.values() if name not in mapping.slots]
    if len(lacking) == len(OTA_KEY_SLOTS) and not package.named("rfm"):
        mapping.notes.append("the operator's security domain has no keys of version 1: no OTA keys are written")
    elif lacking:
        names = ", ".join(lacking)
        raise InputError("template", f"lacks {names} among the keys of version 1 in its first security domain")


def _note_what_stays(package: Package, mapping: Mapping) -> None:
    if package.named("csim") or package.named("cdmaParameter"):
        mapping.notes.append("CSIM identities and CDMA authentication data stay as the template has them")
    if package.named("application"):
        mapping.notes.append("keys inside applications stay as the template has them")
