"""Waiting for something that a real thread or server has to do first: until it is so, not for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 20.0  # seconds before a test gives up; never reached by a test that passes


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition()` holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


async def until_async(condition: Callable[[], Awaitable[bool]]) -> None:
    """The same for a condition that has to ask."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.001)
