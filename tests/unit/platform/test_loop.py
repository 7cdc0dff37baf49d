"""The loop of services: uvloop where there is one, Python's own where there is none."""

from __future__ import annotations

import asyncio
import importlib
import sys

import pytest

from ferryman.platform import loop


async def kind() -> str:
    await asyncio.sleep(0)
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_uvloop_where_it_is_installed() -> None:
    assert loop.run(kind()) == "uvloop"


def test_the_standard_loop_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    try:
        assert importlib.reload(loop).run(kind()) == "asyncio"
    finally:
        monkeypatch.undo()
        importlib.reload(loop)
    assert loop.run(kind()) == "uvloop"


def test_errors_pass() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        loop.run(fail())
