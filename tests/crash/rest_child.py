"""An installation with the REST API in a process that kills itself where it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ferryman.cli.wiring import Configuration, Installation
from ferryman.contracts.rest import AddKey, KeyRole
from ferryman.rest_api.settings import RESTSettings

BEFORE, BEHIND, NEVER = "before the role is asked", "behind its answer", "never"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def run(data: Path, tenant: str, kind: str, where: str) -> None:
    installation = Installation(Configuration(data, rest=RESTSettings(port=0)))
    await installation.start()
    assert installation.rest is not None
    asking = installation.rest.services.ask
    original = asking._calls.call

    async def call(dest: str, caller: str, raw: bytes) -> bytes:
        mine = f'"{kind}"'.encode() in raw
        if mine and where == BEFORE:
            die()
        answer = await original(dest, caller, raw)
        if mine and where == BEHIND:
            die()
        return answer

    calls: Any = type("Calls", (), {"call": staticmethod(call)})
    asking._calls = calls
    made = await installation.rest.keys.add(AddKey(name="t", role=KeyRole.ADMIN, tenant=tenant), "test")
    print(installation.rest.port, made.token, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), *sys.argv[2:]))
