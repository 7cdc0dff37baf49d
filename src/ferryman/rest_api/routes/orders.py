"""Orders (ES2.DownloadProfile) and the profile types that they are of."""

from __future__ import annotations

import msgspec

from ferryman.contracts import admin, orders
from ferryman.contracts.message import Body
from ferryman.rest_api import bodies, rights
from ferryman.rest_api.endpoint import CREATED, Absent, Endpoint, Request, or_absent, page
from ferryman.rest_api.kept import kept


async def list_profile_types(r: Request) -> bodies.ProfileTypeList:
    found = (await r.ask.sm_dp(r.tenant, orders.ShowStock(owner=r.tenant), orders.StockPage)).stocks
    items, more = page(found, lambda one: one.profile_type, r.query.after, r.query.limit)
    return bodies.ProfileTypeList(items=items, next=more)


@kept
async def import_template(r: Request) -> admin.TemplateImported:
    question = admin.ImportTemplate(
        owner=r.tenant, name=r.body.name, der=r.body.package, algorithm=r.body.algorithm
    )
    return await r.ask.sm_dp(r.tenant, question, admin.TemplateImported)


async def show_profile_type(r: Request) -> orders.StockView:
    name = r.path["profile_type"]
    for one in (await r.ask.sm_dp(r.tenant, orders.ShowStock(owner=r.tenant), orders.StockPage)).stocks:
        if one.profile_type == name:
            return one
    raise Absent("profile type", name, "; import its template first")


async def set_low_water(r: Request) -> orders.StockView:
    found = await show_profile_type(r)
    question = orders.SetLowWater(owner=r.tenant, profile_type=found.profile_type, low_water=r.body.low_water)
    await r.ask.sm_dp(r.tenant, question, orders.StockPage)
    return await show_profile_type(r)


async def create_order(r: Request) -> Body:
    question = orders.CreateOrder(owner=r.tenant, **msgspec.structs.asdict(r.body))
    return await r.ask.sm_dp(r.tenant, question, orders.OrderView, r.call_id)


async def list_orders(r: Request) -> bodies.OrderList:
    given = r.query
    question = orders.ListOrders(
        owner=r.tenant, after=given.after, limit=given.limit + 1, eid=given.eid, state=given.state
    )
    found = (await r.ask.sm_dp(r.tenant, question, orders.OrderPage)).orders
    items = found[: given.limit]
    return bodies.OrderList(items=items, next=items[-1].order_id if len(found) > given.limit else "")


async def show_order(r: Request) -> orders.OrderView:
    question = orders.ShowOrder(owner=r.tenant, order_id=r.path["order_id"])
    return await or_absent(r.ask.sm_dp(r.tenant, question, orders.OrderView), "order", r.path["order_id"])


async def cancel_order(r: Request) -> Body:
    await show_order(r)
    question = orders.CancelOrder(owner=r.tenant, order_id=r.path["order_id"])
    return await r.ask.sm_dp(r.tenant, question, orders.OrderView)


async def retry_order(r: Request) -> Body:
    await show_order(r)
    question = orders.RetryOrder(owner=r.tenant, order_id=r.path["order_id"], validity=r.body.validity)
    return await r.ask.sm_dp(r.tenant, question, orders.OrderView, r.call_id)


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/profile-types", rights.ORDER_READ, "Profile types with their stock", list_profile_types,
       bodies.ProfileTypeList, query=bodies.PageQuery),
    _E("GET", "/profile-types/{profile_type}", rights.ORDER_READ, "One profile type with its stock",
       show_profile_type, orders.StockView),
    _E("PUT", "/profile-types/{profile_type}/low-water", rights.TEMPLATE_WRITE, "When its stock raises an alarm",
       set_low_water, orders.StockView, body=bodies.NewLowWater, versioned=show_profile_type,
       example={"low_water": 100}),
    _E("POST", "/templates", rights.TEMPLATE_WRITE, "A profile package as template of a profile type",
       import_template, admin.TemplateImported, CREATED, body=bodies.NewTemplate, once=True,
       example={"name": "m2m-basic", "package": "oBCAAQKBAQOCBUJhc2ljgwA=", "algorithm": "milenage"}),
    _E("GET", "/orders", rights.ORDER_READ, "Orders, the oldest first", list_orders, bodies.OrderList,
       query=bodies.OrderQuery),
    _E("POST", "/orders", rights.ORDER_WRITE, "Order the download of a profile (ES2.DownloadProfile)",
       create_order, orders.OrderView, CREATED, body=bodies.NewOrder, once=True,
       example={"eid": "89001012012341234012345678901224", "profile_type": "m2m-basic", "enable": True}),
    _E("GET", "/orders/{order_id}", rights.ORDER_READ, "One order with its steps", show_order, orders.OrderView),
    _E("POST", "/orders/{order_id}/cancel", rights.ORDER_WRITE, "End an order that is not yet on the card",
       cancel_order, orders.OrderView, versioned=show_order),
    _E("POST", "/orders/{order_id}/retry", rights.ORDER_WRITE, "Begin a failed order again", retry_order,
       orders.OrderView, body=bodies.Retry, once=True, versioned=show_order, example={"validity": 86_400}),
)  # fmt: skip
