"""The simulated world of the demo, as processes of its own: card maker, HLR, SMSC and eUICCs.

Nothing of the simulator is imported; it is started like any stranger's programs and spoken to over sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferryman.codec.ids import luhn_digit
from ferryman.errors import Unavailable

SMSR_ADDRESS = "33600000000"
SYSTEM_ID = "ferryman"
READY_SECONDS = 60.0  # a cold start of an interpreter on a busy machine
COLUMNS = ["ICCID", "IMSI", "MSISDN", "KI", "OPC", "PIN1", "PUK1", "PIN2", "PUK2", "ADM1", "KIC", "KID", "KIK"]


@dataclass(frozen=True, slots=True)
class World:
    """Addresses and files of the simulated world."""

    folder: Path
    smpp_port: int
    control_port: int
    eids: tuple[str, ...]

    async def ask(self, **request: Any) -> dict[str, Any]:
        """One request to the eUICC process's control port."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.control_port, limit=2**24)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            await writer.drain()
            answer: dict[str, Any] = json.loads(await reader.readline())
        finally:
            writer.close()
        return answer


async def simulate(*arguments: str) -> None:
    """Run a simulator command to its end; raises Unavailable with its last words."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ferryman_sim", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    if process.returncode:
        words = errors.decode(errors="replace").strip().splitlines()
        last = words[-1] if words else "no message"
        raise Unavailable(f"the simulator's {arguments[0]} ({last}); is the extra `sim` installed")


@contextlib.asynccontextmanager
async def process(*arguments: str, log: Path) -> AsyncIterator[dict[str, Any]]:
    """A simulator process; its ready line tells its ports. Stopped with SIGTERM at the end."""
    with log.open("ab") as errors:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ferryman_sim", *arguments, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    try:
        yield await _ready(running, arguments[0], log)
    finally:
        if running.returncode is None:
            running.terminate()
            try:
                await asyncio.wait_for(running.wait(), 10.0)
            except TimeoutError:
                running.kill()
                await running.wait()


async def _ready(running: asyncio.subprocess.Process, name: str, log: Path) -> dict[str, Any]:
    if running.stdout is None:
        raise Unavailable(f"the output of the simulator's {name}")
    try:
        line = await asyncio.wait_for(running.stdout.readline(), READY_SECONDS)
    except TimeoutError:
        line = b""
    if not line:
        raise Unavailable(f"the simulator's {name} ({_last_words(log)})")
    facts: dict[str, Any] = json.loads(line)
    return facts


def _last_words(log: Path) -> str:
    words = log.read_text(errors="replace").strip().splitlines()
    return words[-1] if words else "it said nothing"


def write_subscriptions(path: Path, count: int, seed: str) -> None:
    """A subscription file as an operator would have it; its keys follow from the seed and serve nobody else."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(1, count + 1):
            body = f"8988211{number:011d}"
            keys = [_key(seed, number, name) for name in ("KI", "OPC", "KIC", "KID", "KIK")]
            writer.writerow(
                [
                    body + str(luhn_digit(body)),
                    f"00101{number:010d}",
                    f"88211{number:08d}",
                    *keys[:2],
                    *("1234", "12345678", "5678", "87654321", "11223344"),
                    *keys[2:],
                ]
            )


def _key(seed: str, number: int, name: str) -> str:
    return hashlib.sha256(f"ferryman demo {seed} {number} {name}".encode()).hexdigest()[:32].upper()


@contextlib.asynccontextmanager
async def world(
    folder: Path, *, count: int, seed: str, password: str, cards: Sequence[str] = ()
) -> AsyncIterator[World]:
    """Cards, subscriptions, and the network with all eUICCs attached to it; `cards`: more words for the maker."""
    await simulate(
        *("card-maker", "make", "--out", str(folder), "--count", str(count), "--seed", seed),
        *("--smsr-address", f"+{SMSR_ADDRESS}", *cards),
    )
    write_subscriptions(folder / "operator.csv", count, seed)
    lists = ("--csv", str(folder / "subscriptions.csv"), "--csv", str(folder / "operator.csv"))
    log = folder / "simulator.log"
    account = f"{SYSTEM_ID}:{password}"
    async with contextlib.AsyncExitStack() as stack:
        hlr = await stack.enter_async_context(process("hlr", *lists, "--seed", seed, log=log))
        smsc = await stack.enter_async_context(
            process("smsc", "--hlr", f"127.0.0.1:{hlr['port']}", "--account", account, "--seed", seed, log=log)
        )
        euicc = await stack.enter_async_context(
            process(
                *("euicc", "--cards", str(folder / "cards"), "--state", str(folder / "state")),
                *(
                    "--smsc",
                    f"127.0.0.1:{smsc['radio_port']}",
                    "--seed",
                    seed,
                    "--boot",
                    "0.1",
                    "--attach-retry",
                    "2",
                ),
                log=log,
            )
        )
        yield World(folder, int(smsc["smpp_port"]), int(euicc["control_port"]), tuple(euicc["cards"]))
