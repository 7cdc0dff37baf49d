"""Which kind of simulated card a test runs on, and what the two operators are told of it (docs/personalities.md).

`FERRYMAN_PERSONALITY` names it for every world whose test names none. Nothing but the data here may differ.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import Any

from ferryman.cli.operator import Operator
from ferryman.contracts import admin

CHOICE = "--personality"
PERSONALITY = os.environ.get("FERRYMAN_PERSONALITY", "")
ALL = ("reference", "recorded", "strict")
TYPE_DATA: dict[str, tuple[str, dict[str, Any]]] = {
    "recorded": ("ferryman-sim-recorded", {"spi": "1601", "check_sequence": False}),
    "strict": (
        "ferryman-sim-strict",
        {"roll_back_names": "failed", "nothing_pending_sw": "6A88", "finalise_lists": "deleted"},
    ),
}
"""By personality: PlatformType, and all that an SM-SR is told of that eUICC type."""
COUNTS = bool(TYPE_DATA.get(PERSONALITY, ("", {}))[1].get("check_sequence", True))
"""Whether cards number what they tell. Others are asked (GetStatus) about what may be a replay, and confirmed."""
UNNUMBERED = "HandleNotificationConfirmation 0000"
"""The confirmation to a card whose notifications have no number: all are alike, and none is a repeat."""
OPERATOR_DATA: dict[str, dict[str, Any]] = {"strict": {"pol1_tag": 0x84}}
"""What the operator's OTA platform is told of cards that differ from its default."""


def chosen(options: Sequence[str]) -> tuple[str, ...]:
    """Options of the card maker with the personality of this run, when they name none."""
    if not PERSONALITY or CHOICE in options:
        return tuple(options)
    return (*options, CHOICE, PERSONALITY)


def named(options: Sequence[str]) -> list[str]:
    """Personalities that these options name, `NAME` or `NAME:CARD`."""
    return [word.partition(":")[0] for before, word in itertools.pairwise(options) if before == CHOICE]


async def tell_types(operator: Operator, eum_id: str, options: Sequence[str]) -> None:
    """Give an SM-SR the data of the eUICC types that these options make."""
    for name in dict.fromkeys(named(options)):
        if name in TYPE_DATA:
            platform_type, says = TYPE_DATA[name]
            await operator.sm_sr(admin.SetType(eum_id=eum_id, platform_type=platform_type, says=says))


def of_the_operator(options: Sequence[str]) -> dict[str, Any]:
    """Settings of the operator's OTA platform for these cards."""
    return {key: value for name in named(options) for key, value in OPERATOR_DATA.get(name, {}).items()}
