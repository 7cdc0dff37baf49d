"""Subscriptions by the import that brought them: list, look, ask for deletion."""

from __future__ import annotations

from ferryman.contracts import imports
from ferryman.platform.exporting import Exporter
from ferryman.rest_api import bodies, bodies_keys, bodies_people, rights
from ferryman.rest_api.asking import Roles
from ferryman.rest_api.endpoint import ACCEPTED, Absent, Endpoint, Request, page
from ferryman.rest_api.routes.approvals import DELETE_STOCK

MAX_SEALED = 32 * 1024 * 1024  # octets of an envelope: an answer is one piece, in memory, in base64


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


async def export_keys(r: Request) -> bodies_keys.ExportPage:
    found = await show_import(r)
    exporter, given = Exporter(Roles(r.ask, r.tenant)), r.query
    rows, after = await exporter.page(found.import_id, given.after, given.limit)
    keys = await exporter.keys(rows, given.under, given.cipher)
    items = tuple(
        bodies_keys.ExportedSubscription(
            iccid=row.iccid,
            imsi=row.imsi,
            msisdn=row.msisdn,
            algorithm=sealed.algorithm,
            ki=sealed.ki,
            opc=sealed.opc,
        )
        for row, sealed in zip(rows, keys, strict=True)
    )
    return bodies_keys.ExportPage(items=items, next=after if len(items) == given.limit else "")


async def export_sealed(r: Request) -> bodies_keys.SealedFile:
    found = await show_import(r)
    exporter = Exporter(Roles(r.ask, r.tenant))
    rows, content = await exporter.sealed(found.import_id, r.body.recipient, most=MAX_SEALED)
    return bodies_keys.SealedFile(rows=rows, content=content)


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/imports", rights.STOCK_READ, "Imports of subscriptions, the newest first", list_imports,
       bodies.ImportList, query=bodies.PageQuery),
    _E("GET", "/imports/{import_id}", rights.STOCK_READ, "One import: how far it is, what is free", show_import,
       imports.ImportView),
    _E("GET", "/imports/{import_id}/subscriptions", rights.STOCK_READ, "Subscriptions of an import, no secrets",
       list_subscriptions, bodies.SubscriptionList, query=bodies.PageQuery),
    _E("GET", "/imports/{import_id}/keys", rights.STOCK_EXPORT, "Ki and OPc of an import under an agreed key",
       export_keys, bodies_keys.ExportPage, query=bodies_keys.ExportQuery),
    _E("POST", "/imports/{import_id}/envelopes", rights.STOCK_EXPORT,
       "Ki and OPc of an import in an OpenPGP envelope", export_sealed, bodies_keys.SealedFile,
       body=bodies_keys.NewSealedFile, once=True, example={"recipient": "hlr"}),
    _E("DELETE", "/imports/{import_id}", rights.STOCK_WRITE,
       "Ask for the deletion of what is free; a second person approves", ask_for_deletion, bodies_people.Approval,
       ACCEPTED, once=True, versioned=show_import),
)  # fmt: skip
