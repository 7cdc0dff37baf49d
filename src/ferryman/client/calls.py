"""Requests and answers of the REST API as values: what an operation is, a call of it, octets out, octets in.

Nothing here knows sockets, clocks or randomness; both clients are built on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, cast
from urllib.parse import quote, urlencode

import msgspec

from ferryman.client.errors import AnswerNotUnderstood, RequestRefused, refusal_of

PREFIX = "/api/v1"
IDEMPOTENCY = "Idempotency-Key"
PROBLEM = "application/problem+json"
MAX_DETAIL = 500  # characters of what a server that is not ours says that are told on
_IDEMPOTENT = frozenset(("GET", "HEAD", "PUT", "DELETE"))  # RFC 9110 9.2.2


class Page[T](msgspec.Struct, frozen=True):
    """One page of a list; `next` is the cursor of the page behind it, empty at the end."""

    items: tuple[T, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Operation[T]:
    """One route: `answer` is the type of its success, None for none, str for the place that it leads on to.

    `once`: it takes an Idempotency-Key. `defaults`: values of parameters that need not be sent.
    """

    name: str
    method: str
    path: str
    answer: Any
    once: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def call(
        self,
        *names: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        if_match: str = "",
        idempotency_key: str = "",
    ) -> Call[T]:
        """A call of it; `names` fill the places of the path, in order."""
        path = self.path
        for name in names:
            place = path[path.index("{") : path.index("}") + 1]
            path = path.replace(place, quote(name, safe=""), 1)
        given = {} if query is None else self._given(query)
        content = self._given(body) if isinstance(body, dict) else body
        return Call(self, path, given, content, if_match, idempotency_key)

    def _given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in values.items()
            if name not in self.defaults or value != self.defaults[name]
        }


@dataclass(frozen=True, slots=True)
class Call[T]:
    """What is asked, once, however often it has to be sent. Bodies may hold passwords: they are in no `repr`."""

    operation: Operation[T]
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    if_match: str = ""
    idempotency_key: str = ""
    if_none_match: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when nobody knows what became of it the first time.

        With If-Match it may not: the second would be told that the object has changed, by the first.
        """
        return self.operation.once or (self.operation.method in _IDEMPOTENT and not self.if_match)

    def behind(self, cursor: str) -> Call[T]:
        """The same about the page that begins behind `cursor`."""
        return Call(self.operation, self.path, {**self.query, "after": cursor}, self.body)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is sent: `target` is path and query."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


class Fields(Protocol):
    """Header fields of an answer, whatever the case of their names."""

    def get(self, name: str, default: str, /) -> str:
        """A field, or `default`."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer as it came."""

    status: int
    headers: Fields = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    set_cookies: tuple[str, ...] = field(default=(), repr=False)


class _Problem(msgspec.Struct, frozen=True):
    title: str = ""
    detail: str = ""
    subject: str = ""
    reason: str = ""
    identifier: str = ""


def outgoing(call: Call[Any], credentials: tuple[tuple[str, str], ...], accept: str = "") -> Outgoing:
    """The octets of a call."""
    operation = call.operation
    query = urlencode({name: _text(value) for name, value in call.query.items()})
    headers = [("Accept", accept or f"application/json, {PROBLEM}"), *credentials]
    body = b""
    if call.body is not None:
        body = msgspec.json.encode(call.body)
        headers.append(("Content-Type", "application/json"))
    if operation.once:
        headers.append((IDEMPOTENCY, call.idempotency_key))
    for name, value in (("If-Match", call.if_match), ("If-None-Match", call.if_none_match)):
        if value:
            headers.append((name, value))
    target = f"{PREFIX}{call.path}" + (f"?{query}" if query else "")
    return Outgoing(operation.method, target, tuple(headers), body)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def answer_of[T](call: Call[T], got: Incoming) -> T:
    """What a success says. Raises AnswerNotUnderstood."""
    operation = call.operation
    if operation.answer is str:
        return cast(T, got.headers.get("location", ""))
    if operation.answer is None:
        return cast(T, None)
    return cast(T, read(operation.answer, got.body, operation.name))


def read(kind: Any, body: bytes, field: str) -> Any:
    """A value of the type `kind`; fields that are not known yet are left out. Raises AnswerNotUnderstood."""
    try:
        return _decoder(kind).decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise AnswerNotUnderstood(str(problem), field=field) from None


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def refusal(got: Incoming) -> RequestRefused:
    """The exception for an answer that is no success."""
    request_id = got.headers.get("x-request-id", "")
    told = _Problem()
    if got.headers.get("content-type", "").partition(";")[0].strip().lower() == PROBLEM:
        told = cast(_Problem, read(_Problem, got.body, "problem"))
    else:
        told = _Problem(detail=f"HTTP status {got.status}, which the platform did not explain")
    return refusal_of(got.status)(
        told.detail[:MAX_DETAIL],
        status=got.status,
        title=told.title[:MAX_DETAIL],
        subject=told.subject,
        reason=told.reason,
        identifier=told.identifier[:MAX_DETAIL],
        request_id=request_id[:MAX_DETAIL],
    )
