"""The head of an answer leaves with its body, in order and in any case."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from ferryman.rest_api.protocol import LINGER, WHOLE, Corked, protocol_of
from virtual_loop import virtual


class _Transport:
    def __init__(self) -> None:
        self.done: list[bytes | str] = []
        self.tls = False

    def can_write_eof(self) -> bool:
        return not self.tls

    def write_eof(self) -> None:
        self.done.append("our end")

    def resume_reading(self) -> None:
        self.done.append("reads on")

    def is_closing(self) -> bool:
        return "closed" in self.done

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


async def test_whole_answers_of_a_turn_leave_together_at_its_end(below: _Transport) -> None:
    """Behind everything that the loop had to do in this turn, and ahead of what the next one brings."""
    loop = asyncio.get_running_loop()
    one, other = _corked(below), _corked(below)
    loop.call_soon(lambda: one.with_others(b"one"))
    loop.call_soon(lambda: below.done.append("work of the same turn"))
    loop.call_soon(lambda: other.with_others(b"other"))
    await asyncio.sleep(0)
    loop.call_soon(lambda: below.done.append("work of the next turn"))
    await asyncio.sleep(0)
    assert below.done == ["work of the same turn", b"one", b"other", "work of the next turn"]


async def test_whole_answers_of_one_connection_keep_their_order(below: _Transport) -> None:
    corked = _corked(below)
    corked.write(b"100 ")
    corked.with_others(b"one ")
    corked.with_others(b"two ")
    assert below.done == []
    corked.whole(b"three")
    assert below.done == [b"100 one two three"]
    corked.with_others(b"four ")
    corked.write(b"head of five")
    assert below.done[1:] == [b"four head of five"]
    corked.with_others(b"six")
    corked.close()
    assert below.done[2:] == [b"six", "closed"]
    await asyncio.sleep(0)
    assert below.done[2:] == [b"six", "closed"]


async def test_what_was_written_leaves_before_the_end(below: _Transport) -> None:
    corked = _corked(below)
    corked.write(b"head")
    corked.close()
    await asyncio.sleep(0)
    assert below.done == [b"head", "closed"]


async def test_everything_else_is_the_transport_s(below: _Transport) -> None:
    assert _corked(below).get_extra_info("peername") == "its peername"


async def test_an_answer_before_the_end_of_a_body_ends_our_direction_first(below: _Transport) -> None:
    corked = Corked(below, asyncio.get_running_loop(), lambda: True)
    corked.write(b"too large")
    corked.close()
    corked.close()
    assert below.done == [b"too large", "our end", "reads on"]
    assert corked.lingers
    assert corked.is_closing()
    corked.lost()


@virtual
async def test_it_does_not_linger_for_ever(below: _Transport) -> None:
    corked = Corked(below, asyncio.get_running_loop(), lambda: True)
    corked.close()
    await asyncio.sleep(LINGER - 0.1)
    assert below.done == ["our end", "reads on"]
    await asyncio.sleep(0.2)
    assert below.done[-1] == "closed"


async def test_what_cannot_end_one_direction_ends_both(below: _Transport) -> None:
    below.tls = True
    corked = Corked(below, asyncio.get_running_loop(), lambda: True)
    corked.close()
    assert below.done == ["closed"]
    assert not corked.lingers


class _Connection(_Transport):
    """Notes in a list that others have, too, that an answer was written."""

    def __init__(self, done: list[bytes | str], name: str) -> None:
        super().__init__()
        self.done, self._name = done, name

    def get_extra_info(self, name: str) -> Any:
        return None

    def write(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 200 OK")
        self.done.append(f"{self._name} written")


async def test_only_who_waited_for_nothing_waits_for_others() -> None:
    """What waited for a commit is answered at once: who asks again soon has part in the next one."""
    done: list[bytes | str] = []
    committed = asyncio.Event()

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        if scope["path"] == "/orders":
            await committed.wait()
        assert scope["extensions"][WHOLE](200, [(b"content-length", b"2")], b"{}")
        done.append(f"{scope['path']} made")

    config = uvicorn.Config(app, http=protocol_of(5.0), log_config=None, ws="none")
    config.load()
    protocols = []
    for path in ("/orders", "/one", "/other"):
        protocol: Any = protocol_of(5.0)(config, ServerState(), {})
        protocol.connection_made(_Connection(done, path))
        protocol.data_received(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        protocols.append(protocol)
    committed.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == [
        *("/one made", "/other made", "/one written", "/other written"),
        *("/orders written", "/orders made"),
    ]
    for protocol in protocols:
        protocol.connection_lost(None)
