"""EUICCResponse: what the eUICC says about an installed package (TCA Interoperable Profile Package, 8.1.2 ff.)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ferryman.codec import tlv
from ferryman.errors import PeerError

_CLAUSE = "Interoperable Profile Package: EUICCResponse"
# An INTEGER of status, identification, information or offset needs 3 bytes at most; one more is generous.
MAX_INTEGER_BYTES = 4
MAX_MESSAGE_BYTES = 64 * 4  # 64 characters of UTF-8

STATUS_OK = 0

STATUS_NAMES = {
    0: "ok",
    1: "pe-not-supported",
    2: "memory-failure",
    3: "bad-values",
    4: "not-enough-memory",
    5: "invalid-request-format",
    6: "invalid-parameter",
    7: "runtime-not-supported",
    8: "lib-not-supported",
    9: "template-not-supported",
    10: "feature-not-supported",
    11: "pin-code-missing",
    31: "unsupported-profile-version",
}

_STATUS_WORDS = ((0x6000, 0x6FFF), (0x9000, 0x9FFF))
_PROPRIETARY_FIRST = 0xA000


@dataclass(frozen=True, slots=True)
class PEStatus:
    """Result for one profile element: status number, identification of the element, information, offset."""

    status: int
    identification: int | None = None
    additional: int | None = None
    offset: int | None = None

    @property
    def name(self) -> str:
        """Name of the status; a status word or a proprietary number is shown as such."""
        if self.status in STATUS_NAMES:
            return STATUS_NAMES[self.status]
        if any(low <= self.status <= high for low, high in _STATUS_WORDS):
            return f"status word {self.status:04X}"
        return f"proprietary {self.status}" if self.status >= _PROPRIETARY_FIRST else f"unknown {self.status}"


@dataclass(frozen=True, slots=True)
class EUICCResponse:
    """All element results in order, whether the installation was given up, and the card's message."""

    statuses: tuple[PEStatus, ...]
    aborted: bool
    message: str | None = None

    @property
    def ok(self) -> bool:
        """Installed without a single complaint."""
        return not self.aborted and bool(self.statuses) and all(s.status == STATUS_OK for s in self.statuses)

    @property
    def installed(self) -> bool:
        """Installed, if with warnings: the closing `ok` (no identification) is there and nothing was aborted."""
        return not self.aborted and any(s.status == STATUS_OK and s.identification is None for s in self.statuses)


def _integer(item: tlv.TLV, field: str) -> int:
    if not 1 <= len(item.value) <= MAX_INTEGER_BYTES:
        raise PeerError(f"INTEGER of {len(item.value)} bytes", field=field, clause=_CLAUSE)
    # No number here is ever negative: 9485 without a leading 00 can only be meant as that status word.
    return int.from_bytes(item.value)


def _pe_status(item: tlv.TLV) -> PEStatus:
    if item.tag != 0x30:
        raise PeerError(f"tag {item.tag:02X} in peStatus", field="peStatus", clause=_CLAUSE)
    fields: dict[int, int] = {}
    for part in tlv.parse(item.value, clause=_CLAUSE):
        if part.tag in (0x80, 0x81, 0x82, 0x83):
            fields[part.tag] = _integer(part, f"peStatus.{part.tag:02X}")
    if 0x80 not in fields:
        raise PeerError("status missing", field="peStatus", clause=_CLAUSE)
    return PEStatus(fields[0x80], fields.get(0x81), fields.get(0x82), fields.get(0x83))


def parse(data: bytes) -> EUICCResponse:
    """The plain EUICCResponse of the last SCP03t answer; unknown extensions are skipped, PeerError otherwise."""
    objects = tlv.parse(tlv.parse_one(data, 0x30, clause=_CLAUSE).value, clause=_CLAUSE)
    listed = tlv.find(objects, 0xA0)
    if listed is None:
        raise PeerError("peStatus missing", field="EUICCResponse", clause=_CLAUSE)
    message = tlv.find(objects, 0x82)
    if message is not None and len(message.value) > MAX_MESSAGE_BYTES:
        raise PeerError("too long", field="statusMessage", clause=_CLAUSE)
    return EUICCResponse(
        tuple(_pe_status(item) for item in tlv.parse(listed.value, clause=_CLAUSE)),
        tlv.find(objects, 0x81) is not None,
        None if message is None else message.value.decode("utf-8", "replace"),
    )


def describe_one(status: PEStatus, names: Mapping[int, str] = MappingProxyType({})) -> str:
    """One element's result, e.g. `PE 8 usim: invalid-parameter (information 1, offset 17)`.

    `names` are those of the package's elements by their identification. What has none is about the whole package.
    """
    details = [
        f"{name} {value}"
        for name, value in (("information", status.additional), ("offset", status.offset))
        if value is not None
    ]
    where = ""
    if status.identification is not None:
        name = names.get(status.identification, "")
        where = f"PE {status.identification}{' ' if name else ''}{name}: "
    return where + status.name + (f" ({', '.join(details)})" if details else "")


def describe(response: EUICCResponse, names: Mapping[int, str] = MappingProxyType({})) -> str:
    """One line for an operator, e.g. `aborted; PE 8 usim: invalid-parameter (information 1, offset 17)`."""
    parts = ["aborted"] if response.aborted else []
    parts += [describe_one(status, names) for status in response.statuses]
    if response.message:
        parts.append(repr(response.message))
    return "; ".join(parts)
