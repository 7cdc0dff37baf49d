"""Takes the log of the database back behind what was deleted for good: deleted rows stand in it for long."""

from __future__ import annotations

import asyncio

from ferryman.platform.mailbox import Mailbox

DELAY = 10.0  # s from a deletion to the look at the log: others may follow meanwhile
AGAIN = 60.0  # s between two looks; each one waits for the disk


class Scrubber:
    """One task; it sleeps until something was deleted."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, with what an earlier run may have left."""
        self._changed.set()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="scrubber")

    async def stop(self) -> None:
        """End; the log goes with the last connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """Something was deleted (committed)."""
        self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(DELAY)
            self._changed.clear()
            if not await self._mailbox.store.scrub():
                self._changed.set()
            await asyncio.sleep(AGAIN)
