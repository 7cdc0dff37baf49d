"""The journal of steps: enough to take a procedure's steps once more and to see that they lead to the same state.

Beside its messages (`in`, `out`) the journal of a procedure holds what each step was given: `ev` is an event with
the moment, the random bytes and the digest of the facts; `ft` the facts of that digest, once while they stay the
same; `st` the whole state, at the beginning and every `SNAPSHOT_EVERY` commits. Written in the commit of the steps
themselves. It holds no keys: what the CryptoServer answers are packets, public values and opened answers of cards.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from ferryman.contracts.message import Header
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import FerrymanError
from ferryman.platform.procedure import (
    Answered,
    Begin,
    Context,
    Effect,
    Event,
    ProcedureKind,
    Received,
    Signalled,
    TimerFired,
)
from ferryman.platform.schema import PlatformTables

EVENT, FACTS, STATE = "ev", "ft", "st"  # directions of the journal that are no messages
SNAPSHOT_EVERY: Final = 64  # commits: a procedure that never ends is replayed from one of these
FACTS_KNOWN: Final = 4_096  # procedures whose last facts are remembered, so that they are written once
_OURS: Final = "ferryman."  # only types of ours are ever made from a journal

type Entry = tuple[str, str, str, bytes]  # direction, kind, identifier, body
type Taken = tuple[Event, Context]  # what a step was given


class NotReplayable(FerrymanError):
    """The journal does not hold what a replay needs, or speaks of types that this release does not have."""


class _Typed(msgspec.Struct, frozen=True, array_like=True):
    """A value with the name of its class; no name: what JSON itself has."""

    type: str
    value: msgspec.Raw


class _Begin(msgspec.Struct, frozen=True, tag="begin"):
    pass


class _Received(msgspec.Struct, frozen=True, tag="received"):
    header: Header
    body: _Typed


class _Fired(msgspec.Struct, frozen=True, tag="timer"):
    name: str


class _Answered(msgspec.Struct, frozen=True, tag="answered"):
    tag: str
    reply: _Typed
    refusal: ExecutionStatus | None


class _Signalled(msgspec.Struct, frozen=True, tag="signalled"):
    sender: str
    value: _Typed


class _Step(msgspec.Struct, frozen=True):
    now: float
    entropy: bytes
    facts: str
    event: _Begin | _Received | _Fired | _Answered | _Signalled


_encoder = msgspec.json.Encoder()
_steps = msgspec.json.Decoder(_Step)
_typed = msgspec.json.Decoder(_Typed)


class StepRecorder:
    """Makes the entries of one role's steps."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}  # procedure -> digest of the facts that its journal has last

    def forget(self, procedure_ids: Iterable[str]) -> None:
        """Their entries were not committed, or nobody knows."""
        for procedure_id in procedure_ids:
            self._known.pop(procedure_id, None)

    def entries(
        self, procedure_id: str, steps: Sequence[tuple[Event, Context]], state: bytes | None
    ) -> list[Entry]:
        """Those of one commit; `state` is the one before its first step, where it is to be kept."""
        made: list[Entry] = [] if state is None else [(STATE, "", "", state)]
        for event, context in steps:
            facts = _encoder.encode(_written(context.facts))
            digest = hashlib.sha256(facts).hexdigest()[:32]
            if self._known.get(procedure_id) != digest or state is not None:
                if len(self._known) >= FACTS_KNOWN:
                    self._known.clear()
                self._known[procedure_id] = digest
                made.append((FACTS, "", digest, facts))
            body = _encoder.encode(_Step(context.now, context.entropy, digest, _recorded(event)))
            made.append((EVENT, type(event).__name__, "", body))
        return made


