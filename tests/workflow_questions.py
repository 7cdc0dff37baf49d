"""Words for tests of plans and scripts: a question with everything in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ferryman import workflow
from ferryman.workflow.plan import Transport
from ferryman.workflow.question import Attempt, Card, Moment, Operation, Question

NOON = 1_795_003_200.0 - 1_795_003_200.0 % 86_400 + 12 * 3600  # s; a day of 2026-11 at 12:00 UTC
EID = "89033023000000000061494360000191"


def question(moment: Moment = Moment.START, **changes: Any) -> Question:
    """A question; `op_...` and `card_...` change those parts."""
    op: dict[str, Any] = {
        "id": "enable/dp/1", "name": "EnableProfile", "size": 40, "commands": 1, "asks": False,
        "more_to_do": False, "since": NOON,
    }  # fmt: skip
    card: dict[str, Any] = {
        "eid": EID, "eum_id": "eum", "platform_type": "sim", "platform_version": "1", "http_support": True,
        "has_address": True, "profiles": 2, "enabled_owner": "mno", "enabled_type": "boot", "remaining_memory": 9,
        "session_open": False, "transports": ("https-push",),
    }  # fmt: skip
    rest: dict[str, Any] = {"moment": moment, "now": NOON, "doubt": False, "installed": tuple(Transport)}
    for name, value in changes.items():
        if name.startswith("op_"):
            op[name[3:]] = value
        elif name.startswith("card_"):
            card[name[5:]] = value
        else:
            rest[name] = value
    return Question(operation=Operation(**op), card=Card(**card), **rest)


def tried(*transports: str) -> tuple[Attempt, ...]:
    """A history of silence."""
    return tuple(Attempt(transport=name, at=NOON, ended=NOON + 30, moment="silence") for name in transports)


def example(name: str) -> str:
    """Text of a script that comes with the project."""
    return (Path(workflow.__file__).parent / "examples" / f"{name}.star").read_text()
