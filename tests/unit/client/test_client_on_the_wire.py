"""Both clients against a server on loopback that misbehaves: what they send again, when, what they say."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from ferryman.client import (
    AnswerNotUnderstood,
    AsyncClient,
    Client,
    NotAllowed,
    Patience,
    PlatformUnavailable,
    TooManyRequests,
    Unreachable,
)
from misbehaving_server import HEAD_END, Deed, Server, answer, hang_up, misbehaving, octets, reset

EID = "89033023000000000043619520000184"
ORDER = {
    "order_id": "o1", "eid": EID, "iccid": "8988211000000000011", "profile_type": "m2m", "enable": True,
    "state": "running", "step": "begun", "status": None, "steps": [],
}  # fmt: skip
GOOD = answer(200, ORDER)
MADE = answer(201, ORDER)
USER = answer(201, {"account": {}, "password": "x"})
HALF = octets(b'HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"order')
SHORT = 0.4  # s of patience with a server that is silent


@dataclass
class Caller:
    """One of both clients; pauses are written down, not made."""

    kind: str
    pauses: list[float] = field(default_factory=list)

    def ask(self, server: Server, method: str, *args: Any, **more: Any) -> Any:
        """A method of a new client of this server."""
        given: dict[str, Any] = {
            name: more.pop(name) for name in ("timeout", "patience", "ca_file") if name in more
        }

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        async def awaiting() -> Any:
            async with AsyncClient(server.url, "secret-key", **given) as client:
                client._pause = pause
                found: Awaitable[Any] = getattr(client, method)(*args, **more)
                return await found

        if self.kind == "awaiting":
            return asyncio.run(awaiting())
        with Client(server.url, "secret-key", **given) as client:
            client._pause = self.pauses.append
            return getattr(client, method)(*args, **more)


@pytest.fixture(params=["blocking", "awaiting"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


@pytest.mark.parametrize(
    "lost",
    [
        hang_up,
        reset,
        HALF,
        octets(b"HTTP/1.1 2"),
        answer(502, {"title": "x"}),
        answer(503, {"title": "x"}),
        answer(504, None),
        answer(429, {"title": "x"}),
    ],
    ids=["ended", "reset", "half a body", "half a head", "502", "503", "504", "429"],
)
def test_an_order_is_sent_again_with_the_same_key(caller: Caller, lost: Deed) -> None:
    with misbehaving(lost, lost, MADE) as server:
        assert caller.ask(server, "create_order", eid=EID).order_id == "o1"
    first, *others = server.sent("idempotency-key")
    assert len(first) == 32
    assert others == [first, first]
    assert len({one.body for one in server.came}) == 1
    one, two = caller.pauses
    assert 0.125 <= one <= 0.25  # half of it and more, at random
    assert 0.25 <= two <= 0.5


def test_jitter() -> None:
    pauses: list[float] = []
    for _ in range(6):
        caller = Caller("blocking", pauses)
        with misbehaving(answer(503, {"title": "x"}), GOOD) as server:
            caller.ask(server, "show_order", "o1")
    assert len(set(pauses)) > 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(caller: Caller, status: int) -> None:
    with misbehaving(answer(status, {"title": "x"}, heads=("Retry-After: 7",)), GOOD) as server:
        caller.ask(server, "show_order", "o1")
    assert caller.pauses == [7.0]
    with misbehaving(answer(status, {"title": "x", "detail": "wait"}, heads=("Retry-After: 3600",))) as server:
        with pytest.raises((TooManyRequests, PlatformUnavailable), match="wait") as raised:
            caller.ask(server, "show_order", "o1")
        assert raised.value.retry_after == 3600
    assert len(server.came) == 1


@pytest.mark.parametrize(
    "lost", [hang_up, reset, HALF, answer(503, {"title": "x"})], ids=["end", "reset", "half", "503"]
)
def test_what_has_no_key_is_sent_once(caller: Caller, lost: Deed) -> None:
    with misbehaving(lost, USER) as server:
        with pytest.raises((Unreachable, PlatformUnavailable)) as raised:
            caller.ask(server, "change_user", "ada", action="recover")
        assert raised.value.unknown
        assert "not known" in str(raised.value)
    assert len(server.came) == 1
    assert caller.pauses == []


def test_silence_is_unknown_and_only_a_key_is_repeated(caller: Caller) -> None:
    patience = Patience(repeats=1)
    with misbehaving(hang_up) as server:
        server.deeds = [server.silence]
        with pytest.raises(Unreachable) as raised:
            caller.ask(server, "change_user", "ada", action="recover", timeout=SHORT, patience=patience)
        assert raised.value.unknown
        assert len(server.came) == 1
        with pytest.raises(Unreachable) as raised:
            caller.ask(server, "create_order", eid=EID, timeout=SHORT, patience=patience)
        assert raised.value.unknown
        first, second = server.sent("idempotency-key")[1:]
        assert first == second != ""


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 X\r\nx-long: " + b"a" * 1_000,
        b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 1000" + HEAD_END + b" " * 1_000,
    ],
    ids=["head", "body"],
)
def test_an_answer_that_drips_ends_with_its_time(caller: Caller, raw: bytes) -> None:
    with misbehaving(hang_up) as server:
        server.deeds = [server.drip(raw, 0.05)]
        begun = time.monotonic()
        with pytest.raises(Unreachable) as raised:
            caller.ask(server, "show_order", "o1", timeout=SHORT, patience=Patience(repeats=0))
        assert raised.value.unknown
        assert time.monotonic() - begun < 10 * SHORT


def test_nobody_listens(caller: Caller) -> None:
    with misbehaving(hang_up) as server:
        pass
    with pytest.raises(Unreachable) as raised:
        caller.ask(server, "change_user", "ada", action="recover", patience=Patience(repeats=2))
    assert not raised.value.unknown  # nothing was sent: even this is tried again
    assert len(caller.pauses) == 2


def test_a_connection_that_was_closed_meanwhile_is_no_loss() -> None:
    """A server hangs up on a connection that is idle; the next request of a client goes over another."""
    head = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 25" + HEAD_END
    page = octets(head + b'{"items": [], "next": ""}')
    with misbehaving(page, GOOD) as server, Client(server.url, "secret-key") as client:
        assert list(client.list_orders()) == []
        time.sleep(0.1)
        assert client.show_order("o1").order_id == "o1"
    assert len(server.came) == 2


def test_refusals_carry_their_codes(caller: Caller) -> None:
    told = {"title": "x", "status": 403, "detail": "no", "subject": "8.2", "reason": "1.2", "identifier": "89"}
    refusing = misbehaving(answer(403, told, heads=("x-request-id: abc",)))
    with refusing as server, pytest.raises(NotAllowed) as raised:
        caller.ask(server, "show_order", "o1")
    found = raised.value
    assert (found.subject, found.reason, found.identifier, found.request_id) == ("8.2", "1.2", "89", "abc")


def test_another_server_is_said_to_be_one(caller: Caller) -> None:
    for raw in (b"HTTP/1.1 200 X\r\ncontent-length: 6" + HEAD_END + b"<html>", b"SSH-2.0-x\r\n"):
        with misbehaving(octets(raw)) as server, pytest.raises((AnswerNotUnderstood, Unreachable)):
            caller.ask(server, "show_order", "o1", patience=Patience(repeats=0))


def test_pages_go_on_over_lost_answers(caller: Caller) -> None:
    first, last = {"items": [ORDER], "next": "o1"}, {"items": [{**ORDER, "order_id": "o2"}], "next": ""}
    with misbehaving(answer(200, first), reset, answer(503, {"title": "x"}), answer(200, last)) as server:
        found = asyncio.run(_orders(server)) if caller.kind == "awaiting" else _blocking_orders(server)
    assert found == ["o1", "o2"]
    assert [one.target.partition("?")[2] for one in server.came] == ["", "after=o1", "after=o1", "after=o1"]


async def _orders(server: Server) -> list[str]:
    async with AsyncClient(server.url, "secret-key") as client:
        return [order.order_id async for order in client.list_orders()]


def _blocking_orders(server: Server) -> list[str]:
    with Client(server.url, "secret-key") as client:
        return [order.order_id for order in client.list_orders()]


# -- events -------------------------------------------------------------------------------------------------------

STREAM = b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked" + HEAD_END


def chunk(raw: bytes) -> bytes:
    return f"{len(raw):x}\r\n".encode() + raw + b"\r\n"


def told(seq: int) -> bytes:
    event = {"id": f"e{seq}", "seq": seq, "type": "order.step", "at": 1.0, "eid": "", "word": f"step {seq}"}
    return f"id: {seq}\nevent: order.step\ndata: {json.dumps(event)}\n\n".encode()


STORY: tuple[Callable[[Any], bool], ...] = (
    octets(STREAM + chunk(told(1)) + chunk(told(2)[:20])),  # cut in an event, and in the middle of the coding
    answer(503, {"title": "x"}, heads=("Retry-After: 3",)),
    reset,
    octets(STREAM + chunk(b"retry: 10\n\n") + chunk(told(2)) + chunk(told(3)) + b"0\r\n\r\n"),
    octets(STREAM + chunk(told(4))),
)


def test_a_stream_goes_on_behind_its_last_event() -> None:
    pauses: list[float] = []
    with misbehaving(*STORY) as server, Client(server.url, "secret-key") as client:
        client._pause = pauses.append
        with client.stream_events() as events:
            assert [next(events).seq for _ in range(4)] == [1, 2, 3, 4]
    assert server.sent("last-event-id") == ["", "1", "1", "1", "3"]
    assert pauses[1] == 3.0


async def test_a_stream_goes_on_behind_its_last_event_awaited() -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    with misbehaving(*STORY) as server:
        async with AsyncClient(server.url, "secret-key") as client:
            client._pause = pause
            async with client.stream_events() as events:
                assert [(await anext(events)).seq for _ in range(4)] == [1, 2, 3, 4]
    assert server.sent("last-event-id") == ["", "1", "1", "1", "3"]
    assert pauses[1] == 3.0


# -- TLS ----------------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str, address: str) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for an address, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


def test_only_a_server_that_proves_itself_gets_the_key(caller: Caller, tmp_path: Path) -> None:
    good, context = certificate(tmp_path, "good", "127.0.0.1")
    other, _ = certificate(tmp_path, "other", "127.0.0.1")
    named, elsewhere = certificate(tmp_path, "elsewhere", "127.0.0.2")
    once = Patience(repeats=0)
    with misbehaving(GOOD, tls=context) as server:
        assert caller.ask(server, "show_order", "o1", ca_file=good).order_id == "o1"
        for ca_file in (None, other):
            with pytest.raises(Unreachable, match="certificate"):
                caller.ask(server, "show_order", "o1", ca_file=ca_file, patience=once)
        assert len(server.came) == 1
    with misbehaving(GOOD, tls=elsewhere) as server:
        with pytest.raises(Unreachable, match="certificate"):
            caller.ask(server, "show_order", "o1", ca_file=named, patience=once)
        assert server.came == []