@dataclass(frozen=True, slots=True)
class ReplayedStep:
    """One step as it was taken again; `at` in seconds since 1970."""

    at: float
    event: str
    effects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a journal leads to; `whole` when it starts at the beginning of the procedure."""

    procedure_id: str
    kind: str
    status: str
    whole: bool
    steps: tuple[ReplayedStep, ...]
    agrees: bool  # with the stored state, and with every state kept on the way


def replay(
    connection: Connection, tables: PlatformTables, kinds: Mapping[str, ProcedureKind], procedure_id: str
) -> Replay | None:
    """Take the steps of a procedure again; None when there is no such procedure. Raises NotReplayable."""
    p, j = tables.procedure.c, tables.journal.c
    row = connection.execute(
        select(p.kind, p.eid, p.status, p.caller, p.state, p.created).where(p.id == procedure_id)
    ).first()
    if row is None:
        return None
    entries = connection.execute(
        select(j.direction, j.message_id, j.body)
        .where(j.procedure_id == procedure_id, j.direction.in_((EVENT, FACTS, STATE)))
        .order_by(j.seq)
    ).all()
    kind = kinds[row.kind]
    states = msgspec.json.Decoder(kind.state_type)
    caller = msgspec.json.decode(row.caller, type=Header) if row.caller else None
    state: Any = None
    agrees, steps, facts = True, [], dict[str, Any]()
    first = True
    for direction, name, body in entries:
        if direction == STATE:
            kept = states.decode(body)
            agrees = agrees and (first or kept == state)
            state, first = kept, False
        elif direction == FACTS:
            facts[name] = _read(_typed.decode(body))
        elif not first:
            step = _steps.decode(body)
            if step.facts not in facts:
                raise NotReplayable(f"the journal of {procedure_id} lacks facts")
            event = _event(step.event)
            context = Context(
                procedure_id=procedure_id,
                eid=row.eid,
                caller=caller,
                now=step.now,
                entropy=step.entropy,
                facts=facts[step.facts],
            )
            result = kind.step(state, event, context)
            state = result.state
            steps.append(ReplayedStep(step.now, _shown(event), tuple(_named(one) for one in result.effects)))
    if first:
        raise NotReplayable(f"the steps of {procedure_id} were not recorded")
    stored = states.decode(row.state)
    whole = bool(entries) and entries[0].direction == STATE
    return Replay(procedure_id, row.kind, row.status, whole, tuple(steps), agrees and state == stored)


# -- values with their types ------------------------------------------------------------------------------------


def _written(value: Any) -> _Typed:
    plain = value is None or isinstance(value, bool | int | float | str)
    name = "" if plain else f"{type(value).__module__}:{type(value).__qualname__}"
    return _Typed(name, msgspec.Raw(_encoder.encode(value)))


def _read(typed: _Typed) -> Any:
    if not typed.type:
        return msgspec.json.decode(typed.value)
    try:
        return _decoder(typed.type).decode(typed.value)
    except msgspec.MsgspecError as problem:
        raise NotReplayable(f"{typed.type} has changed: {problem}") from None


@cache
def _decoder(name: str) -> msgspec.json.Decoder[Any]:
    module, _, path = name.partition(":")
    if not module.startswith(_OURS):
        raise NotReplayable(f"{name} is no type of ours")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        raise NotReplayable(f"there is no {name} any more") from None
    if not (isinstance(found, type) and (dataclasses.is_dataclass(found) or issubclass(found, msgspec.Struct))):
        raise NotReplayable(f"{name} is no value")
    return msgspec.json.Decoder(found)


def _recorded(event: Event) -> _Begin | _Received | _Fired | _Answered | _Signalled:
    match event:
        case Begin():
            return _Begin()
        case Received(header, body):
            return _Received(header, _written(body))
        case TimerFired(name):
            return _Fired(name)
        case Answered(tag, reply, refusal):
            return _Answered(tag, _written(reply), refusal)
        case Signalled(sender, value):
            return _Signalled(sender, _written(value))


def _event(recorded: _Begin | _Received | _Fired | _Answered | _Signalled) -> Event:
    match recorded:
        case _Begin():
            return Begin()
        case _Received(header, body):
            return Received(header, _read(body))
        case _Fired(name):
            return TimerFired(name)
        case _Answered(tag, reply, refusal):
            return Answered(tag, _read(reply), refusal)
        case _Signalled(sender, value):
            return Signalled(sender, _read(value))


def _shown(event: Event) -> str:
    match event:
        case Received(_, body):
            return f"received {type(body).__name__}"
        case TimerFired(name):
            return f"timer {name}"
        case Answered(tag, _, refusal):
            return f"answered {tag}" if refusal is None else f"refused {tag}"
        case Signalled(sender, value):
            return f"signalled {type(value).__name__} by {sender}"
        case _:
            return "begin"


def _named(effect: Effect) -> str:
    body = getattr(effect, "body", None) or getattr(effect, "change", None) or getattr(effect, "value", None)
    name = type(effect).__name__
    return name if body is None else f"{name} {type(body).__name__}"
