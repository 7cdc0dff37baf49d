"""A simulator as a process: start, say so with one line of JSON, run until SIGTERM or SIGINT, stop."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Service(Protocol):
    """Something with a life."""

    async def start(self) -> dict[str, Any]:
        """Start; returns the facts of the ready line (ports, seed)."""

    async def stop(self) -> None:
        """Stop and release everything."""


def new_seed() -> str:
    """A seed for a run that was given none; the ready line shows it, so the run can be repeated."""
    return secrets.token_hex(8)


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT` as a pair. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"not HOST:PORT: {text}")
    return host, int(port)


async def _until_signal() -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


async def _run(make: Callable[[], Awaitable[Service]]) -> None:
    service = await make()
    facts = await service.start()
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    try:
        await _until_signal()
    finally:
        await service.stop()


def run(name: str, make: Callable[[], Awaitable[Service]]) -> int:
    """Run the service that `make` makes (inside the loop); returns the exit status."""
    try:
        asyncio.run(_run(make))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    return 0
