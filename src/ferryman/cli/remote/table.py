"""Questions of the command line by what the REST API has for them: each module adds its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any

from ferryman.client import AsyncClient, AsyncPages
from ferryman.contracts.message import Body
from ferryman.errors import InputError

PAGE = 200  # entries fetched at once: the most that the API gives

type Carry[Q: Body] = Callable[[AsyncClient, Q, str], Awaitable[Body]]

CARRIED: dict[type[Body], Carry[Any]] = {}


def carries[Q: Body](kind: type[Q]) -> Callable[[Carry[Q]], Carry[Q]]:
    """Enter a function that puts such a question to a client; its third argument is the call identifier."""

    def enter(function: Carry[Q]) -> Carry[Q]:
        CARRIED[kind] = function
        return function

    return enter


def cannot(what: str) -> InputError:
    """What no command does over the REST API."""
    return InputError("--server", f"cannot do {what}: use the command on the platform's own machine")


async def first[T](pages: AsyncPages[T], limit: int) -> tuple[T, ...]:
    """At most `limit` entries; 0 is all of them."""
    found: list[T] = []
    async for page in pages.pages():
        found += page.items
        if limit and len(found) >= limit:
            return tuple(islice(found, limit))
    return tuple(found)


def size(limit: int) -> int:
    """Entries to fetch at once for so many."""
    return min(limit, PAGE) if limit else PAGE
