"""ES2 functions by way of ES3, step by step: whose profile, which function, what the Operator hears."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ferryman.codec import ids
from ferryman.contracts import codes, crypto, es2, es3, v4
from ferryman.contracts.eis import EIS, PolicyRule, ProfileInfo, ProfileState
from ferryman.contracts.es2_calls import (
    CALLS,
    ES2AuditEIS,
    ES2SetFallBackAttribute,
    UpdateConnectivityParameters,
)
from ferryman.contracts.message import Header
from ferryman.contracts.roles import SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import SUCCESS, ExecutionStatus, Status, expired, failed, warning
from ferryman.platform.procedure import (
    DEADLINE,
    Answered,
    Apply,
    Ask,
    Begin,
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
from ferryman.sm_dp.operator_port import notice_of
from ferryman.sm_dp.procedures import relay
from ferryman.sm_dp.records import DPSettings, Facts, ProfileGone

EID, ICCID, OTHER = "89033023000000000061494360000191", "8988211000000000011", "8988211000000000029"
AID = ids.isdp_aid(0x11)
NOW = 1_795_000_000.0
RULES = (PolicyRule("DISABLE", "Not-Allowed"),)
FUNCTIONS: list[tuple[Any, Any, Any]] = [
    (es2.ES2EnableProfile(eid=EID, smsr_id="", iccid=ICCID), es3.ES3EnableProfile(eid=EID, iccid=ICCID),
     es3.ES3EnableProfileResponse),
    (es2.ES2DisableProfile(eid=EID, smsr_id="", iccid=ICCID), es3.ES3DisableProfile(eid=EID, iccid=ICCID),
     es3.ES3DisableProfileResponse),
    (es2.ES2DeleteProfile(eid=EID, smsr_id="", iccid=ICCID), es3.ES3DeleteISDP(eid=EID, iccid=ICCID),
     es3.ES3DeleteISDPResponse),
    (ES2SetFallBackAttribute(eid=EID, smsr_id="", iccid=ICCID), v4.ES3SetFallBackAttribute(eid=EID, iccid=ICCID),
     v4.ES3SetFallBackAttributeResponse),
    (es2.ES2UpdatePolicyRules(eid=EID, smsr_id="", iccid=ICCID, pol2=RULES),
     es3.ES3UpdatePolicyRules(eid=EID, iccid=ICCID, pol2=RULES), es3.ES3UpdatePolicyRulesResponse),
    (es2.ES2UpdateSubscriptionAddress(eid=EID, smsr_id="", iccid=ICCID, msisdn="33"),
     es3.ES3UpdateSubscriptionAddress(eid=EID, iccid=ICCID, msisdn="33"),
     es3.ES3UpdateSubscriptionAddressResponse),
]  # fmt: skip


def state(call: Any, **changes: Any) -> relay.State:
    values: dict[str, Any] = {"name": "n", "smdp_id": "dp", "owner": "mno", "call": call, "deadline": NOW + 100.0,
                              "began": NOW}  # fmt: skip
    return relay.State(**{**values, **changes})


def step(at: relay.State, event: Any, *, facts: Facts | None = None) -> Step[relay.State]:
    return relay.step(at, event, Context("relay/n", EID, None, NOW, bytes(32), facts))


def answer(at: relay.State, body: Any, *, facts: Facts | None = None) -> Step[relay.State]:
    header = Header(
        message_id="m", sender=SM_SR, requester="dp", function_call_id=relay.call_id(at), deadline=NOW, eid=EID
    )
    return step(at, Received(header, body), facts=facts)


def eis(*profiles: ProfileInfo) -> EIS:
    return EIS(
        eid=EID, eum_id="eum", platform_type="t", platform_version="1", remote_provisioning_version="3.2.0",
        http_support=True, cattp_support=False, remaining_memory=1, available_memory=1, smsr_id="sr",
        profiles=profiles, signed_info=b"signed", audit_trail=(),
    )  # fmt: skip


def profile(iccid: str = ICCID, owner: str = "mno") -> ProfileInfo:
    return ProfileInfo(iccid=iccid, isdp_aid=AID, owner=owner, state=ProfileState.DISABLED)


def looked(call: Any, *profiles: ProfileInfo, **changes: Any) -> Step[relay.State]:
    begun = step(state(call, **changes), Begin())
    assert sent(begun).body == es3.ES3GetEIS(eid=EID)
    return answer(begun.state, es3.ES3GetEISResponse(status=SUCCESS, eis=eis(*profiles)))


def sent(taken: Step[relay.State]) -> Send:
    (found,) = [effect for effect in taken.effects if isinstance(effect, Send)]
    return found


def replied(taken: Step[relay.State]) -> Any:
    (found,) = [effect.body for effect in taken.effects if isinstance(effect, Reply)]
    assert any(isinstance(effect, Done) for effect in taken.effects)
    return found


@pytest.mark.parametrize(("call", "function", "response"), FUNCTIONS)
@pytest.mark.parametrize("status", [SUCCESS, failed("8.2.3", "3.8", "POL2"), warning("8.4", "4.2", "gone")])
def test_each_function_is_asked_for_and_its_result_handed_on(
    call: Any, function: Any, response: Any, status: Any
) -> None:
    asked = looked(call, profile())
    message = sent(asked)
    assert (message.dest, message.body, message.requester) == (SM_SR, function, "dp")
    assert message.deadline < NOW + 100.0, "the SM-SR answers before the Operator stops waiting"
    assert message.function_call_id == "es2.n-2"
    taken = answer(asked.state, response(status=status))
    if isinstance(call, es2.ES2DeleteProfile) and status.ok:
        questions = [effect.body for effect in taken.effects if isinstance(effect, Ask)]
        assert questions == [crypto.DestroyKeys(prefix=f"isdp/{EID}/{AID.hex().upper()}")]
        changes = [effect.change for effect in taken.effects if isinstance(effect, Apply)]
        assert changes == [ProfileGone(EID, ICCID)]
        taken = step(taken.state, Answered("destroy", reply=crypto.Stored()))
    assert replied(taken) == relay.RESPONSES[type(call)](status=status)


@pytest.mark.parametrize(("call", "function", "response"), FUNCTIONS)
def test_profiles_of_others_are_left_alone(call: Any, function: Any, response: Any) -> None:
    assert replied(looked(call)).status.code == "8.2.1/3.9"
    assert replied(looked(call, profile(OTHER))).status.code == "8.2.1/3.9"
    assert replied(looked(call, profile(owner="another"))).status.code == "8.2.1/1.2"


def test_the_operator_sees_its_own_profiles() -> None:
    call = es2.ES2GetEIS(eid=EID, smsr_id="")
    shown = replied(looked(call, profile(), profile(OTHER, "another"))).eis
    assert [p.iccid for p in shown.profiles] == [ICCID]
    assert (shown.signed_info, shown.audit_trail) == (b"signed", None)
    begun = step(state(call), Begin())
    unknown = answer(begun.state, es3.ES3GetEISResponse(status=failed(*codes.EID_UNKNOWN, "no")))
    assert replied(unknown).status.code == "8.1.1/3.9"
    others = msgspec.structs.replace(eis(profile()), eid="89033023000000000061494360000288")
    for found in (None, others):  # of another card than was asked for
        wrong = replied(answer(begun.state, es3.ES3GetEISResponse(status=SUCCESS, eis=found)))
        assert (wrong.status.code, wrong.eis) == ("1.2/4.2", None)


def test_audit() -> None:
    mine, theirs = profile(), profile(OTHER, "another")
    everything = looked(ES2AuditEIS(eid=EID, smsr_id=""), mine, theirs)
    assert sent(everything).body == es3.ES3AuditEIS(eid=EID, iccids=(ICCID,))
    done = answer(everything.state, es3.ES3AuditEISResponse(status=SUCCESS, eis=eis(mine, theirs)))
    assert [p.iccid for p in replied(done).eis.profiles] == [ICCID]
    others = msgspec.structs.replace(eis(mine), eid="89033023000000000061494360000288")
    wrong = replied(answer(everything.state, es3.ES3AuditEISResponse(status=SUCCESS, eis=others)))
    assert (wrong.status.code, wrong.eis) == ("1.2/4.2", None)
    foreign = looked(ES2AuditEIS(eid=EID, smsr_id="", iccids=(OTHER,)), mine, theirs)
    assert replied(foreign).status.code == "8.2/1.2"
    assert replied(looked(ES2AuditEIS(eid=EID, smsr_id=""), theirs)).status.code == "8.2.1/3.9"
    late = failed(*codes.DELIVERED_NO_RESPONSE, "no answer")
    lost = answer(everything.state, es3.ES3AuditEISResponse(status=late))
    assert replied(lost).eis is None


def test_a_foreign_sm_sr_is_reached_by_the_gateway() -> None:
    call = es2.ES2GetEIS(eid=EID, smsr_id="1.2.3")
    message = sent(step(state(call, foreign_smsr="1.2.3"), Begin()))
    assert (message.dest, message.recipient) == (SOAP_GATEWAY, "1.2.3")


@pytest.mark.parametrize("kind", [es3.ES3SendDataResponse, es3.ES3UpdateConnectivityParametersResponse])
@pytest.mark.parametrize(
    ("status", "expected"),
    [(SUCCESS, Status.FAILED), (failed("8.4", "4.2", "no"), Status.FAILED), (expired("late"), Status.EXPIRED)],
)
def test_connectivity_parameters_end_with_an_answer_that_says_no_more(
    kind: Any, status: ExecutionStatus, expected: Status
) -> None:
    """Success without the card's answer is none; a refusal and an expiry are handed on, nothing is repeated."""
    facts = Facts(settings=DPSettings(), template=None, package=None)
    call = UpdateConnectivityParameters(eid=EID, smsr_id="", iccid=ICCID, parameters=b"\xa1\x00")
    opened = looked(call, profile())
    assert isinstance(sent(opened).body, es3.ES3SendData)
    ended = answer(opened.state, kind(status=status), facts=facts)
    assert replied(ended).status.status is expected


