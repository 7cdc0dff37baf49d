"""Change of SM-SR between two installations, one card, real channels (SGP.02 3.8; ES4, ES7)."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from e2e.bench import bench
from e2e.two_smsrs import FIRST, SECOND, first_settings, join
from ferryman.contracts import es4, es7
from ferryman.contracts.message import Body
from ferryman.contracts.status import Status
from ferryman_sim.card.apdu import SW_CONDITIONS, CommandError
from ferryman_sim.card.isdr_keys import IsdrKeys
from virtual_loop import virtual

BOTH = pytest.mark.parametrize("transport", ["sms", "https"])


@BOTH
@virtual
async def test_the_card_changes_hands(transport: str) -> None:
    async with bench(transport, sr=first_settings()) as b:
        view, _ = await b.run_order()
        wire = await join(b)
        try:
            before = await wire.card(FIRST)
            status = await wire.change()
            assert status.status is Status.SUCCESS, status
            assert await wire.owner() == SECOND
            assert await wire.card(FIRST) is None
            assert await wire.noted() == SECOND
            after = await wire.card(SECOND)
            assert before is not None
            assert after is not None
            assert after.profiles == before.profiles
            assert (after.smsr_id, after.signed_info) == (SECOND, before.signed_info)
            keysets = {k.kvn for k in b.device().card._core.state.scp80}
            assert keysets == {after.scp80_version}, "the former SM-SR cannot reach the card any more"
            assert b.device().card._core.state.smsr_address.endswith("99999999")
            told = [body for _, body in wire.notices if isinstance(body, es4.ES4HandleSMSRChangeNotification)]
            assert [(n.eis.eid, n.eis.smsr_id) for n in told] == [(b.eid, SECOND)]
            assert view.iccid in [p.iccid for p in told[0].eis.profiles]
        finally:
            await wire.close()


@virtual
async def test_own_expiry_then_again() -> None:
    """The new SM-SR never asks on: the current one goes on managing the card, and a second attempt succeeds."""
    async with bench("sms", sr=first_settings(handover_timeout=300.0)) as b:
        await b.run_order()
        wire = await join(b)
        try:
            wire.drop = lambda _sender, _receiver, body: isinstance(body, es7.ES7AuthenticateSMSR)
            status = await wire.change()
            assert (status.status, status.code) == (Status.FAILED, "1.6/5.4")
            assert await wire.owner() == FIRST
            wire.drop = lambda _sender, _receiver, _body: False
            await b.sleep(2000.0)
            again = await wire.change()
            assert again.status is Status.SUCCESS, again
            assert await wire.owner() == SECOND
        finally:
            await wire.close()


@virtual
async def test_a_receipt_that_is_not_the_cards() -> None:
    """Before the commit point: Failed, the half-made key set is removed, the card is where it was."""
    async with bench("sms", sr=first_settings()) as b:
        await b.run_order()
        wire = await join(b)
        try:
            before = {k.kvn for k in b.device().card._core.state.scp80}

            def tamper(body: Body) -> Body:
                if isinstance(body, es7.ES7CreateAdditionalKeySetResponse):
                    return msgspec.structs.replace(body, receipt=bytes(16))
                return body

            wire.tamper = tamper
            status = await wire.change()
            assert (status.status, status.code) == (Status.FAILED, "8.4/4.2")
            await b.sleep(60.0)
            assert await wire.owner() == FIRST
            assert await wire.card(SECOND) is None
            assert {k.kvn for k in b.device().card._core.state.scp80} == before
            audited = await wire.call(FIRST, es4.ES4AuditEIS(eid=b.eid))
            assert (await wire.ended(audited)).status is Status.SUCCESS, "with the old keys"
        finally:
            await wire.close()


@virtual
async def test_the_answer_to_the_handover_is_lost() -> None:
    """The current SM-SR asks with the same call until it hears: the card is never two SM-SRs'."""
    async with bench("sms", sr=first_settings(handover_timeout=300.0)) as b:
        await b.run_order()
        wire = await join(b)
        try:
            lost: list[str] = []

            def drop(_sender: str, _receiver: str, body: Body) -> bool:
                if isinstance(body, es7.ES7HandoverEUICCResponse) and len(lost) < 2:
                    lost.append("answer")
                    return True
                return False

            wire.drop = drop
            status = await wire.change()
            assert lost == ["answer", "answer"]
            assert status.status is Status.SUCCESS
            assert await wire.owner() == SECOND
            assert await wire.card(FIRST) is None
            assert wire.carried.count("ES7HandoverEUICC") == 3
            assert wire.carried.count("ES7AuthenticateSMSR") == 1, "nothing was done twice"
        finally:
            await wire.close()


