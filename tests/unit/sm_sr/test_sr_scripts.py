"""The process of a script: limits of time and memory, its death, and the SM-SR's versions and decisions."""

from __future__ import annotations

import io
import os
import signal
import time
from pathlib import Path

import msgspec
import pytest

from ferryman.errors import Refused
from ferryman.sm_sr.scripts import child, runner
from ferryman.sm_sr.scripts.runner import ChildDecider
from ferryman.workflow.plan import Send, Transport
from workflow_questions import question

GOOD = 'def decide(q):\n    return send("sms")\n'
ENDLESS = (
    "def decide(q):\n    n = 0\n    for a in range(100000):\n        for b in range(100000):\n            n += 1\n"
    "    return wait(1)\n"
)
GREEDY = (
    'def decide(q):\n    s = "x" * 1000\n    for _ in range(40):\n        s = s + s\n    return wait(len(s))\n'
)


def lines(*told: object) -> list[dict[str, object]]:
    source = io.BytesIO(b"".join(msgspec.json.encode(one) + b"\n" for one in told))
    sink = io.BytesIO()
    child.serve(source, sink)
    return [msgspec.json.decode(line) for line in sink.getvalue().splitlines()]


def test_lines() -> None:
    asked = {"question": question()}
    first, second, third, fourth = lines(
        asked, {"name": "a", "script": "x ="}, {"name": "a", "script": GOOD}, asked
    )
    assert first == {"error": "no script is loaded"}
    assert second["findings"][0]["rule"] == "syntax"  # type: ignore[index]
    assert third == {"findings": [{"line": 1, "severity": "warning", "rule": "unused-argument",
                                   "text": "Unused argument `q`"}]}  # fmt: skip
    assert fourth["plan"]["transport"] == "sms"  # type: ignore[index]


def test_an_endless_script_is_stopped_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "DECISION_SECONDS", 0.02)
    [_, answer] = lines({"name": "a", "script": ENDLESS}, {"question": question()})
    assert "cancelled" in str(answer["error"])


async def test_a_greedy_script_takes_only_its_own_process_with_it() -> None:
    decider = ChildDecider()
    await decider.use("greedy", GREEDY)
    try:
        with pytest.raises(Refused, match="the script"):
            await decider.decide(question())
        await decider.use("good", GOOD)
        assert await decider.decide(question()) == Send(transport=Transport.SMS)
    finally:
        await decider.stop()


async def test_a_killed_process_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_SMPP_PASSWORD", "hidden")
    decider = ChildDecider()
    await decider.use("good", GOOD)
    try:
        await decider.decide(question())
        assert decider._process is not None
        pid = decider._process.pid
        limits = Path(f"/proc/{pid}/limits").read_text()  # noqa: ASYNC240 - not on a disk
        for name, value in (("Max address space", child.MEMORY), ("Max open files", child.FILES)):
            line = next(line for line in limits.splitlines() if line.startswith(name))
            assert line.removeprefix(name).split()[:2] == [str(value)] * 2
        assert b"hidden" not in Path(f"/proc/{pid}/environ").read_bytes()  # noqa: ASYNC240 - not on a disk
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Refused):
            await decider.decide(question())
        assert await decider.decide(question()) == Send(transport=Transport.SMS)
    finally:
        await decider.stop()


async def test_a_silent_process_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    decider = ChildDecider()
    await decider.use("good", GOOD)
    try:
        await decider.decide(question())
        assert decider._process is not None
        os.kill(decider._process.pid, signal.SIGSTOP)
        monkeypatch.setattr(runner, "PATIENCE", 0.05)
        begun = time.monotonic()
        with pytest.raises(Refused, match="takes too long"):
            await decider.decide(question())
        assert time.monotonic() - begun < 30.0
        monkeypatch.setattr(runner, "PATIENCE", 30.0)
        assert await decider.decide(question()) == Send(transport=Transport.SMS)
    finally:
        await decider.stop()
