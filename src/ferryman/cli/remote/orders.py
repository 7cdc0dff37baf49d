"""Orders, batches, holds, templates and stock of a platform elsewhere."""

from __future__ import annotations

from typing import Any, cast

from ferryman.cli.remote.table import PAGE, carries, first, size
from ferryman.client import AsyncClient
from ferryman.client.methods.answers import NewRow
from ferryman.contracts import admin, batches, holds, imports, orders
from ferryman.contracts.message import Body


@carries(orders.CreateOrder)
async def create_order(client: AsyncClient, asked: orders.CreateOrder, call_id: str) -> Body:
    return await client.create_order(
        eid=asked.eid, iccid=asked.iccid, profile_type=asked.profile_type, idempotency_key=call_id, **_terms(asked)
    )


def _terms(asked: orders.CreateOrder) -> dict[str, Any]:
    return {
        "enable": asked.enable,
        "validity": asked.validity,
        "pol2": asked.pol2,
        "imsi": asked.imsi,
        "msisdn": asked.msisdn,
        "pol1": asked.pol1,
        "connectivity": asked.connectivity,
        "keys": asked.keys,
        "keys_under": asked.keys_under,
        "hold": asked.hold,
        "delete_token": asked.delete_token,
    }


@carries(orders.ShowOrder)
async def show_order(client: AsyncClient, asked: orders.ShowOrder, _: str) -> Body:
    return await client.show_order(asked.order_id)


@carries(orders.ListOrders)
async def list_orders(client: AsyncClient, asked: orders.ListOrders, _: str) -> Body:
    found = await first(client.list_orders(after=asked.after, page_size=size(asked.limit)), asked.limit)
    return orders.OrderPage(orders=found)


@carries(orders.CancelOrder)
async def cancel_order(client: AsyncClient, asked: orders.CancelOrder, _: str) -> Body:
    return await client.cancel_order(asked.order_id)


@carries(orders.RetryOrder)
async def retry_order(client: AsyncClient, asked: orders.RetryOrder, call_id: str) -> Body:
    return await client.retry_order(asked.order_id, validity=asked.validity, idempotency_key=call_id)


@carries(orders.IssueDeleteToken)
async def issue_delete_token(client: AsyncClient, asked: orders.IssueDeleteToken, call_id: str) -> Body:
    return await client.issue_delete_token(asked.order_id, idempotency_key=call_id)


@carries(orders.ShowStock)
async def show_stock(client: AsyncClient, asked: orders.ShowStock, _: str) -> Body:
    del asked
    return orders.StockPage(stocks=await first(client.list_profile_types(page_size=PAGE), 0))


@carries(orders.SetLowWater)
async def set_low_water(client: AsyncClient, asked: orders.SetLowWater, _: str) -> Body:
    changed = await client.set_low_water(asked.profile_type, low_water=asked.low_water)
    return orders.StockPage(stocks=(changed,))


@carries(admin.ImportTemplate)
async def import_template(client: AsyncClient, asked: admin.ImportTemplate, call_id: str) -> Body:
    return await client.import_template(
        name=asked.name, package=asked.der, algorithm=cast(Any, asked.algorithm), idempotency_key=call_id
    )


@carries(imports.ListImports)
async def list_imports(client: AsyncClient, asked: imports.ListImports, _: str) -> Body:
    del asked
    return imports.ImportPage(imports=await first(client.list_imports(page_size=PAGE), 0))


# -- holds --------------------------------------------------------------------------------------------------------


@carries(holds.ListHooks)
async def list_hooks(client: AsyncClient, asked: holds.ListHooks, _: str) -> Body:
    del asked
    return holds.HookPage(hooks=await first(client.list_hooks(page_size=PAGE), 0))


@carries(holds.SetHook)
async def set_hook(client: AsyncClient, asked: holds.SetHook, call_id: str) -> Body:
    await client.set_hook(
        profile_type=asked.profile_type,
        url=asked.url,
        key=asked.key,
        holds=cast(Any, asked.holds),
        limit=asked.limit,
        undo=cast(Any, asked.undo),
    )
    return await list_hooks(client, holds.ListHooks(owner=asked.owner), call_id)


@carries(holds.RemoveHook)
async def remove_hook(client: AsyncClient, asked: holds.RemoveHook, call_id: str) -> Body:
    await client.remove_hook(profile_type=asked.profile_type)
    return await list_hooks(client, holds.ListHooks(owner=asked.owner), call_id)


@carries(holds.ReleaseOrder)
async def release_order(client: AsyncClient, asked: holds.ReleaseOrder, _: str) -> Body:
    return await client.release_order(asked.order_id, hold=cast(Any, asked.hold))


@carries(holds.RefuseOrder)
async def refuse_order(client: AsyncClient, asked: holds.RefuseOrder, _: str) -> Body:
    return await client.refuse_order(asked.order_id, hold=cast(Any, asked.hold), reason=asked.reason)


# -- batches ------------------------------------------------------------------------------------------------------


@carries(batches.OpenBatch)
async def open_batch(client: AsyncClient, asked: batches.OpenBatch, call_id: str) -> Body:
    return await client.create_batch(
        name=asked.name,
        profile_type=asked.order.profile_type,
        in_flight=asked.in_flight,
        idempotency_key=call_id,
        **_terms(asked.order),
    )


@carries(batches.FillBatch)
async def fill_batch(client: AsyncClient, asked: batches.FillBatch, _: str) -> Body:
    rows = [NewRow(eid=row.eid, iccid=row.iccid, profile_type=row.profile_type) for row in asked.rows]
    return await client.add_rows(asked.name, first=asked.first, rows=rows)


@carries(batches.ChangeBatch)
async def change_batch(client: AsyncClient, asked: batches.ChangeBatch, _: str) -> Body:
    more: dict[str, Any] = {"in_flight": asked.in_flight} if asked.in_flight else {}
    return await client.change_batch(asked.name, action=cast(Any, asked.action), **more)


@carries(batches.ShowBatch)
async def show_batch(client: AsyncClient, asked: batches.ShowBatch, _: str) -> Body:
    return await client.show_batch(asked.name)


@carries(batches.ListBatches)
async def list_batches(client: AsyncClient, asked: batches.ListBatches, _: str) -> Body:
    pages = client.list_batches(
        after=asked.after,
        page_size=size(asked.limit),
        state=cast(Any, asked.state),
        kind=cast(Any, asked.kind),
        profile_type=asked.profile_type,
        asked_by=asked.asked_by,
        since=asked.since,
        until=asked.until,
    )
    found = await first(pages, asked.limit)
    return batches.BatchPage(batches=found)


@carries(batches.ListBatchRows)
async def list_rows(client: AsyncClient, asked: batches.ListBatchRows, _: str) -> Body:
    after = str(asked.after) if asked.after >= 0 else ""
    pages = client.list_rows(asked.name, state=cast(Any, asked.state), after=after, page_size=size(asked.limit))
    return batches.BatchRowPage(rows=await first(pages, asked.limit))
