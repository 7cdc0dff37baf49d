"""A platform that answers as a test has written down: for both clients, without sockets and without waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Concatenate, cast

import httpx2

from ferryman.client import AsyncClient, Client

URL = "https://ferryman.example.org/esim"


def answer(body: object = None, status: int = 200, **headers: str) -> httpx2.Response:
    """An answer in JSON; names of headers with underscores."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    media = "application/json" if status < 400 else "application/problem+json"
    return httpx2.Response(
        status, headers={"content-type": media} | given, content=b"" if body is None else json.dumps(body).encode()
    )


def problem(status: int, detail: str = "no", **more: str) -> httpx2.Response:
    heads = {name: more.pop(name) for name in list(more) if name in ("retry_after", "x_request_id")}
    return answer({"title": "t", "status": status, "detail": detail, **more}, status, **heads)


@dataclass
class Script:
    """Answers in their order (or exceptions to raise), the requests that came, the pauses that were made."""

    answers: list[httpx2.Response | Exception]
    requests: list[httpx2.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def sent(self, name: str) -> list[str]:
        return [request.headers.get(name, "") for request in self.requests]

    def blocking(self, key: str = "secret-key", **more: Any) -> Client:
        client = Client(URL, key, transport=httpx2.MockTransport(self), **more)
        client._pause = self.pauses.append
        return client

    def awaiting(self, key: str = "secret-key", **more: Any) -> AsyncClient:
        client = AsyncClient(URL, key, transport=httpx2.MockTransport(self), **more)

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        client._pause = pause
        return client


class Both:
    """Runs the same on the client that blocks and on the one that is awaited."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def ask[**P, R](
        self, script: Script, method: Callable[Concatenate[Client, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        if self.kind == "blocking":
            return method(script.blocking(), *args, **kwargs)

        async def run() -> Any:
            async with script.awaiting() as client:
                found = getattr(client, method.__name__)(*args, **kwargs)
                return await cast(Awaitable[Any], found)

        return cast(R, asyncio.run(cast(Coroutine[Any, Any, Any], run())))
