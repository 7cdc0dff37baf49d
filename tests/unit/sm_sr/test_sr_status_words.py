"""Answers that the standards allow and few cards give: normal endings beside 9000, warnings, answers cut off."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts import crypto, es3, operations
from ferryman.contracts.status import Status
from ferryman.platform.procedure import Answered, Ask, Begin, Step
from ferryman.sm_sr.procedures import audit, change, create_isdp, one_command, rotate_keys
from ferryman.sm_sr.procedures.audit_card import Question, read_page
from ferryman.sm_sr.procedures.delivery import Outcome, OutcomeKind
from ferryman.sm_sr.records import EUICC, SetState

# A proactive command waits (REFRESH); written after a retry; data that nobody needs was not fetched.
NORMAL = pytest.mark.parametrize("sw", [0x910F, 0x9201, 0x6101])
WARNINGS = pytest.mark.parametrize("sw", [0x6200, 0x6300])


BARE = s.card(s.isdp(s.BOOT))


def creating(event: Any, state: Any = None) -> Step[Any]:
    state = state or create_isdp.State(request=s.REQUESTS["create"], requester=s.DP)
    return create_isdp.step(state, event, s.context(euicc=BARE))


def enabling(event: Any, state: Any = None) -> Step[Any]:
    state = state or change.State(request=s.REQUESTS["enable"], requester=s.DP)
    return change.step(state, event, s.context())


@NORMAL
def test_a_normal_ending_is_no_refusal(sw: int) -> None:
    created = creating(s.answered("procedure/1", sw), creating(Begin()).state)
    assert s.reply(created).status is Status.SUCCESS
    assert SetState(s.NEW, "Created") in s.changes(created)
    begun = enabling(s.answered("procedure/1", sw), enabling(Begin()).state)
    assert not s.replies(begun), "the notification tells how it ends"
    told = enabling(s.heard(2), begun.state)
    confirmed = enabling(s.answered(f"procedure/{told.state.sent}", sw), told.state)
    assert s.reply(confirmed).status is Status.SUCCESS


@WARNINGS
def test_a_warning_is_neither_done_nor_refused(sw: int) -> None:
    """What the card has done its state tells."""
    created = creating(s.answered("procedure/1", sw), creating(Begin()).state)
    assert s.is_read(s.command(created))
    begun = enabling(s.answered("procedure/1", sw), enabling(Begin()).state)
    assert not s.replies(begun)
    fallback = one_command.State(
        request=operations.SetFallbackAttribute(eid=s.EID, iccid=s.ICCID), requester=s.OWNER
    )
    state = one_command.step(fallback, Begin(), s.context()).state
    assert s.is_read(s.command(one_command.step(state, s.answered("procedure/1", sw), s.context())))


def test_a_put_key_with_a_warning_is_put_again_as_its_own_replacement() -> None:
    request = operations.RotateKeyset(eid=s.EID, protocol="scp80")
    taken = rotate_keys.step(rotate_keys.State(request=request, requester=s.OWNER), Begin(), s.context())
    keys = tuple(crypto.KeyUnderDEK(0x88, bytes(16), bytes(3)) for _ in range(3))
    answers = {"make": crypto.KeysetMade(version=2, replaces=False), "wrap": crypto.KeysetWrapped(keys=keys)}
    for tag, reply in answers.items():
        taken = rotate_keys.step(taken.state, Answered(tag, reply), s.context())
    again = rotate_keys.step(taken.state, s.answered(f"procedure/{taken.state.sent}", 0x6300), s.context())
    assert [e.tag for e in again.effects if isinstance(e, Ask)] == ["wrap"]
    assert again.state.onto == again.state.version


def test_no_answer_without_the_isdp_says_that_it_is_gone() -> None:
    """9000 with nothing behind it, or the data of 61xx that nobody fetched: not 6A88."""
    asking = creating(s.outcome("procedure/1", "unknown"), creating(Begin()).state).state
    master = operations.MasterDelete(eid=s.EID, iccid=s.ICCID, token=bytes(16), sin=b"1", sdin=b"2", provider=b"3")
    begun = one_command.step(one_command.State(request=master, requester=s.OWNER), Begin(), s.context())
    told = one_command.step(begun.state, s.outcome("procedure/1", "unknown"), s.context()).state
    deleting = change.State(request=s.REQUESTS["delete"], requester=s.DP)
    looking = enabling(s.outcome("procedure/1", "unknown"), enabling(Begin(), deleting).state).state
    for taken in (
        creating(s.answered(f"procedure/{asking.sent}", 0x6118), asking),
        one_command.step(told, s.answered(f"procedure/{told.sent}"), s.context()),
        enabling(s.answered(f"procedure/{looking.sent}"), looking),
    ):
        assert not s.changes(taken)
        assert not s.commands(taken)
        assert "ask" in s.timers(taken)
    empty = s.script((b"", 0x9000), (s.resources(777), 0x9000))
    state = audited(empty)
    assert s.reply(state).code == "8.4/4.2"
    assert not s.changes(state), "the EIS keeps its profiles"


def audited(script: bytes) -> Step[Any]:
    state = audit.State(request=es3.ES3AuditEIS(eid=s.EID), requester=s.DP)
    asked = audit.step(state, Begin(), s.context())
    return audit.step(asked.state, s.outcome("procedure/1", "answered", script=script), s.context())


def test_an_audit_whose_answer_is_cut_off_is_put_in_smaller_parts() -> None:
    whole = audited(s.script((s.status_of(s.BOOT, 0x3F)[:10], 0x62F1)))
    assert len(s.apdus_of(s.command(whole))) == 1
    card: EUICC = s.card()
    status = s.status_of(card.profiles[0].aid, 0x3F)
    outcome = Outcome(
        command_id="c", kind=OutcomeKind.ANSWERED, script=s.script((status, 0x9000), (b"\xff", 0x62F1))
    )
    page = read_page(Question(), outcome)
    assert page.follow is not None
    assert (page.follow.stage, len(page.follow.isdps)) == ("rest", 1)
