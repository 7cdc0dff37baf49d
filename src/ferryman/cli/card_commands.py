"""Commands that act on a card through the SM-SR: `ferryman euicc enable` and its like; `ferryman operation`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from cyclopts import App, Parameter

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, POLL, euicc
from ferryman.cli.maintenance import moment
from ferryman.cli.moments import moment_of
from ferryman.cli.session import operator
from ferryman.contracts import es4, operations, orders
from ferryman.errors import InputError

operation = App(name="operation", help="Operations on cards.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Common:
    """Options of every operation.

    Parameters
    ----------
    validity
        Seconds in which it must be done.
    call_id
        FunctionCallIdentifier; the same one again finds the same operation.
    wait
        Wait until it has ended; exit status 1 when it failed.
    """

    validity: float = 86_400.0
    call_id: str = ""
    wait: bool = False
    data: Path = DATA
    owner: str = OWNER
    json: bool = False


COMMON = Common()


async def _run(what: operations.Operation, common: Common) -> int:
    start = operations.StartOperation(owner=common.owner, operation=what, validity=common.validity)
    async with operator(common.data, common.owner) as calls:
        view = await calls.sm_sr(start, call_id=common.call_id)
        while common.wait and isinstance(view, operations.OperationView) and view.state == "running":
            await asyncio.sleep(POLL)
            view = await calls.sm_sr(operations.ShowOperation(owner=common.owner, call_id=view.call_id))
    return _show(view, json=common.json)


def _show(view: object, *, json: bool) -> int:
    if not isinstance(view, operations.OperationView):
        return output.FAILED
    if json:
        output.emit(view)
    else:
        result = ""
        if view.status is not None:
            result = f": {view.status.status.value} {view.status.code} {view.status.message}".rstrip()
        output.line(f"operation {view.call_id}, {view.name}, {view.state}{result}")
    return output.DONE if view.status is None or view.status.ok else output.FAILED


@euicc.command(name="enable")
async def euicc_enable(eid: str, iccid: str, *, common: Common = COMMON) -> int:
    """Enable a profile (ES4.EnableProfile)."""
    return await _run(es4.ES4EnableProfile(eid=eid, iccid=iccid), common)


@euicc.command(name="disable")
async def euicc_disable(eid: str, iccid: str, *, common: Common = COMMON) -> int:
    """Disable a profile; the fall-back profile takes its place (ES4.DisableProfile)."""
    return await _run(es4.ES4DisableProfile(eid=eid, iccid=iccid), common)


@euicc.command(name="delete")
async def euicc_delete(eid: str, iccid: str, *, common: Common = COMMON) -> int:
    """Delete a profile; one that is enabled is disabled first (ES4.DeleteProfile)."""
    return await _run(es4.ES4DeleteProfile(eid=eid, iccid=iccid), common)


@euicc.command(name="audit")
async def euicc_audit(eid: str, *iccids: str, common: Common = COMMON) -> int:
    """Ask the card what it holds and correct the EIS (ES4.AuditEIS)."""
    return await _run(es4.ES4AuditEIS(eid=eid, iccids=tuple(iccids)), common)


@euicc.command(name="set-fallback")
async def euicc_set_fallback(eid: str, iccid: str, *, common: Common = COMMON) -> int:
    """Move the fall-back attribute to a profile (ES5.SetFallbackAttribute)."""
    return await _run(operations.SetFallbackAttribute(eid=eid, iccid=iccid), common)


@euicc.command(name="master-delete")
async def euicc_master_delete(
    eid: str,
    iccid: str,
    *,
    order: str = "",
    token: str = "",
    sin: str = "",
    sdin: str = "",
    provider: str = "",
    token_id: str = "01",  # noqa: S107 - the number of a token, no secret
    common: Common = COMMON,
) -> int:
    """Delete an orphaned profile against its policy (ES5.MasterDelete).

    Parameters
    ----------
    order
        The order of our SM-DP that installed the profile: a token is issued now. Else give that of its SM-DP.
    token
        The delete token of the ISD-P's SM-DP, 32 hexadecimal digits.
    sin
        SD provider id that the token covers, hexadecimal.
    sdin
        SD image number that the token covers, hexadecimal.
    provider
        Application provider id that the token covers, hexadecimal.
    token_id
        Number of the token, hexadecimal.
    """
    if bool(order) == bool(token):
        raise InputError("master-delete", "needs --order or --token, one of the two")
    if order:
        async with operator(common.data, common.owner) as calls:
            issued = await calls.sm_dp(orders.IssueDeleteToken(owner=common.owner, order_id=order))
        if not isinstance(issued, orders.DeleteToken) or (issued.eid, issued.iccid) != (eid, iccid):
            raise InputError("--order", "has not installed this profile on this card")
        return await _run(_with_token(issued), common)
    request = operations.MasterDelete(
        eid=eid,
        iccid=iccid,
        token=_octets("--token", token),
        sin=_octets("--sin", sin),
        sdin=_octets("--sdin", sdin),
        provider=_octets("--provider", provider),
        token_id=_octets("--token-id", token_id),
    )
    return await _run(request, common)


def _with_token(issued: orders.DeleteToken) -> operations.MasterDelete:
    return operations.MasterDelete(
        eid=issued.eid,
        iccid=issued.iccid,
        token=issued.token,
        sin=issued.sin,
        sdin=issued.sdin,
        provider=issued.provider,
        token_id=issued.token_id,
    )


@euicc.command(name="addressing")
async def euicc_addressing(
    eid: str,
    *,
    sms: str = "",
    host: str = "",
    address: str = "",
    port: int = 0,
    uri: str = "",
    common: Common = COMMON,
) -> int:
    """Tell the card where its SM-SR is (ES5.UpdateSMSRAddressingParameters); what is left out stays as it is.

    Parameters
    ----------
    sms
        Number for its short messages, as +33612345678.
    host
        Host of the HTTPS sessions.
    address
        IP address of that host.
    port
        TCP port.
    uri
        URI of the first POST.
    """
    request = operations.UpdateSMSRAddressing(
        eid=eid, sms_address=sms, host=host, address=address, port=port, uri=uri
    )
    return await _run(request, common)


@euicc.command(name="rotate-keys")
async def euicc_rotate_keys(eid: str, protocol: Literal["scp80", "scp81"], *, common: Common = COMMON) -> int:
    """Give the ISD-R new keys by PUT KEY.

    Parameters
    ----------
    protocol
        scp80 or scp81.
    """
    return await _run(operations.RotateKeyset(eid=eid, protocol=protocol), common)


@operation.command(name="show")
async def operation_show(call_id: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Show an operation and its result."""
    async with operator(data, owner) as calls:
        view = await calls.sm_sr(operations.ShowOperation(owner=owner, call_id=call_id))
    _show(view, json=json)
    return output.DONE


