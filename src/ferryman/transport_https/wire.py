"""TCP connections of cards on non-blocking sockets, for the event loop to say when they are ready.

asyncio's transports serve every protocol there is; what they do for a connection that lives for four segments
costs more than its TLS records. A card's connection is half-duplex and its octets are few, so little is needed:
read what is there, write at once, keep what the kernel does not take, and say once when it is over.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

READ_OCTETS: Final = 8_192  # octets asked of the kernel at once: half a TLS record; cards send far less
ACCEPTS_IN_A_ROW: Final = 32  # connections taken before those that are open get their turn
ACCEPT_PAUSE: Final = 1.0  # seconds for which nobody is let in when the process or the kernel has run out of means
_NO_MEANS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class User(Protocol):
    """Whoever speaks over a wire; `connection_lost` comes last, and once."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self, problem: OSError | None) -> None: ...


class Wire:
    """One connected socket; it reads from `open` on, and owns the socket."""

    __slots__ = ("_descriptor", "_is_reading", "_leaving", "_loop", "_pending", "_shut", "_socket", "_user")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._socket: socket.socket | None = sock
        self._descriptor = sock.fileno()
        self._user: User | None = None
        self._pending: bytearray | None = None  # octets that the kernel did not take yet
        self._is_reading = False
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
        self.resume()

    def pause(self) -> None:
        """Read nothing until `resume`."""
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._descriptor)

    def resume(self) -> None:
        """Read again."""
        if not self._is_reading and not self.is_closing:
            self._is_reading = True
            self._loop.add_reader(self._descriptor, self._on_readable)

    def write(self, octets: bytes) -> None:
        """Send now what the kernel takes, and the rest when it can; nothing after the end of the wire."""
        if self._socket is None or self._leaving:
            return
        if self._pending is not None:
            self._pending += octets
            return
        try:
            sent = self._socket.send(octets)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as problem:
            self._leaving = True
            # Later: the user is in the middle of something, and has the better word for why it ends.
            self._loop.call_soon(self._lose, problem)
            return
        if sent < len(octets):
            self._pending = bytearray(octets[sent:])
            self._loop.add_writer(self._descriptor, self._on_writable)

    def write_eof(self) -> None:
        """Nothing more will be written; the peer learns it behind what is still pending."""
        self._shut = True
        if self._pending is None:
            self._shut_down()

    def close(self) -> None:
        """Ends when everything has left; at once when nothing is pending."""
        if self.is_closing:
            return
        self.pause()
        self._leaving = True
        if self._pending is None:
            self._lose(None)

    def abort(self) -> None:
        """Ends now; what is pending is lost."""
        self._lose(None)

    def _on_readable(self) -> None:
        sock, user = self._socket, self._user
        if sock is None or user is None:
            return
        try:
            data = sock.recv(READ_OCTETS)
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
            self._loop.call_exception_handler(
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
            sent = sock.send(pending)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self._lose(problem)
            return
        del pending[:sent]
        if pending:
            return
        self._pending = None
        self._loop.remove_writer(self._descriptor)
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
            self._loop.call_soon(self._lose, problem)

    def _lose(self, problem: OSError | None) -> None:
        sock, user = self._socket, self._user
        if sock is None:
            return
        self.pause()
        if self._pending is not None:
            self._pending = None
            self._loop.remove_writer(self._descriptor)
        self._socket = self._user = None
        sock.close()
        if user is not None:
            user.connection_lost(problem)


class Listener:
    """Takes connections from listening sockets, which it owns; `accept` gets each with the address of the peer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: Iterable[socket.socket],
        accept: Callable[[socket.socket, Any], None],
    ) -> None:
        self._loop = loop
        self._sockets = list(sockets)
        self._accept = accept
        self._again: dict[socket.socket, asyncio.TimerHandle] = {}
        for sock in self._sockets:
            sock.setblocking(False)
            # Inherited by every connection: each write is a whole flight and waits for no other.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._listen(sock)

    @property
    def port(self) -> int:
        """The port of the first socket."""
        port: int = self._sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Take no more; who waits in the kernel is turned away."""
        for sock in self._sockets:
            paused = self._again.pop(sock, None)
            if paused is None:
                self._loop.remove_reader(sock.fileno())
            else:
                paused.cancel()
            sock.close()
        self._sockets.clear()

    def _listen(self, sock: socket.socket) -> None:
        self._again.pop(sock, None)
        self._loop.add_reader(sock.fileno(), self._on_waiting, sock)

    def _on_waiting(self, sock: socket.socket) -> None:
        for _ in range(ACCEPTS_IN_A_ROW):
            try:
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as problem:
                if problem.errno not in _NO_MEANS:
                    raise
                # The kernel would say at once again that somebody waits: leave them there for a while.
                self._loop.remove_reader(sock.fileno())
                self._again[sock] = self._loop.call_later(ACCEPT_PAUSE, self._listen, sock)
                self._loop.call_exception_handler(
                    {"message": "HTTPS transport: no means to take a connection", "exception": problem}
                )
                return
            connection.setblocking(False)
            self._accept(connection, address)
