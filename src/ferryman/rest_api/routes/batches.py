"""Batches of orders: made, filled with rows or from a filter, started; paused, resumed, cancelled."""

from __future__ import annotations

import hashlib

import msgspec

from ferryman.contracts import admin, batches, codes
from ferryman.contracts.eis import EIS
from ferryman.contracts.orders import CreateOrder
from ferryman.errors import Refused
from ferryman.rest_api import bodies_many as many
from ferryman.rest_api import rights
from ferryman.rest_api.endpoint import CREATED, Endpoint, Request, or_absent

FILL = 500  # eUICCs in one question to the SM-SR
PAGES = 20  # of them in one request, which then has an answer in some seconds


async def list_batches(r: Request) -> many.BatchList:
    given = msgspec.structs.asdict(r.query)
    limit = given.pop("limit")
    question = batches.ListBatches(owner=r.tenant, limit=limit + 1, **given)
    found = (await r.ask.sm_dp(r.tenant, question, batches.BatchPage)).batches
    return many.BatchList(items=found[:limit], next=found[limit - 1].name if len(found) > limit else "")


async def create_batch(r: Request) -> batches.BatchView:
    terms = msgspec.structs.asdict(r.body)
    where = terms.pop("where")
    source = f"rest:{hashlib.sha256(msgspec.json.encode(terms)).hexdigest()}"
    if where is not None:  # in its own words: what fills the batch later reads them there
        source = batches.FILTER + msgspec.json.encode(where).decode()
    name, in_flight = terms.pop("name"), terms.pop("in_flight")
    question = batches.OpenBatch(
        owner=r.tenant,
        name=name,
        source=source,
        order=CreateOrder(owner=r.tenant, eid="", **terms),
        in_flight=in_flight,
        asked_by=r.who.actor,
    )
    return await r.ask.sm_dp(r.tenant, question, batches.BatchView)


async def show_batch(r: Request) -> batches.BatchView:
    name = r.path["batch"]
    asked = r.ask.sm_dp(r.tenant, batches.ShowBatch(owner=r.tenant, name=name), batches.BatchView)
    return await or_absent(asked, "batch", name)


async def add_rows(r: Request) -> batches.BatchView:
    found = await show_batch(r)
    if found.source.startswith(batches.FILTER):
        raise Refused(*codes.PROVIDER_ERROR, "the rows of this batch come from its filter", identifier=found.name)
    rows = tuple(batches.BatchRow(row.eid, row.iccid, row.profile_type) for row in r.body.rows)
    question = batches.FillBatch(owner=r.tenant, name=found.name, first=r.body.first, rows=rows)
    return await r.ask.sm_dp(r.tenant, question, batches.BatchView)


async def fill_batch(r: Request) -> many.BatchFilled:
    """Some rows more from the filter of a batch, in the order of EIDs, so that a repeat adds none twice."""
    found = await show_batch(r)
    if not found.source.startswith(batches.FILTER):
        raise Refused(*codes.PROVIDER_ERROR, "this batch has no filter: add its rows", identifier=found.name)
    where = msgspec.json.decode(found.source.removeprefix(batches.FILTER), type=many.EUICCFilter)
    eids: list[str] = []
    after = max(found.last_eid, r.body.after)
    for _ in range(PAGES):
        page = await _euiccs(r, where, after)
        eids += (card.eid for card in page if _fits(card, where, r.tenant))
        after = page[-1].eid if len(page) == FILL else ""
        if not after or len(eids) > many.MAX_ROWS - FILL:
            break
    if eids:
        rows = tuple(batches.BatchRow(eid) for eid in eids)
        question = batches.FillBatch(owner=r.tenant, name=found.name, first=found.rows, rows=rows)
        found = await r.ask.sm_dp(r.tenant, question, batches.BatchView)
    return many.BatchFilled(batch=found, added=len(eids), next=after)


async def _euiccs(r: Request, where: many.EUICCFilter, after: str) -> tuple[EIS, ...]:
    by, value = ("tag", where.tag) if where.tag else ("owner", r.tenant)
    question = admin.FindEUICCs(owner=r.tenant, by=by, value=value, after=after, limit=FILL)
    return (await r.ask.sm_sr(r.tenant, question, admin.EUICCPage)).euiccs


def _fits(card: EIS, where: many.EUICCFilter, tenant: str) -> bool:
    """A tag says nothing of whose card it is: one without a profile of the tenant does not exist for him."""
    return (
        any(profile.owner == tenant for profile in card.profiles)
        and where.eum_id in ("", card.eum_id)
        and where.platform_type in ("", card.platform_type)
        and where.platform_version in ("", card.platform_version)
    )


async def list_rows(r: Request) -> many.RowList:
    found = await show_batch(r)
    after = int(r.query.after) if r.query.after else -1
    question = batches.ListBatchRows(
        owner=r.tenant, name=found.name, state=r.query.state, after=after, limit=r.query.limit
    )
    rows = (await r.ask.sm_dp(r.tenant, question, batches.BatchRowPage)).rows
    return many.RowList(items=rows, next=str(rows[-1].number) if len(rows) == r.query.limit else "")


async def change_batch(r: Request) -> batches.BatchView:
    found = await show_batch(r)
    limit = r.body.in_flight if r.body.action == "limit" else 0
    question = batches.ChangeBatch(owner=r.tenant, name=found.name, action=r.body.action, in_flight=limit)
    return await r.ask.sm_dp(r.tenant, question, batches.BatchView)


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/batches", rights.ORDER_READ, "Batches of orders, the newest first", list_batches, many.BatchList,
       query=many.BatchQuery),
    _E("POST", "/batches", rights.ORDER_WRITE, "A batch of orders; its rows follow", create_batch,
       batches.BatchView, CREATED, body=many.NewBatch, once=True,
       example={"name": "meters-2026", "profile_type": "m2m-basic", "in_flight": 200}),
    _E("GET", "/batches/{batch}", rights.ORDER_READ, "How far a batch is", show_batch, batches.BatchView),
    _E("GET", "/batches/{batch}/rows", rights.ORDER_READ, "Rows of a batch with their orders", list_rows,
       many.RowList, query=many.RowQuery),
    _E("POST", "/batches/{batch}/rows", rights.ORDER_WRITE, "Rows of a batch, up to 2,000 at a time; repeatable",
       add_rows, batches.BatchView, body=many.NewRows,
       example={"first": 0, "rows": [{"eid": "89001012012341234012345678901224"}]}),
    _E("POST", "/batches/{batch}/fill", rights.ORDER_WRITE,
       "Rows for your eUICCs that fit the filter of a batch, some at a time: again while there is a next",
       fill_batch, many.BatchFilled, body=many.BatchFill, example={"after": ""}),
    _E("POST", "/batches/{batch}/changes", rights.ORDER_WRITE, "Start, pause, resume, cancel, or limit a batch",
       change_batch, batches.BatchView, body=many.BatchStep, versioned=show_batch, example={"action": "start"}),
)  # fmt: skip
