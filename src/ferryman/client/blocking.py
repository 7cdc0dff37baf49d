"""The client that blocks: `Client`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
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
from ferryman.client.methods import Methods
from ferryman.client.paging import Pages
from ferryman.client.tagged import Capture, Tagged, seen
from ferryman.client.timed import End, TimedTransport

FOREVER = float("inf")


class Client(Methods):
    """A platform's REST API, each route a method. Threads may share one.

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
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._credentials = Credentials(key, session)
        self._address = line.Address.of(url, secret=self._credentials.secret, allow_http=allow_http)
        self._timeout = timeout
        self._patience = patience
        self._end = End()
        self._transport = transport or TimedTransport(
            end=self._end, verify=line.tls_of(ca_file), limits=line.limits(), proxy=proxy
        )
        self._around = Surroundings(time.monotonic, time.time, secrets.token_bytes)
        self._pause: Callable[[float], None] = time.sleep

    def __repr__(self) -> str:
        return f"<Client of {self._address.base}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()

    def tagged[**P, T](self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Tagged[T]:
        """The object with its ETag, for `if_match` and `refresh`: `client.tagged(client.show_order, order_id)`."""
        call = seen(method, Capture, *args, **kwargs)
        answered = self._carry_out(call)
        return Tagged(cast(T, answered.value), answered.etag, call)

    def refresh[T](self, known: Tagged[T]) -> Tagged[T]:
        """The object as it is now; the very same value when it has not changed (If-None-Match)."""
        answered = self._carry_out(known.again)
        return known if answered.unchanged else Tagged(cast(T, answered.value), answered.etag, known.call)

    def _send[T](self, call: Call[T]) -> T:
        return cast(T, self._carry_out(call).value)

    def _pages[T](self, call: Call[Page[T]]) -> Pages[T]:
        return Pages(self._send, call)

    def _stream[T](self, call: Call[T]) -> EventStream[T]:
        return EventStream(self, call)

    def _carry_out[T](self, call: Call[T]) -> Answered[T]:
        conversation = converse(call, self._credentials, self._patience, self._around)
        got: Incoming | Silence | None = None
        try:
            while True:
                step = conversation.send(got)
                if isinstance(step, Pause):
                    self._pause(step.seconds)
                    got = None
                else:
                    got = self._exchange(step)
        except StopIteration as end:
            return cast(Answered[T], end.value)

    def _exchange(self, out: Outgoing) -> Incoming | Silence:
        """One request and its answer, whole, within `timeout`."""
        end = self._end.at = time.monotonic() + self._timeout
        body = bytearray()
        try:
            response = self._transport.handle_request(self._address.request(out, answer_seconds=self._timeout))
            try:
                for piece in response.iter_bytes():
                    body += piece
                    line.within(len(body))
                    if time.monotonic() > end:
                        return Silence(f"no whole answer within {self._timeout:g} s", arrived=True)
            finally:
                response.close()
        except (httpx2.HTTPError, OSError) as problem:
            return line.silence(problem)
        finally:
            self._end.at = None
        return Incoming(response.status_code, response.headers, bytes(body), line.cookies_of(response.headers))


class EventStream[T]:
    """Events as they come, over as many connections as it takes, none left out and none twice.

    `with client.stream_events() as events: for event in events: ...`; entering opens the connection. `last_id` is
    the place to go on from (`after`) in another process.
    """

    def __init__(self, client: Client, call: Call[T], patience: float = FOREVER) -> None:
        self._client = client
        self._following = Following(call, client._credentials, patience, client._around)
        self._response: httpx2.Response | None = None
        self._waiting: list[T] = []
        self._pieces: Iterator[bytes] = iter(())

    @property
    def last_id(self) -> str:
        """The event behind which it goes on."""
        return self._following.last_id

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        while not self._waiting:
            if self._response is None:
                self._connect()
            try:
                self._waiting += self._following.came(next(self._pieces))
            except (StopIteration, httpx2.HTTPError, httpx2.StreamError, OSError) as problem:
                self._hang_up(str(problem) or "the stream ended")
        return self._waiting.pop(0)

    def _hang_up(self, why: str) -> None:
        self.close()
        self._client._pause(self._following.lost(why))

    def _connect(self) -> None:
        client = self._client
        while self._response is None:
            request = client._address.request(self._following.request(), answer_seconds=SILENCE_SECONDS)
            try:
                response = client._transport.handle_request(request)
            except (httpx2.HTTPError, OSError) as problem:
                client._pause(self._following.lost(str(problem)))
                continue
            self._take(response)

    def _take(self, response: httpx2.Response) -> None:
        try:
            body = b"" if response.status_code == 200 else response.read()
            wait = self._following.opened(Incoming(response.status_code, response.headers, body))
        except (httpx2.HTTPError, OSError) as problem:
            response.close()
            self._client._pause(self._following.lost(str(problem)))
            return
        except ClientError:
            response.close()
            raise
        if wait:
            response.close()
            self._client._pause(wait)
            return
        self._response = response
        self._pieces = response.iter_bytes()
