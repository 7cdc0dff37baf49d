"""The one channel of a euicc process to the SMSC's radio port, opened again whenever it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from ferryman_sim.json_lines import Channel, LineError, Message

Connect = Callable[[], Awaitable[Channel]]


class Listener(Protocol):
    """Who hears about the channel."""

    def link_up(self) -> None:
        """The channel is open."""

    def link_down(self) -> None:
        """The channel is gone; all cards have lost the network."""

    def line(self, message: Message) -> None:
        """A line arrived."""


class RadioLink:
    """Keeps a channel open."""

    def __init__(self, connect: Connect, listener: Listener, pause: float) -> None:
        self._connect = connect
        self._listener = listener
        self._pause = pause
        self._channel: Channel | None = None

    @property
    def up(self) -> bool:
        """Whether the channel is open."""
        return self._channel is not None

    async def send(self, message: Message) -> None:
        """Send a line. Raises ConnectionError."""
        if self._channel is None:
            raise ConnectionResetError("no radio channel")
        await self._channel.send(message)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                channel = await self._connect()
            except OSError:
                # The SMSC is not there (yet, or just now): that is an ordinary state of the world.
                await asyncio.sleep(self._pause)
                continue
            await self._serve(channel)
            await asyncio.sleep(self._pause)

    async def _serve(self, channel: Channel) -> None:
        self._channel = channel
        self._listener.link_up()
        try:
            while (message := await channel.receive()) is not None:
                self._listener.line(message)
        except (LineError, ConnectionError):
            # A channel that talks nonsense is as good as none; a new one is opened.
            return
        finally:
            self._channel = None
            channel.close()
            self._listener.link_down()
