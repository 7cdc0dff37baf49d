"""One call from first to last attempt, as a generator that says what to do next: the core of both clients.

It yields `Outgoing` (send this, come back with `Incoming` or `Silence`) and `Pause` (come back later), and returns
the answer. What was refused for a moment (429) is repeated; what may have been done all the same (503, lost line)
only when a repeat cannot do it twice (`Call.repeatable`), with the same Idempotency-Key.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ferryman.client.calls import Call, Incoming, Outgoing, answer_of, outgoing, refusal
from ferryman.client.credentials import Credentials
from ferryman.client.errors import (
    AnswerNotUnderstood,
    NotAnswered,
    PlatformUnavailable,
    TooManyRequests,
    Unreachable,
)

KEY_OCTETS = 16  # of an Idempotency-Key: nobody meets another's by chance
FIRST_BACKOFF = 0.25  # s before the first repeat, doubled for each further one
LONGEST_BACKOFF = 20.0  # s
TOO_MANY, UNAVAILABLE, NOT_CHANGED = 429, 503, 304
_FROM_BETWEEN = frozenset((502, 504))  # a proxy lost the platform: nothing is known
_KNOWN_CSRF = "csrf"  # where an answer about the own login says the token


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call is worth repeating: `repeats` at most, `seconds` in all."""

    repeats: int = 6
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer came. `arrived`: the request may have got there."""

    why: str
    arrived: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answered[T]:
    """The answer with its ETag; `value` is None when If-None-Match named it and it is as before."""

    value: T | None
    etag: str
    unchanged: bool = False


type Conversation[T] = Generator[Outgoing | Pause, Incoming | Silence | None, Answered[T]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a conversation takes from outside: `monotonic` and `wall` in seconds, `entropy` in octets."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]
    entropy: Callable[[int], bytes]


def converse[T](
    call: Call[T], credentials: Credentials, patience: Patience, around: Surroundings
) -> Conversation[T]:
    """Carry out a call; raises ClientError."""
    if call.operation.once and not call.idempotency_key:
        call = replace(call, idempotency_key=around.entropy(KEY_OCTETS).hex())
    end = around.monotonic() + patience.seconds
    attempt = 0
    unknown = False  # whether an earlier attempt may have been carried out
    while True:
        got = yield outgoing(call, credentials.headers(call.operation.method))
        if isinstance(got, Incoming):
            credentials.learn_cookies(got.set_cookies)
            if got.status not in (TOO_MANY, UNAVAILABLE, *_FROM_BETWEEN):
                return _final(call, got, credentials)
        elif got is None:
            raise RuntimeError("a request was sent: come back with what became of it")
        problem, asked, may_repeat = _setback(call, got, around.wall())
        unknown = unknown or problem.unknown
        wait = max(asked, backoff(attempt, around.entropy))
        if not may_repeat or attempt >= patience.repeats or around.monotonic() + wait > end:
            problem.unknown = unknown
            raise problem
        attempt += 1
        yield Pause(wait)


def backoff(attempt: int, entropy: Callable[[int], bytes]) -> float:
    """Seconds before repeat number `attempt` (from 0): doubling, the upper half of it at random."""
    whole: float = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(attempt, 30))
    return whole * (0.5 + entropy(1)[0] / 512)


def retry_after(got: Incoming, wall: float) -> float:
    """Seconds that Retry-After asks for (RFC 9110 10.2.3: a number or a date); 0 when it says nothing."""
    text = got.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(wall, UTC)).total_seconds())


def _setback(call: Call[Any], got: Incoming | Silence, wall: float) -> tuple[NotAnswered, float, bool]:
    """What to raise, how long to wait at least, and whether a repeat is allowed."""
    if isinstance(got, Silence):
        lost = Unreachable(got.why, unknown=got.arrived)
        return lost, 0.0, call.repeatable or not got.arrived
    asked = retry_after(got, wall)
    try:
        told = refusal(got).message
    except AnswerNotUnderstood:
        told = f"HTTP status {got.status}"
    if got.status == TOO_MANY:
        return TooManyRequests(told, retry_after=asked), asked, True
    return PlatformUnavailable(told, retry_after=asked or 1.0, unknown=True), asked, call.repeatable


def _final[T](call: Call[T], got: Incoming, credentials: Credentials) -> Answered[T]:
    if got.status == NOT_CHANGED and call.if_none_match:
        return Answered(None, call.if_none_match, unchanged=True)
    leads_on = call.operation.answer is str and 300 <= got.status < 400
    if not 200 <= got.status < 300 and not leads_on:
        raise refusal(got)
    value = answer_of(call, got)
    token = getattr(value, _KNOWN_CSRF, "")
    if token:
        credentials.learn_csrf(token)
    return Answered(value, got.headers.get("etag", ""))
