"""Habits of the devices, and the clock they share with their cards."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Seconds, unless said otherwise. The defaults are those of a patient M2M module, some shortened for
    tests.
    """

    network_answer: float = 30.0  # for one answer of the network; T3410 of TS 24.301 is 15
    attach_retry: float = 30.0  # before the next attach after a failed one
    loss: float = 120.0  # without network until the card is told that connectivity is lost
    mo_tries: int = 3  # times a short message is handed to the network; RP-layer repetition of TS 24.011
    boot: float = 5.0  # from power on until the first attach
    refresh_patience: float = 15.0  # how long a refresh waits for the server to end the HTTPS session
    reconnect: float = 1.0  # before a broken radio channel is opened again
    https_step: float = 60.0  # for connecting, handshake and each HTTPS answer


class Clock:
    """Seconds since 1970 that go on with the loop's clock: never backwards, and right across processes."""

    def __init__(self, epoch: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._offset = epoch - self._loop.time()

    def __call__(self) -> float:
        """Now."""
        return self._loop.time() + self._offset

    def loop_time(self, moment: float) -> float:
        """The loop's time of a moment of this clock."""
        return moment - self._offset
