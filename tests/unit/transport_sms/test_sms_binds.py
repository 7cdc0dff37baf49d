"""An account's connections over real sockets: pairs, several binds, old and new peers, one pace for all."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.receipt import Receipt
from ferryman.codec.smpp.tlv import TLV, Tag, find_tlv
from ferryman.errors import InputError, Unavailable
from ferryman.transport_sms.account import Account
from ferryman.transport_sms.link import OutcomeKind
from ferryman.transport_sms.pace import Pace
from ferryman.transport_sms.settings import BindMode, SMPPSettings
from scripted_smsc import Caller, ScriptedSMSC
from virtual_loop import virtual

SINGLE = bytes.fromhex("027000") + b"packet"


class Kept:
    def __init__(self) -> None:
        self.messages: list[m.DeliverSM] = []
        self.receipts: list[Receipt] = []

    async def message(self, pdu: m.DeliverSM) -> int:
        self.messages.append(pdu)
        return 0

    async def receipt(self, receipt: Receipt) -> int:
        self.receipts.append(receipt)
        return 0


def account_at(smsc: ScriptedSMSC, kept: Kept | None = None, **changes: Any) -> Account:
    kept = kept or Kept()
    given = {"host": "127.0.0.1", "port": smsc.port, "system_id": "s", "password": "s3cret", **changes}
    return Account(
        SMPPSettings(**given), on_deliver=kept.message, on_receipt=kept.receipt, entropy=random.Random(1)
    )


def packet(account: Account, ud: bytes = SINGLE) -> Callable[[bool], Any]:
    def build(parameters: bool) -> Any:
        return account.settings.request("447700900123", ud, last=True, validity=60, parameters=parameters)

    return build


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def leave(caller: Caller) -> None:
    request = await caller.expect(m.Unbind)
    caller.send(m.UnbindResp(sequence=request.sequence))
    assert await caller.closed()


async def bind(caller: Caller, version: int | None) -> m.PDU:
    """Accept a bind, telling this interface version."""
    request = await caller.next()
    assert isinstance(request, m.BindTransceiver | m.BindTransmitter | m.BindReceiver)
    answers = {
        m.BindTransceiver: m.BindTransceiverResp,
        m.BindTransmitter: m.BindTransmitterResp,
        m.BindReceiver: m.BindReceiverResp,
    }
    tlvs = () if version is None else (TLV(Tag.SC_INTERFACE_VERSION, bytes((version,))),)
    caller.send(answers[type(request)](sequence=request.sequence, system_id="SC", tlvs=tlvs))
    return request


@virtual
async def test_a_pair_sends_by_one_connection_and_receives_by_the_other() -> None:
    kinds: list[type] = []
    kept = Kept()

    async def either(caller: Caller) -> None:
        request = await caller.accept_bind()
        kinds.append(type(request))
        if isinstance(request, m.BindTransmitter):
            pdu = await caller.expect(m.SubmitSM)
            caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="x"))
        else:
            caller.send(m.DeliverSM(sequence=9, source_addr="1", esm_class=0x40, short_message=SINGLE))
            assert (await caller.expect(m.DeliverSMResp)).status == 0
        await leave(caller)

    async with ScriptedSMSC(either, either) as smsc:
        account = account_at(smsc, kept, bind_mode=BindMode.PAIR)
        await account.start()
        await until(lambda: account.whole)
        assert (await account.submit(packet(account))).message_id == "x"
        await until(lambda: len(kept.messages) == 1)
        await account.stop()
        assert not account.bound
    assert set(kinds) == {m.BindTransmitter, m.BindReceiver}


@virtual
async def test_without_its_transmitter_a_pair_cannot_send_and_without_its_receiver_it_can() -> None:
    gone = asyncio.Event()
    back = asyncio.Event()

    async def transmitter(caller: Caller) -> None:
        assert isinstance(await caller.accept_bind(), m.BindTransmitter)
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="x"))
        gone.set()

    async def transmitter_again(caller: Caller) -> None:
        await back.wait()
        assert isinstance(await caller.accept_bind(), m.BindTransmitter)
        await leave(caller)

    async def receiver(caller: Caller) -> None:
        assert isinstance(await caller.accept_bind(), m.BindReceiver)

    async def receiver_again(caller: Caller) -> None:
        assert isinstance(await caller.accept_bind(), m.BindReceiver)
        await leave(caller)

    async with ScriptedSMSC(transmitter, transmitter_again) as tx, ScriptedSMSC(receiver, receiver_again) as rx:
        account = account_at(tx, bind_mode=BindMode.PAIR, receiver_port=rx.port)
        await account.start()
        await until(lambda: account.links[0].bound.is_set() and len(rx.arrivals) == 1)
        await until(lambda: not account.links[1].bound.is_set())
        assert account.bound
        assert not account.whole
        assert (await account.submit(packet(account))).message_id == "x"
        await gone.wait()
        await until(lambda: not account.links[0].bound.is_set())
        await until(lambda: account.links[1].bound.is_set())
        assert not account.bound
        with pytest.raises(Unavailable):
            await account.submit(packet(account))
        back.set()
        await until(lambda: account.whole)
        await account.stop()


@virtual
async def test_a_receiver_refuses_to_send() -> None:
    async def receiver(caller: Caller) -> None:
        await caller.accept_bind()
        await leave(caller)

    async with ScriptedSMSC(receiver) as smsc:
        account = account_at(smsc, bind_mode=BindMode.RECEIVER)
        await account.start()
        await until(lambda: account.whole)
        assert not account.bound
        with pytest.raises(Unavailable):
            await account.links[0].submit(m.SubmitSM())
        await account.stop()


@virtual
async def test_several_binds_share_the_work_and_losing_one_loses_nothing() -> None:
    seen: list[int] = []

    def serve(number: int, drop_after: int | None = None) -> Callable[[Caller], Any]:
        async def script(caller: Caller) -> None:
            await caller.accept_bind()
            for count in itertools.count(1):
                pdu = await caller.next()
                if not isinstance(pdu, m.SubmitSM):
                    assert isinstance(pdu, m.Unbind)
                    caller.send(m.UnbindResp(sequence=pdu.sequence))
                    return
                seen.append(number)
                await asyncio.sleep(0.1)
                caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id=f"{number}"))
                if count == drop_after:
                    await caller.writer.drain()
                    return

        return script

    async with ScriptedSMSC(serve(1), serve(2, drop_after=2), serve(3), serve(4)) as smsc:
        account = account_at(smsc, binds=3, reconnect_min=5)
        await account.start()
        await until(lambda: account.whole)
        outcomes = await asyncio.gather(*(account.submit(packet(account)) for _ in range(6)))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
        assert sorted(seen) == [1, 1, 2, 2, 3, 3]
        await until(lambda: not account.whole)
        seen.clear()
        await asyncio.gather(*(account.submit(packet(account)) for _ in range(4)))
        assert sorted(seen) == [1, 1, 3, 3]
        await until(lambda: account.whole)
        await account.stop()


@virtual
async def test_one_pace_for_all_binds() -> None:
    async def serve(caller: Caller) -> None:
        await caller.accept_bind()
        while isinstance(pdu := await caller.next(), m.SubmitSM):
            caller.send(m.SubmitSMResp(sequence=pdu.sequence))
        assert pdu is not None
        caller.send(m.UnbindResp(sequence=pdu.sequence))

    async with ScriptedSMSC(serve, serve, serve, serve) as smsc:
        account = account_at(smsc, binds=4, max_rate=10)
        await account.start()
        await until(lambda: account.whole)
        before = asyncio.get_running_loop().time()
        await asyncio.gather(*(account.submit(packet(account)) for _ in range(41)))
        assert 3.8 <= asyncio.get_running_loop().time() - before <= 4.2
        await account.stop()


# --- peers of other versions ---


@pytest.mark.parametrize("version", [None, 0x33, 0x34, 0x50], ids=["unsaid", "3.3", "3.4", "5.0"])
@pytest.mark.parametrize("form", ["data_sm", "payload", "sar"])
def test_parameters_go_only_to_a_peer_that_knows_them(version: int | None, form: str) -> None:
    @virtual
    async def run() -> None:
        got: list[m.PDU] = []

        async def script(caller: Caller) -> None:
            await bind(caller, version)
            pdu = await caller.next()
            assert isinstance(pdu, m.SubmitSM | m.DataSM)
            got.append(pdu)
            answer = m.DataSMResp if isinstance(pdu, m.DataSM) else m.SubmitSMResp
            caller.send(answer(sequence=pdu.sequence, message_id="7"))
            await leave(caller)

        changes = {
            "data_sm": {"submission": "data_sm"},
            "payload": {"payload_parameter": True},
            "sar": {"concatenation": "sar"},
        }[form]
        ud = bytes.fromhex("0700030902017000") + bytes(132)
        async with ScriptedSMSC(script) as smsc:
            account = account_at(smsc, **changes)
            await account.start()
            await until(lambda: account.bound)
            outcome = await account.submit(packet(account, ud))
            assert (outcome.kind, outcome.message_id) == (OutcomeKind.ACCEPTED, "7")
            await account.stop()
        [pdu] = got
        if version == 0x33:
            assert isinstance(pdu, m.SubmitSM)
            assert (pdu.short_message, pdu.tlvs, pdu.esm_class) == (ud, (), 0x40)
        elif form == "data_sm":
            assert isinstance(pdu, m.DataSM)
            assert find_tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) == ud
        elif form == "payload":
            assert isinstance(pdu, m.SubmitSM)
            assert (pdu.short_message, find_tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD)) == (b"", ud)
        else:
            assert isinstance(pdu, m.SubmitSM)
            assert find_tlv(pdu.tlvs, Tag.SAR_MSG_REF_NUM) == b"\x00\x09"

    run()


@virtual
async def test_an_smsc_without_transceivers_gets_a_pair() -> None:
    kinds: list[type] = []

    async def nacks(caller: Caller) -> None:
        request = await caller.expect(m.BindTransceiver)
        caller.send(m.GenericNack(sequence=request.sequence, status=3))
        assert await caller.closed()

    async def half(caller: Caller) -> None:
        kinds.append(type(await bind(caller, None)))
        await leave(caller)

    async with ScriptedSMSC(nacks, half, half) as smsc:
        account = account_at(smsc)
        await account.start()
        await until(lambda: account.whole)
        assert account.bound
        assert len(account.links) == 2
        await account.stop()
    assert set(kinds) == {m.BindTransmitter, m.BindReceiver}


@pytest.mark.parametrize("delay", [0.0, 0.5, 0.7, 1.0, 1.5])
def test_stopping_while_a_pair_takes_over(delay: float) -> None:
    @virtual
    async def run() -> None:
        async def nacks_late(caller: Caller) -> None:
            request = await caller.next()
            await asyncio.sleep(0.5)
            if isinstance(request, m.BindTransceiver):
                caller.send(m.GenericNack(sequence=request.sequence, status=3))
            while await caller.next() is not None:
                pass

        smsc = ScriptedSMSC(*[nacks_late] * 3)
        async with smsc:
            account = account_at(smsc, response_timeout=1)
            await account.start()
            await asyncio.sleep(delay)
            async with asyncio.timeout(20):
                await account.stop()
            assert not account.bound
            smsc._scripts.clear()

    run()


@virtual
async def test_the_version_that_the_bind_says() -> None:
    async def script(caller: Caller) -> None:
        request = await bind(caller, None)
        assert isinstance(request, m.BindTransmitter)
        assert request.interface_version == 0x33
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence))
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        account = account_at(smsc, bind_mode=BindMode.TRANSMITTER, interface_version=0x33)
        await account.start()
        await until(lambda: account.bound)
        await account.submit(packet(account))
        await account.stop()
    for wrong in ({"bind_mode": "transceiver"}, {"submission": "data_sm"}, {"concatenation": "sar"}):
        with pytest.raises(InputError):
            SMPPSettings(
                **{"host": "h", "port": 1, "system_id": "s", "password": "p", "bind_mode": "pair", **wrong},
                interface_version=0x33,
            )


@virtual
async def test_a_congested_smsc_is_sent_less() -> None:
    """congestion_state 95 with an accepted message slows down as throttling does, 20 lets it grow again."""
    times: list[float] = []

    async def script(caller: Caller) -> None:
        await bind(caller, 0x50)
        for number in range(60):
            pdu = await caller.expect(m.SubmitSM)
            times.append(asyncio.get_running_loop().time())
            state = 95 if number == 39 else 20
            caller.send(
                m.SubmitSMResp(
                    sequence=pdu.sequence, message_id="7", tlvs=(TLV(Tag.CONGESTION_STATE, bytes((state,))),)
                )
            )
        await leave(caller)

    async with ScriptedSMSC(script) as smsc:
        account = account_at(smsc)
        await account.start()
        await until(lambda: account.bound)
        outcomes = [await account.submit(packet(account)) for _ in range(60)]
        assert {outcome.message_id for outcome in outcomes} == {"7"}
        gaps = [later - earlier for earlier, later in itertools.pairwise(times[39:])]
        assert gaps[0] == pytest.approx(1 / 20)
        assert gaps[-1] <= gaps[2] + 1e-9
        await account.stop()


@pytest.mark.parametrize("value", [b"", b"\x65", b"\xff", b"\x00\x5f"], ids=["empty", "101", "255", "long"])
def test_a_congestion_state_that_cannot_be_is_no_reason_for_anything(value: bytes) -> None:
    @virtual
    async def run() -> None:
        async def script(caller: Caller) -> None:
            await bind(caller, 0x50)
            for _ in range(5):
                pdu = await caller.expect(m.SubmitSM)
                caller.send(m.SubmitSMResp(sequence=pdu.sequence, tlvs=(TLV(Tag.CONGESTION_STATE, value),)))
            await leave(caller)

        async with ScriptedSMSC(script) as smsc:
            account = account_at(smsc)
            await account.start()
            await until(lambda: account.bound)
            before = asyncio.get_running_loop().time()
            for _ in range(5):
                assert (await account.submit(packet(account))).kind is OutcomeKind.ACCEPTED
            assert asyncio.get_running_loop().time() - before < 0.2
            await account.stop()

    run()


def test_a_busy_smsc_is_not_sent_more() -> None:
    busy, calm = Pace(100.0), Pace(100.0)
    for pace in (busy, calm):
        for number in range(100):
            pace.sent(number / 100)
        pace.throttled(1.0)
    assert busy.rate == calm.rate == 50.0
    for second in range(2, 7):
        for tenth in range(10):
            now = second + tenth / 10
            busy.congestion(85, now)
            calm.congestion(40, now)
            busy.sent(now)
            calm.sent(now)
    assert busy.rate == 50.0
    assert calm.rate > 70.0
    busy.congestion(100, 8.0)
    assert busy.rate < 50.0
