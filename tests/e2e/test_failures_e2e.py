"""Downloads and changes that fail for a reason, and what they leave behind (SGP.02 3.1.4, 3.1.5, 3.2.2, 3.16)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.codec.saip import ProfileElement, encode
from ferryman.contracts import codes
from ferryman.contracts.status import Status
from ferryman.profile.demo_template import demo_package
from ferryman.sm_dp.records import DPSettings
from virtual_loop import virtual

BOTH = pytest.mark.parametrize("transport", ["sms", "https"])


def code(pair: tuple[str, str]) -> str:
    return "/".join(pair)


async def only_bootstrap(b: Bench) -> None:
    card = await checks.eis(b, b.eid)
    assert [p.state for p in card.profiles] == ["Enabled"]


@BOTH
@virtual
async def test_wrong_receipt(transport: str) -> None:
    """SGP.02 3.1.2 step 6, 3.1.4: the order fails, the ISD-P goes, the subscription is free for the next order."""
    async with bench(transport) as b:
        await b.fault(wrong_receipt=1)
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.FAILED
        assert "receipt" in status.message
        await only_bootstrap(b)
        again, good = await b.run_order()
        await checks.everything(b, again)
        assert again.iccid == view.iccid
        assert good.status is Status.SUCCESS


@BOTH
@virtual
async def test_profile_larger_than_its_memory(transport: str) -> None:
    """The card reports status 4 for an element and aborts; the report reaches the order, the ISD-P goes."""
    async with bench(transport, dp=DPSettings(memory_factor=0.0, memory_margin=64)) as b:
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.FAILED
        assert status.code == code(codes.ISDP_ERROR)
        (line,) = [line for line in view.pe_statuses if "not-enough-memory" in line]
        number, name = re.fullmatch(r"PE (\d+) (\w+): not-enough-memory.*", line).groups()  # type: ignore[union-attr]
        named = {one.identification: one.name for one in demo_package().elements}
        assert named[int(number)] == name, "the element by its name"
        assert line in status.message
        assert any(line in detail for action, _, detail in await b.audits("sm-dp") if action == "DownloadProfile")
        await only_bootstrap(b)


def with_foreign_element(*, mandated: bool) -> bytes:
    """The demo template with an element of a stranger before its end."""
    package = demo_package()
    header = {"identification": 99} | ({"mandated": None} if mandated else {})
    body = {"nonStandard-header": header, "issuerID": "1.3.6.1.4.1.99999.77", "content": b"nobody knows"}
    *elements, end = package.elements
    return encode(replace(package, elements=(*elements, ProfileElement("nonStandard", body), end)))


@virtual
async def test_mandated_element_that_the_card_does_not_know() -> None:
    """PEStatus 1 and aborted (SGP.02 4.1.3.3, interoperable profile package 8.10); the ISD-P goes."""
    async with bench(template=with_foreign_element(mandated=True)) as b:
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.FAILED
        assert status.code == code(codes.ISDP_ERROR)
        assert "aborted" in status.message
        assert any(line.startswith("PE 99 nonStandard: pe-not-supported") for line in view.pe_statuses)
        assert "PE 99 nonStandard: pe-not-supported" in status.message
        await only_bootstrap(b)


@virtual
async def test_optional_element_that_the_card_does_not_know() -> None:
    """PEStatus 1 without abort: installed and enabled, with a warning that names the element."""
    async with bench(template=with_foreign_element(mandated=False)) as b:
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.WARNING
        assert any(line.startswith("PE 99 nonStandard: pe-not-supported") for line in view.pe_statuses)
        assert "PE 99 nonStandard: pe-not-supported" in status.message
        assert view.pe_statuses[-1] == "ok"
        card = await checks.eis(b, b.eid)
        assert card.enabled is not None
        assert card.enabled.iccid == view.iccid


@BOTH
@virtual
async def test_no_network_with_the_new_profile(transport: str) -> None:
    """SGP.02 3.2.2: the card rolls back, type 03 is confirmed, the order is a warning, EIS and card as before."""
    async with bench(transport) as b:
        await b.fault(no_network_after_enable=True)
        view, status = await b.run_order()
        await b.sleep(60.0)
        await checks.everything(b, view)
        assert status.status is Status.WARNING
        assert status.code == code(codes.NO_CONNECTIVITY)
        assert "rolled back" in status.message
        card = await checks.eis(b, b.eid)
        assert [p.state for p in card.profiles] == ["Enabled", "Disabled"]
        audits = [(action, outcome) for action, outcome, _ in await b.audits()]
        assert ("0003 profile change failed", "received") in audits
        assert b.device().card.dump()["run"]["notification"] is None, "the card knows that we know"
        assert len(checks.effects(b, b.eid, "EnableProfile")) == 1


@BOTH
@virtual
async def test_confirmation_that_never_reaches_the_card(transport: str) -> None:
    """SGP.02 3.2.2: no confirmation in time, so the card rolls back; the order says so and the EIS agrees."""
    async with bench(transport) as b:
        await b.fault(drop_confirmations=True)
        view = await b.order()
        await b.until(lambda: b.world.status(b.eid)["counters"].get("refreshes", 0) == 2)
        await b.fault(drop_confirmations=None)
        view, status = await b.ended(view)
        await b.sleep(700.0)
        await checks.everything(b, view)
        assert status.status is Status.WARNING
        assert status.code == code(codes.NO_CONNECTIVITY)
        card = await checks.eis(b, b.eid)
        assert [p.state for p in card.profiles] == ["Enabled", "Disabled"]


@BOTH
@virtual
async def test_two_confirmations_lost(transport: str) -> None:
    """A repeat of the same packet, or of the same confirmation, reaches the card in time."""
    async with bench(transport) as b:
        await b.fault(drop_confirmations=2)
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.SUCCESS
        assert len(checks.effects(b, b.eid, "EnableProfile")) == 1


@BOTH
@virtual
async def test_validity_period_ends_before_the_notification(transport: str) -> None:
    """SGP.02 5.1.1, 3.2.2: Expired, no confirmation, the card rolls back by itself, EIS and card agree."""
    async with bench(transport) as b:

        def silence(names: list[str]) -> None:
            if "EnableProfile" in names:
                b.device().faults.drop_mo = 1_000

        b.on_script(silence)
        placed = await b.order(validity=60.0)
        await b.sleep(56.0)  # ES3.EnableProfile ends a tenth of the period before the order does
        b.device().faults.drop_mo = 0
        view, status = await b.ended(placed)
        await b.sleep(1500.0)
        await checks.everything(b, view)
        assert status.status is Status.WARNING
        assert status.code == code(codes.EXPIRED)
        card = await checks.eis(b, b.eid)
        assert [p.state for p in card.profiles] == ["Enabled", "Disabled"]
        audits = [(action, outcome) for action, outcome, _ in await b.audits()]
        assert ("0002 profile change succeeded", "not confirmed") in audits
        assert ("0003 profile change failed", "received") in audits
        assert b.log().count("EnableProfile") == 1
        assert len([n for n in b.log() if n.startswith("HandleNotificationConfirmation")]) == 2, "of 01 and 03"


@virtual
async def test_fall_back_corrects_the_eis() -> None:
    """SGP.02 3.16: type 05 is confirmed and the EIS says what is enabled now."""
    async with bench() as b:
        view, _ = await b.run_order()
        await b.fault(lose_connectivity=True)
        await b.sleep(400.0)
        await checks.everything(b, view)
        card = await checks.eis(b, b.eid)
        assert card.enabled is not None
        assert card.enabled.fallback
        audits = [(action, outcome) for action, outcome, _ in await b.audits()]
        assert audits.count(("0005 profile change after fall-back", "received")) == 1
        assert b.device().card.dump()["run"]["notification"] is None


@BOTH
@virtual
async def test_left_over_is_cleaned_up_by_the_next_download(transport: str) -> None:
    """SGP.02 3.1.5: an ISD-P that a failed clean-up left in state Created goes before the next one is made."""
    async with bench(transport) as b:
        b.lose_answer_of("StoreCertificate", times=10)

        def switch_off(names: list[str]) -> None:
            if any(name.startswith("StoreCertificate") for name in names):
                b.device().faults.drop_mt = 10_000
                b.device().faults.refuse_https = 10_000

        b.on_script(switch_off)
        view, status = await b.run_order(validity=600.0)
        assert not status.ok
        await b.sleep(2000.0)
        card = await checks.eis(b, b.eid)
        assert [p.state for p in card.profiles] == ["Enabled", "Created"]
        b.device().faults.drop_mt = b.device().faults.refuse_https = 0
        b.device().power_cycle()
        await b.sleep(30.0)
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.SUCCESS
        assert len((await checks.eis(b, b.eid)).profiles) == 2
