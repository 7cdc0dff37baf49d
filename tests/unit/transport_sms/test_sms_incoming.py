"""Messages from cards: put together durably, passed on once, bounded, and never refused for their content."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.messages import DeliverSM
from ferryman.codec.smpp.tlv import TLV
from ferryman.codec.sms_user_data import segment
from ferryman.contracts.es5 import FROM_SMS, SMSAccepted, SMSReceived, SubmitSMS
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.errors import Unavailable
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import SQLiteStore
from ferryman.transport_sms import incoming
from ferryman.transport_sms.incoming import EXPIRY, MAX_PER_SENDER
from ferryman.transport_sms.role import TransportSMS
from ferryman.transport_sms.schema import METADATA, PLATFORM, mo_message, mo_part, mo_poison, mo_seen
from ferryman.transport_sms.settings import SMPPSettings
from scripted_smsc import Caller, ScriptedSMSC
from virtual_loop import virtual

CODEC: Codec[Body] = Codec(*FROM_SMS)
START = 1_900_000_000.0
CARD = "447700900123"
PACKET = bytes(range(256)) + bytes(44)


class Rig:
    """The role on a database file; the ESME is real and has nobody to talk to unless a port is given."""

    def __init__(self, folder: Path, port: int = 9) -> None:
        self.news: list[tuple[Header, Body]] = []
        self.store = SQLiteStore(str(folder / "sms.db"), threaded=False)
        bus = InProcessBus()
        bus.register("sm-sr", self._hear)
        clock = LoopClock(start=START + asyncio.get_running_loop().time())
        self.role = TransportSMS(
            mailbox=Mailbox(role="transport-sms", store=self.store, tables=PLATFORM, bus=bus, clock=clock),
            settings=SMPPSettings(host="127.0.0.1", port=port, system_id="s", password="p"),
            clock=clock,
            entropy=random.Random(5).randbytes,
        )
        METADATA.create_all(self.store.engine)

    async def _hear(self, raw: bytes) -> None:
        self.news.append(decode(raw, CODEC))

    async def start(self) -> Rig:
        await self.role.mailbox.start()
        return self

    async def stop(self) -> None:
        await self.role.mailbox.stop()
        await self.store.close()

    async def deliver(self, ud: bytes, *, sender: str = CARD, esm_class: int = 0x40, **fields: Any) -> None:
        pdu = DeliverSM(source_addr=sender, esm_class=esm_class, short_message=ud, **fields)
        assert await self.role._on_deliver(pdu) == 0
        await asyncio.sleep(0.01)

    @property
    def received(self) -> list[tuple[str, int, bytes]]:
        bodies = [body for _, body in self.news]
        return [(one.originator, one.kind, one.packet) for one in bodies if isinstance(one, SMSReceived)]

    async def rows(self, table: Table) -> list[Any]:
        return list(await self.store.read(lambda c: c.execute(select(table)).all()))


@virtual
async def test_a_packet_in_one_message(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    await rig.deliver(bytes.fromhex("027100") + b"answer", sender="+" + CARD)
    await rig.deliver(bytes.fromhex("027000") + b"notification", data_coding=4)
    assert rig.received == [(CARD, 0x71, b"answer"), (CARD, 0x70, b"notification")]
    header, body = rig.news[0]
    assert isinstance(body, SMSReceived)
    assert body.mo_id.startswith("mo/")
    assert body.mo_id.endswith(f"/{round(START * 1000)}")
    assert (header.function_call_id, header.message_id) == (body.mo_id, f"transport-sms/{body.mo_id}")
    assert (header.sender, header.requester, header.eid) == ("transport-sms", "transport-sms", "")
    entry = (await rig.rows(PLATFORM.journal))[0]
    assert (entry.procedure_id, entry.direction, entry.kind) == (body.mo_id, "out", "SMSReceived")
    await rig.stop()


@virtual
async def test_a_packet_in_the_payload_parameter(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    payload = TLV(0x424, bytes.fromhex("027100") + PACKET)  # put together by the SMSC: longer than one message
    await rig.deliver(b"", tlvs=(payload,))
    assert rig.received == [(CARD, 0x71, PACKET)]
    await rig.stop()


@virtual
async def test_parts_in_any_order_and_repeated(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    one, two, three = segment(PACKET, response=True, reference=7)
    for ud in (three, one, three, one):
        await rig.deliver(ud)
    assert not rig.received
    await rig.deliver(two)
    assert rig.received == [(CARD, 0x71, PACKET)]
    assert not await rig.rows(mo_message)
    assert not await rig.rows(mo_part)
    await rig.stop()


def sar(reference: int, total: int, number: int) -> tuple[TLV, ...]:
    return (
        TLV(0x20C, reference.to_bytes(2)),
        TLV(0x20E, bytes((total,))),
        TLV(0x20F, bytes((number,))),
    )


@virtual
async def test_parts_named_by_sar_parameters(tmp_path: Path) -> None:
    """The SMSC took the concatenation element out: the first part keeps a header for 71, the others have none."""
    rig = await Rig(tmp_path).start()
    await rig.deliver(PACKET[132:266], esm_class=0, tlvs=sar(777, 3, 2))
    await rig.deliver(bytes.fromhex("027100") + PACKET[:132], tlvs=sar(777, 3, 1))
    assert not rig.received
    await rig.deliver(PACKET[266:], esm_class=0, tlvs=sar(777, 3, 3))
    assert rig.received == [(CARD, 0x71, PACKET)]
    assert not await rig.rows(mo_message)
    await rig.stop()


@virtual
async def test_sar_parameters_in_data_sm_form_and_of_a_single_part(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    first = TLV(0x424, bytes.fromhex("027100") + PACKET[:130])
    await rig.deliver(b"", tlvs=(first, *sar(1, 2, 1)))
    await rig.deliver(b"", esm_class=0, tlvs=(TLV(0x424, PACKET[130:260]), *sar(1, 2, 2)))
    await rig.deliver(bytes.fromhex("027100") + b"alone", tlvs=sar(2, 1, 1))
    # What the header says counts when both name the part.
    one, two = segment(PACKET[:200], response=True, reference=9)
    await rig.deliver(two, tlvs=sar(3, 9, 9))
    await rig.deliver(one, tlvs=sar(3, 9, 9))
    assert rig.received == [(CARD, 0x71, packet) for packet in (PACKET[:260], b"alone", PACKET[:200])]
    await rig.stop()


@pytest.mark.parametrize(
    "tlvs",
    [
        sar(1, 2, 3),
        sar(1, 2, 0),
        sar(1, 0, 1),
        sar(1, 2, 1)[:2],
        sar(1, 2, 1)[1:],
        (TLV(0x20C, b"\1"), *sar(1, 2, 1)[1:]),
        (*sar(1, 2, 1)[:2], TLV(0x20F, b"")),
    ],
    ids=["3 of 2", "0 of 2", "1 of 0", "no number", "no reference", "short reference", "empty number"],
)
def test_sar_parameters_that_cannot_be(tmp_path: Path, tlvs: tuple[TLV, ...]) -> None:
    @virtual
    async def run() -> None:
        rig = await Rig(tmp_path).start()
        for _ in range(2):
            await rig.deliver(b"part", esm_class=0, tlvs=tlvs)  # answered with 0 each time
        assert not rig.received
        [poison] = await rig.rows(mo_poison)
        assert poison.times == 2
        assert not await rig.rows(mo_message)
        await rig.stop()

    run()


@virtual
async def test_a_flood_of_sar_parts_is_bounded_per_sender(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    await rig.deliver(PACKET[132:266], esm_class=0, sender="99", tlvs=sar(5, 2, 2))
    for reference in range(50):
        await rig.deliver(b"x", esm_class=0, tlvs=sar(reference, 255, 7))
    kept = await rig.rows(mo_message)
    assert len(kept) == MAX_PER_SENDER + 1  # and the other sender's is still there
    await rig.deliver(bytes.fromhex("027100") + PACKET[:132], sender="99", tlvs=sar(5, 2, 1))
    assert rig.received == [("99", 0x71, PACKET[:266])]
    await rig.stop()


@virtual
async def test_parts_survive_a_restart(tmp_path: Path) -> None:
    one, two, three = segment(PACKET, response=True, reference=7, reference_bits=16)
    first = await Rig(tmp_path).start()
    await first.deliver(one)
    await first.deliver(two)
    first.store.abandon()
    second = await Rig(tmp_path).start()
    await second.deliver(three)
    assert second.received == [(CARD, 0x71, PACKET)]
    await second.stop()


@virtual
async def test_senders_and_references_do_not_mix(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    uds = {
        (sender, bits): segment(bytes((n,)) * 200, response=True, reference=7, reference_bits=bits)
        for n, (sender, bits) in enumerate([("1", 8), ("2", 8), ("1", 16)])
    }
    for number in range(2):
        for (sender, _), parts in uds.items():
            await rig.deliver(parts[number], sender=sender)
    assert rig.received == [("1", 0x71, bytes(200)), ("2", 0x71, b"\1" * 200), ("1", 0x71, b"\2" * 200)]
    await rig.stop()


@virtual
async def test_a_reference_used_again_starts_anew(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    old = segment(b"o" * 200, response=True, reference=7)
    new = segment(b"n" * 200, response=True, reference=7)
    await rig.deliver(old[0])
    await rig.deliver(new[0])
    await rig.deliver(new[1])
    assert rig.received == [(CARD, 0x71, b"n" * 200)]
    await rig.stop()


@virtual
async def test_parts_expire(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    one, two = segment(bytes(200), response=True, reference=7)
    await rig.deliver(one)
    await asyncio.sleep(EXPIRY)
    await rig.deliver(two)
    assert not rig.received
    assert len(await rig.rows(mo_part)) == 1
    await rig.stop()


@virtual
async def test_a_flood_of_first_parts_is_bounded_per_sender_and_in_all(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incoming, "MAX_UNFINISHED", 20)
        honest = segment(bytes(200), response=True, reference=0)
        await rig.deliver(honest[0], sender="honest")
        for reference in range(30):
            await rig.deliver(segment(bytes(200), response=True, reference=reference)[0], sender="flood")
        assert len(await rig.rows(mo_message)) == 1 + MAX_PER_SENDER
        await rig.deliver(honest[1], sender="honest")
        assert rig.received == [("honest", 0x71, bytes(200))]
        for number in range(40):
            await rig.deliver(segment(bytes(200), response=True, reference=1)[0], sender=str(number))
        assert len(await rig.rows(mo_message)) == 20
        assert len(await rig.rows(mo_part)) == 20
    await rig.stop()


@virtual
async def test_the_same_again_at_once_is_the_smsc_and_later_the_card(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    ud = bytes.fromhex("027000") + b"notification"
    await rig.deliver(ud)
    await asyncio.sleep(4)
    await rig.deliver(ud)
    assert len(rig.received) == 1
    await asyncio.sleep(2)
    await rig.deliver(ud)
    await rig.deliver(ud, sender="2")
    assert len(rig.received) == 3
    assert len({header.message_id for header, _ in rig.news}) == 3
    await rig.stop()


@virtual
async def test_a_late_repeat_of_one_part_does_not_spoil_the_next_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SMSC never saw the answer to the last part and sends it again; the card begins its references anew."""
    rig = await Rig(tmp_path).start()
    packets = [bytes((number,)) * 200 for number in range(4)]
    one, two, three, four = (segment(packet, response=True, reference=1) for packet in packets)
    for ud in (*one, one[1], *two, two[0], two[1], *three):
        await asyncio.sleep(31)
        await rig.deliver(ud)
    assert [packet for _, _, packet in rig.received] == [packets[0], packets[1], packets[1], packets[2]]
    assert not await rig.rows(mo_message)
    await asyncio.sleep(EXPIRY)
    await rig.deliver(bytes.fromhex("027100") + b"answer")
    assert len(await rig.rows(mo_seen)) == 1  # the old ones are gone
    monkeypatch.setattr(incoming, "MAX_SEEN", 3)
    for ud in (*three, *four):
        await rig.deliver(ud)
    assert len(rig.received) == 7
    assert len(await rig.rows(mo_seen)) == 1 + 3 + 1  # a packet each, and the parts of the first
    await rig.stop()


