"""The proxy as a process: `python -m ferryman_sim fault-proxy --listen H:P --to H:P --seed S --rules ...`.

Its control port answers JSON lines: `rules` (texts, as on the command line; they replace all rules), `cut` (reset
every connection now), `strikes` (those kept, from number `from` on), `status`.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from ferryman_sim import process
from ferryman_sim.faults import rules as rule_texts
from ferryman_sim.faults.framing import FRAMINGS
from ferryman_sim.faults.proxy import FaultProxy, Strike
from ferryman_sim.json_lines import Channel, LineServer, Message, answer_requests

STRIKES_SHOWN = 10_000  # strikes of one answer: a line of some megabytes


class FaultProxyService:
    """A proxy with its control port and its log of strikes, one JSON object a line."""

    def __init__(self, proxy: FaultProxy, *, host: str, control_port: int | None, log: TextIO | None) -> None:
        self._proxy = proxy
        self._host = host
        self._control_port = control_port
        self._control = LineServer(self._serve)
        self._log = log

    def write(self, strike: Strike) -> None:
        """One line of the log, at once: what struck last is what a person looks for."""
        if self._log is not None:
            self._log.write(json.dumps(strike.shown()) + "\n")
            self._log.flush()

    async def start(self) -> dict[str, Any]:
        """Open the ports."""
        facts = await self._proxy.start()
        if self._control_port is not None:
            facts["control_port"] = await self._control.start(self._host, self._control_port)
        return facts

    async def stop(self) -> None:
        """Close the ports."""
        await self._control.stop()
        await self._proxy.stop()

    async def ask(self, request: Message) -> Message:
        """The answer to a control request; `{"error": text}` for one that makes no sense."""
        try:
            return self._answer(str(request.get("op")), request)
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _answer(self, name: str, request: Message) -> Message:
        proxy = self._proxy
        if name == "rules":
            proxy.rules = rule_texts.parse([str(text) for text in request["rules"]])
        elif name == "cut":
            return {"cut": proxy.cut()}
        elif name == "strikes":
            first = int(request.get("from", 0))
            shown = [strike.shown() for strike in islice(proxy.strikes, first, first + STRIKES_SHOWN)]
            return {"strikes": shown, "next": first + len(shown)}
        elif name != "status":
            return {"error": f"unknown op {name}"}
        return {
            "seed": proxy.seed,
            "connections": proxy.connections,
            "open": proxy.open,
            "strikes": len(proxy.strikes),
            "rules": {direction: asdict(rules) for direction, rules in proxy.rules.items()},
        }

    async def _serve(self, channel: Channel) -> None:
        await answer_requests(channel, self.ask)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `fault-proxy` sub-command."""
    parser = subparsers.add_parser("fault-proxy", help="a TCP proxy with seeded faults")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0 is any free one")
    parser.add_argument("--to", required=True, help="HOST:PORT of the real place")
    parser.add_argument("--seed", help="seed of the faults; the ready line shows it")
    parser.add_argument(
        "--rules", nargs="+", action="extend", default=[], metavar="[up:|down:]NAME=VALUE,...",
        help="drop, delay, duplicate, reorder (probabilities); delay_seconds, reorder_seconds, pause; cut_after, "
        "black_hole_after, half_open_after, piece (octets); connections (only the first so many)",
    )  # fmt: skip
    parser.add_argument("--framing", choices=list(FRAMINGS), default="bytes", help="what a message is")
    parser.add_argument("--control-port", type=int, help="port of the control requests (none without)")
    parser.add_argument("--log", help="file for the strikes (default: standard error)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the proxy until a signal."""
    with ExitStack() as stack:
        log: TextIO = sys.stderr
        if args.log:
            log = stack.enter_context(Path(args.log).open("a", encoding="utf-8"))

        async def make() -> FaultProxyService:
            host, port = process.address(args.listen)
            proxy = FaultProxy(
                process.address(args.to),
                seed=args.seed or process.new_seed(),
                rules=rule_texts.parse(args.rules),
                framing=args.framing,
                host=host,
                port=port,
                on_strike=lambda strike: service.write(strike),
            )
            service = FaultProxyService(proxy, host=host, control_port=args.control_port, log=log)
            return service

        return process.run("fault-proxy", make)
