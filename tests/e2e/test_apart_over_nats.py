"""The demo fleet with broker, core and both transports as processes of their own, killed in the middle.

Sources: the crash discipline of ARCHITECTURE.md (nothing lost, nothing doubled) across process boundaries.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import secrets
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import personality
from apart import HOLDS, Apart
from ferryman.cli.control import ControlClient
from ferryman.cli.demo import PROFILE_TYPE, set_up
from ferryman.cli.demo_world import World, world
from ferryman.cli.operator import Operator
from ferryman.cli.session import operator as over_broker
from ferryman.contracts import admin
from ferryman.platform.nats_credentials import PROVISIONER, load
from ferryman.platform.nats_layout import LANES, consumer_name, parked_stream, receivers, stream_name, ways
from ferryman.platform.nats_link import NatsLink
from ferryman.profile.demo_template import demo_template
from nats_server import find_server
from rig import free_port

OWNER = "1.3.6.1.4.1.99999.30"
FLEET = 4  # one for each kill
SPARE = 1  # orders that a machine under load may end before this process looks at them
CARD_ENABLED = 0x3F
BEGINS_AGAIN = ("InstallForPersonalization", "StoreCertificate")
SECONDS = 180.0
SESSIONS_END = 150.0  # s: what a session may wait for an answer that was lost, and be idle then
END_TOLD = 1.0  # s: ends of sessions gather before they are recorded and told
EMPTY = 90.0  # above the longest pause after which the broker gives a message again, on a busy machine
# Short enough for a test, so that what a kill left unknown is asked about soon; and often enough for a machine
# under load, where an answer may be later than that time and time again.
PATIENCE = (
    "sms_answer_timeout = 4.0\nhttps_session_timeout = 6.0\nhttps_answer_timeout = 6.0\n"
    "sms_attempts = 20\ntrigger_attempts = 20\n[sm_dp]\nsession_attempts = 20\n"
)


@pytest.mark.timeout(300)
async def test_the_fleet_survives_the_death_of_broker_and_transports(tmp_path: Path) -> None:
    find_server()
    password = secrets.token_hex(4)
    cards = personality.chosen(())
    async with world(tmp_path / "world", count=FLEET, seed="apart", password=password, cards=cards) as around:
        apart = Apart(tmp_path / "apart", around.smpp_port, password, free_port(), PATIENCE)
        try:
            await apart.start()
            operator = Operator(ControlClient(apart.core.data), OWNER)
            eum = json.loads((around.folder / "batch.json").read_text())["eum"]["oid"]
            await personality.tell_types(operator, eum, cards)
            await set_up(operator, around, demo_template())
            views = await _orders(operator, around, _kills(apart))
            await _same_over_the_broker(apart, views)
            logs = {view.eid: await _on_card(around, view) for view in views}
            await _until_no_session(apart)
            await _until_empty(apart)
            await _all_ready(apart)
            assert await apart.stop() == [0, 0, 0]
        except BaseException:
            print(apart.logs())
            raise
        finally:
            await apart.abandon()
    for eid, log in logs.items():
        assert not _repeated(log), eid
    _each_has_only_its_own(apart)


def _kills(apart: Apart) -> list[Callable[[], Awaitable[None]]]:
    """One for each order."""

    async def broker() -> None:
        apart.nats.kill()
        await asyncio.sleep(0.5)  # others find it gone
        await apart.nats.start()

    async def https() -> None:
        await apart.https.kill()
        await apart.https.start()

    async def sms() -> None:
        await apart.sms.kill()
        await apart.sms.start()

    return [sms, broker, https, broker]


async def _orders(
    operator: Operator, around: World, kills: list[Callable[[], Awaitable[None]]]
) -> list[admin.OrderView]:
    """An order for every eUICC, each met by a kill on its way; what the kills before left goes on meanwhile.

    Placed one after the other: an order takes less time than a process needs to come back.
    """
    views: list[admin.OrderView] = []
    met = 0
    for eid, kill in zip(around.eids, kills, strict=True):
        order = admin.CreateOrder(owner=OWNER, eid=eid, profile_type=PROFILE_TYPE, enable=True, validity=1800.0)
        placed = await operator.sm_dp(order)
        assert isinstance(placed, admin.OrderView)
        view = await _followed(operator, placed, steps=len(placed.steps))
        met += view.state != "done"
        await kill()
        views.append(view)
    assert met >= len(kills) - SPARE, "the orders were done before anything was killed"
    return [await _followed(operator, view) for view in views]


async def _followed(operator: Operator, view: admin.OrderView, *, steps: float = math.inf) -> admin.OrderView:
    """The order as it is when it is done, or has taken more than so many steps."""
    async with asyncio.timeout(SECONDS):
        while len(view.steps) <= steps and view.state != "done":
            await asyncio.sleep(0.05)
            found = await operator.sm_dp(admin.ShowOrder(owner=OWNER, order_id=view.order_id))
            assert isinstance(found, admin.OrderView)
            view = found
    return view


async def _same_over_the_broker(apart: Apart, views: list[admin.OrderView]) -> None:
    """An operator's tools on another machine ask over the broker, under their own name."""
    async with over_broker(apart.folder / "operator", OWNER) as remote:
        for view in views:
            found = await remote.sm_dp(admin.ShowOrder(owner=OWNER, order_id=view.order_id))
            assert found == view


