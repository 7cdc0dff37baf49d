"""Objects with their ETags, so that a change can say which state it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ferryman.client.calls import Call


@dataclass(frozen=True, slots=True)
class Tagged[T]:
    """An object as it was seen. `etag` goes into `if_match` of a change, which then holds for this state alone."""

    value: T
    etag: str
    call: Call[T] = field(repr=False)

    @property
    def again(self) -> Call[T]:
        """Look again, and say so only when it is not as before."""
        return replace(self.call, if_none_match=self.etag)


class Capture:
    """Stands in for a client: its methods make their call, and here it is given back instead of sent."""

    def _send(self, call: Call[Any]) -> Call[Any]:
        return _one_object(call)


class AsyncCapture:
    """The same for methods that are awaited."""

    async def _send(self, call: Call[Any]) -> Call[Any]:
        return _one_object(call)


def _one_object(call: Call[Any]) -> Call[Any]:
    if call.operation.method != "GET":
        raise TypeError(f"{call.operation.name} does not show an object")
    return call


def seen(method: Callable[..., Any], capture: type, *args: Any, **kwargs: Any) -> Any:
    """The call that a client's method makes, or what is awaited to get it. Raises TypeError for other methods."""
    function = getattr(method, "__func__", None)
    if function is None:
        raise TypeError("needs a method of the client that shows one object, like client.show_order")
    return cast(Any, function)(capture(), *args, **kwargs)
