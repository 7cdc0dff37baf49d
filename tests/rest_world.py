"""An installation with the REST API, asked in process, or over a socket from a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferryman.cli.wiring import Configuration, Installation
from ferryman.contracts.rest import AddKey, KeyRole
from ferryman.platform.database_settings import DatabaseSettings
from ferryman.platform.mailbox import Tx
from ferryman.rest_api.accounts import enter
from ferryman.rest_api.sessions import COOKIE, CSRF, csrf_of
from ferryman.rest_api.settings import RESTSettings
from ferryman.soap_gateway.settings import SOAPSettings

TENANT, OTHER = "1.3.6.1.4.1.99999.10", "1.3.6.1.4.1.99999.11"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in, with the headers that his browser and page send."""

    user_id: str
    heads: dict[str, str]


class RestWorld:
    def __init__(self, installation: Installation) -> None:
        assert installation.rest is not None
        self.installation = installation
        self.rest = installation.rest
        self._asked = 0

    async def token(self, role: KeyRole, tenant: str = TENANT, **more: Any) -> str:
        asked = AddKey(name="test", role=role, tenant=tenant, **more)
        return (await self.rest.keys.add(asked, "test")).token

    async def person(self, role: KeyRole, tenant: str = TENANT, name: str = "", maker: str = "") -> Person:
        """Somebody who has logged in; his account was made at the machine, or by `maker`."""
        book, sessions = self.rest.services.accounts, self.rest.services.sessions
        values = book.values(name or f"{role.value} {self.rest.services.entropy(4).hex()}", role, tenant, maker)

        def unit(tx: Tx) -> str:
            enter(tx, values, "test")
            return sessions.begin(tx, values["id"])

        secret = await self.rest.mailbox.transact(unit)
        return Person(values["id"], {"cookie": f"{COOKIE}={secret}", CSRF.lower(): csrf_of(secret)})

    async def ask(
        self, method: str, path: str, token: str = "", body: object = None, *, chunks: list[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """One request to the application; `chunks` is the body in pieces, without a length.

        A POST has an Idempotency-Key of its own, unless `headers` has one, or an empty one for none.
        """
        given = {"content-type": "application/json", **(headers or {})}
        if method == "POST" and "idempotency-key" not in map(str.lower, given):
            self._asked += 1
            given["idempotency-key"] = f"test-{id(self)}-{self._asked}"
        if token:
            given["authorization"] = f"Bearer {token}"
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "asgi": {"version": "3.0"}, "method": method, "scheme": "http",
            "path": f"/api/v1{path}", "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "server": ("x", 80), "client": ("y", 1),
        }  # fmt: skip
        pieces = chunks if chunks is not None else [b"" if body is None else json.dumps(body).encode()]
        waiting = [
            {"type": "http.request", "body": piece, "more_body": number + 1 < len(pieces)}
            for number, piece in enumerate(pieces)
        ]
        sent: list[dict[str, Any]] = []
        seen_enough = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if not waiting:
                await seen_enough.wait()
                return {"type": "http.disconnect"}
            return waiting.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)
            kind = dict(sent[0]["headers"]).get(b"content-type", b"")
            if message.get("body") and kind.startswith(b"text/event-stream"):
                seen_enough.set()  # a stream has no end of its own

        await self.rest.app(scope, receive, send)
        heads: dict[str, str] = {}
        for name, value in sent[0]["headers"]:
            before = heads.get(name.decode(), "")
            heads[name.decode()] = f"{before}\n{value.decode()}".strip()
        return Answer(sent[0]["status"], heads, b"".join(m.get("body", b"") for m in sent[1:]))


@contextlib.asynccontextmanager
async def rest_world(
    data: Path, *, gateway: bool = False, database: DatabaseSettings | None = None, **settings: Any
) -> AsyncIterator[RestWorld]:
    soap = SOAPSettings("127.0.0.1", 0, "none.pem", "none.key", listen=False) if gateway else None
    installation = Installation(
        Configuration(
            data, rest=RESTSettings(port=0, **settings), soap=soap, database=database or DatabaseSettings()
        )
    )
    await installation.start()
    try:
        yield RestWorld(installation)
    finally:
        await installation.stop()


@contextlib.contextmanager
def rest_process(data: Path) -> Iterator[tuple[str, str, str]]:
    """URL, a token of a tenant's admin and one of the platform's; the platform runs in a thread."""
    ready = threading.Event()
    found: list[Any] = []

    async def run() -> None:
        async with rest_world(data, gateway=True) as world:
            tokens = [await world.token(KeyRole.ADMIN, tenant) for tenant in (TENANT, "")]
            stop = asyncio.Event()
            found.extend([asyncio.get_running_loop(), stop, f"http://127.0.0.1:{world.rest.port}", *tokens])
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(30)
        loop, stop, url, tenant, platform = found
        try:
            yield url, tenant, platform
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join(30)
