"""Operations on a card beside the download, from the operator's call to the card and back (SGP.02 3.4 to 3.16)."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from sqlalchemy import select, update

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts import es4, operations
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.status import Status
from ferryman.sm_sr import schema as sr
from ferryman.sm_sr.records import SRSettings
from rig import OWNER
from virtual_loop import virtual

DAY = 86_400.0
BOTH = pytest.mark.parametrize("transport", ["sms", "https"])


async def run(
    b: Bench, operation: Any, *, validity: float = 7200.0, settle: float = 0.0
) -> operations.OperationView:
    """Start an operation and wait for its end."""
    start = operations.StartOperation(owner=OWNER, operation=operation, validity=validity)
    view = await b.operator.sm_sr(start)
    number = 0
    while True:
        assert isinstance(view, operations.OperationView)
        if view.state == "done":
            break
        number += 1
        assert number < 5000, "it never ended"
        await b.sleep(0.05 if number < 20 else 5.0)
        view = await b.operator.sm_sr(operations.ShowOperation(owner=OWNER, call_id=view.call_id))
    await b.sleep(settle)
    return view


async def downloaded(b: Bench, *, enable: bool = True) -> str:
    """An order's profile on the card; its ICCID."""
    view, status = await b.run_order(enable=enable)
    assert status.status is Status.SUCCESS, status
    return view.iccid


async def rules(b: Bench, iccid: str, *pairs: tuple[str, str]) -> None:
    """POL2 of a profile as an operator would have set it."""
    pol2 = msgspec.json.encode(tuple(PolicyRule(*pair) for pair in pairs))
    statement = update(sr.isdp).where(sr.isdp.c.iccid == iccid).values(pol2=pol2)
    await b.store("sm-sr").write(lambda c: execute(c, statement))


def execute(connection: Any, statement: Any) -> None:
    connection.execute(statement)


async def states(b: Bench) -> dict[str, str]:
    return {p.iccid: p.state for p in (await checks.eis(b, b.eid)).profiles}


def key_versions(b: Bench) -> tuple[set[int], set[int]]:
    state = b.device().card._core.state
    return {k.kvn for k in state.scp80}, {k.kvn for k in state.scp81}


@BOTH
@virtual
async def test_disable_enable_and_delete(transport: str) -> None:
    async with bench(transport) as b:
        iccid = await downloaded(b)
        disabled = await run(b, es4.ES4DisableProfile(eid=b.eid, iccid=iccid))
        assert disabled.status is not None
        assert disabled.status.status is Status.SUCCESS, disabled
        assert (await states(b))[iccid] == "Disabled"
        await checks.everything(b)
        b.may_repeat = ("EnableProfile",)
        enabled = await run(b, es4.ES4EnableProfile(eid=b.eid, iccid=iccid))
        assert enabled.status is not None
        assert enabled.status.status is Status.SUCCESS, enabled
        await checks.everything(b)
        b.may_repeat = ("EnableProfile", "DisableProfile")
        deleted = await run(b, es4.ES4DeleteProfile(eid=b.eid, iccid=iccid))
        assert deleted.status is not None
        assert deleted.status.status is Status.SUCCESS, deleted
        assert iccid not in await states(b)
        assert b.log().count("DisableProfile") == 2, "disabled first"
        await checks.everything(b)


@BOTH
@virtual
async def test_pol2_auto_delete_after_disable(transport: str) -> None:
    async with bench(transport) as b:
        iccid = await downloaded(b)
        await rules(b, iccid, ("DISABLE", "Auto-Delete"))
        view = await run(b, es4.ES4DisableProfile(eid=b.eid, iccid=iccid))
        assert view.status is not None
        assert view.status.status is Status.SUCCESS, view
        assert iccid not in await states(b)
        assert len(checks.effects(b, b.eid, "DeleteProfile")) == 1
        await checks.everything(b)


