"""Words of the SM-SR's transition tables: what a card says, what a procedure does with it."""

from __future__ import annotations

from typing import Any

from ferryman.errors import PeerError
from ferryman.platform.transitions import START, Table, Word, read
from ferryman.sm_sr.procedures.delivery import (
    Cancel,
    CardNotification,
    Command,
    Outcome,
    OutcomeKind,
    Settled,
    single,
)
from ferryman.sm_sr.procedures.owed import Owe
from ferryman.sm_sr.procedures.settle import Doubt
from ferryman.sm_sr.records import HandOver, Prepare, TakeOver, UseKeyset

_SIGNALS: dict[type, str] = {
    Command: "to card",
    Cancel: "withdraw",
    Settled: "withdraw",
    Doubt: "doubt",
    Owe: "owe",
}
_CHANGES = (TakeOver, HandOver, Prepare, UseKeyset)  # the others are rows of the EIS


def signal(value: Any) -> str:
    """An outcome, a notification, a command."""
    if isinstance(value, CardNotification):
        return f"notification {value.type:02X}"
    if not isinstance(value, Outcome):
        return _SIGNALS.get(type(value), type(value).__name__)
    if value.kind is not OutcomeKind.ANSWERED:
        return f"card {value.kind}"
    try:
        return f"card {single(value)[1]:04X}"
    except PeerError:
        return "card unreadable"


def hand(value: Any) -> str:
    """What goes to another procedure of the card."""
    return "pass on" if isinstance(value, CardNotification) else signal(value)


def change(value: Any) -> str:
    """A change of the repository."""
    return type(value).__name__ if isinstance(value, _CHANGES) else "EIS"


def phase(state: Any) -> str:
    """For a state that names its phase, or has none."""
    return str(getattr(state, "phase", "")) or START


def table(name: str, kinds: tuple[str, ...], text: str, phase: Word = phase) -> Table:
    """A table of this role."""
    return Table(name, kinds, read(text), phase, signal, hand, change)
