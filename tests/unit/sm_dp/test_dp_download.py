"""The download step by step: every phase, every kind of answer (SGP.02 3.1.1 to 3.1.5)."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from ferryman.codec import ids, tlv
from ferryman.contracts import codes, crypto, es3
from ferryman.contracts.eis import EIS, SEGMENT, ProfileInfo, ProfileState, Property
from ferryman.contracts.holds import BEFORE_DOWNLOAD
from ferryman.contracts.message import Header
from ferryman.contracts.status import SUCCESS, Status, expired, failed, warning
from ferryman.platform.procedure import (
    Answered,
    Apply,
    Ask,
    Begin,
    Context,
    Done,
    Received,
    Send,
    SetTimer,
    Signalled,
    Step,
    TimerFired,
)
from ferryman.sm_dp.procedures import answers, download
from ferryman.sm_dp.procedures.state import State, call_id, finish, replace
from ferryman.sm_dp.records import DPSettings, Facts, FinishOrder, Package, StorePackage

EID, ICCID, AID = "89033023000000000061494360000191", "8988211000000000011", ids.isdp_aid(0x11)
NOW = 1_795_000_000.0
PACKAGE = Package(b"\x85\x01\x00", tuple(tlv.encode(0x86, bytes((n,))) for n in range(10)))
LOST = failed(*codes.DELIVERED_NO_RESPONSE, "no answer")
BAD = failed(*codes.ISDP_ERROR, "the card reported an error")
EXPIRED = expired("late")
INSTALLED = bytes.fromhex("3007A0053003800100")
PHASES = {
    "", "get-eis", "cleaning", "checking", "creating", "preparing", "certifying", "establishing", "established",
    "opening", "protecting", "loading", "asking", "installed", "completing", "enabling", "deleting", "ended",
}  # fmt: skip


def fresh(**changes: Any) -> State:
    values: dict[str, Any] = {
        "order_id": "order", "smdp_id": "dp", "owner": "mno", "eid": EID, "iccid": ICCID, "imsi": "1",
        "msisdn": "2",
        "profile_type": "demo", "enable": True, "deadline": NOW + 3600.0, "validity": 3600.0,
    }  # fmt: skip
    return State(**{**values, **changes})


def step(state: State, event: Any, *, now: float = NOW, **facts: Any) -> Step[State]:
    values: dict[str, Any] = {"settings": DPSettings(), "template": b"t", "package": PACKAGE, "template_memory": 9}
    context = Context("download/order", EID, None, now, bytes(range(32)), Facts(**{**values, **facts}))
    return download.step(state, event, context)


def answer(state: State, body: Any, **changes: Any) -> Step[State]:
    header = Header(
        message_id="m", sender="sm-sr", requester="dp", function_call_id=call_id(state), deadline=NOW, eid=EID
    )
    return step(state, Received(header, body), **changes)


def said(state: State, tag: str, reply: Any = None, refusal: Any = None, **changes: Any) -> Step[State]:
    return step(state, Answered(tag, reply=reply, refusal=refusal), **changes)


def eis(*profiles: ProfileInfo, **changes: Any) -> EIS:
    values: dict[str, Any] = {
        "eid": EID, "eum_id": "eum", "platform_type": "sim", "platform_version": "1", "smsr_id": "sr",
        "remote_provisioning_version": "3.2.0", "http_support": True, "cattp_support": False,
        "remaining_memory": 100_000, "available_memory": 100_000, "profiles": profiles,
    }  # fmt: skip
    return EIS(**{**values, **changes})


def profile(iccid: str = ICCID, state: ProfileState = ProfileState.CREATED) -> ProfileInfo:
    return ProfileInfo(iccid=iccid, isdp_aid=AID, owner="mno", state=state)


def sent(taken: Step[State]) -> Any:
    found = [e.body for e in taken.effects if isinstance(e, Send)]
    assert len(found) == 1, taken.effects
    return found[0]


def sends(taken: Step[State]) -> list[Any]:
    return [e.body for e in taken.effects if isinstance(e, Send)]


def asks(taken: Step[State]) -> list[Any]:
    return [e.body for e in taken.effects if isinstance(e, Ask)]


def end(taken: Step[State]) -> FinishOrder:
    found = [e.change for e in taken.effects if isinstance(e, Apply) and isinstance(e.change, FinishOrder)]
    assert len(found) == 1, taken.effects
    assert any(isinstance(e, Done) for e in taken.effects)
    return found[0]


def data(status: Any, *objects: bytes) -> es3.ES3SendDataResponse:
    return es3.ES3SendDataResponse(status=status, euicc_response=b"".join(objects))


def apdu(sw: int, body: bytes = b"") -> bytes:
    return tlv.encode(0x23, body + sw.to_bytes(2))


CHALLENGE = tlv.encode(0x85, bytes(16))
RECEIPT = tlv.encode(0x86, bytes(16))
UPDATE = tlv.encode(0x84, bytes(32))
CERTIFIED = crypto.SigningKey(public_key_pem=b"", certificate=b"c")
SIGNED = crypto.KeyParametersSigned(ephemeral_public_key=b"\x04" + bytes(64), signature=bytes(64))
PROTECTED = crypto.ProfileProtected(
    external_authenticate=PACKAGE.external_authenticate, segments=PACKAGE.segments, profile_bytes=9
)
ELEMENTS = tuple(
    crypto.PackageElement(*one)
    for one in (("header", -1, 0), ("mf", 1, 0), ("pinCodes", 2, 1), ("usim", 5, 4), ("end", 9, 9))
)
ABORTED = bytes.fromhex("300CA00830068001048101058100")
TAGS = {
    "preparing": "certificate",
    "certified": "sign",
    "deriving": "derive",
    "session": "open",
    "protecting": "protect",
}


# -- the way --------------------------------------------------------------------------------------------------


def at(phase: str, **changes: Any) -> State:
    """The state of an order that came so far without trouble."""
    taken = step(fresh(**changes), Begin())
    walk: list[tuple[str, Any]] = [
        ("get-eis", lambda t: answer(t.state, es3.ES3GetEISResponse(status=SUCCESS, eis=eis()))),
        ("checking", lambda t: said(t.state, "verify", crypto.EUICCVerified(ecasd_public_key=b"pk"))),
        ("creating", lambda t: answer(t.state, es3.ES3CreateISDPResponse(status=SUCCESS, isdp_aid=AID))),
        ("preparing", lambda t: said(t.state, "certificate", CERTIFIED)),
        ("certifying", lambda t: answer(t.state, data(SUCCESS, apdu(0x9000), apdu(0x9000, CHALLENGE)))),
        ("certified", lambda t: said(t.state, "sign", SIGNED)),
        ("establishing", lambda t: answer(t.state, data(SUCCESS, apdu(0x9000, RECEIPT)))),
        ("deriving", lambda t: said(t.state, "derive", crypto.Stored())),
        ("session", lambda t: said(t.state, "open", crypto.SCP03tOpened(initialize_update=UPDATE))),
        ("opening", lambda t: answer(t.state, data(SUCCESS, UPDATE))),
        ("protecting", lambda t: said(t.state, "protect", PROTECTED)),
        ("loading", lambda t: answer(t.state, data(SUCCESS, b"\x85\x00", *[b"\x86\x00"] * 8))),
        ("last", lambda t: answer(t.state, data(SUCCESS, b"\x86\x00", b"\x86\x01\x01"))),
        ("result", lambda t: said(t.state, "result", crypto.ProfileResult(euicc_response=INSTALLED))),
        ("completing", lambda t: answer(t.state, es3.ES3ProfileDownloadCompletedResponse(status=SUCCESS))),
    ]  # fmt: skip
    for name, move in walk:
        if name == phase:
            return taken.state
        taken = move(taken)
    assert phase == "enabling"
    return taken.state


def test_the_whole_way() -> None:
    taken = answer(at("enabling"), es3.ES3EnableProfileResponse(status=SUCCESS))
    ended = end(taken)
    assert ended.status == SUCCESS
    assert (ended.installed, ended.isdp_aid, ended.pe_statuses) == (True, AID, ("ok",))
    alone = answer(at("completing", enable=False), es3.ES3ProfileDownloadCompletedResponse(status=SUCCESS))
    assert end(alone).status == SUCCESS


def test_calls_have_names_and_periods_of_their_own() -> None:
    taken = step(fresh(), Begin())
    call = next(e for e in taken.effects if isinstance(e, Send))
    assert (call.function_call_id, call.requester) == ("order-1", "dp")
    assert call.deadline == NOW + 3600.0 - 60.0, "ends before the order does"
    other = Header(message_id="m", sender="s", requester="dp", function_call_id="order-9", deadline=NOW, eid=EID)
    body = es3.ES3GetEISResponse(status=SUCCESS, eis=eis())
    assert step(taken.state, Received(other, body)) == Step(taken.state)
    assert answer(taken.state, es3.ES3DeleteISDPResponse(status=SUCCESS)) == Step(taken.state)
    assert step(taken.state, Signalled("x", "y")) == Step(taken.state)


def test_segments_leave_in_order_and_the_last_message_says_so() -> None:
    first = said(at("protecting"), "protect", PROTECTED)  # fmt: skip
    assert sent(first).data == b"\x85\x01\x00" + b"".join(PACKAGE.segments[:8])
    assert sent(first).more_to_do
    assert any(isinstance(e, Apply) and isinstance(e.change, StorePackage) for e in first.effects)
    alone = b"\x86\x08" + bytes(8)  # nothing but an R-MAC, as SCP03 has it for an answer without data
    second = answer(first.state, data(SUCCESS, b"\x85\x00", alone, *[b"\x86\x00"] * 7))
    assert sent(second).data == b"".join(PACKAGE.segments[8:])
    assert not sent(second).more_to_do
    result = answer(second.state, data(SUCCESS, b"\x86\x00", b"\x86\x01\x01"))
    assert asks(result)[0].segments == PACKAGE.segments


# -- before there is an ISD-P ---------------------------------------------------------------------------------


def test_time_is_over_before_it_begins() -> None:
    assert end(step(fresh(), Begin(), now=NOW + 3600.0)).status.status is Status.EXPIRED
    assert end(step(fresh(), TimerFired("deadline"))).status.status is Status.EXPIRED


@pytest.mark.parametrize("status", [failed(*codes.EID_UNKNOWN, "no"), SUCCESS])
def test_no_eis(status: Any) -> None:
    assert end(answer(at("get-eis"), es3.ES3GetEISResponse(status=status))).status.code == "8.1.1/3.9"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"remote_provisioning_version": "4.0.0"}, "8.2.1/2.1"),
        ({"remaining_memory": 100}, "8.1/4.8"),
    ],
)
def test_not_eligible(changes: dict[str, Any], expected: str) -> None:
    checked = answer(at("get-eis"), es3.ES3GetEISResponse(status=SUCCESS, eis=eis(**changes)))
    taken = said(checked.state, "verify", crypto.EUICCVerified(ecasd_public_key=b"pk"))
    assert end(taken).status.code == expected
    signature = said(checked.state, "verify", refusal=failed(*codes.EUM_SIGNATURE, "bad"))
    assert end(signature).status.code == "8.6/6.1", "the signature comes first"


def test_type_of_card_not_approved() -> None:
    body = es3.ES3GetEISResponse(status=SUCCESS, eis=eis())
    checked = answer(at("get-eis"), body, settings=DPSettings(approved_platforms=("other",)))
    assert (
        end(said(checked.state, "verify", crypto.EUICCVerified(ecasd_public_key=b""))).status.code == "8.2.5/2.1"
    )
    assert end(said(at("checking"), "verify", crypto.Stored())).status.code == "8.1.1/3.9"


def test_left_overs_go_first() -> None:
    body = es3.ES3GetEISResponse(status=SUCCESS, eis=eis(profile("1"), profile("2"), profile("3")))
    one = answer(at("get-eis"), body, installed=frozenset({"3"}))
    assert sent(one) == es3.ES3DeleteISDP(eid=EID, iccid="1")
    two = answer(one.state, es3.ES3DeleteISDPResponse(status=BAD))
    assert sent(two) == es3.ES3DeleteISDP(eid=EID, iccid="2")
    again = answer(two.state, es3.ES3DeleteISDPResponse(status=SUCCESS))
    assert isinstance(sent(again), es3.ES3GetEIS)
    once = answer(again.state, es3.ES3GetEISResponse(status=SUCCESS, eis=eis(profile("1"))))
    assert asks(once), "one that stays does not stop the download"


def test_left_over_of_our_own_iccid_that_stays_is_in_the_way() -> None:
    one = answer(at("get-eis"), es3.ES3GetEISResponse(status=SUCCESS, eis=eis(profile())))
    assert end(answer(one.state, es3.ES3DeleteISDPResponse(status=BAD))).status == BAD


def test_the_eis_of_another_card_is_no_answer() -> None:
    """Its maker's signature is good, and its key is that of a card that the Operator has not named."""
    asking = fresh(phase="get-eis", calls=1)
    other = eis(eid="89033023000000000061494360000288")
    ended = end(answer(asking, es3.ES3GetEISResponse(status=SUCCESS, eis=other)))
    assert (ended.status.code, ended.status.identifier, ended.installed) == ("1.2/4.2", EID, False)


