"""Lists, as long as they are: pages are fetched when the one before is used up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from ferryman.client.calls import Call, Page
from ferryman.client.errors import AnswerNotUnderstood


class Pages[T]:
    """All entries of a list, in its order: `for entry in client.list_orders()`.

    Each iteration begins anew; an entry that is added meanwhile is met when it stands behind where one is.
    """

    def __init__(self, send: Callable[[Call[Page[T]]], Page[T]], call: Call[Page[T]]) -> None:
        self._send = send
        self._call = call

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items

    def pages(self) -> Iterator[Page[T]]:
        """The same page by page; `next` of a page is the `after` of a call that begins behind it."""
        page = self._send(self._call)
        yield page
        while page.next:
            page = moved(page, self._send(self._call.behind(page.next)))
            yield page

    def page(self) -> Page[T]:
        """The first page alone."""
        return self._send(self._call)


class AsyncPages[T]:
    """All entries of a list, in its order: `async for entry in client.list_orders()`."""

    def __init__(self, send: Callable[[Call[Page[T]]], Awaitable[Page[T]]], call: Call[Page[T]]) -> None:
        self._send = send
        self._call = call

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for entry in page.items:
                yield entry

    async def pages(self) -> AsyncIterator[Page[T]]:
        """The same page by page; `next` of a page is the `after` of a call that begins behind it."""
        page = await self._send(self._call)
        yield page
        while page.next:
            page = moved(page, await self._send(self._call.behind(page.next)))
            yield page

    async def page(self) -> Page[T]:
        """The first page alone."""
        return await self._send(self._call)


def moved[T](before: Page[T], page: Page[T]) -> Page[T]:
    """The next page; raises AnswerNotUnderstood when its cursor leads back to where it came from, for ever."""
    if page.next and page.next == before.next:
        raise AnswerNotUnderstood("the cursor of a page does not move on", field="next")
    return page
