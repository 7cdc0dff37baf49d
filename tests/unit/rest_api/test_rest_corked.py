"""The head of an answer leaves with its body, in order and in any case."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ferryman.rest_api.protocol import Corked


class _Transport:
    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def get_extra_info(self, name: str) -> str:
        return f"its {name}"


@pytest.fixture
def below() -> _Transport:
    return _Transport()


def _corked(below: Any) -> Corked:
    return Corked(below, asyncio.get_running_loop())


async def test_head_and_body_are_one_write(below: _Transport) -> None:
    corked = _corked(below)
    corked.write(b"head")
    assert below.done == []
    corked.write(b"body")
    assert below.done == [b"headbody"]
    corked.write(b"head 2")
    corked.write(b"")
    await asyncio.sleep(0)
    assert below.done == [b"headbody", b"head 2"]


async def test_a_head_alone_waits_for_one_turn(below: _Transport) -> None:
    corked = _corked(below)
    corked.write(b"head")
    await asyncio.sleep(0)
    assert below.done == [b"head"]
    corked.write(b"body")
    await asyncio.sleep(0)
    assert below.done == [b"head", b"body"]


async def test_what_was_written_leaves_before_the_end(below: _Transport) -> None:
    corked = _corked(below)
    corked.write(b"head")
    corked.close()
    await asyncio.sleep(0)
    assert below.done == [b"head", "closed"]


async def test_everything_else_is_the_transport_s(below: _Transport) -> None:
    assert _corked(below).get_extra_info("peername") == "its peername"