@pytest.mark.parametrize(
    ("pol1", "code", "left"), [(0x01, "8.2.2/3.8", "Enabled"), (0x04, "", None), (0x02, "", "Disabled")]
)
@virtual
async def test_pol1_decides_on_the_card(pol1: int, code: str, left: str | None) -> None:
    """01 forbids the disabling, 04 has the card delete the profile itself, 02 keeps POL2 from deleting it."""
    async with bench() as b:
        iccid = await downloaded(b)
        if pol1 == 0x02:
            await rules(b, iccid, ("DISABLE", "Auto-Delete"))
            code = "8.2.2/3.8"
        b.device().card._core.state.isdps[-1].pol1 = pol1
        view = await run(b, es4.ES4DisableProfile(eid=b.eid, iccid=iccid))
        assert view.status is not None
        assert view.status.code == code
        expected = {0x01: Status.FAILED, 0x04: Status.SUCCESS, 0x02: Status.WARNING}
        assert view.status.status is expected[pol1]
        assert (await states(b)).get(iccid) == left
        await checks.everything(b)


@BOTH
@virtual
async def test_pol1_deleted_and_the_answer_to_the_confirmation_is_lost(transport: str) -> None:
    async with bench(transport) as b:
        iccid = await downloaded(b)
        b.device().card._core.state.isdps[-1].pol1 = 0x04
        struck = b.lose_answer_of("HandleNotificationConfirmation")
        view = await run(b, es4.ES4DisableProfile(eid=b.eid, iccid=iccid))
        assert struck
        assert view.status is not None
        assert view.status.status is Status.SUCCESS, view
        assert iccid not in await states(b), "the EIS follows the card"
        await checks.everything(b)


@BOTH
@pytest.mark.parametrize("command", ["DisableProfile", "DeleteProfile"])
@virtual
async def test_lost_answer_in_a_deletion_of_an_enabled_profile(transport: str, command: str) -> None:
    async with bench(transport) as b:
        iccid = await downloaded(b)
        struck = b.lose_answer_of(command)
        view = await run(b, es4.ES4DeleteProfile(eid=b.eid, iccid=iccid))
        assert struck
        assert view.status is not None
        assert view.status.status is Status.SUCCESS, view
        assert len(checks.effects(b, b.eid, "DeleteProfile")) == 1
        await checks.everything(b)


@BOTH
@virtual
async def test_disable_without_network_at_the_fall_back_profile(transport: str) -> None:
    async with bench(transport) as b:
        iccid = await downloaded(b)
        await b.fault(no_network_after_enable=True)
        view = await run(b, es4.ES4DisableProfile(eid=b.eid, iccid=iccid), settle=60.0)
        assert view.status is not None
        assert (view.status.status, view.status.code) == (Status.FAILED, "8.4/4.2")
        assert (await states(b))[iccid] == "Enabled"
        await checks.everything(b)


@virtual
async def test_silence_after_our_confirmation_is_settled_later() -> None:
    """The caller hears EXPIRED; the card took the confirmation, and the EIS follows when it is heard again."""
    async with bench(sr=SRSettings(change_timeout=120.0)) as b:
        iccid = await downloaded(b)

        struck: list[str] = []

        def deaf(names: list[str]) -> None:
            if not struck and any(name.startswith("HandleNotificationConfirmation") for name in names):
                struck.append("confirmation")
                b.device().card.faults["lost_answer"] = 1
                b.device().faults.drop_mo = b.device().faults.drop_mt = 100_000

        b.on_script(deaf)
        view = await run(b, es4.ES4DisableProfile(eid=b.eid, iccid=iccid), validity=300.0)
        assert view.status is not None
        assert view.status.status is Status.EXPIRED, view
        assert (await states(b))[iccid] == "Enabled", "nobody knows yet"
        b.device().faults.drop_mo = b.device().faults.drop_mt = 0
        await b.sleep(3600.0)
        assert (await states(b))[iccid] == "Disabled"
        settled = [detail for action, outcome, detail in await b.audits() if "settled" in detail]
        assert len(settled) == 1
        await checks.everything(b)


@BOTH
@virtual
async def test_audit_of_many_profiles_and_of_a_drift(transport: str) -> None:
    """Pages (6310), and a card that says something else than the EIS in state, attribute and memory."""
    async with bench(transport, limits={"response_data": 60}) as b:
        iccid = await downloaded(b, enable=False)
        change = update(sr.isdp).where(sr.isdp.c.iccid == iccid)
        wrong = change.values(state="Created", fallback=True, allocated_memory=1)
        await b.store("sm-sr").write(lambda c: execute(c, wrong))
        view = await run(b, es4.ES4AuditEIS(eid=b.eid, iccids=(iccid,)))
        assert view.status is not None
        assert view.status.status is Status.SUCCESS, view
        alarms = [detail for action, outcome, detail in await b.audits() if outcome == "alarm"]
        assert len(alarms) >= 3, alarms
        await checks.everything(b)
        assert b.log().count("GetStatus") > 2, "page by page"


