"""The question for the key of a PSK identity: answered at once where it can be, by a task where it takes time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from ferryman.transport_https.session import Lookup

type Taker = Callable[[bytes | None, BaseException | None], None]


def look_up(
    lookup: Lookup, identity: bytes, take: Taker, loop: asyncio.AbstractEventLoop
) -> asyncio.Task[bytes | None] | None:
    """Asks `lookup`, a hook, for the key of `identity`; `take` gets it, or what the hook raised, once.

    Before this returns, where the hook knows the answer by then: None is given back. Otherwise from the loop: the
    task given back is what is waited for, and when it is cancelled nothing is told any more.
    """
    try:
        answer = lookup(identity)
    except Exception as problem:  # a hook's: told as one of a look-up that waits
        take(None, problem)
        return None
    if answer is None or isinstance(answer, bytes):
        take(answer, None)
        return None
    # Eager: a look-up that need not wait is done here and now, without a turn of the loop.
    task = asyncio.Task(answer, loop=loop, eager_start=True)
    if task.done():
        _tell(take, task)
        return None
    task.add_done_callback(partial(_tell, take))
    return task


def _tell(take: Taker, task: asyncio.Task[bytes | None]) -> None:
    if not task.cancelled():
        problem = task.exception()
        take(task.result() if problem is None else None, problem)
