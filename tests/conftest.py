"""What every test gets: PostgreSQL on demand, the seed of a failing run, and no skip that nobody has agreed to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from postgres import Server, find_binaries, running_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A real PostgreSQL on loopback, started once per session (and worker)."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (package postgresql-15)")
    with running_server(binaries) as server:
        yield server


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number for random choices: from FERRYMAN_SEED or fixed per test; shown when the test fails."""
    chosen = os.environ.get("FERRYMAN_SEED")
    value = int(chosen) if chosen else sum(request.node.nodeid.encode())
    request.node.user_properties.append(("seed", value))
    return value


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the seed to the report of a failed test."""
    report = yield
    if report.failed:
        for name, value in item.user_properties:
            if name == "seed":
                report.sections.append(("seed", f"run again with FERRYMAN_SEED={value}"))
    return report
