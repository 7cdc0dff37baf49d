"""One TCP connection of a card: drives the TLS pump and the HTTP exchange, holds the deadlines.

All time comes from the event loop. Every path out of here ends in `_finish`, which reports the session once,
and in a closed socket at the latest `close_timeout` later.
"""

from __future__ import annotations

import asyncio
import math
from enum import Enum
from typing import Final, Protocol

from ferryman.codec import psk_identity
from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.errors import PeerError, Refused, Unavailable
from ferryman.transport_https.deadlines import Deadlines
from ferryman.transport_https.framing import BadRequest, HTTPExchange
from ferryman.transport_https.look_up import look_up
from ferryman.transport_https.pump import ALERT_INTERNAL_ERROR, ImpossibleKey, State, TLSPump
from ferryman.transport_https.session import CloseReason, Hooks, HTTPSSettings, Refusal, Session
from ferryman.transport_https.wire import Wire

MAX_DISCARDED_OCTETS: Final = 65_536  # octets thrown away while we wait for the peer to close
RETRY_AFTER: Final = 10  # seconds named in 503 when we do not know better


class Phase(Enum):
    """What the connection is waiting for."""

    HANDSHAKE = "handshake"
    REQUEST = "request"
    ANSWER = "answer"
    CLOSING = "closing"


class Registry(Protocol):
    """What a connection needs of its server."""

    @property
    def settings(self) -> HTTPSSettings: ...
    @property
    def hooks(self) -> Hooks: ...
    def new_pump(self) -> TLSPump: ...
    def new_session_id(self) -> str: ...
    def admit(self, connection: CardConnection) -> bool: ...
    def authenticated(self, connection: CardConnection, session: Session) -> None: ...
    def forget(self, connection: CardConnection) -> None: ...
    def gone(self, connection: CardConnection) -> None: ...