@pytest.mark.parametrize(
    ("ud", "esm_class"),
    [
        (b"hello", 0),
        (b"", 0x40),
        (bytes.fromhex("ff7100"), 0x40),
        (bytes.fromhex("03710101"), 0x40),
        (bytes.fromhex("050003070200") + b"x", 0x40),
        (bytes.fromhex("050003070203") + b"x", 0x40),
        (bytes.fromhex("050003070000") + b"x", 0x40),
        (bytes.fromhex("04000207020102") + b"x", 0x40),
        (bytes.fromhex("00") + b"x", 0x40),
        (bytes.fromhex("050003070101") + b"x", 0x40),
        (bytes.fromhex("050003070201") + bytes(141), 0x40),
    ],
)
def test_what_is_no_secured_packet_is_kept_once_and_answered(tmp_path: Path, ud: bytes, esm_class: int) -> None:
    @virtual
    async def run() -> None:
        rig = await Rig(tmp_path).start()
        for _ in range(3):
            await rig.deliver(ud, esm_class=esm_class)
        assert not rig.received
        assert not await rig.rows(mo_message)
        [row] = await rig.rows(mo_poison)
        assert (row.times, bytes(row.user_data), row.originator) == (3, ud, CARD)
        assert row.reason
        await rig.deliver(bytes.fromhex("027100") + b"fine")
        assert len(rig.received) == 1
        await rig.stop()

    run()


