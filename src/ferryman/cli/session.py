"""Where a command finds its installation: the one that runs on the data directory, or one opened for the call."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from ferryman.cli.control import SOCKET, ControlClient, DataLock
from ferryman.cli.operator import Operator
from ferryman.cli.settings import load
from ferryman.cli.wiring import Installation
from ferryman.errors import Unavailable


@contextlib.asynccontextmanager
async def operator(data: Path, owner: str) -> AsyncIterator[Operator]:
    """Calls to the installation in `data`.

    When none runs there, one without transports is opened for the time of the command.
    """
    client = ControlClient(data)
    if (data / SOCKET).exists() and await _answers(client):
        yield Operator(client, owner)
        return
    with DataLock(data):
        installation = Installation(load(data).without_transports())
        await installation.start()
        try:
            yield Operator(installation.bus, owner)
        finally:
            await installation.stop()


async def _answers(client: ControlClient) -> bool:
    try:
        await client.ping()
    except Unavailable:
        return False
    return True
