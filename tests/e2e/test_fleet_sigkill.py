"""Twenty eUICCs on real sockets with mixed operations, while `ferryman up` and the cards are killed with SIGKILL.

Everything is a process of its own and time is real. Callers repeat a call under its FunctionCallIdentifier until
they know its outcome. At the end each call has one outcome, no command had its effect more often than it was asked
for, and EIS and card say the same.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crash.test_sigkill import Site, process, up
from crash_world import quick_folder
from e2e.operations import MAKES, OPERATIONS, Desk, described, run
from ferryman.cli.control import ControlClient
from ferryman.cli.session import operator as calls_to
from ferryman.contracts import admin, es3, es4, operations
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import OPERATOR, SM_SR
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import Unavailable
from ferryman.sm_dp.records import DPSettings
from ferryman_sim.json_lines import TcpRequester
from rig import OWNER, PASSWORD, SMSR_ADDRESS, Platform, World

CARDS = 20
EACH = 2  # operations of a card
KILLS = 2  # of the platform, and one of the cards between them
SPREAD = 6.0  # s over which the operations begin
PATIENCE = 240.0  # s for everything; a quiet machine needs a tenth
NAMES = tuple(name for name in OPERATIONS if name not in ("download", "power-cycle"))
GOOD = ("9000", "ok")

SETTINGS = """
[sm_sr]
transport = "sms"
sms_answer_timeout = 3.0
sms_attempts = 6
change_timeout = 40.0

[smpp]
host = "127.0.0.1"
port = {smpp_port}
system_id = "ferryman"
password = "{password}"
source_addr = "{source}"
reconnect_min = 0.05
reconnect_max = 0.2
window = 50

