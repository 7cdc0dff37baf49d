"""A web server on loopback that does what a test says, and none should, to one request after the other."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Came:
    """A request as it arrived."""

    method: str
    target: str
    heads: dict[str, str]
    body: bytes


type Deed = Callable[[socket.socket], bool]  # what is done with a request; True: the connection goes on


def answer(status: int, body: object = None, *, heads: tuple[str, ...] = ()) -> Deed:
    """A whole answer."""
    raw = b"" if body is None else json.dumps(body).encode()
    kind = "application/json" if status < 400 else "application/problem+json"
    lines = (f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(raw)}", *heads)
    return octets("\r\n".join(lines).encode() + HEAD_END + raw, goes_on=True)


def octets(raw: bytes, *, goes_on: bool = False) -> Deed:
    """These octets, and then the end."""

    def deed(connection: socket.socket) -> bool:
        connection.sendall(raw)
        return goes_on

    return deed


def reset(connection: socket.socket) -> bool:
    """A TCP reset instead of an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def hang_up(_: socket.socket) -> bool:
    """The end instead of an answer."""
    return False


@dataclass
class Server:
    """`deeds` are done in their order, the last one again and again; `came` is what arrived."""

    deeds: list[Deed]
    came: list[Came] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def silence(self, _: socket.socket) -> bool:
        """Nothing, until the test is over."""
        self.over.wait(30)
        return False

    def drip(self, raw: bytes, seconds: float) -> Deed:
        """One octet after the other."""

        def deed(connection: socket.socket) -> bool:
            for octet in raw:
                if self.over.wait(seconds):
                    break
                connection.sendall(bytes([octet]))
            return False

        return deed

    def sent(self, name: str) -> list[str]:
        """A header field of every request."""
        return [one.heads.get(name, "") for one in self.came]

    def serve(self, connection: socket.socket) -> None:
        """Requests of one connection."""
        with connection, contextlib.suppress(OSError):
            while (came := _read(connection)) is not None:
                self.came.append(came)
                deed = self.deeds.pop(0) if len(self.deeds) > 1 else self.deeds[0]
                if not deed(connection):
                    return


def _read(connection: socket.socket) -> Came | None:
    raw = b""
    while HEAD_END not in raw:
        piece = connection.recv(65_536)
        if not piece:
            return None
        raw += piece
    head, _, body = raw.partition(HEAD_END)
    first, *lines = head.decode("latin-1").split("\r\n")
    heads = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(heads.get("content-length", "0")):
        body += connection.recv(65_536)
    method, target, _ = first.split(" ")
    return Came(method, target, heads, body)


@contextlib.contextmanager
def misbehaving(*deeds: Deed, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server on a port of its own."""
    server = Server(list(deeds))
    listening = socket.create_server(("127.0.0.1", 0))
    scheme = "https" if tls is not None else "http"
    server.url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # a client that does not believe us hangs up
            server.serve(connection if tls is None else tls.wrap_socket(connection, server_side=True))
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=one, args=(connection,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        server.over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join(5)
        for thread in threads:
            thread.join(5)
