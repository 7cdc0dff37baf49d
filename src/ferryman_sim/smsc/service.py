"""The SMSC as a service: SMPP port, radio port, control port; or the same in one process without the last
two.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from ferryman_sim import process
from ferryman_sim.json_lines import Channel, LineServer, Requester, TcpRequester, answer_requests
from ferryman_sim.smsc import accounts as account_texts
from ferryman_sim.smsc import faults as fault_texts
from ferryman_sim.smsc.accounts import Account
from ferryman_sim.smsc.centre import Centre
from ferryman_sim.smsc.control import Control
from ferryman_sim.smsc.esme import EsmeConnection
from ferryman_sim.smsc.faults import Faults


class SMSC:
    """The centre with its ports. In one process: `serve_radio` takes a memory channel, `ask` control
    requests, `serve_esme` a pair of streams; `start` opens the ports as well.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        hlr: Requester,
        rng: random.Random,
        *,
        host: str = "127.0.0.1",
        smpp_port: int = 0,
        radio_port: int = 0,
        control_port: int = 0,
        window: int = 10,
        seed: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.centre = Centre(accounts, hlr, rng, window=window, now=now)
        self._esmes: set[EsmeConnection] = set()
        self._control = Control(self.centre, lambda: tuple(self._esmes), seed)
        self.centre.radio.set_control(self._control.ask)
        self._hlr = hlr
        self._seed = seed
        self._host = host
        self._ports = (smpp_port, radio_port, control_port)
        self._radio_server = LineServer(self.serve_radio)
        self._control_server = LineServer(self._serve_control)
        self._smpp_server: asyncio.Server | None = None
        self._esme_tasks: set[asyncio.Task[None]] = set()
        self.ask = self._control.ask

    async def start(self) -> dict[str, Any]:
        """Open the ports; returns their numbers and the seed."""
        smpp_port, radio_port, control_port = self._ports
        self._smpp_server = await asyncio.start_server(self._accepted, self._host, smpp_port)
        return {
            "ready": "smsc",
            "smpp_port": int(self._smpp_server.sockets[0].getsockname()[1]),
            "radio_port": await self._radio_server.start(self._host, radio_port),
            "control_port": await self._control_server.start(self._host, control_port),
            "seed": self._seed,
        }

    async def stop(self) -> None:
        """Close all ports and connections; queued messages are given up."""
        await self._control_server.stop()
        await self._radio_server.stop()
        if self._smpp_server is not None:
            self._smpp_server.close()
        for task in list(self._esme_tasks):
            task.cancel()
        await asyncio.gather(*self._esme_tasks, return_exceptions=True)
        if self._smpp_server is not None:
            await self._smpp_server.wait_closed()
        await self.centre.stop()
        if isinstance(self._hlr, TcpRequester):
            self._hlr.close()

    async def serve_radio(self, channel: Channel) -> None:
        """Serve one euicc process until its channel ends."""
        await self.centre.radio.serve(channel)

    async def serve_esme(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one ESME until its connection ends."""
        connection = EsmeConnection(reader, writer, self.centre)
        self._esmes.add(connection)
        try:
            await connection.run()
        finally:
            self._esmes.discard(connection)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._esme_tasks.add(task)
            task.add_done_callback(self._esme_tasks.discard)
        try:
            await self.serve_esme(reader, writer)
        except asyncio.CancelledError:
            # stop() ends connections this way; asyncio would log the cancellation of its own task otherwise.
            return

    async def _serve_control(self, channel: Channel) -> None:
        await answer_requests(channel, self._control.ask)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `smsc` sub-command."""
    parser = subparsers.add_parser("smsc", help="run the SMSC and serving network")
    parser.add_argument("--hlr", required=True, help="HOST:PORT of the hlr process")
    parser.add_argument(
        "--account", action="append", required=True, help="SYSTEM_ID:PASSWORD[:ADDRESS,...], repeatable"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smpp-port", type=int, default=0)
    parser.add_argument("--radio-port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--window", type=int, default=10, help="deliver_sm outstanding for each session")
    parser.add_argument("--seed", help="seed of the faults; the ready line shows it")
    parser.add_argument("--mt-faults", type=fault_texts.parse, default=Faults(), help="e.g. loss=0.1,repeat=0.05")
    parser.add_argument("--mo-faults", type=fault_texts.parse, default=Faults())
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the SMSC process until a signal."""

    async def make() -> SMSC:
        seed = args.seed or process.new_seed()
        smsc = SMSC(
            [account_texts.parse(text) for text in args.account],
            TcpRequester(*process.address(args.hlr)),
            random.Random(f"smsc {seed}"),
            host=args.host,
            smpp_port=args.smpp_port,
            radio_port=args.radio_port,
            control_port=args.control_port,
            window=args.window,
            seed=seed,
        )
        smsc.centre.mt.faults, smsc.centre.mo.faults = args.mt_faults, args.mo_faults
        return smsc

    return process.run("smsc", make)
