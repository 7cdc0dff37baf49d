"""Webhooks: where a tenant wants its events POSTed, the log of deliveries, and doing them again."""

from __future__ import annotations

from ferryman.rest_api import rights
from ferryman.rest_api.bodies import PageQuery
from ferryman.rest_api.endpoint import CREATED, NO_CONTENT, Endpoint, Request, or_absent, page
from ferryman.rest_api.events.views import (
    DeliveryList,
    DeliveryQuery,
    NewReplay,
    NewWebhook,
    Replayed,
    WebhookChange,
    WebhookList,
    WebhookView,
)


async def list_webhooks(r: Request) -> WebhookList:
    found = await r.services.webhooks.all(r.tenant)
    items, more = page(found, lambda one: one.id, r.query.after, r.query.limit)
    return WebhookList(items=items, next=more)


async def create_webhook(r: Request) -> WebhookView:
    return await r.services.webhooks.add(r.tenant, r.body, r.who.actor, r.call_id)


async def show_webhook(r: Request) -> WebhookView:
    asked = r.services.webhooks.show(r.tenant, r.path["webhook_id"])
    return await or_absent(asked, "webhook", r.path["webhook_id"])


async def change_webhook(r: Request) -> WebhookView:
    asked = r.services.webhooks.change(r.tenant, r.path["webhook_id"], r.body.action, r.who.actor)
    return await or_absent(asked, "webhook", r.path["webhook_id"])


async def delete_webhook(r: Request) -> None:
    asked = r.services.webhooks.remove(r.tenant, r.path["webhook_id"], r.who.actor)
    await or_absent(asked, "webhook", r.path["webhook_id"])


async def list_deliveries(r: Request) -> DeliveryList:
    q = r.query
    asked = r.services.webhooks.deliveries(
        r.tenant, r.path["webhook_id"], after=int(q.after or 0), limit=q.limit, state=q.state
    )
    return await or_absent(asked, "webhook", r.path["webhook_id"])


async def replay_webhook(r: Request) -> Replayed:
    asked = r.services.webhooks.replay(
        r.tenant,
        r.path["webhook_id"],
        after=int(r.body.after),
        given_up_only=r.body.given_up_only,
        actor=r.who.actor,
    )
    return Replayed(deliveries=await or_absent(asked, "webhook", r.path["webhook_id"]))


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/webhooks", rights.WEBHOOK_READ, "Webhooks, the oldest first", list_webhooks, WebhookList,
       query=PageQuery),
    _E("POST", "/webhooks", rights.WEBHOOK_WRITE, "Have events POSTed to a URL, signed as in Standard Webhooks",
       create_webhook, WebhookView, CREATED, body=NewWebhook, once=True,
       example={"url": "https://hooks.example.org/ferryman", "types": ["order.done", "order.failed"]}),
    _E("GET", "/webhooks/{webhook_id}", rights.WEBHOOK_READ, "One webhook", show_webhook, WebhookView),
    _E("POST", "/webhooks/{webhook_id}/changes", rights.WEBHOOK_WRITE, "Pause, resume, or make a new secret",
       change_webhook, WebhookView, body=WebhookChange, versioned=show_webhook, example={"action": "pause"}),
    _E("DELETE", "/webhooks/{webhook_id}", rights.WEBHOOK_WRITE, "Delete a webhook with its deliveries",
       delete_webhook, None, NO_CONTENT, versioned=show_webhook),
    _E("GET", "/webhooks/{webhook_id}/deliveries", rights.WEBHOOK_READ, "What was delivered, and what waits",
       list_deliveries, DeliveryList, query=DeliveryQuery),
    _E("POST", "/webhooks/{webhook_id}/replay", rights.WEBHOOK_WRITE, "Deliver again, under the same names",
       replay_webhook, Replayed, body=NewReplay, example={"given_up_only": True}),
)  # fmt: skip
