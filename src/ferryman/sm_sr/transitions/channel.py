"""The channel of a card as three tables: packets by SMS, sessions over HTTPS, and the way that a command goes.

Each tells of its own part of one state (SGP.02 2.4.3, 2.4.4; TS 102 225; GP Amendment B) and of its own effects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferryman.platform.procedure import Context, Effect, Event, Signal, Step
from ferryman.platform.transitions import Seen, Table, Word, read
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command, EntryDelivered, Outcome
from ferryman.sm_sr.transitions.words import signal
from ferryman.workflow.question import Moment

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


def _by_sms(state: Channel) -> str:
    flight = state.flight
    if flight is None:
        return "quiet"
    if flight.command is None:
        return "triggering" if flight.packet else "securing trigger"
    # While it is asked about a receipt the packet goes on as it was planned.
    if any(one.aloft and (one.held or one.moment is not Moment.RECEIPT) for one in state.pending):
        return "held"
    return "sent" if flight.packet else "securing"


# The two states of securing last for one step: the engine hands over the answers to what a step has asked before any
# other event, and commits nothing before them. No command, message, withdrawal or timer meets them.
SMS = _part(
    "Packets of a card's channel, by SMS",
    """
    quiet | command, crypto plan, wait, HTTPSPosted | by SMS | securing | ask SCP80Wrap
    quiet | command, crypto plan, wait, session, answer, HTTPSClosed, withdraw | the card is called for a session | securing trigger | ask SCP80Wrap
    securing | crypto wrap | its counter is committed | sent | SubmitSMS, timer sms
    securing | crypto wrap refused | it never left | quiet, securing, securing trigger | outcome unreachable, ?ask SCP80Wrap
    sent, held | command | a confirmation to the number that the card has now | securing | ask SCP80Wrap, ?outcome unreachable, ?outcome unknown
    sent, held | command | the same, of a card that is not ours any more | quiet | ?outcome unreachable, ?outcome unknown
    sent, held | withdraw | the card was reset behind it | quiet, securing, securing trigger | ?ask SCP80Wrap
    sent, held | crypto open | executed | quiet, securing, securing trigger | outcome answered, ?ask SCP80Wrap
    sent, held | crypto open | refused by every copy: the end, or it is asked how to go on | quiet, securing, securing trigger | ?outcome rejected, ?ask SCP80Wrap
    sent | crypto open | refused, an earlier copy may have run: it is asked how to go on | held |
    sent, held | crypto open | refused, or its counter: an earlier copy may have run | quiet, securing, securing trigger | outcome unknown, ?ask SCP80Wrap
    sent, held, triggering | crypto open | the card needs more time | = | timer sms
    sent, held, triggering | sms | no answer: the same octets again | = | SubmitSMS, timer sms
    sent | sms | the counter is the card's: it has run, or ours is behind | quiet, securing, securing trigger | outcome unknown, ?ask SCP80Wrap
    sent | sms, SMSRejected | it is asked how to go on | held |
    sent, held | sms, SMSRejected | enough | quiet, securing, securing trigger | ?outcome unknown, ?outcome unreachable, ?ask SCP80Wrap
    held | crypto plan, wait | enough, or another way | quiet, securing, securing trigger | ?outcome rejected, ?outcome unknown, ?outcome unreachable, ?ask SCP80Wrap
    held | crypto plan, wait | the same octets once more | sent | SubmitSMS, timer sms
    sent | crypto plan | behind a receipt: wait | held |
    sent | crypto plan | behind a receipt: go on, with another patience | = | timer sms
    sent | crypto plan | behind a receipt: enough, or another way | quiet, securing, securing trigger | ?outcome rejected, ?outcome unknown, ?outcome unreachable, ?ask SCP80Wrap
    securing trigger | crypto wrap | | triggering | SubmitSMS, timer sms
    securing trigger | crypto wrap refused | | quiet, securing | ?ask SCP80Wrap
    triggering | command | a confirmation to the number that the card has now | securing | ask SCP80Wrap
    triggering | command | the same, of a card that is not ours any more | quiet |
    triggering | crypto open | taken, or refused: the next one has a higher counter | quiet, securing, securing trigger | ?ask SCP80Wrap
    triggering | sms, SMSRejected | the session is there, or enough | quiet, securing, securing trigger | ?ask SCP80Wrap
    * | SMSReceived | a notification of the card | = | ask SCP80OpenCommand
    sent, held, triggering | SMSReceived | it may be the answer | = | ask SCP80OpenResponse
    """,
    _by_sms,
    {"SubmitSMS", "ask SCP80Wrap", "ask SCP80OpenResponse", "ask SCP80OpenCommand", "timer sms"},
    lambda state, name: (
        state.flight is not None and state.flight.command is not None and state.flight.command.id == name
    ),
)


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
    idle | HTTPSPosted | it comes by itself, and a command waited | given | HTTPSAnswer, timer linger, timer answer
    waiting | command, crypto plan, wait | the patience of a plan | = | timer session
    waiting, called | HTTPSPosted | the first script | given | HTTPSAnswer, timer answer, ?timer linger, ?outcome rejected
    waiting, called | HTTPSPosted | withdrawn, or all for another key set | open | timer linger, ?outcome rejected
    waiting, called | withdraw | not given out yet | =, idle | outcome unreachable
    called | session | again | = | timer session
    called, waiting | session | it did not come | idle, waiting | ?outcome unreachable
    open | command, crypto plan, wait | | given | HTTPSAnswer, timer answer
    open | linger | 204: the card closes | open and away | HTTPSAnswer
    open | HTTPSPosted | nothing to do, yet | = | timer linger
    open and away | HTTPSPosted | nothing to do, yet | open | timer linger, ?outcome rejected
    open, open and away | HTTPSClosed | | idle |
    open and away | HTTPSPosted | | given | HTTPSAnswer, timer answer, ?timer linger, ?outcome rejected
    open and away | HTTPSClosed | a command has come | called, waiting | ?timer session
    given, lost | HTTPSPosted | its answer, or none; the next script | given | HTTPSAnswer, timer answer, ?timer linger, ?outcome answered, ?outcome rejected, ?outcome unknown
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


def _undecided(state: Channel) -> str:
    return "undecided" if state.pending else "decided"


PLAN = _part(
    "The way that a command goes",
    """
    decided, undecided | command, sms, SMSRejected, SMSReceipt, crypto open, session | the deployment's script is asked | undecided | ask Decide
    undecided | wait, HTTPSPosted | once more | = | ask Decide
    undecided | crypto plan | it says wait | = | timer wait
    undecided | crypto plan, wait, HTTPSPosted | a way, or the end | decided, = | ?outcome rejected, ?outcome unreachable, ?outcome unknown
    undecided | withdraw | not sent yet | decided, = | outcome unreachable
    undecided | crypto open, command, withdraw, sms, SMSRejected | its packet is settled | decided, = | ?outcome answered, ?outcome rejected, ?outcome unknown, ?outcome unreachable
    """,
    _undecided,
    {"ask Decide", "timer wait"},
    lambda state, name: any(one.command.id == name for one in state.pending),
)
