"""MasterDelete, SetFallbackAttribute, addressing and connectivity parameters: each branch."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts import es3, operations
from ferryman.contracts.status import Status
from ferryman.errors import InputError
from ferryman.platform.procedure import Audit, Begin, Signal, Step, TimerFired
from ferryman.sm_sr.procedures import one_command, send_data
from ferryman.sm_sr.procedures.settle import Doubt
from ferryman.sm_sr.records import RemoveISDP, SetFallback, SRSettings

LATE = s.DEADLINE + 1.0
MASTER = operations.MasterDelete(
    eid=s.EID, iccid=s.ICCID, token=bytes(16), sin=b"\x49", sdin=b"\x50", provider=b"\x47"
)
FALLBACK = operations.SetFallbackAttribute(eid=s.EID, iccid=s.ICCID)
ADDRESS = operations.UpdateSMSRAddressing(eid=s.EID, sms_address="+33612345678")
ALL = pytest.mark.parametrize("request_", [MASTER, FALLBACK, ADDRESS], ids=["master", "fallback", "address"])
ON_ISDP = pytest.mark.parametrize("request_", [MASTER, FALLBACK], ids=["master", "fallback"])


def step(state: Any, event: Any, **changes: Any) -> Step[Any]:
    return one_command.step(state, event, s.context(**changes))


def begun(request: Any, **changes: Any) -> Step[Any]:
    return step(one_command.State(request=request, requester=s.OWNER), Begin(), **changes)


def last(state: Any) -> str:
    return f"procedure/{state.sent}"


def fallback_status(*, fallback: bool) -> bytes:
    body = b"\x4f\x10" + s.NEW + bytes.fromhex("9F70011F5301") + bytes((fallback,))
    return b"\xe3" + bytes((len(body),)) + body


def test_commands_as_the_reference_writes_them() -> None:
    new = s.NEW.hex().upper()
    assert s.apdu_of(s.command(begun(FALLBACK))).hex().upper() == f"80E28800153A05124F10{new}00"
    assert s.apdu_of(s.command(begun(ADDRESS))).hex().upper() == "80E288000F3A070CA30A81080B913316325476F800"
    master = s.apdu_of(s.command(begun(MASTER))).hex().upper()
    assert master.startswith(f"80E40040334F10{new}B60D4201494501505F20")
    assert master.endswith("9E10" + "00" * 16 + "00")


@ALL
def test_before_anything_is_sent(request_: Any) -> None:
    assert s.reply(begun(request_, now=LATE)).status is Status.EXPIRED
    assert s.reply(begun(request_, no_card=True)).code == "8.1.1/3.9"
    fresh = one_command.State(request=request_, requester=s.OWNER)
    over = step(fresh, TimerFired("deadline"))
    assert s.reply(over).status is Status.EXPIRED
    assert s.done(over)


@pytest.mark.parametrize(
    ("request_", "profile", "expected"),
    [
        (MASTER, {"state": "Enabled"}, "8.2.1/1.2"),
        (MASTER, {"fallback": True}, "8.1/3.8"),
        (FALLBACK, {"state": "Created"}, "8.2.1/1.2"),
        (FALLBACK, {"owner": "x", "smdp_id": "x"}, "8.2.1/1.2"),
        (FALLBACK, {"fallback": True}, "8.2.1/1.2"),
    ],
)
def test_refused_by_policy(request_: Any, profile: dict[str, Any], expected: str) -> None:
    taken = begun(request_, euicc=s.card(s.isdp(s.BOOT), s.isdp(**profile)))
    assert s.reply(taken).code == expected
    assert not s.commands(taken)


def test_success() -> None:
    done = step(begun(MASTER).state, s.answered("procedure/1"))
    assert s.reply(done).status is Status.SUCCESS
    assert s.changes(done) == [RemoveISDP(s.NEW, 5000)]
    done = step(begun(FALLBACK).state, s.answered("procedure/1"))
    assert s.changes(done) == [SetFallback(s.BOOT, fallback=False), SetFallback(s.NEW, fallback=True)]
    done = step(begun(ADDRESS).state, s.answered("procedure/1"))
    assert (s.reply(done).status, s.changes(done)) == (Status.SUCCESS, [])


@ALL
@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (s.outcome("procedure/1", "unreachable"), "8.1/5.1"),
        (s.outcome("procedure/1", "rejected"), "8.4/4.2"),
        (s.answered("procedure/1", 0x6982), "8.4/4.2"),
        (s.answered("procedure/1", 0x69E1), "8.2.2/3.8"),
        (s.answered("procedure/1", 0x6985), "8.4/4.2"),
    ],
)
def test_the_card_refuses(request_: Any, event: Any, expected: str) -> None:
    taken = step(begun(request_).state, event)
    assert s.reply(taken).code == expected
    assert not s.changes(taken)
    assert s.done(taken)


@ON_ISDP
def test_lost_answer_is_asked_for_and_the_command_repeated_only_when_it_did_not_happen(request_: Any) -> None:
    asked = step(begun(request_).state, s.outcome("procedure/1", "unknown"))
    assert s.is_read(s.command(asked))
    silent = step(asked.state, s.outcome(last(asked.state), "unknown"))
    again = step(silent.state, TimerFired("ask"))
    not_yet = s.answered(last(again.state), 0x9000, fallback_status(fallback=False))
    resent = step(again.state, not_yet)
    assert s.apdu_of(s.command(resent)) == s.apdu_of(s.command(begun(request_)))
    state = resent.state
    for _ in range(SRSettings().card_attempts - 2):
        state = step(state, s.outcome(last(state), "unknown")).state
        state = step(state, s.answered(last(state), 0x9000, fallback_status(fallback=False))).state
    state = step(state, s.outcome(last(state), "unknown")).state
    ended = step(state, s.answered(last(state), 0x9000, fallback_status(fallback=False)))
    assert s.reply(ended).code == "8.4/4.2"


def test_lost_answer_of_what_happened() -> None:
    asked = step(begun(MASTER).state, s.outcome("procedure/1", "unknown")).state
    assert s.changes(step(asked, s.answered(last(asked), 0x6A88))) == [RemoveISDP(s.NEW, 5000)]
    asked = step(begun(FALLBACK).state, s.outcome("procedure/1", "unknown")).state
    done = step(asked, s.answered(last(asked), 0x9000, fallback_status(fallback=True)))
    assert SetFallback(s.NEW, fallback=True) in s.changes(done)
    gone = step(asked, s.answered(last(asked), 0x6A88))
    assert s.reply(gone).code == "8.4/4.2", "the attribute cannot be where no profile is"


def test_master_delete_not_found_is_told_apart() -> None:
    asked = step(begun(MASTER).state, s.answered("procedure/1", 0x6A88)).state
    there = step(asked, s.answered(last(asked), 0x9000, fallback_status(fallback=False)))
    assert "no token key" in s.reply(there).message
    gone = step(asked, s.answered(last(asked), 0x6A88))
    assert s.reply(gone).status is Status.WARNING
    assert s.changes(gone) == [RemoveISDP(s.NEW, 5000)]


def test_addressing_is_absolute_and_written_again() -> None:
    taken = begun(ADDRESS)
    for number in range(1, SRSettings().card_attempts):
        taken = step(taken.state, s.outcome(last(taken.state), "unknown"))
        assert s.command(taken).id == f"procedure/{number + 1}"
    ended = step(taken.state, s.outcome(last(taken.state), "unknown"))
    assert s.reply(ended).code == "1.6/5.4"


@ALL
def test_deadline_then_a_late_result(request_: Any) -> None:
    state = begun(request_).state
    over = step(state, TimerFired("deadline"), now=LATE)
    assert s.reply(over).status is Status.EXPIRED
    assert s.cancels(over) == ["procedure/1"]
    late = step(over.state, s.answered("procedure/1"), now=LATE)
    assert not s.replies(late)
    assert bool(s.changes(late)) == (request_ is not ADDRESS)
    lost = step(over.state, s.outcome("procedure/1", "unknown"), now=LATE)
    assert s.done(lost)
    doubts = [e for e in lost.effects if isinstance(e, Signal) and isinstance(e.value, Doubt)]
    assert bool(doubts) == (request_ is not ADDRESS)


@pytest.mark.parametrize(
    "bad",
    [
        operations.UpdateSMSRAddressing(eid=s.EID),
        operations.UpdateSMSRAddressing(eid=s.EID, sms_address="no number"),
        operations.UpdateSMSRAddressing(eid=s.EID, port=70_000),
        operations.UpdateSMSRAddressing(eid=s.EID, address="300.1.1.1"),
        operations.UpdateSMSRAddressing(eid=s.EID, host="\u00e9"),
        operations.MasterDelete(eid=s.EID, iccid="1", token=b"", sin=b"1", sdin=b"1", provider=b"1"),
        operations.MasterDelete(eid=s.EID, iccid="1", token=bytes(16), sin=b"", sdin=b"1", provider=b"1"),
    ],
)
def test_what_no_card_could_take_is_refused_at_the_door(bad: Any) -> None:
    with pytest.raises(InputError):
        one_command.check(bad)


# -- ES3.UpdateConnectivityParameters --------------------------------------------------------------------------

BLOB = bytes.fromhex("220E805030000888776655443322110022158482330010") + bytes(16)
CONNECTIVITY = es3.ES3UpdateConnectivityParameters(eid=s.EID, iccid=s.ICCID, parameters=BLOB)


def carried(**changes: Any) -> Step[Any]:
    state = send_data.State(request=CONNECTIVITY, requester=s.DP)
    return send_data.step(state, Begin(), s.context(**changes))


def test_connectivity_parameters_go_to_the_isdp_unchanged() -> None:
    taken = carried()
    assert s.command(taken).target_aid == s.NEW
    assert b"".join(s.command(taken).tlvs) == BLOB
    answer = s.outcome("procedure/1", "answered", script=s.raw_script(b"\x23\x02\x90\x00"))
    done = send_data.step(taken.state, answer, s.context())
    assert isinstance(s.replies(done)[0], es3.ES3UpdateConnectivityParametersResponse)
    assert s.reply(done).status is Status.SUCCESS
    assert [e.outcome for e in done.effects if isinstance(e, Audit)] == ["done"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"no_card": True}, "8.1.1/3.9"),
        ({"euicc": s.card(s.isdp(s.BOOT))}, "8.2.1/3.9"),
        ({"euicc": s.card(s.isdp(state="Created"))}, "8.2.1/1.2"),
        ({"now": LATE}, "1.6/5.3"),
    ],
)
def test_connectivity_parameters_refused(changes: dict[str, Any], expected: str) -> None:
    taken = carried(**changes)
    assert s.reply(taken).code == expected
    assert not s.commands(taken)


def test_connectivity_parameters_of_unknown_fate_are_never_sent_again() -> None:
    """They are sealed for one SCP03 session: only the SM-DP can make them anew."""
    taken = send_data.step(carried().state, s.outcome("procedure/1", "unknown"), s.context())
    assert s.reply(taken).code == "1.6/5.4"
    assert not s.commands(taken)
    error = s.outcome("procedure/1", "answered", script=s.raw_script(b"\x23\x02\x69\x82"))
    assert s.reply(send_data.step(carried().state, error, s.context())).code == "8.3/4.2"
