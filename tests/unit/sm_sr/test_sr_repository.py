"""The repository: looking cards up, types, tags, contacts, history, and the dry run beside the real decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import sr_steps as s
from ferryman.contracts import admin, es3, es4
from ferryman.contracts.eis import SEGMENT, Property, SecurityDomain
from ferryman.contracts.status import Status
from ferryman.platform.procedure import Audit
from ferryman.sm_dp.procedures.download import segment_of
from ferryman.sm_sr import contacts, lookup
from ferryman.sm_sr.records import CardMemory, Contacted, Counted, SetPolicy
from sr_world import SRWorld, sr_world
from virtual_loop import virtual

OTHER = "1.3.6.1.4.1.99999.31"
IMEI = "351234567890123"
IMEI_ON_CARD = "3A15325476981032"


def eid(number: int) -> str:
    return f"890330230000000000614943{number:08d}"


def iccid(number: int) -> str:
    return f"89882110000000{number:05d}"


def fleet(count: int) -> list[Any]:
    return [
        s.card(
            s.isdp(s.BOOT, iccid=iccid(2 * n), msisdn=f"4900{n}"),
            s.isdp(s.NEW, iccid=iccid(2 * n + 1), msisdn=f"4911{n}"),
            eid=eid(n),
            platform_version="1.0.0" if n % 2 else "2.0.0",
        )
        for n in range(count)
    ]


async def apply(
    w: SRWorld, of: str, *changes: Any, audits: tuple[Audit, ...] = (), requester: str = s.OWNER
) -> None:
    record = s.record(of, requester=requester, exclusive=False, done=True)
    await w.role.mailbox.transact(
        lambda tx: w.role.writer.apply_all(tx, s.committed(record, *changes, audits=audits))
    )


# -- look-up ------------------------------------------------------------------------------------------------------


@virtual
async def test_look_up_by_each_key(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *fleet(5)) as w:
        await apply(w, eid(3), Contacted(IMEI_ON_CARD))
        await w.ask(admin.SetTags(eid=eid(4), tags=("lift", "pilot")))
        await w.ask(admin.SetTags(eid=eid(1), tags=("pilot",)))
        for by, value, expected in (
            ("eid", eid(2), [2]),
            ("iccid", iccid(5), [2]),
            ("msisdn", "49003", [3]),
            ("imei", IMEI, [3]),
            ("imei", IMEI_ON_CARD.lower(), [3]),
            ("tag", "pilot", [1, 4]),
            ("tag", "lift", [4]),
            ("isdp_aid", s.NEW.hex(), [0, 1, 2, 3, 4]),
            ("owner", s.OWNER, [0, 1, 2, 3, 4]),
            ("iccid", "8988", []),
        ):
            page = await w.ask(admin.FindEUICCs(owner=s.OWNER, by=by, value=value))
            assert [found.eid for found in page.euiccs] == [eid(n) for n in expected], by


@pytest.mark.parametrize(
    ("by", "value"), [("colour", "red"), ("iccid", ""), ("isdp_aid", "zz"), ("eid; DROP TABLE euicc", "x")]
)
@virtual
async def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, by: str, value: str) -> None:
    async with sr_world(tmp_path, *fleet(1)) as w:
        answer = await w.ask(admin.FindEUICCs(owner=s.OWNER, by=by, value=value))
        assert isinstance(answer, admin.AdminRefused)


@virtual
async def test_pages_hold_every_card_once(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *fleet(23)) as w:
        for question in (
            lambda after: admin.FindEUICCs(owner=s.OWNER, by="owner", value=s.OWNER, after=after, limit=5),
            lambda after: admin.ListEUICCs(owner=s.OWNER, after=after, limit=5),
        ):
            seen: list[str] = []
            while True:
                page = await w.ask(question(seen[-1] if seen else ""))
                if not page.euiccs:
                    break
                assert len(page.euiccs) <= 5
                seen += [found.eid for found in page.euiccs]
            assert seen == [eid(n) for n in range(23)]


def test_an_imei_in_both_spellings() -> None:
    assert lookup.imei_forms(IMEI) == (IMEI, IMEI_ON_CARD)
    assert lookup.imei_forms("3a15") == ("3A15",)


# -- what a card keeps --------------------------------------------------------------------------------------------


@virtual
async def test_the_whole_eis_comes_back_as_it_was_registered(tmp_path: Path) -> None:
    whole = s.card(
        s.isdp(s.BOOT, free_memory=77),
        s.isdp(),
        isdr=SecurityDomain(aid=bytes(16), sin=b"\x42\x01", sdin=b"\x45", tars=(b"\0\0\1",)),
        properties=(Property("colour", "red"),),
        last_audit=5.0,
        differs={"sms_attempts": 9},
        signed_info=b"<EumSignedInfo>\r\n\x00\xff</EumSignedInfo>",
    )
    async with sr_world(tmp_path, whole) as w:
        assert await w.card() == whole
        await apply(w, s.EID, SetPolicy(s.NEW, (s.rule("DELETE", "Not-Allowed"),)), CardMemory(1000, 20))
        found = await w.card()
        assert (found.card_free_nvm, found.card_free_ram) == (1000, 20)
        assert found.by_aid(s.NEW) != whole.by_aid(s.NEW)
        assert found.by_aid(s.BOOT) == whole.by_aid(s.BOOT)
        assert found.signed_info == whole.signed_info


@virtual
async def test_tags_are_replaced_and_checked(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *fleet(1)) as w:
        await w.ask(admin.SetTags(eid=eid(0), tags=("a", "b", "a")))
        assert (await w.ask(admin.DescribeEUICC(eid=eid(0)))).tags == ("a", "b")
        assert isinstance(await w.ask(admin.SetTags(eid=eid(0), tags=("x" * 61,))), admin.AdminRefused)
        assert isinstance(await w.ask(admin.SetTags(eid=eid(0), tags=("a\nb",))), admin.AdminRefused)
        assert isinstance(await w.ask(admin.SetTags(eid=eid(9), tags=("a",))), admin.AdminRefused)
        await w.ask(admin.SetTags(eid=eid(0), tags=()))
        assert (await w.ask(admin.DescribeEUICC(eid=eid(0)))).tags == ()


@virtual
async def test_contacts_add_up(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *fleet(2)) as w:
        spoke = Counted(transport="sms", counts=(("sms_in", 1), ("answered", 1)), reachable=True)
        await apply(w, eid(0), Counted(counts=(("sms_out", 2),)), spoke)
        await apply(w, eid(0), Counted(counts=(("unreachable", 1),), reachable=False))
        found = await w.store.read(lambda c: contacts.load(c, eid(0)))
        assert (found.sms_out, found.sms_in, found.answered, found.unreachable) == (2, 1, 1, 1)
        assert (found.transport, found.reachable) == ("sms", "no")
        assert found.last is not None
        assert abs(found.last - w.clock.now()) < 5
        assert await w.store.read(lambda c: contacts.load(c, eid(1))) == contacts.Contact()
        described = await w.ask(admin.DescribeEUICC(eid=eid(0)))
        assert described.contact["sms_out"] == 2


# -- types ------------------------------------------------------------------------------------------------------


@virtual
async def test_a_card_inherits_from_its_types_and_may_differ(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *fleet(4)) as w:

        async def holds(number: int) -> dict[str, Any]:
            found: dict[str, Any] = (await w.ask(admin.DescribeEUICC(eid=eid(number)))).effective
            return found

        assert (await holds(1))["spi"] == "1639"
        await w.ask(admin.SetType(eum_id="eum", says={"spi": "1601", "sms_attempts": 2}))
        await w.ask(
            admin.SetType(eum_id="eum", platform_type="sim", platform_version="1.0.0", says={"sms_attempts": 7})
        )
        assert ((await holds(1))["spi"], (await holds(1))["sms_attempts"]) == ("1601", 7)
        assert ((await holds(2))["spi"], (await holds(2))["sms_attempts"]) == ("1601", 2)
        await w.ask(admin.SetDifference(eid=eid(1), says={"spi": "1201"}))
        assert ((await holds(1))["spi"], (await holds(3))["spi"]) == ("1201", "1601")
        listed = (await w.ask(admin.ListTypes())).types
        assert [(t.platform_version, t.cards) for t in listed] == [("", 4), ("1.0.0", 2)]
        await w.ask(admin.SetType(eum_id="eum"))
        await w.ask(admin.SetDifference(eid=eid(1), says={}))
        assert (await holds(1))["spi"] == "1639"


@virtual
async def test_a_procedure_reads_what_holds_for_its_card(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *fleet(1)) as w:
        await w.ask(admin.SetType(eum_id="eum", says={"approval": "not-approved"}))
        body = es3.ES3CreateISDP(eid=eid(0), iccid="8988211000000000995", owner=s.OWNER, required_memory=1)
        await w.send(body)
        await w.settle()
        (answer,) = w.told("sm-dp")
        assert answer.status.code == "8.2.1/2.1"


@pytest.mark.parametrize(
    "body",
    [
        admin.SetType(eum_id="", says={"spi": "1601"}),
        admin.SetType(eum_id="eum", platform_version="1.0.0", says={"spi": "1601"}),
        admin.SetType(eum_id="eum", says={"spi": "16"}),
        admin.SetType(eum_id="eum", says={"colour": "red"}),
        admin.SetDifference(eid=eid(0), says={"segment": 2000}),
        admin.SetDifference(eid=eid(9), says={"segment": 200}),
    ],
)
@virtual
async def test_what_makes_no_sense_is_not_stored(tmp_path: Path, body: Any) -> None:
    async with sr_world(tmp_path, *fleet(1)) as w:
        assert isinstance(await w.ask(body), admin.AdminRefused)
        assert (await w.ask(admin.ListTypes())).types == ()
        assert (await w.ask(admin.DescribeEUICC(eid=eid(0)))).differs == {}


# -- audit trail ------------------------------------------------------------------------------------------------


@virtual
async def test_the_trail_has_operations_and_notifications_as_the_standard_wants_them(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *fleet(1)) as w:
        await apply(
            w,
            eid(0),
            Contacted(IMEI_ON_CARD),
            audits=(
                Audit("0001 eUICC declaration", "received", object=s.BOOT.hex().upper()),
                Audit("0002 profile change succeeded", "not confirmed", object=s.NEW.hex().upper()),
                Audit("0200 EnableProfile", "done", object=iccid(1)),
                Audit("0300 DisableProfile", "failed", object=iccid(1), detail="8.2.3/3.8 POL2 says no"),
                Audit("0400 DeleteISDP", "failed", object=iccid(1), detail="1.6/5.3 too late"),
                Audit("0500 eUICCCapabilityAudit", "alarm", object=s.NEW.hex().upper(), detail="drift"),
                Audit("0600 MasterDelete", "unknown", object=iccid(1), detail="silent"),
                Audit("POL2", "alarm"),
            ),
        )
        page = await w.ask(admin.ShowHistory(eid=eid(0)))
        assert [f"{record.operation:04X}" for record in page.records] == ["0001", "0200", "0300", "0400", "0600"]
        told, enabled, disabled, deleted, unknown = page.records
        assert (told.requester, told.status, told.isdp_aid, told.iccid) == ("", None, s.BOOT, iccid(0))
        assert told.imei.hex().upper() == IMEI_ON_CARD
        assert (enabled.requester, enabled.isdp_aid, enabled.iccid) == (s.OWNER, s.NEW, iccid(1))
        assert enabled.imei == b""
        assert enabled.smsr_id == "1.3.6.1.4.1.99999.20"
        assert enabled.status is not None
        assert enabled.status.status is Status.SUCCESS
        assert disabled.status is not None
        assert (disabled.status.status, disabled.status.code) == (Status.FAILED, "8.2.3/3.8")
        assert deleted.status is not None
        assert deleted.status.status is Status.EXPIRED
        assert unknown.status is not None
        assert unknown.status.code == "1.6/5.4"


@virtual
async def test_history_comes_in_pages_and_an_owner_sees_his_part(tmp_path: Path) -> None:
    card = s.card(s.isdp(s.BOOT, owner=OTHER), s.isdp())
    async with sr_world(tmp_path, card) as w:
        for number in range(7):
            named = s.ICCID if number % 2 else s.isdp(s.BOOT).iccid
            await apply(w, s.EID, audits=(Audit("0200 EnableProfile", "done", object=named),), requester="staff")
        first = await w.ask(admin.ShowHistory(eid=s.EID, limit=4))
        rest = await w.ask(admin.ShowHistory(eid=s.EID, limit=4, after=first.after))
        assert (len(first.records), len(rest.records), rest.after) == (4, 3, 0)
        mine = await w.ask(admin.ShowHistory(eid=s.EID, owner=s.OWNER))
        assert [record.iccid for record in mine.records] == [s.ICCID] * 3
        assert isinstance(await w.ask(admin.ShowHistory(eid=eid(5))), admin.AdminRefused)


# -- dry run ----------------------------------------------------------------------------------------------------


@virtual
async def test_a_dry_run_says_what_the_real_call_then_answers(tmp_path: Path) -> None:
    async with sr_world(tmp_path, s.card(s.isdp(s.BOOT, owner=OTHER), s.isdp())) as w:
        for function, body, code in (
            ("DisableProfile", es4.ES4DisableProfile(eid=s.EID, iccid=s.ICCID), "8.2.1/1.2"),
            ("UpdatePolicyRules", es4.ES4UpdatePolicyRules(eid=s.EID, iccid=s.isdp(s.BOOT).iccid), "8.2.1/1.2"),
            ("DeleteProfile", es4.ES4DeleteProfile(eid=s.EID, iccid="8988211000000000995"), "8.2.1/3.9"),
        ):
            before = await w.card()
            dry = await w.ask(admin.DryRun(function=function, eid=s.EID, requester=s.OWNER, iccid=body.iccid))
            assert dry.status.code == code
            assert code in dry.sentences[0]
            assert await w.card() == before
            real = await w.ask(body, call=function)
            if isinstance(real, admin.CallView):
                await w.settle()
                name = type(body).__name__
                real = await w.ask(admin.ShowCall(requester=s.OWNER, function_call_id=function, function=name))
                assert code.split("/")[0] in real.answer.decode()
            else:
                assert real.status.code == code


@virtual
async def test_a_dry_run_in_words(tmp_path: Path) -> None:
    boot = s.isdp(s.BOOT, owner=OTHER, smdp_id=s.DP, fallback=False, pol2=(s.rule("DISABLE", "Auto-Delete"),))
    async with sr_world(tmp_path, s.card(boot, s.isdp())) as w:
        dry = await w.ask(admin.DryRun(function="EnableProfile", eid=s.EID, requester=s.OWNER, iccid=s.ICCID))
        assert dry.status.ok
        text = "\n".join(dry.sentences)
        for part in (
            "EnableProfile would be carried out: the profile is Disabled",
            f"The card enables {s.ICCID} (ES5.EnableProfile)",
            f"and {boot.iccid} becomes Disabled",
            f"POL2 of {boot.iccid} says Auto-Delete",
            "POL1 is on the card and not known here",
            f"{s.DP} is told on ES3 that {boot.iccid} is Deleted, for {OTHER}.",
        ):
            assert part in text, text
        assert isinstance(
            await w.ask(admin.DryRun(function="Explode", eid=s.EID, requester=s.OWNER)), admin.AdminRefused
        )


@virtual
async def test_a_dry_run_says_that_the_card_is_busy(tmp_path: Path) -> None:
    async with sr_world(tmp_path, s.card()) as w:
        await w.send(es3.ES3EnableProfile(eid=s.EID, iccid=s.ICCID))
        await w.settle()
        dry = await w.ask(admin.DryRun(function="DeleteProfile", eid=s.EID, requester=s.DP, iccid=s.ICCID))
        assert any("wait until enable has ended" in sentence for sentence in dry.sentences)
        assert (await w.ask(admin.DescribeEUICC(eid=s.EID))).busy == "enable"


@virtual
async def test_an_sm_dp_is_told_the_segment_size_of_the_type(tmp_path: Path) -> None:
    async with sr_world(tmp_path, *fleet(1)) as w:
        seen = (await w.ask(es3.ES3GetEIS(eid=eid(0)), s.DP)).eis
        assert segment_of(seen) == 0, "nothing to say"
        await w.ask(admin.SetType(eum_id="eum", says={"segment": 500}))
        seen = (await w.ask(es3.ES3GetEIS(eid=eid(0)), s.DP)).eis
        assert segment_of(seen) == 500


@pytest.mark.parametrize("said", ["", "15", "1008", "-1", "many", "٥٠٠"])
def test_a_segment_size_that_makes_no_sense_is_none(said: str) -> None:
    eis = s.card().visible(())
    assert segment_of(msgspec.structs.replace(eis, properties=(Property(SEGMENT, said),))) == 0
