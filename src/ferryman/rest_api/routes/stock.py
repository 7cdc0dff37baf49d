"""Subscriptions by the import that brought them: list, look, ask for deletion."""

from __future__ import annotations

from ferryman.contracts import imports
from ferryman.rest_api import bodies, bodies_people, rights
from ferryman.rest_api.endpoint import ACCEPTED, Absent, Endpoint, Request, page
from ferryman.rest_api.routes.approvals import DELETE_STOCK


async def list_imports(r: Request) -> bodies.ImportList:
    found = (await r.ask.sm_dp(r.tenant, imports.ListImports(owner=r.tenant), imports.ImportPage)).imports
    items, more = page(found, lambda one: one.import_id, r.query.after, r.query.limit)
    return bodies.ImportList(items=items, next=more)


async def show_import(r: Request) -> imports.ImportView:
    name = r.path["import_id"]
    found = (await r.ask.sm_dp(r.tenant, imports.ListImports(owner=r.tenant), imports.ImportPage)).imports
    for one in found:
        if one.import_id == name:
            return one
    raise Absent("import", name)


async def list_subscriptions(r: Request) -> bodies.SubscriptionList:
    await show_import(r)
    question = imports.ListSubscriptions(
        owner=r.tenant, import_id=r.path["import_id"], after=r.query.after, limit=r.query.limit
    )
    found = await r.ask.sm_dp(r.tenant, question, imports.SubscriptionPage)
    items = tuple(bodies.Subscription(iccid=row.iccid, imsi=row.imsi, msisdn=row.msisdn) for row in found.rows)
    return bodies.SubscriptionList(items=items, next=found.after if len(items) == r.query.limit else "")


async def ask_for_deletion(r: Request) -> bodies_people.Approval:
    found = await show_import(r)
    sentence = f"{found.free} free subscriptions of {found.profile_type} are to be deleted with their keys"
    return await r.services.approvals.ask(r.who, DELETE_STOCK, {"import_id": found.import_id}, sentence, r.call_id)


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/imports", rights.STOCK_READ, "Imports of subscriptions, the newest first", list_imports,
       bodies.ImportList, query=bodies.PageQuery),
    _E("GET", "/imports/{import_id}", rights.STOCK_READ, "One import: how far it is, what is free", show_import,
       imports.ImportView),
    _E("GET", "/imports/{import_id}/subscriptions", rights.STOCK_READ, "Subscriptions of an import, no secrets",
       list_subscriptions, bodies.SubscriptionList, query=bodies.PageQuery),
    _E("DELETE", "/imports/{import_id}", rights.STOCK_WRITE,
       "Ask for the deletion of what is free; a second person approves", ask_for_deletion, bodies_people.Approval,
       ACCEPTED, once=True, versioned=show_import),
)  # fmt: skip
