"""The ESME over real sockets on a virtual clock: binding, submits, deliveries, reconnects, stopping."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.receipt import MessageState, Receipt
from ferryman.codec.smpp.tlv import TLV
from ferryman.errors import InputError, PeerError, Unavailable
from ferryman.transport_sms.esme import ESME
from ferryman.transport_sms.link import MAX_IN_HAND, OutcomeKind, SubmitOutcome
from ferryman.transport_sms.settings import BindMode, SMPPSettings
from scripted_smsc import Caller, ScriptedSMSC
from virtual_loop import virtual

ACCEPTED, REJECTED, UNKNOWN = OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.UNKNOWN


class Stored:
    """Callbacks that remember what came; `status` may be an exception to raise."""

    def __init__(self) -> None:
        self.messages: list[m.DeliverSM] = []
        self.receipts: list[Receipt] = []
        self.status: int | Exception = 0

    async def on_deliver(self, pdu: m.DeliverSM) -> int:
        self.messages.append(pdu)
        return self._result()

    async def on_receipt(self, receipt: Receipt) -> int:
        self.receipts.append(receipt)
        return self._result()

    def _result(self) -> int:
        if isinstance(self.status, Exception):
            raise self.status
        return self.status


def settings(smsc: ScriptedSMSC, **changes: Any) -> SMPPSettings:
    given = {"host": "127.0.0.1", "port": smsc.port, "system_id": "smsr", "password": "s3cret", **changes}
    return SMPPSettings(**given)


def esme_for(smsc: ScriptedSMSC, stored: Stored | None = None, **changes: Any) -> ESME:
    stored = stored or Stored()
    return ESME(
        settings(smsc, **changes),
        on_deliver=stored.on_deliver,
        on_receipt=stored.on_receipt,
        entropy=random.Random(1),
    )


async def started(esme: ESME) -> ESME:
    await esme.start()
    await esme.bound.wait()
    return esme


async def leave(caller: Caller) -> None:
    """The usual end of a connection."""
    request = await caller.expect(m.Unbind)
    caller.send(m.UnbindResp(sequence=request.sequence))
    assert await caller.closed()


@virtual
async def test_bind_submit_and_stop() -> None:
    async def script(caller: Caller) -> None:
        bind = await caller.accept_bind()
        assert isinstance(bind, m.BindTransceiver)
        assert (bind.system_id, bind.password, bind.system_type) == ("smsr", "s3cret", "OTA")
        assert bind.interface_version == 0x34
        pdu = await caller.expect(m.SubmitSM)
        assert (pdu.source_addr, pdu.destination_addr) == ("447700900001", "447700900123")
        assert (pdu.esm_class, pdu.protocol_id, pdu.data_coding) == (0x40, 0x7F, 0xF6)
        assert (pdu.registered_delivery, pdu.validity_period) == (1, "000000000200000R")
        assert pdu.short_message == bytes.fromhex("027000") + b"packet"
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="id-1"))
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = await started(esme_for(smsc, system_type="OTA", source_addr="447700900001", validity=120))
        pdu = esme.settings.submit("447700900123", bytes.fromhex("027000") + b"packet", last=True)
        assert await esme.submit(pdu) == SubmitOutcome(ACCEPTED, "id-1", 0)
        await esme.stop()
        assert not esme.bound.is_set()
        with pytest.raises(Unavailable):
            await esme.submit(pdu)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(BindMode.TRANSMITTER, m.BindTransmitter), (BindMode.RECEIVER, m.BindReceiver)],
    ids=["transmitter", "receiver"],
)
def test_other_binds(mode: BindMode, kind: type[m.PDU]) -> None:
    @virtual
    async def run() -> None:
        async def script(caller: Caller) -> None:
            assert isinstance(await caller.accept_bind(), kind)
            await leave(caller)

        async with ScriptedSMSC(script) as smsc:
            esme = await started(esme_for(smsc, bind_mode=mode))
            await esme.stop()

    run()


@virtual
async def test_the_window_bounds_what_is_under_way_and_nothing_is_lost() -> None:
    most = 0

    async def script(caller: Caller) -> None:
        nonlocal most
        await caller.accept_bind()
        answered = 0
        while answered < 40:
            first = await caller.expect(m.SubmitSM)
            await asyncio.sleep(1)  # what the window lets through has arrived by now
            held = [first]
            while caller._read:
                held.append(await caller.expect(m.SubmitSM))
            while len(held) < min(4, 40 - answered):
                held.append(await caller.expect(m.SubmitSM))
            most = max(most, len(held))
            for pdu in reversed(held):  # answers may come in any order
                caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id=pdu.destination_addr))
            answered += len(held)
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = await started(esme_for(smsc, window=4))
        outcomes = await asyncio.gather(*(esme.submit(m.SubmitSM(destination_addr=str(n))) for n in range(40)))
        assert outcomes == [SubmitOutcome(ACCEPTED, str(n), 0) for n in range(40)]
        assert most == 4
        await esme.stop()


@virtual
async def test_refusals_carry_status_and_reaction() -> None:
    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        for status in (0x0B, 0x14):
            pdu = await caller.expect(m.SubmitSM)
            caller.send(m.SubmitSMResp(sequence=pdu.sequence, status=status, body_omitted=True))
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.GenericNack(sequence=pdu.sequence, status=3))
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = await started(esme_for(smsc))
        outcomes = [await esme.submit(m.SubmitSM()) for _ in range(3)]
        assert [(one.kind, one.status) for one in outcomes] == [(REJECTED, 0x0B), (REJECTED, 0x14), (REJECTED, 3)]
        assert [one.reaction.value for one in outcomes] == ["permanent", "transient", "defect"]
        await esme.stop()


@virtual
async def test_silence_is_unknown_and_the_link_lives_on() -> None:
    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        await caller.expect(m.SubmitSM)
        probe = await caller.expect(m.EnquireLink)
        caller.send(m.EnquireLinkResp(sequence=probe.sequence))
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="2"))
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = await started(esme_for(smsc, response_timeout=20, enquire_interval=15))
        before = asyncio.get_running_loop().time()
        outcome = await esme.submit(m.SubmitSM())
        assert (outcome.kind, outcome.status) == (UNKNOWN, None)
        assert asyncio.get_running_loop().time() - before == pytest.approx(20)
        assert (await esme.submit(m.SubmitSM())).message_id == "2"
        await esme.stop()


@virtual
async def test_a_message_that_does_not_fit_is_refused_alone() -> None:
    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence))
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = await started(esme_for(smsc, max_ud=130))
        with pytest.raises(InputError):
            await esme.submit(m.SubmitSM(short_message=bytes(255)))
        with pytest.raises(InputError):
            esme.settings.submit("1", bytes(131), last=False)
        assert (await esme.submit(esme.settings.submit("1", bytes(130), last=False))).kind is ACCEPTED
        await esme.stop()


@virtual
async def test_a_dropped_connection_leaves_unknown_then_comes_back() -> None:
    async def drops(caller: Caller) -> None:
        await caller.accept_bind()
        await caller.expect(m.SubmitSM)

    async def serves(caller: Caller) -> None:
        await caller.accept_bind()
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="2"))
        await leave(caller)

    async with ScriptedSMSC(drops, serves) as smsc:
        esme = await started(esme_for(smsc, window=1))
        first, queued = await asyncio.gather(
            esme.submit(m.SubmitSM()), esme.submit(m.SubmitSM()), return_exceptions=True
        )
        assert isinstance(first, SubmitOutcome)
        assert first.kind is UNKNOWN
        assert isinstance(queued, Unavailable)  # it never left: no doubt about that one
        assert not esme.bound.is_set()
        await esme.bound.wait()
        assert 0.5 <= smsc.arrivals[1] - smsc.arrivals[0] <= 1.0
        assert (await esme.submit(m.SubmitSM())).message_id == "2"
        await esme.stop()


@virtual
async def test_waits_between_tries_grow_and_are_spread() -> None:
    async def drops(_: Caller) -> None:
        return

    async def binds(caller: Caller) -> None:
        await caller.accept_bind()
        await leave(caller)

    async with ScriptedSMSC(*[drops] * 8, binds) as smsc:
        esme = await started(esme_for(smsc, reconnect_min=1, reconnect_max=20))
        waits = [later - earlier for earlier, later in pairwise(smsc.arrivals)]
        for wait, cap in zip(waits, [2, 4, 8, 16, 20, 20, 20, 20], strict=True):
            assert cap / 2 <= wait <= cap + 0.01
        assert len(set(waits)) == len(waits)
        await esme.stop()


@virtual
async def test_an_smsc_that_binds_and_drops_at_once_is_not_knocked_on_every_second() -> None:
    async def drops(caller: Caller) -> None:
        await caller.accept_bind()

    async def stays(caller: Caller) -> None:
        await caller.accept_bind()
        await asyncio.sleep(31)  # longer than the enquire interval: a link that was there

    async def binds(caller: Caller) -> None:
        await caller.accept_bind()
        await leave(caller)

    async with ScriptedSMSC(*[drops] * 5, stays, binds) as smsc:
        esme = await started(esme_for(smsc, reconnect_min=1, reconnect_max=5, enquire_interval=30))
        while len(smsc.arrivals) < 7 or not esme.bound.is_set():
            await asyncio.sleep(0.1)
        waits = [later - earlier for earlier, later in pairwise(smsc.arrivals)]
        for wait, cap in zip(waits, [1, 2, 4, 5, 5, 31 + 1], strict=True):
            least = cap / 2 if cap < 30 else 31.5
            assert least <= wait <= cap + 0.01
        await esme.stop()


@virtual
async def test_a_wrong_password_is_an_alarm_and_waits_minutes() -> None:
    async def refuses(caller: Caller) -> None:
        bind = await caller.expect(m.BindTransceiver)
        caller.send(m.BindTransceiverResp(sequence=bind.sequence, status=0x0E, body_omitted=True))
        assert await caller.closed()

    async def binds(caller: Caller) -> None:
        await caller.accept_bind()
        await leave(caller)

    async with ScriptedSMSC(refuses, binds) as smsc:
        esme = await started(esme_for(smsc, refused_wait=300))
        assert 150 <= smsc.arrivals[1] - smsc.arrivals[0] <= 300
        await esme.stop()


def test_no_log_line_holds_the_password() -> None:
    with capture_logs() as lines:
        test_a_wrong_password_is_an_alarm_and_waits_minutes()
        test_broken_messages_are_refused_and_the_link_lives_on()
    assert [line["status"] for line in lines if line["event"] == "SMPP bind refused"] == ["invalid_password"]
    assert {line["event"] for line in lines} >= {"SMPP bound", "SMPP PDU refused", "SMPP link ended"}
    assert "s3cret" not in repr(lines)
    shown = SMPPSettings(host="h", port=1, system_id="smsr", password="s3cret")
    assert "s3cret" not in repr(shown)
    assert "s3cret" not in repr(shown.bind())
    with pytest.raises(InputError) as caught:
        SMPPSettings(host="h", port=1, system_id="smsr", password="s3cret-too-long")
    assert "s3cret" not in str(caught.value)


@virtual
async def test_a_message_is_answered_after_it_is_stored() -> None:
    gate = asyncio.Event()
    kept: list[m.DeliverSM] = []

    async def on_deliver(pdu: m.DeliverSM) -> int:
        await gate.wait()
        kept.append(pdu)
        return 0

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        caller.send(m.DeliverSM(sequence=5, short_message=b"x"), m.EnquireLink(sequence=6))
        assert (await caller.expect(m.EnquireLinkResp)).sequence == 6
        assert not kept
        gate.set()
        assert await caller.expect(m.DeliverSMResp) == m.DeliverSMResp(sequence=5)
        assert kept
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = ESME(
            settings(smsc), on_deliver=on_deliver, on_receipt=Stored().on_receipt, entropy=random.Random(1)
        )
        await started(esme)
        while not kept:
            await asyncio.sleep(1)
        await esme.stop()


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (0, 0),
        (0x45, 0x45),
        (Unavailable("database"), 0x64),
        (PeerError("nonsense"), 0x65),
        (TimeoutError(), 0x64),
        (RuntimeError("a bug"), 0x64),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else f"{value:x}",
)
def test_what_storing_says_is_what_the_smsc_hears(result: int | Exception, status: int) -> None:
    @virtual
    async def run() -> None:
        stored = Stored()
        stored.status = result
        done = asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.accept_bind()
            caller.send(m.DeliverSM(sequence=1, short_message=b"x"))
            assert (await caller.expect(m.DeliverSMResp)).status == status
            caller.send(m.DeliverSM(sequence=2, esm_class=4, short_message=b"id:1 stat:DELIVRD"))
            assert (await caller.expect(m.DeliverSMResp)).status == status
            done.set()
            await leave(caller)

        async with ScriptedSMSC(script) as smsc:
            esme = await started(esme_for(smsc, stored))
            await done.wait()
            assert len(stored.messages) == len(stored.receipts) == 1
            await esme.stop()

    run()


@virtual
async def test_a_store_that_hangs_makes_the_smsc_keep_the_message() -> None:
    async def hangs(_: m.DeliverSM) -> int:
        await asyncio.Event().wait()
        return 0

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        caller.send(m.DeliverSM(sequence=1, short_message=b"x"))
        answer = await caller.expect(m.DeliverSMResp)
        assert answer.status == 0x64
        done.set()
        await leave(caller)

    done = asyncio.Event()
    async with ScriptedSMSC(script) as smsc:
        esme = ESME(
            settings(smsc, response_timeout=10),
            on_deliver=hangs,
            on_receipt=Stored().on_receipt,
            entropy=random.Random(1),
        )
        await started(esme)
        await done.wait()
        await esme.stop()


@virtual
async def test_messages_in_both_forms_and_receipts() -> None:
    stored = Stored()
    packet = bytes.fromhex("027100") + bytes(range(40))
    done = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        caller.send(
            m.DeliverSM(sequence=1, esm_class=0x40, data_coding=0xF6, short_message=packet),
            m.DeliverSM(sequence=2, esm_class=0x40, data_coding=4, tlvs=(TLV(0x424, packet),)),
            m.DataSM(sequence=3, esm_class=0x40, source_addr="447", tlvs=(TLV(0x424, packet),)),
            m.DeliverSM(sequence=4, esm_class=4, short_message=b"id:7b31f stat:DELIVRD err:000"),
            m.DeliverSM(sequence=5, esm_class=0x20, tlvs=(TLV(0x1E, b"9\0"), TLV(0x427, b"\1"))),
        )
        answers = [await caller.next() for _ in range(5)]
        assert sorted(pdu.sequence for pdu in answers if isinstance(pdu, m.DeliverSMResp)) == [1, 2, 4, 5]
        assert [pdu.sequence for pdu in answers if isinstance(pdu, m.DataSMResp)] == [3]
        assert all(pdu is not None and pdu.status == 0 for pdu in answers)
        done.set()
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = await started(esme_for(smsc, stored))
        await done.wait()
        assert len(stored.messages) == 3
        assert {(pdu.short_message or pdu.tlvs[0].value) for pdu in stored.messages} == {packet}
        assert stored.messages[2].source_addr == "447"
        assert [(one.message_id, one.state, one.final) for one in stored.receipts] == [
            ("7b31f", MessageState.DELIVERED, True),
            ("9", MessageState.ENROUTE, False),
        ]
        await esme.stop()


@virtual
async def test_broken_messages_are_refused_and_the_link_lives_on() -> None:
    stored = Stored()
    done = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        caller.raw(bytes.fromhex("00000010000001100000000000000009"))
        assert await caller.next() == m.GenericNack(sequence=9, status=3)
        caller.send(m.DeliverSM(sequence=10, short_message=b"x", tlvs=(TLV(0x424, b"y"),)))
        assert await caller.next() == m.DeliverSMResp(sequence=10, status=0xC1, body_omitted=True)
        caller.send(m.SubmitSM(sequence=11))
        assert await caller.next() == m.SubmitSMResp(sequence=11, status=4, body_omitted=True)
        done.set()
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = await started(esme_for(smsc, stored))
        await done.wait()
        assert not stored.messages
        await esme.stop()


@virtual
async def test_a_flood_of_messages_is_taken_in_portions() -> None:
    running = most = handled = 0

    async def on_deliver(_: m.DeliverSM) -> int:
        nonlocal running, most, handled
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)
        running -= 1
        handled += 1
        return 0

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        caller.send(*(m.DeliverSM(sequence=n, short_message=b"x") for n in range(1, 1001)))
        answers = [await caller.expect(m.DeliverSMResp) for _ in range(1000)]
        assert {pdu.sequence for pdu in answers} == set(range(1, 1001))
        done.set()
        await leave(caller)

    done = asyncio.Event()
    async with ScriptedSMSC(script) as smsc:
        esme = ESME(
            settings(smsc), on_deliver=on_deliver, on_receipt=Stored().on_receipt, entropy=random.Random(1)
        )
        await started(esme)
        await done.wait()
        assert most == MAX_IN_HAND
        assert handled == 1000
        await esme.stop()


@virtual
async def test_a_dead_link_is_found_and_replaced() -> None:
    async def silent(caller: Caller) -> None:
        await caller.accept_bind()
        await caller.expect(m.EnquireLink)
        await caller.expect(m.EnquireLink)
        assert await caller.closed()

    async def binds(caller: Caller) -> None:
        await caller.accept_bind()
        await leave(caller)

    async with ScriptedSMSC(silent, binds) as smsc:
        esme = await started(esme_for(smsc, enquire_interval=30, response_timeout=10))
        while len(smsc.arrivals) < 2:
            await asyncio.sleep(1)
        assert 50 <= smsc.arrivals[1] - smsc.arrivals[0] <= 52
        await esme.bound.wait()
        await esme.stop()


@virtual
async def test_an_smsc_that_reads_nothing_any_more_does_not_hold_the_link_open() -> None:
    async def reads_nothing(caller: Caller) -> None:
        await caller.accept_bind()
        cast(asyncio.Transport, caller.writer.transport).pause_reading()
        await asyncio.sleep(10_000)

    async def binds(caller: Caller) -> None:
        await caller.accept_bind()
        await leave(caller)

    async with ScriptedSMSC(reads_nothing, binds) as smsc:
        esme = await started(esme_for(smsc, window=200, enquire_interval=30, response_timeout=10))
        large = m.SubmitSM(tlvs=(TLV(0x424, bytes(60_000)),))  # more together than the kernel keeps for a peer
        outcomes = await asyncio.gather(*(esme.submit(large) for _ in range(200)))
        assert {outcome.kind for outcome in outcomes} == {UNKNOWN}
        while len(smsc.arrivals) < 2:
            await asyncio.sleep(1.0)
            assert asyncio.get_running_loop().time() < 120
        await esme.bound.wait()
        await esme.stop()


@virtual
async def test_the_smsc_unbinds_and_is_bound_again() -> None:
    async def unbinds(caller: Caller) -> None:
        await caller.accept_bind()
        caller.send(m.Unbind(sequence=1))
        assert await caller.next() == m.UnbindResp(sequence=1)
        assert await caller.closed()

    async def binds(caller: Caller) -> None:
        await caller.accept_bind()
        await leave(caller)

    async with ScriptedSMSC(unbinds, binds) as smsc:
        esme = await started(esme_for(smsc))
        while len(smsc.arrivals) < 2:
            await asyncio.sleep(1)
        await esme.bound.wait()
        await esme.stop()


@virtual
async def test_a_bind_state_error_binds_again() -> None:
    async def confused(caller: Caller) -> None:
        await caller.accept_bind()
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, status=4, body_omitted=True))
        await leave(caller)

    async def binds(caller: Caller) -> None:
        await caller.accept_bind()
        await leave(caller)

    async with ScriptedSMSC(confused, binds) as smsc:
        esme = await started(esme_for(smsc))
        assert (await esme.submit(m.SubmitSM())).reaction.value == "rebind"
        while len(smsc.arrivals) < 2:
            await asyncio.sleep(1)
        await esme.bound.wait()
        await esme.stop()


@virtual
async def test_stopping_waits_for_answers_and_for_stores() -> None:
    kept: list[m.DeliverSM] = []

    async def slow(pdu: m.DeliverSM) -> int:
        await asyncio.sleep(2)
        kept.append(pdu)
        return 0

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.DeliverSM(sequence=1, short_message=b"x"))
        await asyncio.sleep(1)
        stopping.set()
        await caller.expect(m.DeliverSMResp)
        await asyncio.sleep(3)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="late"))
        await leave(caller)

    stopping = asyncio.Event()
    async with ScriptedSMSC(script) as smsc:
        esme = ESME(settings(smsc), on_deliver=slow, on_receipt=Stored().on_receipt, entropy=random.Random(1))
        await started(esme)
        submit = asyncio.create_task(esme.submit(m.SubmitSM()))
        await stopping.wait()
        await esme.stop()
        assert (await submit).message_id == "late"
        assert kept


@virtual
async def test_stopping_ends_whatever_the_smsc_does() -> None:
    async def deaf(caller: Caller) -> None:
        await caller.accept_bind()
        await caller.expect(m.Unbind)
        assert await caller.closed()

    async with ScriptedSMSC(deaf) as smsc:
        esme = await started(esme_for(smsc, response_timeout=5))
        before = asyncio.get_running_loop().time()
        await esme.stop()
        assert asyncio.get_running_loop().time() - before <= 5.1


@virtual
async def test_stopping_before_the_bind_and_between_tries() -> None:
    async def never_binds(caller: Caller) -> None:
        await caller.expect(m.BindTransceiver)
        arrived.set()
        assert await caller.closed()

    arrived = asyncio.Event()
    async with ScriptedSMSC(never_binds) as smsc:
        esme = esme_for(smsc)
        await esme.start()
        await arrived.wait()
        since = asyncio.get_running_loop().time()
        await esme.stop()
        assert asyncio.get_running_loop().time() - since < 1  # and not when the bind is overdue
        await esme.stop()
    gone = esme_for(smsc)
    await gone.start()
    await asyncio.sleep(0.2)
    await gone.stop()


@virtual
async def test_a_throttled_bind_slows_down_and_recovers() -> None:
    times: list[float] = []

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        loop = asyncio.get_running_loop()
        for number in range(60):
            pdu = await caller.expect(m.SubmitSM)
            times.append(loop.time())
            status = 0x58 if number == 39 else 0
            caller.send(m.SubmitSMResp(sequence=pdu.sequence, status=status, message_id=""))
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = await started(esme_for(smsc))
        for _ in range(60):
            await esme.submit(m.SubmitSM())
        assert times[39] - times[0] < 0.1
        gaps = [later - earlier for earlier, later in pairwise(times[39:])]
        assert gaps[0] == pytest.approx(1 / 20)  # half of the 40 that got through in that second
        assert min(gaps[5:]) >= 1 / 30
        assert gaps[-1] <= gaps[2]
        await esme.stop()


@virtual
async def test_an_agreed_rate_is_kept() -> None:
    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        for _ in range(21):
            pdu = await caller.expect(m.SubmitSM)
            caller.send(m.SubmitSMResp(sequence=pdu.sequence))
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        esme = await started(esme_for(smsc, max_rate=10))
        before = asyncio.get_running_loop().time()
        await asyncio.gather(*(esme.submit(m.SubmitSM()) for _ in range(21)))
        assert 1.8 <= asyncio.get_running_loop().time() - before <= 2.1
        await esme.stop()


@pytest.mark.parametrize(
    "change",
    [
        {"port": 0},
        {"host": ""},
        {"window": 0},
        {"max_ud": 141},
        {"system_id": "longer than fifteen"},
        {"source_addr": "1" * 21},
        {"reconnect_max": 0.5},
        {"response_timeout": 0},
        {"validity": 40 * 86_400},
    ],
    ids=lambda change: next(iter(change)),
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        SMPPSettings(**{"host": "h", "port": 2775, "system_id": "s", "password": "p", **change})


@virtual
async def test_a_flood_of_broken_pdus_is_answered_and_counted_and_does_not_fill_the_log() -> None:
    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        for number in range(1, 201):
            caller.raw(bytes.fromhex("00000010 7FFFFFFF 00000000") + number.to_bytes(4))
            refusal = await caller.expect(m.GenericNack)
            assert (refusal.sequence, refusal.status) == (number, 3)
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        with capture_logs() as logs:
            esme = await started(esme_for(smsc))
            while esme.malformed < 200:
                await asyncio.sleep(0.01)
            await esme.stop()
        assert esme.malformed == 200
        assert len([line for line in logs if line["event"] == "SMPP PDU refused"]) == 5
