"""HTTP/1.1 on a connection: uvicorn's protocol with limits for the head (RFC 9112 2.3), and less work an answer.

An answer that is whole before its first octet leaves goes past ASGI's two messages, by an extension in the scope
(`WHOLE`). A request begins to be carried out when what came with it is read, and mostly ends in the same turn of
the loop; the answers to those leave together, at its end. The time of an idle connection is one timer that is
looked at when it is over, not one for each request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD = 32 * 1024  # octets of request line and header fields: tokens and cookies have some hundred
LINGER = 2.0  # s that we still read, and drop, what comes behind an answer that did not wait for a whole body
WHOLE = "ferryman.whole"  # in the extensions of a scope: what writes a whole answer
CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])  # never in a field value (RFC 9110 5.5)

type Headers = Sequence[tuple[bytes, bytes]]
type Whole = Callable[[int, Headers, bytes], bool]


class Corked:
    """A transport on which what is written waits for what follows it, one turn of the loop at most.

    Two small writes are two calls of the system and two packets; an answer of ours fits into one.
    """

    def __init__(
        self, transport: Any, loop: asyncio.AbstractEventLoop, unread: Callable[[], bool] = lambda: False
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._kept = b""
        self._unread = unread  # whether more of a request is to come
        self._lingering: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep what comes first; what comes next lets both go."""
        if self._kept:
            kept, self._kept = self._kept, b""
            self._transport.write(kept + data)
        elif data:
            self._kept = data
            self._loop.call_soon(self._flush)

    def whole(self, data: bytes) -> None:
        """Write what nothing follows: now, in one piece with what waits."""
        kept, self._kept = self._kept, b""
        self._transport.write(kept + data if kept else data)

    def with_others(self, data: bytes) -> None:
        """Write what nothing follows at the end of this turn, when other connections write theirs.

        Each write wakes who reads it (a proxy on the same machine, mostly). A reader that sleeps again before the
        next answer is there costs us a fifth of our time in switches between the two.
        """
        if self._kept:
            self._kept += data
        else:
            self._kept = data
            self._loop.call_soon(self._flush)

    @property
    def lingers(self) -> bool:
        """Whether the answer is out and what still comes is dropped."""
        return self._lingering is not None

    def is_closing(self) -> bool:
        """Whether nothing more is to be written."""
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        """What was written leaves before the end.

        Octets that nobody has read would make the system reset the connection, and the other side would lose the
        answer that it has not read yet: so our direction ends first (RFC 9112 9.6).
        """
        self._flush()
        if self.lingers:
            return
        if self._unread() and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            self._lingering = self._loop.call_later(LINGER, self._transport.close)
        else:
            self._transport.close()

    def lost(self) -> None:
        """The connection is gone."""
        if self._lingering is not None:
            self._lingering.cancel()

    def _flush(self) -> None:
        if self._kept:
            kept, self._kept = self._kept, b""
            self._transport.write(kept)


