"""A line through a fault proxy that is rough for a while: every kind of fault strikes, then it heals."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

from ferryman_sim.faults.proxy import FaultProxy, Strike
from ferryman_sim.faults.rules import DIRECTIONS, Rules

KINDS = ("drop", "delay", "duplicate", "reorder")
# Strikes of a kind in one direction of a port; then the line heals, so that the run ends. Each one breaks a TLS
# session, but for a delay.
STRIKES = {"SMPP": 2, "HTTPS": 1, "NATS": 3, "PostgreSQL": 1, "SOAP of A": 1, "SOAP of B": 1, "REST": 10}
SETTLE = 0.1  # s
CHANCE = 0.12  # of each kind for each message


class Line:
    """A fault proxy whose faults wear off: each kind strikes so many times in each direction."""

    def __init__(self, name: str, framing: str, port: int, seed: str) -> None:
        self.name = name
        self.struck: Counter[tuple[str, str]] = Counter()
        self.proxy = FaultProxy(
            ("127.0.0.1", port),
            seed=f"{seed} {name}",
            framing=framing,
            on_strike=self._strike,
        )

    def roughen(self) -> None:
        """Quiet until now."""
        rough = Rules(
            delay_seconds=0.3, reorder_seconds=0.3, drop=CHANCE, delay=CHANCE, duplicate=CHANCE, reorder=CHANCE
        )
        self.proxy.rules = dict.fromkeys(DIRECTIONS, rough)

    @property
    def kinds(self) -> set[str]:
        return {fault for _, fault in self.struck}

    @property
    def counts(self) -> dict[str, int]:
        """Strikes by kind."""
        return {kind: sum(n for (_, k), n in self.struck.items() if k == kind) for kind in KINDS}

    def _strike(self, strike: Strike) -> None:
        self.struck[strike.direction, strike.fault] += 1
        if self.struck[strike.direction, strike.fault] >= STRIKES[self.name]:
            rules = self.proxy.rules[strike.direction]
            self.proxy.rules[strike.direction] = replace(rules, **{strike.fault: 0.0})


async def settled() -> None:
    """Wait until what was given up is gone.

    Connections that were silent learn that they are reset; and an attempt to connect that ran out of time leaves
    its transport to the garbage collector, which would complain in the middle of another test.
    """
    await asyncio.sleep(SETTLE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextlib.asynccontextmanager
async def line(name: str, framing: str, port: int, seed: str) -> AsyncIterator[Line]:
    made = Line(name, framing, port, seed)
    await made.proxy.start()
    try:
        yield made
    finally:
        await made.proxy.stop()
        await settled()
