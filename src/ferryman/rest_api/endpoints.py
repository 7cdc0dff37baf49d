"""Every route of the REST API: one table, from which the application, its rights and the OpenAPI file are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ferryman.contracts import admin, codes, es4, operations, orders, queue, workflow
from ferryman.contracts.eis import EIS
from ferryman.contracts.message import Body
from ferryman.errors import Refused
from ferryman.rest_api import bodies, rights
from ferryman.rest_api.asking import Asking

OK, CREATED, ACCEPTED = 200, 201, 202


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was let in: for whom, and what it carries. `call_id` follows from its Idempotency-Key."""

    ask: Asking
    tenant: str
    path: dict[str, str]
    query: Any
    body: Any
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path; `once` asks for an Idempotency-Key."""

    method: str
    path: str
    scope: str
    summary: str
    carry_out: Callable[[Request], Awaitable[object]]
    answer: type
    status: int = OK
    query: type = bodies.NoQuery
    body: type | None = None
    once: bool = False

    @property
    def name(self) -> str:
        """Its operationId."""
        return self.carry_out.__name__.strip("_")


# -- eUICCs -------------------------------------------------------------------------------------------------------


async def list_euiccs(r: Request) -> bodies.EUICCList:
    question = admin.FindEUICCs(
        owner=r.tenant, by="owner", value=r.tenant, after=r.query.after, limit=r.query.limit
    )
    found = (await r.ask.sm_sr(r.tenant, question, admin.EUICCPage)).euiccs
    return bodies.EUICCList(items=found, next=found[-1].eid if len(found) == r.query.limit else "")


async def show_euicc(r: Request) -> object:
    return await r.ask.card(r.tenant, r.path["eid"])


async def show_history(r: Request) -> Body:
    await r.ask.card(r.tenant, r.path["eid"])
    question = admin.ShowHistory(eid=r.path["eid"], owner=r.tenant, after=r.query.after, limit=r.query.limit)
    return await r.ask.sm_sr(r.tenant, question, admin.HistoryPage)


async def dry_run(r: Request) -> Body:
    await r.ask.card(r.tenant, r.path["eid"])
    question = admin.DryRun(
        function=r.body.function,
        eid=r.path["eid"],
        requester=r.tenant,
        iccid=r.body.iccid,
        pol2=r.body.pol2,
        imsi=r.body.imsi,
        msisdn=r.body.msisdn,
    )
    return await r.ask.sm_sr(r.tenant, question, admin.DryRunResult)


# -- orders -------------------------------------------------------------------------------------------------------


async def list_profile_types(r: Request) -> Body:
    return await r.ask.sm_dp(r.tenant, orders.ShowStock(owner=r.tenant), orders.StockPage)


async def create_order(r: Request) -> Body:
    given = r.body
    question = orders.CreateOrder(
        owner=r.tenant,
        eid=given.eid,
        iccid=given.iccid,
        profile_type=given.profile_type,
        enable=given.enable,
        validity=given.validity,
        pol2=given.pol2,
        imsi=given.imsi,
        msisdn=given.msisdn,
    )
    return await r.ask.sm_dp(r.tenant, question, orders.OrderView, r.call_id)


async def list_orders(r: Request) -> bodies.OrderList:
    found = (await r.ask.sm_dp(r.tenant, orders.ListOrders(owner=r.tenant), orders.OrderPage)).orders
    start = next((n + 1 for n, one in enumerate(found) if one.order_id == r.query.after), 0)
    if r.query.after and not start:
        raise Refused(*codes.FORMAT_INVALID, "after: no such order", identifier=r.query.after)
    page = found[start : start + r.query.limit]
    more = start + r.query.limit < len(found)
    return bodies.OrderList(items=page, next=page[-1].order_id if more else "")


async def show_order(r: Request) -> Body:
    question = orders.ShowOrder(owner=r.tenant, order_id=r.path["order_id"])
    return await _or_absent(r.ask.sm_dp(r.tenant, question, orders.OrderView), "order", r.path["order_id"])


async def cancel_order(r: Request) -> Body:
    await show_order(r)
    question = orders.CancelOrder(owner=r.tenant, order_id=r.path["order_id"])
    return await r.ask.sm_dp(r.tenant, question, orders.OrderView)


# -- operations ---------------------------------------------------------------------------------------------------


async def start_operation(r: Request) -> Body:
    eid, iccid = r.path["eid"], r.body.iccid
    await r.ask.card(r.tenant, eid)
    if not iccid and r.body.function != "audit":
        raise Refused(*codes.FORMAT_INVALID, f"iccid: {r.body.function} needs the ICCID of a profile")
    asked: operations.Operation
    match r.body.function:
        case "enable":
            asked = es4.ES4EnableProfile(eid=eid, iccid=iccid)
        case "disable":
            asked = es4.ES4DisableProfile(eid=eid, iccid=iccid)
        case "delete":
            asked = es4.ES4DeleteProfile(eid=eid, iccid=iccid)
        case _:
            asked = es4.ES4AuditEIS(eid=eid, iccids=(iccid,) if iccid else ())
    question = operations.StartOperation(owner=r.tenant, operation=asked, validity=r.body.validity)
    return await r.ask.sm_sr(r.tenant, question, operations.OperationView, r.call_id)


async def show_operation(r: Request) -> Body:
    question = operations.ShowOperation(owner=r.tenant, call_id=r.path["operation_id"])
    asked = r.ask.sm_sr(r.tenant, question, operations.OperationView)
    return await _or_absent(asked, "operation", r.path["operation_id"])


# -- the command queue --------------------------------------------------------------------------------------------


async def list_queue(r: Request) -> Body:
    await r.ask.card(r.tenant, r.path["eid"])
    question = queue.QueueList(owner=r.tenant, eid=r.path["eid"], open_only=r.query.open_only, limit=r.query.limit)
    return await r.ask.sm_sr(r.tenant, question, queue.QueuePage)


async def add_to_queue(r: Request) -> Body:
    await r.ask.card(r.tenant, r.path["eid"])
    given = r.body
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


async def show_entry(r: Request) -> Body:
    question = queue.QueueShow(owner=r.tenant, eid=r.path["eid"], entry=r.path["entry"])
    return await _or_absent(r.ask.sm_sr(r.tenant, question, queue.EntryView), "entry", r.path["entry"])


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


# -- what is the platform's ---------------------------------------------------------------------------------------


async def list_euicc_types(r: Request) -> Body:
    return await r.ask.sm_sr(r.tenant, admin.ListTypes(), admin.TypePage)


async def list_scripts(r: Request) -> Body:
    return await r.ask.sm_sr(r.tenant, workflow.ListScripts(), workflow.ScriptPage)


async def activate_script(r: Request) -> Body:
    question = workflow.ActivateScript(name=r.body.name, text=r.body.text)
    return await r.ask.sm_sr(r.tenant, question, workflow.ScriptActivated)


async def roll_back_script(r: Request) -> Body:
    question = workflow.RollBackScript(version=r.body.version)
    return await r.ask.sm_sr(r.tenant, question, workflow.ScriptActivated)


async def list_decisions(r: Request) -> Body:
    question = workflow.ListDecisions(eid=r.query.eid, limit=r.query.limit)
    return await r.ask.sm_sr(r.tenant, question, workflow.DecisionPage)


async def _or_absent(asked: Awaitable[Body], what: str, name: str) -> Body:
    """An object of somebody else and one that never was are refused in the same words."""
    try:
        return await asked
    except Refused:
        raise Absent(what, name) from None


class Absent(Refused):
    """There is no such object for this tenant."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__("", "", f"there is no {what} {name}", identifier=name)


