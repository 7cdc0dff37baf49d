"""SMSCs that break states, lengths and parameters, or are slow or half gone; the link to another SMSC lives on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from types import SimpleNamespace

import pytest

from bounds import memory_within
from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.pdu import encode
from ferryman.codec.smpp.receipt import Receipt
from ferryman.codec.smpp.tlv import MAX_TLVS, TLV
from ferryman.errors import Unavailable
from ferryman.transport_sms import esme as esme_module
from ferryman.transport_sms.esme import ESME
from ferryman.transport_sms.link import OutcomeKind
from ferryman.transport_sms.settings import BindMode, SMPPSettings
from ferryman_sim.faults.proxy import FaultProxy
from ferryman_sim.faults.rules import parse
from scripted_smsc import Caller, ScriptedSMSC
from virtual_loop import virtual

RESPONSE_TIMEOUT, ENQUIRE_INTERVAL = 10.0, 10.0
# An enquiry after the interval, and two that stay without an answer: what a dead link may hold us up.
DEAD_AFTER = ENQUIRE_INTERVAL + 2 * RESPONSE_TIMEOUT + 3.0


def quiet(event: str, **fields: object) -> None:
    """A log that keeps nothing."""
    assert "pw" not in map(str, fields.values())


class Ours:
    """An ESME and what it was brought."""

    def __init__(self, port: int, mode: BindMode = BindMode.TRANSCEIVER) -> None:
        self.messages: list[m.DeliverSM] = []
        self.receipts: list[Receipt] = []
        settings = SMPPSettings(
            host="127.0.0.1",
            port=port,
            system_id="smsr",
            password="pw",
            bind_mode=mode,
            response_timeout=RESPONSE_TIMEOUT,
            enquire_interval=ENQUIRE_INTERVAL,
        )
        self.esme = ESME(settings, on_deliver=self._deliver, on_receipt=self._receipt, entropy=random.Random(3))

    async def _deliver(self, pdu: m.DeliverSM) -> int:
        self.messages.append(pdu)
        return 0

    async def _receipt(self, receipt: Receipt) -> int:
        self.receipts.append(receipt)
        return 0


async def behaves(caller: Caller) -> None:
    """An SMSC as it should be, for as long as the link lasts."""
    while (pdu := await caller.next()) is not None:
        match pdu:
            case m.SubmitSM():
                caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id=f"{pdu.sequence}"))
            case m.EnquireLink():
                caller.send(m.EnquireLinkResp(sequence=pdu.sequence))
            case m.BindTransceiver():
                caller.send(m.BindTransceiverResp(sequence=pdu.sequence))
            case m.BindTransmitter():
                caller.send(m.BindTransmitterResp(sequence=pdu.sequence))
            case m.BindReceiver():
                caller.send(m.BindReceiverResp(sequence=pdu.sequence))
            case m.Unbind():
                caller.send(m.UnbindResp(sequence=pdu.sequence))


@asynccontextmanager
async def beside_a_good_one(
    bad: Callable[[Caller], Awaitable[None]], *, mode: BindMode = BindMode.TRANSCEIVER, rules: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Ours, list[float]]]:
    """A link whose first connection goes to `bad`, the next one to a good SMSC, through a fault proxy with these
    rules; beside it a link to another SMSC that takes a message every second and may never wait.
    """
    served: list[float] = []

    async def traffic(good: Ours) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time()
            outcome = await good.esme.submit(m.SubmitSM())
            assert outcome.kind is OutcomeKind.ACCEPTED
            assert loop.time() - asked < 0.5
            served.append(loop.time())
            await asyncio.sleep(1.0)

    async with ScriptedSMSC(behaves) as other, ScriptedSMSC(bad, behaves) as smsc:
        proxy = FaultProxy(("127.0.0.1", smsc.port), seed="1", rules=parse(list(rules)), framing="smpp")
        await proxy.start()
        good, ours = Ours(other.port), Ours(proxy.port, mode)
        await good.esme.start()
        await good.esme.bound.wait()
        busy = asyncio.create_task(traffic(good))
        await ours.esme.start()
        try:
            yield ours, smsc.arrivals
            await arrivals(smsc.arrivals, 2)
            await ours.esme.bound.wait()
            if mode is not BindMode.RECEIVER:
                assert (await ours.esme.submit(m.SubmitSM())).kind is OutcomeKind.ACCEPTED
            assert not busy.done(), busy
            assert len(served) > 0
        finally:
            busy.cancel()
            with suppress(asyncio.CancelledError):
                await busy
            await ours.esme.stop()
            await good.esme.stop()
            await proxy.stop()
    assert all(later - earlier < 1.6 for earlier, later in pairwise(served))


async def arrivals(seen: list[float], count: int) -> None:
    while len(seen) < count:
        await asyncio.sleep(0.25)


WRONG_BEFORE_BIND = (m.DeliverSM(), m.DataSM(), m.SubmitSM(), m.Unbind(), m.QuerySM(), m.CancelSM(), m.ReplaceSM())
WRONG_ALWAYS = (m.BindTransceiver(), m.BindReceiver(), m.SubmitSM(), m.SubmitMulti(), m.QuerySM(), m.Outbind())


@virtual
async def test_requests_before_the_bind_is_answered_are_refused_and_it_still_binds() -> None:
    async def bad(caller: Caller) -> None:
        bind = await caller.next()
        assert isinstance(bind, m.BindTransceiver)
        for number, pdu in enumerate(WRONG_BEFORE_BIND, 1):
            caller.raw(encode(pdu, number))
            answer = await caller.next()
            assert answer is not None
            assert (answer.sequence, answer.status) == (number, 4), pdu
        caller.send(m.BindTransceiverResp(sequence=bind.sequence))
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="bound"))

    async with beside_a_good_one(bad) as (ours, _):
        await ours.esme.bound.wait()
        assert (await ours.esme.submit(m.SubmitSM())).message_id == "bound"
        assert not ours.messages


@pytest.mark.parametrize("mode", [BindMode.TRANSMITTER, BindMode.TRANSCEIVER, BindMode.RECEIVER])
def test_requests_that_a_bound_link_does_not_take(mode: BindMode) -> None:
    wrong = (*WRONG_ALWAYS, m.DeliverSM(), m.DataSM()) if mode is BindMode.TRANSMITTER else WRONG_ALWAYS

    async def bad(caller: Caller) -> None:
        await caller.accept_bind()
        for number, pdu in enumerate(wrong, 1):
            caller.raw(encode(pdu, number))
            answer = await caller.next()
            assert answer is not None
            assert (answer.sequence, answer.status) == (number, 4), pdu
        caller.send(m.EnquireLink(sequence=99))
        assert await caller.next() == m.EnquireLinkResp(sequence=99)

    @virtual
    async def scenario() -> None:
        async with beside_a_good_one(bad, mode=mode) as (ours, seen):
            await arrivals(seen, 2)
            assert not ours.messages

    scenario()


@virtual
async def test_answers_to_what_nobody_asked_change_nothing_and_are_not_kept() -> None:
    noise = b"".join(
        encode(kind(sequence=number * 7919 % 0x7FFFFFFF + 100, status=number % 3))
        for number in range(500)
        for kind in (m.SubmitSMResp, m.GenericNack, m.BindTransceiverResp, m.UnbindResp, m.EnquireLinkResp)
    )

    async def bad(caller: Caller) -> None:
        await caller.accept_bind()
        pdu = await caller.expect(m.SubmitSM)
        for _ in range(8):  # 20,000 answers
            caller.raw(noise)
            await caller.writer.drain()
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="mine"))
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="again", status=8))

    async with beside_a_good_one(bad) as (ours, _):
        await ours.esme.bound.wait()
        with memory_within(peak=3_000_000, kept=200_000):
            assert (await ours.esme.submit(m.SubmitSM())).message_id == "mine"


@virtual
async def test_parameters_that_end_anywhere_are_refused_each_alone() -> None:
    head = encode(m.DeliverSM(esm_class=0x40, short_message=b"\x02\x71\x00"))[16:]
    tail = encode(m.DeliverSM(tlvs=(TLV(0x0424, b""), TLV(0x1400, b"abc"), TLV(0x0427, b"\x02"))))[
        len(encode(m.DeliverSM())) :
    ]
    whole = {0, 4, 11, 16}  # where a parameter ends

    async def bad(caller: Caller) -> None:
        await caller.accept_bind()
        for cut in range(len(tail) + 1):
            body = head + tail[:cut]
            caller.raw((16 + len(body)).to_bytes(4) + (5).to_bytes(4) + bytes(4) + (cut + 1).to_bytes(4) + body)
            answer = await caller.next()
            assert answer is not None
            assert (answer.sequence, answer.status) == (cut + 1, 0 if cut in whole else 0xC0)
        for number, length in enumerate((3, 4, 5, 0xFF, 0x100, 0xFFFF), 100):
            body = head + b"\x14\x00" + length.to_bytes(2) + b"abcd"[: min(4, length - 1)]
            caller.raw((16 + len(body)).to_bytes(4) + (5).to_bytes(4) + bytes(4) + number.to_bytes(4) + body)
            answer = await caller.next()
            assert answer is not None
            assert (answer.sequence, answer.status) == (number, 0xC0)

    async with beside_a_good_one(bad) as (ours, seen):
        await arrivals(seen, 2)
        assert len(ours.messages) == len(whole)


@virtual
async def test_a_flood_of_broken_messages_is_answered_without_being_kept() -> None:
    many = b"".join(encode(m.DeliverSM(sequence=n))[:-1] + b"\xff" for n in range(500))
    bomb = encode(m.DeliverSM(sequence=501, tlvs=(TLV(0x1400, b""),) * MAX_TLVS))
    bomb = (len(bomb) + 4).to_bytes(4) + bomb[4:] + bytes.fromhex("14000000")

    async def bad(caller: Caller) -> None:
        await caller.accept_bind()
        for _ in range(6):
            caller.raw(many + bomb)
            statuses = [(await caller.expect(m.DeliverSMResp)).status for _ in range(501)]
            assert set(statuses) <= {1, 2, 0xC0}
            assert 0 not in statuses

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(esme_module, "log", SimpleNamespace(info=quiet, warning=quiet))
        async with beside_a_good_one(bad) as (ours, seen):
            await ours.esme.bound.wait()
            with memory_within(peak=4_000_000, kept=300_000):
                await arrivals(seen, 2)
            assert not ours.messages


@virtual
async def test_a_message_drop_by_drop_is_no_sign_of_life() -> None:
    """Complete PDUs that come slowly are taken; one that never ends keeps no dead link alive."""

    async def bad(caller: Caller) -> None:
        await caller.accept_bind()
        for octet in encode(m.DeliverSM(sequence=5, esm_class=0x40, short_message=b"\x02\x71\x00slow")):
            caller.raw(bytes((octet,)))
            await asyncio.sleep(0.1)
        while (pdu := await caller.next()) is not None and not isinstance(pdu, m.DeliverSMResp):
            if isinstance(pdu, m.EnquireLink):
                caller.send(m.EnquireLinkResp(sequence=pdu.sequence))
        began.append(asyncio.get_running_loop().time())
        caller.raw((60_000).to_bytes(4))
        with suppress(ConnectionError):
            while not caller.writer.transport.is_closing():
                caller.raw(b"\0")
                await asyncio.sleep(0.5)
        ended.append(asyncio.get_running_loop().time())

    began: list[float] = []
    ended: list[float] = []
    async with beside_a_good_one(bad) as (ours, seen):
        await arrivals(seen, 2)
        assert [message.short_message[3:] for message in ours.messages] == [b"slow"]
    assert ended[0] - began[0] <= DEAD_AFTER


@pytest.mark.parametrize("fault", ["black_hole", "half_open"])
@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("after", [0, 10, 20, 60])
def test_a_link_that_is_dead_without_a_word_is_found_and_replaced(fault: str, direction: str, after: int) -> None:
    """Before the bind is through, inside its answer, and with messages under way: each ends in bounded time."""

    @virtual
    async def scenario() -> None:
        rule = f"{direction}:{fault}_after={after},connections=1"
        async with beside_a_good_one(behaves, rules=(rule,)) as (ours, seen):
            started = asyncio.get_running_loop().time()
            with suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await ours.esme.bound.wait()
            if ours.esme.bound.is_set() and not ours.esme._stopping.is_set():
                outcomes = await asyncio.gather(*(ours.esme.submit(m.SubmitSM()) for _ in range(5)))
                # Silence is never a failure, and an answer that came counts.
                assert {outcome.kind for outcome in outcomes} <= {OutcomeKind.UNKNOWN, OutcomeKind.ACCEPTED}
            await arrivals(seen, 2)
            assert asyncio.get_running_loop().time() - started < DEAD_AFTER + RESPONSE_TIMEOUT

    scenario()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_link_cut_anywhere_comes_back(direction: str) -> None:
    @virtual
    async def scenario() -> None:
        for cut in (*range(0, 60, 7), 120, 200):
            rule = f"{direction}:cut_after={cut},connections=1"
            async with beside_a_good_one(behaves, rules=(rule,)) as (ours, seen):
                with suppress(TimeoutError, Unavailable):  # unavailable: cut between the bind and the submit
                    async with asyncio.timeout(5.0):
                        await ours.esme.bound.wait()
                        while len(seen) < 2:
                            await ours.esme.submit(m.SubmitSM())
                await arrivals(seen, 2)

    scenario()


@virtual
async def test_lost_repeated_and_reordered_pdus_end_every_submit_once() -> None:
    """Faults on whole PDUs both ways, from a seed: every submit has an outcome, the link works when they end."""
    async with ScriptedSMSC(*[behaves] * 12) as smsc:
        rules = parse(["drop=0.05,duplicate=0.1,reorder=0.1,delay=0.1,delay_seconds=2"])
        proxy = FaultProxy(("127.0.0.1", smsc.port), seed="7", rules=rules, framing="smpp")
        await proxy.start()
        ours = Ours(proxy.port)
        await ours.esme.start()
        kinds: list[OutcomeKind] = []
        for _ in range(200):
            await ours.esme.bound.wait()
            with suppress(Unavailable):
                kinds.append((await ours.esme.submit(m.SubmitSM())).kind)
        assert {strike.fault for strike in proxy.strikes} == {"drop", "duplicate", "reorder", "delay"}
        assert kinds.count(OutcomeKind.ACCEPTED) > 120
        assert OutcomeKind.REJECTED not in kinds
        proxy.rules = parse([])
        await ours.esme.bound.wait()
        assert (await ours.esme.submit(m.SubmitSM())).kind is OutcomeKind.ACCEPTED
        await ours.esme.stop()
        await proxy.stop()
        smsc._scripts.clear()
