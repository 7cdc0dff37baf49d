"""Change of SM-SR: every step and every failure, of the current one and of the new one (SGP.02 3.8)."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

import sr_steps as s
from ferryman.codec import ids, tlv
from ferryman.contracts import codes, crypto, es4, es7
from ferryman.contracts.message import Body, Header
from ferryman.contracts.status import SUCCESS, ExecutionStatus, Status, failed
from ferryman.platform.procedure import Answered, Ask, Audit, Begin, Context, Received, Send, Step, TimerFired
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures import handover, other_smsr, owed, prepare_change, smsr_change
from ferryman.sm_sr.procedures.owed import Owe
from ferryman.sm_sr.records import HandOver, Links, Prepare, SRSettings, TakeOver
from ferryman.sm_sr.visibility import Viewer, view

FIRST, SECOND = "1.3.6.1.4.1.99999.20", "1.3.6.1.4.1.99999.21"
LATE = s.DEADLINE + 1.0
CHALLENGE, RECEIPT = bytes(range(16)), bytes(16)
POINT, SIGNATURE = b"\x04" + bytes(64), bytes(64)


def header(requester: str, call: str) -> Header:
    return Header(
        message_id=f"m/{call}",
        sender="soap-gateway",
        requester=requester,
        function_call_id=call,
        deadline=s.DEADLINE,
        eid=s.EID,
    )


def context(smsr_id: str, *, prepared: Prepare | None = None, **changes: Any) -> Context:
    made = s.context(settings=SRSettings(transport="sms", smsr_id=smsr_id, sms_address="+3361"), **changes)
    links = Links(operators=frozenset({s.OWNER}), smsrs=frozenset({FIRST, SECOND}))
    return dataclasses.replace(made, facts=dataclasses.replace(made.facts, prepared=prepared, links=links))


def sends(taken: Step[Any]) -> list[Send]:
    return [e for e in taken.effects if isinstance(e, Send)]


def sent(taken: Step[Any]) -> Any:
    found = sends(taken)
    assert len(found) == 1, taken.effects
    return found[0].body


def asked(taken: Step[Any]) -> Any:
    (found,) = [e.body for e in taken.effects if isinstance(e, Ask)]
    return found


def alarms(taken: Step[Any]) -> int:
    return [e.outcome for e in taken.effects if isinstance(e, Audit)].count("alarm")


# -- the current SM-SR -----------------------------------------------------------------------------------------


def give(state: Any, event: Any, **changes: Any) -> Step[Any]:
    return smsr_change.step(state, event, context(FIRST, **changes))


def offered(requester: str = s.OWNER, target: str = SECOND, **changes: Any) -> Step[Any]:
    request = es4.ES4SMSRChange(eid=s.EID, target_smsr_id=target)
    return give(smsr_change.State(request=request, requester=requester), Begin(), **changes)


def authenticate(state: Any, call: str = "auth", requester: str = SECOND) -> Step[Any]:
    body = es7.ES7AuthenticateSMSR(eid=s.EID, certificate=tlv.encode(0x7F21, b"\x93\x01\x01"))
    return give(state, Received(header(requester, call), body))


def certifying() -> Step[Any]:
    taken = authenticate(offered().state)
    assert isinstance(asked(taken), crypto.VerifySMSRCertificate)
    return give(taken.state, Answered("certificate", crypto.Stored()))


def challenged() -> Step[Any]:
    state = certifying().state
    return give(state, s.answered(f"procedure/{state.sent}", 0x9000, tlv.encode(0x85, CHALLENGE)))


def create(state: Any, call: str = "keys", **changes: Any) -> Step[Any]:
    values: dict[str, Any] = {
        "eid": s.EID, "key_version": 0x0F, "initial_counter": 0, "key_length": "ECC-256", "scenario": 8,
        "host_id": b"", "ephemeral_public_key": POINT, "signature": SIGNATURE,
    }  # fmt: skip
    return give(state, Received(header(SECOND, call), es7.ES7CreateAdditionalKeySet(**values | changes)))


def keyed() -> Step[Any]:
    state = create(challenged().state).state
    return give(state, s.answered(f"procedure/{state.sent}", 0x9000, tlv.encode(0x86, RECEIPT)))


def told(state: Any, status: ExecutionStatus, **changes: Any) -> Step[Any]:
    body = es7.ES7HandoverEUICCResponse(status=status)
    return give(state, Received(header(FIRST, "procedure#offer"), body), **changes)


def test_the_whole_of_it() -> None:
    first = offered()
    offer = sent(first)
    assert (sends(first)[0].recipient, sends(first)[0].requester) == (SECOND, FIRST)
    assert offer.eis == view(s.card(), Viewer.HANDOVER)
    assert sends(first)[0].deadline < s.DEADLINE, "it ends before our own call does"
    second = certifying()
    assert s.apdu_of(s.command(second)).hex().startswith("80e20900")
    assert s.command(second).chain, "the card must remember its challenge"
    third = challenged()
    assert sent(third) == es7.ES7AuthenticateSMSRResponse(status=SUCCESS, random_challenge=CHALLENGE)
    fourth = create(third.state)
    a6 = bytes.fromhex("A6159002030895011080018881011082010183010F9100")
    assert a6 in s.apdu_of(s.command(fourth)), "byte for byte what the other one signed"
    assert not s.command(fourth).chain
    bare = create(third.state, ephemeral_public_key=POINT[1:])
    assert s.apdu_of(s.command(bare)) == s.apdu_of(s.command(fourth)), "X and Y without the 04 are the same point"
    fifth = keyed()
    assert sent(fifth) == es7.ES7CreateAdditionalKeySetResponse(status=SUCCESS, receipt=RECEIPT)
    sixth = told(fifth.state, SUCCESS)
    assert isinstance(asked(sixth), crypto.DropCardKeys)
    ended = give(sixth.state, Answered("drop", crypto.Stored()))
    assert s.changes(ended) == [HandOver(SECOND)]
    assert s.reply(ended).status is Status.SUCCESS
    assert s.done(ended)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"now": LATE}, "1.6/5.3"),
        ({"no_card": True}, "8.1.1/3.9"),
        ({"requester": "stranger"}, "8.1/1.2"),
        ({"target": "1.2.3"}, "8.7/3.9"),
        ({"target": FIRST}, "8.7/3.9"),
    ],
)
def test_a_change_that_does_not_begin(changes: dict[str, Any], expected: str) -> None:
    taken = offered(**changes)
    assert s.reply(taken).code == expected
    assert not sends(taken)


@pytest.mark.parametrize("at", ["offered", "challenged"])
def test_own_expiry_unlocks_the_card(at: str) -> None:
    state = {"offered": offered, "challenged": challenged}[at]().state
    taken = give(state, TimerFired("expiry"))
    assert (s.reply(taken).status, s.reply(taken).code) == (Status.FAILED, "1.6/5.4")
    assert s.done(taken)
    assert not s.changes(taken), "this SM-SR goes on managing the card"


def test_expired_certificate_is_refused_and_another_may_follow() -> None:
    asked_for = authenticate(offered().state)
    refused = give(asked_for.state, Answered("certificate", refusal=failed("8.5.3", "6.3", "expired")))
    assert sent(refused).status.code == "8.5.3/6.3"
    assert asked(authenticate(refused.state, "second")), "within its time"


def test_the_other_smsr_finds_the_ecasd_certificate_expired() -> None:
    """SR2's answer to ES7.HandoverEUICC is the caller's answer; the card stays ours."""
    taken = told(offered().state, failed("8.5.2", "6.3", "CERT.ECASD.ECKA is not valid now"))
    assert (s.reply(taken).status, s.reply(taken).code) == (Status.FAILED, "8.5.2/6.3")
    assert s.done(taken)
    assert not s.changes(taken)


def test_out_of_turn_and_strangers_are_refused() -> None:
    assert sent(create(offered().state)).status.code == "8.1.1/3.9"
    assert sent(authenticate(offered().state, requester="stranger")).status.code == "8.1.1/3.9"
    assert sent(authenticate(keyed().state, "late")).status.code == "8.1.1/3.9"
    repeated = authenticate(certifying().state)
    assert not repeated.effects, "the same call again"


@pytest.mark.parametrize(
    "changes",
    [
        {"key_length": "ECC-384"},
        {"key_version": 0x30},
        {"scenario": 0x0C},
        {"signature": bytes(63)},
        {"ephemeral_public_key": POINT[2:]},
    ],
)
def test_parameters_that_we_cannot_build(changes: dict[str, Any]) -> None:
    taken = create(challenged().state, **changes)
    assert sent(taken).status.code == "1.3.1/2.1"
    assert not s.commands(taken)


@pytest.mark.parametrize(
    "event",
    [lambda i: s.answered(i, 0x6982), lambda i: s.outcome(i, "unknown"), lambda i: s.answered(i, 0x9000, b"\x99")],
)
def test_the_card_refuses_or_is_silent(event: Any) -> None:
    state = certifying().state
    assert sent(give(state, event(f"procedure/{state.sent}"))).status.code == "8.4/4.2"
    state = create(challenged().state).state
    taken = give(state, event(f"procedure/{state.sent}"))
    assert isinstance(sent(taken), es7.ES7CreateAdditionalKeySetResponse)
    assert taken.state.half_made
    again = authenticate(taken.state, "again")
    assert asked(again), "the other SM-SR may begin again"


def test_failure_before_the_commit_point_removes_the_half_made_key_set() -> None:
    taken = told(keyed().state, failed("8.4", "4.2", "receipt"))
    assert s.reply(taken).code == "8.4/4.2"
    assert s.apdu_of(s.command(taken)).hex().upper() == "80E400000AF203010103F20340010200"
    assert not s.done(taken), "the card is still locked"
    last = f"procedure/{taken.state.sent}"
    assert s.done(give(taken.state, s.answered(last)))
    failed_too = give(taken.state, s.outcome(last, "unknown"))
    assert s.done(failed_too)
    assert alarms(failed_too) == 1
    assert s.signals(failed_too, Owe) == [Owe(duties=(owed.KEYS,))], "it is done later"


def test_after_the_receipt_only_the_other_one_ends_it() -> None:
    state = keyed().state
    first = give(state, TimerFired("again"))
    assert sent(first) == state.offer, "the very same call"
    assert sends(first)[0].function_call_id == "procedure#offer"
    over = give(first.state, TimerFired("deadline"), now=LATE)
    assert s.reply(over).status is Status.EXPIRED
    assert not s.done(over), "nobody may touch the card"
    second = give(over.state, TimerFired("again"), now=LATE)
    assert s.timers(second)["again"] > s.timers(first)["again"]
    done = give(told(second.state, SUCCESS).state, Answered("drop", crypto.Stored()))
    assert s.changes(done) == [HandOver(SECOND)]
    assert not s.replies(done)


def test_a_refused_repeat_says_nothing_of_the_call() -> None:
    """1.6/3.3, the identifier was used: the other SM-SR may have the card, and only its answer ends the change."""
    state = give(keyed().state, TimerFired("again")).state
    assert told(state, failed(*codes.CALL_ID_REUSED, "the identifier was used")) == Step(state)
    assert isinstance(asked(told(state, SUCCESS)), crypto.DropCardKeys)
    assert s.done(told(offered().state, failed(*codes.CALL_ID_REUSED, "of another change"))), "nothing is at stake"


def test_a_warning_of_a_retried_handover_ends_it_too() -> None:
    warned = ExecutionStatus(Status.WARNING, "8.1.1", "3.3")
    assert isinstance(asked(told(keyed().state, warned)), crypto.DropCardKeys)


def test_deadline_before_and_in_the_change() -> None:
    fresh = smsr_change.State(request=es4.ES4SMSRChange(eid=s.EID, target_smsr_id=SECOND), requester=s.OWNER)
    assert s.done(give(fresh, TimerFired("deadline")))
    taken = give(offered().state, TimerFired("deadline"), now=LATE)
    assert s.reply(taken).status is Status.EXPIRED
    assert s.done(taken)


# -- the new SM-SR ---------------------------------------------------------------------------------------------

PREPARED = Prepare(FIRST, s.OWNER, s.NOW + 100.0)
OFFER = es7.ES7HandoverEUICC(eis=view(s.card(), Viewer.HANDOVER))


def take(state: Any, event: Any, **changes: Any) -> Step[Any]:
    return handover.step(state, event, context(SECOND, **{"no_card": True, "prepared": PREPARED, **changes}))


def begun(**changes: Any) -> Step[Any]:
    return take(handover.State(request=OFFER, requester=FIRST), Begin(), **changes)


def authenticating(**changes: Any) -> Step[Any]:
    state = begun(**changes).state
    state = take(state, Answered("euicc", crypto.EUICCVerified(ecasd_public_key=POINT))).state
    key = crypto.SigningKey(public_key_pem=b"", certificate=b"\x7f\x21\x00")
    return take(state, Answered("own", key))


def said(state: Any, body: Body) -> Step[Any]:
    return take(state, Received(header(SECOND, f"procedure#{state.phase}{state.attempt}"), body))


def keying(state: Any = None) -> Step[Any]:
    state = authenticating().state if state is None else state
    taken = said(state, es7.ES7AuthenticateSMSRResponse(status=SUCCESS, random_challenge=CHALLENGE))
    question = asked(taken)
    assert (question.role, question.challenge) == ("sr", CHALLENGE)
    return take(
        taken.state,
        Answered("sign", crypto.KeyParametersSigned(ephemeral_public_key=POINT, signature=SIGNATURE)),
    )


def ours() -> Step[Any]:
    taken = said(keying().state, es7.ES7CreateAdditionalKeySetResponse(status=SUCCESS, receipt=RECEIPT))
    question = asked(taken)
    assert (question.key_version, question.receipt) == (0x0F, RECEIPT)
    return take(taken.state, Answered("derive", crypto.Stored()))


def managed() -> Any:
    return next(c for c in s.changes(ours()) if isinstance(c, TakeOver)).card


def on_card(state: Any, event: Any, **changes: Any) -> Step[Any]:
    return handover.step(state, event, context(SECOND, euicc=managed(), **changes))


def test_the_card_is_ours_with_the_right_receipt_and_not_before() -> None:
    assert isinstance(sent(authenticating()), es7.ES7AuthenticateSMSR)
    body = sent(keying())
    assert (body.key_version, body.scenario, body.key_length) == (0x0F, 8, "ECC-256")
    assert not s.changes(keying())
    answered = es7.ES7CreateAdditionalKeySetResponse(status=SUCCESS, receipt=RECEIPT)
    assert not s.changes(said(keying().state, answered)), "the receipt is there and not verified"
    taken = ours()
    card = managed()
    assert (card.smsr_id, card.scp80_version, card.scp81_version) == (SECOND, 0x0F, 0)
    assert card.profiles == s.card().profiles
    assert not s.commands(taken), "its channel finds the card after this commit"
    assert s.timers(taken) == {"next": 0.0}


def test_finalise_address_answer_and_tell_the_owners() -> None:
    first = on_card(ours().state, TimerFired("next"))
    assert s.apdu_of(s.command(first)).hex().upper() == "80E4000005F2030F010300"
    assert s.command(first).transport == "sms"
    second = on_card(first.state, s.answered("procedure/1"))
    assert s.apdu_of(s.command(second))[5:7] == bytes.fromhex("3A07")
    third = on_card(second.state, s.answered("procedure/2"))
    assert s.reply(third).status is Status.SUCCESS
    told_ = sends(third)
    assert [type(e.body) for e in told_] == [es4.ES4HandleSMSRChangeNotification]
    assert told_[0].recipient == s.OWNER
    assert s.done(third)


def test_after_the_commit_point_nothing_is_failed() -> None:
    state = on_card(ours().state, TimerFired("next")).state
    for number in range(1, SRSettings().card_attempts):
        waiting = on_card(state, s.answered(f"procedure/{number}", 0x6985))
        assert s.timers(waiting) == {"next": handover.RETRY}
        state = on_card(waiting.state, TimerFired("next")).state
    addressing = on_card(state, s.outcome(f"procedure/{state.sent}", "unknown"))
    ended = on_card(addressing.state, s.answered(f"procedure/{addressing.state.sent}"))
    assert s.reply(ended).status is Status.WARNING
    assert alarms(ended) == 1
    assert s.signals(ended, Owe) == [Owe(duties=(owed.KEYS,))], "it is done later"
    assert not on_card(ours().state, TimerFired("deadline")).effects
    assert not on_card(ours().state, TimerFired("peer")).effects


@pytest.mark.parametrize("phase", ["finalising", "addressing"])
@pytest.mark.parametrize("kind", ["unknown", "rejected", "unreachable", "refused"])
def test_what_the_card_has_not_done_after_the_commit_point_is_tried_again(kind: str, phase: str) -> None:
    state = msgspec.structs.replace(on_card(ours().state, TimerFired("next")).state, phase=phase)
    event = s.answered("procedure/1", 0x6985) if kind == "refused" else s.outcome("procedure/1", kind)
    waiting = on_card(state, event)
    assert s.timers(waiting) == {"next": handover.RETRY}
    assert s.commands(on_card(waiting.state, TimerFired("next")))


@pytest.mark.parametrize("event", [s.answered("procedure/9", 0x6985), s.outcome("procedure/9", "unknown")])
def test_an_address_that_the_card_does_not_take_is_owed(event: Any) -> None:
    state = msgspec.structs.replace(ours().state, phase="addressing", sent=9, tries=99)
    ended = on_card(state, event)
    assert s.reply(ended).status is Status.WARNING
    assert s.signals(ended, Owe) == [Owe(duties=(owed.ADDRESS,))]


def test_every_end_before_the_commit_point_leaves_nothing() -> None:
    fresh = handover.State(request=OFFER, requester=FIRST)
    no = failed("1.2", "4.2", "no")
    ends = [
        take(fresh, TimerFired("deadline")),
        take(begun().state, Answered("own", refusal=no)),
        take(authenticating().state, Answered("sign", refusal=no)),
        take(authenticating().state, TimerFired("deadline")),
        take(keying().state, TimerFired("peer")),
    ]
    for ended in ends:
        assert s.reply(ended).status is Status.FAILED
        assert not s.changes(ended)


@pytest.mark.parametrize("kind", ["rejected", "unreachable"])
def test_the_card_cannot_be_reached_while_it_is_given_away(kind: str) -> None:
    for state in (certifying().state, create(challenged().state).state):
        taken = give(state, s.outcome(f"procedure/{state.sent}", kind))
        assert taken.state.phase == "offered"
        assert sent(taken).status.code == "8.4/4.2"


def test_every_end_of_the_one_that_gives() -> None:
    refused = failed("8.1.1", "3.9", "not prepared")
    for state in (certifying().state, challenged().state):
        assert s.reply(told(state, refused)).code == "8.1.1/3.9"
        assert s.reply(give(state, TimerFired("deadline"), now=LATE)).status is Status.EXPIRED
    half = create(challenged().state).state
    for taken in (told(half, refused), give(half, TimerFired("deadline"), now=LATE)):
        assert taken.state.phase == "cleaning", "a key set of theirs may be on the card"
        last = f"procedure/{taken.state.sent}"
        for event in (s.answered(last, 0x6985), s.outcome(last, "rejected"), s.outcome(last, "unreachable")):
            assert alarms(give(taken.state, event)) == 1
    offered_again = give(half, s.outcome(f"procedure/{half.sent}", "unknown")).state
    cleaning = give(offered_again, TimerFired("expiry"))
    assert cleaning.state.phase == "cleaning"
    assert s.reply(cleaning).status is Status.FAILED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prepared": None}, "8.1.1/3.9"),
        ({"prepared": Prepare("1.2.3", s.OWNER, s.NOW + 100.0)}, "8.1.1/3.9"),
        ({"prepared": Prepare(FIRST, s.OWNER, s.NOW)}, "8.1.1/3.9"),
        ({"now": LATE}, "1.6/5.3"),
    ],
    ids=["not prepared", "another SM-SR", "over", "late"],
)
def test_not_prepared(changes: dict[str, Any], expected: str) -> None:
    taken = begun(**changes)
    assert s.reply(taken).code == expected
    assert not [e for e in taken.effects if isinstance(e, Ask)]


def test_a_card_that_is_ours_already_is_a_warning() -> None:
    taken = begun(no_card=False)
    assert s.reply(taken).status is Status.WARNING


@pytest.mark.parametrize("code", ["8.5.2/6.3", "8.6/6.1", "8.5.2/6.1"])
def test_an_eis_that_does_not_verify(code: str) -> None:
    subject, reason = code.split("/")
    taken = take(begun().state, Answered("euicc", refusal=failed(subject, reason, "no")))
    assert s.reply(taken).code == code
    assert not s.changes(taken)


def test_without_a_certificate_of_our_own() -> None:
    state = take(begun().state, Answered("euicc", crypto.EUICCVerified(ecasd_public_key=POINT))).state
    taken = take(state, Answered("own", crypto.SigningKey(public_key_pem=b"")))
    assert s.reply(taken).code == "1.2/4.2"


def test_a_wrong_receipt_is_before_the_commit_point() -> None:
    taken = said(keying().state, es7.ES7CreateAdditionalKeySetResponse(status=SUCCESS, receipt=RECEIPT))
    wrong = take(taken.state, Answered("derive", refusal=failed("8.4", "4.2", "receipt")))
    assert (s.reply(wrong).status, s.reply(wrong).code) == (Status.FAILED, "8.4/4.2")
    assert not s.changes(wrong)


def test_a_version_that_the_card_has_is_followed_by_another() -> None:
    state, versions = keying().state, []
    refusal = es7.ES7CreateAdditionalKeySetResponse(status=failed("8.4", "4.2", "6985"))
    for _ in range(len(handover.VERSIONS) - 1):
        versions.append(state.version)
        again = said(state, refusal)
        assert isinstance(sent(again), es7.ES7AuthenticateSMSR), "with a challenge of its own"
        state = keying(again.state).state
    assert versions == list(handover.VERSIONS[:-1])
    assert s.reply(said(state, refusal)).code == "8.4/4.2"


def test_silence_and_refusal_of_the_current_one() -> None:
    assert s.reply(take(authenticating().state, TimerFired("peer"))).code == "1.6/5.4"
    assert s.reply(take(keying().state, TimerFired("deadline"))).code == "1.6/5.3"
    refused = es7.ES7AuthenticateSMSRResponse(status=failed("8.5.3", "6.3", "expired"))
    assert s.reply(said(authenticating().state, refused)).code == "8.5.3/6.3"
    late = es7.ES7AuthenticateSMSRResponse(status=SUCCESS, random_challenge=CHALLENGE)
    state = keying().state
    assert take(state, Received(header(SECOND, "procedure#authenticating0"), late)) == Step(state)


def test_an_owner_without_a_way_is_an_alarm() -> None:
    card = msgspec.structs.replace(managed(), profiles=(s.isdp(owner="1.9", smdp_id="1.8"),))
    state = msgspec.structs.replace(ours().state, phase=handover.ADDRESSING, sent=1)
    taken = handover.step(state, s.answered("procedure/1"), context(SECOND, euicc=card))
    assert alarms(taken) == 1
    assert not sends(taken)


# -- PrepareSMSRChange -----------------------------------------------------------------------------------------


def prepare(current: str = FIRST, event: Any = None, **changes: Any) -> Step[Any]:
    request = es4.ES4PrepareSMSRChange(eid=s.EID, current_smsr_id=current)
    state = prepare_change.State(request=request, requester=s.OWNER)
    return prepare_change.step(state, event or Begin(), context(SECOND, **{"no_card": True, **changes}))


def test_prepare() -> None:
    taken = prepare()
    assert s.changes(taken) == [Prepare(FIRST, s.OWNER, s.NOW + prepare_change.LIFETIME)]
    assert s.reply(taken).status is Status.SUCCESS
    for refused in (prepare(SECOND), prepare("1.2.3"), prepare(no_card=False)):
        assert s.reply(refused).code == "1.2/3"
        assert not s.changes(refused)
    assert s.reply(prepare(event=TimerFired("deadline"))).status is Status.EXPIRED
    assert not prepare(event=s.answered("x")).effects


def test_isdr_is_the_target() -> None:
    assert s.command(certifying()).target_aid == ids.ISDR_AID


# -- cards that delete what FinaliseISDRhandover lists ---------------------------------------------------------

OTHER_READING = Effective(transports=("sms",), finalise_lists="deleted")
EVERY = {*range(0x01, 0x10), *range(0x40, 0x50)}


def listed(taken: Step[Any]) -> int:
    """The one version in the command."""
    apdu = s.apdu_of(s.command(taken))
    assert (apdu[:7].hex().upper(), apdu[8]) == ("80E4000005F203", 1)
    return apdu[7]


def walked(taken: Step[Any], on: Any, words: Any) -> tuple[list[int], Step[Any]]:
    """Versions that the card is asked to delete, one by one, until it is asked something else."""
    versions: list[int] = []
    while s.commands(taken) and s.apdu_of(s.command(taken))[1] == 0xE4:
        versions.append(listed(taken))
        taken = on(taken.state, s.answered(f"procedure/{taken.state.sent}", words(versions[-1])))
    return versions, taken


def test_a_card_that_deletes_what_is_listed_is_told_each_version_that_is_not_ours() -> None:
    """As the new SM-SR, which knows only its own: 9000 and "no such version" are both the end of one."""

    def on(state: Any, event: Any) -> Step[Any]:
        return on_card(state, event, effective=OTHER_READING)

    first = on(ours().state, TimerFired("next"))
    versions, addressing = walked(first, on, lambda version: 0x9000 if version == 1 else 0x6A88)
    assert set(versions) == EVERY - {handover.VERSIONS[0]}
    assert len(versions) == len(set(versions))
    assert s.apdu_of(s.command(addressing))[5:7] == bytes.fromhex("3A07")
    ended = on(addressing.state, s.answered(f"procedure/{addressing.state.sent}"))
    assert s.reply(ended).status is Status.SUCCESS
    refused = on(first.state, s.answered("procedure/1", 0x6985))
    assert s.timers(refused) == {"next": handover.RETRY}, "anything else is no answer to it"


def test_the_current_smsr_removes_the_half_made_key_set_from_such_a_card_too() -> None:
    def on(state: Any, event: Any) -> Step[Any]:
        return give(state, event, effective=OTHER_READING)

    first = told(keyed().state, failed("8.4", "4.2", "receipt"), effective=OTHER_READING)
    versions, ended = walked(first, on, lambda version: 0x9000 if version == 0x0F else 0x6A88)
    assert set(versions) == EVERY - {0x01, 0x40}, "those of the EIS stay"
    assert s.done(ended)
    assert not alarms(ended)
    silent = on(first.state, s.outcome(f"procedure/{first.state.sent}", "unknown"))
    assert s.signals(silent, Owe) == [Owe(duties=(owed.KEYS,))], "it is done later"


def test_a_card_that_keeps_what_is_listed_must_have_it() -> None:
    """There 6A88 says that our own key set is missing: it is no end."""
    first = on_card(ours().state, TimerFired("next"))
    assert s.timers(on_card(first.state, s.answered("procedure/1", 0x6A88))) == {"next": handover.RETRY}
    assert other_smsr.keep_only({}, "kept") == other_smsr.keep_only({}, "deleted") == ()
