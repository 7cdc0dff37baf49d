"""One schema table per version of the profile package format (TCA format 2.1 to 3.3.1).

The version stands in the profile header. 2.3.1 says 2.3 there and differs in nothing that is read here. 3.3.1 says
3.3 there and moves tags of PE-OPT-IoT: a 3.3 header is read as 3.3.1 unless the caller names the edition 3.3.0. A
version that has no table here is refused, never read with a neighbour's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ferryman.codec.saip import elements as e
from ferryman.codec.saip.der import context_tag
from ferryman.codec.saip.files import FileElement, file_elements
from ferryman.codec.saip.types import Field, Null, Octets, Oid, Sequence, SequenceOf, auto, opt, req

HEADER = "header"
END = "end"
FIRST_3_3 = "3.3.0"
"""Name of the edition that shares its header version with 3.3.1."""

_ELEMENTS = (
    "header genericFileManagement pinCodes pukCodes akaParameter cdmaParameter securityDomain rfm application"
    " nonStandard end rfu1 rfu2 rfu3 rfu4 rfu5 mf cd telecom usim opt-usim isim opt-isim phonebook gsm-access"
    " csim opt-csim eap df-5gs df-saip df-snpn df-5gprose iot opt-iot"
)

ELEMENT_NAMES: Mapping[bytes, str] = MappingProxyType(
    {context_tag(number, constructed=True): name for number, name in enumerate(_ELEMENTS.split())}
)
"""Every profile element known in any version, by its identifier octets on the wire."""

ELEMENT_TAGS: Mapping[str, bytes] = MappingProxyType({name: tag for tag, name in ELEMENT_NAMES.items()})

_SERVICES = (
    "contactless usim isim csim milenage tuak128 cave gba-usim gba-isim mbms eap javacard multos multiple-usim"
    " multiple-isim multiple-csim tuak256 usim-test-algorithm ber-tlv dfLink cat-tp get-identity profile-a-x25519"
    " profile-b-p256 suciCalculatorApi dns-resolution scp11ac scp11c-authorization-mechanism s16mode eaka"
)
"""Services of eUICC-Mandatory-services in tag order."""

_LAST_SERVICE = {
    (2, 1): "dfLink",
    (2, 2): "cat-tp",
    (2, 3): "profile-b-p256",
    (3, 0): "profile-b-p256",
    (3, 1): "profile-b-p256",
    (3, 2): "s16mode",
    (3, 3): "eaka",
}
"""The versions that can be read and written, and the last service each of them knows."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The profile elements of one version: header version numbers and type of each element by name."""

    version: tuple[int, int]
    elements: Mapping[str, Sequence]


def _services(last: str) -> Sequence:
    names = _SERVICES.split()
    return auto(*(opt(name, Null()) for name in names[: names.index(last) + 1]))


def _file_element(row: FileElement, file: SequenceOf) -> Sequence:
    """Type of a file-creating element from its row."""
    files = (req(name[1:], file) if name.startswith("*") else opt(name, file) for name in row.files.split())
    return auto(req(row.header, e.PE_HEADER), req("templateID", Oid()), *files)


_MANDATORY_AIDS = opt("eUICC-Mandatory-AIDs", SequenceOf(auto(req("aid", e.AID), req("version", Octets(2, 2)))))
_SD_SINCE_2_2 = (opt("openPersoData", e.OPEN_PERSO_DATA), opt("catTpParameters", e.CAT_TP_PARAMETERS))


def _header(version: tuple[int, int]) -> Sequence:
    later: list[Field] = []
    if version >= (2, 2):
        later.append(_MANDATORY_AIDS)
    if version >= (3, 3):
        later.append(opt("iotOptions", e.IOT_OPTIONS))
    return e.profile_header(_services(_LAST_SERVICE[version]), *later)


def _schema(version: tuple[int, int], *, first_3_3: bool = False) -> Schema:
    fcp = e.file_control(ber_tlv_files=version >= (3, 0))
    file = e.file_of(fcp)
    instance = e.application_instance(control_reference=version >= (3, 2))
    table = {
        HEADER: _header(version),
        "genericFileManagement": e.generic_file_management(fcp),
        "pinCodes": e.PIN_CODES,
        "pukCodes": e.PUK_CODES,
        "akaParameter": e.AKA_PARAMETER,
        "cdmaParameter": e.CDMA_PARAMETER,
        "securityDomain": e.security_domain(instance, *(_SD_SINCE_2_2 if version >= (2, 2) else ())),
        "rfm": e.RFM,
        "application": e.application(instance),
        "nonStandard": e.NON_STANDARD,
        END: e.END,
    }
    table |= {f"rfu{number}": e.DUMMY for number in range(1, 6)}
    rows = file_elements(version, first_3_3=first_3_3)
    table |= {name: _file_element(row, file) for name, row in rows.items()}
    return Schema(version, MappingProxyType(table))


SCHEMAS: Mapping[tuple[int, int], Schema] = MappingProxyType(
    {version: _schema(version) for version in _LAST_SERVICE}
)
"""The tables by (major, minor) of the profile header; (3, 3) is 3.3.1."""

_SCHEMA_3_3_0 = _schema((3, 3), first_3_3=True)


def schema_for(version: tuple[int, int], edition: str = "") -> Schema | None:
    """The table of a header version; `edition` FIRST_3_3 chooses the older of the two that say 3.3."""
    return _SCHEMA_3_3_0 if version == (3, 3) and edition == FIRST_3_3 else SCHEMAS.get(version)
