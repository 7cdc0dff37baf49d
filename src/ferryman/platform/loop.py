"""The event loop of a service: uvloop where it is installed (the extra `fast`), Python's own elsewhere.

Nothing in the product depends on which one runs; a service on uvloop spends about a third less CPU on sockets.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

# What asyncio.Runner makes its loop with; None is its own choice.
FACTORY: Callable[[], asyncio.AbstractEventLoop] | None
try:
    from uvloop import new_event_loop as FACTORY  # noqa: N812
except ImportError:
    FACTORY = None


# Containers made and not yet freed before the collector looks for cycles. A service makes thousands for each
# message and hardly a cycle: at Python's own 2,000 a tenth of the CPU goes into looking.
GC_THRESHOLD = 50_000


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on that loop, for work that goes on for long."""
    gc.freeze()  # what is loaded by now stays
    gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])
    with asyncio.Runner(loop_factory=FACTORY) as runner:
        return runner.run(work)
