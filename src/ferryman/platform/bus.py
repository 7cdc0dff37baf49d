"""The bus: hands a message to a role, at least once.

`deliver` returns when the message has been taken durably (in process: when the receiving role has committed
what it did with it). The sender keeps it in its outbox until then; the receiver's inbox makes the second
delivery of the same message harmless.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ferryman.errors import Unavailable

type Handler = Callable[[bytes], Awaitable[None]]


class Bus(Protocol):
    """Port for asynchronous messages between roles."""

    async def deliver(self, dest: str, raw: bytes) -> None:
        """Hand over one message; raises Unavailable when it could not be taken."""
        ...

    def is_near(self, dest: str) -> bool:
        """Whether `dest` lives and dies with this process: a message reaches it without anybody between."""
        ...


class Calls(Protocol):
    """Port for synchronous calls between roles (request and answer as bytes)."""

    async def call(self, dest: str, caller: str, raw: bytes) -> bytes:
        """Ask `dest` in the name of role `caller`; raises Unavailable when it does not answer."""
        ...


class InProcessBus:
    """Bus and calls of the embedded default: every role in one process, still speaking bytes."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._servers: dict[str, Callable[[str, bytes], Awaitable[bytes]]] = {}

    def register(self, role: str, handler: Handler) -> None:
        """Make `role` reachable for messages."""
        self._handlers[role] = handler

    def serve(self, role: str, server: Callable[[str, bytes], Awaitable[bytes]]) -> None:
        """Make `role` reachable for calls; the server is told which role calls."""
        self._servers[role] = server

    def is_near(self, dest: str) -> bool:
        """Whether it is registered."""
        return dest in self._handlers

    async def deliver(self, dest: str, raw: bytes) -> None:
        """Run the receiver's handler to its commit."""
        handler = self._handlers.get(dest)
        if handler is None:
            raise Unavailable(f"role {dest}")
        await handler(raw)

    async def call(self, dest: str, caller: str, raw: bytes) -> bytes:
        """Run the server's function."""
        server = self._servers.get(dest)
        if server is None:
            raise Unavailable(f"role {dest}")
        return await server(caller, raw)
