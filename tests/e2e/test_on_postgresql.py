"""Whole installations on PostgreSQL: orders on a rough line to the database, and a standby that takes over.

Source: the crash discipline of ARCHITECTURE.md (nothing lost, nothing doubled), with the database on another
machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
import msgspec
import pytest
from sqlalchemy import Connection, select, text

import sr_steps
from ferryman.cli import output
from ferryman.cli.databases import open_database
from ferryman.cli.operator import Operator
from ferryman.cli.restore import restore
from ferryman.cli.session import operator as calls_to
from ferryman.cli.settings import load
from ferryman.cli.up import end, running
from ferryman.cli.wiring import VAULT_KEY, Installation
from ferryman.contracts import admin
from ferryman.contracts.roles import SM_DP, SM_SR
from ferryman.errors import Unavailable
from ferryman.platform.clock import LoopClock
from ferryman.platform.migrate import upgrade
from ferryman.platform.restore import numbers_of
from ferryman.platform.store import Store
from ferryman.sm_dp import schema as dp_schema
from ferryman.sm_sr import eis_store
from ferryman.sm_sr import schema as sr_schema
from ferryman_sim.terminal.settings import Settings as DeviceSettings
from patience import until_async
from personality import UNNUMBERED
from rig import OWNER, START, Platform, World, free_port
from role_databases import RoleDatabases, role_databases
from rough_line import KINDS, line, settled

DEVICE = DeviceSettings(boot=0.1, attach_retry=2.0, network_answer=5.0, https_step=4.0)
LIMIT = 1.0  # s until a silent database counts as away
SECONDS = 300.0  # for one order
CARD_ENABLED = 0x3F
# These begin again when an answer of the card was lost; everything else has its effect once.
BEGINS_AGAIN = ("GET", "GetStatus", "InstallForPersonalization", "StoreCertificate")


@pytest.fixture
def databases() -> Iterator[RoleDatabases]:
    with role_databases() as made:
        yield made


async def _world(stack: AsyncExitStack, folder: Path, count: int) -> World:
    world = World(folder, count=count, device=DEVICE)
    world.prepare()
    stack.push_async_callback(settled)
    await world.start()
    stack.push_async_callback(world.stop)
    return world


async def _done(operator: Operator, view: admin.OrderView) -> admin.OrderView:
    async with asyncio.timeout(SECONDS):
        while view.state != "done":
            await asyncio.sleep(0.1)
            try:
                found = await operator.sm_dp(admin.ShowOrder(owner=OWNER, order_id=view.order_id))
            except Unavailable:
                continue
            assert isinstance(found, admin.OrderView)
            view = found
    return view


def _check(world: World, eid: str, view: admin.OrderView) -> None:
    """The order, the card and the network agree, and the card was told everything once."""
    assert view.status is not None
    assert view.status.ok, view
    card = world.status(eid)
    [profile] = [one for one in card["profiles"] if one["iccid"] == view.iccid]
    assert profile["state"] == CARD_ENABLED
    assert card["attached"] == profile["imsi"]
    seen: set[tuple[str, str]] = set()
    for entry in world.terminal.devices[eid].card.log:
        key = (entry["target"], entry["data_sha256"])
        assert key not in seen or entry["command"].startswith((*BEGINS_AGAIN, UNNUMBERED)), entry
        seen.add(key)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("transport", ["sms", "https"])
async def test_orders_while_every_kind_of_fault_strikes_the_database(
    transport: str, tmp_path: Path, databases: RoleDatabases
) -> None:
    await databases.create()
    async with AsyncExitStack() as stack:
        world = await _world(stack, tmp_path / "world", 2)
        rough = await stack.enter_async_context(
            line("PostgreSQL", "postgres-tls", databases.server.port, f"database {transport}")
        )
        data = tmp_path / "data"
        databases.equip(data)
        platform = Platform(
            world, data, transport=transport, https_port=free_port() if transport == "https" else 0
        )
        whole = platform.configuration()
        sm_sr = msgspec.structs.replace(
            whole.sm_sr, sms_answer_timeout=4.0, https_session_timeout=6.0, https_answer_timeout=6.0
        )
        database = databases.settings(rough.proxy.port, limit=LIMIT)
        clock = LoopClock(start=START + asyncio.get_running_loop().time())
        installation = Installation(replace(whole, sm_sr=sm_sr, database=database), clock=clock)
        stack.push_async_callback(installation.stop)
        await installation.start()
        operator = Operator(installation.bus, OWNER)
        await platform.set_up(operator)
        rough.roughen()
        for eid in world.eids:
            order = admin.CreateOrder(owner=OWNER, eid=eid, profile_type="demo", enable=True, validity=1800.0)
            view = await _ordered(operator, order, call_id=f"order for {eid}")
            _check(world, eid, await _done(operator, view))
            if rough.kinds == set(KINDS):
                break
        await until_async(lambda: _at_rest(installation))
        assert rough.kinds == set(KINDS), rough.struck
        assert not installation.is_lost.is_set()
        assert not list(data.glob("*.db"))  # everything is on the server


async def _ordered(operator: Operator, order: admin.CreateOrder, *, call_id: str) -> admin.OrderView:
    """The same call again, until there is an answer."""
    while True:
        try:
            view = await operator.sm_dp(order, call_id=call_id)
        except Unavailable:
            await asyncio.sleep(0.1)
            continue
        assert isinstance(view, admin.OrderView)
        return view


async def _at_rest(installation: Installation) -> bool:
    for mailbox in installation.mailboxes:
        try:
            if await mailbox.set_aside(1):
                raise AssertionError(f"{mailbox.role} has set a message aside")
            rows = await mailbox.store.read(lambda c, t=mailbox.tables.outbox: c.execute(t.select()).all())
        except Unavailable:
            return False
        if rows:
            return False
    return True


async def test_no_role_opens_the_database_of_another(databases: RoleDatabases) -> None:
    await databases.create()
    for role in ("sm-sr", "transport-https"):
        user = f"ferryman_{role.replace('-', '_')}"
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(
                host="127.0.0.1",
                port=databases.server.port,
                user=user,
                password=f"of {role}",
                database="ferryman_crypto_server",
                ssl="require",
            )


SETTINGS = """
[sm_sr]
transport = "sms"
sms_answer_timeout = 4.0

