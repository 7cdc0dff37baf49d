"""The SMS transport as a role: SubmitSMS in, its fate and the cards' messages out (SGP.02 4.1.1, ES5 by SMS).

Knows no keys and reads no packet: what it carries is secured (SCP80) and opaque. It faces the SMSC, so whoever
takes it over can lose and repeat messages, but not forge or read them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from ferryman.codec.smpp.messages import DeliverSM
from ferryman.codec.smpp.receipt import Receipt
from ferryman.codec.smpp.status import CommandStatus
from ferryman.contracts.es5 import TO_SMS_CODEC, SubmitSMS
from ferryman.contracts.message import decode
from ferryman.errors import PeerError, Unavailable
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.transport_sms import incoming, outgoing, receipts
from ferryman.transport_sms.esme import ESME, Jitter
from ferryman.transport_sms.sender import Carrier, Sender
from ferryman.transport_sms.settings import SMPPSettings

SWEEP_EVERY: Final = 3_600.0  # seconds between looks for submissions to forget

log = structlog.get_logger("ferryman.transport_sms")


class Link(Carrier, Protocol):
    """The ESME as this role uses it."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class MakeLink(Protocol):
    """Makes the ESME; tests give another one."""

    def __call__(
        self,
        settings: SMPPSettings,
        *,
        on_deliver: Callable[[DeliverSM], Awaitable[int]],
        on_receipt: Callable[[Receipt], Awaitable[int]],
        entropy: Jitter,
        tls: ssl.SSLContext | None,
    ) -> Link: ...


class _Uniform:
    """Jitter out of the platform's entropy."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def uniform(self, a: float, b: float, /) -> float:
        """A number from a to b."""
        return a + (b - a) * int.from_bytes(self._entropy(4)) / 0xFFFFFFFF


class TransportSMS:
    """One SMPP account. `tls` wraps the connection to the SMSC."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        settings: SMPPSettings,
        clock: Clock,
        entropy: Entropy,
        tls: ssl.SSLContext | None = None,
        make_link: MakeLink = ESME,
    ) -> None:
        self.mailbox = mailbox
        self.settings = settings
        self._clock = clock
        jitter = _Uniform(entropy)
        self.link = make_link(
            settings, on_deliver=self._on_deliver, on_receipt=self._on_receipt, entropy=jitter, tls=tls
        )
        self._sender = Sender(
            mailbox=mailbox, carrier=self.link, settings=settings, clock=clock, jitter=jitter.uniform
        )
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on with what an earlier run left, then connect."""
        await self.mailbox.start()
        await self._sender.start()
        await self.link.start()
        self._sweeper = asyncio.create_task(self._sweep(), name="sms sweep")

    async def stop(self) -> None:
        """Finish what is under way, unbind; what is left is sent by the next run."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait({self._sweeper})
        # The link ends the waiting for answers, the sender records them: neither can finish alone.
        await asyncio.gather(self._sender.stop(), self.link.stop())
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """One message from the bus; returns after its commit.

        Raises PeerError for a message that is none for us, Unavailable when it has to be delivered again.
        """
        header, body = decode(raw, TO_SMS_CODEC)
        if not isinstance(body, SubmitSMS):
            raise PeerError(f"{type(body).__name__} is not for the SMS transport", field="kind")
        if await self.mailbox.transact(lambda tx: outgoing.record(tx, header, body, self.settings.max_ud)):
            self._sender.wake(body.destination)

    async def _on_deliver(self, pdu: DeliverSM) -> int:
        await self.mailbox.transact(lambda tx: incoming.take(tx, pdu))
        return CommandStatus.OK

    async def _on_receipt(self, receipt: Receipt) -> int:
        await self.mailbox.transact(lambda tx: receipts.take(tx, receipt))
        return CommandStatus.OK

    async def _sweep(self) -> None:
        while True:
            try:
                while await self.mailbox.store.write(lambda c: outgoing.sweep(c, self._clock.now())):
                    pass
            except Unavailable:
                log.warning("old submissions not swept")
            await asyncio.sleep(SWEEP_EVERY)