@BOTH
@virtual
async def test_set_fallback_attribute(transport: str) -> None:
    async with bench(transport) as b:
        iccid = await downloaded(b)
        struck = b.lose_answer_of("SetFallback")
        view = await run(b, operations.SetFallbackAttribute(eid=b.eid, iccid=iccid))
        assert struck
        assert view.status is not None
        assert view.status.status is Status.SUCCESS, view
        await checks.everything(b)
        refused = await run(b, es4.ES4DisableProfile(eid=b.eid, iccid=iccid))
        assert refused.status is not None
        assert refused.status.code == "8.1/3.8", "the fall-back profile cannot be disabled"


def delete_token(key: bytes, aid: bytes, sin: bytes, sdin: bytes, provider: bytes) -> bytes:
    """The token as an SM-DP computes it (`sgp02-euicc.md` 3.7), written out once more."""
    inner = b"\x42" + bytes((len(sin),)) + sin + b"\x45" + bytes((len(sdin),)) + sdin
    inner += b"\x5f\x20" + bytes((len(provider),)) + provider + b"\x93\x01\x01"
    covered = b"\x4f\x10" + aid + b"\xb6" + bytes((len(inner),)) + inner
    mac = CMAC(AES(key))
    mac.update(b"\x00\x40" + bytes((len(covered),)) + covered)
    return mac.finalize()


@BOTH
@virtual
async def test_master_delete(transport: str) -> None:
    """Against POL1 and POL2, with the token and without a right one; a lost answer is asked for."""
    async with bench(transport) as b:
        iccid = await downloaded(b, enable=False)
        await rules(b, iccid, ("DELETE", "Not-Allowed"))
        item = b.device().card._core.state.isdps[-1]
        key = hashlib.sha256(b"token key").digest()[:16]
        sin, sdin, provider = b"\x49\x01", b"\x50\x02", b"\x47\x03"
        item.pol1, item.token_key, item.sin, item.sdin, item.provider = 0x02, key, sin, sdin, provider
        token = delete_token(key, item.aid, sin, sdin, provider)
        values: dict[str, Any] = {"eid": b.eid, "iccid": iccid, "sin": sin, "sdin": sdin, "provider": provider}
        wrong = await run(b, operations.MasterDelete(token=bytes(16), **values))
        assert wrong.status is not None
        assert wrong.status.code == "8.4/4.2"
        assert iccid in await states(b)
        struck = b.lose_answer_of("MasterDelete")
        view = await run(b, operations.MasterDelete(token=token, **values))
        assert struck, b.log()
        assert view.status is not None
        assert view.status.status is Status.SUCCESS, view
        assert iccid not in await states(b)
        await checks.everything(b)


@BOTH
@virtual
async def test_addressing_parameters(transport: str) -> None:
    async with bench(transport) as b:
        struck = b.lose_answer_of("Update")
        request = operations.UpdateSMSRAddressing(eid=b.eid, sms_address="+33600000000", uri="/gsma/adminagent")
        view = await run(b, request)
        assert struck, b.log()
        assert view.status is not None
        assert view.status.status is Status.SUCCESS, view
        await checks.everything(b)


@BOTH
@pytest.mark.parametrize("lost", [0, 1], ids=["heard", "answer lost"])
@virtual
async def test_scp80_keys_are_rotated(transport: str, lost: int) -> None:
    async with bench(transport) as b:
        before, _ = key_versions(b)
        old = {k.kvn: (k.kic, k.kid, k.dek) for k in b.device().card._core.state.scp80}
        struck = b.lose_answer_of("PutKey", times=lost)
        for _ in range(2):
            view = await run(b, operations.RotateKeyset(eid=b.eid, protocol="scp80"))
            assert view.status is not None
            assert view.status.status is Status.SUCCESS, view
        assert len(struck) == lost
        card = await checks.eis(b, b.eid)
        after = {k.kvn: (k.kic, k.kid, k.dek) for k in b.device().card._core.state.scp80}
        assert card.scp80_version in after
        assert before < set(after)
        assert not {keys for three in old.values() for keys in three} & {
            keys for three in after.values() for keys in three
        }, "no key of the former set opens the card"
        _, status = await b.run_order()
        assert status.status is Status.SUCCESS, status
        await checks.everything(b)