class CardConnection:
    """What a card says on one `Wire`, and what it is told."""

    __slots__ = (
        "_deadlines",
        "_discarded",
        "_draining",
        "_ended",
        "_finished",
        "_http",
        "_identity",
        "_loop",
        "_peer",
        "_phase",
        "_pump",
        "_server",
        "_task",
        "_wire",
        "session",
        "wait",
    )

    def __init__(
        self, server: Registry, loop: asyncio.AbstractEventLoop, deadlines: Deadlines, wire: Wire, peer: str
    ) -> None:
        self.session: Session | None = None
        self.wait: float | None = None  # of `deadlines`
        self._server = server
        self._loop = loop
        self._deadlines = deadlines
        self._wire: Wire | None = wire
        self._peer = peer
        self._phase = Phase.HANDSHAKE
        self._pump = server.new_pump()
        self._http: HTTPExchange | None = None  # from the first plaintext on: most strangers never send any
        self._identity = b""
        self._task: asyncio.Task[None] | asyncio.Task[bytes | None] | None = None
        self._discarded = 0
        self._ended = False  # we have told the card that there is no more work
        self._draining = False
        self._finished = False

    def begin(self) -> None:
        """Listens to the card, when the server lets it in."""
        wire = self._wire
        if wire is None:
            raise RuntimeError("begun before")
        if self._server.admit(self):
            self._deadlines.begin(self, self._server.settings.handshake_timeout)
            wire.open(self)
        else:
            wire.open(self)
            self._finish(CloseReason.STOPPED, "connection limit")
            wire.abort()

    # what the wire says

    def data_received(self, data: bytes) -> None:
        """Octets of the card."""
        if self._phase is Phase.CLOSING:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED_OCTETS:
                self._abort()
            return
        self._pump.receive(data, self)
        self._flush()

    def eof_received(self) -> None:
        """The wire closes itself now; a cut without close_notify is a lost connection."""
        self._finish(CloseReason.CONNECTION_LOST, "end of stream without close_notify")

    def connection_lost(self, problem: OSError | None) -> None:
        """Nothing comes any more."""
        if not self._finished:
            self._finish(CloseReason.CONNECTION_LOST, "" if problem is None else type(problem).__name__)
        self._deadlines.end(self)
        self._phase = Phase.CLOSING
        self._wire = None
        self._server.gone(self)

    # for the server

    def end(self, reason: CloseReason, detail: str = "") -> None:
        """Ends the session now: close_notify, then the socket."""
        if self._phase is not Phase.CLOSING:
            self._close(reason, detail)

    def drain(self) -> None:
        """Ends the session as soon as no answer is outstanding."""
        self._draining = True
        if self._phase is not Phase.ANSWER:
            self.end(CloseReason.STOPPED)

    def abort(self) -> None:
        """Drops the connection without a word."""
        self._finish(CloseReason.STOPPED, "dropped")
        self._abort()

    # what the pump says

    def identity_known(self, identity: bytes) -> None:
        """The card waits for us to know its key."""
        self._identity = identity
        waiting = look_up(self._server.hooks.lookup, identity, self._take_key, self._loop)
        # With a key that is at hand all that the octets say has been done by now, and a request may be under way.
        if waiting is not None:
            self._task = waiting
            if self._wire is not None:
                self._wire.pause()  # until the key is here

    def handshake_done(self, suite: str) -> None:
        """The card has proved its key."""
        octets = self._identity
        try:
            identity = psk_identity.parse(octets)
        except PeerError:
            identity = None
        server, now = self._server, self._loop.time()
        session = Session(server.new_session_id(), identity, octets, self._peer, now, suite)
        self._phase = Phase.REQUEST
        self._deadlines.begin(self, server.settings.idle_timeout)
        server.authenticated(self, session)
        self.session = session
        server.hooks.on_open(session)

    def plaintext_received(self, data: bytes) -> None:
        """What the card says under its key."""
        if self._phase is Phase.CLOSING:
            return
        exchange = self._exchange
        fresh = not exchange.in_request
        try:
            request = exchange.feed(data)
        except BadRequest as problem:
            self._refuse(problem.status, CloseReason.BAD_REQUEST, str(problem))
            return
        if request is not None:
            self._on_request(request)
        elif fresh and exchange.in_request:
            self._deadlines.begin(self, self._server.settings.request_timeout)

    def peer_finished(self) -> None:
        """The card has nothing more to say."""
        self._close(CloseReason.COMPLETED if self._ended else CloseReason.PEER_CLOSED, peer_is_done=True)

    def tls_failed(self, reason: str) -> None:
        """The octets are no TLS, or not under the key of this card."""
        self._close(CloseReason.TLS_ERROR, reason)

    def _take_key(self, key: bytes | None, problem: BaseException | None) -> None:
        waited, self._task = self._task is not None, None
        if self._phase is Phase.CLOSING:
            return
        if problem is None:
            try:
                self._pump.supply_key(key, self)
            except ImpossibleKey as impossible:
                problem = impossible
        if isinstance(problem, Unavailable):
            # No guess: neither "unknown" nor "wrong key" is true, and the card tries again by its own policy.
            self._pump.abandon(ALERT_INTERNAL_ERROR)
            self._close(CloseReason.TLS_ERROR, str(problem))
        elif problem is not None:
            self._report_bug(problem)
        elif waited:
            if self._wire is not None:
                self._wire.resume()
            self._flush()

    # requests and their answers

    def _on_request(self, request: AdminRequest) -> None:
        session = self._live_session()
        named = request.admin_from.eid
        if named is not None and session.eid is not None and named != session.eid:
            text = f"PSK identity of {session.eid}, X-Admin-From of {named}"
            self._server.hooks.on_alarm(session, text)
            self._close(CloseReason.EID_MISMATCH, text)
            return
        session.requests += 1
        self._phase = Phase.ANSWER
        self._deadlines.begin(self, self._server.settings.answer_timeout)
        # Eager: what need not wait is done here and now, without a turn of the loop.
        task = asyncio.Task(self._answer(session, request), loop=self._loop, eager_start=True)
        if task.done():
            self._on_answered(task)
            return
        self._task = task
        task.add_done_callback(self._on_answered)

    async def _answer(self, session: Session, request: AdminRequest) -> None:
        try:
            response = await self._server.hooks.handler(session, request)
        except Unavailable as problem:
            wait = max(1, math.ceil(problem.retry_after))
            self._refuse(503, CloseReason.ANSWER_FAILED, str(problem), retry_after=wait)
        except Refused as problem:
            self._refuse(403, CloseReason.ANSWER_FAILED, str(problem))
        except PeerError as problem:
            self._refuse(400, CloseReason.BAD_REQUEST, str(problem))
        else:
            self._send_answer(response)

    def _send_answer(self, response: AdminResponse) -> None:
        if self._phase is not Phase.ANSWER:
            return
        settings = self._server.settings
        self._pump.send(self._exchange.answer(response, close=self._draining))
        self._ended = response.ends_session
        if self._draining:
            self._close(CloseReason.STOPPED)
        elif self._exchange.must_close or (self._ended and not response.body):
            # Live cards want close_notify after 204 and then to close by themselves.
            self._close(CloseReason.COMPLETED)
        else:
            self._phase = Phase.REQUEST
            wait = settings.close_timeout if self._ended else settings.idle_timeout
            self._deadlines.begin(self, wait)
            self._flush()

    def _refuse(self, status: int, reason: CloseReason, detail: str, *, retry_after: int | None = None) -> None:
        if self._phase is Phase.CLOSING:
            return
        octets = self._exchange.refuse(status, retry_after=retry_after)
        if octets and self._pump.state is State.OPEN:
            self._pump.send(octets)
        self._close(reason, detail)

    # ending

    def deadline_passed(self) -> None:
        """What it waited for did not come."""
        if self._phase is Phase.CLOSING:
            self._leave()
        elif self._phase is Phase.ANSWER:
            self._refuse(503, CloseReason.ANSWER_FAILED, "no answer in time", retry_after=RETRY_AFTER)
        elif self._phase is Phase.HANDSHAKE:
            # A peer that has not proved anything gets no answer either.
            self._finish(CloseReason.IDLE, "handshake deadline")
            self._abort()
        else:
            self._close(CloseReason.COMPLETED if self._ended else CloseReason.IDLE)

    def _close(self, reason: CloseReason, detail: str = "", *, peer_is_done: bool = False) -> None:
        """Says good-bye on every level, reports the session, and gives the peer `close_timeout` to go."""
        if self._phase is Phase.CLOSING:
            return
        self._pump.close()
        self._flush()
        self._phase = Phase.CLOSING
        self._finish(reason, detail)
        wire = self._wire
        if wire is None or wire.is_closing:
            return
        self._deadlines.begin(self, self._server.settings.close_timeout)
        if peer_is_done:
            wire.close()
            return
        # Closing a socket with unread octets resets it and the peer would lose our alert: read on, discard.
        if reason is not CloseReason.COMPLETED:
            wire.write_eof()
        wire.resume()

    def _leave(self) -> None:
        wire = self._wire
        if wire is not None and not wire.pending:
            wire.close()
        else:
            self._abort()

    def _finish(self, reason: CloseReason, detail: str) -> None:
        if self._finished:
            return
        self._finished = True
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task(self._loop):
            task.cancel()
        self._server.forget(self)
        if self.session is None:
            self._server.hooks.on_refused(Refusal(self._peer, self._identity, detail or reason.value))
            return
        self.session.close_reason = reason
        self.session.detail = detail
        self._server.hooks.on_closed(self.session)

    def _abort(self) -> None:
        self._deadlines.end(self)
        self._phase = Phase.CLOSING
        if self._wire is not None:
            self._wire.abort()

    # small things

    @property
    def _exchange(self) -> HTTPExchange:
        if self._http is None:
            eid = None if self.session is None else self.session.eid
            self._http = HTTPExchange(self._server.settings.framing_for(eid))
        return self._http

    def _on_answered(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        problem = None if task.cancelled() else task.exception()
        if problem is not None:
            self._report_bug(problem)

    def _report_bug(self, problem: BaseException) -> None:
        """A bug of ours or of a hook: tell the loop's handler, tell the card nothing but "error"."""
        self._loop.call_exception_handler(
            {"message": "HTTPS transport: work for a card failed", "exception": problem}
        )
        if self._phase is Phase.ANSWER:
            self._refuse(500, CloseReason.ANSWER_FAILED, "internal error")
        else:
            self._pump.abandon(ALERT_INTERNAL_ERROR)
            self._close(CloseReason.TLS_ERROR, "internal error")

    def _live_session(self) -> Session:
        if self.session is None:
            raise RuntimeError("no session before the handshake is done")
        return self.session

    def _flush(self) -> None:
        octets = self._pump.take_output()
        if octets and self._wire is not None:
            self._wire.write(octets)
