"""Operations on a card now, and its command queue: what waits until the card can be reached."""

from __future__ import annotations

import msgspec

from ferryman.contracts import codes, es4, operations, queue
from ferryman.contracts.message import Body
from ferryman.errors import Refused
from ferryman.rest_api import bodies, rights
from ferryman.rest_api.endpoint import ACCEPTED, CREATED, Endpoint, Request, or_absent, page

MAX_QUEUE = 1000  # entries of one eUICC that are looked at


async def start_operation(r: Request) -> Body:
    eid, iccid = r.path["eid"], r.body.iccid
    await _about(r, eid, iccid)
    for one in r.body.iccids:
        await r.ask.profile(r.tenant, eid, one)
    asked: operations.Operation
    match r.body.function:
        case "enable":
            asked = es4.ES4EnableProfile(eid=eid, iccid=iccid)
        case "disable":
            asked = es4.ES4DisableProfile(eid=eid, iccid=iccid)
        case "delete":
            asked = es4.ES4DeleteProfile(eid=eid, iccid=iccid)
        case "set-fallback":
            asked = operations.SetFallbackAttribute(eid=eid, iccid=iccid)
        case "update-policy-rules":
            asked = es4.ES4UpdatePolicyRules(eid=eid, iccid=iccid, pol2=r.body.pol2)
        case "update-subscription-address":
            asked = es4.ES4UpdateSubscriptionAddress(eid=eid, iccid=iccid, imsi=r.body.imsi, msisdn=r.body.msisdn)
        case _:
            asked = es4.ES4AuditEIS(eid=eid, iccids=r.body.iccids or ((iccid,) if iccid else ()))
    question = operations.StartOperation(owner=r.tenant, operation=asked, validity=r.body.validity)
    return await r.ask.sm_sr(r.tenant, question, operations.OperationView, r.call_id)


async def show_operation(r: Request) -> Body:
    question = operations.ShowOperation(owner=r.tenant, call_id=r.path["operation_id"])
    asked = r.ask.sm_sr(r.tenant, question, operations.OperationView)
    return await or_absent(asked, "operation", r.path["operation_id"])


async def list_operations(r: Request) -> bodies.OperationList:
    question = operations.ListOperations(owner=r.tenant, **msgspec.structs.asdict(r.query))
    found = await r.ask.sm_sr(r.tenant, question, operations.OperationPage)
    return bodies.OperationList(items=found.operations, next=found.next)


async def show_journal(r: Request) -> bodies.JournalList:
    name = r.path["operation_id"]
    question = operations.ShowJournal(owner=r.tenant, call_id=name)
    found = await or_absent(r.ask.sm_sr(r.tenant, question, operations.Journal), "operation", name)
    return bodies.JournalList(items=found.lines)


async def list_queue(r: Request) -> bodies.QueueList:
    await r.ask.card(r.tenant, r.path["eid"])
    question = queue.QueueList(owner=r.tenant, eid=r.path["eid"], open_only=r.query.open_only, limit=MAX_QUEUE)
    found = (await r.ask.sm_sr(r.tenant, question, queue.QueuePage)).entries
    items, more = page(found, lambda one: one.entry, r.query.after, r.query.limit)
    return bodies.QueueList(items=items, next=more)


async def add_to_queue(r: Request) -> Body:
    given = r.body
    await _about(r, r.path["eid"], given.iccid)
    item = queue.QueueItem(
        function=given.function,
        iccid=given.iccid,
        priority=given.priority,
        not_before=given.not_before,
        validity=given.validity,
        hold=given.hold,
    )
    question = queue.QueueAdd(owner=r.tenant, eid=r.path["eid"], item=item, key=r.call_id)
    return await r.ask.sm_sr(r.tenant, question, queue.EntryView)


async def _about(r: Request, eid: str, iccid: str) -> None:
    """The card, and the profile that is named, are this tenant's; raises Refused."""
    if iccid:
        await r.ask.profile(r.tenant, eid, iccid)
        return
    await r.ask.card(r.tenant, eid)
    if r.body.function != "audit":
        raise Refused(*codes.FORMAT_INVALID, f"iccid: is needed for {r.body.function}")


async def show_entry(r: Request) -> Body:
    await r.ask.card(r.tenant, r.path["eid"])
    question = queue.QueueShow(owner=r.tenant, eid=r.path["eid"], entry=r.path["entry"])
    return await or_absent(r.ask.sm_sr(r.tenant, question, queue.EntryView), "entry", r.path["entry"])


async def change_entry(r: Request) -> Body:
    await show_entry(r)
    question = queue.QueueChange(
        owner=r.tenant,
        eid=r.path["eid"],
        entry=r.path["entry"],
        action=r.body.action,
        priority=r.body.priority,
    )
    return await r.ask.sm_sr(r.tenant, question, queue.EntryView)


_E = Endpoint
ENDPOINTS = (
    _E("POST", "/euiccs/{eid}/operations", rights.OPERATION_WRITE, "Change or audit a profile now",
       start_operation, operations.OperationView, ACCEPTED, body=bodies.NewOperation, once=True,
       example={"function": "enable", "iccid": "8988211000000000011"}),
    _E("GET", "/operations", rights.OPERATION_READ, "Operations, the newest first", list_operations,
       bodies.OperationList, query=bodies.OperationQuery),
    _E("GET", "/operations/{operation_id}/journal", rights.OPERATION_READ, "Messages of an operation, their kinds",
       show_journal, bodies.JournalList),
    _E("GET", "/operations/{operation_id}", rights.OPERATION_READ, "State of an operation", show_operation,
       operations.OperationView),
    _E("GET", "/euiccs/{eid}/queue", rights.QUEUE_READ, "Command queue of an eUICC", list_queue, bodies.QueueList,
       query=bodies.QueueQuery),
    _E("POST", "/euiccs/{eid}/queue", rights.QUEUE_WRITE, "Put a command into the queue", add_to_queue,
       queue.EntryView, CREATED, body=bodies.NewEntry, once=True, example={"function": "audit", "hold": True}),
    _E("GET", "/euiccs/{eid}/queue/{entry}", rights.QUEUE_READ, "One entry of a queue", show_entry,
       queue.EntryView),
    _E("POST", "/euiccs/{eid}/queue/{entry}/changes", rights.QUEUE_WRITE, "Move, hold, release or cancel an entry",
       change_entry, queue.EntryView, body=bodies.EntryChange, versioned=show_entry,
       example={"action": "release"}),
)  # fmt: skip
