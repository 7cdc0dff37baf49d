"""The HTTPS transport as a role: carries POSTs of cards to the SM-SR and its answers back (SGP.02 ES5, SCP81).

A POST is committed before anybody waits for its answer, and a session that the SM-SR has heard of is reported
closed exactly as durably, also by the next run when this one dies. Nothing else is kept: an answer that finds no
card is dropped, because the SM-SR learns of the end and the card resumes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from itertools import batched
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Executable, delete, select
from structlog.contextvars import bound_contextvars

from ferryman.codec import ids, psk_identity
from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.contracts import crypto, es5
from ferryman.contracts.message import Header, decode
from ferryman.contracts.roles import SM_SR, TRANSPORT_HTTPS
from ferryman.errors import PeerError, Refused, Unavailable
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.crypto_client import CryptoClient
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.metrics import Metric, Sample
from ferryman.platform.tally import Seldom, Tally
from ferryman.transport_https import rows, schema
from ferryman.transport_https.es5_words import posted, response_of
from ferryman.transport_https.rows import Ended
from ferryman.transport_https.server import PSKServer
from ferryman.transport_https.session import CloseReason, HTTPSSettings, Refusal, Session
from ferryman.transport_https.workers import WorkerPool

SESSION_ID_OCTETS: Final = 12  # octets: an identifier that no card and no stranger can guess
ANSWER_MARGIN: Final = 10.0  # seconds the server waits longer than the role, for the commits on both sides
CLOSED_DEADLINE: Final = 7 * 86_400.0  # seconds during which the SM-SR still wants to know of an end
STOP_GRACE: Final = 5.0  # seconds for the last commits; what is missed the next run makes up for
CLOSE_GATHER: Final = 0.02  # seconds that an end waits for others to share its commit
CLOSE_BATCH: Final = 100  # sessions closed in one transaction: some milliseconds of the event loop
SESSION_KEEP: Final = 30 * 86_400.0  # seconds a closed session is kept for questions of operators
SESSION_SWEEP: Final = 86_400.0  # seconds between sweeps
REFUSED_LINES: Final = 100  # lines of the log about connections that never became sessions
REFUSED_PERIOD: Final = 60.0  # seconds
RESTARTED: Final = "restarted"  # reason of sessions that an earlier run had open

OPENED: Final = Metric("ferryman_https_sessions_total", "counter", "Sessions of eUICCs that proved their key.")
CLOSED: Final = Metric("ferryman_https_closed_total", "counter", "Sessions that ended, by the reason.")
REFUSED: Final = Metric("ferryman_https_refused_total", "counter", "Connections that never became sessions.")
POSTS: Final = Metric("ferryman_https_posts_total", "counter", "Requests of eUICCs.")
ANSWERS: Final = Metric("ferryman_https_answers_total", "counter", "Answers to eUICCs; late: none of the SM-SR.")
KEYS: Final = Metric("ferryman_https_keys_total", "counter", "Keys asked for, by the answer.")
WORKERS: Final = Metric("ferryman_https_workers", "gauge", "Worker processes that take connections.")
SPREAD: Final = Metric("ferryman_https_worker_sessions", "gauge", "Open sessions by worker process.")

log = structlog.get_logger("ferryman.transport_https")


class TransportHTTPS:
    """One HTTPS transport: the server for cards, and its messages with the SM-SR."""

    def __init__(
        self, *, mailbox: Mailbox, calls: Calls, settings: HTTPSSettings, clock: Clock, entropy: Entropy
    ) -> None:
        self.mailbox = mailbox
        self._settings = settings
        self.tally = Tally()
        self._seldom = Seldom(REFUSED_LINES, REFUSED_PERIOD)
        self._clock = clock
        self._entropy = entropy
        self._crypto = CryptoClient(calls, mailbox.role)
        self._waiting: dict[str, asyncio.Future[AdminResponse]] = {}  # by post_id
        self._commits: dict[str, asyncio.Task[None]] = {}  # the last commit of each open session
        self._tasks: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()
        self._ended: dict[str, list[Ended]] = {}  # not reported yet, by EID
        self._reporting = False
        self.server = self._server(replace(settings, answer_timeout=settings.answer_timeout + ANSWER_MARGIN))

    def _server(self, settings: HTTPSSettings) -> PSKServer | WorkerPool:
        """TLS and HTTP in this process, or in several of their own."""
        if settings.workers > 1:
            return WorkerPool(
                settings,
                lookup=self._lookup,
                handler=self._handle,
                on_open=self._on_open,
                on_closed=self._on_closed,
                on_alarm=self._on_alarm,
                on_refused=self._on_refused,
            )
        return PSKServer(
            settings,
            lookup=self._lookup,
            handler=self._handle,
            new_session_id=lambda: self._entropy(SESSION_ID_OCTETS).hex(),
            on_open=self._on_open,
            on_closed=self._on_closed,
            on_alarm=self._on_alarm,
            on_refused=self._on_refused,
            entropy=self._entropy,
        )

    def samples(self) -> list[Sample]:
        """What those who watch are shown."""
        found = self.tally.samples()
        if isinstance(self.server, WorkerPool):
            spread = self.server.spread
            found.append(Sample(WORKERS, self.server.listening))
            found += [Sample(SPREAD, count, (("worker", str(number)),)) for number, count in spread.items()]
        return found

    @property
    def ready(self) -> bool:
        """Whether eUICCs can connect to every part of it."""
        return not isinstance(self.server, WorkerPool) or self.server.is_whole

    async def start(self) -> None:
        """Reports the sessions of an earlier run as closed, then listens; raises Unavailable."""
        await self.mailbox.start()
        await self._close_earlier()
        self._spawn(self._sweep(), self._tasks)
        await self.server.start()

    async def stop(self) -> None:
        """Lets answers under way go out, ends all sessions and reports them."""
        await self.server.stop()
        if self._closings:
            await asyncio.wait(self._closings, timeout=STOP_GRACE)
        left = self._tasks | self._closings
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """One message of the SM-SR; raises PeerError when it is none that a card could be given.

        An answer needs no commit: it goes to the card now, or the card is gone and the SM-SR is told so again.
        """
        _, body = decode(raw, es5.TO_HTTPS_CODEC)
        if not isinstance(body, es5.HTTPSAnswer):
            raise PeerError(f"{type(body).__name__} is no message to {TRANSPORT_HTTPS}", field="type")
        response = response_of(body)
        waiting = self._waiting.get(body.post_id)
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(response)
            return
        log.info("answer without a card", session=body.session_id, post=body.post_id)
        await self._tell_again(body)

    # -- keys -------------------------------------------------------------------------------------------------

    async def _lookup(self, identity: bytes) -> bytes | None:
        try:
            card = psk_identity.parse(identity)
        except PeerError:
            return None
        if card.aid != ids.ISDR_AID:
            return None  # SGP.02: the key belongs to the ISD-R and to no other security domain
        question = crypto.GetPSK(eid=card.eid, key_version=card.key_version, key_id=card.key_id)
        handshake = f"psk/{self._entropy(SESSION_ID_OCTETS).hex()}"
        header = self._header(handshake, card.eid, self._settings.handshake_timeout)
        try:
            answer = await self._crypto.ask(header, question)
        except Unavailable:
            self.tally.add(KEYS, outcome="unavailable")
            raise
        except Refused as refusal:
            self.tally.add(KEYS, outcome="refused")
            log.warning("key refused", eid=card.eid, code=f"{refusal.subject}/{refusal.reason}")
            return None
        if not isinstance(answer, crypto.PSK):
            raise PeerError(f"{type(answer).__name__} is no answer to GetPSK", field="type")
        self.tally.add(KEYS, outcome="found" if answer.key else "none")
        return answer.key or None

    # -- POSTs ------------------------------------------------------------------------------------------------

    async def _handle(self, session: Session, request: AdminRequest) -> AdminResponse:
        number = session.requests
        # The SM-SR hears of the end of the card's last session before it hears of this one.
        former = self._ended.pop(session.eid or "", []) if number == 1 else []
        self.tally.add(POSTS)
        post_id = f"{session.id}/{number}"
        message = posted(session, request, post_id)
        header = self._header(post_id, message.eid, self._settings.answer_timeout)

        def unit(tx: Tx) -> None:
            if number == 1:
                self._close_all(tx, former)
                rows.enter(tx.session, session, tx.now)
            tx.send(SM_SR, header, message)

        # Registered first: the answer may be here before the commit of the question has come back to us.
        waiting = self._waiting[post_id] = asyncio.get_running_loop().create_future()
        try:
            with bound_contextvars(operation="POST", eid=message.eid):
                await self._commit(session.id, unit, former)
                return await self._answer_of(waiting, post_id)
        finally:
            del self._waiting[post_id]

    async def _answer_of(self, waiting: asyncio.Future[AdminResponse], post_id: str) -> AdminResponse:
        try:
            async with asyncio.timeout(self._settings.answer_timeout):
                response = await waiting
            self.tally.add(ANSWERS, kind="script" if response.body else "end")
            return response
        except TimeoutError:
            self.tally.add(ANSWERS, kind="late")
            # Not an error of the card: it is sent away in order, and the SM-SR calls it when there is work.
            log.warning("no answer of the SM-SR in time", post=post_id)
            return AdminResponse.end()

    def _commit(self, session_id: str, unit: Callable[[Tx], None], former: list[Ended]) -> asyncio.Future[None]:
        """Commits to the end even when the card leaves meanwhile: the letters of a commit must go on their way."""

        async def commit() -> None:
            try:
                await self.mailbox.transact(unit)
            except Unavailable:
                for one in former:
                    self._report_later(one)
                raise

        # Eager: it shares the commit of this turn of the loop.
        task = asyncio.Task(commit(), loop=asyncio.get_running_loop(), eager_start=True)
        self._commits[session_id] = task
        return asyncio.shield(task)

    # -- sessions ---------------------------------------------------------------------------------------------

    def _on_open(self, session: Session) -> None:
        self.tally.add(OPENED, suite=session.suite)
        log.info("session open", session=session.id, eid=session.eid, peer=session.peer, suite=session.suite)

    def _on_closed(self, session: Session) -> None:
        reason = session.close_reason or CloseReason.CONNECTION_LOST
        self.tally.add(CLOSED, reason=reason.value)
        log.info(
            "session closed",
            session=session.id,
            eid=session.eid,
            posts=session.requests,
            reason=reason.value,
            detail=session.detail,
        )
        if self._commits.pop(session.id, None) is not None:
            self._report_later(Ended(session.id, session.eid or "", reason.value))

    def _on_refused(self, refusal: Refusal) -> None:
        self.tally.add(REFUSED)
        hidden = self._seldom.allow(asyncio.get_running_loop().time())
        if hidden is None:
            return  # strangers on the Internet must not fill the disk
        identity = refusal.identity.decode("ascii", "backslashreplace")
        log.warning(
            "connection refused", peer=refusal.peer, identity=identity, reason=refusal.reason, not_shown=hidden
        )

    def _on_alarm(self, session: Session, text: str) -> None:
        log.error("session of one eUICC in the name of another", session=session.id, detail=text)
        self._spawn(self._audit(session.eid or "", session.id, text), self._tasks)

    def _report_later(self, ended: Ended) -> None:
        self._ended.setdefault(ended.eid, []).append(ended)
        if not self._reporting:
            self._reporting = True
            self._spawn(self._report_ended(), self._closings)

    async def _report_ended(self) -> None:
        """Reports ends; those of a moment share a commit. The next run reports what this one does not.

        Commits are made in the order in which they are asked for: the last POST of a session comes before its end.
        """
        while self._ended:
            await asyncio.sleep(CLOSE_GATHER)
            ended, self._ended = [one for card in self._ended.values() for one in card], {}
            for some in batched(ended, CLOSE_BATCH, strict=False):
                await self._persist(partial(self._close_all, ended=some))
        self._reporting = False

    async def _close_earlier(self) -> None:
        table = schema.session
        statement = select(table.c.id, table.c.eid).where(table.c.closed.is_(None)).limit(CLOSE_BATCH)
        while True:
            found = await self.mailbox.store.read(lambda c: c.execute(statement).all())
            if not found:
                return
            ended = [Ended(row.id, row.eid, RESTARTED) for row in found]
            await self.mailbox.transact(partial(self._close_all, ended=ended))

    def _close_all(self, tx: Tx, ended: Sequence[Ended]) -> None:
        for one in ended:
            if rows.close(tx.session, one, tx.now):
                self._send_closed(tx, f"{one.session_id}/closed", one)

    async def _tell_again(self, answer: es5.HTTPSAnswer) -> None:
        """The SM-SR believes in a session that is over: tells it once more, after what it was told before."""
        table = schema.session
        statement = select(table.c.eid, table.c.reason).where(
            table.c.id == answer.session_id, table.c.closed.is_not(None)
        )

        def unit(tx: Tx) -> None:
            row = tx.connection.execute(statement).first()
            if row is not None:
                self._send_closed(tx, f"{answer.post_id}/gone", Ended(answer.session_id, row.eid, row.reason))

        await self.mailbox.transact(unit)

    def _send_closed(self, tx: Tx, message: str, ended: Ended) -> None:
        body = es5.HTTPSClosed(session_id=ended.session_id, eid=ended.eid, reason=ended.reason)
        tx.send(SM_SR, self._header(message, ended.eid, CLOSED_DEADLINE), body)

    async def _audit(self, eid: str, session_id: str, detail: str) -> None:
        await self._persist(
            lambda tx: tx.audit(
                actor=TRANSPORT_HTTPS,
                action="SCP81.Session",
                eid=eid,
                object=session_id,
                outcome="alarm",
                detail=detail,
            )
        )

    async def _sweep(self) -> None:
        """Forgets sessions that nobody asks about any more."""
        table = schema.session
        while True:
            old = delete(table).where(table.c.closed < self._clock.now() - SESSION_KEEP)
            try:
                await self.mailbox.store.write(partial(_execute, statement=old), long=True)
            except Unavailable:
                log.warning("old sessions not forgotten")
            await asyncio.sleep(SESSION_SWEEP)

    # -- small things -------------------------------------------------------------------------------------------

    async def _persist(self, unit: Callable[[Tx], None]) -> None:
        """Commits a unit whose repeat is harmless, as often as it takes."""
        while True:
            try:
                await self.mailbox.transact(unit)
            except Unavailable as problem:
                await asyncio.sleep(problem.retry_after)
            else:
                return

    def _header(self, name: str, eid: str, lifetime: float) -> Header:
        return Header(
            message_id=f"{self.mailbox.role}/{name}",
            sender=self.mailbox.role,
            requester=TRANSPORT_HTTPS,
            function_call_id=name,
            deadline=self._clock.now() + lifetime,
            eid=eid,
        )

    def _spawn(self, work: Coroutine[Any, Any, None], group: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        group.add(task)
        task.add_done_callback(group.discard)
        task.add_done_callback(_report_failure)


def _execute(connection: Connection, statement: Executable) -> None:
    connection.execute(statement)


def _report_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (problem := task.exception()) is not None:
        log.error("task failed", error=type(problem).__name__, exc_info=problem)