def test_an_isdp_without_a_name_is_deleted() -> None:
    taken = answer(fresh(phase="creating", calls=1), es3.ES3CreateISDPResponse(status=SUCCESS))
    assert sent(taken) == es3.ES3DeleteISDP(eid=EID, iccid=ICCID)
    ended = end(answer(taken.state, es3.ES3DeleteISDPResponse(status=SUCCESS)))
    assert (ended.status.code, ended.isdp_aid) == ("1.2/4.2", b"")


def test_create_refused_and_expired() -> None:
    refused = answer(at("creating"), es3.ES3CreateISDPResponse(status=BAD))
    assert end(refused).status == BAD
    late = answer(at("creating"), es3.ES3CreateISDPResponse(status=EXPIRED))
    assert isinstance(sent(late), es3.ES3DeleteISDP), "nobody knows whether it is there"
    assert end(answer(late.state, es3.ES3DeleteISDPResponse(status=SUCCESS))).status == EXPIRED
    silent = step(at("creating"), TimerFired("last-word"))
    assert isinstance(sent(silent), es3.ES3DeleteISDP)


# -- between CreateISDP and the report: every error deletes the ISD-P and is the one reported -----------------

AFTER_CREATION: list[tuple[str, Any]] = [
    ("certifying", data(BAD, apdu(0x6982))),
    ("certifying", data(EXPIRED)),
    ("certifying", data(SUCCESS, apdu(0x9000))),
    ("certifying", data(SUCCESS, apdu(0x6A80))),
    ("certifying", data(SUCCESS)),
    ("certifying", data(SUCCESS, *[apdu(0x9000)] * 3)),
    ("certifying", data(SUCCESS, b"\x23\x7f")),
    ("establishing", data(BAD, apdu(0x6982))),
    ("establishing", data(SUCCESS, apdu(0x9000, CHALLENGE))),
    ("opening", data(BAD, b"\x9f\x44\x01\x03")),
    ("opening", data(SUCCESS, b"\x85\x00")),
    ("opening", data(SUCCESS, b"\x84")),
    ("opening", data(EXPIRED)),
    ("loading", data(BAD, b"\x9f\x46\x01\x01")),
    ("loading", data(BAD, b"\x90\x01\x01")),
    ("loading", data(BAD, b"\x7f")),
    ("loading", data(failed("8.1", "5.1", "away"))),
    ("last", data(SUCCESS, b"\x86\x00", b"\x86\x00")),
    ("last", data(SUCCESS, b"\x86")),
]


