"""The envelope round every message between roles: who asks, for which call, until when.

Requests and answers travel as bytes (JSON), also inside one process, so that a role can be moved to another
machine without a change of code. Message identifiers are derived from the procedure and step that sends them,
which makes a repeated send recognisable.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ferryman.contracts.secrecy import Guarded
from ferryman.errors import PeerError

VERSION = 1
NOT_READ = (msgspec.DecodeError, RecursionError)  # the latter: brackets in brackets by the thousand


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that every message carries (SGP.02 5.1.1: requester, FunctionCallIdentifier, ValidityPeriod).

    `deadline` is seconds since 1970 after which the call is not worth executing; `eid` is the key that orders
    messages and names the single writer; `sender` is the role that speaks, not the party it speaks for.
    `recipient` is the OID of the party outside that the message is for, when the role it goes to is a gateway.
    """

    message_id: str
    sender: str
    requester: str
    function_call_id: str
    deadline: float
    eid: str = ""
    causation_id: str = ""
    recipient: str = ""
    version: int = VERSION


class Body(Guarded, frozen=True, kw_only=True, tag_field="type"):
    """Base of every message body; the tag on the wire is the class name. Printed, it shows no secret."""


class Envelope(msgspec.Struct, frozen=True):
    """A message as received: its header and its typed body."""

    header: Header
    body: Any


class _Wire(msgspec.Struct, frozen=True):
    header: Header
    body: msgspec.Raw


class Codec[B: Body]:
    """Encodes and decodes the messages of one contract (a closed union of bodies)."""

    def __init__(self, *kinds: type[B]) -> None:
        union: Any = kinds[0]
        for kind in kinds[1:]:
            union = union | kind
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(union)
        message = msgspec.defstruct("Message", [("header", Header), ("body", union)], frozen=True)
        self._whole: msgspec.json.Decoder[Any] = msgspec.json.Decoder(message)
        self.kinds = frozenset(kind.__name__ for kind in kinds)

    def decode(self, raw: bytes) -> tuple[Header, B] | None:
        """A whole message, in one go; None when it does not fit, or is of another version."""
        try:
            message = self._whole.decode(raw)
        except NOT_READ:
            return None
        header: Header = message.header
        return (header, message.body) if header.version == VERSION else None

    def decode_body(self, raw: bytes) -> B:
        """One body; raises PeerError naming the field that does not fit the contract."""
        try:
            body: B = self._decoder.decode(raw)
        except NOT_READ as problem:
            raise PeerError(str(problem), field="body", clause="contract message") from None
        return body


_wire_decoder = msgspec.json.Decoder(_Wire)
_encoder = msgspec.json.Encoder()


def encode(header: Header, body: Body) -> bytes:
    """The bytes of a message."""
    return _encoder.encode({"header": header, "body": body})


def encode_body(body: Body) -> bytes:
    """The bytes of a body alone, as stored in a call record."""
    return _encoder.encode(body)


def peek_header(raw: bytes) -> Header:
    """The header without the body; raises PeerError when the message is malformed or of an unknown version."""
    return _decode_wire(raw).header


def decode[B: Body](raw: bytes, codec: Codec[B]) -> tuple[Header, B]:
    """Header and typed body; raises PeerError when the message does not fit `codec`."""
    whole = codec.decode(raw)
    if whole is not None:
        return whole
    # Again and piece by piece, for what does not fit: a version that is not ours comes before a strange body.
    wire = _decode_wire(raw)
    return wire.header, codec.decode_body(bytes(wire.body))


def _decode_wire(raw: bytes) -> _Wire:
    try:
        wire = _wire_decoder.decode(raw)
    except NOT_READ as problem:
        raise PeerError(str(problem), field="message", clause="contract message") from None
    if wire.header.version != VERSION:
        raise PeerError(f"version {wire.header.version} is not known", field="header.version")
    return wire
