"""The stored form of compiled templates: MessagePack with a number for its own format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ferryman.codec.saip.encoder import Node, Part
from ferryman.codec.saip.types import Slot
from ferryman.errors import InputError
from ferryman.profile import overrides
from ferryman.profile.automatic import automatic_variables
from ferryman.profile.derivations import DERIVATIONS, Kind
from ferryman.profile.variables import Derived, Variable

FORMAT = 2
"""Number of the stored form. Form 1 had no declared variables and is still read; others are refused."""

FIRST_FORMAT = 1
_RENAMED = {"msisdn": "msisdn_record"}
"""Slots that form 1 called otherwise."""

MAX_NODE_DEPTH = 16
"""Nesting of live TLVs in the stored form; the schema's own depth is below 8."""


class _Variable(msgspec.Struct, array_like=True):
    name: str
    kind: Kind
    minimum: int
    maximum: int
    secret: bool
    source: str
    default: str | None
    derived: tuple[str, tuple[str, ...], tuple[int, ...]] | None


class _Stored(msgspec.Struct, array_like=True):
    form: int
    parts: list[Any]
    slots: list[tuple[str, int, int]]
    profile_type: str
    version: tuple[int, int]
    mnc_length: int
    notes: tuple[str, ...]
    variables: list[_Variable] = []
    own: dict[str, bytes | None] = {}
    memory: int = 0
    algorithms: tuple[int, ...] = ()


class _Demands(msgspec.Struct, array_like=True):
    variables: list[_Variable]
    algorithms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Demands:
    """What a template asks of the values of an import file: its declarations, and the algorithms of its keys."""

    variables: tuple[Variable, ...] = ()
    algorithms: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What the stored form holds; the fields of `template.CompiledTemplate`, slots as the encoder has them."""

    parts: tuple[Part, ...] = field(repr=False)
    slots: tuple[Slot, ...]
    profile_type: str
    version: tuple[int, int]
    mnc_length: int
    notes: tuple[str, ...]
    variables: dict[str, Variable]
    own: Mapping[str, bytes | None]
    memory: int
    algorithms: tuple[int, ...]


def write(content: Content) -> bytes:
    """The stored form."""
    return msgspec.msgpack.encode(
        _Stored(
            form=FORMAT,
            parts=[_stored_part(part) for part in content.parts],
            slots=[(slot.name, slot.minimum, slot.maximum) for slot in content.slots],
            profile_type=content.profile_type,
            version=content.version,
            mnc_length=content.mnc_length,
            notes=content.notes,
            variables=[_stored_variable(one) for one in content.variables.values()],
            own=dict(content.own),
            memory=content.memory,
            algorithms=content.algorithms,
        )
    )


def read(octets: bytes) -> Content:
    """What a stored form holds. Raises InputError when it is damaged or of another form."""
    try:
        found = msgspec.msgpack.decode(octets, type=_Stored)
    except msgspec.DecodeError:
        raise InputError("compiled template", "is not readable") from None
    if found.form not in (FIRST_FORMAT, FORMAT):
        raise InputError("compiled template", f"has form {found.form}, this program reads {FORMAT}")
    first = found.form == FIRST_FORMAT
    declared = {one.name: _loaded_variable(one) for one in found.variables}
    objects = {name for name, one in declared.items() if one.kind == "tlv"}
    slots = {
        name: Slot(_RENAMED.get(name, name) if first else name, low, high, name in objects)
        for name, low, high in found.slots
    }
    variables = automatic_variables(slots.values()) if first else declared
    header = {name: slot for name in found.own if (slot := overrides.slot(name)) is not None}
    named = slots | {slot.name: slot for slot in header.values()}
    if any(slot.name not in variables for slot in slots.values()):
        raise InputError("compiled template", "is damaged")
    return Content(
        parts=tuple(_loaded_part(part, named, 0) for part in found.parts),
        slots=tuple(slots.values()),
        profile_type=found.profile_type,
        version=found.version,
        mnc_length=found.mnc_length,
        notes=found.notes,
        variables=variables,
        own=found.own,
        memory=found.memory,
        algorithms=found.algorithms,
    )


def write_demands(demands: Demands) -> bytes:
    """Stored form of what a template asks of the values of a file."""
    variables = [_stored_variable(one) for one in demands.variables]
    return msgspec.msgpack.encode(_Demands(variables, demands.algorithms))


def read_demands(octets: bytes) -> Demands:
    """What `write_demands` wrote, nothing of nothing. Raises InputError when it is damaged."""
    try:
        found = msgspec.msgpack.decode(octets, type=_Demands) if octets else _Demands([], ())
    except msgspec.DecodeError:
        raise InputError("demands of the template", "are not readable") from None
    return Demands(tuple(_loaded_variable(one) for one in found.variables), found.algorithms)


def _stored_variable(one: Variable) -> _Variable:
    derived = one.derived
    how = None if derived is None else (derived.function, derived.variables, derived.numbers)
    return _Variable(one.name, one.kind, one.minimum, one.maximum, one.secret, one.source, one.default, how)


def _loaded_variable(one: _Variable) -> Variable:
    if one.derived is not None and one.derived[0] not in DERIVATIONS:
        raise InputError("compiled template", f"uses {one.derived[0]}, which this program does not have")
    derived = None if one.derived is None else Derived(*one.derived)
    return Variable(one.name, one.kind, one.minimum, one.maximum, one.secret, one.source, one.default, derived)


def _stored_part(part: Part) -> Any:
    if isinstance(part, Slot):
        return part.name
    return [part.tag, [_stored_part(each) for each in part.parts]] if isinstance(part, Node) else part


def _loaded_part(part: Any, slots: Mapping[str, Slot], depth: int) -> Part:
    match part:
        case bytes():
            return part
        case str() if part in slots:
            return slots[part]
        case [bytes() as tag, list() as below] if depth < MAX_NODE_DEPTH:
            return Node(tag, tuple(_loaded_part(each, slots, depth + 1) for each in below))
        case _:
            raise InputError("compiled template", "is damaged")
