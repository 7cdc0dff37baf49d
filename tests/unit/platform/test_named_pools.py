"""A connection that was verified for one name carries nothing for another, though both lead to one address."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ferryman.errors import Unavailable
from ferryman.platform import destination
from ferryman.platform.named_pools import NamedPools
from ferryman.rest_api.events.post import WebhookPost
from ferryman.sm_dp.hooks.post import REFUSE, HookPost
from parties import Party, make_party

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
DEEP = b'{"x":' + b"[" * 16_000


@contextlib.asynccontextmanager
async def server(party: Party, status: int = 200, content: bytes = b"") -> AsyncIterator[tuple[int, list[str]]]:
    """Port, and the Host of every request; its certificate is for `localhost`."""
    hosts: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                await reader.readexactly(int(fields["content-length"]))
                hosts.append(fields["host"])
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content)
                await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(party.certificate_file, party.key_file)
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1], hosts
    finally:
        listening.close()
        listening.close_clients()


@pytest.fixture
def party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Party:
    """Whose certificate is trusted; every name leads to loopback."""

    async def addresses(_host: str, _port: int) -> list[destination.Address]:
        return [ipaddress.ip_address("127.0.0.1")]

    monkeypatch.setattr(destination, "_addresses", addresses)
    return make_party(tmp_path, "receiver")


async def test_a_webhook_of_another_name_is_verified_for_itself(party: Party) -> None:
    post = WebhookPost(timeout=5.0, networks=LOOPBACK, ca_file=str(party.certificate_file))
    async with server(party) as (port, hosts):
        try:
            assert (await post.send(f"https://localhost:{port}/", b"{}", {})).taken
            other = await post.send(f"https://other.example:{port}/", b"{}", {})
            assert (other.status, other.note) == (0, "ConnectError")
            assert (await post.send(f"https://localhost:{port}/", b"{}", {})).taken
        finally:
            await post.close()
    assert hosts == [f"localhost:{port}"] * 2


async def test_a_hook_of_another_name_is_verified_for_itself(party: Party) -> None:
    """And a refusal whose reason is brackets by the thousand is a refusal without a reason."""
    post = HookPost(timeout=5.0, networks=LOOPBACK, ca_file=str(party.certificate_file))
    async with server(party, 409, DEEP) as (port, hosts):
        try:
            refused = await post.send(f"https://localhost:{port}/", b"{}", {}, confined=True)
            assert (refused.verdict, refused.reason) == (REFUSE, "")
            with pytest.raises(Unavailable, match="ConnectError"):
                await post.send(f"https://other.example:{port}/", b"{}", {}, confined=True)
        finally:
            await post.close()
    assert hosts == [f"localhost:{port}"]


class Client:
    """Counts what is closed."""

    def __init__(self, closed: list[Client]) -> None:
        self._closed = closed

    async def aclose(self) -> None:
        self._closed.append(self)


async def test_the_pool_that_was_not_used_for_longest_is_closed_but_none_in_use() -> None:
    closed: list[Client] = []
    pools = NamedPools(lambda: Client(closed), most=2)
    async with pools.of("a") as first:
        async with pools.of("b") as second:
            pass
        async with pools.of("c"):
            pass
        assert closed == [second]  # not the one in use, though that was taken before
        async with pools.of("a") as again:
            assert again is first
    await pools.close()
    assert len(closed) == 3
