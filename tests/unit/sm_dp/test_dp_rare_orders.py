"""What only a rare order of events brings: time in every state, a late cancel, keys by agreement."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec import tlv
from ferryman.contracts import codes, crypto, es2, es3, orders
from ferryman.contracts.message import Header
from ferryman.contracts.status import SUCCESS, ExecutionStatus, Status, expired, failed
from ferryman.platform.procedure import (
    Answered,
    Apply,
    Ask,
    Context,
    Done,
    Received,
    Reply,
    Send,
    SetTimer,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_dp.procedures import download
from ferryman.sm_dp.procedures.state import State, call_id, replace
from ferryman.sm_dp.records import DPSettings, Facts, FinishOrder

EID, ICCID, AID = "89033023000000000061494360000191", "8988211000000000011", bytes(16)
NOW = 1_795_000_000.0
BEFORE = ("get-eis", "cleaning", "checking")
TOKEN = ("token-opening", "token-loading")
WITH_ISDP = (
    *("creating", "preparing", "certifying", "establishing", *TOKEN),
    *("opening", "protecting", "loading", "asking"),
)
INSTALLED = ("completing", "enabling")


def at(phase: str, **changes: Any) -> State:
    """An order that is in this state; it has an ISD-P from `creating` on, a profile from `completing` on."""
    values: dict[str, Any] = {
        "order_id": "order", "smdp_id": "1.3.6.1.4.1.99999.10", "owner": "1.3.6.1.4.1.99999.30",
        "eid": EID, "iccid": ICCID, "imsi": "1",
        "msisdn": "2", "profile_type": "demo", "enable": True, "deadline": NOW + 3600.0, "validity": 3600.0,
        "phase": phase,
        "calls": 3, "isdp_aid": b"" if phase in ("", *BEFORE) else AID, "installed": phase in INSTALLED,
    }  # fmt: skip
    return State(**{**values, **changes})


def step(state: State, event: Any) -> Step[State]:
    facts = Facts(settings=DPSettings(), template=b"t", package=None, template_memory=9)
    return download.step(state, event, Context("download/order", EID, None, NOW + 3600.0, bytes(32), facts))


def answer(state: State, body: Any) -> Step[State]:
    header = Header(
        message_id="m", sender="sm-sr", requester="dp", function_call_id=call_id(state), deadline=NOW, eid=EID
    )
    return step(state, Received(header, body))


def order_of(taken: Step[State]) -> FinishOrder:
    (found,) = [e.change for e in taken.effects if isinstance(e, Apply) and isinstance(e.change, FinishOrder)]
    assert any(isinstance(e, Done) for e in taken.effects)
    return found


def asked(taken: Step[State]) -> Any:
    (found,) = [e.body for e in taken.effects if isinstance(e, Ask)]
    return found


@pytest.mark.parametrize("phase", [*BEFORE, *WITH_ISDP, *INSTALLED, "deleting"])
def test_time_in_every_state(phase: str) -> None:
    """The SM-SR's last word is waited for; when it never comes, what may be on the card is deleted (3.1.4)."""
    waiting = step(at(phase, result=failed("8.4", "4.2", "first")), TimerFired("deadline"))
    assert [e.name for e in waiting.effects if isinstance(e, SetTimer)] == ["last-word"]
    assert waiting.state.phase == phase
    silent = step(waiting.state, TimerFired("last-word"))
    if phase in WITH_ISDP:
        (deletion,) = [e.body for e in silent.effects if isinstance(e, Send)]
        assert isinstance(deletion, es3.ES3DeleteISDP)
        assert silent.state.phase == "deleting"
        return
    ended = order_of(silent)
    assert ended.installed == (phase in INSTALLED)
    assert ended.status.status is (Status.FAILED if phase == "deleting" else Status.EXPIRED)


@pytest.mark.parametrize("phase", ["", "get-eis"])
def test_cancelled_before_anything_is_on_the_card(phase: str) -> None:
    ended = order_of(step(at(phase), Signalled("operator", "cancel")))
    assert ended.status.status is Status.FAILED
    assert not ended.installed


def test_cancelled_while_the_isdp_is_made() -> None:
    marked = step(at("creating", isdp_aid=b""), Signalled("operator", "cancel"))
    assert marked.effects == (), "over with the next answer"
    taken = answer(marked.state, es3.ES3CreateISDPResponse(status=SUCCESS, isdp_aid=AID))
    (deletion,) = [e.body for e in taken.effects if isinstance(e, Send)]
    assert isinstance(deletion, es3.ES3DeleteISDP)


DONE = {
    "completing": es3.ES3ProfileDownloadCompletedResponse(status=SUCCESS),
    "enabling": es3.ES3EnableProfileResponse(status=SUCCESS),
}


