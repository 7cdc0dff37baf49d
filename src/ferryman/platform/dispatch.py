"""What one dispatch of the engine gathers until its commit, and what a role sees of it there. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, assert_never

from ferryman.contracts.message import Body
from ferryman.platform.procedure import (
    Apply,
    Ask,
    Audit,
    CancelTimer,
    Done,
    Effect,
    Event,
    Reply,
    Send,
    SetTimer,
    Signal,
)
from ferryman.platform.procedure_rows import Record, end


@dataclass(frozen=True, slots=True)
class Committed:
    """What one dispatch brings about, as the role sees it inside the transaction.

    `records` are the procedures that were stepped, as they stand now; changes and audits each with the procedure
    that asked for them.
    """

    records: tuple[Record, ...]
    changes: tuple[tuple[Record, Any], ...]
    audits: tuple[tuple[Record, Audit], ...]


@dataclass(slots=True)
class Work:
    """Everything that one dispatch will commit."""

    records: dict[str, Record] = field(default_factory=dict)
    sends: list[tuple[Record, Send]] = field(default_factory=list)
    changes: list[tuple[Record, Any]] = field(default_factory=list)
    audits: list[tuple[Record, Audit]] = field(default_factory=list)
    incoming: Body | None = None
    target: str = ""
    queue: deque[tuple[str, Event]] = field(default_factory=deque)

    def collect(self, record: Record, effect: Effect) -> None:
        """Note an effect that is part of the commit."""
        match effect:
            case Send():
                self.sends.append((record, effect))
            case SetTimer(name, at):
                record.timers[name] = at
            case CancelTimer(name):
                record.timers[name] = None
            case Apply(change):
                self.changes.append((record, change))
            case Audit():
                self.audits.append((record, effect))
            case Reply(body):
                record.reply = record.reply or body
            case Done():
                end(record)
            case Ask() | Signal():
                raise AssertionError("questions and signals are the step's own")
            case _:
                assert_never(effect)
