"""Holds of orders: the hooks that ask an operator's own system, their keys, and a person's word instead."""

from __future__ import annotations

import msgspec

from ferryman.contracts import crypto, holds
from ferryman.contracts.orders import OrderView
from ferryman.rest_api import bodies, bodies_keys, rights
from ferryman.rest_api.endpoint import CREATED, NO_CONTENT, Absent, Endpoint, Request, page
from ferryman.rest_api.events.signing import SECRET_OCTETS, secret_text
from ferryman.rest_api.kept import kept_secret
from ferryman.rest_api.routes.orders import show_order


async def list_hooks(r: Request) -> bodies.HookList:
    items, more = page(await _hooks(r), lambda one: one.profile_type or "-", r.query.after, r.query.limit)
    return bodies.HookList(items=items, next=more)


async def set_hook(r: Request) -> holds.HookView:
    question = holds.SetHook(owner=r.tenant, confined=True, **msgspec.structs.asdict(r.body))
    await r.ask.sm_dp(r.tenant, question, holds.HookPage)
    return await _shown(r)


async def remove_hook(r: Request) -> None:
    found = await _removed(r)
    question = holds.RemoveHook(owner=r.tenant, profile_type=found.profile_type)
    await r.ask.sm_dp(r.tenant, question, holds.HookPage)


@kept_secret
async def make_hook_key(r: Request) -> bodies.HookKey:
    secret = await r.services.kept.begun(r, r.services.entropy(SECRET_OCTETS))
    question = crypto.ImportHookKey(owner=r.tenant, name=r.body.name, key=secret)
    await r.ask.crypto_server(r.tenant, question, crypto.Stored)
    return bodies.HookKey(name=r.body.name, secret=secret_text(secret))


async def import_hook_key(r: Request) -> None:
    question = crypto.ImportHookKey(owner=r.tenant, name=r.body.name, key=r.body.key)
    await r.ask.crypto_server(r.tenant, question, crypto.Stored)


async def release_order(r: Request) -> OrderView:
    found = await show_order(r)
    question = holds.ReleaseOrder(owner=r.tenant, order_id=found.order_id, hold=r.body.hold)
    return await r.ask.sm_dp(r.tenant, question, OrderView)


async def refuse_order(r: Request) -> OrderView:
    found = await show_order(r)
    question = holds.RefuseOrder(owner=r.tenant, order_id=found.order_id, hold=r.body.hold, reason=r.body.reason)
    return await r.ask.sm_dp(r.tenant, question, OrderView)


async def _hooks(r: Request) -> tuple[holds.HookView, ...]:
    return (await r.ask.sm_dp(r.tenant, holds.ListHooks(owner=r.tenant), holds.HookPage)).hooks


async def _of_type(r: Request, profile_type: str) -> holds.HookView:
    for one in await _hooks(r):
        if one.profile_type == profile_type:
            return one
    raise Absent("hook for", profile_type or "every profile type")


async def _shown(r: Request) -> holds.HookView:
    """The hook that a body is about."""
    return await _of_type(r, r.body.profile_type)


async def _removed(r: Request) -> holds.HookView:
    """The hook that a query is about."""
    return await _of_type(r, r.query.profile_type)


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/order-hooks", rights.HOOK_READ, "Where orders hold, and what stands in the way of calls",
       list_hooks, bodies.HookList, query=bodies.PageQuery),
    _E("PUT", "/order-hooks", rights.HOOK_WRITE, "Have orders hold, and somebody asked; replaces the type's hook",
       set_hook, holds.HookView, body=bodies.NewHook, versioned=_shown,
       example={"profile_type": "m2m-basic", "url": "https://hlr.example.org/holds", "key": "hlr", "limit": 600}),
    _E("DELETE", "/order-hooks", rights.HOOK_WRITE, "Later orders hold no more; others wait for a release",
       remove_hook, None, NO_CONTENT, query=bodies.HookQuery, versioned=_removed),
    _E("POST", "/hook-keys", rights.HOOK_WRITE, "A key that signs the calls of hooks, shown once", make_hook_key,
       bodies.HookKey, CREATED, body=bodies.NewHookKey, once=True, example={"name": "hlr"}),
    _E("PUT", "/hook-keys", rights.HOOK_WRITE, "Store a key of yours that signs the calls of hooks",
       import_hook_key, None, NO_CONTENT, body=bodies_keys.AgreedHookKey,
       example={"name": "hlr", "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}),
    _E("POST", "/orders/{order_id}/release", rights.ORDER_WRITE, "Let an order that holds go on", release_order,
       OrderView, body=bodies.Release, versioned=show_order, example={"hold": "before-download"}),
    _E("POST", "/orders/{order_id}/refuse", rights.ORDER_WRITE, "End an order that holds", refuse_order,
       OrderView, body=bodies.Refusal, versioned=show_order, example={"reason": "not provisioned"}),
)  # fmt: skip
