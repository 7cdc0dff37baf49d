"""Connectivity parameters and POL1 from template and order to the card; new ones over ES8 (SGP.02 3.14)."""

from __future__ import annotations

import msgspec
import pytest

from e2e import checks
from e2e.bench import Bench, bench
from e2e.test_es2_e2e import ask
from ferryman.codec import admin_trigger, isdr
from ferryman.codec.saip import encode
from ferryman.contracts import es2, es2_calls, orders
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import Refused
from ferryman.profile.demo_template import demo_package
from ferryman.sm_dp.records import DPSettings
from ferryman_sim.card.isdp import IsdP
from ferryman_sim.card.state import Isdp
from rig import OWNER
from virtual_loop import virtual

OF_TEMPLATE = isdr.connectivity_parameters("+33689924110")
OF_ORDER = isdr.connectivity_parameters("+33609876543")
BEARER = admin_trigger.bearer_objects("m2m.example", login="meter", password="secret")
LATER = isdr.connectivity_parameters("+16540942001", https=BEARER)


def isdp(b: Bench, iccid: str) -> Isdp:
    """The ISD-P of a profile, as the card has it."""
    (found,) = [p for p in b.device().card._core.state.isdps if p.profile is not None and p.profile.iccid == iccid]
    return found


def templated() -> bytes:
    package = demo_package()
    package.header["pol"], package.header["connectivityParameters"] = b"\x02", OF_TEMPLATE
    return encode(package)


async def update(b: Bench, iccid: str, parameters: bytes = LATER) -> ExecutionStatus:
    call = es2_calls.UpdateConnectivityParameters(eid=b.eid, smsr_id="", iccid=iccid, parameters=parameters)
    view = await ask(b, call)
    assert view.name == "UpdateConnectivityParameters"
    assert view.status is not None
    return view.status


@pytest.mark.parametrize(
    ("ordered", "pol1", "parameters"),
    [
        ({}, 0x02, OF_TEMPLATE),
        ({"pol1": b"\x01", "connectivity": OF_ORDER}, 0x01, OF_ORDER),
        ({"pol1": b"", "connectivity": b""}, 0x00, None),
    ],
    ids=["template", "order", "none"],
)
@virtual
async def test_those_of_template_and_order_reach_the_card(
    ordered: dict[str, bytes], pol1: int, parameters: bytes | None
) -> None:
    async with bench("https", template=templated()) as b:
        view, status = await b.run_order(**ordered)
        assert status.ok, status
        found = isdp(b, view.iccid)
        assert (found.pol1, found.connectivity) == (pol1, parameters)
        if pol1 & 0x01:
            refused = await ask(b, es2.ES2DisableProfile(eid=b.eid, smsr_id="", iccid=view.iccid))
            assert refused.status is not None
            assert not refused.status.ok, "the card enforces it"


@pytest.mark.parametrize(
    ("transport", "enable", "quirks"),
    [
        ("sms", True, {}),
        ("sms", False, {"few_responses": True}),
        ("https", True, {"few_responses": True}),
        ("https", False, {}),
    ],
)
@virtual
async def test_new_parameters_behind_the_download(transport: str, enable: bool, quirks: dict[str, bool]) -> None:
    """Also on a card that leaves out answers without data but the last (TS 102 226 5.2.1)."""
    async with bench(transport, quirks=quirks) as b:
        view, status = await b.run_order(enable=enable, connectivity=OF_ORDER)
        assert status.ok, status
        assert (await update(b, view.iccid)).ok
        assert isdp(b, view.iccid).connectivity == LATER
        if enable:
            assert b.device().card.smsc() == "+16540942001"
        audits = [(action, outcome) for action, outcome, _ in await b.audits("sm-dp")]
        assert ("UpdateConnectivityParameters", "done") in audits
        await checks.everything(b, view)


@pytest.mark.parametrize("command", ["InitializeUpdate", "ExternalAuthenticate", "StoreData"])
@virtual
async def test_lost_answers_are_made_up_for(command: str) -> None:
    async with bench() as b:
        view, _ = await b.run_order()
        struck = b.lose_answer_of(command, times=2)
        assert (await update(b, view.iccid)).ok, b.log()
        assert len(struck) == 2
        assert isdp(b, view.iccid).connectivity == LATER


