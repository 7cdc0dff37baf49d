"""What two people must want: asked for by one, approved by another in time, carried out exactly once.

An approval is a row that moves waiting -> approved -> done or failed (or waiting -> rejected, or it expires). What
is to be done is stored with it. Approving commits first; then the deed is asked for under a call identifier that
follows from the approval, so that the same call after a crash in between finds the first one. A deed in this
role's own tables is done in the transaction that notes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, insert, select, update

from ferryman.contracts import codes
from ferryman.errors import FerrymanError, Refused, Unavailable
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.rest_api.bodies_people import Approval
from ferryman.rest_api.endpoint import Absent
from ferryman.rest_api.principal import ACCOUNT, Principal
from ferryman.rest_api.rights import may
from ferryman.rest_api.schema import approval
from ferryman.rest_api.standing import still_may

ID_OCTETS = 8
WAITING, APPROVED, REJECTED, DONE, FAILED, EXPIRED = (
    "waiting", "approved", "rejected", "done", "failed", "expired"
)  # fmt: skip
AGAIN = 5.0  # s until a deed is asked for again when its role was away
MAX_OPEN = 200  # of one tenant: a list that somebody reads

log = structlog.get_logger("ferryman.rest_api")


@dataclass(frozen=True, slots=True)
class Deed:
    """What an approval carries out: by a call to a role (`call`), or in our own tables (`here`).

    `call` gets the request, in whose name, and the call identifier; its answer is kept as the result.
    """

    action: str
    scope: str
    call: Callable[[Any, str, str], Awaitable[object]] | None = None
    here: Callable[[Tx, Any, str], object] | None = None


class ApprovalBook:
    """The approvals of this installation."""

    def __init__(
        self, *, mailbox: Mailbox, clock: Clock, entropy: Entropy, hours: float, deeds: tuple[Deed, ...]
    ) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._entropy = entropy
        self._seconds = hours * 3600.0
        self._deeds = {deed.action: deed for deed in deeds}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def start(self) -> None:
        """Take up what was approved and perhaps not done."""
        statement = select(approval.c.id).where(approval.c.state == APPROVED)
        for found in await self._mailbox.store.read(lambda c: list(c.execute(statement).scalars())):
            self._carry_out(found)

    async def stop(self) -> None:
        """What is approved stays so."""
        self._stopping = True
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    # -- asking -------------------------------------------------------------------------------------------------

    async def ask(self, who: Principal, action: str, request: object, sentence: str, call_id: str) -> Approval:
        """Enter what somebody wants; the same call identifier again finds the same. Raises Refused."""
        deed = self._deeds[action]
        name = call_id[: 2 * ID_OCTETS] if call_id else self._entropy(ID_OCTETS).hex()

        def unit(tx: Tx) -> Row[Any]:
            found = tx.connection.execute(select(approval).where(approval.c.id == name)).first()
            if found is not None:
                return found
            waiting = select(approval.c.id).where(
                approval.c.tenant == who.tenant, approval.c.state == WAITING, approval.c.expires > tx.now
            )
            if len(tx.connection.execute(waiting.limit(MAX_OPEN)).all()) == MAX_OPEN:
                raise Refused(*codes.BUSY, f"{MAX_OPEN} requests wait for approval already")
            tx.connection.execute(
                insert(approval).values(
                    id=name,
                    action=action,
                    scope=deed.scope,
                    tenant=who.tenant,
                    request=msgspec.json.encode(request),
                    sentence=sentence,
                    asked_by=who.actor,
                    asked_hand=" ".join(sorted(who.hands)),
                    asked_at=tx.now,
                    expires=tx.now + self._seconds,
                    state=WAITING,
                    decided_by="",
                    decided_at=0.0,
                    result=b"",
                    problem="",
                )
            )
            tx.audit(actor=who.actor, action=f"ask {action}", object=name, outcome="waiting", detail=sentence)
            return _require(tx, name)

        return self._view(await self._mailbox.transact(unit))

    # -- deciding -----------------------------------------------------------------------------------------------

    async def decide(self, who: Principal, name: str, *, approve: bool) -> Approval:
        """Approve or reject; once, in time, by another person who has the right too. Raises Refused, Absent."""

        def unit(tx: Tx) -> Row[Any]:
            row = _require(tx, name)
            if row.tenant != who.tenant:
                raise Absent("approval", name)
            _other_person(who, row)
            if row.state != WAITING or row.expires <= tx.now:
                state = EXPIRED if row.state == WAITING else row.state
                raise Refused(*codes.EXPIRED, f"the request is {state}", identifier=name)
            if approve and not still_may(tx.connection, row.asked_by, row.tenant, row.scope, tx.now):
                raise Refused(*codes.EXPIRED, f"{row.asked_by}, who asked, may not ask for it any more: reject it")
            state = APPROVED if approve else REJECTED
            tx.connection.execute(
                update(approval)
                .where(approval.c.id == name, approval.c.state == WAITING)
                .values(state=state, decided_by=who.actor, decided_at=tx.now)
            )
            tx.audit(
                actor=who.actor, action=f"decide {row.action}", object=name, outcome=state, detail=row.asked_by
            )
            return _require(tx, name)

        row = await self._mailbox.transact(unit)
        if row.state == APPROVED:
            await asyncio.shield(self._carry_out(name))
        return await self.show(who, name)

    def _carry_out(self, name: str) -> asyncio.Task[None]:
        """One task for each approval, however often it is asked for."""
        if name not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._once(name), name=f"approval {name}")
            self._tasks[name] = task
            task.add_done_callback(lambda _: self._tasks.pop(name, None))
        return self._tasks[name]

    async def _once(self, name: str) -> None:
        """Do it, and note what came of it; when the role or our database is away, later."""
        try:
            await self._do(name)
        except Unavailable:
            asyncio.get_running_loop().call_later(AGAIN, self._again, name)

    async def _do(self, name: str) -> None:
        row = await self._mailbox.transact(lambda tx: _require(tx, name))
        deed = self._deeds[row.action]
        request = msgspec.json.decode(row.request)
        if deed.call is None:
            await self._mailbox.transact(lambda tx: self._here(tx, name, deed, request))
            return
        try:
            answer = await deed.call(request, row.tenant, f"approval-{name}")
        except Unavailable:
            raise
        except FerrymanError as raised:
            problem = str(raised)
            await self._mailbox.transact(lambda tx: _end(tx, name, FAILED, problem=problem))
            return
        await self._mailbox.transact(lambda tx: _end(tx, name, DONE, result=answer))

    def _again(self, name: str) -> None:
        if not self._stopping:
            self._carry_out(name)

    def _here(self, tx: Tx, name: str, deed: Deed, request: object) -> None:
        row = _require(tx, name)
        if row.state != APPROVED or deed.here is None:
            return
        try:
            _end(tx, name, DONE, result=deed.here(tx, request, row.decided_by))
        except Refused as refusal:
            _end(tx, name, FAILED, problem=str(refusal))

    # -- looking ------------------------------------------------------------------------------------------------

    async def show(self, who: Principal, name: str) -> Approval:
        """One; raises Absent for another tenant's."""
        row = await self._mailbox.store.read(
            lambda c: c.execute(select(approval).where(approval.c.id == name)).first()
        )
        if row is None or row.tenant != who.tenant:
            raise Absent("approval", name)
        return self._view(row)

    async def page(self, tenant: str, state: str, before: int, limit: int) -> tuple[tuple[int, Approval], ...]:
        """The last ones, each with its number; those older than `before` (0: the last)."""
        now = self._clock.now()
        statement = (
            select(approval).where(approval.c.tenant == tenant).order_by(approval.c.seq.desc()).limit(limit)
        )
        if before:
            statement = statement.where(approval.c.seq < before)
        if state == WAITING:
            statement = statement.where(approval.c.state == WAITING, approval.c.expires > now)
        elif state == EXPIRED:
            statement = statement.where(approval.c.state == WAITING, approval.c.expires <= now)
        elif state:
            statement = statement.where(approval.c.state == state)
        rows = await self._mailbox.store.read(lambda c: list(c.execute(statement)))
        return tuple((row.seq, self._view(row)) for row in rows)

    def _view(self, row: Row[Any]) -> Approval:
        late = row.state == WAITING and row.expires <= self._clock.now()
        return Approval(
            approval_id=row.id,
            action=row.action,
            sentence=row.sentence,
            request=msgspec.json.decode(row.request),
            asked_by=row.asked_by,
            asked_at=row.asked_at,
            expires=row.expires,
            state=EXPIRED if late else row.state,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            result=msgspec.json.decode(row.result) if row.result else None,
            problem=row.problem,
        )


