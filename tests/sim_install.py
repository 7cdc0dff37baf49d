"""Installing small packages on the simulated eUICC and looking at what came out."""

from __future__ import annotations

from typing import Any

from ferryman_sim.profile import InstallOutcome, Profile, Status, install
from sim_packages import Package

FREE = 1 << 16
GOOD = Package()


def run(package: Package | bytes, **changes: Any) -> InstallOutcome:
    return install(bytes(package), **{"free_memory": FREE, **changes})


def profile(package: Package, **changes: Any) -> Profile:
    outcome = run(package, **changes)
    assert outcome.profile is not None, outcome.reason
    return outcome.profile


def refused(package: Package | bytes, status: Status, number: int | None = None, **changes: Any) -> None:
    """The installation was aborted with this status, reported for this element."""
    outcome = run(package, **changes)
    assert outcome.profile is None
    assert outcome.memory == 0
    assert outcome.statuses[-1].status == status, outcome.reason
    if number is not None:
        assert outcome.statuses[-1].identification == number
    assert outcome.response[-2:] == b"\x81\x00"
