"""One schema table per version of the profile package format (TCA format 2.1, 2.2, 2.3 with 2.3.1).

The version stands in the profile header; 2.3.1 says 2.3 there too. A version that has no table here is
refused, never read with a neighbour's table: between versions tags are moved and renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ferryman.codec.saip import elements as e
from ferryman.codec.saip.der import context_tag
from ferryman.codec.saip.files import FILE_ELEMENTS
from ferryman.codec.saip.types import Null, Octets, Oid, Sequence, SequenceOf, auto, opt, req

HEADER = "header"
END = "end"

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
    " profile-b-p256"
)
"""Services of eUICC-Mandatory-services in tag order; 2.1 ends with dfLink, 2.2 with cat-tp."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The profile elements of one version: header version numbers and type of each element by name."""

    version: tuple[int, int]
    elements: Mapping[str, Sequence]


def _file_element(name: str) -> Sequence:
    """Type of a file-creating element from its line in FILE_ELEMENTS."""
    row = FILE_ELEMENTS[name]
    files = (req(file[1:], e.FILE) if file.startswith("*") else opt(file, e.FILE) for file in row.files.split())
    return auto(req(row.header, e.PE_HEADER), req("templateID", Oid()), *files)


def _services(last: str) -> Sequence:
    names = _SERVICES.split()
    return auto(*(opt(name, Null()) for name in names[: names.index(last) + 1]))


def _common() -> dict[str, Sequence]:
    """Elements that are the same in every 2.x version from 2.1 on."""
    later = {"eap", "df-5gs", "df-saip"}
    table = {name: _file_element(name) for name in FILE_ELEMENTS if name not in later}
    table |= {f"rfu{number}": e.DUMMY for number in range(1, 6)}
    return table | {
        "genericFileManagement": e.GENERIC_FILE_MANAGEMENT,
        "pinCodes": e.PIN_CODES,
        "pukCodes": e.PUK_CODES,
        "akaParameter": e.AKA_PARAMETER,
        "cdmaParameter": e.CDMA_PARAMETER,
        "rfm": e.RFM,
        "application": e.APPLICATION,
        "nonStandard": e.NON_STANDARD,
        END: e.END,
    }


def _version_2_1() -> Schema:
    table = _common() | {
        HEADER: e.profile_header(_services("dfLink")),
        "securityDomain": e.security_domain(),
    }
    return Schema((2, 1), MappingProxyType(table))


_MANDATORY_AIDS = opt("eUICC-Mandatory-AIDs", SequenceOf(auto(req("aid", e.AID), req("version", Octets(2, 2)))))
_SD_SINCE_2_2 = (opt("openPersoData", e.OPEN_PERSO_DATA), opt("catTpParameters", e.CAT_TP_PARAMETERS))


def _version_2_2() -> Schema:
    table = dict(_version_2_1().elements) | {
        HEADER: e.profile_header(_services("cat-tp"), _MANDATORY_AIDS),
        "securityDomain": e.security_domain(*_SD_SINCE_2_2),
        "eap": _file_element("eap"),
    }
    return Schema((2, 2), MappingProxyType(table))


def _version_2_3() -> Schema:
    table = dict(_version_2_2().elements) | {
        HEADER: e.profile_header(_services("profile-b-p256"), _MANDATORY_AIDS),
        "df-5gs": _file_element("df-5gs"),
        "df-saip": _file_element("df-saip"),
    }
    return Schema((2, 3), MappingProxyType(table))


SCHEMAS: Mapping[tuple[int, int], Schema] = MappingProxyType(
    {schema.version: schema for schema in (_version_2_1(), _version_2_2(), _version_2_3())}
)
"""The versions that can be read and written, by (major, minor) of the profile header."""