@pytest.mark.parametrize("transport", ["sms", "https"])
@virtual
async def test_a_session_that_the_card_has_forgotten_is_opened_again(transport: str) -> None:
    async with bench(transport) as b:
        view, _ = await b.run_order()
        forgotten: list[str] = []

        def hook(names: list[str]) -> None:
            if "InitializeUpdate" in names and len(forgotten) < 2:
                forgotten.append("session")
                b.device().card.faults["drop_dialogue"] = 1

        b.on_script(hook)
        assert (await update(b, view.iccid)).ok, b.log()
        assert len(forgotten) == 2
        assert isdp(b, view.iccid).connectivity == LATER


@virtual
async def test_sessions_that_are_always_forgotten_end_the_call() -> None:
    async with bench("https", dp=DPSettings(session_attempts=3)) as b:
        view, _ = await b.run_order()
        b.device().card.faults["drop_dialogue"] = True
        status = await update(b, view.iccid)
        assert status.code == "8.3/4.2", status
        assert b.log().count("InitializeUpdate") == 3


@virtual
async def test_what_cannot_be() -> None:
    async with bench("https", count=1) as b:
        view, _ = await b.run_order(keys=orders.DESTROY)
        gone = await update(b, view.iccid)
        assert gone.code == "8.3/4.2"
        assert "no key set" in gone.message
        assert (await update(b, "8988211000000000029")).code == "8.2.1/3.9"
        for wrong in (b"", b"\xa3\x00", b"\xa0", LATER + LATER, b"\xa2\x81\xea" + bytes(234)):
            with pytest.raises(Refused, match="connectivity parameters"):
                await update(b, view.iccid, wrong)
            if wrong:
                with pytest.raises(Refused, match="connectivity parameters"):
                    await b.order(connectivity=wrong)
        assert isdp(b, view.iccid).connectivity is None


@virtual
async def test_the_card_says_no() -> None:
    """Parameters that we find well formed and the card does not: its status word is told."""
    async with bench("https", quirks={"cat_tp_refused": True}) as b:
        view, _ = await b.run_order()
        before = isdp(b, view.iccid).connectivity
        refused = await update(b, view.iccid, isdr.connectivity_parameters(cat_tp=bytes.fromhex("350103")))
        assert (refused.code, "6A80" in refused.message) == ("8.3/4.2", True), refused
        assert isdp(b, view.iccid).connectivity == before


@pytest.mark.parametrize("few", [False, True])
@virtual
async def test_an_answer_that_the_card_did_not_make_is_found_out(
    monkeypatch: pytest.MonkeyPatch, few: bool
) -> None:
    secured = IsdP._secured

    def forged(self: IsdP, *arguments: object) -> bytes:
        answer = secured(self, *arguments)  # type: ignore[arg-type]
        return answer[:-1] + bytes((answer[-1] ^ 1,))

    async with bench("https", quirks={"few_responses": few}) as b:
        view, _ = await b.run_order()
        monkeypatch.setattr(IsdP, "_secured", forged)
        status = await update(b, view.iccid)
        assert (status.code, "R-MAC" in status.message) == ("8.3/4.2", True), status


@virtual
async def test_the_largest_that_fits_is_stored() -> None:
    async with bench() as b:
        view, _ = await b.run_order()
        password = "x" * 200
        bearer = admin_trigger.bearer_objects("m2m", login="a", password=password)
        parameters = isdr.connectivity_parameters(https=bearer)
        bearer = admin_trigger.bearer_objects("m2m", login="a", password=password + "x" * (236 - len(parameters)))
        parameters = isdr.connectivity_parameters(https=bearer)
        assert len(parameters) == 236
        assert (await update(b, view.iccid, parameters)).ok
        assert isdp(b, view.iccid).connectivity == parameters


@virtual
async def test_a_repeat_of_the_call_finds_the_first_answer() -> None:
    async with bench("https") as b:
        view, _ = await b.run_order()
        call = es2_calls.UpdateConnectivityParameters(eid=b.eid, smsr_id="", iccid=view.iccid, parameters=LATER)
        first = await ask(b, call)
        opened = b.log().count("InitializeUpdate")
        again = await b.operator.sm_dp(es2_calls.StartES2(owner=OWNER, call=call), call_id=first.call_id)
        assert again == first
        other = msgspec.structs.replace(call, parameters=OF_ORDER)
        with pytest.raises(Refused, match="used with other input"):
            await b.operator.sm_dp(es2_calls.StartES2(owner=OWNER, call=other), call_id=first.call_id)
        assert b.log().count("InitializeUpdate") == opened == 1