def protocol_of(head_timeout: float) -> type[HttpToolsProtocol]:
    """A protocol that hangs up on who does not finish the head of a request in time, or at all."""

    class LimitedHead(HttpToolsProtocol):
        """uvicorn's, with a timer from the first octet (or the connection) to the end of the head."""

        _corked: Corked
        _head: asyncio.TimerHandle | None = None
        _head_octets = 0
        _in_head = True
        _begun = False  # the head has more than nothing
        _reading = False  # octets are with the parser
        _beginning = False  # a request has not waited for anything yet
        _next: tuple[RequestResponseCycle, Any] | None = None  # a request that begins behind them
        _idle_since: float | None = None  # nothing is under way since then
        _idle: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            self._corked = Corked(transport, self.loop, self._is_unread)
            super().connection_made(cast(asyncio.Transport, self._corked))
            self._head = self.loop.call_later(head_timeout, transport.close)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            self._corked.lost()
            if self._idle is not None:
                self._idle.cancel()
            super().connection_lost(exc)

        def _is_unread(self) -> bool:
            return self.cycle is not None and self.cycle.more_body

        def data_received(self, data: bytes) -> None:
            if self._corked.lingers:
                return
            if self._in_head:
                self._head_octets += len(data)
            self._reading = True
            try:
                super().data_received(data)
            finally:
                self._reading = False
            if self._next is not None:
                self._begin()
            if not self._in_head:
                return
            if self._head_octets > MAX_HEAD:
                self.transport.close()
            elif (self._begun or self._head_octets) and self._head is None:  # most heads come whole: no timer
                self._head = self.loop.call_later(head_timeout, self.transport.close)

        def on_message_begin(self) -> None:
            self._in_head = self._begun = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._stop()
            self._in_head, self._begun, self._head_octets = False, False, 0
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self._in_head = True

        def _stop(self) -> None:
            if self._head is not None:
                self._head.cancel()
                self._head = None

        # -- the answer -------------------------------------------------------------------------------------

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            cast(Any, cycle.scope)["extensions"] = {WHOLE: partial(self._whole, cycle)}
            if self._reading:
                self._next = cycle, app
            else:  # one of a pipeline: in a turn of its own, or a long one would be a deep stack
                super()._start_asgi_task(cycle, app)

        def _begin(self) -> None:
            """Carry out the request that was read: up to where it waits for something, or to its end."""
            (cycle, app), self._next = cast(Any, self._next), None
            self._beginning = True
            task = asyncio.Task(cycle.run_asgi(app), loop=self.loop, eager_start=True)
            self._beginning = False
            if not task.done():
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

        def _whole(self, cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> bool:
            """Write an answer; False, and nothing is done, when it must go the usual way."""
            if cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
                return False
            made = whole_answer(status, [*cycle.default_headers, *headers], body, cycle.scope["method"])
            if made is None:
                return False
            cycle.response_started = cycle.response_complete = True
            cycle.waiting_for_100_continue = False
            if not cycle.keep_alive:
                made = made.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
            if self._beginning:
                self._corked.with_others(made)
            else:  # it waited, for a commit mostly: the sooner the client asks again, the more share the next one
                self._corked.whole(made)
            cycle.message_event.set()
            if not cycle.keep_alive:
                self.transport.close()
            cycle.on_response()
            return True

        def on_response_complete(self) -> None:
            self.server_state.total_requests += 1
            if self.transport.is_closing():
                return
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
                return
            self._idle_since = self.loop.time()
            if self._idle is None:
                self._idle = self.loop.call_later(self.timeout_keep_alive, self._look_whether_idle)

        def _unset_keepalive_if_required(self) -> None:
            self._idle_since = None

        def _look_whether_idle(self) -> None:
            self._idle = None
            if self._idle_since is None:
                return  # the answer that is under way sets it again
            left = self._idle_since + self.timeout_keep_alive - self.loop.time()
            if left > 0:
                self._idle = self.loop.call_later(left, self._look_whether_idle)
            else:
                self.timeout_keep_alive_handler()

    return LimitedHead


def whole_answer(status: int, headers: Headers, body: bytes, method: str) -> bytes | None:
    """Head and body as octets; None for what no length frames, what ends the connection, or has a bad field."""
    parts = [STATUS_LINE[status]]
    framed = status in (204, 304)
    for name, value in headers:
        if name == b"content-length":
            if int(value) != len(body):
                return None
            framed = True
        elif name in (b"connection", b"transfer-encoding"):
            return None
        parts += (name, b": ", value, b"\r\n")
    head = b"".join(parts)
    # Each line has one CR LF of ours: any other control character came with a field.
    if not framed or len(head.translate(None, CONTROLS)) != len(head) - 2 * len(headers) - 2:
        return None
    return head + b"\r\n" + (b"" if method == "HEAD" else body)
