"""The sessions of a card's channel, over HTTPS (SGP.02 2.4.4; GP Amendment B): a part of its state, and its effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferryman.platform.procedure import Context, Effect, Event, Signal, Step
from ferryman.platform.transitions import Seen, Table, Word, read
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, EntryDelivered, Outcome
from ferryman.sm_sr.transitions.words import signal

type Owns = Callable[[Channel, str], bool]


@dataclass(frozen=True, slots=True)
class Part(Table):
    """A table of a part of the channel: `effects` are its own, and `owns` tells the commands in its hands."""

    effects: frozenset[str]
    owns: Owns

    def seen(self, state: Any, event: Event, context: Context, taken: Step[Any]) -> Seen:
        """What a step was for this part: its states, its effects, the outcomes of its own commands."""
        del context
        mine = {
            f"outcome {value.kind}"
            for value in map(_outcome_in, taken.effects)
            if value is not None and self.owns(state, value.command_id)
        }
        own = {word for word in map(self._effect, taken.effects) if word in self.effects}
        return Seen(self.phase(state), self._event(event), self.phase(taken.state), frozenset(own | mine))


def _outcome_in(effect: Effect) -> Outcome | None:
    return effect.value if isinstance(effect, Signal) and isinstance(effect.value, Outcome) else None


def _said(value: Any) -> str:
    return "command" if isinstance(value, Command) else signal(value)


def _change(value: Any) -> str:
    return "delivered" if isinstance(value, EntryDelivered) else ""


def _part(name: str, text: str, phase: Word, effects: set[str], owns: Owns) -> Part:
    return Part(name, ("channel",), read(text), phase, _said, _said, _change, frozenset(effects), owns)


def _over_https(state: Channel) -> str:
    if state.inflight is not None:
        return "given" if state.session else "lost"
    if state.post:
        return "open"
    if state.session:
        return "open and away"
    return "called" if state.triggers else "waiting" if state.https_queue else "idle"


HTTPS = _part(
    "Sessions of a card's channel, over HTTPS",
    """
    idle, waiting | command, crypto plan, wait | the card is called | called | timer session
    idle | command, crypto plan, wait | it comes when it likes | waiting | ?timer session
    idle | HTTPSPosted | it comes by itself | open | timer linger
    waiting | command, crypto plan, wait | the patience of a plan | = | timer session
    waiting, called | HTTPSPosted | the first script | given | HTTPSAnswer, timer answer, ?outcome rejected
    waiting, called | HTTPSPosted | withdrawn, or all for another key set | open | timer linger, ?outcome rejected
    waiting, called | withdraw | not given out yet | =, idle | outcome unreachable
    called | session | again | = | timer session
    called, waiting | session | it did not come | idle, waiting | ?outcome unreachable
    open | command, crypto plan, wait | | given | HTTPSAnswer, timer answer
    open | linger | 204: the card closes | open and away | HTTPSAnswer
    open, open and away | HTTPSPosted | nothing to do, yet | open | timer linger
    open, open and away | HTTPSClosed | | idle |
    open and away | HTTPSPosted | | given | HTTPSAnswer, timer answer, ?outcome rejected
    open and away | HTTPSClosed | a command has come | called, waiting | ?timer session
    given, lost | HTTPSPosted | its answer, or none; the next script | given | HTTPSAnswer, timer answer, ?outcome answered, ?outcome rejected, ?outcome unknown
    given, lost | HTTPSPosted | its answer, or none; nothing to do, yet | open | timer linger, ?outcome answered, ?outcome rejected, ?outcome unknown
    given | HTTPSClosed | the card may resume | lost |
    given | answer | the link is dead | open and away | outcome unknown
    given | withdraw | the card was reset behind it | open and away |
    lost | answer, session | the card is called | = | timer session
    lost | session | it did not come | idle, waiting | outcome unknown, ?outcome unreachable
    lost | withdraw | the card was reset behind it | idle, waiting, called | ?timer session
    given, lost, open and away | withdraw | another one, not given out yet | = | outcome unreachable
    """,
    _over_https,
    {"HTTPSAnswer", "timer linger", "timer session", "timer answer"},
    lambda state, name: (
        (state.inflight is not None and state.inflight.id == name)
        or any(one.id == name for one in state.https_queue)
    ),
)