@pytest.mark.parametrize(("phase", "body"), AFTER_CREATION)
def test_error_deletes_the_isdp_and_is_reported(phase: str, body: es3.ES3SendDataResponse) -> None:
    taken = answer(at(phase), body)
    assert sent(taken) == es3.ES3DeleteISDP(eid=EID, iccid=ICCID)
    first = taken.state.result
    assert first is not None
    assert not first.ok
    gone = answer(taken.state, es3.ES3DeleteISDPResponse(status=SUCCESS))
    assert asks(gone) == [crypto.DestroyKeys(prefix=f"isdp/{EID}/{AID.hex().upper()}")]
    ended = end(said(gone.state, "destroy", crypto.Stored()))
    assert (ended.status, ended.installed, ended.isdp_aid) == (first, False, b"")
    left = answer(taken.state, es3.ES3DeleteISDPResponse(status=BAD))
    assert end(left).status == first, "whatever became of the clean-up"


@pytest.mark.parametrize("phase", ["preparing", "certified", "deriving", "session", "protecting", "result"])
def test_refusal_of_the_crypto_server(phase: str) -> None:
    tag = TAGS.get(phase, "result")
    taken = said(at(phase), tag, refusal=failed("8.3", "6.1", "wrong receipt"))
    assert isinstance(sent(taken), es3.ES3DeleteISDP)
    strange = said(at(phase), tag, crypto.PSK(key=b""))
    assert isinstance(sent(strange), es3.ES3DeleteISDP)


