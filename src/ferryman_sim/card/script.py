"""Command and response scripts in expanded format (ETSI TS 102 226 5.2), read and written by the card."""

from __future__ import annotations

from dataclasses import dataclass, field

from ferryman_sim.card.tlv import TLV, BadTLV, MissingLength, ber_length, read_length, read_tlv, tlv

COMMAND_DEFINITE, RESPONSE_DEFINITE = 0xAA, 0xAB
COMMAND_INDEFINITE, RESPONSE_INDEFINITE = 0xAE, 0xAF
INDEFINITE_LENGTH = 0x80
END_OF_CONTENTS = b"\x00\x00"

C_APDU, R_APDU = 0x22, 0x23
EXECUTED = 0x80
IMMEDIATE_ACTION, ERROR_ACTION, CHAINING = 0x81, 0x82, 0x83
BAD_FORMAT = 0x90

BAD_TAG, BAD_LENGTH, NO_LENGTH = 0x01, 0x02, 0x03

CHAIN_FIRST, CHAIN_FIRST_KEPT, CHAIN_NEXT, CHAIN_LAST = 0x01, 0x11, 0x02, 0x03
CHAIN_NO_PREVIOUS = 0x01
CHAIN_NOT_SUPPORTED = 0x02

MAX_EXECUTED = 0xFF
"""The count of executed commands that the `80` TLV carries in its one byte; a longer script reports FF."""


class BadFormat(Exception):
    """A script the card cannot read on; `code` is the value of the bad format TLV."""

    def __init__(self, code: int) -> None:
        super().__init__(f"bad format {code:02X}")
        self.code = code


@dataclass(slots=True)
class CommandScript:
    """A script being read item by item, because commands before a bad one are executed."""

    content: bytes
    definite: bool
    at: int = 0

    def next(self) -> TLV | None:
        """The next TLV, or None at the end. Raises BadFormat."""
        if self.definite and self.at == len(self.content):
            return None
        if not self.definite and self.content[self.at : self.at + 2] == END_OF_CONTENTS:
            if self.at + 2 != len(self.content):
                raise BadFormat(BAD_LENGTH)
            return None
        if self.at == len(self.content):
            raise BadFormat(BAD_LENGTH)
        if self.content[self.at] in (COMMAND_DEFINITE, COMMAND_INDEFINITE):
            # A template inside a template: refused by its tag, before an indefinite length confuses the reader.
            raise BadFormat(BAD_TAG)
        try:
            item, self.at = read_tlv(self.content, self.at)
        except MissingLength as error:
            raise BadFormat(NO_LENGTH) from error
        except BadTLV as error:
            raise BadFormat(BAD_LENGTH) from error
        return item


def is_template(body: bytes) -> bool:
    """Whether a script begins as an expanded one; else it is bare commands, or nothing."""
    return not body or body[0] in (COMMAND_DEFINITE, COMMAND_INDEFINITE)


def open_script(body: bytes) -> CommandScript:
    """Read the template around a script; a bad template gives a script that fails at its first item.

    A definite length after AE is read too (a recorded server sends it); the answer then has the indefinite
    form. Raises BadFormat for bytes that are no command template at all.
    """
    if not body or body[0] not in (COMMAND_DEFINITE, COMMAND_INDEFINITE):
        raise BadFormat(BAD_TAG)
    if body[0] == COMMAND_INDEFINITE and body[1:2] == bytes([INDEFINITE_LENGTH]):
        return CommandScript(body[2:], definite=False)
    try:
        length, at = read_length(body, 1)
    except MissingLength as error:
        raise BadFormat(NO_LENGTH) from error
    except BadTLV as error:
        raise BadFormat(BAD_LENGTH) from error
    if at + length != len(body):
        raise BadFormat(BAD_LENGTH)
    return CommandScript(body[at:], definite=True)


@dataclass(slots=True)
class ResponseScript:
    """The answer: one TLV per executed command, in the length form of the command script.

    sparse: an R-APDU without data is left out when another one follows. counted: the number of executed
    commands also in the indefinite form.
    """

    definite: bool
    sparse: bool = False
    counted: bool = False
    executed: int = 0
    items: list[bytes] = field(default_factory=list)
    _bare: bool = False

    def add_response(self, data: bytes, sw: int) -> None:
        """One executed C-APDU."""
        self.executed += 1
        if self.sparse and self._bare:
            del self.items[-1]
        self._bare = not data
        self.items.append(tlv(R_APDU, data + sw.to_bytes(2)))

    def add_tlv(self, encoded: bytes) -> None:
        """One executed SCP03t command."""
        self.executed += 1
        self._bare = False
        self.items.append(encoded)

    def add_bad_format(self, code: int) -> None:
        """The script could not be read on."""
        self.items.append(tlv(BAD_FORMAT, bytes([code])))

    def add_chaining_error(self, code: int) -> None:
        """The script chaining TLV could not be obeyed."""
        self.items.append(tlv(CHAINING, bytes([code])))

    def encode(self) -> bytes:
        """The response template; the definite form starts with the number of executed commands."""
        content = b"".join(self.items)
        if self.definite or self.counted:
            content = tlv(EXECUTED, bytes([min(self.executed, MAX_EXECUTED)])) + content
        if not self.definite:
            return bytes([RESPONSE_INDEFINITE, INDEFINITE_LENGTH]) + content + END_OF_CONTENTS
        return bytes([RESPONSE_DEFINITE]) + ber_length(len(content)) + content
