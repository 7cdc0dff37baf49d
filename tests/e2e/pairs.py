"""Every ordered pair of operations on one card, under several seeded schedules: two writers that meet anywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ferryman_sim.smsc.faults import Faults

SCHEDULES = 5


@dataclass(frozen=True)
class Meeting:
    """One pair on one card: names in the order of their calls, seconds between them, and the card's trouble."""

    first: str
    second: str
    schedule: int
    gap: float
    spare_enabled: bool
    faults: tuple[tuple[str, int], ...] = ()

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.first} > {self.second} #{self.schedule}"


def meetings(names: Sequence[str], seed: str, schedules: int = SCHEDULES) -> list[Meeting]:
    """All ordered pairs, each with itself too, `schedules` times, in an order that does not depend on the seed.

    The card begins with its bootstrap Profile enabled or with the other one. The gap reaches from the same moment
    to after the end of any operation; in some schedules the card loses its power, its RAM or an answer while the
    two are at work.
    """
    rng = random.Random(f"pairs {seed}")
    found = []
    for first in names:
        for second in names:
            for schedule in range(schedules):
                gap = 0.0 if schedule == 0 else rng.choice((0.01, 0.5, 2.0, 5.0, 20.0, 60.0, 400.0))
                faults: list[tuple[str, int]] = []
                if schedule % 5 == 2:
                    faults.append(("lost_answer", 1))
                elif schedule % 5 == 3:
                    faults.append(("power_cut", rng.randrange(1, 25)))
                elif schedule % 5 == 4:
                    faults.append(("drop_dialogue", rng.randint(1, 2)))
                found.append(Meeting(first, second, schedule, gap, schedule % 2 == 1, tuple(faults)))
    return found


NETWORK = Faults(repeat=0.05, reorder=0.20)
"""Of the pairs: nothing is lost by the way, for it is the meeting that is tested, and every loss costs minutes."""
