"""What an order may say beside EID and ICCID, down to card and EIS; cancel, retry, stock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts import admin, crypto, orders
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.status import Status
from ferryman.errors import Refused
from rig import OWNER
from virtual_loop import virtual

COMMANDS = (
    "CreateISDP",
    "InstallForPersonalization",
    "StoreCertificate",
    "SCP03t InitializeUpdate",
    "SCP03t Segment",
)
RULES = (PolicyRule("DELETE", "Not-Allowed"),)


async def keysets(b: Bench) -> list[str]:
    """References of ISD-P keys in the vault."""
    rows = await b.store("crypto-server").read(
        lambda c: c.exec_driver_sql("SELECT ref FROM secret WHERE ref LIKE 'isdp/%'").all()
    )
    return [row[0] for row in rows]


@virtual
async def test_policy_and_address_go_with_the_order() -> None:
    async with bench("https") as b:
        view, status = await b.run_order(pol2=RULES, msisdn="+33600000099", enable=False)
        assert status.status is Status.SUCCESS, status
        card = await checks.eis(b, b.eid)
        profile = next(p for p in card.profiles if p.iccid == view.iccid)
        assert profile.pol2 == RULES
        assert profile.msisdn == "+33600000099"
        assert len(await keysets(b)) == 1, "keys are kept"


@pytest.mark.parametrize("enable", [True, False])
@virtual
async def test_keys_are_destroyed_or_handed_over(enable: bool) -> None:
    key = bytes(range(1, 33))
    async with bench("https", count=3) as b:
        await b.run_order(enable=enable, keys=orders.DESTROY)
        assert await keysets(b) == []
        await b.operator.crypto(crypto.ImportTransportKey(eum_id="mno", key=key))
        view, status = await b.run_order(b.eids[1], enable=enable, keys=orders.HAND_OVER, keys_under="mno")
        assert status.status is Status.SUCCESS
        assert await keysets(b) == []
        sealed = view.handed_keys
        clear = AESGCM(key).decrypt(sealed[:12], sealed[12:], f"{view.eid},{view.isdp_aid}".encode())
        assert len(clear) == 48
        card = b.device(b.eids[1]).card.dump()
        isdp = next(p for p in card["isdps"] if p["keysets"] and p["aid"].upper() == view.isdp_aid)
        on_card = isdp["keysets"][0]
        assert clear.hex().upper() == (on_card["enc"] + on_card["mac"] + on_card["dek"]).upper()
        nobody, status = await b.run_order(b.eids[2], enable=enable, keys=orders.HAND_OVER, keys_under="nobody")
        assert (status.status, nobody.handed_keys) == (Status.WARNING, b"")
        assert len(await keysets(b)) == 1, "not handed over, so kept"


@pytest.mark.parametrize("at", COMMANDS)
@virtual
async def test_cancel_before_and_on_the_way_and_then_tried_again(at: str) -> None:
    async with bench("https", count=2) as b:
        cancels: list[asyncio.Task[Any]] = []

        def hook(names: list[str]) -> None:
            """The card has just got this command; its answer has a longer way than the word of the Operator."""
            if not cancels and any(name.startswith(at) for name in names):
                call = b.operator.sm_dp(orders.CancelOrder(owner=OWNER, order_id=first.order_id))
                cancels.append(asyncio.get_running_loop().create_task(call))

        b.on_script(hook)
        first = await b.order()
        waiting = await b.order()
        cancelled = await b.operator.sm_dp(orders.CancelOrder(owner=OWNER, order_id=waiting.order_id))
        assert isinstance(cancelled, admin.OrderView)
        assert cancelled.state == "done"
        assert cancelled.status is not None
        assert "cancelled" in cancelled.status.message
        ended, status = await b.ended(first)
        assert cancels, b.log()
        assert status.status is Status.FAILED
        assert "cancelled" in status.message
        assert ended.isdp_aid == ""
        card = await checks.eis(b, b.eid)
        assert len(card.profiles) == 1, "the ISD-P is gone"
        with pytest.raises(Refused, match="has ended"):
            await b.operator.sm_dp(orders.CancelOrder(owner=OWNER, order_id=first.order_id))
        again = await b.operator.sm_dp(orders.RetryOrder(owner=OWNER, order_id=first.order_id, validity=7200.0))
        assert isinstance(again, admin.OrderView)
        assert (again.state, again.attempt, again.iccid) == ("running", 2, first.iccid)
        done, status = await b.ended(again)
        assert status.status is Status.SUCCESS
        assert [step.name for step in done.steps].count("tried again") == 1
        with pytest.raises(Refused, match="has failed"):
            await b.operator.sm_dp(orders.RetryOrder(owner=OWNER, order_id=first.order_id))
        with pytest.raises(Refused, match="no order"):
            await b.operator.sm_dp(orders.RetryOrder(owner="1.2.3", order_id=first.order_id))
        await checks.everything(b, done)


@virtual
async def test_stock_comes_down_to_its_mark() -> None:
    async with bench("https", count=3) as b:
        set_to = await b.operator.sm_dp(orders.SetLowWater(owner=OWNER, profile_type="demo", low_water=2))
        assert set_to == orders.StockPage(stocks=(orders.StockView("demo", 3, 2, False),))
        one = await b.order()
        assert [d for a, o, d in await b.audits("sm-dp") if (a, o) == ("LowStock", "alarm")] == [
            "2 subscriptions left, the mark is 2"
        ]
        stocks = await b.operator.sm_dp(orders.ShowStock(owner=OWNER))
        assert stocks == orders.StockPage(stocks=(orders.StockView("demo", 2, 2, True),))
        await b.operator.sm_dp(orders.CancelOrder(owner=OWNER, order_id=one.order_id))
        view, _ = await b.ended(one)
        assert view.state == "done"
        stocks = await b.operator.sm_dp(orders.ShowStock(owner=OWNER))
        assert isinstance(stocks, orders.StockPage)
        assert stocks.stocks[0].free == 3, "an order that has failed gives its subscription back"
        with pytest.raises(Refused, match="no profile type"):
            await b.operator.sm_dp(orders.SetLowWater(owner=OWNER, profile_type="none", low_water=2))
        for eid in b.eids:
            await b.order(eid)
        assert [d for a, o, d in await b.audits("sm-dp") if (a, o) == ("LowStock", "alarm")][1:] == [
            "2 subscriptions left, the mark is 2",
            "0 subscriptions left, the mark is 2",
        ]


BAD: list[dict[str, Any]] = [
    {"keys": "lose"},
    {"keys": orders.HAND_OVER},
    {"keys_under": "mno"},
    {"pol1": b"12"},
    {"pol2": (PolicyRule("ENABLE", "Not-Allowed"),)},
    {"pol2": (PolicyRule("DELETE", "Auto-Delete"),)},
    {"validity": 0.5},
]


@pytest.mark.parametrize("wrong", BAD, ids=str)
@virtual
async def test_orders_that_say_what_cannot_be(wrong: dict[str, Any]) -> None:
    async with bench("https") as b:
        with pytest.raises(Refused) as refused:
            await b.order(**wrong)
        assert refused.value.subject == "1.3.1"
        assert await b.operator.sm_dp(admin.ListOrders(owner=OWNER)) == admin.OrderPage(orders=())
