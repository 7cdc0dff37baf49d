"""State of a card's channel, and the collector of effects that its parts share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ferryman.contracts.message import Body
from ferryman.contracts.roles import TRANSPORT_HTTPS, TRANSPORT_SMS
from ferryman.platform.procedure import (
    Apply,
    Ask,
    Audit,
    CancelTimer,
    Context,
    Effect,
    Send,
    SetTimer,
    Signal,
)
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures.delivery import CardNotification, Command, Outcome, OutcomeKind
from ferryman.sm_sr.records import EUICC, Facts, SRSettings
from ferryman.workflow import plan
from ferryman.workflow.question import Moment

WAIT = "wait/"  # timer of a command that a plan lets wait, with its identifier
FAR = 86_400.0  # s; validity of a message between our own roles: a day bounds any backlog


class Flight(msgspec.Struct, frozen=True, kw_only=True):
    """A packet that was sent by SMS and not answered. `command` None: a trigger for an HTTPS session."""

    command: Command | None
    counter: int
    destination: str
    tar: bytes
    packet: bytes = b""
    attempt: int = 0
    sms_id: str = ""
    doubt: int = 0  # attempts that may have reached the card
    counter_low: bool = False  # the card said so: it has run this packet, or its counter is ahead of ours
    limit: int = 0  # attempts, after which it is asked how to go on; 0 = those of the settings
    compact: bool = False  # the card answers in the compact format
    key_version: int = 0  # SCP80 key set of the packet, and of its answer


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A command for which it was asked how to go on, or that waits to be asked about.

    `aloft`: its packet is the one in flight; `doubt`: it may have been executed; `refused`: the card said no
    before it ran; `waiting`: for the end of a wait, not for an answer; `held`: nothing is sent meanwhile.
    """

    command: Command
    moment: Moment
    doubt: bool = False
    aloft: bool = False
    refused: bool = False
    waiting: bool = False
    held: bool = False
    detail: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the last POST was answered with, kept for its repeat."""

    token: str  # of the URI that was posted to; empty for a first POST
    next_uri: str
    next_token: str
    target_aid: bytes
    body: bytes


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one card's channel."""

    counter: int = 0  # SCP80 counter used last; 0 = take the delivered one of the EIS
    pending: tuple[Pending, ...] = ()
    bound: plan.Send | None = None  # plan of a card session that the next command belongs to
    sms_queue: tuple[Command, ...] = ()
    flight: Flight | None = None
    chains: tuple[bytes, ...] = ()  # security domains with an open script chain
    https_queue: tuple[Command, ...] = ()
    inflight: Command | None = None
    session: str = ""
    session_key: int = 0  # SCP81 key set of that session
    post: str = ""  # a POST that waits for our answer
    token: str = ""  # expected in the URI of the next POST
    answer: Answer | None = None
    announced: bool = False  # the last command said MoreToDo
    triggers: int = 0
    trigger_wanted: bool = False
    confirmed: CardNotification | None = None  # the last one whose confirmation the card has taken
    unsolicited: CardNotification | None = None  # the last one that no change was waiting for


class Effects:
    """Collects the effects of one step and offers the facts it may use."""

    def __init__(self, context: Context) -> None:
        self.context = context
        facts: Facts = context.facts
        self.settings: SRSettings = facts.settings
        self.effective: Effective = facts.effective
        self.euicc: EUICC | None = facts.euicc
        self.facts = facts
        self.now = context.now
        self._effects: list[Effect] = []
        self.session_lost = False  # a command ended without its answer: what the card kept for the next is gone

    def all(self) -> tuple[Effect, ...]:
        """Everything collected, in order."""
        return tuple(self._effects)

    def add(self, effects: Iterable[Effect]) -> None:
        """Effects that were made elsewhere."""
        self._effects += effects

    def to_sms(self, body: Body) -> None:
        """Message to the SMS module."""
        self._effects.append(Send(TRANSPORT_SMS, body, self.now + FAR))

    def to_https(self, body: Body) -> None:
        """Message to the HTTPS module."""
        self._effects.append(Send(TRANSPORT_HTTPS, body, self.now + FAR))

    def ask(self, tag: str, body: Body) -> None:
        """Question to the CryptoServer."""
        self._effects.append(Ask(tag, body))

    def outcome(self, owner: str, outcome: Outcome) -> None:
        """Tell the procedure that sent the command."""
        self.session_lost = self.session_lost or outcome.kind is not OutcomeKind.ANSWERED
        self._effects.append(Signal(owner, outcome))

    def signal(self, procedure_id: str, value: Any, *, kind: str = "", initial: Any = None) -> None:
        """Hand a value to another procedure."""
        self._effects.append(Signal(procedure_id, value, kind=kind, initial=initial))

    def timer(self, name: str, delay: float) -> None:
        """Set a timer, `delay` seconds from now."""
        self._effects.append(SetTimer(name, self.now + delay))

    def no_timer(self, name: str) -> None:
        """Forget a timer."""
        self._effects.append(CancelTimer(name))

    def apply(self, change: Any) -> None:
        """Change an EIS row."""
        self._effects.append(Apply(change))

    def audit(self, action: str, outcome: str, detail: str = "") -> None:
        """Audit record."""
        self._effects.append(Audit(action, outcome, detail=detail))
