"""Works off batches of orders: so many at once of each, the next when one has ended.

What has to be done stands in the database; the runner only knows that there is something to do. It is woken by the
commit that gave it something to do, and looks for itself at the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog

from ferryman.contracts import batches as calls
from ferryman.contracts import codes
from ferryman.contracts.message import Header
from ferryman.contracts.orders import CreateOrder, OrderView
from ferryman.errors import InputError, Refused, Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_dp.factory import batches, orders
from ferryman.sm_dp.factory.batches import Batch, Waiting

PAGE = 100  # rows looked at, and orders placed, in one go: they share commits, and nobody waits long behind them
CANCEL_PAGE = 2_000  # rows taken out of a batch in one commit
DATABASE_RETRY = 1.0  # s until the next look when the database does not answer
BUG_RETRY = 30.0  # s until the next look after a fault of ours
NO_STOCK = "/".join(codes.PROFILE_TYPE_UNKNOWN)

log = structlog.get_logger("ferryman.sm_dp.batches")

type Place = Callable[[Header, CreateOrder, str, Callable[[Tx], None]], Awaitable[None]]
"""Places an order of this name; the last one joins its transaction. Raises Refused, InputError, Unavailable."""
type Cancel = Callable[[OrderView], Awaitable[None]]


class BatchRunner:
    """The batches of one SM-DP."""

    def __init__(self, *, mailbox: Mailbox, clock: Clock, place: Place, cancel: Cancel) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._place = place
        self._cancel = cancel
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._emptied: set[int] = set()  # batches whose running orders this life has cancelled

    async def start(self) -> None:
        """Go on with what an earlier run left."""
        self._changed.set()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="batches of orders")

    async def stop(self) -> None:
        """Stop; orders that were placed go on by themselves."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """There may be something to do (committed)."""
        self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                for batch in await self._mailbox.store.read(batches.to_do):
                    await self._work(batch)
            except Unavailable as problem:
                log.warning("batches wait", reason=str(problem))
                await asyncio.sleep(max(DATABASE_RETRY, problem.retry_after))
                self._changed.set()
            except Exception as problem:  # outermost loop: one row must not end the batches of everybody
                log.error("batch runner failed", error=type(problem).__name__, exc_info=problem)
                await asyncio.sleep(BUG_RETRY)
                self._changed.set()

    async def _work(self, batch: Batch) -> None:
        """One helping: each batch has its turn before one has its second."""
        if batch.state == calls.CANCELLING:
            await self._empty(batch)
            return
        count = min(batch.room, PAGE)
        if count == 0:
            return
        rows = await self._mailbox.store.read(partial(batches.waiting_rows, batch=batch.number, limit=count))
        done = await asyncio.gather(*(self._order(batch, row) for row in rows), return_exceptions=True)
        for problem in done:
            if isinstance(problem, BaseException):
                raise problem
        self._changed.set()

    async def _order(self, batch: Batch, row: Waiting) -> None:
        """The order of a row; its name follows from the row, so that after a kill it is the same order."""
        order_id = batches.order_id(batch.number, row.number)
        profile_type = "" if row.iccid else row.profile_type or batch.order.profile_type
        order = msgspec.structs.replace(
            batch.order, owner=batch.owner, eid=row.eid, iccid=row.iccid, profile_type=profile_type
        )
        header = Header(
            message_id=f"batch/{order_id}",
            sender="",  # nobody waits for an answer: the batch shows what became of it
            requester=batch.owner,
            function_call_id=f"batch/{order_id}",
            deadline=self._clock.now() + order.validity,
            eid=row.eid,
        )
        try:
            await self._place(header, order, order_id, lambda tx: batches.claim(tx, batch.number, row.number))
        except (Refused, InputError) as caught:
            await self._mailbox.transact(partial(_not_placed, batch=batch, row=row, problem=caught))

    async def _empty(self, batch: Batch) -> None:
        """Nothing new begins; what runs is cancelled where that is still possible, once in each life."""

        def some(tx: Tx) -> bool:
            return batches.cancel_waiting(tx, batch.number, CANCEL_PAGE)

        left = True
        while left:
            left = await self._mailbox.transact(some, long=True)
        if batch.number in self._emptied:
            return
        self._emptied.add(batch.number)
        after = -1
        read = self._mailbox.store.read
        while page := await read(partial(batches.running_orders, batch=batch.number, after=after, limit=PAGE)):
            for number, order_id in page:
                view = await read(partial(orders.get_order, owner=batch.owner, order_id=order_id))
                if view is not None and view.state == orders.RUNNING:
                    await self._cancel(view)
                after = number


def _not_placed(tx: Tx, batch: Batch, row: Waiting, problem: Refused | InputError) -> None:
    """A row that cannot be ordered is refused; an empty stock is nobody's fault: the batch pauses."""
    state = batches.state_of(tx.connection, batch.number)
    if state != calls.RUNNING:
        return  # that is why
    if isinstance(problem, Refused) and not row.iccid and f"{problem.subject}/{problem.reason}" == NO_STOCK:
        batches.set_state(tx, batch.number, calls.PAUSED, problem.message)
        tx.audit(actor=batch.owner, action="Batch", object=batch.name, outcome="paused", detail=problem.message)
        return
    batches.refuse(tx, batch.number, row.number, str(problem))
