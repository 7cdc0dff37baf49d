"""TCP connections of cards on non-blocking sockets, watched by one epoll(7) that hangs in the event loop.

asyncio's transports serve every protocol there is; what they do for a connection that lives for four segments
costs more than its TLS records. A card's connection is half-duplex and its octets are few, so little is needed:
read what is there, write at once, keep what the kernel does not take, and say once when it is over.
"""

from __future__ import annotations

import asyncio
import select
import socket
from typing import Final, Protocol

READ_OCTETS: Final = 4_096  # octets asked of the kernel at once: a card's records, with what is around them
EVENTS_A_LOOK: Final = 64  # sockets that one look gives
LOOKS_A_TURN: Final = 4  # looks before the rest of the loop gets its turn: cheaper than a turn each


class User(Protocol):
    """Whoever speaks over a wire; `connection_lost` comes last, and once."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self, problem: OSError | None) -> None: ...


class Watched(Protocol):
    """Whoever has a socket."""

    def on_readable(self) -> None: ...
    def on_ready(self, events: int) -> None: ...


class Poller:
    """Tells each that its socket is ready; for the loop all of them are one descriptor."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}
        loop.add_reader(self._epoll.fileno(), self._turn)

    def watch(self, who: Watched, descriptor: int, events: int) -> None:
        """From now on tell `who` of these events and of no others; none at all ends it."""
        if descriptor not in self._watched:
            self._watched[descriptor] = who
            self._epoll.register(descriptor, events)
        elif events:
            self._epoll.modify(descriptor, events)
        else:
            del self._watched[descriptor]
            self._epoll.unregister(descriptor)

    def closing(self, descriptor: int) -> None:
        """The descriptor will be closed now, with which the kernel forgets it."""
        self._watched.pop(descriptor, None)

    def close(self) -> None:
        """Tell nobody anything any more."""
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _turn(self) -> None:
        watched = self._watched
        for _ in range(LOOKS_A_TURN):
            ready = self._epoll.poll(0, EVENTS_A_LOOK)
            if not ready:
                return
            for descriptor, events in ready:
                who = watched.get(descriptor)
                if who is None:
                    continue  # gone by what another one did in this turn
                if events == select.EPOLLIN:
                    who.on_readable()
                else:
                    who.on_ready(events)


class Wire:
    """One connected socket; it reads from `open` on, and owns the socket, which may be a blocking one."""

    __slots__ = ("_descriptor", "_leaving", "_pending", "_poller", "_shut", "_socket", "_user", "_watched")

    def __init__(self, poller: Poller, sock: socket.SocketType) -> None:
        self._poller = poller
        self._socket: socket.SocketType | None = sock
        self._descriptor = sock.fileno()
        self._user: User | None = None
        self._pending: bytearray | None = None  # octets that the kernel did not take yet
        self._watched = 0  # epoll events
        self._leaving = False
        self._shut = False

    @property
    def is_closing(self) -> bool:
        """True when nothing can be said any more."""
        return self._leaving or self._socket is None

    @property
    def pending(self) -> int:
        """Octets that wait for the kernel to take them."""
        return 0 if self._pending is None else len(self._pending)

    def open(self, user: User) -> None:
        """Tell `user` from now on what happens."""
        self._user = user
        self._watched = select.EPOLLIN
        self._poller.watch(self, self._descriptor, select.EPOLLIN)

    def pause(self) -> None:
        """Read nothing until `resume`."""
        self._watch(self._watched & ~select.EPOLLIN)

    def resume(self) -> None:
        """Read again."""
        if self._socket is not None and not self._leaving:
            self._watch(self._watched | select.EPOLLIN)

    def write(self, octets: bytes) -> None:
        """Send now what the kernel takes, and the rest when it can; nothing after the end of the wire."""
        if self._socket is None or self._leaving:
            return
        if self._pending is not None:
            self._pending += octets
            return
        try:
            sent = self._socket.send(octets, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as problem:
            self._leaving = True
            # Later: the user is in the middle of something, and has the better word for why it ends.
            self._poller.loop.call_soon(self._lose, problem)
            return
        if sent < len(octets):
            self._pending = bytearray(octets[sent:])
            self._watch(self._watched | select.EPOLLOUT)

    def write_eof(self) -> None:
        """Nothing more will be written; the peer learns it behind what is still pending."""
        self._shut = True
        if self._pending is None:
            self._shut_down()

    def close(self) -> None:
        """Ends when everything has left; at once when nothing is pending."""
        if self.is_closing:
            return
        if self._pending is None:
            self._lose(None)
            return
        self.pause()
        self._leaving = True

    def abort(self) -> None:
        """Ends now; what is pending is lost."""
        self._lose(None)

    def on_ready(self, events: int) -> None:
        """What the kernel says of the socket: an error or a hang-up is found by whatever is tried next."""
        if self._pending is not None:
            self._on_writable()
        if events != select.EPOLLOUT and self._watched & select.EPOLLIN:
            self.on_readable()

    def _watch(self, events: int) -> None:
        if events != self._watched:
            self._watched = events
            self._poller.watch(self, self._descriptor, events)

    def on_readable(self) -> None:
        """The kernel has octets, or the end."""
        sock, user = self._socket, self._user
        if sock is None or user is None:
            return
        try:
            data = sock.recv(READ_OCTETS, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self._lose(problem)
            return
        try:
            if data:
                user.data_received(data)
                return
            user.eof_received()
        except Exception as problem:  # outermost loop: a bug of ours must not leave a socket that nobody serves
            self._poller.loop.call_exception_handler(
                {"message": "HTTPS transport: octets of a card not handled", "exception": problem}
            )
            self.abort()
            return
        self.close()

    def _on_writable(self) -> None:
        sock, pending = self._socket, self._pending
        if sock is None or pending is None:
            return
        try:
            sent = sock.send(pending, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self._lose(problem)
            return
        del pending[:sent]
        if pending:
            return
        self._pending = None
        self._watch(self._watched & ~select.EPOLLOUT)
        if self._leaving:
            self._lose(None)
        elif self._shut:
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is None:
            return
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as problem:
            self._leaving = True
            self._poller.loop.call_soon(self._lose, problem)

    def _lose(self, problem: OSError | None) -> None:
        sock, user = self._socket, self._user
        if sock is None:
            return
        self._socket = self._user = self._pending = None
        self._watched = 0
        self._poller.closing(self._descriptor)
        sock.close()
        if user is not None:
            user.connection_lost(problem)
