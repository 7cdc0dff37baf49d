"""Visibility of an EIS, who is told of a change, contacts of a channel step: pure functions, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts import es3, es4, es5, v4
from ferryman.contracts.eis import AuditRecord, KeysetInfo, Property, SecurityDomain
from ferryman.platform.procedure import Apply, Received, Send, Signal, Step
from ferryman.sm_sr.owners import Change, Happened, Interface, Notice, notices
from ferryman.sm_sr.procedures import contact
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Outcome, OutcomeKind
from ferryman.sm_sr.records import Counted, Links
from ferryman.sm_sr.trail import operation_of, status_of
from ferryman.sm_sr.visibility import Viewer, view

OTHER = "1.3.6.1.4.1.99999.31"
DOMAIN = SecurityDomain(aid=bytes(16), sin=b"\x42", sdin=b"\x45", keysets=(KeysetInfo(version=1, type="SCP80"),))
TRAIL = (AuditRecord(eid=s.EID, smsr_id="sr", at=1.0, operation=1),)


def card() -> Any:
    return s.card(
        s.isdp(s.BOOT, owner=OTHER, smdp_id="boot", pol2=(s.rule("DELETE", "Not-Allowed"),)),
        s.isdp(),
        s.isdp(bytes(16), iccid="8988211000000000045", state="InCreation"),
        isdr=DOMAIN,
        properties=(Property("colour", "red"),),
        last_audit=7.0,
        signed_info=b"<EumSignedInfo/>",
        signature=b"<EumSignature/>",
    )


@pytest.mark.parametrize(
    ("viewer", "party", "iccids", "last_audit", "isdr", "keysets", "trail", "memory"),
    [
        (Viewer.SM_DP, s.DP, [s.ICCID], None, False, 0, None, 100_000),
        (Viewer.SM_DP, "nobody", [], None, False, 0, None, 100_000),
        (Viewer.SM_DP, "", [], None, False, 0, None, 100_000),
        (Viewer.SM_DP_AUDIT, s.DP, [s.ICCID], 7.0, False, 0, None, 100_000),
        (Viewer.OPERATOR, OTHER, [s.isdp(s.BOOT).iccid], 7.0, False, 0, None, 100_000),
        (Viewer.OPERATOR, "", [], 7.0, False, 0, None, 100_000),
        (Viewer.HANDOVER, "", [s.isdp(s.BOOT).iccid, s.ICCID], 7.0, True, 0, TRAIL, 100_000),
        (Viewer.CONSOLE, "", [s.isdp(s.BOOT).iccid, s.ICCID], 7.0, True, 1, TRAIL, 100_000),
        (Viewer.CHANGE, s.OWNER, [s.ICCID], None, False, 0, None, 0),
    ],
)
def test_who_sees_what(
    viewer: Viewer,
    party: str,
    iccids: list[str],
    last_audit: float | None,
    isdr: bool,
    keysets: int,
    trail: Any,
    memory: int,
) -> None:
    seen = view(card(), viewer, party, trail=TRAIL)
    assert [p.iccid for p in seen.profiles] == iccids, "and nobody sees an ISD-P in creation"
    assert seen.last_audit == last_audit
    assert (seen.isdr is not None) == isdr
    assert len(seen.isdr.keysets if seen.isdr else ()) == keysets
    assert seen.audit_trail == trail
    assert seen.remaining_memory == memory
    assert seen.signed_info == b"<EumSignedInfo/>", "byte for byte"
    assert seen.signature == b"<EumSignature/>", "without it no schema takes the EIS"
    assert seen.properties == (Property("colour", "red"),)


def test_a_new_sm_sr_tells_names_only() -> None:
    (told,) = view(card(), Viewer.CHANGE, OTHER).profiles
    assert (told.pol2, told.msisdn, told.allocated_memory) == ((), "", 0)
    assert (told.owner, told.smdp_id, told.isdp_aid) == (OTHER, "boot", s.BOOT)


def test_an_audit_is_limited_to_what_was_asked_for() -> None:
    assert view(card(), Viewer.CONSOLE, iccids=(s.ICCID,)).profiles[0].iccid == s.ICCID
    assert view(card(), Viewer.OPERATOR, s.OWNER, iccids=("8988",)).profiles == ()


# -- who is told ------------------------------------------------------------------------

LINKS = Links(operators=frozenset({OTHER}), smdps=frozenset({s.DP}))


@pytest.mark.parametrize(
    ("changes", "requester", "expected"),
    [
        ({}, "x", [(s.DP, Interface.ES3)]),
        ({"owner": OTHER}, "x", [(OTHER, Interface.ES4)]),
        ({"smdp_id": ""}, "x", [(s.OWNER, Interface.NONE)]),
        ({}, s.OWNER, []),
        ({}, s.DP, [(s.DP, Interface.ES3)]),
        ({"state": "Created"}, "x", []),
        ({"state": "InCreation"}, "x", []),
        ({"state": "Enabled"}, "x", []),
    ],
)
def test_who_is_told_of_an_enabling(changes: dict[str, Any], requester: str, expected: list[Any]) -> None:
    found = notices([Change(s.isdp(**changes), "Enabled")], requester, LINKS)
    assert [(notice.party, notice.interface) for notice in found] == expected


def test_several_changes_of_one_profile_are_told_as_the_last() -> None:
    enabled = s.isdp(state="Enabled")
    there_and_back = [Change(enabled, "Disabled"), Change(s.isdp(state="Disabled"), "Enabled")]
    assert notices(there_and_back, "x", LINKS) == ()
    (gone,) = notices([Change(enabled, "Disabled"), Change(s.isdp(state="Disabled"), None)], "x", LINKS)
    assert gone.happened is Happened.DELETED


BASE = [Happened.ENABLED, Happened.DISABLED, Happened.DELETED]


@pytest.mark.parametrize("happened", [each for each in Happened if each not in BASE])
def test_the_messages_of_v4(happened: Happened) -> None:
    told = Notice(OTHER, Interface.ES4, happened, s.ICCID, OTHER, "m2m").message(s.EID, 5.0)
    assert type(told) is getattr(v4, f"ES4{happened.notification}")
    assert (told.iccid, told.completed) == (s.ICCID, 5.0)  # type: ignore[attr-defined]
    assert getattr(told, "profile_type", "m2m") == "m2m"
    relayed: Any = Notice(s.DP, Interface.ES3, happened, s.ICCID, s.OWNER, "m2m").message(s.EID, 5.0)
    assert type(relayed) is getattr(v4, f"ES3{happened.notification}")
    assert (relayed.eid, relayed.iccid, relayed.owner, relayed.completed) == (s.EID, s.ICCID, s.OWNER, 5.0)
    assert getattr(relayed, "profile_type", "m2m") == "m2m"


@pytest.mark.parametrize("happened", [each for each in Happened if each not in BASE])
def test_who_is_told_of_what_v4_has(happened: Happened) -> None:
    """Only who speaks v4: the Operator, else the SM-DP of the profile."""
    changes = [Change(s.isdp(), "Disabled", happened)]
    for party, interface, links in (
        (s.DP, Interface.ES3, Links(smdps=frozenset({s.DP}))),
        (s.OWNER, Interface.ES4, Links(operators=frozenset({s.OWNER}), smdps=frozenset({s.DP}))),
    ):
        assert notices(changes, "x", links) == ()
        [told] = notices(changes, "x", replace(links, v4=frozenset({party})))
        assert (told.party, told.interface, told.happened, told.owner) == (party, interface, happened, s.OWNER)


@pytest.mark.parametrize("happened", BASE)
def test_the_messages(happened: Happened) -> None:
    assert happened.notification == f"HandleProfile{happened}Notification"
    direct = Notice(OTHER, Interface.ES4, happened, s.ICCID, OTHER).message(s.EID, 5.0)
    relayed = Notice(s.DP, Interface.ES3, happened, s.ICCID, s.OWNER).message(s.EID, 5.0)
    assert type(direct) is getattr(es4, f"ES4HandleProfile{happened}Notification")
    assert type(relayed) is getattr(es3, f"ES3HandleProfile{happened}Notification")
    assert (relayed.iccid, relayed.owner, relayed.completed) == (s.ICCID, s.OWNER, 5.0)  # type: ignore[attr-defined]


# -- contacts ------------------------------------------------------------------------


def sms(**changes: Any) -> Received:
    body = es5.SMSReceived(mo_id="1", originator="88", kind=0x71, packet=b"")
    return Received(s.context().caller, body)  # type: ignore[arg-type]


def posted() -> Received:
    body = es5.HTTPSPosted(
        post_id="p", session_id="s", eid=s.EID, key_version=64, uri="/", resume=False, script_status="", body=b"",
        notification=b"",
    )  # fmt: skip
    return Received(s.context().caller, body)  # type: ignore[arg-type]


OUT_SMS = Send("transport-sms", es5.SubmitSMS(sms_id="1", destination="88", packet=b"", validity=1.0), 0.0)
OUT_HTTPS = Send("transport-https", es5.HTTPSAnswer(post_id="p", session_id="s", body=b"x"), 0.0)
NOTHING_TO_DO = Send("transport-https", es5.HTTPSAnswer(post_id="p", session_id="s"), 0.0)


def outcome(kind: str, detail: str = "") -> Signal:
    return Signal("owner", Outcome(command_id="c", kind=OutcomeKind(kind), detail=detail))


@pytest.mark.parametrize(
    ("event", "effects", "expected"),
    [
        (sms(), (), Counted("sms", (("sms_in", 1),), True)),
        (posted(), (OUT_HTTPS,), Counted("https", (("https_in", 1), ("https_out", 1)), True)),
        (posted(), (NOTHING_TO_DO,), Counted("https", (("https_in", 1),), True)),
        (None, (OUT_SMS, OUT_SMS), Counted("", (("sms_out", 2),), None)),
        (None, (outcome("unreachable"),), Counted("", (("unreachable", 1),), False)),
        (None, (outcome("unreachable", "withdrawn"),), Counted("", (("unreachable", 1),), None)),
        (None, (outcome("unknown"), outcome("rejected")), Counted("", (("rejected", 1), ("unknown", 1)), None)),
        (sms(), (outcome("answered"),), Counted("sms", (("answered", 1), ("sms_in", 1)), True)),
        (None, (), None),
    ],
)
def test_what_a_step_of_the_channel_shows(event: Any, effects: Any, expected: Counted | None) -> None:
    assert contact.count(event, effects) == expected
    step = contact.counting(lambda state, event, context: Step(state, effects))
    result = step(Channel(), event, s.context())
    counted = [effect.change for effect in result.effects if isinstance(effect, Apply)]
    assert counted == ([] if expected is None else [expected])
    assert result.effects[: len(effects)] == effects
    nobody = step(Channel(), event, s.context(no_card=True))
    assert nobody.effects == effects, "a card that is not in the EIS leaves no row"


# -- words of the audit table ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("0200 EnableProfile", 0x0200),
        ("0001 eUICC declaration", 1),
        ("0A00 x", 0x0A00),
        ("UpdatePolicyRules", None),
        ("0200", None),
        ("02000 x", None),
        ("face x", None),
    ],
)
def test_operation_of_an_action(action: str, expected: int | None) -> None:
    assert operation_of(action) == expected


@pytest.mark.parametrize(
    ("outcome", "detail", "expected"),
    [
        ("done", "", "EXECUTED_SUCCESS "),
        ("failed", "8.2.3/3.8 POL2 says no", "FAILED 8.2.3/3.8"),
        ("failed", "8.4/4.2", "FAILED 8.4/4.2"),
        ("failed", "1.6/5.3", "EXPIRED 1.6/5.3"),
        ("failed", "", "FAILED 1.6/5.4"),
        ("unknown", "the card is silent", "FAILED 1.6/5.4"),
        ("alarm", "drift", ""),
        ("received", "", ""),
    ],
)
def test_status_of_an_outcome(outcome: str, detail: str, expected: str) -> None:
    status = status_of(outcome, detail)
    assert ("" if status is None else f"{status.status.value} {status.code}") == expected
