"""One account at one SMSC: its connections, used as one (SMPP v3.4 clauses 2.2 and 2.3).

Messages leave by whichever bound connection has least under way, and by one that leaves requests without an
answer only when there is no other; the pace is one for all of them. In mode `pair` transmitters send and
receivers bring messages and receipts; losing the receiver does not stop the sending, because the SMSC keeps what
it cannot deliver. An SMSC that does not know transceivers (SMPP v3.3) gets a pair instead.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Final, Protocol

import structlog

from ferryman.codec.smpp.events import Bound
from ferryman.codec.smpp.messages import INTERFACE_VERSION, DeliverSM
from ferryman.codec.smpp.receipt import Receipt
from ferryman.codec.smpp.session import Request
from ferryman.codec.smpp.status import CommandStatus, Reaction
from ferryman.errors import Unavailable
from ferryman.platform.metrics import Metric, Sample
from ferryman.platform.tally import Tally
from ferryman.transport_sms.esme import ESME, Jitter
from ferryman.transport_sms.link import OutcomeKind, SubmitOutcome
from ferryman.transport_sms.pace import Pace
from ferryman.transport_sms.settings import BindMode, SMPPSettings
from ferryman.transport_sms.tls import client_context

REST: Final = 60.0  # seconds without trouble after which an account is trusted again without proof

_OF_THE_NUMBER: Final = frozenset(
    {
        CommandStatus.MESSAGE_QUEUE_FULL,
        CommandStatus.RECEIVER_TEMPORARY_ERROR,
        CommandStatus.SUBMIT_FAILED,
        CommandStatus.DELIVERY_FAILURE,
    }
)
"""Refusals that are about the one destination and say nothing about the SMSC."""

SUBMITS: Final = Metric("ferryman_smpp_submits_total", "counter", "Requests to the SMSC, by what became of them.")
BINDS: Final = Metric("ferryman_smpp_binds_total", "counter", "Binds, by the SMSC's answer.")
LINKS: Final = Metric("ferryman_smpp_links", "gauge", "Connections of an account: wanted, and bound now.")
WINDOW: Final = Metric("ferryman_smpp_window", "gauge", "Requests that may be under way, and those that are.")
MALFORMED: Final = Metric("ferryman_smpp_malformed_total", "counter", "PDUs of the SMSC that broke the rules.")

log = structlog.get_logger("ferryman.transport_sms")


class Link(Protocol):
    """The ESME as an account uses it."""

    @property
    def bound(self) -> asyncio.Event: ...

    @property
    def malformed(self) -> int: ...

    async def submit(self, pdu: Request, /, *, anew: Callable[[], Request]) -> SubmitOutcome: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class MakeLink(Protocol):
    """Makes the ESME of one connection; tests give another one. See `ESME` for the arguments."""

    def __call__(
        self,
        settings: SMPPSettings,
        *,
        on_deliver: Callable[[DeliverSM], Awaitable[int]],
        on_receipt: Callable[[Receipt], Awaitable[int]],
        entropy: Jitter,
        tls: ssl.SSLContext | None,
        pace: Pace,
        on_bound: Callable[[Bound], None],
        on_refused: Callable[[int], None],
    ) -> Link: ...


@dataclass(slots=True, eq=False)
class _Line:
    """One connection; `parameters` says whether its peer may be sent optional ones.

    `silent` is when it last left a request without an answer (loop time), until it answers one or binds again.
    """

    settings: SMPPSettings
    link: Link
    parameters: bool = True
    under_way: int = 0
    silent: float = -inf


class Account:
    """See the module's text. Raises InputError when its TLS files are not usable."""

    def __init__(
        self,
        settings: SMPPSettings,
        *,
        on_deliver: Callable[[DeliverSM], Awaitable[int]],
        on_receipt: Callable[[Receipt], Awaitable[int]],
        entropy: Jitter,
        make_link: MakeLink = ESME,
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self._on_deliver = on_deliver
        self._on_receipt = on_receipt
        self._entropy = entropy
        self._make_link = make_link
        self._tls = client_context(settings)
        self._pace = Pace(settings.max_rate)
        self._lines = [self._line(one) for one in settings.connections()]
        self._changes: set[asyncio.Task[None]] = set()
        self._trouble_since: float | None = None
        self._last_trouble = 0.0
        self._distrusted_until = 0.0
        self._stopping = False
        self.tally = Tally()

    # --- state ---

    def samples(self) -> list[Sample]:
        """What those who watch are shown of it."""
        label = ("account", self.name)
        sending = [line for line in self._lines if line.settings.sends]
        found = self.tally.samples(label)
        found += [
            Sample(LINKS, len(self._lines), (label, ("state", "wanted"))),
            Sample(LINKS, sum(line.link.bound.is_set() for line in self._lines), (label, ("state", "bound"))),
            Sample(WINDOW, sum(line.settings.window for line in sending), (label, ("kind", "size"))),
            Sample(WINDOW, sum(line.under_way for line in sending), (label, ("kind", "taken"))),
            Sample(MALFORMED, sum(line.link.malformed for line in self._lines), (label,)),
        ]
        return found

    @property
    def links(self) -> list[Link]:
        """Its connections."""
        return [line.link for line in self._lines]

    @property
    def bound(self) -> bool:
        """Whether a message could leave now."""
        # A loop, not any(): this is asked several times for each message.
        for line in self._lines:  # noqa: SIM110
            if line.settings.sends and line.link.bound.is_set():
                return True
        return False

    @property
    def events(self) -> list[asyncio.Event]:
        """Set while a connection that can send is bound."""
        return [line.link.bound for line in self._lines if line.settings.sends]

    @property
    def whole(self) -> bool:
        """Whether every connection is bound."""
        return all(line.link.bound.is_set() for line in self._lines)

    def healthy(self, now: float) -> bool:
        """False after `failover_after` of nothing but trouble, for a while; `now` is the loop's time."""
        if now < self._distrusted_until:
            return False
        since = self._trouble_since
        if since is None or now - self._last_trouble >= REST:
            return True
        return self._last_trouble - since < self.settings.failover_after

    def left(self, now: float) -> None:
        """A submission has lost its patience: others need not find out again, unless it was its own trouble."""
        if self._trouble_since is not None:
            self._distrusted_until = now + REST

    # --- use ---

    async def start(self) -> None:
        """Connect and stay connected."""
        for line in self._lines:
            await line.link.start()

    async def stop(self) -> None:
        """Finish what is under way and unbind everywhere."""
        self._stopping = True
        if self._changes:
            await asyncio.wait(self._changes)
        await asyncio.gather(*(line.link.stop() for line in self._lines))

    async def submit(self, request: Callable[[bool], Request]) -> SubmitOutcome:
        """Send one message; `request` makes it, with optional parameters or without, and again after a wait.

        Raises Unavailable when no connection could take it (or `request` says that it is too late) and
        InputError when a field does not fit; nothing was sent then.
        """
        ready = [line for line in self._lines if line.settings.sends and line.link.bound.is_set()]
        if len(ready) > 1:
            quiet = asyncio.get_running_loop().time() - REST
            # One that is alive but answers no request has nothing under way, and would get every attempt.
            ready.sort(key=lambda one: (one.silent > quiet, one.under_way))
        for line in ready:
            line.under_way += 1
            try:
                outcome = await line.link.submit(request(line.parameters), anew=partial(request, line.parameters))
            except Unavailable:
                continue  # it went in this very moment, and nothing with it
            finally:
                line.under_way -= 1
            silent = outcome.kind is OutcomeKind.UNKNOWN
            line.silent = asyncio.get_running_loop().time() if silent else -inf
            self.tally.add(SUBMITS, outcome=_named(outcome))
            self._note(outcome)
            return outcome
        raise Unavailable("SMSC")

    # --- inside ---

    def _line(self, settings: SMPPSettings) -> _Line:
        def on_bound(event: Bound) -> None:
            self._bound(line, event)

        def on_refused(status: int) -> None:
            self._refused(line, status)

        link = self._make_link(
            settings,
            on_deliver=self._on_deliver,
            on_receipt=self._on_receipt,
            entropy=self._entropy,
            tls=self._tls,
            pace=self._pace,
            on_bound=on_bound,
            on_refused=on_refused,
        )
        line = _Line(settings, link)
        return line

    def _bound(self, line: _Line, event: Bound) -> None:
        self.tally.add(BINDS, outcome="bound")
        line.silent = -inf
        # A peer that says nothing may still be a v3.4 one, as many are: then the settings decide.
        version = event.interface_version
        spoken = INTERFACE_VERSION if version is None else version
        line.parameters = min(spoken, self.settings.interface_version) >= INTERFACE_VERSION

    def _refused(self, line: _Line, status: int) -> None:
        self.tally.add(BINDS, outcome="refused")
        old = status == CommandStatus.INVALID_COMMAND_ID and line.settings.bind_mode == BindMode.TRANSCEIVER
        if not old or self._stopping or line not in self._lines:
            return
        log.warning("the SMSC knows no transceiver: binding a pair instead", account=self.name)
        task = asyncio.get_running_loop().create_task(self._pair_instead(line), name="smpp pair")
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)

    async def _pair_instead(self, line: _Line) -> None:
        at = self._lines.index(line)
        pair = [self._line(line.settings.as_transmitter()), self._line(line.settings.as_receiver())]
        self._lines[at : at + 1] = pair
        await line.link.stop()
        for one in pair:
            await one.link.start()

    def _note(self, outcome: SubmitOutcome) -> None:
        """Keep in mind whether the SMSC works."""
        if outcome.status in _OF_THE_NUMBER:
            return
        reaction = outcome.reaction
        if outcome.kind is not OutcomeKind.UNKNOWN and reaction in (Reaction.ACCEPTED, Reaction.PERMANENT):
            self._trouble_since = None
            self._distrusted_until = 0.0
            return
        now = asyncio.get_running_loop().time()
        if self._trouble_since is None or now - self._last_trouble >= REST:
            self._trouble_since = now
        self._last_trouble = now


def _named(outcome: SubmitOutcome) -> str:
    if outcome.kind is OutcomeKind.UNKNOWN:
        return "unknown"
    return "throttled" if outcome.reaction is Reaction.THROTTLE else outcome.kind.value
