"""Batches of orders: made, filled with rows some thousand at a time, started; paused, resumed, cancelled."""

from __future__ import annotations

import hashlib

import msgspec

from ferryman.contracts import batches
from ferryman.contracts.orders import CreateOrder
from ferryman.rest_api import bodies, rights
from ferryman.rest_api import bodies_many as many
from ferryman.rest_api.endpoint import CREATED, Endpoint, Request, or_absent, page

MAX_BATCHES = 1_000  # that are looked at for a list


async def list_batches(r: Request) -> many.BatchList:
    question = batches.ListBatches(owner=r.tenant, limit=MAX_BATCHES)
    found = (await r.ask.sm_dp(r.tenant, question, batches.BatchPage)).batches
    items, more = page(found, lambda one: one.name, r.query.after, r.query.limit)
    return many.BatchList(items=items, next=more)


async def create_batch(r: Request) -> batches.BatchView:
    terms = msgspec.structs.asdict(r.body)
    name, in_flight = terms.pop("name"), terms.pop("in_flight")
    question = batches.OpenBatch(
        owner=r.tenant,
        name=name,
        source=f"rest:{hashlib.sha256(msgspec.json.encode(r.body)).hexdigest()}",
        order=CreateOrder(owner=r.tenant, eid="", **terms),
        in_flight=in_flight,
    )
    return await r.ask.sm_dp(r.tenant, question, batches.BatchView)


async def show_batch(r: Request) -> batches.BatchView:
    name = r.path["batch"]
    asked = r.ask.sm_dp(r.tenant, batches.ShowBatch(owner=r.tenant, name=name), batches.BatchView)
    return await or_absent(asked, "batch", name)


async def add_rows(r: Request) -> batches.BatchView:
    found = await show_batch(r)
    rows = tuple(batches.BatchRow(row.eid, row.iccid, row.profile_type) for row in r.body.rows)
    question = batches.FillBatch(owner=r.tenant, name=found.name, first=r.body.first, rows=rows)
    return await r.ask.sm_dp(r.tenant, question, batches.BatchView)


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
       query=bodies.PageQuery),
    _E("POST", "/batches", rights.ORDER_WRITE, "A batch of orders; its rows follow", create_batch,
       batches.BatchView, CREATED, body=many.NewBatch, once=True,
       example={"name": "meters-2026", "profile_type": "m2m-basic", "in_flight": 200}),
    _E("GET", "/batches/{batch}", rights.ORDER_READ, "How far a batch is", show_batch, batches.BatchView),
    _E("GET", "/batches/{batch}/rows", rights.ORDER_READ, "Rows of a batch with their orders", list_rows,
       many.RowList, query=many.RowQuery),
    _E("POST", "/batches/{batch}/rows", rights.ORDER_WRITE, "Rows of a batch, up to 2,000 at a time; repeatable",
       add_rows, batches.BatchView, body=many.NewRows,
       example={"first": 0, "rows": [{"eid": "89001012012341234012345678901224"}]}),
    _E("POST", "/batches/{batch}/changes", rights.ORDER_WRITE, "Start, pause, resume, cancel, or limit a batch",
       change_batch, batches.BatchView, body=many.BatchStep, versioned=show_batch, example={"action": "start"}),
)  # fmt: skip
