"""The SMS transport as a role: submissions recorded before they leave, crashes, restarts, receipts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from ferryman.codec.smpp.messages import DeliverSM, SubmitSM
from ferryman.codec.smpp.receipt import MessageState, Receipt, ReceiptText
from ferryman.contracts.es5 import FROM_SMS, SMSAccepted, SMSReceipt, SMSRejected, SubmitSMS
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.errors import PeerError, Unavailable
from ferryman.platform.bus import InProcessBus
from ferryman.platform.clock import LoopClock
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.store import CommitHook, SQLiteStore
from ferryman.transport_sms import outgoing, receipts, sender
from ferryman.transport_sms.link import OutcomeKind, SubmitOutcome
from ferryman.transport_sms.role import TransportSMS
from ferryman.transport_sms.schema import METADATA, PLATFORM, early_receipt, part
from ferryman.transport_sms.schema import outgoing as outgoing_table
from ferryman.transport_sms.settings import SMPPSettings
from virtual_loop import virtual

FROM_SMS_CODEC: Codec[Body] = Codec(*FROM_SMS)
START = 1_900_000_000.0
EID = "89001012012341234012345678901224"
TO = "447700900123"
LONG = bytes(range(256)) + bytes(20)  # three parts of 132, 134 and 10 octets
UNKNOWN = SubmitOutcome(OutcomeKind.UNKNOWN, reason="no response in time")


def refused(status: int) -> SubmitOutcome:
    return SubmitOutcome(OutcomeKind.REJECTED, status=status)


class FakeLink:
    """An ESME that answers as it is told; accepts whatever nothing was said about."""

    def __init__(self) -> None:
        self.bound = asyncio.Event()
        self.bound.set()
        self.sent: list[tuple[float, SubmitSM]] = []
        self.answers: list[SubmitOutcome | Exception] = []
        self.hold: asyncio.Event | None = None
        self.on_deliver: Callable[[DeliverSM], Awaitable[int]]
        self.on_receipt: Callable[[Receipt], Awaitable[int]]
        self._names = itertools.count(1)

    def __call__(self, settings: SMPPSettings, *, on_deliver: Any, on_receipt: Any, **_: Any) -> FakeLink:
        self.on_deliver, self.on_receipt = on_deliver, on_receipt
        return self

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.bound.clear()
        if self.hold is not None:
            self.hold.set()

    async def submit(self, pdu: SubmitSM, /, **_: Any) -> SubmitOutcome:
        if not self.bound.is_set():
            raise Unavailable("SMSC")
        self.sent.append((asyncio.get_running_loop().time(), pdu))
        number = next(self._names)
        answer: SubmitOutcome | Exception = SubmitOutcome(OutcomeKind.ACCEPTED, f"id-{number}", 0)
        if self.answers:
            answer = self.answers.pop(0)
        if self.hold is not None:
            await self.hold.wait()
        await asyncio.sleep(0.01)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def uds(self) -> list[bytes]:
        return [pdu.short_message for _, pdu in self.sent]


class Rig:
    """One run of the role on a database file, with an SM-SR that remembers."""

    def __init__(
        self,
        folder: Path,
        link: FakeLink | None = None,
        on_commit: CommitHook | None = None,
        settings: SMPPSettings | None = None,
    ) -> None:
        self.link = link or FakeLink()
        self.news: list[tuple[Header, Body]] = []
        self.store = SQLiteStore(str(folder / "sms.db"), threaded=False, on_commit=on_commit)
        self.bus = InProcessBus()
        self.bus.register("sm-sr", self._hear)
        self.clock = LoopClock(start=START + asyncio.get_running_loop().time())
        self.mailbox = Mailbox(
            role="transport-sms", store=self.store, tables=PLATFORM, bus=self.bus, clock=self.clock
        )
        self.role = TransportSMS(
            mailbox=self.mailbox,
            settings=settings
            or SMPPSettings(host="h", port=2775, system_id="s", password="p", source_addr="447700900001"),
            clock=self.clock,
            entropy=lambda count: bytes(count),
            make_link=self.link,
        )

    async def _hear(self, raw: bytes) -> None:
        self.news.append(decode(raw, FROM_SMS_CODEC))

    async def start(self) -> Rig:
        METADATA.create_all(self.store.engine)
        await self.role.start()
        return self

    async def stop(self) -> None:
        await self.role.stop()
        await self.store.close()

    def submission(
        self, packet: bytes = b"packet", *, sms_id: str = "1", to: str = TO, validity: float = 60
    ) -> tuple[Header, SubmitSMS]:
        header = Header(
            message_id=f"sm-sr/{sms_id}",
            sender="sm-sr",
            requester="sm-sr",
            function_call_id="call",
            deadline=START + 5_000,
            eid=EID,
        )
        body = SubmitSMS(sms_id=sms_id, destination=to, packet=packet, validity=validity)
        return header, body

    async def submit(self, packet: bytes = b"packet", **more: Any) -> None:
        await self.role.receive(encode(*self.submission(packet, **more)))

    @property
    def bodies(self) -> list[Body]:
        return [body for _, body in self.news]

    async def told(self, count: int = 1) -> list[Body]:
        """Wait until the SM-SR has heard this many messages."""
        async with asyncio.timeout(100_000):
            while len(self.news) < count:
                await asyncio.sleep(0.05)
        return self.bodies

    async def rows(self, table: Table) -> list[Any]:
        return list(await self.store.read(lambda c: c.execute(select(table)).all()))


@virtual
async def test_a_packet_in_one_message(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    await rig.submit(validity=90)
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    header = rig.news[0][0]
    assert (header.sender, header.requester, header.function_call_id) == ("transport-sms", "transport-sms", "1")
    assert (header.eid, header.causation_id, header.deadline) == (EID, "sm-sr/1", START + 5_000)
    [(_, pdu)] = rig.link.sent
    assert pdu.short_message == bytes.fromhex("027000") + b"packet"
    assert (pdu.source_addr, pdu.destination_addr) == ("447700900001", TO)
    assert (pdu.registered_delivery, pdu.validity_period) == (1, "000000000130000R")
    [row] = await rig.rows(outgoing_table)
    assert row.status == "accepted"
    [one] = await rig.rows(part)
    assert (one.status, one.attempts, one.unknowns, one.message_id) == ("accepted", 1, 0, "id-1")
    journal = await rig.rows(PLATFORM.journal)
    assert [(entry.procedure_id, entry.direction, entry.kind) for entry in journal] == [
        ("1", "in", "SubmitSMS"),
        ("1", "out", "SMSAccepted"),
    ]
    await rig.stop()


@virtual
async def test_a_packet_in_several_messages(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    await rig.submit(LONG, sms_id="1")
    await rig.submit(LONG, sms_id="2")
    assert await rig.told(2) == [SMSAccepted(sms_id="1"), SMSAccepted(sms_id="2")]
    uds = rig.link.uds
    assert [ud[: 1 + ud[0]].hex() for ud in uds] == [
        "0700030003017000", "050003000302", "050003000303",
        "0700030103017000", "050003010302", "050003010303",
    ]  # fmt: skip
    assert b"".join(ud[1 + ud[0] :] for ud in uds[:3]) == LONG
    assert [pdu.registered_delivery for _, pdu in rig.link.sent] == [0, 0, 1, 0, 0, 1]
    times = [at for at, _ in rig.link.sent]
    assert all(later - earlier > 0.009 for earlier, later in itertools.pairwise(times))  # one after another
    await rig.stop()


@virtual
async def test_references_come_round(tmp_path: Path) -> None:
    assert outgoing.REFERENCES == 256  # one octet
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outgoing, "REFERENCES", 4)
        rig = await Rig(tmp_path).start()
        for number in range(6):
            await rig.submit(bytes(140), sms_id=str(number))
        await rig.submit(bytes(140), sms_id="other", to="99")
        await rig.told(7)
        by_number = {TO: [0, 1, 2, 3, 0, 1], "99": [0]}
        for to, references in by_number.items():
            sent = [pdu.short_message for _, pdu in rig.link.sent if pdu.destination_addr == to]
            assert [ud[3] for ud in sent[::2]] == references
        await rig.stop()


@virtual
async def test_a_repeat_is_not_sent_twice(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    await rig.submit()
    await rig.submit()
    await rig.told()
    await rig.submit()
    header = Header(message_id="other", sender="sm-sr", requester="sm-sr", function_call_id="c", deadline=0.0)
    same = SubmitSMS(sms_id="1", destination=TO, packet=b"packet", validity=60)
    await rig.role.receive(encode(header, same))
    await asyncio.sleep(10)
    assert len(rig.link.sent) == 1
    assert rig.bodies == [SMSAccepted(sms_id="1")]
    await rig.stop()


@virtual
async def test_numbers_are_served_at_once_and_each_in_order(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.hold = asyncio.Event()
    for number, to in enumerate(["1", "2", "3", "1", "2"]):
        await rig.submit(bytes((number,)), sms_id=str(number), to=to)
    await asyncio.sleep(1)
    assert {pdu.destination_addr for _, pdu in rig.link.sent} == {"1", "2", "3"}
    assert len(rig.link.sent) == 3
    rig.link.hold.set()
    await rig.told(5)
    assert [pdu.short_message[-1] for _, pdu in rig.link.sent if pdu.destination_addr == "1"] == [0, 3]
    assert [pdu.short_message[-1] for _, pdu in rig.link.sent if pdu.destination_addr == "2"] == [1, 4]
    await rig.stop()


@virtual
async def test_more_numbers_than_lanes(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender, "MAX_LANES", 2)
        rig = await Rig(tmp_path).start()
        for number in range(10):
            await rig.submit(sms_id=str(number), to=str(number))
            await rig.submit(sms_id=f"{number}b", to=str(number))
        assert len(await rig.told(20)) == 20
        await rig.stop()


@virtual
async def test_a_permanent_refusal(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.answers = [refused(0x0B)]
    await rig.submit()
    assert await rig.told() == [
        SMSRejected(sms_id="1", nothing_sent=True, permanent=True, reason="SMSC: invalid_destination_address")
    ]
    [row] = await rig.rows(outgoing_table)
    assert row.status == "rejected"
    await rig.stop()


@virtual
async def test_a_refusal_after_a_part_was_accepted(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.answers = [SubmitOutcome(OutcomeKind.ACCEPTED, "a", 0), refused(0x66)]
    await rig.submit(LONG)
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert (news.nothing_sent, news.permanent) == (False, True)
    assert len(rig.link.sent) == 2
    await rig.stop()


@virtual
async def test_a_refusal_after_doubt_leaves_doubt(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.answers = [UNKNOWN, refused(0x08), refused(0x0B)]
    await rig.submit()
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert not news.nothing_sent
    [row] = await rig.rows(outgoing_table)
    assert row.status == "unknown"
    await rig.stop()


@virtual
async def test_a_refusal_that_passes_is_tried_again_with_growing_waits(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.answers = [refused(0x58), refused(0x14), refused(0x64), refused(0x401)]
    await rig.submit()
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    times = [at for at, _ in rig.link.sent]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == pytest.approx([0.51, 1.01, 2.01, 4.01], abs=0.02)  # entropy of zeros: the shortest waits
    [one] = await rig.rows(part)
    assert (one.attempts, one.unknowns, one.smpp_status) == (5, 0, 0x401)
    await rig.stop()


@virtual
async def test_refused_until_it_expires(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.answers = [refused(0x14)] * 100
    await rig.submit(validity=30)
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert (news.nothing_sent, news.permanent) == (True, False)
    assert 29 <= rig.clock.now() - START <= 31
    await rig.stop()


@virtual
async def test_doubt_is_sent_again_and_counted(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.answers = [UNKNOWN, UNKNOWN]
    await rig.submit()
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    assert len(rig.link.sent) == 3
    assert len(set(rig.link.uds)) == 1
    [one] = await rig.rows(part)
    assert (one.attempts, one.unknowns) == (3, 2)
    await rig.stop()


@virtual
async def test_doubt_until_it_expires(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.answers = [UNKNOWN] * 100
    await rig.submit(validity=20)
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert (news.nothing_sent, news.permanent) == (False, False)
    await rig.stop()


@virtual
async def test_without_a_link_it_waits_then_expires_with_nothing_sent(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.bound.clear()
    await rig.submit(sms_id="1", validity=20)
    await rig.submit(sms_id="2", validity=90)
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert (news.sms_id, news.nothing_sent, news.permanent) == ("1", True, False)
    assert 20 <= rig.clock.now() - START <= 20.1
    rig.link.bound.set()
    assert (await rig.told(2))[1] == SMSAccepted(sms_id="2")
    await rig.stop()


@virtual
async def test_a_link_that_goes_at_the_wrong_moment_sends_nothing(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.answers = [Unavailable("SMSC")] * 5
    await rig.submit(validity=3)
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert news.nothing_sent
    await rig.stop()


@pytest.mark.parametrize(
    ("to", "packet", "reason"),
    [
        ("+44770", b"x", "the destination is no number"),
        ("", b"x", "the destination is no number"),
        ("1" * 21, b"x", "the destination is no number"),
        (TO, b"", "empty packet"),
        (TO, bytes(40_000), "too long for short messages"),
    ],
    ids=["plus", "none", "long number", "empty", "long packet"],
)
def test_what_cannot_be_sent_is_refused(tmp_path: Path, to: str, packet: bytes, reason: str) -> None:
    @virtual
    async def run() -> None:
        rig = await Rig(tmp_path).start()
        await rig.submit(packet, to=to)
        refusal = SMSRejected(sms_id="1", nothing_sent=True, permanent=True, reason=reason)
        assert await rig.told() == [refusal]
        assert not rig.link.sent
        await rig.stop()

    run()


@virtual
async def test_messages_that_are_none_for_us_are_refused(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    for raw in (b"", b"{}", b'{"header":{},"body":{}}'):
        with pytest.raises(PeerError):
            await rig.role.receive(raw)
    assert not await rig.rows(outgoing_table)
    await rig.stop()


# --- restarts and crashes ---


@virtual
async def test_stopping_keeps_what_is_waiting_for_the_next_run(tmp_path: Path) -> None:
    first = await Rig(tmp_path).start()
    first.link.bound.clear()
    await first.submit(sms_id="1")
    await first.submit(sms_id="2", to="99")
    await asyncio.sleep(1)
    await first.stop()
    second = await Rig(tmp_path).start()
    assert {body.sms_id for body in await second.told(2) if isinstance(body, SMSAccepted)} == {"1", "2"}
    [one, two] = await second.rows(part)
    assert (one.unknowns, two.unknowns) == (0, 0)  # nothing had left, and that was known
    await second.stop()


@virtual
async def test_stopping_records_the_answer_that_was_awaited(tmp_path: Path) -> None:
    first = await Rig(tmp_path).start()
    first.link.hold = asyncio.Event()
    await first.submit(LONG)
    await asyncio.sleep(1)
    await first.stop()
    second = await Rig(tmp_path).start()
    assert await second.told() == [SMSAccepted(sms_id="1")]
    assert (len(first.link.sent), len(second.link.sent)) == (1, 2)
    assert [ud[5] for ud in second.link.uds] == [2, 3]
    await second.stop()


@virtual
async def test_a_narrower_setting_does_not_move_the_borders_of_a_packet_under_way(tmp_path: Path) -> None:
    first = await Rig(tmp_path).start()
    first.link.answers = [SubmitOutcome(OutcomeKind.ACCEPTED, "a", 0), *[refused(0x14)] * 50]
    await first.submit(LONG, validity=1_000)
    await asyncio.sleep(5)
    await first.stop()
    narrow = SMPPSettings(host="h", port=1, system_id="s", password="p", max_ud=100)
    second = await Rig(tmp_path, settings=narrow).start()
    assert await second.told() == [SMSAccepted(sms_id="1")]
    together = first.link.uds[:1] + second.link.uds
    assert b"".join(ud[1 + ud[0] :] for ud in together) == LONG
    await second.submit(LONG, sms_id="2")
    await second.told(2)
    assert max(len(ud) for ud in second.link.uds[2:]) == 100
    await second.stop()


@virtual
async def test_what_was_leaving_when_the_machine_died_may_have_left(tmp_path: Path) -> None:
    first = await Rig(tmp_path).start()
    first.link.hold = asyncio.Event()
    await first.submit(validity=30)
    await asyncio.sleep(1)
    assert first.link.sent
    first.store.abandon()
    second = Rig(tmp_path)
    second.link.bound.clear()
    await second.start()
    [waiting] = await second.rows(part)
    assert waiting.status == "sending"
    [news] = await second.told()
    assert isinstance(news, SMSRejected)
    assert not news.nothing_sent
    await second.stop()


@virtual
async def test_a_link_that_goes_between_record_and_submit_leaves_no_doubt(tmp_path: Path) -> None:
    link = FakeLink()
    commits = 0

    def goes(_: int) -> bool:
        nonlocal commits
        commits += 1
        if commits == 1:  # the one that records the submission and that its part leaves now
            link.bound.clear()
        return False

    rig = Rig(tmp_path, link, goes)
    METADATA.create_all(rig.store.engine)
    await rig.role.mailbox.start()
    await asyncio.sleep(1)
    commits = 0
    await rig.submit(validity=5)
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert news.nothing_sent
    assert not link.sent
    await rig.stop()


@virtual
async def test_one_commit_enters_a_submission_and_its_leaving(tmp_path: Path) -> None:
    link, commits = FakeLink(), 0

    def goes(_: int) -> bool:
        nonlocal commits
        commits += 1
        return False

    rig = await Rig(tmp_path, link, goes).start()
    await asyncio.sleep(1)
    commits, link.hold = 0, asyncio.Event()
    await rig.submit()
    await asyncio.sleep(0.001)
    assert len(link.sent) == commits == 1
    [leaving] = await rig.rows(part)
    assert (leaving.status, leaving.attempts, leaving.last) == (outgoing.SENDING, 1, True)
    link.hold.set()
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    await rig.stop()


@virtual
async def test_submissions_entered_together_keep_the_order_of_their_number(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    names = [str(number) for number in range(6)]
    await asyncio.gather(*[rig.submit(name.encode(), sms_id=name) for name in names])
    assert await rig.told(6) == [SMSAccepted(sms_id=name) for name in names]
    assert [ud[3:].decode() for ud in rig.link.uds] == names
    await rig.stop()


@virtual
async def test_what_was_entered_before_leaves_before(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    # As a lane leaves it that failed by a fault of ours: recorded, and nobody works on it.
    await rig.mailbox.transact(lambda tx: outgoing.record(tx, *rig.submission(b"first", sms_id="1")))
    await rig.submit(b"second", sms_id="2")
    assert await rig.told(2) == [SMSAccepted(sms_id="1"), SMSAccepted(sms_id="2")]
    await rig.stop()


@virtual
async def test_what_a_commit_of_unknown_outcome_has_left_is_sent(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    write = rig.store.write

    async def silent(*given: Any, **more: Any) -> Any:
        await write(*given, **more)
        raise Unavailable("database (gone behind the commit)")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig.store, "write", silent)
        with pytest.raises(Unavailable):
            await rig.submit()
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    await rig.submit()  # known already
    await asyncio.sleep(10)
    assert len(rig.link.sent) == len(rig.news) == 1
    await rig.stop()


@virtual
async def test_a_submission_that_comes_while_a_lane_ends_is_not_forgotten(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    read = rig.store.read

    async def slow(unit: Any) -> Any:
        found = await read(unit)
        await asyncio.sleep(1)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig.store, "read", slow)
        await rig.submit(sms_id="1")
        while not rig.news:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)  # the lane has read that there is nothing, and does not know it yet
        await rig.submit(sms_id="2")
        assert await rig.told(2) == [SMSAccepted(sms_id="1"), SMSAccepted(sms_id="2")]
    await rig.stop()


@pytest.mark.parametrize("packet", [b"packet", LONG], ids=["one part", "three parts"])
def test_death_at_any_commit_loses_nothing(tmp_path: Path, packet: bytes) -> None:
    """The machine dies at commit 1, 2, 3, ...: whatever happens, the SM-SR hears of acceptance in the end."""
    survived = False
    for death in range(1, 40):
        folder = tmp_path / str(death)
        folder.mkdir()

        @virtual
        async def run(folder: Path = folder, death: int = death) -> bool:
            dead = False

            def dies(commit: int) -> bool:
                nonlocal dead
                dead = dead or commit >= death
                return dead

            link = FakeLink()
            first = await Rig(folder, link, dies).start()
            attempt = asyncio.create_task(first.submit(packet))
            await asyncio.sleep(30)
            attempt.cancel()
            await asyncio.gather(attempt, return_exceptions=True)
            first.store.abandon()
            second = await Rig(folder, link).start()
            await second.submit(packet)  # the SM-SR repeats what was not acknowledged
            heard = first.bodies
            while SMSAccepted(sms_id="1") not in heard:
                await asyncio.sleep(1)
                heard = first.bodies + second.bodies
            assert set(heard) == {SMSAccepted(sms_id="1")}
            numbers = [ud[5] if packet == LONG else 1 for ud in link.uds]
            assert sorted(set(numbers)) == list(range(1, (1 if packet == b"packet" else 3) + 1))
            assert numbers == sorted(numbers)  # never back to a part that was known to be accepted
            assert len(numbers) <= len(set(numbers)) + 1
            await second.stop()
            return dead

        if not run():
            survived = True
            break
    assert survived
    assert death > 3


# --- receipts ---


def receipt(
    message_id: str | None,
    state: MessageState | None = MessageState.DELIVERED,
    *,
    source: str = TO,
    final: bool = True,
) -> Receipt:
    return Receipt(message_id, state, source, "447700900001", not final, None, ReceiptText())


@virtual
async def test_the_receipt_of_the_last_part_is_told_once(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.answers = [SubmitOutcome(OutcomeKind.ACCEPTED, name, 0) for name in ("a1", "a2", "7B31F")]
    await rig.submit(LONG)
    await rig.told()
    for message_id in ("a1", "a2"):
        assert await rig.link.on_receipt(receipt(message_id)) == 0
    assert await rig.link.on_receipt(receipt("7B31F", MessageState.ENROUTE)) == 0
    assert await rig.link.on_receipt(receipt("7B31F", final=False)) == 0
    assert await rig.link.on_receipt(receipt("504607", MessageState.EXPIRED)) == 0  # 7B31F in decimal
    await asyncio.sleep(1)  # the outbox has forgotten the first one
    assert await rig.link.on_receipt(receipt("7b31f")) == 0
    await asyncio.sleep(1)
    assert rig.bodies[1:] == [SMSReceipt(sms_id="1", delivered=False, state="expired")]
    assert rig.news[1][0].eid == EID
    assert not await rig.rows(early_receipt)
    await rig.stop()


@virtual
async def test_receipts_of_strangers_tell_nothing(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    await rig.submit()
    await rig.told()
    await rig.link.on_receipt(receipt("id-1", source="447700900999"))
    await rig.link.on_receipt(receipt("id-77"))
    await rig.link.on_receipt(receipt(None))
    await rig.link.on_receipt(receipt("id-1", None))
    await asyncio.sleep(1)
    assert len(rig.news) == 1
    await rig.link.on_receipt(receipt("id-1", source="+" + TO))
    await rig.told(2)
    await rig.stop()


@virtual
async def test_a_receipt_that_overtakes_the_answer(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    rig.link.hold = asyncio.Event()
    await rig.submit()
    await rig.link.on_receipt(receipt("id-1", source="1"))
    await rig.link.on_receipt(receipt("id-1"))
    assert len(await rig.rows(early_receipt)) == 2
    rig.link.hold.set()
    assert await rig.told(2) == [
        SMSAccepted(sms_id="1"),
        SMSReceipt(sms_id="1", delivered=True, state="delivered"),
    ]
    assert len(await rig.rows(early_receipt)) == 1
    await asyncio.sleep(receipts.EARLY_KEEP)
    await rig.link.on_receipt(receipt("x"))
    assert len(await rig.rows(early_receipt)) == 1
    await rig.stop()


@virtual
async def test_early_receipts_are_bounded(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receipts, "MAX_EARLY", 5)
        for number in range(8):
            await rig.link.on_receipt(receipt(f"n{number}"))
    assert [row.message_id for row in await rig.rows(early_receipt)] == ["n3", "n4", "n5", "n6", "n7"]
    await rig.stop()


@virtual
async def test_old_submissions_are_forgotten(tmp_path: Path) -> None:
    rig = await Rig(tmp_path).start()
    await rig.submit()
    await rig.told()
    await asyncio.sleep(outgoing.KEEP - 7_200)
    assert await rig.rows(outgoing_table)
    await asyncio.sleep(14_400)
    assert not await rig.rows(outgoing_table)
    assert not await rig.rows(part)
    await rig.submit()  # the inbox remembers longer
    await asyncio.sleep(10)
    assert len(rig.link.sent) == 1
    await rig.stop()
