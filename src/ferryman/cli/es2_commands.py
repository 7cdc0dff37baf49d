"""`ferryman es2`: functions of ES2 on profiles that our SM-DP has delivered, by way of ES3 to the SM-SR."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from cyclopts import App, Parameter

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, POLL, public, read_rules
from ferryman.cli.connectivity import NONE, Connectivity, parameters_of
from ferryman.cli.session import operator
from ferryman.contracts import es2, es2_calls
from ferryman.contracts.es2_calls import ES2Call, ES2View
from ferryman.errors import InputError

app = App(name="es2", help="ES2 functions on profiles, by way of the SM-DP.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Common:
    """Options of every call.

    Parameters
    ----------
    smsr
        Smsr-id of the SM-SR that manages the card; none means our own.
    validity
        Seconds in which it must be done.
    call_id
        FunctionCallIdentifier; the same one again finds the same call.
    wait
        Wait until it has ended; exit status 1 when it failed.
    """

    smsr: str = ""
    validity: float = 86_400.0
    call_id: str = ""
    wait: bool = False
    data: Path = DATA
    owner: str = OWNER
    json: bool = False


COMMON = Common()


async def _run(call: ES2Call, common: Common, *, wait: bool = False) -> int:
    start = es2_calls.StartES2(owner=common.owner, call=call, validity=common.validity)
    async with operator(common.data, common.owner) as calls:
        view = await calls.sm_dp(start, call_id=common.call_id)
        while (wait or common.wait) and isinstance(view, ES2View) and view.state == "running":
            await asyncio.sleep(POLL)
            view = await calls.sm_dp(es2_calls.ShowES2(owner=common.owner, call_id=view.call_id))
    return _show(view, json=common.json)


def _show(view: object, *, json: bool) -> int:
    if not isinstance(view, ES2View):
        return output.FAILED
    eis = public(view.eis) if view.eis is not None else None
    status = view.status
    if json:
        output.emit(
            {"call_id": view.call_id, "name": view.name, "state": view.state, "status": status, "eis": eis}
        )
    else:
        result = f", {status.status} {status.code} {status.message}".rstrip() if status is not None else ""
        output.line(f"{view.name} {view.call_id}: {view.state}{result}")
        for profile in view.eis.profiles if view.eis is not None else ():
            output.line(f"  {profile.iccid} {profile.state.value} {profile.profile_type}")
    return output.FAILED if status is not None and not status.ok else output.DONE


@app.command(name="get-eis")
async def get_eis(eid: str, *, common: Common = COMMON) -> int:
    """The EIS with the profiles of the Operator, as the SM-SR has it."""
    return await _run(es2.ES2GetEIS(eid=eid, smsr_id=common.smsr), common, wait=True)


@app.command(name="audit")
async def audit(eid: str, *, iccid: tuple[str, ...] = (), common: Common = COMMON) -> int:
    """Have the card asked for its profiles; none named means all of the Operator."""
    return await _run(es2_calls.ES2AuditEIS(eid=eid, smsr_id=common.smsr, iccids=iccid), common)


@app.command(name="enable")
async def enable(eid: str, iccid: str, *, common: Common = COMMON) -> int:
    """Enable a profile."""
    return await _run(es2.ES2EnableProfile(eid=eid, smsr_id=common.smsr, iccid=iccid), common)


@app.command(name="disable")
async def disable(eid: str, iccid: str, *, common: Common = COMMON) -> int:
    """Disable a profile; the card enables the one with the Fall-back Attribute."""
    return await _run(es2.ES2DisableProfile(eid=eid, smsr_id=common.smsr, iccid=iccid), common)


@app.command(name="delete")
async def delete(eid: str, iccid: str, *, common: Common = COMMON) -> int:
    """Delete a profile and its ISD-P; our keys of it are destroyed."""
    return await _run(es2.ES2DeleteProfile(eid=eid, smsr_id=common.smsr, iccid=iccid), common)


@app.command(name="policy")
async def policy(eid: str, iccid: str, *, rule: tuple[str, ...] = (), common: Common = COMMON) -> int:
    """Replace POL2 whole; no rule means no restriction.

    Parameters
    ----------
    rule
        ACTION:QUALIFICATION, for example DISABLE:Not-Allowed or DISABLE:Auto-Delete.
    """
    call = es2.ES2UpdatePolicyRules(eid=eid, smsr_id=common.smsr, iccid=iccid, pol2=read_rules(rule))
    return await _run(call, common, wait=True)


@app.command(name="address")
async def address(eid: str, iccid: str, *, imsi: str = "", msisdn: str = "", common: Common = COMMON) -> int:
    """Replace the subscription address."""
    call = es2.ES2UpdateSubscriptionAddress(eid=eid, smsr_id=common.smsr, iccid=iccid, imsi=imsi, msisdn=msisdn)
    return await _run(call, common, wait=True)


@app.command(name="connectivity")
async def connectivity(eid: str, iccid: str, *, given: Connectivity = NONE, common: Common = COMMON) -> int:
    """Replace the connectivity parameters on the card, over the keys of its ISD-P; no function of ES2 itself."""
    parameters = parameters_of(given)
    if not parameters:
        raise InputError("connectivity parameters", "are missing: give --smsc, --apn or --connectivity")
    call = es2_calls.UpdateConnectivityParameters(eid=eid, smsr_id=common.smsr, iccid=iccid, parameters=parameters)
    return await _run(call, common)


@app.command(name="show")
async def show(call_id: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Show a call: its state and its result."""
    async with operator(data, owner) as calls:
        view = await calls.sm_dp(es2_calls.ShowES2(owner=owner, call_id=call_id))
    return _show(view, json=json)
