"""What every test gets: PostgreSQL on demand, the seed of a failing run, and no skip that nobody has agreed to."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from codes_of_functions import ANSWERS, PROPERTY, wanted
from conformance_page import SHOWN
from parties import Party, make_party
from postgres import Server, find_binaries, running_server
from soap_guard import Guard
from transition_watch import WATCH

# Reasons (their beginnings) for which a test may be skipped although FERRYMAN_NO_SKIP or CI is set; each with why.
ALLOWED_SKIPS = (
    "soak only",  # long runs belong to `make soak`
    "SPI 1601",  # only in `make personalities`: a card without a MAC has none that could be wrong
)
NO_SKIP = bool(os.environ.get("FERRYMAN_NO_SKIP") or os.environ.get("CI"))
_not_allowed: list[str] = []


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A real PostgreSQL on loopback, started once per session (and worker)."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (package postgresql-15)")
    with running_server(binaries) as server:
        yield server


@pytest.fixture(scope="session")
def parties(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Party]:
    """Other parties and ourselves, each with a key and a certificate, made once per session (and worker)."""
    folder = tmp_path_factory.mktemp("parties")
    return {name: make_party(folder, name) for name in ("ours", "mno", "mno2", "dp", "eum", "sr2", "stranger")}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command in this process sets up logging for the process; the next test starts as this one did."""
    structure, root = structlog.get_config(), logging.getLogger()
    level, ours = root.level, list(root.handlers)
    yield
    structlog.configure(**structure)
    root.setLevel(level)
    for handler in list(root.handlers):
        if handler not in ours and type(handler) is logging.StreamHandler:
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def soap_guard() -> Iterator[Guard]:
    """Looks at every SOAP message of the session."""
    patch, guard = pytest.MonkeyPatch(), Guard()
    guard.stand(patch)
    yield guard
    patch.undo()


@pytest.fixture(autouse=True)
def _soap_is_valid(soap_guard: Guard) -> Iterator[None]:
    """No test may send a SOAP message that the reference schema refuses, whatever it is about."""
    yield
    if soap_guard.wrong:
        wrong, soap_guard.wrong = soap_guard.wrong, []
        pytest.fail(f"SOAP messages that are not valid: {wrong}")


@pytest.fixture(autouse=True)
def _as_the_transition_tables_say(request: pytest.FixtureRequest) -> Iterator[None]:
    """A step that no table has fails the test that took it (`transition_watch.py`).

    But for property tests: they give any event to any state, and other ones in each run.
    """
    function = getattr(request, "function", None)
    WATCH.paused = getattr(function, "is_hypothesis_test", False) or request.module.__name__.endswith(
        "_properties"
    )
    yield
    wrong = WATCH.take_wrong()
    assert not wrong, "not in the transition table: " + "; ".join(wrong)


@pytest.fixture(autouse=True)
def _yields_what_it_says(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that names pairs of codes fails when a function did not answer with one (`codes_of_functions.py`)."""
    pairs = wanted(request.node)
    ANSWERS.seen, ANSWERS.listening = set(), bool(pairs)
    yield
    seen, ANSWERS.listening = ANSWERS.seen, False
    lacking = [pair for pair in pairs if pair not in seen]
    assert not lacking, f"answers that did not come: {lacking}; these came: {sorted(seen)}"
    if pairs:
        request.node.user_properties.append((PROPERTY, [list(pair) for pair in pairs]))


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


# -- skips --------------------------------------------------------------------------------------------------------


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(ALLOWED_SKIPS):
        _not_allowed.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """With workers this runs in the process that collects their reports too."""
    _note_skip(report)
    SHOWN.hear(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A module that skips itself as a whole."""
    _note_skip(report)
    SHOWN.hear_module(report)


# -- transition tables --------------------------------------------------------------------------------------------

ANSWERS.install()
WATCH.install()  # before a test module, or a role, takes a step function
_not_taken: list[str] = []
_not_shown: list[str] = []


def _is_whole(config: pytest.Config) -> bool:
    """Whether every test runs: only then a row that none has taken says something."""
    options = config.option
    chosen = options.keyword or options.markexpr or getattr(options, "lf", False)
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker has ended: what its tests have taken."""
    WATCH.hear(getattr(node, "workeroutput", {}).get("transitions", ()))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What makes a run fail although no test failed: skips where none is allowed, and what no test has shown."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["transitions"] = WATCH.told()
        return
    if exitstatus == pytest.ExitCode.OK and _is_whole(config):
        _not_taken.extend(WATCH.missing())
        _not_shown.extend(SHOWN.lacking())
    wrong = _not_taken or _not_shown or SHOWN.skipped or (NO_SKIP and _not_allowed)
    if exitstatus == pytest.ExitCode.OK and wrong:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which, and why the run failed."""
    if _not_taken:
        terminalreporter.section("rows of transition tables that no test takes (or take the row away)")
        for line in _not_taken:
            terminalreporter.line(line)
    for title, lines in (
        ("tests named in docs/conformance.md that were skipped", SHOWN.skipped),
        ("what docs/conformance.md says and no test has shown", _not_shown),
    ):
        if lines:
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.line(line)
    if NO_SKIP and _not_allowed:
        terminalreporter.section("skips that are not allowed here (FERRYMAN_NO_SKIP or CI is set)")
        for line in _not_allowed:
            terminalreporter.line(line)
