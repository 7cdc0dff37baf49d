"""First POSTs that only ask for work, and the sessions of which the SM-SR has heard nothing else (SGP.02 2.4.4).

Most requests of a fleet find nothing. Such a question holds nothing that could be lost, so it goes to an SM-SR of
the same process without a commit of ours. The session is recorded at its end, in one transaction with the word of
it to the SM-SR, or before its card is given anything.

Until then no answer to it counts as taken: after a crash the SM-SR delivers it again, it finds a session that no
transaction knows, and the SM-SR is told that this one is over. The card was given nothing, and polls again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from ferryman.codec.scp81_http import AdminRequest
from ferryman.contracts.es5 import HTTPSPosted
from ferryman.contracts.message import Header
from ferryman.contracts.roles import SM_SR
from ferryman.errors import Unavailable
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.transport_https import rows
from ferryman.transport_https.ends import END_GATHER, Ends
from ferryman.transport_https.rows import Ended
from ferryman.transport_https.session import Session
from ferryman.transport_https.shared_commits import SharedCommits


class _Asking:
    """A session without a row."""

    __slots__ = ("asked_at", "has_ended", "is_entered", "session", "waiters")

    def __init__(self, session: Session, asked_at: float) -> None:
        self.session = session
        self.asked_at = asked_at  # seconds since 1970
        self.is_entered = False  # a row was begun: it may be there, whatever became of that commit
        self.has_ended = False
        self.waiters: list[asyncio.Future[None]] = []  # answers that are not taken before there is a record

    @property
    def key(self) -> str:
        return self.session.eid or ""


class Questions:
    """What is asked without a commit, and when its session is recorded."""

    def __init__(self, mailbox: Mailbox, commits: SharedCommits, ends: Ends) -> None:
        self._mailbox = mailbox
        self._commits = commits
        self._ends = ends
        self._asking: dict[str, _Asking] = {}  # by session
        self._tasks: set[asyncio.Task[None]] = set()

    def is_one(self, session: Session, request: AdminRequest) -> bool:
        """Whether this POST only asks, and nothing that was said of its eUICC before is still on its way."""
        eid = session.eid
        return (
            session.requests == 1
            and not request.body
            and request.script_status is None
            and not request.notification
            and not request.resume
            and eid is not None
            and self._commits.is_clear(eid)
            and self._mailbox.is_near(SM_SR, eid)
        )

    def ask(
        self, session: Session, header: Header, message: HTTPSPosted, failed: Callable[[Exception], None]
    ) -> None:
        """Hands the question over now; `failed` when neither that nor its commit succeeds."""
        one = self._asking[session.id] = _Asking(session, self._mailbox.clock.now())
        work = self._hand_over(one, header, message, failed)
        # Eager: where the answer is at hand it is here when this returns.
        task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def enter(self, session_id: str, *, spacing: float) -> None:
        """The card is going to be given something: returns when its session is recorded; raises Unavailable."""
        one = self._asking.get(session_id)
        if one is not None:
            one.is_entered = True
            await self._commits.commit(partial(self._enter, one=one), key=one.key, spacing=spacing)

    def end(self, ended: Ended) -> bool:
        """The session is over; False when it has a row of its own."""
        one = self._asking.get(ended.session_id)
        if one is None:
            return False
        one.has_ended = True
        self._commits.insist(partial(self._end, one=one, ended=ended), key=ended.eid, within=END_GATHER)
        return True

    async def recorded(self, session_id: str) -> None:
        """Returns when there is a record of a session that asks in this run; raises Unavailable when it ends."""
        one = self._asking.get(session_id)
        if one is not None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            one.waiters.append(waiter)
            await waiter

    async def stop(self) -> None:
        """What has no record now gets none by this run; its answers are delivered to the next."""
        asking, self._asking = list(self._asking.values()), {}
        for waiter in (waiter for one in asking for waiter in one.waiters):
            if not waiter.done():
                waiter.set_exception(Unavailable("HTTPS transport (going down)"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hand_over(
        self, one: _Asking, header: Header, message: HTTPSPosted, failed: Callable[[Exception], None]
    ) -> None:
        try:
            await self._mailbox.hand_over(SM_SR, header, message)
        except Exception:  # whatever the SM-SR has against it: the outbox repeats, parks and raises the alarm
            if one.has_ended:
                return

            def unit(tx: Tx) -> None:
                self._enter(tx, one)
                tx.send(SM_SR, header, message)

            one.is_entered = True
            try:
                await self._commits.commit(unit, key=one.key, spacing=0.0)
            except Exception as problem:  # its place is the session of the card
                failed(problem)

    def _enter(self, tx: Tx, one: _Asking) -> None:
        rows.enter(tx.session, one.session, one.asked_at)
        tx.then(partial(self._recorded, one))

    def _end(self, tx: Tx, one: _Asking, ended: Ended) -> None:
        if not (one.is_entered and rows.close(tx.session, ended, tx.now)):
            rows.enter_closed(tx.session, one.session, one.asked_at, ended, tx.now)
        self._ends.tell(tx, ended)
        tx.then(partial(self._recorded, one))

    def _recorded(self, one: _Asking) -> None:
        self._asking.pop(one.session.id, None)
        waiters, one.waiters = one.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
