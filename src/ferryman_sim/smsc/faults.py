"""Bad luck on demand: what happens to each message on its way, drawn from a seeded generator."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace
from typing import Any

_SECONDS_LIMIT = 86_400.0  # a longer delay than a day is a typing error


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of one message: `delay` in seconds; `overtaken` lets the next message to the same place go
    first.
    """

    lost: bool = False
    delay: float = 0.0
    repeated: bool = False
    overtaken: bool = False


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities 0 to 1 of loss, delay, repetition and reordering of one direction; seconds for their
    extent.

    A lost message leaves no trace: no delivery and no receipt. A delay is drawn up to `delay_seconds` and
    holds up later messages to the same place. A reordered message waits at most `reorder_seconds` for one to
    overtake it.
    """

    loss: float = 0.0
    delay: float = 0.0
    delay_seconds: float = 10.0
    repeat: float = 0.0
    reorder: float = 0.0
    reorder_seconds: float = 5.0

    def __post_init__(self) -> None:
        for name in ("loss", "delay", "repeat", "reorder"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability from 0 to 1")
        for name in ("delay_seconds", "reorder_seconds"):
            if not 0 <= getattr(self, name) <= _SECONDS_LIMIT:
                raise ValueError(f"{name} is 0 to {_SECONDS_LIMIT:.0f} seconds")

    def changed(self, settings: dict[str, Any]) -> Faults:
        """These faults with the named settings replaced. Raises ValueError."""
        known = {field.name for field in fields(self)}
        wrong = {
            name
            for name, value in settings.items()
            if name not in known or isinstance(value, bool) or not isinstance(value, int | float)
        }
        if wrong:
            raise ValueError(f"no number or no fault setting: {', '.join(sorted(wrong))}")
        return replace(self, **{name: float(value) for name, value in settings.items()})

    def draw(self, rng: random.Random) -> Verdict:
        """The fate of the next message. Always draws the same number of values, so runs stay comparable."""
        loss, delay, extent, repeat, reorder = (rng.random() for _ in range(5))
        return Verdict(
            lost=loss < self.loss,
            delay=extent * self.delay_seconds if delay < self.delay else 0.0,
            repeated=repeat < self.repeat,
            overtaken=reorder < self.reorder,
        )


def parse(text: str) -> Faults:
    """Faults from `loss=0.1,delay=0.2`. Raises ValueError."""
    settings = {}
    for item in filter(None, text.split(",")):
        name, _, value = item.partition("=")
        settings[name.strip()] = float(value)
    return Faults().changed(settings)
