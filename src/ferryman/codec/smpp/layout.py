"""How the fields of an SMPP body lie in octets, SMPP v3.4 clauses 3.1 and 5.2.

A part writes one field's value and reads it back; `pdu.py` strings parts together. Building refuses what
does not fit (InputError: our caller's mistake); reading refuses what breaks the rules (SMPPError).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from ferryman.codec.smpp.errors import SMPPError
from ferryman.codec.smpp.messages import DistributionList, SMEAddress, Unsuccessful
from ferryman.codec.smpp.status import CommandStatus
from ferryman.errors import InputError

MAX_SHORT_MESSAGE: Final = 254  # octets of short_message, clause 5.2.22
MAX_DESTINATIONS: Final = 254  # of submit_multi, clause 5.2.24
MAX_RESPONSE_TEXT: Final = 256
"""Octets with NUL of a C-string accepted in a response. Building keeps to the standard's sizes; but SMSCs
that name themselves or a message in more octets than allowed exist, and refusing a response for that would
turn an accepted message into one of unknown fate. A number above 255 would only help an attacker."""

_OCTETS: Final = tuple(bytes((value,)) for value in range(256))
_SME_ADDRESS: Final = 1
_DISTRIBUTION_LIST: Final = 2


class Part(Protocol):
    """One field or a run of octets: `write` gives its octets, `read` its value and the offset after it."""

    @property
    def name(self) -> str: ...

    def write(self, value: Any) -> bytes: ...

    def read(self, pdu: bytes, offset: int) -> tuple[Any, int]: ...


@dataclass(frozen=True, slots=True)
class Octet:
    """A number of one octet."""

    name: str

    def write(self, value: int) -> bytes:
        if 0 <= value <= 0xFF:
            return _OCTETS[value]
        raise InputError(self.name, "is one octet")

    def read(self, pdu: bytes, offset: int) -> tuple[int, int]:
        if offset >= len(pdu):
            raise _too_short(self.name)
        return pdu[offset], offset + 1


@dataclass(frozen=True, slots=True)
class Octets:
    """Two or more numbers of one octet each, side by side; they are handled together because it is faster.

    The value is a tuple to write and bytes when read, in the order of `names`.
    """

    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The first field's name."""
        return self.names[0]

    def write(self, value: tuple[int, ...]) -> bytes:
        try:
            return bytes(value)
        except ValueError as error:
            raise InputError(", ".join(self.names), "are one octet each") from error

    def read(self, pdu: bytes, offset: int) -> tuple[bytes, int]:
        end = offset + len(self.names)
        if end > len(pdu):
            raise _too_short(self.names[len(pdu) - offset])
        return pdu[offset:end], end


@dataclass(frozen=True, slots=True)
class Text:
    """A C-octet string: at most `size` octets with its NUL when built, `accept` when read."""

    name: str
    size: int
    accept: int

    def write(self, value: str) -> bytes:
        if not value:
            return b"\0"
        if len(value) >= self.size:
            raise InputError(self.name, f"has at most {self.size - 1} characters")
        try:
            encoded = value.encode("latin-1")
        except UnicodeEncodeError as error:
            raise InputError(self.name, "has a character that is not one octet") from error
        if 0 in encoded:
            raise InputError(self.name, "must not hold NUL")
        return encoded + b"\0"

    def read(self, pdu: bytes, offset: int) -> tuple[str, int]:
        end = pdu.find(0, offset, offset + self.accept)
        if end < 0:
            if len(pdu) - offset < self.accept:
                raise _too_short(self.name)
            raise SMPPError(
                f"text of more than {self.accept - 1} octets", field=self.name, clause="3.1",
                status=CommandStatus.INVALID_MESSAGE_LENGTH,
            )  # fmt: skip
        return pdu[offset:end].decode("latin-1"), end + 1


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """sm_length and short_message."""

    name: str

    def write(self, value: bytes) -> bytes:
        if len(value) > MAX_SHORT_MESSAGE:
            raise InputError(self.name, f"has at most {MAX_SHORT_MESSAGE} octets")
        return _OCTETS[len(value)] + value

    def read(self, pdu: bytes, offset: int) -> tuple[bytes, int]:
        if offset >= len(pdu):
            raise _too_short("sm_length")
        length = pdu[offset]
        end = offset + 1 + length
        if length > MAX_SHORT_MESSAGE or end > len(pdu):
            raise SMPPError(
                f"{length} octets do not fit", field="sm_length", clause="5.2.21",
                status=CommandStatus.INVALID_MESSAGE_LENGTH,
            )  # fmt: skip
        return pdu[offset + 1 : end], end