[log]
level = "error"
"""
LIMITS = ("notification_interval=2", "notification_tries=12", "attach_timeout=20", "attach_retry=2")
ANSWERS: Codec[Body] = Codec(admin.CallView, admin.AdminRefused, *es3.RESPONSES, *es4.RESPONSES)
RESPONSES: Codec[Body] = Codec(*es3.RESPONSES, *es4.RESPONSES)

pytestmark = pytest.mark.timeout(2 * PATIENCE)


@dataclass
class SocketDesk(Desk):
    """A desk whose calls go through the control socket of whoever runs now."""

    point: Site = field(kw_only=True)
    batch: dict[str, Any] = field(kw_only=True)
    validity: float = 600.0

    @property
    def facts(self) -> dict[str, Any]:
        return next(each for each in self.batch["cards"] if each["eid"] == self.eid)

    async def call(self, body: Body, requester: str) -> Any:
        self.made += 1
        name = f"{type(body).__name__}-{self.eid[-12:]}-{self.made}"
        deadline = time.time() + self.validity
        while True:
            header = Header(
                message_id=f"{OPERATOR}/{name}/{self.rng.random()}",
                sender=OPERATOR,
                requester=requester,
                function_call_id=name,
                deadline=deadline,
                eid=self.eid,
            )
            try:
                raw = await ControlClient(self.point.data).call(SM_SR, OPERATOR, encode(header, body))
            except Unavailable:
                await asyncio.sleep(0.1)
                continue
            answer: Any = decode(raw, ANSWERS)[1]
            if isinstance(answer, admin.CallView):
                if not answer.answer:
                    await asyncio.sleep(0.2)
                    continue
                answer = RESPONSES.decode_body(answer.answer)
            return SimpleNamespace(status=answer.status)

    async def as_console(self, operation: Any) -> ExecutionStatus:
        self.made += 1
        name = f"{type(operation).__name__}-{self.eid[-12:]}-{self.made}"
        start = operations.StartOperation(owner=OWNER, operation=operation, validity=self.validity)
        while True:
            try:
                view = await self.point.operator.sm_sr(start, call_id=name)
            except Unavailable:
                await asyncio.sleep(0.1)
                continue
            assert isinstance(view, operations.OperationView)
            if view.status is not None:
                return view.status
            await asyncio.sleep(0.2)

    async def order(self, *, enable: bool) -> ExecutionStatus:
        self.made += 1
        name = f"order-{self.eid}-{self.made}"
        request = admin.CreateOrder(
            owner=OWNER, eid=self.eid, profile_type="demo", enable=enable, validity=self.validity
        )
        while True:
            try:
                view = await self.point.operator.sm_dp(request, call_id=name)
            except Unavailable:
                await asyncio.sleep(0.1)
                continue
            assert isinstance(view, admin.OrderView)
            if view.status is not None:
                self.orders.append(view)
                return view.status
            await asyncio.sleep(0.2)

    async def lose_network(self) -> None:
        while True:
            try:
                await self.point.cards.ask({"op": "fault", "eid": self.eid, "lose_connectivity": True})
                return
            except OSError:
                await asyncio.sleep(0.1)  # they are being started again


@dataclass
class Scene:
    """The processes round the installation that are not killed, and how to start the cards."""

    data: Path
    world: World
    euicc: tuple[str, ...]


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """HLR, SMSC, and a data directory in which everything is imported."""
    options = ("--spares", "1", "--spare-smdp-id", DPSettings().smdp_id)
    world = World(folder / "world", count=CARDS, options=options, subscribers=2 * CARDS)
    world.prepare()
    data = folder / "data"
    lists = [str(world.folder / name) for name in ("subscriptions.csv", "operator.csv")]
    async with AsyncExitStack() as stack:
        sim = ("-m", "ferryman_sim")
        hlr, _ = await stack.enter_async_context(process(*sim, "hlr", "--csv", lists[0], "--csv", lists[1]))
        account = ("--account", f"ferryman:{PASSWORD}")
        smsc, _ = await stack.enter_async_context(
            process(*sim, "smsc", "--hlr", f"127.0.0.1:{hlr['port']}", *account)
        )
        data.mkdir(mode=0o700)
        text = SETTINGS.format(smpp_port=smsc["smpp_port"], password=PASSWORD, source=SMSR_ADDRESS.lstrip("+"))
        (data / "ferryman.toml").write_text(text)
        async with calls_to(data, OWNER) as calls:
            await Platform(world, data).set_up(calls)
        radio = ("--smsc", f"127.0.0.1:{smsc['radio_port']}", "--boot", "0.1", "--attach-retry", "1")
        cards = ("--cards", str(world.folder / "cards"), "--state", str(folder / "state"))
        limits = tuple(word for limit in LIMITS for word in ("--limit", limit))
        yield Scene(data, world, (*sim, "euicc", *cards, *radio, *limits))


async def differences(desk: SocketDesk) -> list[str]:
    """Where EIS and card do not agree."""
    page = await desk.point.operator.sm_sr(admin.ShowEUICC(owner=OWNER, eid=desk.eid))
    assert isinstance(page, admin.EUICCPage)
    status = await desk.point.status(desk.eid)
    states = {0x07: "Created", 0x0F: "Created", 0x1F: "Disabled", 0x3F: "Enabled"}
    on_card = sorted((p["aid"], states.get(p["state"]), p["fallback"]) for p in status["profiles"])
    in_eis = sorted((p.isdp_aid.hex().upper(), p.state.value, p.fallback) for p in page.euiccs[0].profiles)
    wrong = [] if on_card == in_eis else [f"{desk.eid}: card {on_card}, EIS {in_eis}"]
    if sum(state == "Enabled" for _, state, _ in on_card) != 1 or status["crash"]:
        wrong.append(f"{desk.eid}: {on_card} {status['crash']}")
    return wrong


async def too_often(desk: SocketDesk) -> list[str]:
    """Commands that had their effect more often than they were asked for."""
    made = Counter(outcome.name for outcome in desk.outcomes)
    log = await desk.point.log(desk.eid)
    wrong = []
    for command, causes in MAKES.items():
        effects = sum(line["command"].startswith(command) and line["sw"] in GOOD for line in log)
        if effects > sum(made[name] for name in causes):
            done = [f"{line['command'].replace(' A0000005591010FFFFFFFF8900', ' ')}: {line['sw']}" for line in log]
            wrong.append(f"{desk.eid}: {effects} times {command} after {dict(made)}: {', '.join(done)}")
    return wrong


async def kill(running: Any) -> None:
    """SIGKILL."""
    running.kill()
    await running.wait()


async def work(desks: list[SocketDesk]) -> None:
    """All operations of all cards, to their outcomes."""

    async def later(desk: SocketDesk, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await run(name, desk)

    plans = [(desk, name) for desk in desks for name in desk.rng.sample(NAMES, EACH)]
    await asyncio.gather(*(later(desk, name, desk.rng.uniform(0, SPREAD)) for desk, name in plans))


async def test_twenty_cards_while_processes_are_killed(seed: int) -> None:
    rng = random.Random(seed)
    with quick_folder() as folder:
        async with asyncio.timeout(PATIENCE), scene(folder) as it, AsyncExitStack() as stack:
            euicc, cards = await stack.enter_async_context(process(*it.euicc))
            point = Site(it.data, TcpRequester("127.0.0.1", euicc["control_port"]), sorted(euicc["cards"]))
            stack.callback(lambda: point.cards.close())
            nobody: Any = None
            desks = [
                SocketDesk(nobody, nobody, eid, random.Random(f"{seed} {eid}"), point=point, batch=it.world.batch)
                for eid in point.eids
            ]
            _, platform = await stack.enter_async_context(up(it.data))
            working = asyncio.get_running_loop().create_task(work(desks))
            for number in range(KILLS):
                await asyncio.sleep(rng.uniform(0.5, 2.0))
                await kill(platform)
                if number == 0:
                    # The cards lose their power while nobody listens to them.
                    await kill(cards)
                    euicc, cards = await stack.enter_async_context(process(*it.euicc))
                    point.cards.close()
                    point.cards = TcpRequester("127.0.0.1", euicc["control_port"])
                _, platform = await stack.enter_async_context(up(it.data))
            await working
            outcomes = Counter(f"{each.name} {described(each.status)}" for desk in desks for each in desk.outcomes)
            print(dict(sorted(outcomes.items())))
            assert outcomes.total() == CARDS * EACH, "every call ended in one outcome"
            while wrong := [line for desk in desks for line in await differences(desk)]:
                print(wrong)
                await asyncio.sleep(2.0)
            found = [line for desk in desks for line in await too_often(desk)]
            assert not found, "\n".join(found)
            good = sum(count for name, count in outcomes.items() if "SUCCESS" in name)
            assert good >= CARDS // 2, outcomes
