"""The functions of the SM-SR as others call them: codes, repeats, validity, who sees what, who is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

import sr_steps as s
from ferryman.contracts import admin, es3, es4, operations
from ferryman.contracts.message import Header, encode
from ferryman.contracts.peers import PeerKind, PeerLink, PeersKnown
from ferryman.contracts.roles import SM_DP, SOAP_GATEWAY
from ferryman.contracts.status import Status
from ferryman.errors import PeerError
from ferryman.platform.mailbox import Tx
from ferryman.sm_sr.functions import FUNCTIONS, start_of
from ferryman.sm_sr.port import ANSWERS
from ferryman.sm_sr.records import EUICC, Links
from ferryman.sm_sr.settings import SRSettings
from sr_world import SRWorld, sr_world
from virtual_loop import virtual

OTHER = "1.3.6.1.4.1.99999.31"
OTHER_EID = "89033023000000000061494360000288"
ELSEWHERE = "8988211000000000045"
BOOT_ICCID = "8988239080662000010"


def two_cards() -> tuple[EUICC, EUICC]:
    """On the first the profiles of OWNER and OTHER; on the second one of OWNER."""
    first = s.card(s.isdp(s.BOOT, owner=OTHER, smdp_id="boot"), s.isdp(s.NEW))
    second = s.card(
        s.isdp(s.BOOT, iccid="8988211000000000037", owner=OTHER), s.isdp(iccid=ELSEWHERE), eid=OTHER_EID
    )
    return first, second


RULES = (s.rule("DISABLE", "Not-Allowed"),)


@pytest.mark.parametrize(
    ("body", "requester", "expected"),
    [
        (es4.ES4GetEIS(eid=s.EID), s.OWNER, ""),
        (es4.ES4GetEIS(eid="89" + "0" * 30), s.OWNER, "8.1.1/3.9"),
        (es4.ES4GetEIS(eid=s.EID), "1.2.3", "8.6/1.2"),
        (es3.ES3GetEIS(eid=s.EID), s.DP, ""),
        (es3.ES3GetEIS(eid="89" + "0" * 30), s.DP, "8.1.1/3.9"),
        (es3.ES3GetEIS(eid=s.EID), "1.2.3", "1.1/1.1"),
        (es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID, pol2=RULES), s.OWNER, ""),
        (es3.ES3UpdatePolicyRules(eid=s.EID, iccid=s.ICCID, pol2=RULES), s.DP, ""),
        (es4.ES4UpdatePolicyRules(eid="89" + "0" * 30, iccid=s.ICCID), s.OWNER, "8.1.1/3.9"),
        (es4.ES4UpdatePolicyRules(eid=s.EID, iccid="8988211000000000995"), s.OWNER, "8.2.1/3.9"),
        (es4.ES4UpdatePolicyRules(eid=s.EID, iccid=ELSEWHERE), s.OWNER, "8.2.1/3.4"),
        (es3.ES3UpdatePolicyRules(eid=s.EID, iccid=ELSEWHERE), s.DP, "8.2.1/3.4"),
        (es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID), OTHER, "8.2.1/1.2"),
        (
            es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID, pol2=(s.rule("ENABLE", "Not-Allowed"),)),
            s.OWNER,
            "8.2.3/2.1",
        ),
        (es4.ES4UpdateSubscriptionAddress(eid=s.EID, iccid=s.ICCID, msisdn="882119"), s.OWNER, ""),
        (es3.ES3UpdateSubscriptionAddress(eid=s.EID, iccid=s.ICCID, msisdn="882119"), s.DP, ""),
        (es4.ES4UpdateSubscriptionAddress(eid="89" + "0" * 30, iccid=s.ICCID, msisdn="882"), s.OWNER, "8.1.1/3.9"),
        (es4.ES4UpdateSubscriptionAddress(eid=s.EID, iccid="8988211000000000995", imsi=""), s.OWNER, "8.2.1/3.9"),
        (es4.ES4UpdateSubscriptionAddress(eid=s.EID, iccid=s.ICCID, msisdn="882119"), OTHER, "8.2.6/1.2"),
        (es4.ES4UpdateSubscriptionAddress(eid=s.EID, iccid=s.ICCID), s.OWNER, "8.2.6/2.1"),
    ],
)
@virtual
async def test_synchronous_functions_answer_the_call(
    tmp_path: Path, body: Any, requester: str, expected: str
) -> None:
    async with sr_world(tmp_path, *two_cards()) as w:
        before = await w.card()
        answer = await w.ask(body, requester)
        assert type(answer).__name__ == type(body).__name__ + "Response"
        assert answer.status.code == expected
        assert answer.status.ok == (expected == "")
        if expected:
            assert await w.card() == before


@virtual
async def test_an_update_is_in_the_eis_and_in_the_audit_table(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *two_cards()) as w:
        await w.ask(es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID, pol2=RULES))
        await w.ask(es4.ES4UpdateSubscriptionAddress(eid=s.EID, iccid=s.ICCID, imsi="001010000000777"))
        profile = (await w.card()).by_aid(s.NEW)
        assert profile is not None
        assert profile.pol2 == RULES
        assert (profile.imsi, profile.msisdn) == ("001010000000777", "8821100000001"), "what is not given stays"
        await w.ask(es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID, pol2=()))
        profile = (await w.card()).by_aid(s.NEW)
        assert profile is not None
        assert profile.pol2 == (), "replaced whole"
        table = w.role.mailbox.tables.audit
        actions = await w.store.read(lambda c: [row.action for row in c.execute(table.select())])
        assert actions.count("UpdatePolicyRules") == 2


@virtual
async def test_a_repeated_call_gets_the_first_answer_and_other_input_is_refused(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *two_cards()) as w:
        first = es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID, pol2=RULES)
        assert (await w.ask(first, call="one")).status.ok
        await w.ask(es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID), call="two")
        assert (await w.ask(first, call="one")).status.ok
        profile = (await w.card()).by_aid(s.NEW)
        assert profile is not None
        assert profile.pol2 == (), "the repeat had no effect"
        other = es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID, pol2=(s.rule("DELETE", "Not-Allowed"),))
        assert (await w.ask(other, call="one")).status.code == "1.6/3.3"


@virtual
async def test_too_long_a_validity_says_what_is_acceptable(tmp_path: Path) -> None:
    settings = SRSettings(transport="sms", max_validity=3600.0)
    async with sr_world(tmp_path, *two_cards(), settings=settings) as w:
        body = es3.ES3EnableProfile(eid=s.EID, iccid=s.ICCID)
        await w.send(body, validity=3600.0 + 61.0)
        await w.settle()
        (answer,) = w.told(SM_DP)
        assert answer.status.status is Status.FAILED
        assert answer.status.code == "1.6/3.2"
        assert answer.status.acceptable_validity == 3600.0
        table = w.role.mailbox.tables.procedure
        assert await w.store.read(lambda c: c.execute(table.select()).all()) == [], "nothing was started"
        found = await w.ask(es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID), validity=7200.0)
        assert found.status.acceptable_validity == 3600.0
        assert (await w.ask(es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.ICCID), validity=3600.0)).status.ok


@virtual
async def test_a_call_for_a_card_is_entered_and_shown_later(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *two_cards()) as w:
        seen = await w.ask(es4.ES4DisableProfile(eid=s.EID, iccid=s.ICCID), call="later")
        assert isinstance(seen, admin.CallView)
        await w.settle()
        question = admin.ShowCall(requester=s.OWNER, function_call_id="later", function="ES4DisableProfile")
        seen = await w.ask(question)
        answer = msgspec.json.decode(seen.answer)
        assert answer["type"] == "ES4DisableProfileResponse"
        assert (answer["status"]["subject"], answer["status"]["reason"]) == ("8.2.1", "1.2"), "it is Disabled"
        assert w.mail == [], "nobody waits for a message"
        unknown = await w.ask(
            admin.ShowCall(requester=OTHER, function_call_id="later", function="ES4DisableProfile")
        )
        assert isinstance(unknown, admin.AdminRefused), "somebody else's call is none"


@virtual
async def test_who_sees_which_profiles(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *two_cards()) as w:
        mine = (await w.ask(es4.ES4GetEIS(eid=s.EID), s.OWNER)).eis
        assert [p.iccid for p in mine.profiles] == [s.ICCID]
        theirs = (await w.ask(es4.ES4GetEIS(eid=s.EID), OTHER)).eis
        assert [p.iccid for p in theirs.profiles] == [BOOT_ICCID]
        dp = (await w.ask(es3.ES3GetEIS(eid=s.EID), s.DP)).eis
        assert [p.iccid for p in dp.profiles] == [s.ICCID]


# -- who is told ------------------------------------------------------------------------------------------------


async def change(
    w: SRWorld, *changes: Any, requester: str = "sm-sr", exclusive: bool = False, done: bool = True
) -> None:
    """What a dispatch of a procedure would commit."""
    record = s.record(s.EID, requester=requester, exclusive=exclusive, done=done)

    def unit(tx: Tx) -> None:
        w.role.writer.apply_all(tx, s.committed(record, *changes))

    await w.role.mailbox.transact(unit)
    await w.settle()


DISABLED_BOOT, ENABLED_NEW = s.set_state(s.BOOT, "Disabled"), s.set_state(s.NEW, "Enabled")


@virtual
async def test_owners_hear_on_es4_or_through_their_sm_dp(tmp_path: Path) -> None:
    settings = SRSettings(transport="sms", operators=(OTHER,))
    async with sr_world(tmp_path, *two_cards(), settings=settings) as w:
        await change(w, DISABLED_BOOT, ENABLED_NEW)
        (direct,) = w.told(SOAP_GATEWAY)
        assert isinstance(direct, es4.ES4HandleProfileDisabledNotification)
        assert (direct.eid, direct.iccid) == (s.EID, BOOT_ICCID)
        assert abs(direct.completed - w.clock.now()) < 60
        (relayed,) = w.told(SM_DP)
        assert isinstance(relayed, es3.ES3HandleProfileEnabledNotification)
        assert (relayed.iccid, relayed.owner) == (s.ICCID, s.OWNER)
        headers = {to: header for to, header, _ in w.mail}
        assert headers[SOAP_GATEWAY].recipient == OTHER
        assert headers[SM_DP].recipient == s.DP


@virtual
async def test_the_requester_hears_by_the_response_and_an_owner_without_a_link_raises_an_alarm(
    tmp_path: Path,
) -> None:
    async with sr_world(tmp_path, *two_cards()) as w:
        await change(w, DISABLED_BOOT, ENABLED_NEW, requester=s.OWNER)
        assert w.mail == []
        table = w.role.mailbox.tables.audit
        rows = await w.store.read(lambda c: c.execute(table.select()).all())
        assert [(r.action, r.outcome) for r in rows] == [("HandleProfileDisabledNotification", "alarm")]


def reached(*links: tuple[PeerKind, str, str]) -> PeersKnown:
    return PeersKnown(links=tuple(PeerLink(kind=k, oid=o, interfaces=(i,)) for k, o, i in links))


async def gateway_tells(w: SRWorld, known: PeersKnown, number: int, sender: str = SOAP_GATEWAY) -> None:
    header = Header(
        message_id=f"peers/{number}", sender=sender, requester=sender, function_call_id="peers", deadline=1e12
    )
    await w.role.receive(encode(header, known))


@virtual
async def test_an_operator_added_to_the_peers_is_told_directly_and_one_removed_no_more(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *two_cards()) as w:
        await gateway_tells(w, reached((PeerKind.OPERATOR, OTHER, "ES4")), 1)
        await change(w, DISABLED_BOOT)
        assert [header.recipient for to, header, _ in w.mail if to == SOAP_GATEWAY] == [OTHER]
        await gateway_tells(w, reached(), 2)
        await gateway_tells(w, reached((PeerKind.OPERATOR, OTHER, "ES4")), 1)  # delivered again, late: void
        await change(w, s.set_state(s.BOOT, "Enabled"))
        assert len(w.mail) == 1
    # What was told last holds in the next run.
    async with sr_world(tmp_path) as w:
        await gateway_tells(w, reached((PeerKind.SM_DP, s.DP, "ES3"), (PeerKind.OPERATOR, OTHER, "ES2")), 3)
        assert await w.store.read(w.role.links.of) == Links(smdps=frozenset({s.DP})), (
            "an ES2 address is no ES4 link"
        )
    async with sr_world(tmp_path) as w:
        await gateway_tells(w, reached((PeerKind.OPERATOR, OTHER, "ES4")), 4)
    async with sr_world(tmp_path) as w:
        assert (await w.store.read(w.role.links.of)).operators == {OTHER}


@virtual
async def test_nobody_but_the_gateway_tells_of_peers(tmp_path: Path) -> None:
    async with sr_world(tmp_path) as w:
        with pytest.raises(PeerError):
            await gateway_tells(w, reached((PeerKind.SM_SR, OTHER, "ES7")), 1, sender=SM_DP)
        assert (await w.store.read(w.role.links.of)).smsrs == frozenset()


@virtual
async def test_a_card_can_be_prepared_for_a_change_from_an_sm_sr_that_was_just_added(tmp_path: Path) -> None:
    async with sr_world(tmp_path) as w:
        await gateway_tells(w, reached((PeerKind.SM_SR, OTHER, "ES7")), 1)
        request = es4.ES4PrepareSMSRChange(eid=s.EID, current_smsr_id=OTHER)
        await w.ask(request, call="p")
        await w.settle()
        view = await w.ask(
            admin.ShowCall(requester=s.OWNER, function_call_id="p", function="ES4PrepareSMSRChange")
        )
        answer = ANSWERS.decode_body(view.answer)
        assert answer.status.ok, answer


@virtual
async def test_disabled_and_then_deleted_is_told_once(tmp_path: Path) -> None:
    settings = SRSettings(transport="sms", operators=(OTHER,))
    async with sr_world(tmp_path, *two_cards(), settings=settings) as w:
        await change(w, DISABLED_BOOT, ENABLED_NEW, requester=s.OWNER, exclusive=True, done=False)
        assert w.mail == [], "it may still be deleted"
        await change(w, s.remove(s.BOOT), requester=s.OWNER, exclusive=True, done=False)
        assert [type(body).__name__ for body in w.told(SOAP_GATEWAY)] == ["ES4HandleProfileDeletedNotification"]
        await change(w, requester=s.OWNER, exclusive=True)
        assert len(w.mail) == 1


@virtual
async def test_disabled_and_not_deleted_after_all_is_told_at_the_end(tmp_path: Path) -> None:
    settings = SRSettings(transport="sms", operators=(OTHER,))
    async with sr_world(tmp_path, *two_cards(), settings=settings) as w:
        await change(w, DISABLED_BOOT, requester=s.OWNER, exclusive=True, done=False)
        await change(w, requester=s.OWNER, exclusive=True)
        assert [type(body).__name__ for body in w.told(SOAP_GATEWAY)] == ["ES4HandleProfileDisabledNotification"]
        await change(w, requester=s.OWNER, exclusive=True)
        assert len(w.mail) == 1


@virtual
async def test_a_profile_that_was_never_installed_is_told_to_nobody(tmp_path: Path) -> None:
    settings = SRSettings(transport="sms", operators=(s.OWNER,))
    async with sr_world(tmp_path, s.card(s.isdp(s.BOOT), s.isdp(state="Created")), settings=settings) as w:
        await change(w, s.set_state(s.NEW, "Disabled"), s.remove(s.NEW))
        assert w.mail == []


# -- time -------------------------------------------------------------------------------------------------------


@virtual
async def test_who_waits_in_vain_hears_that_the_card_was_busy(tmp_path: Path) -> None:
    settings = SRSettings(transport="sms", sms_answer_timeout=1000.0)
    async with sr_world(tmp_path, *two_cards(), settings=settings) as w:
        first = await w.send(es3.ES3EnableProfile(eid=s.EID, iccid=s.ICCID), validity=3000.0)
        await w.settle()
        second = await w.send(es3.ES3DeleteISDP(eid=s.EID, iccid=s.ICCID), validity=60.0)
        other = await w.send(es3.ES3DeleteISDP(eid=OTHER_EID, iccid="8988211000000000995"), validity=60.0)
        await asyncio.sleep(50.0)
        waiting = [header.function_call_id for _, header, _ in w.mail]
        assert waiting == [other.function_call_id], "another card is not held up, this one waits"
        await asyncio.sleep(20.0)
        answers = {header.function_call_id: body.status for _, header, body in w.mail}
        busy = answers[second.function_call_id]
        assert (busy.status, busy.code) == (Status.FAILED, "1.2/4.4")
        assert "enable" in busy.message
        assert first.function_call_id not in answers
        await asyncio.sleep(4000.0)
        answers = {header.function_call_id: body.status for _, header, body in w.mail}
        assert answers[first.function_call_id].status is Status.EXPIRED
        assert answers[first.function_call_id].code == "1.6/5.3"


@virtual
async def test_who_waits_has_his_turn_within_his_validity(tmp_path: Path) -> None:
    settings = SRSettings(transport="sms", sms_answer_timeout=1.0, change_timeout=10.0)
    async with sr_world(tmp_path, *two_cards(), settings=settings) as w:
        await w.send(es3.ES3EnableProfile(eid=s.EID, iccid=s.ICCID), validity=60.0)
        body = es3.ES3ProfileDownloadCompleted(eid=s.EID, iccid=s.ICCID)
        second = await w.send(body, validity=3600.0)
        await asyncio.sleep(50.0)
        assert w.mail == [], "it waits"
        await asyncio.sleep(3000.0)
        answers = {header.function_call_id: body.status for _, header, body in w.mail}
        assert answers[second.function_call_id].ok


@virtual
async def test_an_isd_p_that_is_elsewhere_is_told_from_one_that_is_nowhere(tmp_path: Path) -> None:
    first, second = two_cards()
    third = bytes.fromhex("A0000005591010FFFFFFFF8900004200")
    there = s.isdp(third, iccid="8988211000000000052")
    second = msgspec.structs.replace(second, profiles=(*second.profiles, there))
    async with sr_world(tmp_path, first, second) as w:
        data = bytes.fromhex("220780E28800023A00")
        for aid, expected in ((third, "8.3.1/3.4"), (third[:-2] + b"\x77\x00", "8.3.1/3.9")):
            w.mail.clear()
            await w.send(es3.ES3SendData(eid=s.EID, sd_aid=aid, data=data))
            await w.settle()
            assert [body.status.code for body in w.told(SM_DP)] == [expected]


WITHOUT_THE_CARD = {"update", "prepare-change"}
"""Kinds that change the EIS, or note what is to come, and send nothing."""


SAMPLES = {
    "enable": es3.ES3EnableProfile(eid=s.EID, iccid=s.ICCID),
    "update": es3.ES3UpdatePolicyRules(eid=s.EID, iccid=s.ICCID, pol2=RULES),
    "prepare-change": es4.ES4PrepareSMSRChange(eid=s.EID, current_smsr_id="1.2"),
    "smsr-change": es4.ES4SMSRChange(eid=s.EID, target_smsr_id="1.2"),
    "set-fallback": operations.SetFallbackAttribute(eid=s.EID, iccid=s.ICCID),
    "rotate-keys": operations.RotateKeyset(eid=s.EID, protocol="scp80"),
}


def test_whoever_speaks_to_the_card_has_it_alone() -> None:
    """One writer for each EID: each function with a command of ES5, and the change of SM-SR, takes the lease."""
    kinds = {function.kind: function.exclusive for function in FUNCTIONS.values()}
    assert {kind for kind, exclusive in kinds.items() if not exclusive} == WITHOUT_THE_CARD
    for kind, body in SAMPLES.items():
        header = Header(
            message_id="m", sender="g", requester="r", function_call_id="f", deadline=s.DEADLINE, eid=s.EID
        )
        started = start_of(header, body)
        assert (started.kind, started.exclusive) == (kind, kind not in WITHOUT_THE_CARD)