def test_no_certificate_and_no_package() -> None:
    none = said(at("preparing"), "certificate", crypto.SigningKey(public_key_pem=b"", certificate=b""))
    assert "certificate import" in str(none.state.result)
    missing = answer(at("loading"), data(SUCCESS, b"\x86\x00"), package=None)
    assert isinstance(sent(missing), es3.ES3DeleteISDP)


@pytest.mark.parametrize(
    ("phase", "body", "begins"),
    [
        ("certifying", data(LOST), "MakeSigningKey"),
        ("establishing", data(LOST), "MakeSigningKey"),
        ("establishing", data(BAD, apdu(0x6985)), "MakeSigningKey"),
        ("establishing", data(BAD, b"\x83\x01\x01"), "MakeSigningKey"),
        ("opening", data(LOST), "OpenSCP03t"),
        ("loading", data(LOST), "OpenSCP03t"),
        ("loading", data(BAD, b"\x9f\x45\x01\x02"), "OpenSCP03t"),
        ("loading", data(BAD, b"\x9f\x46\x01\x02"), "OpenSCP03t"),
        ("loading", data(BAD, b"\x83\x01\x01"), "OpenSCP03t"),
    ],
)
def test_what_the_card_lost_begins_anew_a_few_times(phase: str, body: Any, begins: str) -> None:
    state = at(phase)
    taken = answer(state, body)
    assert [type(question).__name__ for question in asks(taken)] == [begins]
    given_up = answer(replace(state, attempts=DPSettings().session_attempts), body)
    assert isinstance(sent(given_up), es3.ES3DeleteISDP)


