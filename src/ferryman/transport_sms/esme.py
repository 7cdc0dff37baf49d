"""An SMPP v3.4 ESME that stays bound: connects, binds, reconnects, carries messages both ways.

SMPP v3.4 clauses 2.2 to 2.9. What callers can rely on:

* `submit` raises only when nothing was sent; silence gives the outcome `unknown`, never a failure;
* a message from the SMSC is answered after `on_deliver` (or `on_receipt`) has come back, that is, after it
  was stored; Unavailable, a slow store or a fault in the callback make the SMSC deliver it again;
* the password appears in no log line and no repr.

All time is the running loop's; chance (jitter) is an argument.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from ferryman.codec.smpp.errors import SMPPError
from ferryman.codec.smpp.events import Bound, Malformed
from ferryman.codec.smpp.messages import DataSM, DeliverSM
from ferryman.codec.smpp.receipt import Receipt, is_receipt, parse_receipt
from ferryman.codec.smpp.session import Request
from ferryman.codec.smpp.status import CommandStatus, Reaction, classify, status_name
from ferryman.codec.smpp.user_data import as_deliver, user_data
from ferryman.errors import PeerError, Unavailable
from ferryman.platform.tally import Seldom
from ferryman.transport_sms.link import Link, LinkEnd, OutcomeKind, SubmitOutcome
from ferryman.transport_sms.pace import Pace
from ferryman.transport_sms.settings import BindMode, SMPPSettings

log = structlog.get_logger("ferryman.transport_sms")

MALFORMED_LINES: Final = 5  # lines of the log about PDUs that break the rules, for each connection
MALFORMED_PERIOD: Final = 60.0  # seconds
MAX_DOUBLINGS: Final = 16  # of the wait before a reconnect; any cap is reached long before


class Jitter(Protocol):
    """The only chance needed: `random.Random` has it."""

    def uniform(self, a: float, b: float, /) -> float: ...


class ESME:
    """One connection of an account to its SMSC. `bound` is set while messages can be sent or received.

    `on_deliver` stores a message and gives its command_status (0 = stored). It may raise Unavailable
    (status 64, temporary) or PeerError (65, permanent). `on_receipt` does the same for receipts. `tls`
    wraps the connection from its first octet; nothing of ours leaves before the certificate was checked
    against it and the name. `pace` is shared by the connections of an account; `on_bound` and `on_refused`
    hear of each bind.
    """

    def __init__(
        self,
        settings: SMPPSettings,
        *,
        on_deliver: Callable[[DeliverSM], Awaitable[int]],
        on_receipt: Callable[[Receipt], Awaitable[int]],
        entropy: Jitter,
        tls: ssl.SSLContext | None = None,
        pace: Pace | None = None,
        on_bound: Callable[[Bound], None] | None = None,
        on_refused: Callable[[int], None] | None = None,
    ) -> None:
        self.settings = settings
        self.bound = asyncio.Event()
        self._on_deliver = on_deliver
        self._on_receipt = on_receipt
        self._entropy = entropy
        self._tls = tls
        self._on_bound = on_bound
        self._on_refused = on_refused
        self._pace = pace or Pace(settings.max_rate)
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._connecting: asyncio.Timeout | None = None
        self._stopping = asyncio.Event()
        self._bound_at = 0.0  # loop time
        self._seldom = Seldom(MALFORMED_LINES, MALFORMED_PERIOD)
        self.malformed = 0  # PDUs that broke the rules, in all

    async def start(self) -> None:
        """Begin to connect and stay connected; returns at once. Wait for `bound` to know."""
        if self._task is None:
            self._stopping.clear()
            self._task = asyncio.create_task(self._run(), name=f"smpp {self.settings.system_id}")

    async def submit(self, pdu: Request, *, anew: Callable[[], Request] | None = None) -> SubmitOutcome:
        """Send one request and wait for what became of it; `anew` makes it again when it has waited for its turn.

        Raises Unavailable when not bound (or too many wait already) and InputError when a field does not
        fit; nothing was sent then.
        """
        link = self._link
        if link is None:
            raise Unavailable("SMSC")
        return await link.submit(pdu, anew=anew)

    async def stop(self) -> None:
        """Send nothing new, finish what is under way, unbind, close."""
        self._stopping.set()
        if self._connecting is not None:
            self._connecting.reschedule(asyncio.get_running_loop().time())
        if self._link is not None:
            await self._link.leave()
        if self._task is not None:
            await self._task
            self._task = None

    # --- inside ---

    async def _run(self) -> None:
        failures = brief = 0
        while not self._stopping.is_set():
            end = await self._one_connection()
            if self._stopping.is_set():
                return
            # A bind that is dropped at once, again and again, is no success; the first time may be a restart.
            lived = asyncio.get_running_loop().time() - self._bound_at
            brief = brief + 1 if end.bound and lived < self.settings.enquire_interval else 0
            failures = max(0, brief - 1) if end.bound else failures + 1
            delay = self._delay(failures, end)
            log.info("SMPP link ended", smsc=self._name, reason=end.reason, next_try=round(delay, 1))
            try:
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _one_connection(self) -> LinkEnd:
        settings = self.settings
        try:
            async with asyncio.timeout(settings.connect_timeout) as self._connecting:
                _, link = await asyncio.get_running_loop().create_connection(
                    self._make_link,
                    settings.host,
                    settings.port,
                    ssl=self._tls,
                    server_hostname=(settings.tls_name or settings.host) if self._tls else None,
                )
        except ssl.SSLCertVerificationError as error:
            log.error("the SMSC's certificate is refused", smsc=self._name, reason=error.verify_message)
            return LinkEnd(f"certificate refused ({error.verify_message})", bound=False, refused=None)
        except (OSError, TimeoutError) as error:
            return LinkEnd(f"no connection ({type(error).__name__})", bound=False, refused=None)
        finally:
            self._connecting = None
        self._link = link
        if self._stopping.is_set():
            await link.leave()
        try:
            await asyncio.shield(link.ended)
        finally:
            self.bound.clear()
            self._link = None
        end = await link.finished()
        if end.refused is not None:
            log.error("SMPP bind refused", smsc=self._name, status=status_name(end.refused))
            if self._on_refused is not None:
                self._on_refused(end.refused)
        return end

    def _make_link(self) -> Link:
        return Link(
            self.settings,
            self._pace,
            deliver=self._deliver,
            on_bound=self._bound,
            on_malformed=self._malformed,
            on_failure=self._failed,
        )

    def _delay(self, failures: int, end: LinkEnd) -> float:
        settings = self.settings
        cap = min(settings.reconnect_max, settings.reconnect_min * 2.0 ** min(failures, MAX_DOUBLINGS))
        if end.refused is not None and classify(end.refused) is Reaction.CREDENTIALS:
            # An account that is knocked on every second gets locked; a person has to look at this.
            cap = max(cap, settings.refused_wait)
        return self._entropy.uniform(cap / 2, cap)

    @property
    def _name(self) -> str:
        return f"{self.settings.system_id}@{self.settings.host}:{self.settings.port}"

    def _bound(self, event: Bound) -> None:
        if self._on_bound is not None:
            self._on_bound(event)
        self.bound.set()
        self._bound_at = asyncio.get_running_loop().time()
        version = None if event.interface_version is None else f"{event.interface_version:02X}"
        mode = self.settings.bind_mode.value
        log.info("SMPP bound", smsc=self._name, mode=mode, peer=event.system_id, version=version)

    def _malformed(self, event: Malformed) -> None:
        self.malformed += 1
        hidden = self._seldom.allow(asyncio.get_running_loop().time())
        if hidden is None:
            return  # a peer that sends nothing else must not fill the disk of who listens
        log.warning(
            "SMPP PDU refused",
            smsc=self._name,
            command=f"{event.command:08X}",
            sequence=event.sequence,
            reason=event.reason,
            not_shown=hidden,
        )

    def _failed(self, error: BaseException) -> None:
        log.error("SMPP message not stored", smsc=self._name, error=type(error).__name__, exc_info=error)

    async def _deliver(self, pdu: DeliverSM | DataSM) -> int:
        message = as_deliver(pdu) if isinstance(pdu, DataSM) else pdu
        try:
            async with asyncio.timeout(self.settings.response_timeout):
                if is_receipt(message):
                    return await self._on_receipt(parse_receipt(message))
                user_data(message)  # octets in two places: refused before anybody has to choose
                return await self._on_deliver(message)
        except (Unavailable, TimeoutError) as error:
            # The SMSC keeps it and delivers it again.
            log.warning("SMPP message not stored", smsc=self._name, error=type(error).__name__)
            return CommandStatus.RECEIVER_TEMPORARY_ERROR
        except SMPPError as error:
            return error.status
        except PeerError:
            return CommandStatus.RECEIVER_PERMANENT_ERROR


__all__ = ["ESME", "BindMode", "Jitter", "OutcomeKind", "SMPPSettings", "SubmitOutcome"]
