"""The short message service centre: accepts, stores, routes and forwards (SMPP 3.4 clause 2, TS 23.040 clause
3).

Mobile-terminated: MSISDN -> HLR -> IMSI -> attached card, kept while the card is away until the validity
ends. Mobile-originated: destination address -> account -> any of its receiving sessions, until it says ok.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from ferryman_sim.json_lines import LineError, Message, Requester
from ferryman_sim.smsc import messages
from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.accounts import Account
from ferryman_sim.smsc.messages import Address, MessageState, Refusal, ShortMessage
from ferryman_sim.smsc.pdu import Pdu
from ferryman_sim.smsc.radio import Radio
from ferryman_sim.smsc.relay import Relay

# Finished messages remembered for query_sm. Old ones fall out: memory stays bounded in long runs.
REMEMBERED = 10_000
RECEIPT_FIRST_SECONDS = 5.0  # how long submit_sm_resp waits for its receipt when receipts shall come first
_INTERNATIONAL, _E164 = 1, 1
_NUMBER = re.compile(r"\+?[0-9*#]{1,19}")  # TP-DA has at most 20 digits (TS 23.040 9.1.2.5), SMPP's field one less


class Bucket:
    """A token bucket for submissions: `rate` a second, None for no limit."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self._tokens = 0.0
        self._filled = 0.0

    def set(self, rate: float | None, now: float) -> None:
        """Change the rate; the bucket starts with one second's worth."""
        self.rate, self._tokens, self._filled = rate, max(1.0, rate or 0.0), now

    def take(self, now: float) -> bool:
        """Whether one more is allowed now."""
        if self.rate is None:
            return True
        self._tokens = min(max(1.0, self.rate), self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Centre:
    """All state of the centre; sockets are elsewhere."""

    def __init__(
        self,
        accounts: Iterable[Account],
        hlr: Requester,
        rng: random.Random,
        *,
        system_id: str = "SMSC",
        window: int = 10,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.system_id = system_id
        self.window = window
        self.accounts = {account.system_id: account for account in accounts}
        self.counters: dict[str, Counter[str]] = {}
        self.scripted: deque[int] = deque()
        self.swallow = 0
        self.receipts_first = False
        self.bucket = Bucket()
        self.radio = Radio(hlr, self._mobile_originated)
        self.mt = Relay(rng, self._deliver_mt, self._mt_fault)
        self.mo = Relay(rng, self._deliver_mo, lambda place, event, _: self.count(place, f"mo_{event}"))
        self._hlr = hlr
        self._now = now
        self._numbers = 0
        self._messages: OrderedDict[str, ShortMessage] = OrderedDict()
        self._finished: dict[str, asyncio.Event] = {}
        self._expiry: dict[str, asyncio.TimerHandle] = {}
        self._msisdn_of: dict[str, str] = {}
        self._receipts: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Give up everything under way."""
        await self.mt.stop()
        await self.mo.stop()
        for timer in self._expiry.values():
            timer.cancel()
        for task in self._receipts:
            task.cancel()
        await asyncio.gather(*self._receipts, return_exceptions=True)

    def count(self, msisdn: str, event: str) -> None:
        """One more of `event` for a subscriber."""
        self.counters.setdefault(msisdn, Counter())[event] += 1

    def _count_imsi(self, imsi: str, event: str) -> None:
        self.count(self._msisdn_of.get(imsi, imsi), event)

    def _mt_fault(self, imsi: str, event: str, message: ShortMessage) -> None:
        self._count_imsi(imsi, f"mt_{event}")
        if event == "lost":
            # Nobody is told: no receipt, and a query says "unknown".
            self._drop_timer(message)
            message.state = MessageState.UNKNOWN

    def log_in(self, bind: Pdu) -> Account | int:
        """The account of a bind request, or the status that refuses it."""
        account = self.accounts.get(bind.text("system_id"))
        if account is None:
            return smpp.INVALID_SYSTEM_ID
        return account if account.password_is(bind.text("password")) else smpp.INVALID_PASSWORD

    async def request(self, account: Account, pdu: Pdu) -> Pdu | None:
        """The answer to an ESME's request; None when it shall get none."""
        try:
            if pdu.command == "query_sm":
                return self._query(account, pdu)
            if pdu.command == "cancel_sm":
                return self._cancel(account, pdu)
            return await self._submit(account, pdu)
        except Refusal as refusal:
            return pdu.reply(refusal.status)

    async def _submit(self, account: Account, pdu: Pdu) -> Pdu | None:
        loop = asyncio.get_running_loop()
        if self.scripted:
            raise Refusal(self.scripted.popleft())
        if not self.bucket.take(loop.time()):
            raise Refusal(smpp.THROTTLED)
        self._numbers += 1
        message = messages.submitted(pdu, account.system_id, f"{self._numbers:08x}", self._now(), loop.time())
        imsi = await self._imsi(message.destination.digits)
        self._remember(message)
        if not self.mt.put(imsi, message):
            self._messages.pop(message.id)
            raise Refusal(smpp.QUEUE_FULL)
        self._expiry[message.id] = loop.call_at(message.expires, self._final, message, MessageState.EXPIRED)
        self.count(message.destination.digits, "mt_submitted")
        if self.receipts_first:
            await self._until_final(message)
        if self.swallow:
            self.swallow -= 1
            return None
        return pdu.reply(fields={"message_id": message.id})

    async def _imsi(self, msisdn: str) -> str:
        try:
            answer = await self._hlr.ask({"op": "msisdn", "msisdn": msisdn})
        except OSError as error:
            raise Refusal(smpp.SYSTEM_ERROR) from error
        if "imsi" not in answer:
            raise Refusal(smpp.INVALID_DESTINATION)
        imsi = str(answer["imsi"])
        self._msisdn_of[imsi] = msisdn
        return imsi

    def _remember(self, message: ShortMessage) -> None:
        self._messages[message.id] = message
        while len(self._messages) > REMEMBERED:
            oldest = next(iter(self._messages))
            if self._messages[oldest].state is MessageState.ENROUTE:
                break
            del self._messages[oldest]

    async def _until_final(self, message: ShortMessage) -> None:
        finished = self._finished.setdefault(message.id, asyncio.Event())
        try:
            async with asyncio.timeout(RECEIPT_FIRST_SECONDS):
                await finished.wait()
        except TimeoutError:
            # Not delivered in time (card away): the answer goes out before its receipt after all.
            return
        finally:
            self._finished.pop(message.id, None)

    def _owned(self, account: Account, pdu: Pdu, status: int) -> ShortMessage:
        message = self._messages.get(pdu.text("message_id"))
        if message is None or message.account != account.system_id:
            raise Refusal(smpp.INVALID_MESSAGE_ID if message is None else status)
        return message

    def _query(self, account: Account, pdu: Pdu) -> Pdu:
        message = self._owned(account, pdu, smpp.QUERY_FAILED)
        fields: smpp.Fields = {"message_id": message.id, "message_state": int(message.state)}
        return pdu.reply(fields=fields)

    def _cancel(self, account: Account, pdu: Pdu) -> Pdu:
        message = self._owned(account, pdu, smpp.CANCEL_FAILED)
        if message.state is not MessageState.ENROUTE:
            raise Refusal(smpp.CANCEL_FAILED)
        self._final(message, MessageState.DELETED)
        return pdu.reply()

    async def _deliver_mt(self, imsi: str, message: ShortMessage) -> None:
        if message.state in (MessageState.DELETED, MessageState.EXPIRED):
            return
        try:
            async with asyncio.timeout_at(message.expires):
                await self.radio.deliver(imsi, message, lambda: self._count_imsi(imsi, "mt_retried"))
        except TimeoutError:
            # The expiry timer, or an earlier delivery of a repeated message, has said the final word.
            return
        self._count_imsi(imsi, "mt_delivered")
        self._final(message, MessageState.DELIVERED)

    def _final(self, message: ShortMessage, state: MessageState) -> None:
        """Enter a final state once; the receipt goes its own way."""
        if message.state is not MessageState.ENROUTE:
            return
        message.state = state
        self._drop_timer(message)
        if state is MessageState.EXPIRED:
            self.count(message.destination.digits, "mt_expired")
        account = self.accounts.get(message.account)
        if message.wants_receipt and account is not None:
            task = asyncio.get_running_loop().create_task(self._receipt(account, message))
            self._receipts.add(task)
            task.add_done_callback(self._receipts.discard)
        elif message.id in self._finished:
            self._finished[message.id].set()

    def _drop_timer(self, message: ShortMessage) -> None:
        timer = self._expiry.pop(message.id, None)
        if timer is not None:
            timer.cancel()

    async def _receipt(self, account: Account, message: ShortMessage) -> None:
        fields, tlvs = messages.receipt(message, self._now())
        deadline = asyncio.get_running_loop().time() + messages.DEFAULT_VALIDITY
        delivered = await account.deliver(fields, tlvs, deadline)
        self.count(message.destination.digits, "receipts_delivered" if delivered else "receipts_expired")
        if message.id in self._finished:
            self._finished[message.id].set()

    def _mobile_originated(self, msisdn: str, line: Message) -> None:
        """Store a message of a card; raises LineError when the line is no message."""
        try:
            destination, data = str(line["da"]), bytes.fromhex(line["ud"])
            pid, dcs = int(line.get("pid", 0)), int(line.get("dcs", 0))
        except (KeyError, TypeError, ValueError) as error:
            raise LineError("mo has da, pid, dcs and ud") from error
        if len(data) > messages.USER_DATA_LIMIT or not _NUMBER.fullmatch(destination):
            raise LineError("mo is no short message")
        self._numbers += 1
        message = ShortMessage(
            id=f"{self._numbers:08x}",
            source=Address(_INTERNATIONAL, _E164, msisdn),
            destination=_dialled(destination),
            udhi=bool(line.get("udhi", True)),
            pid=pid & 0xFF,
            dcs=dcs & 0xFF,
            ud=data,
            expires=asyncio.get_running_loop().time() + messages.DEFAULT_VALIDITY,
            submitted=self._now(),
        )
        self.count(msisdn, "mo_received")
        if not self.mo.put(msisdn, message):
            self.count(msisdn, "mo_refused")

    def route(self, address: str) -> Account | None:
        """The account that has `address`, else the one that takes everything."""
        digits = address.removeprefix("+")
        everything = None
        for account in self.accounts.values():
            if digits in account.addresses:
                return account
            if not account.addresses:
                everything = everything or account
        return everything

    async def _deliver_mo(self, msisdn: str, message: ShortMessage) -> None:
        account = self.route(message.destination.number)
        if account is None:
            self.count(msisdn, "mo_unrouted")
            return
        delivered = await account.deliver(messages.deliver_fields(message), (), message.expires)
        self.count(msisdn, "mo_delivered" if delivered else "mo_expired")


def _dialled(number: str) -> Address:
    """What a card dialled: international with a plus sign, else as it is."""
    if number.startswith("+"):
        return Address(_INTERNATIONAL, _E164, number[1:])
    return Address(0, _E164, number)
