"""The HTTPS transport as a role: carries POSTs of cards to the SM-SR and its answers back (SGP.02 ES5, SCP81).

A POST is committed before anybody waits for its answer, but for one that only asks (`questions`). A session that
the SM-SR has heard of is reported closed exactly as durably, also by the next run when this one dies (`ends`).
Nothing else is kept: an answer that finds no card is dropped, because the SM-SR learns of the end and the card
resumes.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Executable, delete

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
from ferryman.transport_https.contexts import SUITE_NAMES
from ferryman.transport_https.deadlines import Deadlines
from ferryman.transport_https.ends import END_GATHER, Ends
from ferryman.transport_https.es5_words import header_of, posted, response_of
from ferryman.transport_https.questions import Questions
from ferryman.transport_https.rows import Ended
from ferryman.transport_https.server import PSKServer
from ferryman.transport_https.session import (
    SESSION_ID_OCTETS,
    CloseReason,
    HTTPSSettings,
    Refusal,
    Session,
    make_session_id,
)
from ferryman.transport_https.shared_commits import SharedCommits
from ferryman.transport_https.workers import WorkerPool

RUN_ID_OCTETS: Final = 12  # octets: names one run; its questions for keys are numbered
ANSWER_MARGIN: Final = 10.0  # seconds the server waits longer than the role, for the commits on both sides
STOP_GRACE: Final = 5.0  # seconds for the last commits; what is missed the next run makes up for
ASK_SPACING: Final = 0.05  # seconds between commits of first POSTs; those that come meanwhile share the next one
POST_SPACING: Final = 0.02  # seconds likewise where a card has something to say: more of them follow
FEW_SESSIONS: Final = 8  # sessions whose POSTs do not wait for each other
SESSION_KEEP: Final = 30 * 86_400.0  # seconds a closed session is kept for questions of operators
SESSION_SWEEP: Final = 86_400.0  # seconds between sweeps
REFUSED_LINES: Final = 100  # lines of the log about connections that never became sessions
REFUSED_PERIOD: Final = 60.0  # seconds

OPENED: Final = Metric("ferryman_https_sessions_total", "counter", "Sessions of eUICCs that proved their key.")
CLOSED: Final = Metric("ferryman_https_closed_total", "counter", "Sessions that ended, by the reason.")
REFUSED: Final = Metric("ferryman_https_refused_total", "counter", "Connections that never became sessions.")
POSTS: Final = Metric("ferryman_https_posts_total", "counter", "Requests of eUICCs.")
ANSWERS: Final = Metric("ferryman_https_answers_total", "counter", "Answers to eUICCs; late: none of the SM-SR.")
KEYS: Final = Metric("ferryman_https_keys_total", "counter", "Keys asked for, by the answer.")
WORKERS: Final = Metric("ferryman_https_workers", "gauge", "Worker processes that take connections.")
SPREAD: Final = Metric("ferryman_https_worker_sessions", "gauge", "Open sessions by worker process.")

log = structlog.get_logger("ferryman.transport_https")


class _Asked:
    """A POST that waits for the answer of the SM-SR; None when that does not come in time."""

    __slots__ = ("answer", "wait")

    def __init__(self) -> None:
        self.answer: asyncio.Future[AdminResponse | None] = asyncio.get_running_loop().create_future()
        self.wait: float | None = None  # of `Deadlines`

    def answered(self, response: AdminResponse) -> None:
        """The answer, or the same one once more."""
        if not self.answer.done():
            self.answer.set_result(response)

    def failed(self, problem: Exception) -> None:
        """There will be none: the question could not be asked."""
        if not self.answer.done():
            self.answer.set_exception(problem)

    def deadline_passed(self) -> None:
        """No answer came."""
        if not self.answer.done():
            self.answer.set_result(None)


class TransportHTTPS:
    """One HTTPS transport: the server for cards, and its messages with the SM-SR."""

    def __init__(
        self, *, mailbox: Mailbox, calls: Calls, settings: HTTPSSettings, clock: Clock, entropy: Entropy
    ) -> None:
        self.mailbox = mailbox
        self._log = log.bind()  # made once: to find out each time that nobody wants to hear costs more
        self._settings = settings
        self.tally = Tally()
        self._keys_found = self.tally.counter(KEYS, outcome="found")
        self._posts = self.tally.counter(POSTS)
        self._scripts = self.tally.counter(ANSWERS, kind="script")
        self._dismissals = self.tally.counter(ANSWERS, kind="end")
        self._opened = {suite: self.tally.counter(OPENED, suite=suite) for suite in SUITE_NAMES}
        self._closed = {reason: self.tally.counter(CLOSED, reason=reason.value) for reason in CloseReason}
        self._seldom = Seldom(REFUSED_LINES, REFUSED_PERIOD)
        self._clock = clock
        self._entropy = entropy
        self._crypto = CryptoClient(calls, mailbox.role)
        self._lookups = f"psk/{entropy(RUN_ID_OCTETS).hex()}/"
        self._numbers = itertools.count(1)
        self._waiting: dict[str, _Asked] = {}  # by post_id
        self._deadlines: Deadlines | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._posted: set[str] = set()  # open sessions that the SM-SR is told of
        self._commits = SharedCommits(mailbox)
        self._ends = Ends(mailbox)
        self._questions = Questions(mailbox, self._commits, self._ends)
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
            new_session_id=lambda: make_session_id(self._clock.now(), self._entropy(SESSION_ID_OCTETS)),
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
        self._deadlines = Deadlines(asyncio.get_running_loop())
        await self.mailbox.start()
        await self._ends.report_earlier()
        self._spawn(self._sweep())
        await self.server.start()

    async def stop(self) -> None:
        """Lets answers under way go out, ends all sessions and reports them."""
        await self.server.stop()
        await self._commits.stop(STOP_GRACE)
        await self._questions.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._deadlines is not None:
            self._deadlines.close()
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """One message of the SM-SR; raises PeerError when it is none that a card could be given.

        An answer needs no commit: it goes to the card now, or the card is gone and the SM-SR is told so again. It
        is taken when there is a record of its session: without one the SM-SR would never hear of the end.
        """
        header, body = decode(raw, es5.TO_HTTPS_CODEC)
        if not isinstance(body, es5.HTTPSAnswer):
            raise PeerError(f"{type(body).__name__} is no message to {TRANSPORT_HTTPS}", field="type")
        response = response_of(body)
        asked = self._waiting.get(body.post_id)
        if asked is not None:
            asked.answered(response)
            await self._questions.recorded(body.session_id)
            return
        self._log.info("answer without a card", session=body.session_id, post=body.post_id)
        await self._questions.recorded(body.session_id)
        await self._ends.tell_again(body, header.eid)

    # -- keys -------------------------------------------------------------------------------------------------

    def _lookup(self, identity: bytes) -> Coroutine[Any, Any, bytes | None] | None:
        """Strangers are answered at once: what is no identity of a card has no key."""
        try:
            card = psk_identity.parse(identity)
        except PeerError:
            return None
        if card.aid != ids.ISDR_AID:
            return None  # SGP.02: the key belongs to the ISD-R and to no other security domain
        return self._key_of(card)

    async def _key_of(self, card: psk_identity.PSKIdentity) -> bytes | None:
        question = crypto.GetPSK(eid=card.eid, key_version=card.key_version, key_id=card.key_id)
        handshake = f"{self._lookups}{next(self._numbers)}"
        deadline = self._clock.now() + self._settings.handshake_timeout
        header = header_of(self.mailbox.role, handshake, card.eid, deadline)
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
        if not answer.key:
            self.tally.add(KEYS, outcome="none")
            return None
        self._keys_found.count += 1
        return answer.key

    # -- POSTs ------------------------------------------------------------------------------------------------

    async def _handle(self, session: Session, request: AdminRequest) -> AdminResponse:
        number = session.requests
        self._posts.count += 1
        post_id = f"{session.id}/{number}"
        message = posted(session, request, post_id)
        deadline = self._clock.now() + self._settings.answer_timeout
        header = header_of(self.mailbox.role, post_id, message.eid, deadline)

        # Registered first: the answer may be here before the commit of the question has come back to us.
        asked = self._waiting[post_id] = _Asked()
        try:
            self._posted.add(session.id)
            few = len(self._posted) <= FEW_SESSIONS
            if self._questions.is_one(session, request):
                self._questions.ask(session, header, message, asked.failed)
            else:
                spacing = 0.0 if few else ASK_SPACING if number == 1 else POST_SPACING
                unit = partial(_post, session=session, first=number == 1, header=header, message=message)
                await self._commits.commit(unit, key=message.eid, spacing=spacing)
            response = await self._answer_to(asked, header)
            if response.body or response.next_uri is not None:
                # A card that has something in its hands is one that the next run must know of.
                await self._questions.enter(session.id, spacing=0.0 if few else POST_SPACING)
            return response
        finally:
            del self._waiting[post_id]

    async def _answer_to(self, asked: _Asked, header: Header) -> AdminResponse:
        if self._deadlines is None:
            raise RuntimeError("not started")
        if asked.answer.done():
            response = asked.answer.result()
        else:
            self._deadlines.begin(asked, self._settings.answer_timeout)
            try:
                response = await asked.answer
            finally:
                self._deadlines.end(asked)
        if response is None:
            self.tally.add(ANSWERS, kind="late")
            # Not an error of the card: it is sent away in order, and the SM-SR calls it when there is work.
            post = header.function_call_id
            log.warning("no answer of the SM-SR in time", operation="POST", eid=header.eid, post=post)
            return AdminResponse.end()
        (self._scripts if response.body else self._dismissals).count += 1
        return response

    # -- sessions ---------------------------------------------------------------------------------------------

    def _on_open(self, session: Session) -> None:
        self._opened[session.suite].count += 1
        self._log.info("session open", session=session.id, eid=session.eid, peer=session.peer, suite=session.suite)

    def _on_closed(self, session: Session) -> None:
        reason = session.close_reason or CloseReason.CONNECTION_LOST
        self._closed[reason].count += 1
        self._log.info(
            "session closed",
            session=session.id,
            eid=session.eid,
            posts=session.requests,
            reason=reason.value,
            detail=session.detail,
        )
        if session.id in self._posted:
            self._posted.discard(session.id)
            # Behind its POSTs, and before whatever the card says next: commits keep the order.
            ended = Ended(session.id, session.eid or "", reason.value)
            if not self._questions.end(ended):
                self._commits.insist(partial(self._ends.close, ended=ended), key=ended.eid, within=END_GATHER)

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
        self._spawn(self._audit(session.eid or "", session.id, text))

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

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_report_failure)


def _post(tx: Tx, session: Session, first: bool, header: Header, message: es5.HTTPSPosted) -> None:
    if first:
        rows.enter(tx.session, session, tx.now)
    tx.send(SM_SR, header, message)


def _execute(connection: Connection, statement: Executable) -> None:
    connection.execute(statement)


def _report_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (problem := task.exception()) is not None:
        log.error("task failed", error=type(problem).__name__, exc_info=problem)
