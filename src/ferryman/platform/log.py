"""Structured logs on stderr, and the last line of defence that keeps secrets and IMSIs out of them.

No code of ours logs a key; a field whose name says that it is one is dropped all the same, and anything that
looks like an IMSI is shortened to its first five digits.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
SECRET_NAMES = frozenset(
    (
        *("ki", "opc", "op", "k", "kic", "kid", "kik", "psk", "dek", "enc", "mac", "key", "keys"),
        *("pin", "puk", "adm", "password", "secret", "csv", "private"),
    )
)
HIDDEN = "***"
# 14 or 15 digits that stand alone; an EID has 32, an ICCID 18 to 20.
_IMSI = re.compile(r"(?<![0-9A-Fa-f])(\d{5})\d{9,10}(?![0-9A-Fa-f])")


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: hide fields named like secrets, shorten IMSIs in every text."""
    for name, value in event.items():
        if name.lower() in SECRET_NAMES or isinstance(value, (bytes, bytearray, memoryview)):
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = _IMSI.sub(r"\1*", value)
    return event


def configure(level: str = "warning", form: str = "console") -> None:
    """Set up logging for the process; `form` is "console" or "json"."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries below us (asyncio, SQLAlchemy) speak through the standard library.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)
