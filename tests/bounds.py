"""Bounds of memory for hostile peers: what a test may keep, and what it may hold at its worst moment."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_within(*, peak: int, kept: int) -> Iterator[None]:
    """Fails when Python's objects grow by more than `peak` octets meanwhile, or by `kept` once it is over."""
    gc.collect()
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        highest = tracemalloc.get_traced_memory()[1] - before
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        if not running:
            tracemalloc.stop()
    assert highest <= peak, f"{highest} octets at the worst moment, {peak} allowed"
    assert left <= kept, f"{left} octets are still held, {kept} allowed"