@operation.command(name="list")
async def operation_list(
    *,
    eid: str = "",
    function: Literal[
        "",
        "enable",
        "disable",
        "delete",
        "audit",
        "set-fallback",
        "update-policy-rules",
        "update-subscription-address",
        "master-delete",
        "rotate-keys",
        "update-addressing",
    ] = "",
    state: Literal["", "running", "done"] = "",
    failed: bool = False,
    since: str = "",
    until: str = "",
    limit: int = 100,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """List operations, the newest first.

    Parameters
    ----------
    eid
        On this eUICC only.
    function
        Of this function only.
    state
        running or done; both when it is not given.
    failed
        Only those that failed.
    since, until
        Begun at this time (ISO 8601, UTC when it has no zone) or later, and before that one.
    limit
        So many at most.
    """
    question = operations.ListOperations(
        owner=owner,
        limit=limit,
        eid=eid,
        function=function,
        state=state,
        failed_only=failed,
        since=moment_of("--since", since),
        until=moment_of("--until", until),
    )
    found: list[operations.OperationView] = []
    async with operator(data, owner) as calls:
        while len(found) < limit:
            page = await calls.sm_sr(question)
            if not isinstance(page, operations.OperationPage):
                return output.FAILED
            found += page.operations
            if not page.next:
                break
            question = msgspec.structs.replace(question, after=page.next)
    if json:
        output.emit({"operations": found[:limit]})
    else:
        columns = ["operation", "begun", "EID", "function", "state", "result"]
        output.table("operations", columns, [_line(one) for one in found[:limit]])
    return output.DONE


def _line(view: operations.OperationView) -> list[str]:
    result = "" if view.status is None else f"{view.status.status.value} {view.status.code}".rstrip()
    return [view.call_id, moment(view.created), view.eid, view.name, view.state, result]


def _octets(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError(name, "must be hexadecimal") from None