async def _on_card(around: World, view: admin.OrderView) -> list[dict[str, Any]]:
    card = await around.ask(op="status", eid=view.eid)
    (profile,) = (p for p in card["profiles"] if p["iccid"] == view.iccid)
    assert len(card["profiles"]) == 2  # the provisioning profile and this one
    assert profile["state"] == CARD_ENABLED
    assert card["attached"] == profile["imsi"]
    answer = await around.ask(op="authenticate", eid=view.eid)
    assert answer["authenticated"]
    log: list[dict[str, Any]] = (await around.ask(op="log", eid=view.eid))["log"]
    return log


def _repeated(log: list[dict[str, Any]]) -> list[str]:
    """Commands that change something and were executed twice with the same content.

    Key establishment begins again when an answer of the card was lost; its first two commands are the same then.
    """
    seen: set[tuple[str, str]] = set()
    twice = []
    for line in log:
        key = (line["target"], line["data_sha256"])
        if key in seen and not line["command"].startswith(
            ("GET", "GetStatus", *BEGINS_AGAIN, personality.UNNUMBERED)
        ):
            twice.append(f"{line['n']} {line['command']}")
        seen.add(key)
    return twice


async def _until_empty(apart: Apart) -> None:
    """Nothing is under way any more, and nothing was parked."""
    link = NatsLink(apart.nats.settings, load(apart.nats.credentials, PROVISIONER))
    link.start()

    async def left(name: str) -> int:
        return int((await link.use(lambda js: js.stream_info(name))).state.messages)

    try:
        names = [stream_name(*way) for way in ways()]
        held: dict[str, int] = {}
        try:
            async with asyncio.timeout(EMPTY):
                while held := {name: count for name in names if (count := await left(name))}:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            waits = {name: await _waits(link, name) for name in held}
            raise AssertionError(f"still held by the broker after {EMPTY} s: {held}; for whom: {waits}") from None
        assert [await left(parked_stream(role)) for role in receivers()] == [0] * len(receivers())
    finally:
        await link.stop()


async def _waits(link: NatsLink, stream: str) -> dict[int, tuple[int, int | None, bool | None]]:
    """By lane with something left: to be delivered, delivered without an answer, whether anybody listens."""
    found = {}
    for lane in range(LANES):
        one = await link.use(lambda js, lane=lane: js.consumer_info(stream, consumer_name(lane)))
        if one.num_pending or one.num_ack_pending:
            found[lane] = (one.num_pending or 0, one.num_ack_pending, one.push_bound)
    return found


async def _until_no_session(apart: Apart) -> None:
    """Some cards are asked behind the end of their order; of a session that ends with its process nobody hears."""
    host, port = apart.https.ready["metrics"].split(":")
    async with asyncio.timeout(SESSIONS_END):
        while not re.search(
            rb"^ferryman_https_sessions(\{.*\})? 0$", await _asked(host, port, "metrics"), re.MULTILINE
        ):
            await asyncio.sleep(0.1)
    await asyncio.sleep(END_TOLD)


async def _asked(host: str, port: str, path: str) -> bytes:
    """What a process says of itself."""
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /{path} HTTP/1.1\r\n\r\n".encode())
    text = await reader.read()
    writer.close()
    await writer.wait_closed()
    return text


async def _all_ready(apart: Apart) -> None:
    """Every process says so itself, and that it has nothing set aside."""
    for service in apart.services:
        host, port = service.ready["metrics"].split(":")
        for path, wanted in (("readyz", b"HTTP/1.1 200"), ("metrics", b"ferryman_bus_connected")):
            text = await _asked(host, port, path)
            assert wanted in text, text
            parked = [line for line in text.splitlines() if line.startswith(b"ferryman_parked_messages")]
            assert all(line.endswith(b" 0") for line in parked), parked


def _each_has_only_its_own(apart: Apart) -> None:
    """No process has another role's database or credential; outboxes are empty."""
    for name, roles in HOLDS.items():
        data = apart.folder / name
        databases = {path.stem for path in data.glob("*.db")}
        assert databases == (set(roles) if name in ("core", "transport-sms", "transport-https") else set())
        for role in databases:
            with sqlite3.connect(data / f"{role}.db") as connection:
                assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,), role
            connection.close()
