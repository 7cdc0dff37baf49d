"""RFC 9110 4.3.4: pools of HTTP connections, one for each name that a server has shown a certificate for.

Who connects to an address that was judged before shows the library an address, and the library uses a connection
to that address for whatever goes there next: also for another name, whose certificate nobody has looked at then.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

MAX_POOLS = 64  # names whose connections are kept for another request


class Closable(Protocol):
    """A client with connections."""

    async def aclose(self) -> None: ...


@dataclass(slots=True)
class _Pool[C]:
    client: C
    users: int = 0


class NamedPools[C: Closable]:
    """Clients by name; `make` makes one."""

    def __init__(self, make: Callable[[], C], *, most: int = MAX_POOLS) -> None:
        self._make = make
        self._most = most
        self._pools: OrderedDict[str, _Pool[C]] = OrderedDict()

    @contextlib.asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[C]:
        """The client for a name, for one request; of too many the one that was not used for longest is closed."""
        if name not in self._pools:
            self._pools[name] = _Pool(self._make())
        pool = self._pools[name]
        self._pools.move_to_end(name)
        pool.users += 1
        try:
            yield pool.client
        finally:
            pool.users -= 1
            await self._trim()

    async def _trim(self) -> None:
        idle = [name for name, pool in self._pools.items() if not pool.users]
        for name in idle[: max(0, len(self._pools) - self._most)]:
            await self._pools.pop(name).client.aclose()

    async def close(self) -> None:
        """Close every connection."""
        while self._pools:
            _, pool = self._pools.popitem()
            await pool.client.aclose()
