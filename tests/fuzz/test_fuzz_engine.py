"""The fuzzer itself: it finds what is planted, grows its corpus by coverage, repeats itself, and stops a hang."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz import engine
from fuzz.engine import Campaign, Harness, TooLarge, TooSlow, fuzz, measure
from fuzz.promises import cuts, declared

PLANTED = """
def decode(data):
    if len(data) > 3:
        if data[0] == 0x7F:
            if data[1] == 0x21:
                if data[2] == len(data) - 3:
                    raise ValueError("found")
    return None
"""


def planted(folder: Path, source: str = PLANTED) -> Callable[[bytes], object]:
    """A decoder in a file of its own, so that the coverage of its folder can be told from everything else."""
    path = folder / "planted" / "decoder.py"
    path.parent.mkdir()
    path.write_text(source)
    space: dict[str, Callable[[bytes], object]] = {}
    exec(compile(source, str(path), "exec"), space)
    return space["decode"]


def run(decode: Callable[[bytes], object], seed: int = 1, runs: int = 20_000) -> Campaign:
    return fuzz(
        Harness("planted", decode, (b"\x7f",), 32, "planted"), [b"abcdef"], seed=seed, runs=runs, stop_at=1
    )


def test_it_climbs_to_a_fault_behind_four_conditions(tmp_path: Path) -> None:
    found = run(planted(tmp_path))
    assert [str(crash.error) for crash in found.crashes] == ["found"]
    assert len(found.corpus) > 3
    assert found.reached >= 8


def test_without_coverage_it_does_not_get_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine._Coverage, "_is_ours", lambda self, code: False)
    found = run(planted(tmp_path))
    assert (found.crashes, found.reached, len(found.corpus)) == ([], 0, 1)


def test_the_same_seed_tries_the_same_inputs(tmp_path: Path) -> None:
    tried: list[list[bytes]] = []
    decode = planted(tmp_path)

    def note(data: bytes) -> object:
        tried[-1].append(data)
        return decode(data) if len(data) < 4 else None

    for seed in (1, 1, 2):
        tried.append([])
        run(note, seed, 300)
    assert tried[0] == tried[1]
    assert tried[0] != tried[2]


def test_no_input_is_longer_than_allowed() -> None:
    sizes: list[int] = []
    fuzz(Harness("sizes", lambda data: sizes.append(len(data)), (b"word",), 20), [b"a" * 20], seed=1, runs=500)
    assert max(sizes) == 20


def test_a_hang_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CPU_SECONDS", 0.02)

    def hang(data: bytes) -> object:
        while True:
            pass

    found = fuzz(Harness("hang", hang), [b"x"], seed=1, runs=10, stop_at=1)
    assert [type(crash.error) for crash in found.crashes] == [TooSlow]
    with pytest.raises(TooSlow):
        measure(Harness("hang", hang), b"x")


def test_greed_is_measured() -> None:
    measure(Harness("modest", lambda data: bytes(1000)), b"x")
    with pytest.raises(TooLarge):
        measure(Harness("greedy", lambda data: bytes(10_000_000)), b"x")


def test_nothing_is_left_switched_on() -> None:
    assert sys.monitoring.get_tool(engine._TOOL) is None
    run(lambda data: None, runs=5)
    assert sys.monitoring.get_tool(engine._TOOL) is None


def test_cuts_are_the_same_stream() -> None:
    for data in (b"", b"a", bytes(range(200))):
        assert [b"".join(pieces) for pieces in cuts(data)] == [data] * 3


def test_only_declared_errors_are_refusals() -> None:
    def refuse(data: bytes) -> object:
        raise KeyError

    with pytest.raises(KeyError):
        declared(refuse, b"")
    assert declared(refuse, b"", KeyError) is None