@dataclass(frozen=True, slots=True)
class Destinations:
    """number_of_dests and the list of submit_multi."""

    name: str
    text: Text

    def write(self, value: tuple[SMEAddress | DistributionList, ...]) -> bytes:
        if len(value) > MAX_DESTINATIONS:
            raise InputError(self.name, f"at most {MAX_DESTINATIONS} destinations")
        return _OCTETS[len(value)] + b"".join(self._write_one(destination) for destination in value)

    def _write_one(self, destination: SMEAddress | DistributionList) -> bytes:
        if isinstance(destination, DistributionList):
            return _OCTETS[_DISTRIBUTION_LIST] + self.text.write(destination.name)
        return _OCTETS[_SME_ADDRESS] + _write_address(
            self.text, destination.ton, destination.npi, destination.addr
        )

    def read(self, pdu: bytes, offset: int) -> tuple[tuple[SMEAddress | DistributionList, ...], int]:
        count, offset = Octet("number_of_dests").read(pdu, offset)
        found: list[SMEAddress | DistributionList] = []
        for _ in range(count):
            flag, offset = Octet("dest_flag").read(pdu, offset)
            if flag == _SME_ADDRESS:
                ton, npi, addr, offset = _read_address(self.text, pdu, offset)
                found.append(SMEAddress(ton, npi, addr))
            elif flag == _DISTRIBUTION_LIST:
                name, offset = self.text.read(pdu, offset)
                found.append(DistributionList(name))
            else:
                raise SMPPError(
                    f"{flag} is neither an address nor a list", field="dest_flag", clause="5.2.25",
                    status=CommandStatus.INVALID_DESTINATION_FLAG,
                )  # fmt: skip
        return tuple(found), offset


@dataclass(frozen=True, slots=True)
class UnsuccessfulList:
    """no_unsuccess and the list of submit_multi_resp."""

    name: str
    text: Text

    def write(self, value: tuple[Unsuccessful, ...]) -> bytes:
        if len(value) > 0xFF:
            raise InputError(self.name, "at most 255 destinations")
        entries = (_write_address(self.text, one.ton, one.npi, one.addr) + one.status.to_bytes(4) for one in value)
        return _OCTETS[len(value)] + b"".join(entries)

    def read(self, pdu: bytes, offset: int) -> tuple[tuple[Unsuccessful, ...], int]:
        count, offset = Octet("no_unsuccess").read(pdu, offset)
        found: list[Unsuccessful] = []
        for _ in range(count):
            ton, npi, addr, offset = _read_address(self.text, pdu, offset)
            if offset + 4 > len(pdu):
                raise _too_short("error_status_code")
            found.append(Unsuccessful(ton, npi, addr, int.from_bytes(pdu[offset : offset + 4])))
            offset += 4
        return tuple(found), offset


def _write_address(text: Text, ton: int, npi: int, addr: str) -> bytes:
    return Octet("ton").write(ton) + Octet("npi").write(npi) + text.write(addr)


def _read_address(text: Text, pdu: bytes, offset: int) -> tuple[int, int, str, int]:
    ton, offset = Octet("ton").read(pdu, offset)
    npi, offset = Octet("npi").read(pdu, offset)
    addr, offset = text.read(pdu, offset)
    return ton, npi, addr, offset


def _too_short(field: str) -> SMPPError:
    return SMPPError(
        "the PDU ends inside it", field=field, clause="3.2", status=CommandStatus.INVALID_COMMAND_LENGTH
    )