def test_a_package_begun_anew_begins_with_its_first_segment() -> None:
    """The counter was stale when the first message came, or the session went with the second one."""
    second = answer(at("loading"), data(SUCCESS, b"\x85\x00", *[b"\x86\x00"] * 8))
    assert len(sent(second).data) < len(b"".join(PACKAGE.segments[:8]))
    for state, refused in ((at("loading"), b"\x9f\x45\x01\x02"), (second.state, b"\x9f\x46\x01\x02")):
        lost = answer(state, data(BAD, refused))
        opened = said(lost.state, "open", crypto.SCP03tOpened(initialize_update=UPDATE))
        anew = said(answer(opened.state, data(SUCCESS, UPDATE)).state, "protect", PROTECTED)
        assert sent(anew).data == PACKAGE.external_authenticate + b"".join(PACKAGE.segments[:8])


@pytest.mark.parametrize(
    ("of_type", "ours", "expected"), [("", 1007, 1007), ("200", 1007, 200), ("500", 300, 300)]
)
def test_segments_are_as_the_type_of_the_card_wants_them(of_type: str, ours: int, expected: int) -> None:
    said_by_the_sm_sr = eis(properties=(Property(SEGMENT, of_type),) if of_type else ())
    asked = answer(at("get-eis"), es3.ES3GetEISResponse(status=SUCCESS, eis=said_by_the_sm_sr))
    state = replace(at("opening"), segment=asked.state.segment)
    taken = answer(state, data(SUCCESS, UPDATE), settings=DPSettings(segment=ours))
    assert [question.segment for question in asks(taken)] == [expected]


