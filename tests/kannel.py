"""Kannel (Debian package `kannel`) as an ESME: its two boxes on the loopback, and what it reports by HTTP."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

PATIENCE = 60.0  # seconds for other processes on a busy machine
PATH = "/usr/sbin:/usr/bin"

CONFIGURATION = """\
group = core
admin-port = {admin}
admin-interface = "127.0.0.1"
admin-password = {secret}
smsbox-port = {box}
smsbox-interface = "127.0.0.1"
box-allow-ip = "127.0.0.1"
sms-resend-freq = 1
log-file = "{folder}/core.log"
log-level = 0

{binds}
group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
sendsms-interface = "127.0.0.1"
log-file = "{folder}/box.log"
log-level = 0

group = sendsms-user
username = ours
password = {secret}

group = sms-service
keyword = default
catch-all = true
max-messages = 0
omit-empty = true
assume-plain-text = false
get-url = "{ears}/mo?from=%p&to=%P&coding=%c&udh=%u&text=%b"
"""

BIND = """\
group = smsc
smsc = smpp
smsc-id = sim
host = 127.0.0.1
{bind}
smsc-username = {system_id}
smsc-password = {password}
system-type = ""
reconnect-delay = 1
source-addr-ton = 1
source-addr-npi = 1
dest-addr-ton = 1
dest-addr-npi = 1
"""


def program(name: str) -> str | None:
    """Where a box is, if it is installed."""
    return shutil.which(name, path=PATH)


@dataclass
class Ears:
    """What Kannel tells us, as (path, parameters); values are octets."""

    heard: asyncio.Queue[tuple[str, dict[str, bytes]]] = field(default_factory=asyncio.Queue)
    port: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of Kannel's HTTP client, answered with nothing."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            path, _, query = head.split(b" ", 2)[1].decode().partition("?")
            given = dict(pair.partition("=")[::2] for pair in query.split("&"))
            values = {name: unquote_to_bytes(text.replace("+", " ")) for name, text in given.items()}
            self.heard.put_nowait((path, values))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        writer.close()

    async def next(self, path: str) -> dict[str, bytes]:
        """The next thing told, which has to be of this path."""
        async with asyncio.timeout(PATIENCE):
            found, values = await self.heard.get()
        assert found == path, (found, values)
        return values


@dataclass
class Kannel:
    """A running Kannel."""

    http: int
    ears: Ears
    secret: str

    async def submit(self, ud: bytes, *, sender: str, to: str, mask: int = 31) -> str:
        """sendsms: user data with its header, as data for the card; Kannel's answer."""
        header = ud[: ud[0] + 1]
        report = quote(f"http://127.0.0.1:{self.ears.port}/dlr?state=%d", safe="")
        query = (
            f"username=ours&password={self.secret}&from={sender}&to={to}&coding=1&mclass=2&alt-dcs=1&pid=127"
            f"&udh={quote_from_bytes(header)}&text={quote_from_bytes(ud[len(header) :])}"
            f"&dlr-mask={mask}&dlr-url={report}"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http)
        writer.write(f"GET /cgi-bin/sendsms?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        return answer.decode(errors="replace")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


async def _listens(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            assert process.returncode is None, "it has ended: see its log"
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def kannel(
    folder: Path, smsc: int, *, system_id: str, password: str, pair: bool = False
) -> AsyncIterator[Kannel]:
    """bearerbox and smsbox, to bind to the SMSC on that port; a transmitter and a receiver with `pair`."""
    admin, box, http = _free_ports(3)
    ears = Ears()
    server = await asyncio.start_server(ears.answer, "127.0.0.1", 0)
    ears.port = server.sockets[0].getsockname()[1]
    secret = "kannel1"
    # Both ways of a pair have one smsc-id: receipts are looked up by it.
    ways = [f"port = {smsc}", f"receive-port = {smsc}"] if pair else [f"port = {smsc}\ntransceiver-mode = true"]
    binds = "\n".join(BIND.format(bind=way, system_id=system_id, password=password) for way in ways)
    conf = folder / "kannel.conf"
    conf.write_text(
        CONFIGURATION.format(
            admin=admin, box=box, http=http, folder=folder, secret=secret, binds=binds,
            ears=f"http://127.0.0.1:{ears.port}",
        )
    )  # fmt: skip
    boxes: list[asyncio.subprocess.Process] = []
    try:
        for name, port in (("bearerbox", box), ("smsbox", http)):
            found = program(name)
            assert found is not None
            boxes.append(
                await asyncio.create_subprocess_exec(
                    found, "-v", "4", str(conf), cwd=folder,
                    stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                )
            )  # fmt: skip
            await _listens(port, boxes[-1])
        yield Kannel(http, ears, secret)
    finally:
        for one in reversed(boxes):
            with suppress(ProcessLookupError):
                one.kill()
            await one.wait()
        server.close()
        await server.wait_closed()


__all__ = ["Ears", "Kannel", "kannel", "program"]
