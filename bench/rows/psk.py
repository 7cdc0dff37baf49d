"""The TLS-PSK server for cards beside a bare server of the standard library: CPU per handshake, memory at rest."""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.frame import Benchmark, Contestant, Figures, Skipped, paired, same
from bench.load.process import ROOT, Served, apart, served
from bench.load.psk_cards import poll, shake_hands
from bench.load.psk_keys import write_keys

POLL = "bench.load.poll_ours"
OURS, REFERENCE = "bench.load.psk_ours", "bench.reference.asyncio_psk"
CARDS = 5_000
HANDSHAKES = 400  # in a round
ROUNDS = 7
ROUNDS_OF_HANDSHAKES = 11
AT_ONCE = 32  # cards of a fleet that poll at the same moment; the module writes for those together
IDLE = 5_000
SPARE_FILES = 200
LATE = 0.1  # seconds within which it begins what it does last
SETTLE = 1.0  # seconds from the last handshake to the look at the memory


@contextmanager
def _servers() -> Iterator[tuple[Served, Served, list[tuple[str, bytes]]]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        entries = write_keys(folder / "keys.db", CARDS)
        ours = stack.enter_context(served(OURS, str(folder / "keys.db")))
        reference = stack.enter_context(served(REFERENCE, str(folder / "keys.db")))
        yield ours, reference, entries


def _handshakes() -> Figures:
    with _servers() as (ours, reference, entries):
        answers = [_suites(server, entries[:20]) for server in (ours, reference)]
        same(answers[0], answers[1], "agreed suite and version")

        def contestant(server: Served) -> Contestant:
            def run() -> float:
                begun = server.cpu_seconds()
                shake_hands(server.port, entries[:HANDSHAKES])
                _settled(server)
                return HANDSHAKES / (server.cpu_seconds() - begun)

            return run

        with apart(ours, reference):
            return paired(contestant(ours), contestant(reference), rounds=ROUNDS_OF_HANDSHAKES)


def _polls() -> Figures:
    """Empty polls of the whole module, database and all, beside our own handshakes alone."""
    with _servers() as (ours, _, entries), ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=".run-", dir=ROOT / "bench"))
        stack.callback(shutil.rmtree, folder)
        keys = folder / "keys.db"
        write_keys(keys, CARDS)
        module = stack.enter_context(served(POLL, str(keys), str(folder)))
        same(set(poll(module.port, entries[:20])), {"HTTP/1.1 204 No Content"}, "answer to an empty poll")

        def polls() -> float:
            begun = module.cpu_seconds()
            poll(module.port, entries[:HANDSHAKES], AT_ONCE)
            _settled(module)
            return HANDSHAKES / (module.cpu_seconds() - begun)

        def handshakes() -> float:
            begun = ours.cpu_seconds()
            shake_hands(ours.port, entries[:HANDSHAKES], at_once=AT_ONCE)
            _settled(ours)
            return HANDSHAKES / (ours.cpu_seconds() - begun)

        return paired(polls, handshakes, rounds=ROUNDS)


def _suites(server: Served, entries: list[tuple[str, bytes]]) -> list[tuple[str, str | None]]:
    cards = shake_hands(server.port, entries, keep=True)
    found = [((card.cipher() or ("",))[0], card.version()) for card in cards]
    for card in cards:
        card.close()
    return found


def _settled(server: Served) -> None:
    """Wait until the server has done what the last connections left it to do."""
    time.sleep(LATE)
    before = -1.0
    while (now := server.cpu_seconds()) > before:
        before = now
        time.sleep(0.02)


def _idle() -> Figures:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = IDLE + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Skipped(f"{needed} open files are needed, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        with _servers() as (ours, reference, entries):
            mine = _kib_each(ours, entries)
            theirs = _kib_each(reference, entries)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return Figures(mine, theirs, mine / theirs, note=f"{IDLE} open sessions on each")


def _kib_each(server: Served, entries: list[tuple[str, bytes]]) -> float:
    # What the first connections make it load is not theirs.
    _suites(server, entries[:100])
    _settled(server)
    before = server.resident_kib()
    cards = shake_hands(server.port, entries[:IDLE], keep=True)
    time.sleep(SETTLE)
    each = (server.resident_kib() - before) / len(cards)
    for card in cards:
        card.close()
    return each


BENCHMARKS = (
    Benchmark("psk_handshake", "handshakes/CPU-s", 1.3, _handshakes),
    Benchmark("pull_poll_empty", "polls/CPU-s", 0.5, _polls),
    Benchmark("psk_idle_kib", "KiB/session", 0.1, _idle, better="lower"),
)
