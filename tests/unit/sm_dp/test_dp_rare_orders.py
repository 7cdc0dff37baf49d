"""What only a rare order of events brings: time in every state, a late cancel, keys by agreement."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.contracts import crypto, es3, orders
from ferryman.contracts.message import Header
from ferryman.contracts.status import SUCCESS, Status, failed
from ferryman.platform.procedure import (
    Answered,
    Apply,
    Ask,
    Context,
    Done,
    Received,
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
WITH_ISDP = ("creating", "preparing", "certifying", "establishing", "opening", "protecting", "loading", "asking")
INSTALLED = ("completing", "enabling")


def at(phase: str, **changes: Any) -> State:
    """An order that is in this state; it has an ISD-P from `creating` on, a profile from `completing` on."""
    values: dict[str, Any] = {
        "order_id": "order", "smdp_id": "dp", "owner": "mno", "eid": EID, "iccid": ICCID, "imsi": "1",
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
