"""Asks operators' systems about orders that hold: durable, each hook for itself, until an answer or the limit.

A call is a row that was committed together with the hold. It is made until the receiver has answered, over
restarts, always under the same name; silence or an odd answer is "unknown", and it is made again later. An answer
takes effect in the commit that ends the hold: a kill in between makes the call once more, and nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from ferryman.contracts import crypto
from ferryman.contracts.holds import HoldVerdict
from ferryman.contracts.message import Body, Header
from ferryman.contracts.roles import SM_DP
from ferryman.errors import Refused, Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.destination import NotAllowed
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.webhook_form import signed_text
from ferryman.sm_dp.factory import hooks
from ferryman.sm_dp.factory.hooks import Call, Target
from ferryman.sm_dp.hooks import post
from ferryman.sm_dp.hooks.post import HookAnswer, HookPost

RETRY_FIRST = 1.0  # s until the second attempt; doubles with each one
RETRY_CAP = 300.0  # s between attempts
AT_ONCE = 8  # calls of one hook on their way: an operator's system is no load test
SIGN_SECONDS = 30.0  # s that the CryptoServer has for a signature
DATABASE_RETRY = 1.0  # s until the next look when the database does not answer

log = structlog.get_logger("ferryman.sm_dp.hooks")

type AskCrypto = Callable[[Header, Body], Awaitable[Body]]
type Tell = Callable[[Call, HoldVerdict], Awaitable[None]]  # the verdict to the order; returns after its commit


class HookCaller:
    """Carries the open calls of one SM-DP."""

    def __init__(self, *, mailbox: Mailbox, clock: Clock, ask: AskCrypto, sender: HookPost, tell: Tell) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._ask = ask
        self._post = sender
        self._tell = tell
        self._changed = asyncio.Event()
        self._busy: set[str] = set()  # names of the calls on their way
        self._load: Counter[tuple[str, str]] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Go on with what an earlier run left."""
        self._spawn(self._run())

    async def stop(self) -> None:
        """Stop; calls that have no answer are made again by the next run."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._post.close()

    def wake(self) -> None:
        """There is a new call, or another address (committed)."""
        self._changed.set()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                pause = await self._look()
            except Unavailable:
                pause = DATABASE_RETRY
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _look(self) -> float | None:
        """Begin every call that is due and has room; seconds until the next one is due."""
        now = self._clock.now()
        read = self._mailbox.store.read
        for target in await read(lambda c: hooks.targets(c, now)):
            hook = (target.owner, target.profile_type)
            limit = AT_ONCE + len(self._busy)
            for call in await read(partial(hooks.due_calls, target=target, now=now, limit=limit)):
                if call.call_id not in self._busy and self._load[hook] < AT_ONCE:
                    self._busy.add(call.call_id)
                    self._load[hook] += 1
                    self._spawn(self._carry(target, call))
        later = await read(lambda c: hooks.next_due(c, now))
        return None if later is None else max(0.0, later - self._clock.now())

    async def _carry(self, target: Target, call: Call) -> None:
        try:
            await self._make(target, call)
        except Unavailable as problem:
            # The database or the order's dispatch: nothing was written down, so the row is due as it was.
            log.warning("hook call waits", call=call.call_id, reason=str(problem))
            await asyncio.sleep(problem.retry_after)
        finally:
            self._busy.discard(call.call_id)
            self._load[target.owner, target.profile_type] -= 1
            self.wake()

    async def _make(self, target: Target, call: Call) -> None:
        try:
            answer = await self._attempt(target, call)
        except (Unavailable, Refused) as problem:
            answer = HookAnswer("", note=str(problem))
        except Exception as problem:  # a fault of ours must not make a call that is due at once, over and over
            log.error("hook call failed", call=call.call_id, error=type(problem).__name__, exc_info=problem)
            answer = HookAnswer("", note=f"fault of the platform ({type(problem).__name__})")
        if answer.verdict in (post.CONTINUE, post.REFUSE):
            go = answer.verdict == post.CONTINUE
            await self._tell(call, HoldVerdict(hold=call.hold, go=go, reason=answer.reason, by="hook"))
            # Ended by the order, or the order had ended before: nobody waits for this answer any more.
            await self._mailbox.transact(lambda tx: hooks.taken(tx, call.call_id, answer.note))
        elif answer.verdict == post.LATER:
            await self._mailbox.transact(lambda tx: hooks.taken(tx, call.call_id, answer.note))
        else:
            delay = max(min(RETRY_CAP, RETRY_FIRST * 2.0 ** min(call.attempts, 16)), answer.retry_after)
            log.info("hook not answered", call=call.call_id, reason=answer.note, again_in=delay)
            due = self._clock.now() + min(delay, RETRY_CAP)
            await self._mailbox.transact(lambda tx: hooks.put_off(tx, call.call_id, due, answer.note))

    async def _attempt(self, target: Target, call: Call) -> HookAnswer:
        timestamp = int(self._clock.now())
        header = Header(
            message_id=f"{SM_DP}/hook/{call.call_id}/{call.attempts}",
            sender=SM_DP,
            requester=target.owner,
            function_call_id=call.call_id,
            deadline=self._clock.now() + SIGN_SECONDS,
        )
        text = signed_text(call.call_id, timestamp, call.body)
        signed = await self._ask(header, crypto.SignHookCall(owner=target.owner, name=target.key, message=text))
        if not isinstance(signed, crypto.HookCallSigned):
            return HookAnswer("", note="the CryptoServer gave no signature")
        fields = post.headers(call.call_id, timestamp, signed.mac)
        try:
            return await self._post.send(target.url, call.body, fields, confined=target.confined)
        except NotAllowed as problem:  # the name leads elsewhere now; it may lead back
            return HookAnswer("", note=str(problem))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("hook caller failed", error=type(problem).__name__, exc_info=problem)
