"""What `--server` reaches: which commands stay on the platform's own machine, and why, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Reach(StrEnum):
    """What a command does with `--server`."""

    CARRIED = "carried"  # asked over the REST API
    MACHINE = "machine"  # refused, with a reason
    FILES = "files"  # reads files of the person who types it, and asks no platform
    ELSEWHERE = "elsewhere"  # only over the REST API, which has what it is about


_PROCESS = "it runs a process of that machine"
_PARKED = "what was set aside is looked after where its process runs"
_STEPS = "procedures are looked at in the process that has their journal"
_BROKER = "it writes what the platform's processes and their broker are set up with"
_BELIEVE = "whom the platform believes, and what of it is taken back, is said there"

MACHINE: dict[str, str] = {
    "up": _PROCESS,
    "serve": _PROCESS,
    "demo": _PROCESS,
    "restore": "it changes databases while nothing runs on them",
    "nats-config": _BROKER,
    "nats-streams": _BROKER,
    "parked list": _PARKED,
    "parked release": _PARKED,
    "procedure list": _STEPS,
    "procedure replay": _STEPS,
    "certificate trust": _BELIEVE,
    "certificate drop": _BELIEVE,
}
FILES = frozenset(
    {
        *("profile inspect", "profile convert", "profile lint", "profile diff"),
        *("script explain", "script test"),
    }
)
ELSEWHERE = frozenset({"approval list", "approval show", "approval approve", "approval reject"})


def reach_of(words: Sequence[str]) -> Reach:
    """What the command of these words does; options and arguments are none of them."""
    command = " ".join(words)
    if command in MACHINE:
        return Reach.MACHINE
    if command in ELSEWHERE:
        return Reach.ELSEWHERE
    return Reach.FILES if command in FILES else Reach.CARRIED
