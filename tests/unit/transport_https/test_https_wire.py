"""Sockets of cards and their deadlines: what the kernel does not take, who leaves first, and one timer for all."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from ferryman.errors import Unavailable
from ferryman.transport_https.deadlines import Deadlines
from ferryman.transport_https.listening import ACCEPT_PAUSE, Listener, listening_sockets
from ferryman.transport_https.session import HTTPSSettings
from ferryman.transport_https.wire import READ_OCTETS, Poller, Wire
from virtual_loop import virtual

MUCH = b"much" * 500_000  # octets: more than any socket buffer takes at once


class Listening:
    """A user that keeps what it is told."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False
        self.lost: list[OSError | None] = []
        self.fails = False

    def data_received(self, data: bytes) -> None:
        if self.fails:
            raise ValueError("a bug")
        self.received += data

    def eof_received(self) -> None:
        self.ended = True

    def connection_lost(self, problem: OSError | None) -> None:
        self.lost.append(problem)


@asynccontextmanager
async def wired() -> AsyncIterator[tuple[Wire, Listening, socket.socket]]:
    """A wire, its user, and the other end of it."""
    poller = Poller(asyncio.get_running_loop())
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    wire, user = Wire(poller, ours), Listening()
    wire.open(user)
    try:
        yield wire, user, theirs
    finally:
        wire.abort()
        poller.close()
        theirs.close()


async def turns(count: int = 10) -> None:
    """Lets the loop see what the kernel has."""
    for _ in range(count):
        await asyncio.sleep(0)


async def drained(peer: socket.socket) -> bytes:
    """Everything until nothing comes any more; an empty end is the end of the stream."""
    found = bytearray()
    for _ in range(2_000):
        await asyncio.sleep(0)
        with suppress(BlockingIOError):
            data = peer.recv(65_536)
            if not data:
                break
            found += data
    return bytes(found)


@virtual
async def test_octets_go_both_ways() -> None:
    async with wired() as (wire, user, peer):
        peer.send(b"a" * (READ_OCTETS + 1))
        await turns()
        assert bytes(user.received) == b"a" * (READ_OCTETS + 1)
        wire.write(b"answer")
        assert peer.recv(100) == b"answer"
        assert not wire.pending


@virtual
async def test_what_the_kernel_does_not_take_leaves_later_and_in_order() -> None:
    async with wired() as (wire, user, peer):
        wire.write(MUCH)
        wire.write(b"tail")
        assert 0 < wire.pending < len(MUCH) + 4
        wire.write_eof()
        assert await drained(peer) == MUCH + b"tail"  # and then the end of the stream
        assert not wire.pending
        assert not user.lost
        peer.send(b"still heard")
        await turns()
        assert user.received == b"still heard"


@virtual
async def test_a_wire_that_is_closed_lets_its_octets_leave_first() -> None:
    async with wired() as (wire, user, peer):
        wire.write(MUCH)
        wire.close()
        assert wire.is_closing
        wire.write(b"too late")
        assert await drained(peer) == MUCH
        assert user.lost == [None]


@virtual
async def test_an_aborted_wire_loses_them() -> None:
    async with wired() as (wire, user, peer):
        wire.write(MUCH)
        wire.abort()
        assert user.lost == [None]
        assert len(await drained(peer)) < len(MUCH)
        wire.abort()
        wire.close()
        assert user.lost == [None]  # once


@virtual
async def test_a_paused_wire_reads_nothing_until_it_goes_on() -> None:
    async with wired() as (wire, user, peer):
        wire.pause()
        peer.send(b"early")
        await turns()
        assert not user.received
        wire.resume()
        await turns()
        assert user.received == b"early"


@virtual
async def test_the_end_of_the_stream_closes_the_wire() -> None:
    async with wired() as (wire, user, peer):
        peer.close()
        await turns()
        assert (user.ended, user.lost) == (True, [None])
        assert wire.is_closing


@virtual
async def test_a_peer_that_is_gone_is_found_by_a_write_and_told_later() -> None:
    async with wired() as (wire, user, peer):
        wire.pause()
        peer.close()
        wire.write(b"to nobody")
        assert not user.lost  # whoever writes is in the middle of something
        assert wire.is_closing
        await turns()
        (problem,) = user.lost
        assert isinstance(problem, BrokenPipeError)


