"""Listening sockets of the HTTPS transport: made for every address of a name, or for several processes on one
port, and emptied of the connections that wait there.
"""

from __future__ import annotations

import asyncio
import errno
import select
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final

from ferryman.errors import Unavailable
from ferryman.transport_https.session import HTTPSSettings
from ferryman.transport_https.wire import Poller

ACCEPT_PAUSE: Final = 1.0  # seconds for which nobody is let in when the process or the kernel has run out of means
_NO_MEANS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_UNWAITED: Final = (
    socket.SOCK_STREAM | socket.SOCK_NONBLOCK
)  # Python neither waits for such a socket nor sets it up


async def listening_sockets(settings: HTTPSSettings, sharers: int = 0) -> list[socket.socket]:
    """Sockets that listen where the settings say; raises Unavailable when one cannot be had.

    One for each address of the host, or, with `sharers`, so many on the one port of its first address, for the
    kernel to spread connections over.
    """
    made: list[socket.socket] = []
    port = settings.port
    try:
        addresses = await _addresses(settings.host, port)
        for family, address in addresses[:1] * sharers or addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            made.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sharers or settings.reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port, *address[2:]))
            sock.listen(settings.backlog)
            sock.setblocking(False)
            port = sock.getsockname()[1]  # one for all, also when the system chose the first
    except OSError as problem:
        for sock in made:
            sock.close()
        raise Unavailable(f"address {settings.host}:{settings.port} ({problem.strerror})") from problem
    return made


async def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Family and address of each address of a host; no name means every address there is. Raises OSError."""
    try:
        flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror:  # a name: to ask for it takes time
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, address) for family, _, _, _, address in dict.fromkeys(found)]


class Listener:
    """Takes connections from listening sockets, which it owns; `accept` gets each with the address of the peer."""

    def __init__(
        self,
        poller: Poller,
        sockets: Iterable[socket.socket],
        accept: Callable[[socket.SocketType, Any], None],
    ) -> None:
        self._doors = [Door(poller, sock, accept) for sock in sockets]

    @property
    def port(self) -> int:
        """The port of the first socket."""
        return self._doors[0].port

    def close(self) -> None:
        """Take no more; who waits in the kernel is turned away."""
        for door in self._doors:
            door.close()
        self._doors.clear()


class Door:
    """One listening socket, watched by the poller that watches the connections too."""

    def __init__(
        self, poller: Poller, sock: socket.socket, accept: Callable[[socket.SocketType, Any], None]
    ) -> None:
        self._poller = poller
        self._socket = sock
        self._accept = accept
        self._family = int(sock.family)
        self._again: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        # Inherited by every connection: each write is a whole flight and waits for no other.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listen()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    def close(self) -> None:
        """Take no more."""
        if self._again is not None:
            self._again.cancel()
        self._poller.closing(self._socket.fileno())
        self._socket.close()

    def on_ready(self, _events: int) -> None:
        """What the kernel says besides: whatever it is, the next try to let somebody in finds it."""
        self.on_readable()

    def on_readable(self) -> None:
        """Somebody waits."""
        # One in a look: those that are open get theirs, and it needs no second call to find nobody.
        try:
            # Not `accept()`, which the library makes of this: for each connection it finds out again, in Python,
            # of which kind the listener is, and its socket is closed in Python; 7 us in 220 for a handshake.
            descriptor, address = self._socket._accept()  # type: ignore[attr-defined]
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as problem:
            if problem.errno not in _NO_MEANS:
                raise
            # The kernel would say at once again that somebody waits: leave them there for a while.
            loop = self._poller.loop
            self._poller.watch(self, self._socket.fileno(), 0)
            self._again = loop.call_later(ACCEPT_PAUSE, self._listen)
            loop.call_exception_handler(
                {"message": "HTTPS transport: no means to take a connection", "exception": problem}
            )
            return
        # Nobody waits for it: the wire asks the kernel so each time, which costs less than to tell it once.
        self._accept(socket.SocketType(self._family, _UNWAITED, 0, descriptor), address)

    def _listen(self) -> None:
        self._again = None
        self._poller.watch(self, self._socket.fileno(), select.EPOLLIN)
