"""A running platform, the simulated world round it, and a place to meddle with what cards send."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferryman.cli.operator import Operator
from ferryman.contracts import admin
from ferryman.contracts.eis import ProfileState
from ferryman_sim.smsc.messages import ShortMessage
from premises import dump
from rig import OWNER, Platform, World, free_port, wait_order

LIMIT = 100_000.0  # virtual seconds
SETTLE = 3.0  # s for the cards to attach and declare themselves
COMMAND, RESPONSE = b"\x02\x70\x00", b"\x02\x71\x00"  # user data header of a notification, of a proof of receipt
# What an order, and nothing else, may change.
OWN = ("sm-sr.euicc", "sm-sr.isdp", "sm-dp.subscription", "crypto-server.secret", "sm-dp.template")


@dataclass
class Scene:
    """World, platform and operator."""

    world: World
    platform: Platform
    operator: Operator

    @property
    def eid(self) -> str:
        return self.world.eids[0]

    async def order(self, **values: Any) -> str:
        values = {"validity": 7200, **values}
        request = admin.CreateOrder(owner=OWNER, eid=self.eid, profile_type="demo", **values)
        view = await self.operator.sm_dp(request)
        assert isinstance(view, admin.OrderView)
        return view.order_id

    async def ended(self, order_id: str) -> admin.OrderView:
        return await wait_order(self.operator, order_id)

    async def states(self, eid: str = "") -> dict[str, str]:
        """ISD-P AIDs and their states according to the EIS."""
        page = await self.operator.sm_sr(admin.ShowEUICC(owner=OWNER, eid=eid or self.eid))
        assert isinstance(page, admin.EUICCPage)
        return {p.isdp_aid.hex().upper(): p.state for p in page.euiccs[0].profiles}

    def card(self, eid: str = "") -> Any:
        return self.world.terminal.devices[eid or self.eid].card

    def card_states(self, eid: str = "") -> dict[str, str]:
        names = {0x1F: ProfileState.DISABLED, 0x3F: ProfileState.ENABLED}
        return {p["aid"]: names.get(p["state"], ProfileState.CREATED) for p in self.card(eid).profiles()}

    def commands(self) -> list[str]:
        return [entry["command"] for entry in self.card().log]

    def keys(self, eid: str = "") -> dict[str, Any]:
        keyset: dict[str, Any] = self.card(eid).dump()["isdr"]["scp80"][0]
        return keyset

    def audit(self, action: str) -> list[tuple[Any, ...]]:
        """Audit rows of the SM-SR with this action."""
        with contextlib.closing(sqlite3.connect(f"file:{self.platform.data}/sm-sr.db?mode=ro", uri=True)) as db:
            return db.execute("SELECT outcome, detail FROM audit WHERE action = ?", (action,)).fetchall()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        return dump(self.platform.data)

    async def agree(self, view: admin.OrderView) -> None:
        """The order is done, card and EIS say so, and the card ran each command of it once."""
        assert view.status is not None
        assert view.status.ok, view.status
        assert await self.states() == self.card_states()
        assert (await self.states())[view.isdp_aid] == ProfileState.ENABLED
        names = [name for name in self.commands() if not name.startswith(("GetStatus", "SCP03t segment"))]
        assert len(set(names)) >= 5
        for once in ("CreateISDP", "EnableProfile"):
            assert sum(name.startswith(once) for name in names) == 1, names


@contextlib.asynccontextmanager
async def scene(
    folder: Path, transport: str, *, count: int = 1, tamper: Callable[[Path], None] = lambda _: None
) -> AsyncIterator[Scene]:
    world = World(folder / "world", count=count)
    world.prepare()
    tamper(folder / "world")
    await world.start()
    port = free_port() if transport == "https" else 0
    platform = Platform(world, folder / "data", transport=transport, https_port=port)
    operator = await platform.open()
    try:
        await platform.set_up(operator)
        await asyncio.sleep(SETTLE)
        yield Scene(world, platform, operator)
    finally:
        await platform.close()
        await world.stop()


class Wire:
    """Sits where the SMSC stores what cards send; `meddle` says what is stored instead of a message."""

    def __init__(self, stage: Scene, meddle: Callable[[ShortMessage], list[ShortMessage]]) -> None:
        self._put = stage.world.smsc.centre.mo.put
        self._meddle = meddle
        self._numbers = itertools.count(1)
        stage.world.smsc.centre.mo.put = self.put  # type: ignore[method-assign]

    def put(self, msisdn: str, message: ShortMessage) -> bool:
        return all(self._put(msisdn, self.renamed(found)) for found in self._meddle(message))

    def renamed(self, message: ShortMessage) -> ShortMessage:
        return replace(message, id=f"meddled-{next(self._numbers)}")
