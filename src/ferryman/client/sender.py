"""What the generated methods stand on: something that sends calls. Both clients and `tagged` are such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferryman.client.calls import Call, Page
from ferryman.client.paging import AsyncPages, Pages

if TYPE_CHECKING:
    from ferryman.client.awaiting import AsyncEventStream
    from ferryman.client.blocking import EventStream


class Sender:
    """Sends calls and waits."""

    def _send[T](self, call: Call[T]) -> T:
        raise NotImplementedError

    def _pages[T](self, call: Call[Page[T]]) -> Pages[T]:
        raise NotImplementedError

    def _stream[T](self, call: Call[T]) -> EventStream[T]:
        raise NotImplementedError


class AsyncSender:
    """Sends calls; what it gives is awaited."""

    async def _send[T](self, call: Call[T]) -> T:
        raise NotImplementedError

    def _pages[T](self, call: Call[Page[T]]) -> AsyncPages[T]:
        raise NotImplementedError

    def _stream[T](self, call: Call[T]) -> AsyncEventStream[T]:
        raise NotImplementedError