@pytest.mark.parametrize("lost", [0, 1], ids=["heard", "answer lost"])
@virtual
async def test_scp81_keys_are_rotated(lost: int) -> None:
    async with bench("https") as b:
        _, before = key_versions(b)
        struck = b.lose_answer_of("PutKey", times=lost)
        view = await run(b, operations.RotateKeyset(eid=b.eid, protocol="scp81"))
        assert len(struck) == lost
        assert view.status is not None
        assert view.status.status is Status.SUCCESS, view
        _, after = key_versions(b)
        assert not before & after
        assert (await checks.eis(b, b.eid)).scp81_version in after
        _, status = await b.run_order()
        assert status.status is Status.SUCCESS, status
        await checks.everything(b)


@pytest.mark.parametrize("lost", [0, 1, 2], ids=["heard", "answer lost", "twice"])
@pytest.mark.parametrize("protocol", ["scp80", "scp81"])
@virtual
async def test_keys_are_rotated_on_a_card_that_gets_no_short_message(protocol: str, lost: int) -> None:
    """PUT KEY in sessions that the card opens itself, under the DEK of their SCP81 key set; one after another."""
    async with bench("https-pull", poll=600, smsc=False) as b:
        state = b.device().card._core.state
        before = {k.kvn: k for k in (state.scp80 if protocol == "scp80" else state.scp81)}
        struck = b.lose_answer_of("PutKey", times=lost)
        for _ in range(2):
            view = await run(b, operations.RotateKeyset(eid=b.eid, protocol=protocol), validity=DAY)
            assert view.status is not None
            assert view.status.status is Status.SUCCESS, view
        assert len(struck) == lost
        state = b.device().card._core.state
        after = {k.kvn: k for k in (state.scp80 if protocol == "scp80" else state.scp81)}
        card = await checks.eis(b, b.eid)
        assert (card.scp80_version if protocol == "scp80" else card.scp81_version) in after
        assert not [k for k in after.values() if k.dek in {one.dek for one in before.values()}], "all keys are new"
        assert not any(counter["mt_submitted"] for counter in b.world.smsc.centre.counters.values())
        # The vault has what the card has, bit by bit: the next visits and an order show it.
        _, status = await b.run_order()
        assert status.status is Status.SUCCESS, status
        await checks.everything(b)


@virtual
async def test_keys_that_the_card_refuses_change_nothing() -> None:
    """The card says nothing under the new keys: the old ones stay in use, nothing is overwritten."""
    async with bench() as b:
        struck: list[str] = []

        def hook(names: list[str]) -> None:
            if "PutKey" in names and not struck:
                struck.append("PutKey")
                state = b.device().card._core.state
                state.scp80 = state.scp80[:1]  # the new set is lost again

        b.on_script(hook)
        view = await run(b, operations.RotateKeyset(eid=b.eid, protocol="scp80"))
        assert struck
        assert view.status is not None
        assert (view.status.status, view.status.code) == (Status.FAILED, "1.6/5.4")
        _, status = await b.run_order()
        assert status.status is Status.SUCCESS, status


@virtual
async def test_an_operation_is_found_by_its_call_and_its_owner() -> None:
    async with bench() as b:
        iccid = await downloaded(b)
        start = operations.StartOperation(
            owner=OWNER, operation=es4.ES4DisableProfile(eid=b.eid, iccid=iccid), validity=3600.0
        )
        first = await b.operator.sm_sr(start, call_id="call")
        again = await b.operator.sm_sr(start, call_id="call")
        assert isinstance(first, operations.OperationView)
        assert isinstance(again, operations.OperationView)
        assert (first.name, first.call_id) == (again.name, again.call_id) == ("DisableProfile", "call")
        await b.sleep(600.0)
        assert b.log().count("DisableProfile") == 1
        calls = await b.store("sm-sr").read(lambda c: c.execute(select(sr.PLATFORM.outbox)).all())
        assert not calls, "nobody is written to who does not listen"
        await checks.everything(b)