[smpp]
host = "127.0.0.1"
port = {smpp_port}
system_id = "ferryman"
password = "secret12"
source_addr = "33600000000"
reconnect_min = 0.05
reconnect_max = 0.2

[database]
url = "{url}"
password_file = "{{role}}.password"
ca_file = "database-ca.pem"
limit = 5.0

[log]
level = "warning"
"""


async def _up(stack: AsyncExitStack, data: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ferryman.cli.main", "up", "--data", str(data), stdout=asyncio.subprocess.PIPE
    )

    async def stop() -> None:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    stack.push_async_callback(stop)
    return process


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"ready")


@pytest.mark.timeout(300)
async def test_a_standby_takes_over_in_the_middle_of_an_order(tmp_path: Path, databases: RoleDatabases) -> None:
    """Two `ferryman up` on one set of databases; the one that works is killed while a profile is downloaded."""
    await databases.create()
    async with AsyncExitStack() as stack:
        world = await _world(stack, tmp_path / "world", 1)
        first, second = tmp_path / "first", tmp_path / "second"
        for data in (first, second):
            databases.equip(data)
            settings = SETTINGS.format(smpp_port=world.ports["smpp_port"], url=databases.settings().url)
            (data / "ferryman.toml").write_text(settings)
        working = await _up(stack, first)
        await _ready(working)
        (second / VAULT_KEY).write_bytes((first / VAULT_KEY).read_bytes())
        (second / VAULT_KEY).chmod(0o600)
        standby = await _up(stack, second)
        said = asyncio.create_task(_ready(standby))
        async with calls_to(first, OWNER) as operator:
            await Platform(world, first).set_up(operator)
            view = await operator.sm_dp(
                admin.CreateOrder(owner=OWNER, eid=world.eids[0], profile_type="demo", enable=True, validity=900.0)
            )
            assert isinstance(view, admin.OrderView)
        card = world.terminal.devices[world.eids[0]].card

        async def has_begun() -> bool:
            return len(card.log) >= 8

        await until_async(has_begun)
        assert not said.done()
        working.send_signal(signal.SIGKILL)
        await working.wait()
        await said
        async with calls_to(second, OWNER) as operator:
            _check(world, world.eids[0], await _done(operator, view))


async def test_who_was_taken_over_ends(tmp_path: Path) -> None:
    settings = load(tmp_path)
    async with running(settings) as (installation, _):
        stop = asyncio.Event()
        waiting = asyncio.create_task(end(installation, stop))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        installation.is_lost.set()
        with pytest.raises(Unavailable, match="taken over"):
            await waiting
        assert not stop.is_set()


async def test_restore_moves_counters_on_postgresql(tmp_path: Path, databases: RoleDatabases) -> None:
    await databases.create()
    databases.equip(tmp_path)
    url = databases.settings().url
    (tmp_path / "ferryman.toml").write_text(
        f'[database]\nurl = "{url}"\npassword_file = "{{role}}.password"\nca_file = "database-ca.pem"\n'
    )

    async def counter() -> int:
        async with opened() as store:
            return await store.read(lambda c: c.execute(select(sr_schema.euicc.c.scp80_counter)).scalar_one())

    def number(connection: Connection, sequence: str) -> int:
        return int(connection.execute(text(f"SELECT nextval('{sequence}')")).scalar_one())

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        store = await open_database(load(tmp_path).database, SM_SR, tmp_path)
        try:
            yield store
        finally:
            await store.close()

    async with opened() as store:
        await upgrade(store, SM_SR)
        await store.write(lambda c: eis_store.register(c, sr_steps.card(profiles=(), scp80_counter=10), 0.0))
    before = await counter()
    assert await restore(lost="1h", data=tmp_path) == output.DONE
    assert await counter() >= before + 3600
    # The numbers of rows: the first one that a table gives out is behind all of the lost time.
    store = await open_database(load(tmp_path).database, SM_DP, tmp_path)
    try:
        for sequence in ("order_batch_number_seq", "audit_seq_seq"):
            following = await store.write(partial(number, sequence=sequence))
            assert following == numbers_of(3600.0) + 1
        told = select(dp_schema.PLATFORM.audit.c.seq)
        assert await store.read(lambda c: c.execute(told).scalar_one()) == numbers_of(3600.0)
    finally:
        await store.close()
