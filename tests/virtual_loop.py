"""An event loop whose clock is virtual: a test that waits an hour takes a millisecond, and always the same one.

`time()` stands still while anything is ready. Only when no callback and no socket is ready does it jump to the
next timer. Sockets are real: a pair of them inside this process counts as ready, because the kernel hands
loopback bytes over during the send or within a few hundred microseconds, which `GRACE_WAITS` short waits cover.
Threads cannot take part (the loop could not know that one is still busy), so an executor is refused; use
`SQLiteStore(threaded=False)`.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, NoReturn

GRACE_WAITS = 2  # real waits before a jump, only while sockets are open
GRACE_SECONDS = 0.001  # epoll counts in milliseconds
ROUNDING = 1e-6  # seconds; far more than doubles lose in a year, far less than any timer of ours
STALL_SECONDS = 3.0  # real seconds without a timer, a callback or a byte: nothing will ever happen

DEFAULT_LIMIT = 30 * 86_400.0  # virtual seconds
DEFAULT_STEPS = 2_000_000  # turns of the loop


class Stalled(AssertionError):
    """Nothing is left that could wake the loop, or a limit of the run was passed."""


class _VirtualSelector(selectors.BaseSelector):
    """Wraps the real selector and turns a wait into a jump of the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._real = selectors.DefaultSelector()
        self._loop = loop

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.count_turn()
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        # One descriptor is the loop's own wake-up socket.
        if len(self._real.get_map()) > 1:
            for _ in range(GRACE_WAITS):
                ready = self._real.select(GRACE_SECONDS)
                if ready:
                    return ready
        if timeout is None:
            ready = self._real.select(STALL_SECONDS)
            if not ready:
                self._loop.stalled("no timer, callback or socket is left")
            return ready
        self._loop.jump(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop on virtual time, starting at zero."""

    def __init__(self, *, limit: float = DEFAULT_LIMIT, steps: int = DEFAULT_STEPS) -> None:
        self._virtual_now = 0.0
        self._limit = limit
        self._steps_left = steps
        super().__init__(_VirtualSelector(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_now

    def jump(self, seconds: float) -> None:
        """Advance the clock; called by the selector when nothing is ready."""
        self._virtual_now += seconds
        if self._virtual_now > self._limit:
            self.stalled(f"virtual time passed its limit of {self._limit:g} s")

    def count_turn(self) -> None:
        """One turn of the loop; stops a run that never ends without waiting."""
        self._steps_left -= 1
        # asyncio runs a timer up to a nanosecond early. One that finds itself early and is set again would run for
        # ever on a clock that stands still, so the clock goes the last hair first.
        timers: list[asyncio.TimerHandle] = getattr(self, "_scheduled", [])
        if timers and 0 < timers[0].when() - self._virtual_now < ROUNDING:
            self._virtual_now = timers[0].when()
        if self._steps_left < 0:
            self.stalled("too many turns of the loop")

    def stalled(self, why: str) -> NoReturn:
        """Fail the run, naming the tasks that wait; limits are lifted so that they can be cancelled."""
        self._limit, self._steps_left = float("inf"), DEFAULT_STEPS
        waiting = "\n  ".join(repr(task) for task in asyncio.all_tasks(self) if not task.done())
        raise Stalled(f"{why} at {self._virtual_now:g} s; waiting:\n  {waiting}")

    def run_in_executor[*Ts, R](
        self, executor: Executor | None, func: Callable[[*Ts], R], *args: *Ts
    ) -> asyncio.Future[R]:
        """Refused: virtual time cannot know when a thread is done."""
        raise RuntimeError("no threads on a virtual loop")


def run[T](
    main: Coroutine[Any, Any, T] | Awaitable[T], *, limit: float = DEFAULT_LIMIT, steps: int = DEFAULT_STEPS
) -> T:
    """Run `main` to its end on a fresh virtual loop; whatever it leaves running is cancelled.

    `limit` is virtual seconds, `steps` turns of the loop; raises Stalled beyond either, or when nothing is left
    that could wake the loop.
    """

    async def whole() -> T:
        return await main

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(limit=limit, steps=steps)) as runner:
        return runner.run(whole())


def virtual[**P, T](test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Decorator: run an async test on a virtual loop (its fixtures must not be async)."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return wrapper
