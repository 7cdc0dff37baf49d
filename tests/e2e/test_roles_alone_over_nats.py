"""Every role on its own: five installations with one role each, and an operator, meet only at a nats-server."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from ferryman.cli.operator import Operator
from ferryman.cli.wiring import Installation
from ferryman.contracts import admin
from ferryman.contracts.roles import CRYPTO_SERVER, OPERATOR, SOAP_GATEWAY
from ferryman.contracts.routes import ROLES
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.nats_bus import NatsBus
from ferryman.rest_api.settings import RESTSettings
from nats_server import NatsServer, find_server
from rig import OWNER, START, Platform, World, free_port, wait_order


@pytest.mark.timeout(300)
async def test_an_order_through_five_processes_worth_of_roles(tmp_path: Path) -> None:
    find_server()
    async with contextlib.AsyncExitStack() as stack:
        world = World(tmp_path / "world")
        world.prepare()
        await world.start()
        stack.push_async_callback(world.stop)
        (tmp_path / "nats").mkdir()
        server = NatsServer(tmp_path / "nats")
        await server.start()
        stack.callback(server.kill)
        await server.provision()
        platform = Platform(world, tmp_path, https_port=free_port())
        clock = LoopClock(start=START + asyncio.get_running_loop().time())
        for role in ROLES:
            rest = RESTSettings(listen=False)
            whole = replace(platform.configuration(), data=tmp_path / role, bus=server.settings, rest=rest)
            alone = Installation(replace(whole, roles=frozenset({role})), clock=clock)
            stack.push_async_callback(alone.stop)
            await alone.start()
        calls = NatsBus(
            settings=server.settings, credential=server.made[OPERATOR], clock=clock, entropy=system_entropy
        )
        stack.push_async_callback(calls.stop)
        await calls.start()
        operator = Operator(calls, OWNER)
        await platform.set_up(operator)
        order = admin.CreateOrder(
            owner=OWNER, eid=world.eids[0], profile_type="demo", enable=True, validity=1800.0
        )
        made = await operator.sm_dp(order)
        assert isinstance(made, admin.OrderView)
        view = await wait_order(operator, made.order_id, timeout=200.0)
        assert view.status is not None
        assert view.status.ok, view
        card = world.status(world.eids[0])
        (profile,) = (p for p in card["profiles"] if p["iccid"] == view.iccid)
        assert card["attached"] == profile["imsi"]
        assert card["counters"]["https_sessions"] >= 1
    for role in set(ROLES) - {SOAP_GATEWAY}:  # which has no peers here
        assert [path.name for path in (tmp_path / role).glob("*.db")] == [f"{role}.db"]
        assert (tmp_path / role / "vault.key").exists() == (role == CRYPTO_SERVER)