_E = Endpoint
ENDPOINTS: tuple[Endpoint, ...] = (
    _E("GET", "/euiccs", rights.EUICC_READ, "eUICCs with a profile of yours, by EID", list_euiccs,
       bodies.EUICCList, query=bodies.PageQuery),
    _E("GET", "/euiccs/{eid}", rights.EUICC_READ, "One eUICC with your profiles", show_euicc, EIS),
    _E("GET", "/euiccs/{eid}/history", rights.EUICC_READ, "Audit trail of an eUICC (SGP.02 Annex E)", show_history,
       admin.HistoryPage, query=bodies.HistoryQuery),
    _E("POST", "/euiccs/{eid}/dry-runs", rights.EUICC_READ, "What would happen, and why; nothing does", dry_run,
       admin.DryRunResult, body=bodies.NewDryRun),
    _E("POST", "/euiccs/{eid}/operations", rights.OPERATION_WRITE, "Enable, disable, delete or audit now",
       start_operation, operations.OperationView, ACCEPTED, body=bodies.NewOperation, once=True),
    _E("GET", "/operations/{operation_id}", rights.OPERATION_READ, "State of an operation", show_operation,
       operations.OperationView),
    _E("GET", "/euiccs/{eid}/queue", rights.QUEUE_READ, "Command queue of an eUICC", list_queue, queue.QueuePage,
       query=bodies.QueueQuery),
    _E("POST", "/euiccs/{eid}/queue", rights.QUEUE_WRITE, "Put a command into the queue", add_to_queue,
       queue.EntryView, CREATED, body=bodies.NewEntry, once=True),
    _E("GET", "/euiccs/{eid}/queue/{entry}", rights.QUEUE_READ, "One entry of a queue", show_entry,
       queue.EntryView),
    _E("POST", "/euiccs/{eid}/queue/{entry}/changes", rights.QUEUE_WRITE, "Move, hold, release or cancel an entry",
       change_entry, queue.EntryView, body=bodies.EntryChange),
    _E("GET", "/profile-types", rights.ORDER_READ, "Profile types with their stock", list_profile_types,
       orders.StockPage),
    _E("GET", "/orders", rights.ORDER_READ, "Orders, the oldest first", list_orders, bodies.OrderList,
       query=bodies.PageQuery),
    _E("POST", "/orders", rights.ORDER_WRITE, "Order the download of a profile (ES2.DownloadProfile)",
       create_order, orders.OrderView, CREATED, body=bodies.NewOrder, once=True),
    _E("GET", "/orders/{order_id}", rights.ORDER_READ, "One order with its steps", show_order, orders.OrderView),
    _E("POST", "/orders/{order_id}/cancel", rights.ORDER_WRITE, "End an order that is not yet on the card",
       cancel_order, orders.OrderView),
    _E("GET", "/euicc-types", rights.TYPE_READ, "eUICC types", list_euicc_types, admin.TypePage),
    _E("GET", "/scripts", rights.SCRIPT_READ, "Versions of the transport script", list_scripts,
       workflow.ScriptPage),
    _E("POST", "/scripts", rights.SCRIPT_WRITE, "Activate a transport script", activate_script,
       workflow.ScriptActivated, CREATED, body=bodies.NewScript),
    _E("POST", "/scripts/rollback", rights.SCRIPT_WRITE, "Go back to a version", roll_back_script,
       workflow.ScriptActivated, body=bodies.RollBack),
    _E("GET", "/scripts/decisions", rights.SCRIPT_READ, "The last decisions of the script", list_decisions,
       workflow.DecisionPage, query=bodies.DecisionQuery),
)  # fmt: skip
