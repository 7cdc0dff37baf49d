"""Where a command finds its installation: the one that runs on the data directory, or one opened for the call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from ferryman.cli.broker import open_broker
from ferryman.cli.control import SOCKET, ControlClient, DataLock
from ferryman.cli.operator import Operator
from ferryman.cli.remote.place import current
from ferryman.cli.settings import load
from ferryman.cli.wiring import Installation
from ferryman.contracts.roles import OPERATOR
from ferryman.errors import Unavailable
from ferryman.platform.bus import Calls
from ferryman.platform.bus_settings import NATS, BusSettings
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.log import configure

CONNECT_SECONDS = 10.0  # until a command says that the broker does not answer


@contextlib.asynccontextmanager
async def operator(data: Path, owner: str) -> AsyncIterator[Operator]:
    """Calls to the installation in `data`, or with `--server` to the platform that it names.

    When none runs there, its roles are asked over the broker ([bus] kind = "nats"), or an installation without
    transports is opened for the time of the command.
    """
    place = current.get()
    if place is not None:
        from ferryman.cli.remote.operator import elsewhere  # an HTTP client: half a second, for those who need it

        async with elsewhere(place, owner) as remote:
            yield remote
        return
    client = ControlClient(data)
    if (data / SOCKET).exists() and await _answers(client):
        yield Operator(client, owner)
        return
    settings = load(data)
    configure(settings.log_level, settings.log_format)  # to stderr: standard output is the command's own
    if settings.bus.kind == NATS:
        async with _over_broker(settings.bus) as calls:
            yield Operator(calls, owner)
        return
    with DataLock(data):
        installation = Installation(settings.without_transports())
        try:
            await (_start(installation) if settings.database.url else installation.start())
            yield Operator(installation.bus, owner)
        finally:
            await installation.stop()


async def _start(installation: Installation) -> None:
    """Without waiting for ever for databases that another machine may be using."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await installation.start()
    except TimeoutError:
        raise Unavailable("the databases (away, or the installation runs on another machine)") from None


@contextlib.asynccontextmanager
async def _over_broker(bus: BusSettings) -> AsyncIterator[Calls]:
    remote = open_broker(bus, OPERATOR, clock=LoopClock(), entropy=system_entropy)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await remote.start()
        yield remote
    except TimeoutError:
        raise Unavailable(f"NATS at {bus.url}") from None
    finally:
        await remote.stop()


async def _answers(client: ControlClient) -> bool:
    try:
        await client.ping()
    except Unavailable:
        return False
    return True
