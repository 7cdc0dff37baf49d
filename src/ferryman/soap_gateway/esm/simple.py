"""Simple types of the message schema: text on the wire to values and back (SGP.02 Annex A)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape as _escape

MAX_STRING = 4_096  # characters of a free text; the schema sets no limit
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_POSITIVE = re.compile(r"\+?0*[1-9]\d{0,99}", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
EARLIEST = 0.0  # seconds since 1970
LATEST = 253_402_300_799.0  # 9999-12-31


@dataclass(frozen=True, slots=True)
class Simple:
    """One simple type: `name` in the schema, how text is read (raises ValueError) and written.

    `base` and `facets` are its definition in the schema; a type without facets is the built-in one.
    """

    name: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    base: str = ""
    facets: str = ""

    @property
    def reference(self) -> str:
        """How an element of the schema names this type."""
        return f"rps:{self.name}" if self.base else self.name


def escape(text: str) -> str:
    """Text as content of an element; characters that XML does not have become question marks."""
    return _escape(_NOT_XML.sub("?", text))


def _string(text: str) -> str:
    if len(text) > MAX_STRING:
        raise ValueError(f"has more than {MAX_STRING} characters")
    return text


def pattern(expression: str, rule: str, *, change: Callable[[str], str] = str) -> Callable[[str], str]:
    """A reader for text that must match."""
    compiled = re.compile(expression, re.ASCII)

    def read(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(rule)
        return change(text)

    return read


def choice(*words: str) -> Callable[[str], str]:
    """A reader for an enumeration."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"is none of {', '.join(words)}")
        return text

    return read


def enumeration(*words: str) -> str:
    """The facets of an enumeration."""
    return "".join(f'<xs:enumeration value="{word}"/>' for word in words)


def octets(low: int, high: int) -> Callable[[str], bytes]:
    """A reader for hexBinary of `low` to `high` octets."""

    def read(text: str) -> bytes:
        if len(text) % 2 or (not text.isalnum() and text):
            raise ValueError("is not hexadecimal")
        try:
            value = bytes.fromhex(text)
        except ValueError:
            raise ValueError("is not hexadecimal") from None
        if not low <= len(value) <= high:
            raise ValueError(f"has not {low} to {high} octets")
        return value

    return read


def integer(low: int, high: int) -> Callable[[str], int]:
    """A reader for a number from `low` to `high`."""

    def read(text: str) -> int:
        if _INTEGER.fullmatch(text) is None or not low <= int(text) <= high:
            raise ValueError(f"is no number from {low} to {high}")
        return int(text)

    return read


def _positive(text: str) -> int:
    """A period; one beyond every number here is the longest one, which somebody else finds too long."""
    if _POSITIVE.fullmatch(text) is None:
        raise ValueError("is no number above 0")
    return min(int(text), MAX_NUMBER)


def _boolean(text: str) -> bool:
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise ValueError("is no boolean")


def read_date(text: str) -> float:
    """Seconds since 1970 of a dateTime; without a zone it is taken for UTC. Raises ValueError."""
    if _DATE.fullmatch(text) is None:
        raise ValueError("is no dateTime")
    moment = datetime.fromisoformat(text)
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not EARLIEST <= seconds <= LATEST:
        raise ValueError("is out of range")
    return seconds


