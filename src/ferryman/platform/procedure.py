"""What a procedure is: a pure step function, its events and its effects.

`step(state, event, context) -> Step(state, effects)`. A step reads no clock, no database and no key; what it
needs of them comes in `context` or as the answer to an `Ask`. The engine commits state and effects together
and only then performs the effects, so a procedure continues after a kill at any line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from ferryman.contracts.message import Body, Header
from ferryman.contracts.status import ExecutionStatus

DEADLINE = "deadline"  # the timer that every called procedure has from its start


@dataclass(frozen=True, slots=True)
class Context:
    """Facts about the moment of a step: time (s since 1970), 32 fresh random bytes, and what the role loaded."""

    procedure_id: str
    eid: str
    caller: Header | None
    now: float
    entropy: bytes
    facts: Any


# -- events -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The procedure may start (and holds the EID if it asked for that)."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message for this procedure."""

    header: Header
    body: Body


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that was set is due."""

    name: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The CryptoServer's answer to an `Ask`, or its refusal as a status."""

    tag: str
    reply: Any = None
    refusal: ExecutionStatus | None = None


@dataclass(frozen=True, slots=True)
class Signalled:
    """A value from another procedure of the same role, in the same transaction."""

    sender: str
    value: Any


type Event = Begin | Received | TimerFired | Answered | Signalled

# -- effects ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a role; its identifier is derived from procedure and step.

    `requester` names the party that calls, when it is not the one the procedure was started for; `recipient`
    the party outside that a gateway is to hand it to.
    """

    dest: str
    body: Body
    deadline: float
    function_call_id: str = ""
    requester: str = ""
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the CryptoServer; performed before the commit, so the question must be repeatable."""

    tag: str
    body: Body


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire `TimerFired(name)` at `at`; replaces a timer of the same name."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer."""

    name: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Hand `value` to another procedure of this role and EID; created with `initial` when it does not exist."""

    procedure_id: str
    value: Any
    kind: str = ""
    initial: Any = None


@dataclass(frozen=True, slots=True)
class Apply:
    """A change of the role's own tables, written by the role in the same transaction."""

    change: Any


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit record."""

    action: str
    outcome: str
    object: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer the call that started the procedure; the first answer is kept for repeats."""

    body: Body


@dataclass(frozen=True, slots=True)
class Done:
    """The procedure has ended; its lease is released."""


type Effect = Send | Ask | SetTimer | CancelTimer | Signal | Apply | Audit | Reply | Done


@dataclass(frozen=True, slots=True)
class Step[S]:
    """Result of one step."""

    state: S
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcedureKind:
    """A kind of procedure: its name, the type of its state and its step function."""

    name: str
    state_type: type[msgspec.Struct]
    step: Callable[[Any, Event, Context], Step[Any]]
