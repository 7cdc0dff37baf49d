"""ES2 functions of an operator's tools and of a party outside, by way of ES3, down to the card and back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts import es2, es2_calls, es3
from ferryman.contracts.eis import PolicyRule, ProfileState
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import SM_DP, SM_SR, SOAP_GATEWAY
from ferryman.errors import Refused
from ferryman.sm_dp.records import DPSettings
from rig import OWNER
from virtual_loop import virtual

CODEC: Codec[Body] = Codec(*es2.RESPONSES, *es2.NOTIFICATIONS)


async def ask(b: Bench, call: Any, **options: Any) -> es2_calls.ES2View:
    """A call of the operator's tools, once it has ended."""
    view = await b.operator.sm_dp(es2_calls.StartES2(owner=OWNER, call=call, validity=7200.0, **options))
    while isinstance(view, es2_calls.ES2View) and view.state == "running":
        await asyncio.sleep(1.0)
        view = await b.operator.sm_dp(es2_calls.ShowES2(owner=OWNER, call_id=view.call_id))
    assert isinstance(view, es2_calls.ES2View)
    return view


@pytest.mark.parametrize("transport", ["sms", "https"])
@virtual
async def test_the_life_of_a_profile_by_es2(transport: str) -> None:
    async with bench(transport) as b:
        view, _ = await b.run_order(enable=False)
        one = {"eid": b.eid, "smsr_id": "", "iccid": view.iccid}
        shown = await ask(b, es2.ES2GetEIS(eid=b.eid, smsr_id=""))
        assert shown.eis is not None
        assert [(p.iccid, p.state) for p in shown.eis.profiles] == [(view.iccid, ProfileState.DISABLED)]
        enabled = await ask(b, es2.ES2EnableProfile(**one))
        assert enabled.status is not None
        assert enabled.status.ok, enabled.status
        card = await checks.eis(b, b.eid)
        assert card.enabled is not None
        assert card.enabled.iccid == view.iccid
        rules = (PolicyRule("DISABLE", "Not-Allowed"),)
        assert (await ask(b, es2.ES2UpdatePolicyRules(**one, pol2=rules))).status.ok  # type: ignore[union-attr]
        refused = await ask(b, es2.ES2DisableProfile(**one))
        assert refused.status is not None
        assert refused.status.code == "8.2.3/3.8"
        assert (await ask(b, es2.ES2UpdatePolicyRules(**one))).status.ok  # type: ignore[union-attr]
        disabled = await ask(b, es2.ES2DisableProfile(**one))
        assert disabled.status is not None
        assert disabled.status.ok, disabled.status
        audited = await ask(b, es2_calls.ES2AuditEIS(eid=b.eid, smsr_id=""))
        assert audited.eis is not None
        assert [p.state for p in audited.eis.profiles] == [ProfileState.DISABLED]
        deleted = await ask(b, es2.ES2DeleteProfile(**one))
        assert deleted.status is not None
        assert deleted.status.ok, deleted.status
        again = await ask(b, es2.ES2DeleteProfile(**one))
        assert again.status is not None
        assert again.status.code == "8.2.1/3.9"
        with pytest.raises(Refused, match="no call"):
            await b.operator.sm_dp(es2_calls.ShowES2(owner="1.2.3", call_id=deleted.call_id))


@virtual
async def test_a_party_outside_orders_and_is_told() -> None:
    """ES2.DownloadProfile as a message, its answer at the end, a refusal at once, notifications handed on."""
    async with bench(dp=DPSettings(tells_operators=True)) as b:
        heard: list[tuple[Header, Body]] = []

        async def gateway(raw: bytes) -> None:
            header, body = decode(raw, CODEC)
            heard.append((header, body))

        b.platform.installation.bus.register(SOAP_GATEWAY, gateway)

        async def call(body: Body, name: str) -> Header:
            now = b.platform.installation.clock.now()
            header = Header(message_id=f"soap/{name}", sender=SOAP_GATEWAY, requester=OWNER,
                            function_call_id=name, deadline=now + 7200.0, eid=b.eid)  # fmt: skip
            for _ in range(2):  # a repeat is harmless
                await b.platform.installation.bus.deliver(SM_DP, encode(header, body))
            return header

        smsr = b.platform.sm_sr.smsr_id
        await call(es2.ES2DownloadProfile(eid=b.eid, smsr_id=smsr, iccid="8988211999999999999"), "unknown")
        await call(es2.ES2DownloadProfile(eid=b.eid, smsr_id=smsr, profile_type="none"), "type")
        await call(es2.ES2DownloadProfile(eid=b.eid, smsr_id=smsr, profile_type="demo", enable=True), "good")
        await call(es2.ES2EnableProfile(eid=b.eid, smsr_id=smsr, iccid="8988211999999999999"), "strange")
        for _ in range(600):
            await asyncio.sleep(1.0)
            ends = [(header, body) for header, body in heard if type(body) in es2.RESPONSES]
            answers = {header.function_call_id: body for header, body in ends}
            if "good" in answers:
                break
        assert answers["unknown"].status.code == "8.2.1/3.9"  # type: ignore[attr-defined]
        assert answers["type"].status.code == "8.2.5/3.9"  # type: ignore[attr-defined]
        assert answers["strange"].status.code == "8.2.1/3.9"  # type: ignore[attr-defined]
        good = answers["good"]
        assert isinstance(good, es2.ES2DownloadProfileResponse)
        assert good.status.ok
        assert good.iccid.startswith("8988211")
        assert len([h for h, body in heard if h.function_call_id == "good"]) == 1
        await call(es2.ES2DisableProfile(eid=b.eid, smsr_id=smsr, iccid=good.iccid), "off")
        for _ in range(600):
            await asyncio.sleep(1.0)
            if any(header.function_call_id == "off" for header, _ in heard):
                break
        told = es3.ES3HandleProfileDisabledNotification(eid=b.eid, iccid=good.iccid, owner="1.2.3", completed=5.0)
        sender = Header(
            message_id="sr/1", sender=SM_SR, requester=smsr, function_call_id="n", deadline=9e9, eid=b.eid
        )
        for _ in range(2):
            await b.platform.installation.bus.deliver(SM_DP, encode(sender, told))
        await asyncio.sleep(5.0)
        notices = [(header.recipient, body) for header, body in heard if header.recipient == "1.2.3"]
        handed = es2.ES2HandleProfileDisabledNotification(eid=b.eid, iccid=good.iccid, completed=5.0)
        assert notices == [("1.2.3", handed)], "once, to the Operator that it names"