@virtual
async def test_the_key_version_is_taken() -> None:
    """The card has the first version that is tried: another one, with a challenge of its own."""
    async with bench("sms", sr=first_settings()) as b:
        await b.run_order()
        state = b.device().card._core.state
        state.scp80.append(dataclasses.replace(state.scp80[0], kvn=0x0F))
        wire = await join(b)
        try:
            status = await wire.change()
            assert status.status is Status.SUCCESS, status
            card = await wire.card(SECOND)
            assert card is not None
            assert card.scp80_version == 0x0E
            assert {k.kvn for k in b.device().card._core.state.scp80} == {0x0E}
        finally:
            await wire.close()


@virtual
async def test_calls_during_the_change_and_after_it() -> None:
    """What comes during the change waits for the card, and finds that it went."""
    async with bench("sms", sr=first_settings(handover_timeout=300.0)) as b:
        view, _ = await b.run_order()
        wire = await join(b)
        try:
            prepared = await wire.call(SECOND, es4.ES4PrepareSMSRChange(eid=b.eid, current_smsr_id=FIRST))
            assert (await wire.ended(prepared)).ok
            change = await wire.call(FIRST, es4.ES4SMSRChange(eid=b.eid, target_smsr_id=SECOND))
            during = await wire.call(FIRST, es4.ES4DisableProfile(eid=b.eid, iccid=view.iccid))
            assert (await wire.ended(change)).ok
            assert (await wire.ended(during)).code == "8.1.1/3.9"
            assert "DisableProfile" not in b.log()
            taken = await wire.call(SECOND, es4.ES4DisableProfile(eid=b.eid, iccid=view.iccid))
            assert (await wire.ended(taken)).status is Status.SUCCESS
            again = await wire.call(SECOND, es4.ES4PrepareSMSRChange(eid=b.eid, current_smsr_id=FIRST))
            assert (await wire.ended(again)).code == "1.2/3"
        finally:
            await wire.close()


@virtual
async def test_former_keys_that_the_card_will_not_delete_now_are_deleted_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A warning for the callers, and the deletion is tried again, also by another run, until the card does it."""
    refusals: list[bytes] = []
    real = IsdrKeys.finalise

    def stubborn(self: IsdrKeys, data: bytes, kvn: int | None) -> bytes:
        if len(refusals) < 5:
            refusals.append(data)
            raise CommandError(SW_CONDITIONS)
        return real(self, data, kvn)

    monkeypatch.setattr(IsdrKeys, "finalise", stubborn)
    async with bench("sms", sr=first_settings()) as b:
        await b.run_order()
        wire = await join(b)
        try:
            status = await wire.change()
            assert status.status is Status.SUCCESS, "the current SM-SR's part is done"
            versions = {k.kvn for k in b.device().card._core.state.scp80}
            card = await wire.card(SECOND)
            assert card is not None
            assert versions > {card.scp80_version}, "the former keys are still there"
            await b.sleep(1000.0)
            await wire.second.close()
            await wire.second.open()
            wire.attach(SECOND)
            await b.sleep(10_000.0)
            assert len(refusals) == 5
            assert {k.kvn for k in b.device().card._core.state.scp80} == {card.scp80_version}
        finally:
            await wire.close()
