"""Every decoder that reads octets of others under its fuzz harness; CONTRIBUTING says how to run one for long.

A short campaign on every run, always the same; a long one with FERRYMAN_SOAK=1, for FERRYMAN_FUZZ_SECONDS (default
60) a harness and with FERRYMAN_SEED when given. An input that breaks a promise belongs into `regressions/<name>/`.
"""

from __future__ import annotations

import os
import traceback

import pytest

from fuzz.engine import Campaign, fuzz, measure, read_folder
from fuzz.harnesses import HARNESSES, HERE, regressions, seeds

RUNS = 1_500  # inputs made on every run: a tenth of a second
SLOW_RUNS = {
    "http_exchange": 250,
    "saip_notation": 400,
    "smpp_stream": 300,
    "tls_flight": 400,
}  # those that read each input three times
GROWN = 200  # octets of a seed that is tried at every length
SOAK = bool(os.environ.get("FERRYMAN_SOAK"))


def explain(name: str, campaign: Campaign) -> str:
    """What a person needs to go on: the input as hexadecimal and how it failed."""
    lines = []
    for crash in campaign.crashes:
        last = traceback.format_exception(crash.error)[-3:]
        lines.append(f"{name}: {crash.data.hex()}\n{''.join(last)}")
    return "\n".join(lines)


@pytest.mark.parametrize("name", HARNESSES)
def test_seeds_and_past_crashes_keep_their_promise_in_bounded_time_and_memory(name: str) -> None:
    inputs = seeds(name)
    assert len(inputs) >= 1, "no seed corpus"
    for data in (b"", b"\0", b"\xff" * 64, *inputs, *regressions(name)):
        measure(HARNESSES[name], data)


@pytest.mark.parametrize("name", HARNESSES)
def test_every_beginning_of_a_seed_keeps_the_promise(name: str) -> None:
    """What grows octet by octet: at each length a value or a declared error, never anything else."""
    for data in seeds(name):
        if len(data) <= GROWN:
            for end in range(len(data)):
                HARNESSES[name].check(data[:end])


@pytest.mark.parametrize("name", HARNESSES)
def test_short_campaign(name: str) -> None:
    start = [*seeds(name), *regressions(name)]
    campaign = fuzz(HARNESSES[name], start, seed=1, runs=len(start) + SLOW_RUNS.get(name, RUNS))
    assert not campaign.crashes, explain(name, campaign)
    # Were nothing counted, the campaign would be blind.
    assert campaign.reached > 50
    # The inputs that reached furthest, within their bounds.
    for data in campaign.corpus[-5:]:
        measure(HARNESSES[name], data)


@pytest.mark.skipif(not SOAK, reason="soak only")
@pytest.mark.parametrize("name", HARNESSES)
def test_long_campaign(name: str, seed: int) -> None:
    seconds = float(os.environ.get("FERRYMAN_FUZZ_SECONDS", "60"))
    start = [*seeds(name), *regressions(name)]
    campaign = fuzz(HARNESSES[name], start, seed=seed, runs=0, seconds=seconds)
    assert not campaign.crashes, explain(name, campaign)
    for data in campaign.corpus:
        measure(HARNESSES[name], data)


def test_every_folder_belongs_to_a_harness() -> None:
    folders = {path.name for kind in ("corpus", "regressions") for path in (HERE / kind).glob("*/")}
    assert folders <= set(HARNESSES)
    assert {path.name for path in (HERE / "corpus").glob("*/")} == set(HARNESSES)


def test_seeds_are_small() -> None:
    for name in HARNESSES:
        for data in read_folder(HERE / "corpus" / name):
            assert len(data) <= 16_384