@pytest.mark.parametrize("phase", INSTALLED)
def test_the_keys_of_the_isdp_as_agreed(phase: str) -> None:
    """Destroyed, or handed over and then destroyed, at the end of the download (docs/divergences.md 4.47)."""
    destroyed = answer(at(phase, enable=False, keys=orders.DESTROY), DONE[phase])
    assert isinstance(asked(destroyed), crypto.DestroyKeys)
    assert order_of(step(destroyed.state, Answered("destroy", crypto.Stored()))).installed
    given = answer(at(phase, enable=False, keys=orders.HAND_OVER, keys_under="their"), DONE[phase])
    assert isinstance(asked(given), crypto.HandOverKeyset)
    refused = step(given.state, Answered("hand-over", refusal=failed("1.2", "4.2", "no such key")))
    assert order_of(refused).status.status is Status.WARNING, "the profile is there; the keys are kept"
    sealed = crypto.KeysetHandedOver(sealed=b"sealed")
    kept = step(given.state, Answered("hand-over", sealed))
    assert isinstance(asked(kept), crypto.DestroyKeys)
    assert order_of(step(kept.state, Answered("destroy", crypto.Stored()))).installed
    assert replace(given.state, phase="ended").phase == "ended"


# -- the token key for Master Delete ------------------------------------------------------------------------------

NO_ANSWER = failed(*codes.DELIVERED_NO_RESPONSE, "no answer")
REFUSED = failed("8.4", "4.2", "refused")


def card_said(*answers: bytes, status: ExecutionStatus = SUCCESS) -> es3.ES3SendDataResponse:
    """R-APDUs, data and status word each."""
    return es3.ES3SendDataResponse(
        status=status, euicc_response=b"".join(tlv.encode(0x23, one) for one in answers)
    )


OK = b"\x90\x00"


def sent(taken: Step[State]) -> Any:
    (found,) = [e.body for e in taken.effects if isinstance(e, Send)]
    return found


def test_a_token_key_is_loaded_between_key_establishment_and_the_profile() -> None:
    """SGP.02 3.10: a session of its own, the card's answers confirmed, then the SCP03t session."""
    opening = step(at("establishing", delete_token=True), Answered("derive", crypto.Stored()))
    assert (opening.state.phase, sent(opening).sd_aid) == ("token-opening", AID)
    wrap = answer(opening.state, card_said(b"card challenge" + OK))
    assert asked(wrap).initialize_response == b"card challenge"
    loading = step(wrap.state, Answered("token-wrap", crypto.TokenKeyWrapped(apdus=(b"\x80\xd8\0\0",) * 5)))
    assert (loading.state.phase, len(tlv.parse(sent(loading).data))) == ("token-loading", 5)
    confirm = answer(loading.state, card_said(*(OK,) * 5))
    assert asked(confirm).answers == (OK,) * 5
    loaded = step(confirm.state, Answered("token-confirm", crypto.Stored()))
    assert (loaded.state.phase, type(asked(loaded))) == ("opening", crypto.OpenSCP03t)


@pytest.mark.parametrize("phase", TOKEN)
def test_a_lost_answer_about_the_token_key_means_from_the_start(phase: str) -> None:
    lost = answer(at(phase, attempts=1), card_said(status=NO_ANSWER))
    assert lost.state.phase == "token-opening"
    assert isinstance(sent(lost), es3.ES3SendData)
    again = answer(replace(lost.state, phase=phase), card_said(status=REFUSED))
    assert again.state.phase == "token-opening", "the refusal may be of what the lost one has done"
    last = answer(replace(again.state, attempts=DPSettings().session_attempts), card_said(status=NO_ANSWER))
    assert isinstance(sent(last), es3.ES3DeleteISDP)


def test_time_that_ran_out_at_the_sm_sr_during_the_package_takes_the_isdp_away() -> None:
    late = answer(at("loading"), card_said(status=expired("late")))
    assert late.state.phase == "deleting"
    assert isinstance(sent(late), es3.ES3DeleteISDP)


def bad_token_answers(phase: str) -> list[Step[State]]:
    state, tag = at(phase, attempts=1), "token-wrap" if phase == TOKEN[0] else "token-confirm"
    return [
        answer(state, card_said(status=REFUSED)),
        answer(state, card_said(status=expired("late"))),
        answer(state, card_said()),
        step(state, Answered(tag, refusal=failed("1.2", "4.2", "no"))),
        step(state, Answered(tag, crypto.KeysetHandedOver(sealed=b""))),
    ]


@pytest.mark.parametrize("phase", TOKEN)
def test_without_its_token_key_an_order_fails_and_the_isdp_goes(phase: str) -> None:
    for taken in bad_token_answers(phase):
        assert (taken.state.phase, type(sent(taken))) == ("deleting", es3.ES3DeleteISDP)
        assert taken.state.result is not None
        assert not taken.state.result.ok


def test_a_clean_up_that_takes_too_long_leaves_the_first_error() -> None:
    ended = answer(at("deleting", result=REFUSED), es3.ES3DeleteISDPResponse(status=expired("late")))
    assert order_of(ended).status == REFUSED


def test_who_has_ordered_by_es2_hears_the_result_in_the_step_that_ends_the_order() -> None:
    for phase, body in DONE.items():
        taken = answer(at(phase, enable=False, reply=True), body)
        (reply,) = [e.body for e in taken.effects if isinstance(e, Reply)]
        assert reply == es2.ES2DownloadProfileResponse(status=SUCCESS, iccid=ICCID)
        assert order_of(taken).installed
