"""The `euicc` process: cards of a folder, the SMSC's radio port, a control port, a state folder."""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

from ferryman_sim import process
from ferryman_sim.json_lines import Channel, LineServer, answer_requests, connect
from ferryman_sim.terminal.settings import Settings
from ferryman_sim.terminal.store import FileStore, MemoryStore
from ferryman_sim.terminal.terminal import Terminal


class EuiccService:
    """A terminal with its control port."""

    def __init__(self, terminal: Terminal, host: str, port: int, seed: str) -> None:
        self._terminal = terminal
        self._address = (host, port)
        self._seed = seed
        self._server = LineServer(self._serve)

    async def start(self) -> dict[str, Any]:
        """Power on, open the control port; returns its number and the EIDs."""
        await self._terminal.start()
        port = await self._server.start(*self._address)
        return {
            "ready": "euicc",
            "control_port": port,
            "cards": sorted(self._terminal.devices),
            "seed": self._seed,
        }

    async def stop(self) -> None:
        """Power off."""
        await self._server.stop()
        await self._terminal.stop()

    async def _serve(self, channel: Channel) -> None:
        await answer_requests(channel, self._terminal.ask)


def read_images(folder: Path, chosen: list[str], limits: dict[str, Any]) -> list[dict[str, Any]]:
    """The card images of a folder (all, or the chosen EIDs) with `limits` over their own. Raises ValueError."""
    images = []
    for path in sorted(folder.glob("*.json")):
        image = json.loads(path.read_text())
        if not isinstance(image, dict) or "eid" not in image:
            raise ValueError(f"{path}: not a card image")
        if not chosen or image["eid"] in chosen:
            images.append({**image, "limits": {**image.get("limits", {}), **limits}})
    missing = set(chosen) - {image["eid"] for image in images}
    if missing:
        raise ValueError(f"{folder} has no card {', '.join(sorted(missing))}")
    if not images:
        raise ValueError(f"{folder} has no card images")
    return images


def _limit(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError("a limit is NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"the value of {name} is no JSON") from error


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `euicc` sub-command."""
    defaults = Settings()
    parser = subparsers.add_parser("euicc", help="run cards in their devices")
    parser.add_argument("--cards", type=Path, required=True, help="folder of card images")
    parser.add_argument("--eid", action="append", default=[], help="only this card, repeatable")
    parser.add_argument("--smsc", required=True, help="HOST:PORT of the SMSC's radio port")
    parser.add_argument("--host", default="127.0.0.1", help="address of the control port")
    parser.add_argument("--control", type=int, default=0, help="number of the control port")
    parser.add_argument("--state", type=Path, help="folder of card states; without it they end with the process")
    parser.add_argument("--seed", help="seed of the cards' random numbers; the ready line shows it")
    parser.add_argument(
        "--limit", type=_limit, action="append", default=[], help="card limit, e.g. attach_timeout=20"
    )
    parser.add_argument("--attach-retry", type=float, default=defaults.attach_retry, help="seconds")
    parser.add_argument(
        "--loss", type=float, default=defaults.loss, help="seconds without network until fall-back"
    )
    parser.add_argument("--boot", type=float, default=defaults.boot, help="seconds from power on to attach")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the euicc process until a signal."""

    async def make() -> EuiccService:
        seed = args.seed or process.new_seed()
        host, port = process.address(args.smsc)
        terminal = Terminal(
            read_images(args.cards, args.eid, dict(args.limit)),
            lambda: connect(host, port),
            random.Random(f"euicc {seed}"),
            time.time,
            store=FileStore(args.state) if args.state else MemoryStore(),
            settings=Settings(attach_retry=args.attach_retry, loss=args.loss, boot=args.boot),
        )
        return EuiccService(terminal, args.host, args.control, seed)

    return process.run("euicc", make)