@pytest.mark.parametrize(("limit", "until"), [(100.0, NOW + 100.0), (9_999.0, NOW + 3600.0)])
def test_a_hold_before_the_download_ends_with_the_order_at_the_latest(limit: float, until: float) -> None:
    taken = step(fresh(holds=(BEFORE_DOWNLOAD,), hold_limit=limit), Begin())
    assert [(e.name, e.at) for e in taken.effects if isinstance(e, SetTimer)] == [("hold", until)]


def test_refused_certificate_is_no_lost_challenge() -> None:
    assert isinstance(sent(answer(at("certifying"), data(BAD, apdu(0x6985)))), es3.ES3DeleteISDP)


def test_abort_is_reported_though_the_card_refuses_the_rest() -> None:
    body = data(BAD, b"\x85\x00", b"\x86\x00", b"\x86\x01\x01", b"\x9f\x46\x01\x02")
    taken = answer(at("loading"), body)
    assert asks(taken)[0].segments == PACKAGE.segments[:2]
    aborted = said(taken.state, "result", crypto.ProfileResult(euicc_response=ABORTED))
    assert aborted.state.pe_statuses == ("PE 5: not-enough-memory",)
    named = Package(PACKAGE.external_authenticate, PACKAGE.segments, ELEMENTS)
    aborted = said(taken.state, "result", crypto.ProfileResult(euicc_response=ABORTED), package=named)
    assert aborted.state.pe_statuses == ("PE 5 usim: not-enough-memory",)
    assert aborted.state.result is not None
    assert aborted.state.result.message.endswith("refused the profile: aborted; PE 5 usim: not-enough-memory")
    nameless = bytes.fromhex("3009A00530038001048100")
    aborted = said(taken.state, "result", crypto.ProfileResult(euicc_response=nameless), package=named)
    assert aborted.state.result is not None
    assert aborted.state.result.message.endswith("aborted; not-enough-memory (in segment 2: pinCodes, usim)")
    assert isinstance(sent(aborted), es3.ES3DeleteISDP)
    nonsense = said(at("result"), "result", crypto.ProfileResult(euicc_response=b"?"))
    assert isinstance(sent(nonsense), es3.ES3DeleteISDP)


def test_installed_with_a_warning() -> None:
    der = bytes.fromhex("300FA00D 3006 800101 810163 3003 800100".replace(" ", ""))
    taken = said(at("result"), "result", crypto.ProfileResult(euicc_response=der))
    assert isinstance(sent(taken), es3.ES3ProfileDownloadCompleted)
    done = answer(taken.state, es3.ES3ProfileDownloadCompletedResponse(status=SUCCESS))
    assert end(answer(done.state, es3.ES3EnableProfileResponse(status=SUCCESS))).status.status is Status.WARNING