@virtual
async def test_a_peer_that_goes_while_octets_are_pending() -> None:
    async with wired() as (wire, user, peer):
        wire.write(MUCH)
        wire.close()
        peer.close()
        await turns()
        assert len(user.lost) == 1


@virtual
async def test_a_bug_of_the_user_ends_its_wire_and_no_other() -> None:
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, what: told.append(what))
    async with wired() as (_, user, peer), wired() as (_, other, other_peer):
        user.fails = True
        peer.send(b"x")
        other_peer.send(b"y")
        await turns()
        assert user.lost == [None]
        assert other.received == b"y"
    assert [type(what["exception"]) for what in told] == [ValueError]


class Guest:
    """Somebody with a deadline."""

    def __init__(self, name: str, told: list[tuple[float, str]]) -> None:
        self.wait: float | None = None
        self.name = name
        self._told = told

    def deadline_passed(self) -> None:
        self._told.append((asyncio.get_running_loop().time(), self.name))


@virtual
async def test_deadlines_come_in_their_order_and_only_those_that_still_hold() -> None:
    loop = asyncio.get_running_loop()
    deadlines, told = Deadlines(loop), list[tuple[float, str]]()
    a, b, c, d = (Guest(name, told) for name in "abcd")
    begun = loop.time()
    deadlines.begin(a, 60.0)
    deadlines.begin(b, 10.0)
    deadlines.begin(c, 60.0)
    deadlines.begin(d, 60.0)
    await asyncio.sleep(5.0)
    deadlines.begin(a, 60.0)  # anew: behind the others
    deadlines.end(d)
    await asyncio.sleep(100.0)
    assert [(round(at - begun, 3), name) for at, name in told] == [(10.0, "b"), (60.0, "c"), (65.0, "a")]
    deadlines.begin(b, 10.0)
    deadlines.close()
    await asyncio.sleep(100.0)
    assert len(told) == 3


@virtual
async def test_a_deadline_that_another_one_ends_does_not_come() -> None:
    deadlines, told = Deadlines(asyncio.get_running_loop()), list[tuple[float, str]]()
    second = Guest("second", told)

    class First(Guest):
        def deadline_passed(self) -> None:
            super().deadline_passed()
            deadlines.end(second)
            deadlines.begin(self, 1.0)

    deadlines.begin(First("first", told), 5.0)
    deadlines.begin(second, 5.0)
    await asyncio.sleep(6.5)
    assert [name for _, name in told] == ["first", "first"]
    deadlines.close()


@virtual
async def test_without_means_nobody_is_let_in_for_a_while() -> None:
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, what: told.append(what))
    (listening,) = await listening_sockets(HTTPSSettings("127.0.0.1", 0))

    class Exhausted(socket.socket):
        spent = True

        def _accept(self) -> tuple[int, Any]:
            if self.spent:
                raise OSError(errno.EMFILE, "too many open files")
            return super()._accept()  # type: ignore[misc,no-any-return]

    exhausted = Exhausted(fileno=listening.detach())
    accepted: list[socket.socket] = []
    poller = Poller(loop)
    listener = Listener(poller, [exhausted], lambda sock, _address: accepted.append(sock))
    with socket.create_connection(("127.0.0.1", listener.port)):
        await turns()
        assert len(told) == 1
        await asyncio.sleep(ACCEPT_PAUSE / 2)
        assert len(told) == 1  # not asked again at once
        exhausted.spent = False
        await asyncio.sleep(ACCEPT_PAUSE)
        assert len(accepted) == 1
    accepted[0].close()
    listener.close()
    poller.close()


@virtual
async def test_a_port_that_is_taken_is_said_and_nothing_is_left_open() -> None:
    (first,) = await listening_sockets(HTTPSSettings("127.0.0.1", 0))
    port = first.getsockname()[1]
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}"):
        await listening_sockets(HTTPSSettings("127.0.0.1", port))
    first.close()
    shared = await listening_sockets(HTTPSSettings("127.0.0.1", 0), 3)
    assert len({sock.getsockname() for sock in shared}) == 1
    for sock in shared:
        sock.close()