def test_time_is_over_only_when_the_answer_had_time_to_come() -> None:
    asked = looked(FUNCTIONS[0][0], profile())
    waiting = step(asked.state, TimerFired(DEADLINE))
    assert waiting.effects == (SetTimer(relay.LAST_WORD, NOW + relay.LAST_WORD_TIME),)
    ended = step(waiting.state, TimerFired(relay.LAST_WORD))
    assert replied(ended).status.status is Status.EXPIRED
    for event in (TimerFired(DEADLINE), TimerFired(relay.LAST_WORD), Signalled("x", 1)):
        assert step(ended.state, event) == Step(ended.state)
    header = Header(message_id="m", sender="s", requester="r", function_call_id="old", deadline=NOW, eid=EID)
    assert step(asked.state, Received(header, es3.ES3EnableProfileResponse(status=SUCCESS))) == Step(asked.state)
    assert answer(asked.state, es3.ES3GetEISResponse(status=SUCCESS, eis=eis())).effects != ()


def test_every_call_has_its_response() -> None:
    assert set(relay.RESPONSES) == set(CALLS)


def test_notifications_lose_the_operators_name() -> None:
    values = {"eid": EID, "iccid": ICCID, "owner": "mno", "completed": NOW}
    for change in ("Enabled", "Disabled", "Deleted"):
        told = getattr(es3, f"ES3HandleProfile{change}Notification")(**values)
        assert notice_of(told) == getattr(es2, f"ES2HandleProfile{change}Notification")(
            eid=EID, iccid=ICCID, completed=NOW
        )
    for one in v4.ES3_NOTIFICATIONS:
        kind = {"profile_type": "m2m"} if "Downloaded" in one.__name__ else {}
        made: Any = one
        target = getattr(v4, one.__name__.replace("ES3", "ES2"))
        assert notice_of(made(**values, **kind)) == target(eid=EID, iccid=ICCID, completed=NOW, **kind)
    moved = es3.ES3HandleSMSRChangeNotification(eis=eis(), owner="mno", completed=NOW)
    assert notice_of(moved) == es2.ES2HandleSMSRChangeNotification(eis=eis(), completed=NOW)
    with pytest.raises(ValueError, match="no notification"):
        notice_of(es3.ES3GetEIS(eid=EID))
