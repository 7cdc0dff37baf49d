"""What a second person approves: raw scripts, roles, deletion of stock; and what is done then."""

from __future__ import annotations

from typing import Any

from ferryman.contracts import imports, queue
from ferryman.contracts.rest import KeyRole
from ferryman.platform.mailbox import Tx
from ferryman.rest_api import accounts, bodies_people, rights
from ferryman.rest_api.approvals import Deed
from ferryman.rest_api.asking import Asking
from ferryman.rest_api.endpoint import ACCEPTED, Endpoint, Request

RAW_SCRIPT, SET_ROLE, DELETE_STOCK = "raw-script", "set-role", "delete-stock"
RAW = "raw"  # the function of a queue entry


def deeds(ask: Asking) -> tuple[Deed, ...]:
    """All of them."""

    async def raw_script(request: Any, tenant: str, call_id: str) -> object:
        item = queue.QueueItem(
            function=RAW,
            sd_aid=bytes.fromhex(request["sd_aid"]),
            data=bytes.fromhex(request["data"]),
            reason=request["reason"],
            validity=request["validity"],
        )
        question = queue.QueueAdd(owner=tenant, eid=request["eid"], item=item, key=call_id)
        return await ask.sm_sr(tenant, question, queue.EntryView)

    async def delete_stock(request: Any, tenant: str, call_id: str) -> object:
        question = imports.DeleteStock(owner=tenant, import_id=request["import_id"])
        deleted = 0
        while True:  # some at a time; what a repeat finds is what is left
            done = await ask.sm_dp(tenant, question, imports.StockDeleted, call_id)
            deleted += done.deleted
            if not done.left:
                return imports.StockDeleted(deleted=deleted, left=0)

    def role(tx: Tx, request: Any, actor: str) -> object:
        seen = (request["was"], request["tenant"]) if "was" in request else None
        return accounts.set_role(tx, request["user_id"], KeyRole(request["role"]), actor, seen=seen)

    return (
        Deed(RAW_SCRIPT, rights.RAW_WRITE, call=raw_script),
        Deed(DELETE_STOCK, rights.STOCK_WRITE, call=delete_stock),
        Deed(SET_ROLE, rights.USER_WRITE, here=role),
    )


async def ask_for_raw_script(r: Request) -> bodies_people.Approval:
    eid, given = r.path["eid"], r.body
    await r.ask.card(r.tenant, eid)
    request = {
        "eid": eid,
        "sd_aid": given.sd_aid.hex(),
        "data": given.data.hex(),
        "reason": given.reason,
        "validity": given.validity,
    }
    sentence = f"{len(given.data)} octets of commands for a security domain of {eid}: {given.reason}"
    return await r.services.approvals.ask(r.who, RAW_SCRIPT, request, sentence, r.call_id)


async def list_approvals(r: Request) -> bodies_people.ApprovalList:
    before = int(r.query.after or 0)
    found = await r.services.approvals.page(r.tenant, r.query.state, before, r.query.limit)
    items = tuple(one for _, one in found)
    return bodies_people.ApprovalList(items=items, next=str(found[-1][0]) if len(found) == r.query.limit else "")


async def show_approval(r: Request) -> bodies_people.Approval:
    return await r.services.approvals.show(r.who, r.path["approval_id"])


async def approve(r: Request) -> bodies_people.Approval:
    return await r.services.approvals.decide(r.who, r.path["approval_id"], approve=True)


async def reject(r: Request) -> bodies_people.Approval:
    return await r.services.approvals.decide(r.who, r.path["approval_id"], approve=False)


_E = Endpoint
ENDPOINTS = (
    _E("POST", "/euiccs/{eid}/raw-scripts", rights.RAW_WRITE, "Ask for a raw script; a second person approves",
       ask_for_raw_script, bodies_people.Approval, ACCEPTED, body=bodies_people.NewRawScript, once=True,
       example={"data": "gPICAAIPAA==", "reason": "GET STATUS for ticket 4711"}),
    _E("GET", "/approvals", rights.APPROVAL_READ, "What a second person must approve, the newest first",
       list_approvals, bodies_people.ApprovalList, query=bodies_people.ApprovalQuery),
    _E("GET", "/approvals/{approval_id}", rights.APPROVAL_READ, "One request for approval", show_approval,
       bodies_people.Approval),
    _E("POST", "/approvals/{approval_id}/approve", rights.APPROVAL_DECIDE, "Approve: it is carried out, once",
       approve, bodies_people.Approval, versioned=show_approval),
    _E("POST", "/approvals/{approval_id}/reject", rights.APPROVAL_DECIDE, "Reject", reject, bodies_people.Approval,
       versioned=show_approval),
)  # fmt: skip
