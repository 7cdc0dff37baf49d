"""The REST API beside bare Starlette on the same server: showing an order, and placing orders.

Ours with API key, rights, rate limits, access log, Idempotency-Key, SM-DP, its database and its audit trail. The
orders wait at the hold before their download: what is measured is that they are accepted and, in the same process,
their first step up to the hold with its two events, which the reference has nothing of.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette

from bench.frame import Benchmark, Figures, Unequal, paired, same
from bench.load.process import ROOT
from bench.reference import bare_rest
from bench.rows.imports import write_file
from ferryman.cli.operator import Operator
from ferryman.cli.wiring import Configuration, Installation
from ferryman.contracts import admin, orders
from ferryman.contracts.rest import AddKey, KeyRole
from ferryman.platform.log import configure
from ferryman.profile.demo_template import demo_template
from ferryman.rest_api.server import Server
from ferryman.rest_api.settings import RESTSettings

GETS = 3200  # requests in a round
ORDERS = 800
ROUNDS = 5
OWNER = "1.3.6.1.4.1.99999.30"
TYPE = "demo"
# The limits count, and are high enough for one client on one machine.
REST = RESTSettings(port=0, rate_per_key=1e6, rate_per_address=1e6, burst_per_key=10**6, burst_per_address=10**6)
PATH = "/api/v1/orders"
HEAD = "Host: 127.0.0.1\nAccept: application/json\nContent-Type: application/json\nAuthorization: Bearer {token}\n"


def _bodies() -> str:
    """Requests, the same to both, one a line."""
    more = {"profile_type": TYPE, "hold": ["before-download"], "validity": 86_400.0}
    return "\n".join(json.dumps({"eid": _eid(number)} | more) for number in range(ORDERS))


def _eid(number: int) -> str:
    body = f"89001012012341234012300{number:07d}"
    return f"{body}{98 - int(body + '00') % 97:02d}"  # ISO 7064 MOD 97-10


class _Bench:
    """One folder, one installation after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.turn = 0
        self.p99: dict[str, list[float]] = {"ours": [], "reference": []}
        self.answer = ""

    @asynccontextmanager
    async def platform(self, subscriptions: int) -> AsyncIterator[tuple[Installation, str]]:
        """An installation with the REST API, an API key for it, and something to order."""
        data = Path(tempfile.mkdtemp(dir=self.folder))
        installation = Installation(Configuration(data=data, rest=REST))
        await installation.start()
        try:
            operator = Operator(installation.bus, OWNER)
            await operator.sm_dp(admin.ImportTemplate(owner=OWNER, name=TYPE, der=demo_template()))
            write_file(data / "rows.csv", subscriptions)
            await operator.import_subscriptions((data / "rows.csv").read_bytes(), TYPE)
            assert installation.rest is not None
            asked = AddKey(name="bench", role=KeyRole.OPERATOR, tenant=OWNER)
            yield installation, (await installation.rest.keys.add(asked, "bench")).token
        finally:
            await installation.stop()

    async def load(self, who: str, port: int, head: str, bodies: str, count: int) -> float:
        """Requests per CPU-second of this process; the client is another."""
        (self.folder / "head").write_text(head)
        (self.folder / "bodies").write_text(bodies)
        begun = time.process_time()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.load.rest_client", str(port), str(self.folder), str(count)), cwd=ROOT
        )
        if await child.wait():
            raise RuntimeError("the client failed")
        spent = time.process_time() - begun
        found = json.loads((self.folder / "answer").read_text())
        self.p99[who].append(found["p99"])
        self.answer = found["body"]
        return count / spent

    async def served(self, app: Starlette, ask: Callable[[int], Awaitable[float]]) -> float:
        """`ask` with the port of an application on the same server as it comes, without our limits."""
        server = Server(
            uvicorn.Config(
                app,
                port=0,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            return await ask(server.servers[0].sockets[0].getsockname()[1])
        finally:
            server.should_exit = True
            await running

    # -- showing ------------------------------------------------------------------------------------------------

    async def show_ours(self) -> float:
        async with self.platform(1) as (installation, token):
            asked = orders.CreateOrder(
                owner=OWNER, eid=_eid(0), profile_type=TYPE, hold=("before-download",), validity=86_400.0
            )
            view = await Operator(installation.bus, OWNER).sm_dp(asked)
            assert isinstance(view, orders.OrderView)
            assert installation.rest is not None
            await asyncio.sleep(0.2)  # until the order has come to its hold
            head = f"GET {PATH}/{view.order_id} HTTP/1.1\n" + HEAD.format(token=token)
            return await self.load("ours", installation.rest.port, head, "", GETS)

    async def show_bare(self, body: str) -> float:
        app = bare_rest.answering(f"{PATH}/{{order_id}}", json.loads(body))
        head = f"GET {PATH}/0123456789ab HTTP/1.1\n" + HEAD.format(token="none")  # noqa: S106
        return await self.served(app, lambda port: self.load("reference", port, head, "", GETS))

    # -- placing ------------------------------------------------------------------------------------------------

    async def place_ours(self) -> float:
        async with self.platform(ORDERS) as (installation, token):
            assert installation.rest is not None
            head = f"POST {PATH} HTTP/1.1\n" + HEAD.format(token=token)
            rate = await self.load("ours", installation.rest.port, head, _bodies(), ORDERS)
            operator = Operator(installation.bus, OWNER)
            page = await operator.sm_dp(orders.ListOrders(owner=OWNER))
            assert isinstance(page, orders.OrderPage)
            if len({one.eid for one in page.orders}) != ORDERS:
                raise Unequal("orders that were accepted")
            return rate

    async def place_bare(self) -> float:
        self.turn += 1
        database = self.folder / f"bare{self.turn}.db"
        shown = json.loads(self.answer)

        def answer(body: dict[str, Any]) -> dict[str, Any]:
            return shown | {"eid": body["eid"], "profile_type": body["profile_type"]}

        app = bare_rest.inserting(PATH, database, answer)
        head = f"POST {PATH} HTTP/1.1\n" + HEAD.format(token="none")  # noqa: S106
        rate = await self.served(app, lambda port: self.load("reference", port, head, _bodies(), ORDERS))
        if bare_rest.rows(database) != ORDERS:
            raise Unequal("orders in the table")
        return rate

    def report(self) -> str:
        """p99 of the answers, medians of the rounds: on a busy machine it is mostly the machine's."""
        found = {who: sorted(times)[len(times) // 2] * 1000 for who, times in self.p99.items()}
        return f"p99 of an answer: ours {found['ours']:.1f} ms, reference {found['reference']:.1f} ms"


def _measured(which: str) -> Figures:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=".run-", dir=ROOT / "bench"))
        stack.callback(shutil.rmtree, folder)
        log = stack.enter_context(open(os.devnull, "w"))
        configure("info", "json")  # the access log is written, to where nobody reads it
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=log))
        stack.callback(structlog.reset_defaults)
        bench = _Bench(folder)
        if which == "get":
            asyncio.run(bench.show_ours())
            body = bench.answer
            asyncio.run(bench.show_bare(body))
            same(json.loads(body), json.loads(bench.answer), "the order in the answers")
            figures = paired(
                lambda: asyncio.run(bench.show_ours()),
                lambda: asyncio.run(bench.show_bare(body)),
                rounds=ROUNDS,
                warm_up=False,
            )
        else:
            figures = paired(
                lambda: asyncio.run(bench.place_ours()),
                lambda: asyncio.run(bench.place_bare()),
                rounds=ROUNDS,
                warm_up=False,
            )
        return replace(figures, note=bench.report())


BENCHMARKS = (
    Benchmark("rest_get", "requests per CPU-second", 0.3, lambda: _measured("get")),
    Benchmark("rest_order", "orders per CPU-second", 0.2, lambda: _measured("order")),
)
