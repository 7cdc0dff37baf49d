"""Events as they come: the parser of server-sent events, and streams that are cut off and go on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from ferryman.client import AnswerNotUnderstood, NotAllowed, Unreachable
from ferryman.client.blocking import EventStream
from ferryman.client.server_sent import MAX_LINE, Sent, ServerSentEvents
from scripted_platform import Script, problem

LINES = (
    b"\xef\xbb\xbfid: 4\r\nretry: 1500\r\n\r\n: still here\n\nevent: a\ndata: one\rdata:two\r\r"
    b"id: 5\ndata: x\n\nid: 6\0\ndata\n\nid: 7\ndata: never ended\n"
)
EVENTS = [Sent("a", "one\ntwo"), Sent("message", "x"), Sent("message", "")]


@pytest.mark.parametrize("size", range(1, len(LINES) + 1))
def test_events_whatever_the_pieces(size: int) -> None:
    parser = ServerSentEvents()
    found: list[Sent] = []
    for start in range(0, len(LINES), size):
        found += parser.feed(LINES[start : start + size])
    assert found == EVENTS
    assert parser.last_id == "5"  # 6 holds a NUL, 7 had no blank line
    assert parser.retry == 1.5
    parser.restart()
    assert parser.feed(b"data: y\n\n") == [Sent("message", "y")]
    assert parser.last_id == "5"


def test_a_line_that_does_not_end_is_given_up() -> None:
    parser = ServerSentEvents()
    assert parser.feed(b"x" * MAX_LINE) == []
    with pytest.raises(AnswerNotUnderstood):
        parser.feed(b"x")


def told(seq: int) -> bytes:
    event = {"id": f"e{seq}", "seq": seq, "type": "order.step", "at": 1.0, "eid": "", "word": f"step {seq}"}
    return f"id: {seq}\nevent: order.step\ndata: {json.dumps(event)}\n\n".encode()


class Cut(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A stream that ends, or breaks, behind some octets."""

    def __init__(self, *pieces: bytes, broken: bool = False) -> None:
        self._pieces = pieces
        self._broken = broken

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._broken:
            raise httpx2.ReadError("cut")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def stream(*pieces: bytes, broken: bool = False) -> Any:
    heads = {"content-type": "text/event-stream; charset=utf-8"}
    return httpx2.Response(200, headers=heads, stream=Cut(*pieces, broken=broken))


def hostile() -> list[Any]:
    return [
        stream(b"id: 3\nretry: 2000\n\n", broken=True),  # before the first event
        httpx2.ConnectError("refused"),
        problem(503, retry_after="9"),
        stream(told(4), told(5)[:-1], broken=True),  # the fifth is not whole
        stream(told(5), told(6)),
        problem(401),
    ]


def test_a_stream_that_is_cut_off_goes_on_where_it_was() -> None:
    script = Script(hostile())
    with script.blocking().stream_events() as events:
        assert [next(events).seq for _ in range(3)] == [4, 5, 6]
        with pytest.raises(Exception, match="no"):
            next(events)
    assert script.sent("last-event-id") == ["", "3", "3", "3", "4", "6"]
    assert script.requests[-1].url.query == b"after=6"
    assert script.requests[0].headers["accept"] == "text/event-stream"
    assert script.pauses[0] == 2.0  # as the server said
    assert script.pauses[2] == 9.0
    assert all(pause > 0 for pause in script.pauses)


async def test_a_stream_that_is_cut_off_goes_on_awaited() -> None:
    script = Script(hostile())
    async with script.awaiting() as client, client.stream_events(after="3") as events:
        assert [(await anext(events)).seq for _ in range(3)] == [4, 5, 6]
        assert events.last_id == "6"
    assert script.sent("last-event-id")[:5] == ["3", "3", "3", "3", "4"]


def test_a_stream_for_somebody_without_the_right_is_refused_at_once() -> None:
    script = Script([problem(403)])
    with pytest.raises(NotAllowed), script.blocking().stream_events():
        pass
    assert script.pauses == []
    other = Script([httpx2.Response(200, headers={"content-type": "text/html"}, stream=Cut(b"<html>"))])
    with pytest.raises(AnswerNotUnderstood), other.blocking().stream_events():
        pass
    wrong = Script([stream(b"data: {}\n\n")])
    with pytest.raises(AnswerNotUnderstood), wrong.blocking().stream_events() as events:
        next(events)


def test_patience_with_a_stream_has_an_end() -> None:
    script = Script([httpx2.ConnectError("refused") for _ in range(100)])
    client = script.blocking()
    stream = client.stream_events()
    impatient = EventStream(client, stream._following._call, patience=10.0)
    with pytest.raises(Unreachable), impatient:
        pass
    assert 0 < len(script.pauses) < 10