# -- the last answer is lost ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "profiles", "then"),
    [
        (SUCCESS, (profile(state=ProfileState.DISABLED),), "ES3ProfileDownloadCompleted"),
        (SUCCESS, (profile(),), "again"),
        (SUCCESS, (), "again"),
        (LOST, (), "ES3AuditEIS"),
        (EXPIRED, (), "ES3DeleteISDP"),
    ],
)
def test_last_answer_lost(status: Any, profiles: tuple[ProfileInfo, ...], then: str) -> None:
    asked = answer(at("last"), data(LOST))
    assert sent(asked) == es3.ES3AuditEIS(eid=EID, iccids=(ICCID,))
    found = eis(*profiles) if status.ok else None
    taken = answer(asked.state, es3.ES3AuditEISResponse(status=status, eis=found))
    # A profile that is there serves nobody else: its secrets go.
    gone = ["DestroyKeys"] if then == "ES3ProfileDownloadCompleted" else []
    expected = ["OpenSCP03t" if then == "again" else then, *gone]
    assert [type(b).__name__ for b in (*sends(taken), *asks(taken))] == expected
    if then == "again":
        tired = replace(asked.state, attempts=DPSettings().session_attempts)
        ended = answer(tired, es3.ES3AuditEISResponse(status=status, eis=found))
        assert ended.state.result == failed(*codes.DELIVERED_NO_RESPONSE, "the card did not answer")


def test_question_whose_answer_is_lost_is_put_again_and_not_for_ever() -> None:
    """It changes nothing, and giving up would delete what is perhaps installed."""
    taken, calls = answer(at("last"), data(LOST)), set[str]()
    for _ in range(DPSettings().session_attempts):
        assert sent(taken) == es3.ES3AuditEIS(eid=EID, iccids=(ICCID,))
        calls.add(call_id(taken.state))
        taken = answer(taken.state, es3.ES3AuditEISResponse(status=LOST))
    assert len(calls) == DPSettings().session_attempts, "each a call of its own"
    assert isinstance(sent(taken), es3.ES3DeleteISDP)
    installed = es3.ES3AuditEISResponse(status=SUCCESS, eis=eis(profile(state=ProfileState.DISABLED)))
    once = answer(answer(at("last"), data(LOST)).state, es3.ES3AuditEISResponse(status=LOST))
    assert isinstance(sent(answer(once.state, installed)), es3.ES3ProfileDownloadCompleted)


# -- behind the installation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [BAD, EXPIRED])
def test_report_refused_is_no_reason_to_delete(status: Any) -> None:
    taken = answer(at("completing"), es3.ES3ProfileDownloadCompletedResponse(status=status))
    assert not sends(taken)
    ended = end(taken)
    assert ended.installed
    assert ended.status.code == status.code


@pytest.mark.parametrize("status", [failed("8.4", "4.2", "rolled back"), EXPIRED, warning("8.4", "4.2", "odd")])
def test_enable_failed_is_a_warning_with_its_codes(status: Any) -> None:
    ended = end(answer(at("enabling"), es3.ES3EnableProfileResponse(status=status)))
    assert ended.status.status is Status.WARNING
    assert ended.status.code == status.code
    assert ended.installed


def test_pol1_keeps_a_profile_that_should_be_deleted() -> None:
    failing = answer(at("last"), data(SUCCESS, b"\x86\x00", b"\x86\x00"))
    kept = answer(failing.state, es3.ES3DeleteISDPResponse(status=failed(*codes.POL1_REFUSES, "no")))
    assert isinstance(sent(kept), es3.ES3ProfileDownloadCompleted)
    ended = end(answer(kept.state, es3.ES3ProfileDownloadCompletedResponse(status=SUCCESS)))
    assert ended.installed
    assert ended.status.status is Status.WARNING


# -- time -----------------------------------------------------------------------------------------------------


def test_deadline_waits_for_the_last_word() -> None:
    taken = step(at("loading"), TimerFired("deadline"), now=NOW + 3600)
    timers = [(e.name, e.at) for e in taken.effects if isinstance(e, SetTimer)]
    assert timers == [("last-word", NOW + 3600 + download.LAST_WORD_TIME)]
    silent = step(taken.state, TimerFired("last-word"), now=NOW + 4500)
    assert isinstance(sent(silent), es3.ES3DeleteISDP)
    assert end(step(silent.state, TimerFired("last-word"), now=NOW + 6000)).status.status is Status.EXPIRED
    ended = replace(silent.state, phase=download.ENDED)
    assert step(ended, TimerFired("last-word")) == Step(ended)
    assert step(ended, TimerFired("another")) == Step(ended)


