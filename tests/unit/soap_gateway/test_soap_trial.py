"""`ferryman peer test`: each way in which a peer can be out of reach is told apart."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from esm_samples import EID
from ferryman.contracts import es3, peers
from ferryman.contracts.peers import PeerKind, PeerStep
from ferryman.contracts.status import failed
from ferryman.soap_gateway import http_message
from ferryman.soap_gateway.esm import envelope
from ferryman.soap_gateway.esm.envelope import Fault
from parties import Party
from soap_world import DP, SR2, Client, Gateway
from virtual_loop import virtual

ANSWER = es3.ES3GetEISResponse(status=failed("8.1.1", "3.9", "no such eUICC"))

type React = Callable[[envelope.Received], bytes | None]  # None: says nothing


@dataclass
class Stand:
    """A foreign SM-SR that answers as a test wants."""

    party: Party
    trusts: Party
    react: React
    host: str = "127.0.0.1"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.party.certificate_file, self.party.key_file)
        context.load_verify_locations(cadata=self.trusts.pem)
        context.verify_mode = ssl.CERT_REQUIRED
        server = await asyncio.start_server(self._serve, self.host, 0, ssl=context)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = http_message.request_head((await reader.readuntil(b"\r\n\r\n"))[:-4], 1_000_000)
            told = self.react(envelope.read(await reader.readexactly(head.length)))
            if told is None:
                await reader.read()  # until the other end has had enough
            else:
                writer.write(told)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


async def steps_of(
    folder: Path, parties: dict[str, Party], react: React, *, changes: dict[str, Any] | None = None, **stand: Any
) -> dict[str, PeerStep]:
    """What the test of the peer "b" says, by name of the step."""
    options = changes or {}
    made = Stand(**({"party": parties["sr2"], "trusts": parties["ours"], "react": react} | stand))
    gateway = Gateway(folder, parties["ours"], send_timeout=20.0, **options.get("settings", {}))
    await gateway.role.start()
    async with made.listening() as port:
        url = f"https://{made.host}:{options.get('port', port)}/es3"
        fields = {"endpoints": {"ES3": url}} | options.get("record", {})
        await gateway.peer(options.get("certificate", parties["sr2"]), PeerKind.SM_SR, SR2, name="b", **fields)
        tested = await gateway.role._answer("operator", peers.TestPeer(name="b"))
    await gateway.role.stop()
    await gateway.store.close()
    assert isinstance(tested, peers.PeerTested)
    return {step.name.removeprefix("ES3 "): step for step in tested.steps}


def http(status: int, body: bytes = b"") -> bytes:
    return http_message.response(status, body, content_type="application/soap+xml", close=True)


def answer(parties: dict[str, Party], **changes: Any) -> React:
    """As a peer would; `changes` are fields of its addressing."""

    def react(asked: envelope.Received) -> bytes:
        told = asked.addressing
        client = Client(Any, parties["sr2"], SR2)
        client.gateway = type("There", (), {"url": "https://ours.example"})()
        fields = {"relates_to": told.message_id, "to": f"{told.sender}?EntityId={DP}", "to_id": DP}
        return http(200, client.compose(ANSWER, **(fields | changes)))

    return react


def fault(reason: str, subcode: str = "") -> React:
    return lambda _: http(400, envelope.write_fault(Fault(reason, subcode=subcode)))


def expect(steps: dict[str, PeerStep], failing: str, words: str) -> None:
    """Everything in front of the failing step is well, and nothing comes behind it."""
    names = list(steps)
    assert names[-1] == failing, steps
    assert [step.ok for step in steps.values()] == [True] * (len(names) - 1) + [False], steps
    assert words in steps[failing].detail, steps


@virtual
async def test_all_is_well(tmp_path: Path, parties: dict[str, Party]) -> None:
    steps = await steps_of(tmp_path, parties, answer(parties))
    assert list(steps) == ["connection", "TLS", "addressing", "call"]
    assert all(step.ok for step in steps.values()), steps
    assert "8.1.1/3.9" in steps["call"].detail


@virtual
async def test_it_asks_for_a_card_that_nobody_has(tmp_path: Path, parties: dict[str, Party]) -> None:
    heard: list[envelope.Received] = []

    def react(asked: envelope.Received) -> bytes:
        heard.append(asked)
        return http(202)

    steps = await steps_of(tmp_path, parties, react)
    assert all(step.ok for step in steps.values()), steps
    [asked] = heard
    assert asked.body.tag.endswith("ES3-GetEISRequest")
    assert asked.body.findtext("{*}Eid") != EID
    assert asked.addressing.sender_id == DP


CALLS: dict[str, tuple[Callable[[dict[str, Party]], React], str, str]] = {
    "HTTP 500": (lambda _: lambda asked: http(500), "HTTP", "HTTP 500"),
    "HTTP 302": (lambda _: lambda asked: http(302), "HTTP", "HTTP 302"),
    "HTTP 404": (lambda _: lambda asked: http(404), "call", "nothing listens under this path"),
    "HTTP 403": (lambda _: lambda asked: http(403), "call", "not our EntityId"),
    "HTTP 401": (lambda _: lambda asked: http(401), "call", "does not know us"),
    "no HTTP": (lambda _: lambda asked: b"SSH-2.0-x\r\n\r\n", "HTTP", "status line"),
    "nothing": (lambda _: lambda asked: b"", "HTTP", "closed without an answer"),
    "half of an answer": (lambda _: lambda asked: http(200, b"<x/>")[:-2], "HTTP", "in the middle of an answer"),
    "slow": (lambda _: lambda asked: None, "HTTP", "no answer in 20 s"),
    "a page": (lambda _: lambda asked: http(200, b"<html/>"), "call", "no answer of these interfaces"),
    "a fault": (lambda _: fault("not today"), "call", "SOAP fault: not today"),
    "a fault of addressing": (
        lambda _: fault("who is that", "wsa:DestinationUnreachable"), "addressing", "who is that",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
@virtual
async def test_what_the_peer_answers(tmp_path: Path, parties: dict[str, Party], name: str) -> None:
    make, failing, words = CALLS[name]
    expect(await steps_of(tmp_path, parties, make(parties)), failing, words)


ADDRESSED: dict[str, tuple[dict[str, Any], str]] = {
    "another sender": ({"sender_id": "1.2.3"}, f"From/EntityId is 1.2.3 instead of {SR2}"),
    "another addressee": ({"to_id": "1.2.3", "to": "https://x?EntityId=1.2.3"}, f"1.2.3 instead of {DP}"),
    "no addressee": ({"to": "https://x"}, f"missing instead of {DP}"),
    "another question": ({"relates_to": "//x/1"}, "not our MessageID"),
    "no question": ({"relates_to": ""}, "RelatesTo is missing"),
}


@pytest.mark.parametrize("name", ADDRESSED)
@virtual
async def test_answers_with_other_addresses(tmp_path: Path, parties: dict[str, Party], name: str) -> None:
    changes, words = ADDRESSED[name]
    steps = await steps_of(tmp_path, parties, answer(parties, **changes))
    assert not steps["addressing"].ok
    assert words in steps["addressing"].detail
    assert all(step.ok for step in steps.values() if step.name != "ES3 addressing"), steps


@virtual
async def test_nobody_listens(tmp_path: Path, parties: dict[str, Party]) -> None:
    steps = await steps_of(tmp_path, parties, answer(parties), changes={"port": 9})
    expect(steps, "connection", "127.0.0.1:9")


@virtual
async def test_the_certificate_is_not_the_peers(tmp_path: Path, parties: dict[str, Party]) -> None:
    steps = await steps_of(tmp_path, parties, answer(parties), changes={"certificate": parties["stranger"]})
    expect(steps, "TLS", "its certificate is not accepted")


@virtual
async def test_the_peer_does_not_accept_our_certificate(tmp_path: Path, parties: dict[str, Party]) -> None:
    """With an alert that says so, and without a word, as servers on asyncio do it."""
    steps = await steps_of(tmp_path, parties, answer(parties), trusts=parties["stranger"])
    expect(steps, "HTTP", "perhaps it does not accept our certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(parties["sr2"].certificate_file, parties["sr2"].key_file)
    context.load_verify_locations(cadata=parties["stranger"].pem)
    context.verify_mode = ssl.CERT_REQUIRED

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        with contextlib.suppress(ssl.SSLCertVerificationError):
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                writer.write(outgoing.read())
                if not (octets := await reader.read(4096)):
                    break
                incoming.write(octets)
        writer.write(outgoing.read())
        await writer.drain()
        writer.close()

    again = tmp_path / "again"
    again.mkdir()
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        steps = await steps_of(again, parties, answer(parties), changes={"port": port})
    expect(steps, "TLS", "it does not accept our certificate")


@virtual
async def test_the_certificate_is_of_another_host(tmp_path: Path, parties: dict[str, Party]) -> None:
    """Where the record has no certificate of the peer, one under our CA counts, for the name in the address."""
    gateway = Gateway(tmp_path, parties["ours"], send_timeout=20.0, ca_file=str(parties["sr2"].certificate_file))
    await gateway.role.start()
    for host, is_well in (("127.0.0.1", True), ("127.0.0.2", False)):
        async with Stand(parties["sr2"], parties["ours"], answer(parties), host).listening() as port:
            there = {"ES3": f"https://{host}:{port}/es3"}
            record = peers.Peer(
                name="b", kind=PeerKind.SM_SR, oid=SR2, endpoints=there, username="b", password_file="b.password"
            )
            await gateway.role.book.put(record, actor="test")
            tested = await gateway.role._answer("operator", peers.TestPeer(name="b"))
        assert isinstance(tested, peers.PeerTested)
        steps = {step.name.removeprefix("ES3 "): step for step in tested.steps}
        if is_well:
            assert all(step.ok for step in steps.values()), steps
        else:
            expect(steps, "TLS", "127.0.0.2")
            assert "mismatch" in steps["TLS"].detail
    await gateway.role.stop()
    await gateway.store.close()
