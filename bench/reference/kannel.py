"""Kannel (Debian package `kannel`), started on the loopback: HTTP in by keep-alive connections, SMPP out."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

UDH = bytes.fromhex("027000")
CONNECTIONS = 50  # of the HTTP client, as many as Kannel was found to be quickest with
PENDING = 100  # its SMPP window
START_SECONDS = 20.0

CORE = """\
group = core
admin-port = {admin}
admin-interface = "127.0.0.1"
admin-password = bench
smsbox-port = {box}
smsbox-interface = "127.0.0.1"
box-allow-ip = "127.0.0.1"
log-file = "{folder}/core.log"
log-level = 4

group = smsc
smsc = smpp
host = 127.0.0.1
port = {smsc}
smsc-username = bench
smsc-password = bench
system-type = ""
transceiver-mode = true
max-pending-submits = {pending}
source-addr-ton = 1
source-addr-npi = 1
dest-addr-ton = 1
dest-addr-npi = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
sendsms-interface = "127.0.0.1"
log-file = "{folder}/box.log"
log-level = 4

group = sendsms-user
username = bench
password = bench
"""


@dataclass(frozen=True, slots=True)
class Kannel:
    """A running Kannel that takes messages on `http`."""

    http: int


def installed() -> bool:
    """Whether the two programs are here."""
    return all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("bearerbox", "smsbox"))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def running(folder: Path, smsc: int) -> Iterator[Kannel]:
    """bearerbox and smsbox, bound to the SMSC on that port; both ended on the way out."""
    admin, box, http = _free_ports(3)
    conf = folder / "kannel.conf"
    conf.write_text(CORE.format(admin=admin, box=box, http=http, smsc=smsc, pending=PENDING, folder=folder))
    boxes: list[subprocess.Popen[bytes]] = []
    try:
        for name, port in (("bearerbox", box), ("smsbox", http)):
            program = shutil.which(name, path="/usr/sbin:/usr/bin") or name
            boxes.append(
                subprocess.Popen(  # noqa: S603
                    [program, "-v", "4", str(conf)],
                    cwd=folder,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            _wait_for(port)
        yield Kannel(http)
    finally:
        for one in reversed(boxes):
            one.kill()
            one.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("Kannel does not listen")


class _Client(asyncio.Protocol):
    """One keep-alive connection: the next request leaves when the answer to the last one is here."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._next()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < length:
            return
        self._rest = b""
        if not head.startswith(b"HTTP/1.1 202"):
            self._finish(RuntimeError(head.split(b"\r\n")[0].decode()))
            return
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or RuntimeError("Kannel has closed the connection"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._finish(None)
        elif self._transport is not None:
            self._transport.write(request)

    def _finish(self, problem: Exception | None) -> None:
        if self._done.done():
            return
        if problem is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(problem)


async def send(kannel: Kannel, packet: bytes, count: int) -> float:
    """Hand over so many messages to different numbers; gives the moment when it began (`perf_counter`)."""
    loop = asyncio.get_running_loop()
    fixed = (
        "username=bench&password=bench&from=12345&coding=1&mclass=2&alt-dcs=1&pid=127"
        f"&udh={quote_from_bytes(UDH)}&text={quote_from_bytes(packet)}"
    )
    requests = iter(
        [
            f"GET /cgi-bin/sendsms?{fixed}&to=4915{number:08d} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            for number in range(count)
        ]
    )
    done = [loop.create_future() for _ in range(CONNECTIONS)]
    begun = time.perf_counter()
    for one in done:
        await loop.create_connection(lambda one=one: _Client(requests, one), "127.0.0.1", kannel.http)  # type: ignore[misc]
    await asyncio.gather(*done)
    return begun
