"""Places for streams of events: so many for each tenant, and all of them end when the role stops."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

import msgspec

from ferryman.rest_api.answers import No
from ferryman.rest_api.events.book import EventBook
from ferryman.rest_api.events.views import EventView

PER_TENANT: Final = 20
ALL: Final = 400  # below the number of connections that the server takes
BEAT_SECONDS: Final = 15.0  # between two signs of life: proxies cut what is silent for half a minute
RETRY_MS: Final = 3_000  # until a client that was cut off comes again


async def _always() -> bool:
    return True


class Streams:
    """Streams that are open. Whether who reads one may still do so is looked at every `beat` seconds."""

    def __init__(self, events: EventBook, *, beat: float = BEAT_SECONDS) -> None:
        self._events = events
        self._beat = beat
        self._open: Counter[str] = Counter()
        self._over = asyncio.Event()

    def close(self) -> None:
        """End all of them."""
        self._over.set()

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    def lines(
        self, tenant: str, after: int, eid: str, *, still: Callable[[], Awaitable[bool]] = _always
    ) -> AsyncIterator[bytes]:
        """A stream in the form of server-sent events, which ends when `still` says so. Raises No for too many."""
        if self._open[tenant] >= PER_TENANT or self.count >= ALL:
            raise No(429, "there are too many event streams", Retry_After="30")
        return self._lines(tenant, after, eid, still)

    async def _lines(
        self, tenant: str, after: int, eid: str, still: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        self._open[tenant] += 1  # here, because what is never begun never ends
        try:
            # The place at once: who is cut off before the first event comes again to the same place.
            yield f"id: {after}\nretry: {RETRY_MS}\n\n".encode()
            async with aclosing(self._events.follow(tenant, after, eid=eid, patience=self._beat)) as found:
                looked, time = 0.0, asyncio.get_running_loop().time
                while not self._over.is_set():
                    one = await self._next(found)
                    if time() - looked >= self._beat:
                        if not await still():
                            return
                        looked = time()
                    yield b": still here\n\n" if one is None else _lines_of(one)
        finally:
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]

    async def _next(self, found: AsyncIterator[EventView | None]) -> EventView | None:
        """The next one; None when nothing came, or all is over."""
        coming = asyncio.ensure_future(anext(found))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((coming, over), return_when=asyncio.FIRST_COMPLETED)
            return coming.result() if coming.done() else None
        finally:
            for task in (coming, over):
                task.cancel()
            await asyncio.gather(coming, over, return_exceptions=True)


def _lines_of(one: EventView) -> bytes:
    return f"id: {one.seq}\nevent: {one.type}\ndata: ".encode() + msgspec.json.encode(one) + b"\n\n"
