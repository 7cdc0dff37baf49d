"""The client for asyncio: `AsyncClient`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import httpx2

from ferryman.client import line
from ferryman.client.calls import Call, Incoming, Outgoing, Page
from ferryman.client.conversation import Answered, Patience, Pause, Silence, Surroundings, converse
from ferryman.client.credentials import Credentials
from ferryman.client.errors import ClientError
from ferryman.client.following import SILENCE_SECONDS, Following
from ferryman.client.methods import AsyncMethods
from ferryman.client.paging import AsyncPages
from ferryman.client.tagged import AsyncCapture, Tagged, seen

FOREVER = float("inf")


class AsyncClient(AsyncMethods):
    """A platform's REST API, each route a method that is awaited. Tasks may share one.

    `url` like https://ferryman.example.org; `key` an API key, or `session` the secret of a login's cookie, or
    neither and then `log_in`. `ca_file`: PEM file of the CAs to believe, else the system's. `timeout`: seconds for
    one answer; `patience` for the repeats of a call. `proxy`: URL. `allow_http`: also in the clear, to any host.

    Raises InputError for what is wrong with these. Methods raise ClientError.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        session: str = "",
        ca_file: Path | str | None = None,
        timeout: float = 30.0,
        patience: Patience = Patience(),
        proxy: str | None = None,
        allow_http: bool = False,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._credentials = Credentials(key, session)
        self._address = line.Address.of(url, secret=self._credentials.secret, allow_http=allow_http)
        self._timeout = timeout
        self._patience = patience
        self._transport = transport or httpx2.AsyncHTTPTransport(
            verify=line.tls_of(ca_file), trust_env=False, limits=line.limits(), proxy=proxy
        )
        self._around = Surroundings(lambda: asyncio.get_running_loop().time(), time.time, secrets.token_bytes)
        self._pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __repr__(self) -> str:
        return f"<AsyncClient of {self._address.base}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._transport.aclose()

    async def tagged[**P, T](
        self, method: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> Tagged[T]:
        """The object with its ETag: `await client.tagged(client.show_order, order_id)`."""
        call: Call[T] = await seen(method, AsyncCapture, *args, **kwargs)
        answered = await self._carry_out(call)
        return Tagged(cast(T, answered.value), answered.etag, call)

    async def refresh[T](self, known: Tagged[T]) -> Tagged[T]:
        """The object as it is now; the very same value when it has not changed (If-None-Match)."""
        answered = await self._carry_out(known.again)
        return known if answered.unchanged else Tagged(cast(T, answered.value), answered.etag, known.call)

    async def _send[T](self, call: Call[T]) -> T:
        return cast(T, (await self._carry_out(call)).value)

    def _pages[T](self, call: Call[Page[T]]) -> AsyncPages[T]:
        return AsyncPages(self._send, call)

    def _stream[T](self, call: Call[T]) -> AsyncEventStream[T]:
        return AsyncEventStream(self, call)

    async def _carry_out[T](self, call: Call[T]) -> Answered[T]:
        conversation = converse(call, self._credentials, self._patience, self._around)
        got: Incoming | Silence | None = None
        try:
            while True:
                step = conversation.send(got)
                if isinstance(step, Pause):
                    await self._pause(step.seconds)
                    got = None
                else:
                    got = await self._exchange(step)
        except StopIteration as end:
            return cast(Answered[T], end.value)

    async def _exchange(self, out: Outgoing) -> Incoming | Silence:
        """One request and its answer, whole, within `timeout`."""
        body = bytearray()
        request = self._address.request(out, answer_seconds=self._timeout)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._transport.handle_async_request(request)
                try:
                    async for piece in response.aiter_bytes():
                        body += piece
                        line.within(len(body))
                finally:
                    await response.aclose()
        except TimeoutError:
            return Silence(f"no whole answer within {self._timeout:g} s", arrived=True)
        except (httpx2.HTTPError, OSError) as problem:
            return line.silence(problem)
        return Incoming(response.status_code, response.headers, bytes(body), line.cookies_of(response.headers))


class AsyncEventStream[T]:
    """Events as they come, over as many connections as it takes, none left out and none twice.

    `async with client.stream_events() as events: async for event in events: ...`; entering opens the connection.
    `last_id` is the place to go on from (`after`) in another process.
    """

    def __init__(self, client: AsyncClient, call: Call[T], patience: float = FOREVER) -> None:
        self._client = client
        self._following = Following(call, client._credentials, patience, client._around)
        self._response: httpx2.Response | None = None
        self._waiting: list[T] = []
        self._pieces: AsyncIterator[bytes] | None = None

    @property
    def last_id(self) -> str:
        """The event behind which it goes on."""
        return self._following.last_id

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        if self._response is not None:
            response, self._response = self._response, None
            await response.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._waiting:
            if self._response is None or self._pieces is None:
                await self._connect()
                continue
            try:
                self._waiting += self._following.came(await anext(self._pieces))
            except (StopAsyncIteration, httpx2.HTTPError, httpx2.StreamError, OSError) as problem:
                await self._hang_up(str(problem) or "the stream ended")
        return self._waiting.pop(0)

    async def _hang_up(self, why: str) -> None:
        await self.close()
        await self._client._pause(self._following.lost(why))

    async def _connect(self) -> None:
        client = self._client
        while self._response is None:
            request = client._address.request(self._following.request(), answer_seconds=SILENCE_SECONDS)
            try:
                response = await client._transport.handle_async_request(request)
            except (httpx2.HTTPError, OSError) as problem:
                await client._pause(self._following.lost(str(problem)))
                continue
            await self._take(response)

    async def _take(self, response: httpx2.Response) -> None:
        try:
            body = b"" if response.status_code == 200 else await response.aread()
            wait = self._following.opened(Incoming(response.status_code, response.headers, body))
        except (httpx2.HTTPError, OSError) as problem:
            await response.aclose()
            await self._client._pause(self._following.lost(str(problem)))
            return
        except ClientError:
            await response.aclose()
            raise
        if wait:
            await response.aclose()
            await self._client._pause(wait)
            return
        self._response = response
        self._pieces = response.aiter_bytes()