def test_an_order_ends_with_a_result() -> None:
    with pytest.raises(ValueError, match="result"):
        finish(fresh())


# -- reading answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (apdu(0x6985), "status word 6985"),
        (b"\x9f\x46\x01\x02", "profile segment refused: security"),
        (b"\x9f\x44\x01\x77", "INITIALIZE UPDATE refused: code 77"),
        (b"\x83\x01\x01", "script chain lost: structure or length"),
        (b"\x86\x00", ""),
    ],
)
def test_error_in_words(raw: bytes, words: str) -> None:
    assert answers.error_of(raw) == words


def test_answers_that_are_none() -> None:
    assert answers.error_of(b"\x86\x7f")
    assert not answers.session_lost(b"\x86\x7f")
    assert not answers.reports(b"\x86\x7f")
    assert not answers.challenge_lost(b"\x86\x7f")
    assert not answers.challenge_lost(b"")


# -- anything -------------------------------------------------------------------------------------------------

STATUSES = st.sampled_from(
    [SUCCESS, BAD, LOST, EXPIRED, failed(*codes.POL1_REFUSES, "no"), warning("8.4", "4.2", "odd")]
)
RESPONSES = st.lists(
    st.sampled_from([apdu(0x9000), apdu(0x9000, CHALLENGE), apdu(0x9000, RECEIPT), apdu(0x6985), UPDATE,
                     b"\x86\x00", b"\x86\x01\x01", b"\x9f\x46\x01\x02", b"\x83\x01\x01", b"\x86\x7f"]), max_size=4,
)  # fmt: skip
BODIES = st.one_of(
    st.tuples(STATUSES, RESPONSES).map(lambda p: data(p[0], *p[1])),
    STATUSES.map(lambda v: es3.ES3CreateISDPResponse(status=v, isdp_aid=AID if v.ok else b"")),
    STATUSES.map(lambda v: es3.ES3DeleteISDPResponse(status=v)),
    STATUSES.map(lambda v: es3.ES3EnableProfileResponse(status=v)),
    STATUSES.map(lambda v: es3.ES3ProfileDownloadCompletedResponse(status=v)),
    STATUSES.map(lambda v: es3.ES3GetEISResponse(status=v, eis=eis(profile()) if v.ok else None)),
    STATUSES.map(lambda v: es3.ES3AuditEISResponse(status=v, eis=eis(profile()) if v.ok else None)),
)
START = [
    "get-eis",
    "creating",
    "certifying",
    "establishing",
    "opening",
    "loading",
    "last",
    "completing",
    "enabling",
]


@settings(max_examples=200, deadline=None)
@given(
    start=st.sampled_from(START),
    events=st.lists(st.one_of(BODIES, st.sampled_from(["deadline", "last-word"])), max_size=10),
)
def test_any_answer_in_any_phase(start: str, events: list[Any]) -> None:
    """Never raises, ends once, in a declared phase; one call at a time, each with a name of its own."""
    state, names, ended = at(start), set(), 0
    for event in events:
        taken = step(state, TimerFired(event)) if isinstance(event, str) else answer(state, event)
        state = taken.state
        assert state.phase in PHASES
        msgspec.json.decode(msgspec.json.encode(state), type=State)
        calls = [e for e in taken.effects if isinstance(e, Send)]
        assert len(calls) <= 1
        for call in calls:
            assert call.function_call_id not in names
            names.add(call.function_call_id)
            assert not (state.installed and isinstance(call.body, es3.ES3DeleteISDP)), "an installed profile stays"
        if any(isinstance(e, Done) for e in taken.effects):
            ended += 1
            assert end(taken).installed == state.installed
            break
    assert ended <= 1
