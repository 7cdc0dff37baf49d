"""Moments as people write them on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from ferryman.errors import InputError


def moment_of(option: str, text: str) -> float:
    """Seconds since 1970 of a time in ISO 8601, UTC when it has no zone; 0 for none. Raises InputError."""
    if not text:
        return 0.0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(option, "must be a time like 2026-11-22T01:00") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