def write_date(seconds: float) -> str:
    """A dateTime in UTC, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()[:19] + "Z"


def _hex(value: bytes) -> str:
    return value.hex().upper()


def _length(low: int, high: int) -> str:
    if low == high:
        return f'<xs:length value="{low}"/>'
    least = f'<xs:minLength value="{low}"/>' if low else ""
    return f'{least}<xs:maxLength value="{high}"/>'


def _pattern(expression: str) -> str:
    return f'<xs:pattern value="{expression}"/>'


def _range(low: int, high: int) -> str:
    return f'<xs:minInclusive value="{low}"/><xs:maxInclusive value="{high}"/>'


MAX_HEX = 2 * 1024 * 1024  # octets; half of a document
MAX_NUMBER = 2**53
_ICCID = "89[0-9fF]{4,18}"
_OID = "([0-9]+[.])*[0-9]+"
_VERSION = "[0-9]+[.][0-9]+[.][0-9]+"

STRING = Simple("xs:string", _string, escape)
STRING100 = Simple(
    "String100", pattern(r"(?s).{0,100}", "has more than 100 characters"), escape, "xs:string", _length(0, 100)
)
BOOLEAN = Simple("xs:boolean", _boolean, lambda value: "true" if value else "false")
DATE_TIME = Simple("xs:dateTime", read_date, write_date)
HEX = Simple("xs:hexBinary", octets(0, MAX_HEX), _hex)
NUMBER = Simple("xs:nonNegativeInteger", integer(0, MAX_NUMBER), str)
POSITIVE = Simple("xs:positiveInteger", _positive, str)
INTEGER = Simple("xs:integer", integer(0, MAX_NUMBER), str)  # memory and counters: a negative one has no meaning
BYTE = Simple("xs:byte", integer(-128, 127), str)
# 16 octets, not the 32 that the recovered facet lets pass (`sgp02-messaging.xsd`, EIDType).
EID = Simple(
    "EIDType",
    pattern("[0-9A-Fa-f]{32}", "has not 32 digits", change=str.upper),
    str,
    "xs:hexBinary",
    _length(16, 16),
)
ICCID = Simple(
    "ICCIDType",
    pattern(_ICCID, "is no ICCID", change=lambda text: text.upper().rstrip("F")),
    str,
    "xs:string",
    _pattern(_ICCID),
)
_MSISDN = "[0-9]{3,15}"
MSISDN = Simple("MSISDNType", pattern(_MSISDN, "has not 3 to 15 digits"), str, "xs:string", _pattern(_MSISDN))
_IMSI = "[0-9]{0,15}"
IMSI = Simple("IMSIType", pattern(_IMSI, "has more than 15 digits"), str, "xs:string", _pattern(_IMSI))
OID = Simple(
    "ObjectIdentifierType",
    pattern(f"(?=.{{1,128}}$){_OID}", "is no object identifier"),
    str,
    "xs:string",
    _pattern(_OID),
)
VERSION = Simple("ThreeDigitVersion", pattern(_VERSION, "is no version"), str, "xs:string", _pattern(_VERSION))
AID = Simple("AIDType", octets(5, 16), _hex, "xs:hexBinary", _length(5, 16))
TAR = Simple("TARType", octets(3, 3), _hex, "xs:hexBinary", _length(3, 3))
HEX16 = Simple("hexBinary16", octets(0, 16), _hex, "xs:hexBinary", _length(0, 16))
KEYSET_VERSION = Simple("KeysetVersionType", integer(1, 127), str, "xs:integer", _range(1, 127))
KEY_INDEX = Simple("KeyIndexType", integer(0, 127), str, "xs:integer", _range(0, 127))
OPERATION = Simple(
    "OperationTypeCode",
    lambda text: int.from_bytes(octets(2, 2)(text)),
    lambda value: f"{value:04X}",
    "xs:hexBinary",
    _length(2, 2),
)
_STATUS = ("EXECUTED_SUCCESS", "EXECUTED_WITHWARNING", "FAILED", "EXPIRED")
STATUS = Simple("StatusType", choice(*_STATUS), str, "xs:string", enumeration(*_STATUS))
_STATES = ("Created", "Disabled", "Enabled")
STATE = Simple("ProfileStateType", choice(*_STATES), str, "xs:string", enumeration(*_STATES))
POL2_SUBJECT = Simple("POL2RuleSubjectType", choice("PROFILE"), str, "xs:string", enumeration("PROFILE"))
_ACTIONS = ("ENABLE", "DISABLE", "DELETE")
POL2_ACTION = Simple("POL2RuleActionType", choice(*_ACTIONS), str, "xs:string", enumeration(*_ACTIONS))
_QUALIFICATIONS = ("Not-Allowed", "Auto-Delete")
POL2_QUALIFICATION = Simple(
    "POL2RuleQualificationType", choice(*_QUALIFICATIONS), str, "xs:string", enumeration(*_QUALIFICATIONS)
)
_USES = ("SCP03", "SCP80", "SCP81", "TokenGeneration", "ReceiptVerification", "CA")
KEYSET_USE = Simple("KeysetUsageType", choice(*_USES), str, "xs:string", enumeration(*_USES))
_ROLES = ("ISD-R", "ECASD")
SD_ROLE = Simple("SDRoleType", choice(*_ROLES), str, "xs:string", enumeration(*_ROLES))
_LENGTHS = ("ECC-256", "ECC-384", "ECC-512", "ECC-521")
ECC_LENGTH = Simple("ECCKeyLengthType", choice(*_LENGTHS), str, "xs:string", enumeration(*_LENGTHS))
KEY_TYPE = Simple("KeyTypeCodingType", octets(1, 1), _hex, "xs:hexBinary", _length(1, 1))

DEFINED = (
    *(EID, ICCID, MSISDN, IMSI, OID, VERSION, AID, TAR, HEX16, STRING100, KEYSET_VERSION, KEY_INDEX, OPERATION),
    *(STATUS, STATE, POL2_SUBJECT, POL2_ACTION, POL2_QUALIFICATION, KEYSET_USE, SD_ROLE, ECC_LENGTH, KEY_TYPE),
)
