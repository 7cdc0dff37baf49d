"""What may go wrong in one direction of a connection, as a value and as the text of the command line."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace
from typing import Any

SECONDS_LIMIT = 86_400.0  # a longer wait than a day is a typing error
OCTETS_LIMIT = 1 << 40  # the same for an offset in a stream
DIRECTIONS = ("up", "down")  # from who connects to who listens, and back

_PROBABILITIES = ("drop", "delay", "duplicate", "reorder")
_SECONDS = ("delay_seconds", "reorder_seconds", "pause")
_COUNTS = ("cut_after", "black_hole_after", "half_open_after", "piece", "connections")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of one message; `delay` in seconds, `overtaken` lets the next message go first."""

    dropped: bool = False
    delay: float = 0.0
    repeated: bool = False
    overtaken: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """Faults of one direction.

    For each message, with these probabilities: `drop` it, `delay` it and all behind it by up to `delay_seconds`,
    `duplicate` it, `reorder` it behind the next one (given up after `reorder_seconds` without one).

    After so many octets of the direction, None for never: `cut_after` resets both sides; `black_hole_after` lets
    nothing of this direction through any more, not even its end; `half_open_after` resets the side that was
    being sent to, while the sender goes on to believe in the connection.

    Slowly: no write of more than `piece` octets (0: any), `pause` seconds between two.

    `connections`: only the first so many connections are affected (0: all).
    """

    drop: float = 0.0
    delay: float = 0.0
    delay_seconds: float = 1.0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_seconds: float = 1.0
    cut_after: int | None = None
    black_hole_after: int | None = None
    half_open_after: int | None = None
    piece: int = 0
    pause: float = 0.0
    connections: int = 0

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            _within(name, getattr(self, name), 1.0)
        for name in _SECONDS:
            _within(name, getattr(self, name), SECONDS_LIMIT)
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None:
                _within(name, value, OCTETS_LIMIT)
        if self.pause and not self.piece:
            raise ValueError("pause is the time between two pieces: name their size with piece")

    def changed(self, settings: dict[str, Any]) -> Rules:
        """These rules with the named settings replaced; null takes an offset away. Raises ValueError."""
        known = {field.name for field in fields(self)}
        for name, value in settings.items():
            if name not in known:
                raise ValueError(f"no such fault: {name}")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if name in _COUNTS and not ((isinstance(value, int) and number) or value is None):
                raise ValueError(f"{name} is a whole number")
            if name not in _COUNTS and not number:
                raise ValueError(f"{name} is a number")
        return replace(self, **settings)

    def draw(self, rng: random.Random) -> Verdict:
        """The fate of the next message. Always draws the same number of values, so runs stay comparable."""
        drop, delay, extent, duplicate, reorder = (rng.random() for _ in range(5))
        return Verdict(
            dropped=drop < self.drop,
            delay=extent * self.delay_seconds if delay < self.delay else 0.0,
            repeated=duplicate < self.duplicate,
            overtaken=reorder < self.reorder,
        )

    def end(self) -> tuple[int, str] | None:
        """The offset at which the direction ends, and how; None when it does not."""
        ends = [
            (offset, name.removesuffix("_after"))
            for name in ("cut_after", "black_hole_after", "half_open_after")
            if (offset := getattr(self, name)) is not None
        ]
        return min(ends, default=None)


def parse(texts: list[str]) -> dict[str, Rules]:
    """Rules of both directions from texts like `up:drop=0.1,delay=0.2` or `cut_after=100` (both directions).

    Later texts add to earlier ones. Raises ValueError.
    """
    found = dict.fromkeys(DIRECTIONS, Rules())
    for text in texts:
        direction, colon, body = text.rpartition(":")
        if colon and direction not in (*DIRECTIONS, "both"):
            raise ValueError(f"no direction: {direction}")
        settings = dict(_setting(item) for item in filter(None, body.split(",")))
        for name in DIRECTIONS if direction in ("", "both") else (direction,):
            found[name] = found[name].changed(settings)
    return found


def _setting(item: str) -> tuple[str, float | int]:
    name, equals, value = item.partition("=")
    name = name.strip().replace("-", "_")
    if not equals:
        raise ValueError(f"not NAME=VALUE: {item}")
    return name, int(value) if name in _COUNTS else float(value)


def _within(name: str, value: float, high: float) -> None:
    if not 0 <= value <= high:
        raise ValueError(f"{name} is 0 to {high:g}")
