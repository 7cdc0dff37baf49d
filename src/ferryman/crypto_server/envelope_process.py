"""Runs `envelope_child` for one task: content in piece by piece, the answer out piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from ferryman.contracts import codes
from ferryman.crypto_server.envelope_child import LENGTH_BYTES, OK, PIECE, Task
from ferryman.errors import Refused

PATIENCE = 900.0  # s for one task, waiting for the processor included
KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LANG")  # of the environment: no password is among them


async def run(task: Task, content: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The result in pieces. Raises Refused with the reason, before anything is given out."""
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ferryman.crypto_server.envelope_child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    feeding = asyncio.create_task(_feed(process, task, content))
    try:
        async with asyncio.timeout(PATIENCE):
            assert process.stdout is not None
            first = await process.stdout.read(1)
            if first != OK:
                raise Refused(*codes.FORMAT_INVALID, await _reason(process.stdout, first))
            while piece := await process.stdout.read(PIECE):
                yield piece
            if await process.wait():
                raise Refused(*codes.PROVIDER_ERROR, "the process of the OpenPGP envelope broke off")
    except TimeoutError:
        raise Refused(*codes.PROVIDER_ERROR, "the OpenPGP envelope takes too long") from None
    finally:
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _feed(process: asyncio.subprocess.Process, task: Task, content: AsyncIterator[bytes]) -> None:
    """A child that is gone says so by its end; nothing more is to be told to it."""
    assert process.stdin is not None
    header = msgspec.msgpack.encode(task)
    with contextlib.suppress(ConnectionError):
        process.stdin.write(len(header).to_bytes(LENGTH_BYTES) + header)
        async for piece in content:
            process.stdin.write(piece)
            await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _reason(stream: asyncio.StreamReader, first: bytes) -> str:
    if not first:
        return "OpenPGP envelope: needs more memory or time than one may take; divide the file"
    return (await stream.read()).decode("utf-8", "replace")