@virtual
async def test_parts_without_70_or_71_are_parked_when_they_are_whole(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    await rig.deliver(bytes.fromhex("050003070201") + b"x")
    await rig.deliver(bytes.fromhex("050003070202") + b"y")
    assert not rig.received
    assert len(await rig.rows(mo_poison)) == 1
    assert not await rig.rows(mo_part)
    await rig.stop()


@virtual
async def test_poison_is_bounded(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incoming, "MAX_POISON", 10)
        for number in range(30):
            await rig.deliver(bytes((number,)), esm_class=0)
        await rig.deliver(b"", esm_class=0, tlvs=(TLV(0x424, bytes(5_000)),))
    rows = await rig.rows(mo_poison)
    assert len(rows) == 10
    assert max(len(row.user_data) for row in rows) == incoming.MAX_POISON_DATA
    await rig.stop()


@virtual
async def test_without_a_database_the_smsc_has_to_keep_it(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()

    async def away(_: Any) -> Any:
        raise Unavailable("database")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig.role.mailbox, "transact", away)
        with pytest.raises(Unavailable):
            await rig.role._on_deliver(DeliverSM(esm_class=0x40, short_message=bytes.fromhex("027100")))
    await rig.stop()


@virtual
async def test_the_whole_role_over_smpp(tmp_path: Path) -> None:
    """A submission goes out, its receipt and the card's answer in two parts come back, then it stops."""
    one, two = segment(bytes(200), response=True, reference=3)

    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        pdu = await caller.expect(m.SubmitSM)
        assert pdu.short_message == bytes.fromhex("027000") + b"packet"
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="ff"))
        card = {"source_addr": CARD, "esm_class": 0x40}
        caller.send(
            m.DeliverSM(sequence=1, source_addr=CARD, esm_class=4, short_message=b"id:255 stat:DELIVRD"),
            m.DeliverSM(sequence=2, short_message=one, **card),
            m.DeliverSM(sequence=3, short_message=two, **card),
        )
        answers = [await caller.expect(m.DeliverSMResp) for _ in range(3)]
        assert [(answer.sequence, answer.status) for answer in answers] == [(1, 0), (2, 0), (3, 0)]
        unbind = await caller.expect(m.Unbind)
        caller.send(m.UnbindResp(sequence=unbind.sequence))

    async with ScriptedSMSC(script) as smsc:
        rig = Rig(tmp_path, smsc.port)
        await rig.role.start()
        header = Header(message_id="a", sender="sm-sr", requester="sm-sr", function_call_id="c", deadline=1.0)
        body = SubmitSMS(sms_id="1", destination=CARD, packet=b"packet", validity=60)
        await rig.role.receive(encode(header, body))
        while len(rig.news) < 3:
            await asyncio.sleep(0.1)
        kinds = [type(news).__name__ for _, news in rig.news]
        assert sorted(kinds) == ["SMSAccepted", "SMSReceipt", "SMSReceived"]
        assert rig.news[0][1] == SMSAccepted(sms_id="1")
        assert rig.received == [(CARD, 0x71, bytes(200))]
        await rig.role.stop()
        await rig.store.close()
