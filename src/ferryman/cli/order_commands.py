"""Commands on orders and stock beside `order create` and `order show`: cancel, retry, list, low-water marks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cyclopts import App

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, order, show_order, template
from ferryman.cli.session import operator
from ferryman.contracts import admin, orders

PAGE = 1_000  # orders in one answer


async def order_cancel(order_id: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Cancel an order that is not yet on the card; an ISD-P that was begun is deleted."""
    async with operator(data, owner) as calls:
        view = await calls.sm_dp(orders.CancelOrder(owner=owner, order_id=order_id))
    show_order(view, json=json)
    return output.DONE


async def order_retry(
    order_id: str,
    *,
    validity: float = 86_400.0,
    call_id: str = "",
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Begin a failed order again, with the same subscription."""
    request = orders.RetryOrder(owner=owner, order_id=order_id, validity=validity)
    async with operator(data, owner) as calls:
        view = await calls.sm_dp(request, call_id=call_id)
    return show_order(view, json=json)


async def order_list(*, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """List the orders, oldest first."""
    async with operator(data, owner) as calls:
        views: list[admin.OrderView] = []
        page = await calls.sm_dp(admin.ListOrders(owner=owner, limit=PAGE))
        while isinstance(page, admin.OrderPage) and page.orders:
            views += page.orders
            page = await calls.sm_dp(admin.ListOrders(owner=owner, limit=PAGE, after=views[-1].order_id))
    if json:
        output.emit({"orders": views})
    else:
        rows = [
            [view.order_id, view.eid, view.iccid, view.state, view.step, view.status.code if view.status else ""]
            for view in views
        ]
        output.table("orders", ["order", "EID", "ICCID", "state", "step", "code"], rows)
    return output.DONE


async def template_stock(*, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Show how many subscriptions of each profile type are free."""
    async with operator(data, owner) as calls:
        page = await calls.sm_dp(orders.ShowStock(owner=owner))
    return _show_stock(page, json=json)


async def template_low_water(
    name: str, count: int, *, data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """Set the number of free subscriptions at which a profile type raises an alarm; 0 = never."""
    request = orders.SetLowWater(owner=owner, profile_type=name, low_water=count)
    async with operator(data, owner) as calls:
        page = await calls.sm_dp(request)
    return _show_stock(page, json=json)


def _show_stock(page: object, *, json: bool) -> int:
    stocks = page.stocks if isinstance(page, orders.StockPage) else ()
    if json:
        output.emit({"stocks": stocks})
    else:
        rows = [[s.profile_type, str(s.free), str(s.low_water), "LOW" if s.low else ""] for s in stocks]
        output.table("stock", ["profile type", "free", "mark", ""], rows)
    return output.DONE


COMMANDS: tuple[tuple[App, str, Callable[..., object]], ...] = (
    (order, "cancel", order_cancel),
    (order, "retry", order_retry),
    (order, "list", order_list),
    (template, "stock", template_stock),
    (template, "low-water", template_low_water),
)
