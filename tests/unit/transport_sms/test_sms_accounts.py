"""Several accounts: routes by prefix and weight, fail-over, and that one packet is one account's business."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from ferryman.codec.smpp.messages import DeliverSM
from ferryman.contracts.es5 import SMSAccepted, SMSReceipt, SMSReceived, SMSRejected
from ferryman.errors import InputError, Unavailable
from ferryman.transport_sms import sender as sender_module
from ferryman.transport_sms.account import REST
from ferryman.transport_sms.link import OutcomeKind, SubmitOutcome
from ferryman.transport_sms.schema import outgoing, part
from ferryman.transport_sms.settings import accounts_of
from sms_rig import CARD, LONG, SILENCE, Rig, account, receipt, refused
from virtual_loop import virtual


def two(**changes: object) -> tuple[object, object]:
    """A preferred account and one in reserve."""
    return account("a", **changes), account("b", weight=0, **changes)


# --- routes ---


@virtual
async def test_the_longest_prefix_decides(tmp_path: Path) -> None:
    rig = await Rig(
        tmp_path,
        account("rest"),
        account("uk", prefixes=("44", "353", "447624")),  # and one island of its own
        account("mobile", prefixes=("4477", "4476")),
        account("inbound", bind_mode="receiver", prefixes=("447700",)),
    ).start()
    for number, to in enumerate(("447700900123", "442079460000", "35312345", "33123456789", "447624999")):
        await rig.submit(sms_id=str(number), to=to)
    await rig.told(5)
    assert {pdu.destination_addr: name for _, name, pdu in rig.sent} == {
        "447700900123": "mobile",
        "442079460000": "uk",
        "35312345": "uk",
        "33123456789": "rest",
        "447624999": "uk",
    }
    rig.smsc["mobile"].bound.clear()
    rig.smsc["uk"].bound.clear()
    await rig.submit(sms_id="x", to="447700900123")
    await rig.told(6)
    assert rig.by[-1] == "rest"  # it serves every number, so it stands in for both
    await rig.stop()


@virtual
async def test_a_number_that_no_account_serves(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, account("uk", prefixes=("44",))).start()
    await rig.submit(to="33123456789")
    assert await rig.told() == [
        SMSRejected(sms_id="1", nothing_sent=True, permanent=True, reason="no account serves this number")
    ]
    await rig.stop()


@virtual
async def test_weights_share_the_traffic(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, account("a", weight=3), account("b", weight=1), account("c", weight=0)).start()
    for number in range(256):
        await rig.submit(sms_id=str(number), to=str(447_700_900_000 + number))
    await rig.told(256)
    share = Counter(rig.by)
    assert share["a"] == pytest.approx(192, abs=5)
    assert share["b"] == pytest.approx(64, abs=5)
    assert "c" not in share
    await rig.stop()


@virtual
async def test_an_account_with_room_for_the_packet_is_taken(tmp_path: Path) -> None:
    narrow = account("narrow", max_ud=16)
    rig = await Rig(tmp_path, narrow, account("wide", weight=0)).start()
    await rig.submit(bytes(3_000))  # 255 parts of 8 octets would not do
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    assert set(rig.by) == {"wide"}
    await rig.stop()


# --- fail-over ---


@virtual
async def test_a_link_that_is_down_is_passed_by_at_once_and_used_again_when_back(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two()).start()
    rig.smsc["a"].bound.clear()
    await rig.submit(sms_id="1")
    await rig.told(1)
    assert rig.by == ["b"]
    rig.smsc["a"].bound.set()
    await rig.submit(sms_id="2")
    await rig.told(2)
    assert rig.by == ["b", "a"]
    await rig.stop()


@virtual
async def test_numbers_of_an_smsc_that_is_away_keep_no_others_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "MAX_LANES", 2)
    rig = await Rig(tmp_path, account("a", prefixes=("49",)), account("b", prefixes=("44",))).start()
    rig.smsc["a"].bound.clear()
    for number in range(5):
        await rig.submit(sms_id=f"a{number}", to=f"4917100000{number}", validity=5_000)
    for number in range(5):
        await rig.submit(sms_id=f"b{number}", validity=5, to=f"4477009000{number}")
    assert await rig.told(5) == [SMSAccepted(sms_id=f"b{number}") for number in range(5)]
    rig.smsc["a"].bound.set()
    news = await rig.told(10)
    assert {one.sms_id for one in news[5:] if isinstance(one, SMSAccepted)} == {f"a{n}" for n in range(5)}
    await rig.stop()


@virtual
async def test_transient_answers_for_too_long_move_a_submission(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two(failover_after=20)).start()
    rig.smsc["a"].always = refused(0x08)
    await rig.submit()
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    assert rig.by[-1] == "b"
    assert rig.by.count("b") == 1
    moved_after = rig.sent[-1][0] - rig.sent[0][0]
    assert 20 <= moved_after <= 20 + 16  # at the first attempt after that
    [row] = await rig.rows(outgoing)
    assert (row.account, row.doubt, row.status) == ("b", False, "accepted")  # refused: certainly not sent
    await rig.stop()


@virtual
async def test_an_account_in_trouble_is_not_begun_with_until_it_had_a_rest(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two(failover_after=20)).start()
    rig.smsc["a"].always = refused(0x58)
    await rig.submit(sms_id="1")
    await rig.told(1)
    await rig.submit(sms_id="2", to="447700900456")
    await rig.told(2)
    assert rig.by[-2:] == ["b", "b"]  # the second one did not have to find out again
    rig.smsc["a"].always = None
    await asyncio.sleep(REST)
    await rig.submit(sms_id="3")
    await rig.told(3)
    assert rig.by[-1] == "a"
    await rig.stop()


@virtual
async def test_trouble_that_rested_is_forgotten(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, account("a", failover_after=20)).start()
    loop, [judged] = asyncio.get_running_loop(), rig.role.accounts
    for _ in range(2):  # the second time counts from its own beginning
        judged._note(refused(0x08))
        assert judged.healthy(loop.time())
        await asyncio.sleep(25)
        judged._note(refused(0x08))
        assert not judged.healthy(loop.time())
        await asyncio.sleep(REST)
        assert judged.healthy(loop.time())
    await rig.stop()


@virtual
async def test_a_bind_that_answers_nothing_is_passed_by_while_another_one_answers(tmp_path: Path) -> None:
    """It is bound and alive: without a memory of its silence every attempt would go to the same one."""
    rig = await Rig(tmp_path, account("a", binds=2)).start()
    mute, other = rig.links
    mute.always = SILENCE
    await rig.submit(sms_id="1")
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    assert len(rig.sent) == 2
    await rig.submit(sms_id="2")
    await rig.told(2)
    assert len(rig.sent) == 3
    other.bound.clear()  # nothing better is there
    mute.always = None
    await rig.submit(sms_id="3")
    await rig.told(3)
    other.bound.set()
    other.always = SILENCE
    await rig.submit(sms_id="4")  # an answer made it as good as before
    await rig.told(4)
    assert len(rig.sent) == 5
    await rig.stop()


@virtual
async def test_a_full_queue_of_one_number_says_nothing_about_the_account(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two(failover_after=20)).start()
    rig.smsc["a"].answers = [refused(0x14)] * 6
    await rig.submit(sms_id="1")
    await asyncio.sleep(18)
    before = asyncio.get_running_loop().time()
    rig.smsc["a"].answers, kept = [], rig.smsc["a"].answers
    await rig.submit(sms_id="2", to="447700900456")
    await rig.told(1)
    assert asyncio.get_running_loop().time() - before < 1  # another number is not kept waiting
    assert rig.news == [SMSAccepted(sms_id="2")]
    assert rig.by[-1] == "a"
    rig.smsc["a"].answers = kept
    await rig.told(2)
    assert rig.role.accounts[0].healthy(asyncio.get_running_loop().time())
    await rig.stop()


@virtual
async def test_a_permanent_refusal_is_no_reason_to_ask_another(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two()).start()
    rig.smsc["a"].answers = [refused(0x0B)]
    await rig.submit()
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert news.permanent
    assert rig.by == ["a"]
    await rig.stop()


@virtual
async def test_after_a_part_was_accepted_no_other_account_sends(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two(failover_after=5)).start()
    rig.smsc["a"].answers = [SubmitOutcome(OutcomeKind.ACCEPTED, "x", 0), refused(0x08), SILENCE]
    await rig.submit(LONG)
    await asyncio.sleep(1.1)
    assert not rig.smsc["a"].answers
    rig.smsc["a"].bound.clear()
    await asyncio.sleep(100)
    assert not rig.news
    rig.smsc["a"].bound.set()
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    assert set(rig.by) == {"a"}
    numbers = [pdu.short_message[5] for _, _, pdu in rig.sent]
    assert numbers == sorted(numbers)
    assert numbers.count(1) == 1
    await rig.stop()


@virtual
async def test_the_account_of_an_accepted_part_never_comes_back(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two(failover_after=5)).start()
    rig.smsc["a"].answers = [SubmitOutcome(OutcomeKind.ACCEPTED, "x", 0), SILENCE]
    await rig.submit(LONG, validity=60)
    await asyncio.sleep(0.1)
    rig.smsc["a"].bound.clear()
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert (news.nothing_sent, news.permanent) == (False, False)
    assert set(rig.by) == {"a"}
    await rig.stop()


@virtual
async def test_doubt_waits_before_another_account_sends_it_again(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two(failover_after=20)).start()
    rig.smsc["a"].answers = [SILENCE]
    await rig.submit(LONG)
    await asyncio.sleep(0.1)
    rig.smsc["a"].bound.clear()
    assert await rig.told() == [SMSAccepted(sms_id="1")]
    assert rig.by == ["a", "b", "b", "b"]
    assert rig.sent[1][0] - rig.sent[0][0] == pytest.approx(20, abs=0.1)
    references = [pdu.short_message[3] for _, _, pdu in rig.sent]
    assert references == [0, 1, 1, 1]  # the card must not mix the parts of two attempts
    [row] = await rig.rows(outgoing)
    assert (row.account, row.doubt) == ("b", True)
    await rig.stop()


@pytest.mark.parametrize(("before", "after"), [(140, 40), (40, 140)], ids=["narrower", "wider"])
def test_another_account_cuts_the_packet_its_own_way(tmp_path: Path, before: int, after: int) -> None:
    @virtual
    async def run() -> None:
        rig = await Rig(
            tmp_path, account("a", max_ud=before, failover_after=5), account("b", weight=0, max_ud=after)
        ).start()
        rig.smsc["a"].answers = [SILENCE]
        await rig.submit(LONG)
        await asyncio.sleep(0.1)
        rig.smsc["a"].bound.clear()
        assert await rig.told() == [SMSAccepted(sms_id="1")]
        uds = [pdu.short_message for _, name, pdu in rig.sent if name == "b"]
        assert b"".join(ud[1 + ud[0] :] for ud in uds) == LONG
        assert max(len(ud) for ud in uds) <= after
        assert len(await rig.rows(part)) == len(uds)
        await rig.stop()

    run()


@virtual
async def test_doubt_that_clears_up_in_time_stays_where_it_was(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two(failover_after=20)).start()
    rig.smsc["a"].answers = [SILENCE]
    await rig.submit()
    await asyncio.sleep(0.1)
    rig.smsc["a"].bound.clear()
    await asyncio.sleep(10)
    rig.smsc["a"].bound.set()
    await rig.told()
    assert rig.by == ["a", "a"]
    await rig.stop()


@virtual
async def test_what_an_account_before_may_have_sent_is_not_forgotten(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two(failover_after=20)).start()
    rig.smsc["a"].answers = [SILENCE]
    rig.smsc["b"].answers = [refused(0x0B)]
    await rig.submit()
    await asyncio.sleep(0.1)
    rig.smsc["a"].bound.clear()
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert not news.nothing_sent  # b refused it, but a may have sent it
    assert rig.by == ["a", "b"]
    await rig.stop()


@virtual
async def test_when_all_are_down_the_first_to_come_back_sends(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two()).start()
    for smsc in rig.links:
        smsc.bound.clear()
    await rig.submit()
    await asyncio.sleep(50)
    rig.smsc["b"].bound.set()
    await rig.told()
    assert rig.by == ["b"]
    await rig.stop()


@virtual
async def test_when_all_are_in_trouble_they_take_turns_until_it_expires(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two(failover_after=5)).start()
    for smsc in rig.links:
        smsc.always = refused(0x08)
    await rig.submit(validity=200)
    [news] = await rig.told()
    assert isinstance(news, SMSRejected)
    assert (news.nothing_sent, news.permanent) == (True, False)
    assert set(rig.by) == {"a", "b"}
    assert len(rig.by) < 40  # with back-off all the time
    await rig.stop()


# --- restarts ---


@virtual
async def test_after_a_restart_a_packet_stays_with_its_account(tmp_path: Path) -> None:
    first = await Rig(tmp_path, *two()).start()
    first.smsc["a"].answers = [SubmitOutcome(OutcomeKind.ACCEPTED, "x", 0), *[refused(0x08)] * 50]
    await first.submit(LONG, validity=5_000)
    await asyncio.sleep(2)
    await first.stop()
    second = Rig(tmp_path, *two())
    second.smsc["a"].bound.clear()
    await second.start()
    await asyncio.sleep(500)
    assert not second.sent
    second.smsc["a"].bound.set()
    assert await second.told() == [SMSAccepted(sms_id="1")]
    assert set(second.by) == {"a"}
    assert [pdu.short_message[3] for _, _, pdu in second.sent] == [0, 0]
    await second.stop()


@virtual
async def test_an_account_that_the_settings_have_no_more(tmp_path: Path) -> None:
    first = await Rig(tmp_path, *two()).start()
    first.smsc["a"].answers = [SubmitOutcome(OutcomeKind.ACCEPTED, "x", 0), *[refused(0x08)] * 50]
    await first.submit(LONG, sms_id="begun")
    await asyncio.sleep(2)
    first.smsc["a"].answers = [refused(0x08)] * 50
    await first.submit(sms_id="refused", to="447700900456")
    await asyncio.sleep(2)
    await first.stop()
    second = await Rig(tmp_path, account("b")).start()
    await second.told(2)
    given_up = SMSRejected(
        sms_id="begun", nothing_sent=False, permanent=False, reason="the account a is no longer there"
    )
    assert given_up in second.news
    assert SMSAccepted(sms_id="refused") in second.news
    assert second.by == ["b"]
    await second.stop()


@virtual
async def test_what_was_begun_before_accounts_had_names_goes_on(tmp_path: Path) -> None:
    first = await Rig(tmp_path, account("smpp")).start()
    first.smsc["smpp"].answers = [SubmitOutcome(OutcomeKind.ACCEPTED, "x", 0), *[refused(0x08)] * 50]
    await first.submit(LONG)
    await asyncio.sleep(2)
    await first.stop()
    second = Rig(tmp_path, *two())
    await second.store.write(lambda c: c.execute(outgoing.update().values(account="")))
    await second.start()
    assert await second.told() == [SMSAccepted(sms_id="1")]
    assert [pdu.short_message[5] for _, _, pdu in second.sent] == [2, 3]
    [row] = await second.rows(outgoing)
    assert row.account == "a"
    await second.stop()


@pytest.mark.parametrize("answer", [SILENCE, refused(0x08)], ids=["doubt", "refusal"])
def test_death_at_any_commit_of_a_fail_over(tmp_path: Path, answer: SubmitOutcome) -> None:
    """The machine dies at commit 1, 2, 3, ... while account a fails and b takes over: in the end the SM-SR hears
    of acceptance, b names every part, and nothing that b accepted is sent again by a."""
    survived = False
    for death in range(1, 60):
        folder = tmp_path / str(death)
        folder.mkdir()

        @virtual
        async def run(folder: Path = folder, death: int = death) -> bool:
            dead = False

            def dies(commit: int) -> bool:
                nonlocal dead
                dead = dead or commit >= death
                return dead

            first = Rig(folder, *two(failover_after=3), on_commit=dies)
            first.smsc["a"].always = answer
            await first.start()
            attempt = asyncio.create_task(first.submit(LONG))
            await asyncio.sleep(30)
            attempt.cancel()
            await asyncio.gather(attempt, return_exceptions=True)
            first.store.abandon()
            second = Rig(folder, *two(failover_after=3))
            second.smsc["a"].always = answer
            await second.start()
            await second.submit(LONG)
            while SMSAccepted(sms_id="1") not in first.news + second.news:
                await asyncio.sleep(1)
            assert set(first.news + second.news) == {SMSAccepted(sms_id="1")}
            rows = await second.rows(part)
            assert [row.status for row in rows] == ["accepted"] * 3
            [row] = await second.rows(outgoing)
            assert row.account == "b"
            sent = first.sent + second.sent
            begun = [name for _, name, _ in sent].index("b")
            assert {pdu.short_message[5] for _, name, pdu in sent if name == "b"} == {1, 2, 3}
            after = [name for _, name, pdu in sent[begun:] if pdu.short_message[5] > 1]
            assert set(after) == {"b"}
            await second.stop()
            return dead

        if not run():
            survived = True
            break
    assert survived
    assert death > 6


# --- what comes back ---


@virtual
async def test_receipts_count_for_the_account_they_came_by(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two()).start()
    await rig.submit(sms_id="by a")
    await rig.told(1)
    rig.smsc["a"].bound.clear()
    await rig.submit(sms_id="by b")
    await rig.told(2)
    assert rig.by == ["a", "b"]  # both were named id-1
    await rig.smsc["a"].on_receipt(receipt("id-1"))
    await rig.told(3)
    assert rig.news[2] == SMSReceipt(sms_id="by a", delivered=True, state="delivered")
    await rig.smsc["a"].on_receipt(receipt("id-1"))
    await asyncio.sleep(1)
    assert len(rig.news) == 3
    await rig.smsc["b"].on_receipt(receipt("id-1"))
    assert (await rig.told(4))[3] == SMSReceipt(sms_id="by b", delivered=True, state="delivered")
    await rig.stop()


@virtual
async def test_a_name_that_an_smsc_gives_again_is_that_of_its_last_message(tmp_path: Path) -> None:
    """It was restarted and counts from the beginning: a receipt is about what it named last."""
    rig = await Rig(tmp_path, account("a")).start()
    name = SubmitOutcome(OutcomeKind.ACCEPTED, "1", 0)
    rig.smsc["a"].answers = [name, name]
    await rig.submit(sms_id="old")
    await rig.submit(sms_id="new")
    await rig.told(2)
    for _ in range(2):
        await rig.smsc["a"].on_receipt(receipt("1"))
    assert [one.sms_id for one in (await rig.told(3))[2:] if isinstance(one, SMSReceipt)] == ["new"]
    await rig.stop()


@virtual
async def test_an_early_receipt_waits_for_its_own_account(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, *two()).start()
    await rig.smsc["b"].on_receipt(receipt("id-1"))
    await rig.submit(sms_id="1")
    await rig.told(1)
    await asyncio.sleep(1)
    assert len(rig.news) == 1
    rig.smsc["a"].bound.clear()
    await rig.submit(sms_id="2")
    assert (await rig.told(3))[2] == SMSReceipt(sms_id="2", delivered=True, state="delivered")
    await rig.stop()


@virtual
async def test_a_receiver_of_its_own_brings_everybodys_receipts(tmp_path: Path) -> None:
    settings = account("out", bind_mode="transmitter"), account("in", bind_mode="receiver")
    rig = await Rig(tmp_path, *settings).start()
    await rig.submit()
    await rig.told(1)
    assert rig.by == ["out"]
    await rig.smsc["in"].on_receipt(receipt("id-1"))
    assert (await rig.told(2))[1] == SMSReceipt(sms_id="1", delivered=True, state="delivered")
    await rig.stop()


@virtual
async def test_messages_of_cards_are_taken_on_any_link(tmp_path: Path) -> None:
    rig = await Rig(tmp_path, account("a", binds=2), account("b")).start()
    packet = bytes(200)
    parts = [
        bytes.fromhex("070003090201") + b"\x71\x00" + packet[:132],
        bytes.fromhex("050003090202") + packet[132:],
    ]
    for link, ud in zip((rig.links[1], rig.links[2]), parts, strict=True):
        assert await link.on_deliver(DeliverSM(source_addr=CARD, esm_class=0x40, short_message=ud)) == 0
    [news] = await rig.told(1)
    assert isinstance(news, SMSReceived)
    assert (news.originator, news.kind, news.packet) == (CARD, 0x71, packet)
    await rig.stop()


# --- settings ---


def test_accounts_need_a_name_each() -> None:
    assert [one.name for one in accounts_of(account("a"))] == ["a"]
    for wrong in ([], [account("a"), account("a")], [account(f"n{n}") for n in range(65)]):
        with pytest.raises(InputError):
            accounts_of(wrong)


@virtual
async def test_a_card_whose_message_is_not_taken_keeps_no_other_waiting(tmp_path: Path) -> None:
    rig = Rig(tmp_path, account("a"))
    hear = rig.hear
    stuck = True

    async def slow(raw: bytes) -> None:
        if stuck and b'"originator":"1"' in raw:
            raise Unavailable("sm-sr")
        await hear(raw)

    rig.bus.register("sm-sr", slow)
    await rig.start()
    for sender, content in (("1", b"first"), ("1", b"second"), ("2", b"third")):
        ud = bytes.fromhex("027100") + content
        await rig.smsc["a"].on_deliver(DeliverSM(source_addr=sender, esm_class=0x40, short_message=ud))
    await rig.told(1)
    await asyncio.sleep(10)
    stuck = False
    await rig.told(3)
    packets = [one.packet for one in rig.news if isinstance(one, SMSReceived)]
    assert packets == [b"third", b"first", b"second"]
    await rig.stop()
