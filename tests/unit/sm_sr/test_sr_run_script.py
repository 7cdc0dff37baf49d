"""A raw script: the same machine as SendData, told to a person, with its reason in the trail."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.codec import ids, ota_script, tlv
from ferryman.contracts.queue import RunScript
from ferryman.contracts.status import Status
from ferryman.platform.procedure import Audit, Begin, Step, TimerFired
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures import run_script

REASON = "to see what is free"
GET_DATA = ota_script.c_apdu(bytes.fromhex("80CAFF2100"))
STORE_MORE = ota_script.c_apdu(bytes.fromhex("80E2090064") + bytes(100))  # not the last block of its sequence
OK = b"\x23\x02\x90\x00"


def begin(data: bytes, *, aid: bytes = ids.ISDR_AID, **changes: Any) -> Step[Any]:
    request = RunScript(eid=s.EID, sd_aid=aid, data=data, reason=REASON)
    return run_script.step(run_script.State(request=request, requester=s.DP), Begin(), s.context(**changes))


def on(taken: Step[Any], event: Any, **changes: Any) -> Step[Any]:
    return run_script.step(taken.state, event, s.context(**changes))


def told(number: int, *tlvs: bytes) -> Any:
    return s.outcome(f"procedure/{number}", "answered", script=s.raw_script(*tlvs))


def audits(taken: Step[Any]) -> list[tuple[str, str, str, str]]:
    return [(e.action, e.outcome, e.object, e.detail) for e in taken.effects if isinstance(e, Audit)]


def test_scripts_within_the_limit_of_the_card_and_joined_answers() -> None:
    small = Effective(transports=("sms",), script_limit=2 * len(STORE_MORE))
    taken = begin(STORE_MORE * 3 + GET_DATA, effective=small)
    first = s.command(taken)
    assert (first.tlvs, first.target_aid, first.transport) == ((STORE_MORE,) * 2, ids.ISDR_AID, "sms")
    assert (first.more_to_do, first.chain) == (True, True)
    taken = on(taken, told(1, OK, OK), effective=small)
    last = s.command(taken)
    assert (last.tlvs, last.more_to_do, last.chain) == ((STORE_MORE, GET_DATA), False, False)
    ended = on(taken, told(2, OK, b"\x23\x04\x01\x02\x90\x00"))
    assert s.reply(ended).status is Status.SUCCESS
    assert s.replies(ended)[0].response == OK * 3 + b"\x23\x04\x01\x02\x90\x00"  # type: ignore[attr-defined]
    assert audits(ended) == [("raw script", "done", ids.ISDR_AID.hex().upper(), REASON)]
    assert s.done(ended)


@pytest.mark.parametrize(
    ("data", "aid", "changes", "expected"),
    [
        (GET_DATA, ids.ISDR_AID, {"now": s.DEADLINE}, "1.6/5.3"),
        (GET_DATA, ids.ISDR_AID, {"no_card": True}, "8.1.1/3.9"),
        (GET_DATA, bytes(16), {}, "8.3.1/3.9"),
        (b"", ids.ISDR_AID, {}, "1.3.1/2.1"),
        (b"\x22\x05", ids.ISDR_AID, {}, "1.3.1/2.1"),
    ],
)
def test_refused_before_anything_is_sent(data: bytes, aid: bytes, changes: dict[str, Any], expected: str) -> None:
    taken = begin(data, aid=aid, **changes)
    assert s.reply(taken).code == expected
    assert not s.commands(taken)
    assert audits(taken) == [("raw script", "failed", aid.hex().upper(), f"{REASON} ({expected})")]
    assert s.done(taken)


@pytest.mark.parametrize(
    ("event", "aid", "expected"),
    [
        (s.outcome("procedure/1", "unreachable"), ids.ISDR_AID, "8.1/5.1"),
        (s.outcome("procedure/1", "unknown"), ids.ISDR_AID, "1.6/5.4"),
        (s.outcome("procedure/1", "rejected"), ids.ISDR_AID, "8.4/4.2"),
        (s.outcome("procedure/1", "rejected"), s.NEW, "8.3/4.2"),
        (s.outcome("procedure/1", "answered", script=b"?"), ids.ISDR_AID, "8.4/4.2"),
        (told(1, tlv.encode(0x23, b"\x69\x85")), s.NEW, "8.3/4.2"),
    ],
)
def test_it_stops_at_the_first_error_and_is_never_sent_again(event: Any, aid: bytes, expected: str) -> None:
    small = Effective(transports=("sms",), script_limit=len(STORE_MORE))
    ended = on(begin(STORE_MORE * 2, aid=aid, effective=small), event)
    assert s.reply(ended).code == expected
    assert not s.commands(ended)
    assert s.done(ended)


def test_the_deadline_is_told_once_and_what_is_out_ends_first() -> None:
    small = Effective(transports=("sms",), script_limit=len(STORE_MORE))
    taken = begin(STORE_MORE * 2, effective=small)
    expired = on(taken, TimerFired("deadline"))
    assert s.reply(expired).status is Status.EXPIRED
    assert s.cancels(expired) == ["procedure/1"]
    assert not s.done(expired)
    assert on(expired, TimerFired("deadline")) == Step(expired.state)
    ended = on(expired, told(1, OK))
    assert (s.commands(ended), s.replies(ended), s.done(ended)) == ([], [], True)
    fresh = run_script.State(request=taken.state.request, requester=s.DP)
    assert s.done(run_script.step(fresh, TimerFired("deadline"), s.context()))
