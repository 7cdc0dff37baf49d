"""Counts what passes between us and a card: every step of its channel, wrapped (pure).

The card spoke when a packet or POST of it came in whose channel step took it; an outcome shows whether it can
be reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ferryman.contracts import es5
from ferryman.platform.procedure import Apply, Context, Effect, Event, Received, Send, Signal, Step
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Outcome, OutcomeKind
from ferryman.sm_sr.records import Counted

type ChannelStep = Callable[[Channel, Event, Context], Step[Channel]]

OUTCOMES = {
    OutcomeKind.ANSWERED: "answered",
    OutcomeKind.REJECTED: "rejected",
    OutcomeKind.UNREACHABLE: "unreachable",
    OutcomeKind.UNKNOWN: "unknown",
}


def counting(step: ChannelStep) -> ChannelStep:
    """The same step with its counts as a change of the repository."""

    def counted_step(state: Channel, event: Event, context: Context) -> Step[Channel]:
        result = step(state, event, context)
        counted = count(event, result.effects)
        if counted is None or context.facts.euicc is None:
            return result
        return Step(result.state, (*result.effects, Apply(counted)))

    return counted_step


def count(event: Event, effects: tuple[Effect, ...]) -> Counted | None:
    """What one step of a channel shows; None when nothing passed."""
    counts: Counter[str] = Counter()
    spoke = ""
    reachable: bool | None = None
    if isinstance(event, Received):
        if isinstance(event.body, es5.SMSReceived):
            spoke = "sms"
            counts["sms_in"] += 1
        elif isinstance(event.body, es5.HTTPSPosted):
            spoke = "https"
            counts["https_in"] += 1
    for effect in effects:
        match effect:
            case Send(body=es5.SubmitSMS()):
                counts["sms_out"] += 1
            case Send(body=es5.HTTPSAnswer(body=body)) if body:
                counts["https_out"] += 1
            case Signal(value=Outcome() as outcome):
                counts[OUTCOMES[outcome.kind]] += 1
                if outcome.kind is OutcomeKind.UNREACHABLE and outcome.detail != WITHDRAWN:
                    reachable = False
    if spoke:
        reachable = True
    if not counts:
        return None
    return Counted(transport=spoke, counts=tuple(sorted(counts.items())), reachable=reachable)


WITHDRAWN = "withdrawn"  # a command that its owner took back says nothing of the card
