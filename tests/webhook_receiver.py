"""A receiver of webhooks: an HTTP server that verifies what it is sent, by the text of Standard Webhooks."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Receiver:
    """Answers with `status`; 0 takes the request and hangs up without an answer."""

    secret: str = ""
    status: int = 200
    heads: str = ""
    statuses: list[int] = field(default_factory=list)  # of the next requests, before `status`
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # name and event, verified
    badly_signed: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.seen]

    def once(self) -> list[dict[str, Any]]:
        """Each event once, in the order of its first arrival."""
        return [dict(self.seen)[name] for name in dict.fromkeys(self.names)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)
                }
                assert head.startswith("POST /hook?x=1 HTTP/1.1\r\n"), head
                assert fields["host"] == f"127.0.0.1:{self.port}"
                body = await reader.readexactly(int(fields["content-length"]))
                self._take(fields, body)
                status = self.statuses.pop(0) if self.statuses else self.status
                if not status:
                    break
                writer.write(f"HTTP/1.1 {status} X\r\n{self.heads}Content-Length: 2\r\n\r\nok".encode())
                await writer.drain()
        writer.close()

    def _take(self, fields: dict[str, str], body: bytes) -> None:
        name, at = fields["webhook-id"], fields["webhook-timestamp"]
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        wanted = base64.b64encode(hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
        if f"v1,{wanted}" not in fields["webhook-signature"].split(" "):
            self.badly_signed += 1
            return
        self.seen.append((name, json.loads(body)))


@contextlib.asynccontextmanager
async def receiving(port: int = 0, into: Receiver | None = None) -> AsyncIterator[Receiver]:
    made = into or Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", port)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        server.close_clients()
