"""CreateISDP, DeleteISDP, SendData, AuditEIS, ProfileDownloadCompleted, phase by phase (SGP.02 5.4)."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.codec import ids, isdr_keys, ota_script, tlv
from ferryman.contracts import es3, es4
from ferryman.contracts.status import Status
from ferryman.platform.procedure import Audit, Begin, Signalled, Step, TimerFired
from ferryman.sm_sr.procedures import audit, change, completed, create_isdp, script_run, send_data
from ferryman.sm_sr.procedures.audit_card import MAX_PAGES, MAX_RESTARTS
from ferryman.sm_sr.records import (
    AddISDP,
    Audited,
    CompleteISDP,
    HoldKeyset,
    RemoveISDP,
    SetAllocatedMemory,
    SetFallback,
    SetState,
    SRSettings,
    TakeMemory,
)

LATE = s.DEADLINE + 1.0
BARE = s.card(s.isdp(s.BOOT))
UNKNOWN_ANSWERS = [
    pytest.param(lambda i: s.outcome(i, "unknown"), id="unknown"),
    pytest.param(lambda i: s.outcome(i, "answered", script=b"?"), id="nonsense"),
    pytest.param(lambda i: s.outcome(i, "answered", script=b"\xab\x00"), id="nothing in it"),
    pytest.param(lambda i: s.outcome(i, "answered", script=s.raw_script(b"\x83\x01\x01")), id="chain lost"),
]


# -- CreateISDP ------------------------------------------------------------------------------------------------


class Create:
    @staticmethod
    def step(state: Any, event: Any, **changes: Any) -> Step[Any]:
        return create_isdp.step(state, event, s.context(**{"euicc": BARE, **changes}))

    @classmethod
    def begin(cls) -> Step[Any]:
        return cls.step(create_isdp.State(request=s.REQUESTS["create"], requester=s.DP), Begin())

    @classmethod
    def asking(cls) -> Any:
        return cls.step(cls.begin().state, s.outcome("procedure/1", "unknown")).state


def test_create_sends_and_remembers_the_isdp_invisibly() -> None:
    taken = Create.begin()
    added = s.changes(taken)[0]
    assert isinstance(added, AddISDP)
    assert (added.isdp.state, added.isdp.aid, added.isdp.smdp_id) == ("InCreation", s.NEW, s.DP)
    assert s.apdu_of(s.command(taken)).hex().upper().startswith("80E60C0047")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"now": LATE}, "1.6/5.3"),
        ({"no_card": True, "euicc": None}, "8.1.1/3.9"),
        ({"known": True}, "8.2.1/3.3"),
        ({"euicc": s.card(s.isdp(s.BOOT), remaining_memory=4999)}, "8.1/4.8"),
    ],
)
def test_create_refused_before_anything_is_sent(changes: dict[str, Any], expected: str) -> None:
    taken = Create.step(create_isdp.State(request=s.REQUESTS["create"], requester=s.DP), Begin(), **changes)
    assert s.reply(taken).code == expected
    assert not s.commands(taken)
    assert not s.changes(taken)
    assert s.done(taken)


def test_create_takes_the_lowest_free_aid() -> None:
    euicc = s.card(s.isdp(s.BOOT), s.isdp(ids.isdp_aid(0x12), iccid="1"))
    taken = Create.step(create_isdp.State(request=s.REQUESTS["create"], requester=s.DP), Begin(), euicc=euicc)
    assert taken.state.aid == s.NEW


def test_create_answered() -> None:
    taken = Create.step(Create.begin().state, s.answered("procedure/1", 0x9000, b"\x00"))
    assert s.reply(taken).status is Status.SUCCESS
    assert s.changes(taken) == [SetState(s.NEW, "Created"), TakeMemory(5000)]
    assert s.replies(taken)[0].isdp_aid == s.NEW  # type: ignore[attr-defined]
    assert s.done(taken)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (s.outcome("procedure/1", "unreachable"), "8.1/5.1"),
        (s.outcome("procedure/1", "rejected"), "8.4/4.2"),
        (s.answered("procedure/1", 0x6A84), "8.1/4.8"),
        (s.answered("procedure/1", 0x6985), "8.4/4.2"),
        (s.answered("procedure/1", 0x6A80), "8.4/4.2"),
    ],
)
def test_create_that_failed_leaves_nothing(event: Any, expected: str) -> None:
    taken = Create.step(Create.begin().state, event)
    assert s.reply(taken).code == expected
    assert s.changes(taken) == [RemoveISDP(s.NEW)]
    assert s.done(taken)


@pytest.mark.parametrize("answer", UNKNOWN_ANSWERS)
def test_create_of_unknown_outcome_asks_the_card(answer: Any) -> None:
    asked = Create.step(Create.begin().state, answer("procedure/1"))
    assert s.is_read(s.command(asked))
    there = Create.step(asked.state, s.answered("procedure/2", 0x9000, s.status_of(s.NEW, 0x07)))
    assert s.reply(there).status is Status.SUCCESS
    assert TakeMemory(5000) in s.changes(there)


def test_create_that_never_happened_is_sent_again_a_few_times() -> None:
    state = Create.asking()
    for _ in range(SRSettings().card_attempts - 1):
        again = Create.step(state, s.answered(f"procedure/{state.sent}", 0x6A88))
        assert s.apdu_of(s.command(again))[1] == 0xE6
        state = Create.step(again.state, s.outcome(f"procedure/{again.state.sent}", "unknown")).state
    ended = Create.step(state, s.answered(f"procedure/{state.sent}", 0x6A88))
    assert s.reply(ended).code == "8.4/4.2"
    assert s.changes(ended) == [RemoveISDP(s.NEW)]


def test_create_refused_because_our_own_earlier_copy_made_it() -> None:
    again = Create.step(Create.asking(), s.answered("procedure/2", 0x6A88)).state
    asked = Create.step(again, s.answered("procedure/3", 0x6985))
    assert s.is_read(s.command(asked))


@pytest.mark.parametrize("answer", UNKNOWN_ANSWERS)
def test_create_asks_again_later_while_the_card_says_nothing(answer: Any) -> None:
    taken = Create.step(Create.asking(), answer("procedure/2"))
    assert s.timers(taken) == {"ask": 30.0}
    assert s.is_read(s.command(Create.step(taken.state, TimerFired("ask"))))


def test_create_expired_says_so_once_and_the_result_still_counts() -> None:
    expired = Create.step(Create.begin().state, TimerFired("deadline"), now=LATE)
    assert s.reply(expired).status is Status.EXPIRED
    assert s.cancels(expired) == ["procedure/1"]
    assert Create.step(expired.state, TimerFired("deadline"), now=LATE) == Step(expired.state)
    late = Create.step(expired.state, s.answered("procedure/1"), now=LATE)
    assert not s.replies(late)
    assert SetState(s.NEW, "Created") in s.changes(late)
    gone = Create.step(expired.state, s.outcome("procedure/1", "unreachable"), now=LATE)
    assert s.changes(gone) == [RemoveISDP(s.NEW)]


@pytest.mark.parametrize("kind", ["rejected", "unreachable"])
def test_create_expired_and_the_question_does_not_arrive(kind: str) -> None:
    """The command itself may have been executed: nothing is taken back."""
    expired = Create.step(Create.asking(), TimerFired("deadline"), now=LATE).state
    left = Create.step(expired, s.outcome("procedure/2", kind), now=LATE)
    assert s.changes(left) == [SetState(s.NEW, "Created"), TakeMemory(5000)]
    assert s.done(left)


@pytest.mark.parametrize("answer", UNKNOWN_ANSWERS)
@pytest.mark.parametrize("when", ["creating", "asking", "waiting"])
def test_create_expired_with_unknown_outcome_is_left_for_clean_up_without_more_ota(answer: Any, when: str) -> None:
    state = Create.begin().state if when == "creating" else Create.asking()
    if when == "waiting":
        state = Create.step(state, s.outcome("procedure/2", "unknown")).state
    expired = Create.step(state, TimerFired("deadline"), now=LATE).state
    event = TimerFired("ask") if when == "waiting" else answer(f"procedure/{state.sent}")
    left = Create.step(expired, event, now=LATE)
    assert s.changes(left) == [SetState(s.NEW, "Created"), TakeMemory(5000)]
    assert not s.commands(left)
    assert s.done(left)


def test_create_own_copy_made_it_but_the_period_is_over() -> None:
    again = Create.step(Create.asking(), s.answered("procedure/2", 0x6A88)).state
    expired = Create.step(again, TimerFired("deadline"), now=LATE).state
    assert not s.commands(Create.step(expired, s.answered("procedure/3", 0x6985), now=LATE))


def test_create_deadline_before_its_turn() -> None:
    taken = Create.step(create_isdp.State(request=s.REQUESTS["create"], requester=s.DP), TimerFired("deadline"))
    assert s.reply(taken).status is Status.EXPIRED
    assert s.done(taken)


# -- DeleteISDP ------------------------------------------------------------------------------------------------


class Delete:
    @staticmethod
    def step(state: Any, event: Any, **changes: Any) -> Step[Any]:
        return change.step(state, event, s.context(**changes))

    @classmethod
    def begin(cls, **changes: Any) -> Step[Any]:
        return cls.step(change.State(request=s.REQUESTS["delete"], requester=s.DP), Begin(), **changes)

    @classmethod
    def asking(cls) -> Any:
        return cls.step(cls.begin().state, s.outcome("procedure/1", "unknown")).state


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"now": LATE}, "1.6/5.3"),
        ({"no_card": True}, "8.1.1/3.9"),
        ({"euicc": s.card(s.isdp(fallback=True))}, "8.2.3/3.8"),
    ],
)
def test_delete_refused_before_anything_is_sent(changes: dict[str, Any], expected: str) -> None:
    taken = Delete.begin(**changes)
    assert s.reply(taken).code == expected
    assert not s.commands(taken)


@pytest.mark.parametrize(
    ("sw", "expected", "gone"),
    [(0x9000, "", True), (0x6A88, "8.4/4.2", True), (0x69E1, "8.2.2/3.8", False), (0x6985, "8.4/4.2", False)],
)
def test_delete_answered(sw: int, expected: str, gone: bool) -> None:
    sent = Delete.begin()
    assert s.apdu_of(s.command(sent)).hex().upper().startswith("80E40040124F10")
    taken = Delete.step(sent.state, s.answered("procedure/1", sw))
    assert s.reply(taken).code == expected
    assert s.reply(taken).ok == gone
    assert s.changes(taken) == ([RemoveISDP(s.NEW, 5000)] if gone else [])


@pytest.mark.parametrize(("kind", "expected"), [("unreachable", "8.1/5.1"), ("rejected", "8.4/4.2")])
def test_delete_that_never_ran(kind: str, expected: str) -> None:
    taken = Delete.step(Delete.begin().state, s.outcome("procedure/1", kind))
    assert s.reply(taken).code == expected
    assert not s.changes(taken)


@pytest.mark.parametrize("answer", UNKNOWN_ANSWERS)
def test_delete_of_unknown_outcome_asks_the_card(answer: Any) -> None:
    asked = Delete.step(Delete.begin().state, answer("procedure/1"))
    assert s.is_read(s.command(asked))
    gone = Delete.step(asked.state, s.answered("procedure/2", 0x6A88))
    assert s.reply(gone).status is Status.SUCCESS
    assert s.changes(gone) == [RemoveISDP(s.NEW, 5000)]
    again = Delete.step(asked.state, s.answered("procedure/2", 0x9000, s.status_of(s.NEW, 0x0F)))
    assert s.apdu_of(s.command(again))[1] == 0xE4
    second = Delete.step(again.state, s.answered("procedure/3", 0x6A88))
    assert s.reply(second).status is Status.SUCCESS, "our own earlier copy has done it"


def test_delete_that_the_card_never_does() -> None:
    state = Delete.asking()
    for _ in range(SRSettings().card_attempts - 1):
        again = Delete.step(state, s.answered(f"procedure/{state.sent}", 0x9000, s.status_of(s.NEW, 0x0F)))
        state = Delete.step(again.state, s.outcome(f"procedure/{again.state.sent}", "unknown")).state
    ended = Delete.step(state, s.answered(f"procedure/{state.sent}", 0x9000, s.status_of(s.NEW, 0x0F)))
    assert s.reply(ended).code == "8.4/4.2"
    assert not s.changes(ended)


@pytest.mark.parametrize("answer", UNKNOWN_ANSWERS)
@pytest.mark.parametrize("when", ["deleting", "asking", "waiting"])
def test_delete_expired(answer: Any, when: str) -> None:
    state = Delete.begin().state if when == "deleting" else Delete.asking()
    if when == "waiting":
        waiting = Delete.step(state, s.outcome("procedure/2", "unknown"))
        assert s.timers(waiting) == {"ask": 30.0}
        assert s.is_read(s.command(Delete.step(waiting.state, TimerFired("ask"))))
        state = waiting.state
    expired = Delete.step(state, TimerFired("deadline"), now=LATE)
    assert s.reply(expired).status is Status.EXPIRED
    assert Delete.step(expired.state, TimerFired("deadline"), now=LATE) == Step(expired.state)
    event = TimerFired("ask") if when == "waiting" else answer(f"procedure/{state.sent}")
    left = Delete.step(expired.state, event, now=LATE)
    assert not s.commands(left)
    assert not s.replies(left)
    assert not s.changes(left)
    assert s.done(left)
    late = Delete.step(expired.state, s.answered(f"procedure/{state.sent}", 0x6A88), now=LATE)
    assert s.changes(late) == [RemoveISDP(s.NEW, 5000)], "a late result still goes into the EIS"


def test_delete_deadline_before_its_turn_and_card_gone() -> None:
    taken = Delete.step(change.State(request=s.REQUESTS["delete"], requester=s.DP), TimerFired("deadline"))
    assert s.done(taken)
    gone = Delete.step(Delete.begin().state, s.answered("procedure/1"), no_card=True)
    assert s.changes(gone) == [RemoveISDP(s.NEW, 0)]


# -- SendData --------------------------------------------------------------------------------------------------


def segment(size: int, tag: int = 0x86) -> bytes:
    return tlv.encode(tag, bytes(size))


def send(data: bytes, *, aid: bytes = s.NEW, more: bool = False, **changes: Any) -> Step[Any]:
    request = es3.ES3SendData(eid=s.EID, sd_aid=aid, data=data, more_to_do=more)
    return send_data.step(send_data.State(request=request, requester=s.DP), Begin(), s.context(**changes))


def carry(state: Any, event: Any, **changes: Any) -> Step[Any]:
    return send_data.step(state, event, s.context(**changes))


def ok(number: int, *tlvs: bytes) -> Signalled:
    return s.outcome(f"procedure/{number}", "answered", script=s.raw_script(*(tlvs or (b"\x86\x00",))))


@pytest.mark.parametrize(
    ("data", "aid", "changes", "expected"),
    [
        (segment(8), s.NEW, {"now": LATE}, "1.6/5.3"),
        (segment(8), s.NEW, {"no_card": True}, "8.1.1/3.9"),
        (segment(8), ids.isdp_aid(0x33), {}, "8.3.1/3.9"),
        (segment(8), s.NEW, {"euicc": s.card(s.isdp(smdp_id="another"))}, "8.3.1/3.9"),
        (b"", s.NEW, {}, "1.3.1/2.1"),
        (b"\x99\x01\x00", s.NEW, {}, "1.3.1/2.1"),
        (b"\x86\x7f\x00", s.NEW, {}, "1.3.1/2.1"),
        (ota_script.c_apdu(bytes.fromhex("80E28800153A03124F10") + s.NEW), ids.ISDR_AID, {}, "1.6/1.2"),
        (ota_script.c_apdu(bytes.fromhex("80E40040124F10") + s.NEW), ids.ISDR_AID, {}, "1.6/1.2"),
        (segment(8), ids.ISDR_AID, {}, "1.3.1/2.1"),
        (
            ota_script.c_apdu(isdr_keys.install_for_personalization(ids.isdp_aid(0x33))),
            ids.ISDR_AID,
            {},
            "1.6/1.2",
        ),
    ],
)
def test_send_data_refused(data: bytes, aid: bytes, changes: dict[str, Any], expected: str) -> None:
    taken = send(data, aid=aid, **changes)
    assert s.reply(taken).code == expected
    assert not s.commands(taken)
    assert s.done(taken)


def test_send_data_cuts_scripts_and_joins_answers() -> None:
    one, two, three = segment(1008), segment(500), segment(400)
    taken = send(one + two + three, more=True)
    sent = s.command(taken)
    assert (sent.tlvs, sent.more_to_do, sent.chain, sent.target_aid) == ((one,), True, True, s.NEW)
    taken = carry(taken.state, ok(1))
    assert s.command(taken).tlvs == (two, three)
    assert s.command(taken).chain, "the caller has more to do"
    ended = carry(taken.state, ok(2, b"\x86\x00", b"\x86\x02\x01\x02"))
    assert s.reply(ended).status is Status.SUCCESS
    assert s.replies(ended)[0].euicc_response == bytes.fromhex("8600 8600 86020102")  # type: ignore[attr-defined]


def test_send_data_last_of_its_sequence_closes_the_chain() -> None:
    taken = send(segment(10), more=False)
    assert not s.command(taken).chain
    assert not s.command(taken).more_to_do


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (segment(4, 0x84), True),
        (segment(4, 0x88), True),
        (ota_script.c_apdu(bytes.fromhex("80E2090001AA")), True),
        (ota_script.c_apdu(bytes.fromhex("80E2890101AA")), False),
        (ota_script.c_apdu(bytes.fromhex("80E6200000")), False),
        (ota_script.c_apdu(bytes.fromhex("80E2")), False),
    ],
)
def test_what_goes_on_in_the_next_script(item: bytes, expected: bool) -> None:
    assert script_run.continues(item) is expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (s.outcome("procedure/1", "unreachable"), "8.1/5.1"),
        (s.outcome("procedure/1", "unknown"), "1.6/5.4"),
        (s.outcome("procedure/1", "rejected"), "8.3/4.2"),
        (s.outcome("procedure/1", "answered", script=b"?"), "8.3/4.2"),
        (ok(1, b"\x9f\x46\x01\x02"), "8.3/4.2"),
        (ok(1, b"\x83\x01\x01"), "8.3/4.2"),
        (ok(1, b"\x90\x01\x01"), "8.3/4.2"),
        (ok(1, b"\x23\x02\x69\x85"), "8.3/4.2"),
    ],
)
def test_send_data_stops_at_the_first_error(event: Any, expected: str) -> None:
    taken = carry(send(segment(1008) + segment(1008)).state, event)
    assert s.reply(taken).code == expected
    assert not s.commands(taken)
    assert s.done(taken)


def test_send_data_to_the_isdr() -> None:
    install = isdr_keys.install_for_personalization(s.NEW)
    certificate = bytes.fromhex("80E20900053A010201AA00")
    taken = send(ota_script.c_apdu(install) + ota_script.c_apdu(certificate), aid=ids.ISDR_AID, more=True)
    assert s.command(taken).target_aid == ids.ISDR_AID
    ended = carry(taken.state, s.outcome("procedure/1", "rejected"))
    assert s.reply(ended).code == "8.4/4.2"


def test_send_data_expired() -> None:
    state = send(segment(1008) + segment(1008)).state
    expired = carry(state, TimerFired("deadline"), now=LATE)
    assert s.reply(expired).status is Status.EXPIRED
    assert s.cancels(expired) == ["procedure/1"]
    assert carry(expired.state, TimerFired("deadline"), now=LATE) == Step(expired.state)
    ended = carry(expired.state, ok(1), now=LATE)
    assert not s.commands(ended), "no further OTA"
    assert not s.replies(ended)
    assert s.done(ended)
    assert carry(state, ok(7)) == Step(state)
    fresh = send_data.State(request=state.request, requester=s.DP)
    assert s.done(carry(fresh, TimerFired("deadline")))


# -- AuditEIS --------------------------------------------------------------------------------------------------


def ask_all(**changes: Any) -> Step[Any]:
    return audit.step(audit.State(request=s.REQUESTS["audit"], requester=s.DP), Begin(), s.context(**changes))


def told(state: Any, event: Any, **changes: Any) -> Step[Any]:
    return audit.step(state, event, s.context(**changes))


def both(*states: tuple[bytes, int], free: int = 777) -> Signalled:
    data = b"".join(s.status_of(aid, state) for aid, state in states)
    script = s.script((data, 0x9000), (s.resources(free), 0x9000))
    return s.outcome("procedure/1", "answered", script=script)


def test_audit_agrees() -> None:
    taken = told(ask_all().state, both((s.BOOT, 0x3F), (s.NEW, 0x1F)))
    assert s.changes(taken) == [Audited(777)]
    answer = s.replies(taken)[0]
    assert answer.eis.remaining_memory == 777  # type: ignore[attr-defined]
    assert len(answer.eis.profiles) == 2  # type: ignore[attr-defined]


def test_audit_corrects_every_drift_with_an_alarm() -> None:
    stranger = ids.isdp_aid(0x44)
    taken = told(ask_all().state, both((s.BOOT, 0x1F), (stranger, 0x0F)))
    assert s.changes(taken) == [SetState(s.BOOT, "Disabled"), RemoveISDP(s.NEW), Audited(777)]
    assert [e.outcome for e in taken.effects if isinstance(e, Audit)].count("alarm") == 3


def test_audit_of_states_that_the_eis_does_not_know() -> None:
    assert s.changes(told(ask_all().state, both((s.BOOT, 0x55), (s.NEW, 0x1F)))) == [Audited(777)]


def test_audit_answers_only_what_was_asked_for() -> None:
    request = es3.ES3AuditEIS(eid=s.EID, iccids=(s.ICCID,))
    begun = audit.step(audit.State(request=request, requester=s.DP), Begin(), s.context())
    taken = told(begun.state, both((s.BOOT, 0x3F), (s.NEW, 0x1F)))
    assert [p.iccid for p in s.replies(taken)[0].eis.profiles] == [s.ICCID]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (s.outcome("procedure/1", "unreachable"), "8.1/5.1"),
        (s.outcome("procedure/1", "rejected"), "8.1/5.1"),
        (s.answered("procedure/1"), "8.4/4.2"),
        (s.outcome("procedure/1", "answered", script=s.script((b"", 0x9000), (b"", 0x6A88))), "8.4/4.2"),
        (s.outcome("procedure/1", "answered", script=b"?"), "8.4/4.2"),
    ],
)
def test_audit_without_result_changes_nothing(event: Any, expected: str) -> None:
    taken = told(ask_all().state, event)
    assert s.reply(taken).code == expected
    assert not s.changes(taken)


def test_audit_whose_answer_is_lost_asks_again_and_then_says_so() -> None:
    begun = ask_all()
    taken = begun
    for number in (1, 2):
        taken = told(taken.state, s.outcome(f"procedure/{number}", "unknown"))
        assert s.apdus_of(s.command(taken)) == s.apdus_of(s.command(begun))
        assert s.command(taken).id == f"procedure/{number + 1}"
    ended = told(taken.state, s.outcome("procedure/3", "unknown"))
    assert s.reply(ended).code == "1.6/5.4"
    assert not s.changes(ended)
    assert s.reply(told(taken.state, late_answer("procedure/3"))).ok


def late_answer(command_id: str) -> Signalled:
    data = s.status_of(s.BOOT, 0x3F) + s.status_of(s.NEW, 0x1F)
    return s.outcome(command_id, "answered", script=s.script((data, 0x9000), (s.resources(777), 0x9000)))


def test_audit_in_pages_starts_again_when_an_answer_is_lost() -> None:
    first = told(ask_all().state, s.answered("procedure/1", 0x6310))
    following = told(first.state, s.answered("procedure/2", 0x6310, s.status_of(s.BOOT, 0x3F)))
    again = told(following.state, s.outcome("procedure/3", "unknown"))
    assert s.apdus_of(s.command(again)) == s.apdus_of(s.command(first))
    assert s.command(again).chain, "the card forgets between scripts that are not chained"
    assert not again.state.question.isdps


@pytest.mark.parametrize(("changes", "expected"), [({"now": LATE}, "1.6/5.3"), ({"no_card": True}, "8.1.1/3.9")])
def test_audit_refused(changes: dict[str, Any], expected: str) -> None:
    assert s.reply(ask_all(**changes)).code == expected


@pytest.mark.parametrize(
    ("requester", "iccids", "expected"),
    [
        ("another", (), "8.6/1.2"),
        ("another", (s.ICCID,), "8.6/1.2"),
        (s.DP, (s.ICCID, "8988211000000009999"), "8.2/1.2"),
        (s.OWNER, (), ""),
    ],
)
def test_audit_only_of_what_is_the_requesters(requester: str, iccids: tuple[str, ...], expected: str) -> None:
    request = es4.ES4AuditEIS(eid=s.EID, iccids=iccids)
    taken = audit.step(audit.State(request=request, requester=requester), Begin(), s.context())
    if expected:
        assert isinstance(s.replies(taken)[0], es4.ES4AuditEISResponse)
        assert s.reply(taken).code == expected
        assert not s.commands(taken)
    else:
        assert s.is_read(s.command(taken))


def full_status(aid: bytes, state: int, *, fallback: bool, granted: int) -> bytes:
    attributes = tlv.encode(0x53, bytes((fallback,))) + tlv.encode(0x8F, granted.to_bytes(4))
    return tlv.encode(0xE3, tlv.encode(0x4F, aid) + tlv.encode(0x9F70, bytes((state,))) + attributes)


def keys(*versions: int) -> bytes:
    parts = b"".join(tlv.encode(0xC0, bytes((1, version, 0x88, 16))) for version in versions)
    return tlv.encode(0xE0, parts)


def alarms(taken: Step[Any]) -> list[str]:
    return [e.detail for e in taken.effects if isinstance(e, Audit) and e.outcome == "alarm"]


def test_audit_corrects_attribute_and_memory_and_tells_of_keys() -> None:
    data = full_status(s.BOOT, 0x3F, fallback=False, granted=5000) + full_status(
        s.NEW, 0x1F, fallback=True, granted=6000
    )
    script = s.script((data, 0x9000), (s.resources(777), 0x9000), (keys(1, 2), 0x9000))
    taken = told(ask_all().state, s.outcome("procedure/1", "answered", script=script))
    assert s.changes(taken) == [
        SetFallback(s.BOOT, fallback=False),
        SetFallback(s.NEW, fallback=True),
        SetAllocatedMemory(s.NEW, 6000),
        HoldKeyset(2),
        Audited(777),
    ]
    assert len(alarms(taken)) == 5
    assert "the card has no key set 40" in alarms(taken)
    assert "key set 02 is on the card, not in the EIS" in alarms(taken)
    found = {p.iccid: p for p in s.replies(taken)[0].eis.profiles}  # type: ignore[attr-defined]
    assert (found[s.ICCID].fallback, found[s.ICCID].allocated_memory) == (True, 6000)


def test_audit_without_key_information_or_quota_raises_no_alarm() -> None:
    card = s.card(s.isdp(s.BOOT, allocated_memory=0), s.isdp())
    data = full_status(s.BOOT, 0x3F, fallback=True, granted=9) + full_status(
        s.NEW, 0x1F, fallback=False, granted=5000
    )
    script = s.script((data, 0x9000), (s.resources(777), 0x9000), (b"", 0x6A88))
    taken = told(ask_all(euicc=card).state, s.outcome("procedure/1", "answered", script=script), euicc=card)
    assert s.changes(taken) == [Audited(777)]
    assert not alarms(taken)


def test_audit_of_a_card_without_any_profile() -> None:
    asked = told(ask_all().state, s.answered("procedure/1", 0x6A88))
    rest = s.script((s.resources(5), 0x9000))
    taken = told(asked.state, s.outcome("procedure/2", "answered", script=rest))
    assert {type(c) for c in s.changes(taken)} == {RemoveISDP, Audited}


def page(state: Any, data: bytes, sw: int) -> Step[Any]:
    return told(state, s.outcome(f"procedure/{state.sent}", "answered", script=s.script((data, sw))))


def test_audit_goes_through_the_pages_and_starts_again_where_the_card_lost_its_place() -> None:
    boot, new = s.status_of(s.BOOT, 0x3F), s.status_of(s.NEW, 0x1F)
    first = page(ask_all().state, boot, 0x6310)
    assert (s.command(first).chain, s.command(first).more_to_do) == (True, True)
    assert s.apdu_of(s.command(first))[3] == 0x02, "from the start"
    second = page(first.state, boot, 0x6310)
    assert s.apdu_of(s.command(second))[3] == 0x03
    lost = page(second.state, b"", 0x6985)
    assert s.apdu_of(s.command(lost))[3] == 0x02
    second = page(page(first.state, boot, 0x6310).state, new, 0x9000)
    assert not s.command(second).chain
    assert s.changes(page(second.state, s.resources(5), 0x9000)) == [Audited(5)]


def test_audit_of_a_card_that_never_ends() -> None:
    state = page(ask_all().state, b"", 0x6310).state
    for _ in range(MAX_PAGES):
        state = page(state, b"", 0x6310).state
    assert s.reply(page(state, b"", 0x6310)).code == "8.4/4.2"
    again = page(ask_all().state, b"", 0x6310)
    for _ in range(MAX_RESTARTS):
        again = page(page(again.state, b"", 0x6310).state, b"", 0x6985)
    assert s.reply(page(page(again.state, b"", 0x6310).state, b"", 0x6985)).code == "8.4/4.2"


def test_audit_expired_and_strangers() -> None:
    state = ask_all().state
    assert told(state, s.answered("another")) == Step(state)
    expired = told(state, TimerFired("deadline"), now=LATE)
    assert s.reply(expired).status is Status.EXPIRED
    assert s.done(expired)


# -- ProfileDownloadCompleted ----------------------------------------------------------------------------------


def complete(event: Any, **changes: Any) -> Step[Any]:
    return completed.step(
        completed.State(request=s.REQUESTS["completed"], requester=s.DP), event, s.context(**changes)
    )


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"state": "Created"}, ""),
        ({"state": "Disabled"}, ""),  # an audit found it before
        ({"state": "Disabled", "imsi": "1"}, "8.2.1/1.2"),
        ({"state": "Disabled", "profile_type": "x"}, "8.2.1/1.2"),
        ({"state": "Enabled"}, "8.2.1/1.2"),
        ({"smdp_id": "another", "owner": "another"}, "8.2.1/3.9"),
    ],
)
def test_completed(profile: dict[str, Any], expected: str) -> None:
    taken = complete(Begin(), euicc=s.card(s.isdp(**profile)))
    assert s.reply(taken).code == expected
    assert s.done(taken)
    wanted = [CompleteISDP(aid=s.NEW, profile_type="", imsi="001010000000001", msisdn="88211", pol2=())]
    assert s.changes(taken) == ([] if expected else wanted)


def test_completed_too_late_and_strangers() -> None:
    assert s.reply(complete(TimerFired("deadline"))).status is Status.EXPIRED
    assert not complete(s.answered("x")).effects
    assert s.reply(complete(Begin(), no_card=True)).code == "8.1.1/3.9"


@pytest.mark.parametrize("module", [create_isdp, send_data, audit])
def test_events_of_others_are_nothing(module: Any) -> None:
    name = {"create_isdp": "create", "audit": "audit"}.get(module.__name__.split(".")[-1])
    request = s.REQUESTS[name] if name else es3.ES3SendData(eid=s.EID, sd_aid=s.NEW, data=b"")
    state = module.State(request=request, requester=s.DP)
    for event in (s.heard(2), s.answered("another/1"), Signalled("x", "y")):
        assert module.step(state, event, s.context()) == Step(state)
