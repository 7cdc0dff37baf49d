"""Answer of the eUICC to a profile download: EUICCResponse (profile-package.md 5, sgp02-euicc.md 5.9)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from .der import encode, encode_integer

if TYPE_CHECKING:
    from .profile import Profile


class Status(IntEnum):
    """PEStatus values of the interoperable format."""

    OK = 0
    PE_NOT_SUPPORTED = 1
    MEMORY_FAILURE = 2
    BAD_VALUES = 3
    NOT_ENOUGH_MEMORY = 4
    INVALID_REQUEST_FORMAT = 5
    INVALID_PARAMETER = 6
    RUNTIME_NOT_SUPPORTED = 7
    LIB_NOT_SUPPORTED = 8
    TEMPLATE_NOT_SUPPORTED = 9
    FEATURE_NOT_SUPPORTED = 10
    PIN_CODE_MISSING = 11
    UNSUPPORTED_PROFILE_VERSION = 31


@dataclass(frozen=True, slots=True)
class PEStatus:
    """Status of one profile element; offset in bytes from the element's first byte."""

    status: Status
    identification: int | None = None
    information: int | None = None
    offset: int | None = None

    def encode(self) -> bytes:
        """The `30` TLV."""
        fields = (self.status, self.identification, self.information, self.offset)
        body = b"".join(
            encode(0x80 + index, encode_integer(value)) for index, value in enumerate(fields) if value is not None
        )
        return encode(0x30, body)


class Abort(Exception):
    """Installation ends here and nothing of the Profile remains."""

    def __init__(self, status: Status, reason: str, offset: int = 0, information: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.offset = offset
        self.information = information


class Unsupported(Exception):
    """This card cannot do the element: an abort when it is mandated, a warning otherwise."""

    def __init__(self, status: Status, reason: str, offset: int = 0, information: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.offset = offset
        self.information = information


@dataclass(frozen=True, slots=True)
class InstallOutcome:
    """What an installation gave.

    response: DER EUICCResponse for the last SCP03t answer. profile: None when aborted. memory: bytes of
    non-volatile memory the Profile occupies (0 when aborted). statuses: the same content, decoded. reason: why it
    was aborted, for the card's log; never sent.
    """

    response: bytes
    profile: Profile | None
    memory: int
    statuses: tuple[PEStatus, ...]
    reason: str | None = None


def encode_response(statuses: tuple[PEStatus, ...], *, aborted: bool) -> bytes:
    """EUICCResponse: A0 list of PEStatus, 81 when aborted."""
    body = encode(0xA0, b"".join(status.encode() for status in statuses))
    return encode(0x30, body + (b"\x81\x00" if aborted else b""))
