"""The HLR as a service: the register on a TCP port of JSON lines, or asked directly inside a process.

Requests: `auth-info` (imsi; auts and rand to resynchronise) -> rand, autn, xres; `subscriber` (imsi) ->
msisdn; `msisdn` (msisdn) -> imsi; `attached` / `detached` (imsi, card); control: `status` (imsi?), `load`
(path of a CSV).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ferryman_sim import process
from ferryman_sim.hlr.register import Register
from ferryman_sim.hlr.subscriptions import Subscription, SubscriptionError, read
from ferryman_sim.json_lines import Channel, LineServer, Message, answer_requests


class HLR:
    """The home register; `ask` answers directly, `start` opens the port as well."""

    def __init__(
        self,
        subscriptions: Iterable[Subscription],
        rng: random.Random,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: str | None = None,
    ) -> None:
        self.register = Register(rng)
        self.register.load(subscriptions)
        self._address = (host, port)
        self._seed = seed
        self._server = LineServer(self._serve)

    async def ask(self, request: Message) -> Message:
        """The answer to one request, without the network."""
        return self.register.handle(request)

    async def start(self) -> dict[str, Any]:
        """Open the port; returns its number and the size of the register."""
        port = await self._server.start(*self._address)
        return {"ready": "hlr", "port": port, "subscribers": len(self.register), "seed": self._seed}

    async def stop(self) -> None:
        """Close the port."""
        await self._server.stop()

    async def _serve(self, channel: Channel) -> None:
        await answer_requests(channel, self.ask)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `hlr` sub-command."""
    parser = subparsers.add_parser("hlr", help="run the home register")
    parser.add_argument("--csv", type=Path, action="append", default=[], help="subscription list, repeatable")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", help="seed of the RANDs; the ready line shows it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the HLR process until a signal."""

    async def make() -> HLR:
        found: list[Subscription] = []
        for path in args.csv:
            try:
                found += read(path.read_text())
            except SubscriptionError as error:
                raise SubscriptionError(f"{path}: {error}") from error
        seed = args.seed or process.new_seed()
        return HLR(found, random.Random(f"hlr {seed}"), host=args.host, port=args.port, seed=seed)

    return process.run("hlr", make)
