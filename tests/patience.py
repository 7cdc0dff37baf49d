"""Waiting for something that a real thread or server has to do first: until it is so, not for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from virtual_loop import VirtualLoop

PATIENCE = 60.0  # real seconds before a test gives up; never reached by a test that passes
VIRTUAL_PATIENCE = 10 * 86_400.0
POLL = 0.001
VIRTUAL_POLL = 0.05


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition()` holds."""

    async def ask() -> bool:
        return condition()

    await until_async(ask)


async def until_async(condition: Callable[[], Awaitable[bool]]) -> None:
    """The same for a condition that has to ask."""
    virtual = isinstance(asyncio.get_running_loop(), VirtualLoop)
    async with asyncio.timeout(VIRTUAL_PATIENCE if virtual else PATIENCE):
        while not await condition():
            await asyncio.sleep(VIRTUAL_POLL if virtual else POLL)