def _other_person(who: Principal, row: Row[Any]) -> None:
    """Raises Refused for who asked himself, or has the asker's account or key in his hand."""
    if who.kind != ACCOUNT:
        raise Refused(*codes.REQUESTER_NOT_ALLOWED, "a person decides, who has logged in; not an API key")
    if who.hands & {row.asked_by, *row.asked_hand.split()}:
        raise Refused(*codes.REQUESTER_NOT_ALLOWED, "who asked cannot approve: it takes another person")
    if not may(who, row.scope):
        raise Refused(*codes.REQUESTER_NOT_ALLOWED, f"whoever decides this needs the right {row.scope} himself")


def _require(tx: Tx, name: str) -> Row[Any]:
    row = tx.connection.execute(select(approval).where(approval.c.id == name)).first()
    if row is None:
        raise Absent("approval", name)
    return row


def _end(tx: Tx, name: str, state: str, *, result: object = None, problem: str = "") -> None:
    """Note the end, once."""
    done = tx.connection.execute(
        update(approval)
        .where(approval.c.id == name, approval.c.state == APPROVED)
        .values(state=state, result=msgspec.json.encode(result) if result is not None else b"", problem=problem)
    )
    if done.rowcount:
        row = _require(tx, name)
        tx.audit(actor=row.decided_by, action=row.action, object=name, outcome=state, detail=problem)
