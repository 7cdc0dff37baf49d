"""Structured logs on stderr, and the last line of defence that keeps secrets and IMSIs out of them.

No code of ours logs a key; a field whose name says that it is one is dropped all the same, as are bytes, and
anything that looks like an IMSI is shortened to its first five digits. What libraries say through the standard
library's logging passes the same shortening.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, TextIO, cast

import msgspec
import structlog

from ferryman.contracts.secrecy import HIDDEN, is_secret

# Operation and EID that this task works on; every line says them. One variable: it is set for each step.
about: ContextVar[tuple[str, str] | None] = ContextVar("about", default=None)

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
IMSI_DIGITS = 14  # the fewest
LONG = 10 ** (IMSI_DIGITS - 1)  # the smallest number that has as many
_encoder = msgspec.json.Encoder()

# 14 or 15 digits that stand alone; an EID has 32, an ICCID 18 to 20.
_IMSI = re.compile(r"(?<![0-9A-Fa-f])(\d{5})\d{9,10}(?![0-9A-Fa-f])")


def tell_about(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: add `operation` and `eid` of the work at hand; what the line itself says of them stands."""
    if (work := about.get()) is not None:
        event.setdefault("operation", work[0])
        event.setdefault("eid", work[1])
    return event


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: hide fields named like secrets and all bytes, shorten IMSIs in every text."""
    for name, value in event.items():
        if is_secret(name):
            event[name] = HIDDEN
        elif (kind := type(value)) is str:
            if len(value) >= IMSI_DIGITS and _IMSI.search(value):  # cheaper than to put nothing in its place
                event[name] = _masked(value)
        elif kind is not float and (kind is not int or abs(value) >= LONG):
            event[name] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    match value:
        case str():
            return value if len(value) < IMSI_DIGITS else _IMSI.sub(r"\1*", value)
        case bytes() | bytearray() | memoryview():
            return HIDDEN
        case bool() | None:
            return value
        case int():
            text = str(value)
            return _IMSI.sub(r"\1*", text) if _IMSI.fullmatch(text) else value
        case float():
            return value
        case Mapping():
            return {key: HIDDEN if is_secret(str(key)) else _masked(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(item) for item in value]
        case _:
            return _IMSI.sub(r"\1*", str(value))


def _as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """Renderer: one line. Everything in it is text, number or list by now, because it went through the mask."""
    try:
        return _encoder.encode(event).decode()
    except (msgspec.EncodeError, UnicodeEncodeError, TypeError, OverflowError):  # half a surrogate pair, 10**30
        return json.dumps(event, default=repr)


class Stamp:
    """Processor: the time, ISO 8601 in UTC. The part of a second's lines that is the same is written once."""

    def __init__(self) -> None:
        self._known = (-1, "")  # a second, and its text

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        known = self._known
        if second != known[0]:
            moment = datetime.datetime.fromtimestamp(second, datetime.UTC)
            self._known = known = second, moment.strftime("%Y-%m-%dT%H:%M:%S")
        event["timestamp"] = f"{known[1]}.{rest // 1000:06d}Z"
        return event


class _Stderr:
    """Standard error as it is at each line; a log that nobody takes any more never stops the work.

    A collector that went away (closed stream, broken pipe, full disk) must not turn the storing of a message into
    a failure.
    """

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


class _MaskingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _IMSI.sub(r"\1*", super().format(record))


def configure(level: str = "warning", form: str = "console") -> None:
    """Set up logging for the process; `form` is "console" or "json"."""
    stream = _Stderr()
    renderer: Any = _as_json if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            tell_about,
            structlog.processors.format_exc_info,
            mask,
            structlog.processors.add_log_level,  # behind the mask: level and time are ours
            Stamp(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, stream)),
        cache_logger_on_first_use=False,
    )
    # Libraries below us (asyncio, SQLAlchemy) speak through the standard library.
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_MaskingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
