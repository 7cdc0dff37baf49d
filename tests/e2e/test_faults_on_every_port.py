"""Drop, delay, duplicate and reorder on every port of an installation apart, in one run: SMPP, HTTPS and NATS.

Five roles, each an installation of its own, reach SMSC, eUICCs and broker only through seeded fault proxies.
Source: the crash discipline of ARCHITECTURE.md (nothing lost, nothing doubled), on the line instead.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from ferryman.cli.operator import Operator
from ferryman.cli.wiring import Installation
from ferryman.contracts import admin
from ferryman.contracts.roles import OPERATOR
from ferryman.contracts.routes import ROLES
from ferryman.errors import Unavailable
from ferryman.platform import nats_bus, nats_link
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.nats_bus import NatsBus
from ferryman.transport_https.session import HTTPSSettings
from ferryman_sim.terminal.settings import Settings as DeviceSettings
from nats_server import NatsServer, find_server
from patience import until_async
from personality import UNNUMBERED
from rig import OWNER, START, Platform, World, free_port
from rough_line import KINDS, line

CARDS = 4  # one after the other, at least two: until each kind has struck on each port
SECONDS = 400.0  # for one order
ASK_SECONDS = 3.0  # for an answer to the operator
CARD_ENABLED = 0x3F
DEVICE = DeviceSettings(boot=0.1, attach_retry=2.0, network_answer=5.0, https_step=4.0)
# These begin again when an answer of the card was lost; everything else has its effect once.
BEGINS_AGAIN = ("GET", "GetStatus", "InstallForPersonalization", "StoreCertificate")


@pytest.mark.timeout(900)
async def test_orders_while_every_kind_of_fault_strikes_every_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_server()
    # Real time: what a lost word costs is cut to seconds.
    monkeypatch.setattr(nats_link, "PUBLISH_TIMEOUT", 1.5)
    monkeypatch.setattr(nats_bus, "CALL_TIMEOUT", 3.0)
    seed = "every port"
    async with contextlib.AsyncExitStack() as stack:
        world = World(tmp_path / "world", count=CARDS, device=DEVICE)
        world.prepare()
        await world.start()
        stack.push_async_callback(world.stop)
        (tmp_path / "nats").mkdir()
        server = NatsServer(tmp_path / "nats")
        await server.start()
        stack.callback(server.kill)
        await server.provision()
        port = free_port()
        lines = [
            await stack.enter_async_context(line("SMPP", "smpp", world.ports["smpp_port"], seed)),
            await stack.enter_async_context(line("HTTPS", "tls", port, seed)),
            await stack.enter_async_context(line("NATS", "nats", server.port, seed)),
        ]
        installations = await _apart(stack, tmp_path, world, server, port, *(one.proxy.port for one in lines))
        # The operator's own way is straight: what is asked here is how the orders are.
        clock = LoopClock(start=START + asyncio.get_running_loop().time())
        calls = NatsBus(
            settings=server.settings, credential=server.made[OPERATOR], clock=clock, entropy=system_entropy
        )
        stack.push_async_callback(calls.stop)
        await calls.start()
        operator = Operator(calls, OWNER)
        await Platform(world, tmp_path).set_up(operator)
        for one in lines:
            one.roughen()
        for number, eid in enumerate(world.eids, 1):
            await _one_order(operator, world, eid)
            if number > 1 and all(one.kinds == set(KINDS) for one in lines):
                break
        await until_async(lambda: _at_rest(installations))
        for installation in installations:
            assert [await remote.parked_messages() for remote in installation.broker if remote.receives] in (
                [0],
                [],
            )
    for one in lines:
        print(one.name, one.counts)
        assert one.kinds == set(KINDS), one.struck


async def _apart(
    stack: contextlib.AsyncExitStack,
    folder: Path,
    world: World,
    server: NatsServer,
    https_port: int,
    smpp: int,
    https: int,
    nats: int,
) -> list[Installation]:
    """Every role on its own, behind the proxies."""
    platform = Platform(world, folder, https_port=https)  # where cards are told to connect
    whole = platform.configuration()
    assert not isinstance(whole.smpp, tuple)
    assert whole.smpp is not None
    smpp_settings = replace(whole.smpp, port=smpp, response_timeout=3.0, enquire_interval=5.0)
    sm_sr = msgspec.structs.replace(
        whole.sm_sr,
        sms_answer_timeout=4.0,
        sms_attempts=10,
        https_session_timeout=6.0,
        https_answer_timeout=6.0,
        trigger_attempts=40,
        change_timeout=60.0,
    )
    sm_dp = msgspec.structs.replace(whole.sm_dp, session_attempts=10)
    bus = msgspec.structs.replace(server.settings, url=f"nats://127.0.0.1:{nats}")
    clock = LoopClock(start=START + asyncio.get_running_loop().time())
    made = []
    for role in ROLES:
        alone = replace(
            whole,
            data=folder / role,
            bus=bus,
            roles=frozenset({role}),
            smpp=smpp_settings,
            sm_sr=sm_sr,
            sm_dp=sm_dp,
            https=HTTPSSettings("127.0.0.1", https_port, handshake_timeout=4.0, idle_timeout=10.0),
        )
        installation = Installation(alone, clock=clock)
        stack.push_async_callback(installation.stop)
        await installation.start()
        made.append(installation)
    return made


async def _one_order(operator: Operator, world: World, eid: str) -> None:
    order = admin.CreateOrder(owner=OWNER, eid=eid, profile_type="demo", enable=True, validity=1800.0)
    view = await _asked(operator, order, f"order for {eid}")
    async with asyncio.timeout(SECONDS):
        while view.state != "done":
            await asyncio.sleep(0.1)
            view = await _asked(operator, admin.ShowOrder(owner=OWNER, order_id=view.order_id), "")
    assert view.status is not None
    assert view.status.ok, view
    card = world.status(eid)
    [profile] = [one for one in card["profiles"] if one["iccid"] == view.iccid]
    assert profile["state"] == CARD_ENABLED
    assert card["attached"] == profile["imsi"]
    seen: set[tuple[Any, Any]] = set()
    for entry in world.terminal.devices[eid].card.log:
        key = (entry["target"], entry["data_sha256"])
        assert key not in seen or entry["command"].startswith((*BEGINS_AGAIN, UNNUMBERED)), entry
        seen.add(key)


async def _asked(operator: Operator, body: admin.CreateOrder | admin.ShowOrder, call_id: str) -> admin.OrderView:
    """The role's line loses questions and answers too: the same call again, until there is an answer."""
    while True:
        with contextlib.suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(ASK_SECONDS):
                view = await operator.sm_dp(body, call_id=call_id)
            assert isinstance(view, admin.OrderView)
            return view


async def _at_rest(installations: list[Installation]) -> bool:
    """Nothing is on its way any more, and nothing was set aside."""
    for mailbox in (one for installation in installations for one in installation.mailboxes):
        count = select(func.count()).select_from(mailbox.tables.outbox)
        if await mailbox.store.read(lambda c, count=count: c.execute(count).scalar_one()):
            return False
    return True
