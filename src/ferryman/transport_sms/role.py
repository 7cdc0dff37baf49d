"""The SMS transport as a role: SubmitSMS in, its fate and the cards' messages out (SGP.02 4.1.1, ES5 by SMS).

Knows no keys and reads no packet: what it carries is secured (SCP80) and opaque. It faces the SMSC, so whoever
takes it over can lose and repeat messages, but not forge or read them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from ferryman.codec.smpp.messages import DeliverSM
from ferryman.codec.smpp.receipt import Receipt
from ferryman.codec.smpp.status import CommandStatus
from ferryman.contracts.es5 import TO_SMS_CODEC, SubmitSMS
from ferryman.contracts.message import decode
from ferryman.errors import PeerError, Unavailable
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.metrics import Metric, Sample
from ferryman.platform.scrubber import Scrubber
from ferryman.platform.tally import Tally
from ferryman.transport_sms import incoming, outgoing, receipts
from ferryman.transport_sms.account import Account, Link, MakeLink
from ferryman.transport_sms.esme import ESME
from ferryman.transport_sms.routes import Routes
from ferryman.transport_sms.sender import Sender
from ferryman.transport_sms.settings import SMPPSettings, accounts_of

SWEEP_EVERY: Final = 3_600.0  # seconds between looks for submissions to forget

PACKETS: Final = Metric("ferryman_sms_packets_total", "counter", "Packets taken to be sent as short messages.")
MOBILE_ORIGINATED: Final = Metric("ferryman_sms_mo_total", "counter", "Short messages of cards that were stored.")
RECEIPTS: Final = Metric("ferryman_sms_receipts_total", "counter", "Delivery receipts, by what they say.")

log = structlog.get_logger("ferryman.transport_sms")


class _Uniform:
    """Jitter out of the platform's entropy."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def uniform(self, a: float, b: float, /) -> float:
        """A number from a to b."""
        return a + (b - a) * int.from_bytes(self._entropy(4)) / 0xFFFFFFFF


class TransportSMS:
    """One SMPP account or several. Raises InputError when two have one name or a TLS file is not usable."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        settings: SMPPSettings | Sequence[SMPPSettings],
        clock: Clock,
        entropy: Entropy,
        make_link: MakeLink = ESME,
    ) -> None:
        self.mailbox = mailbox
        self.settings = accounts_of(settings)
        self._clock = clock
        self._jitter = _Uniform(entropy)
        self.accounts = tuple(self._account(one, make_link) for one in self.settings)
        self._scrubber = Scrubber(mailbox)
        self._sender = Sender(
            mailbox=mailbox,
            routes=Routes(self.accounts, self._jitter.uniform),
            clock=clock,
            jitter=self._jitter.uniform,
            emptied=self._scrubber.wake,
        )
        self._sweeper: asyncio.Task[None] | None = None
        self.tally = Tally()

    @property
    def link(self) -> Link:
        """The first connection of the first account."""
        return self.accounts[0].links[0]

    @property
    def ready(self) -> bool:
        """Whether some account can send."""
        return any(account.bound for account in self.accounts)

    def samples(self) -> list[Sample]:
        """What those who watch are shown, besides the tables."""
        return self.tally.samples() + [sample for account in self.accounts for sample in account.samples()]

    async def start(self) -> None:
        """Go on with what an earlier run left, then connect."""
        await self.mailbox.start()
        await self._scrubber.start()
        await self._sender.start()
        for account in self.accounts:
            await account.start()
        self._sweeper = asyncio.create_task(self._sweep(), name="sms sweep")

    async def stop(self) -> None:
        """Finish what is under way, unbind; what is left is sent by the next run."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait({self._sweeper})
        # The links end the waiting for answers, the sender records them: neither can finish alone.
        await asyncio.gather(self._sender.stop(), *(account.stop() for account in self.accounts))
        await self._scrubber.stop()
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """One message from the bus; returns after its commit.

        Raises PeerError for a message that is none for us, Unavailable when it has to be delivered again.
        """
        header, body = decode(raw, TO_SMS_CODEC)
        if not isinstance(body, SubmitSMS):
            raise PeerError(f"{type(body).__name__} is not for the SMS transport", field="kind")
        if await self._sender.take(header, body):
            self.tally.add(PACKETS)

    def _account(self, settings: SMPPSettings, make_link: MakeLink) -> Account:
        # A receiver of its own brings the receipts of the transmitters beside it.
        speaks_for = settings.name if settings.sends else ""

        async def on_receipt(receipt: Receipt) -> int:
            return await self._on_receipt(receipt, speaks_for)

        return Account(
            settings,
            on_deliver=self._on_deliver,
            on_receipt=on_receipt,
            entropy=self._jitter,
            make_link=make_link,
        )

    async def _on_deliver(self, pdu: DeliverSM) -> int:
        await self.mailbox.transact(lambda tx: incoming.take(tx, pdu))
        self.tally.add(MOBILE_ORIGINATED)
        return CommandStatus.OK

    async def _on_receipt(self, receipt: Receipt, account: str) -> int:
        await self.mailbox.transact(lambda tx: receipts.take(tx, receipt, account))
        self.tally.add(RECEIPTS, state=_state_of(receipt))
        return CommandStatus.OK

    async def _sweep(self) -> None:
        while True:
            try:
                while await self.mailbox.store.write(lambda c: outgoing.sweep(c, self._clock.now())):
                    pass
            except Unavailable:
                log.warning("old submissions not swept")
            await asyncio.sleep(SWEEP_EVERY)


def _state_of(receipt: Receipt) -> str:
    """The state of SMPP 3.4 5.2.28 in words."""
    return "none" if receipt.state is None else receipt.state.name.lower()
