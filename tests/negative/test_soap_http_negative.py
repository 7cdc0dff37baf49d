"""HTTP that two readers read differently, or that never ends: refused before anything is made of it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from ferryman.soap_gateway.http_message import MAX_HEAD
from parties import Party
from soap_world import HEAD, UPDATE, read_response, unchanged, world
from virtual_loop import virtual

# -- HTTP ----------------------------------------------------------------------------------------------------

SMUGGLED = {
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "same length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "list of lengths": b"Content-Length: 5, 5\r\n",
    "length and coding": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "coding and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "signed length": b"Content-Length: +5\r\n",
    "hexadecimal length": b"Content-Length: 0x5\r\n",
    "blank before the colon": b"Content-Length : 5\r\n",
    "folded": b"Content-Length: 5\r\n x: y\r\n",
    "tab folded": b"Transfer-Encoding:\r\n\tchunked\r\n",
    "other coding": b"Transfer-Encoding: xchunked\r\n",
    "two codings": b"Transfer-Encoding: gzip, chunked\r\n",
    "coding twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "bare LF": b"Content-Length: 5\nX: y\r\n",
    "bare CR": b"Content-Length: 5\rX: y\r\n",
    "NUL": b"Content-Length: 5\x00\r\n",
    "vertical tab": b"Transfer-Encoding:\x0bchunked\r\n",
    "two hosts": b"Host: y\r\nContent-Length: 5\r\n",
    "no length": b"",
    "no colon": b"Content-Length\r\n",
    "coded": b"Content-Length: 5\r\nContent-Encoding: gzip\r\n",
}


@virtual
async def test_smuggling_forms(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        good = client.compose(UPDATE)
        inner = HEAD + f"Content-Length: {len(good)}\r\n\r\n".encode() + good
        for name, fields in SMUGGLED.items():
            response = await client.raw(HEAD + fields + b"\r\n" + b"0\r\n\r\n" + inner)
            assert response.status in (400, 415, 501), name
        await asyncio.sleep(1.0)
        unchanged(gateway)  # each connection ended with its refusal: what followed was not read


CHUNKS = {
    "extension": b"5;x=y\r\nabcde\r\n0\r\n\r\n",
    "negative": b"-5\r\nabcde\r\n0\r\n\r\n",
    "prefixed": b"0x5\r\nabcde\r\n0\r\n\r\n",
    "bare LF": b"5\nabcde\r\n0\r\n\r\n",
    "too long": b"5\r\nabcdefg\r\n0\r\n\r\n",
    "trailer": b"5\r\nabcde\r\n0\r\nX: y\r\n\r\n",
    "many digits": b"000000005\r\nabcde\r\n0\r\n\r\n",
    "no digits": b"\r\nabcde\r\n0\r\n\r\n",
}


@virtual
async def test_chunks_that_readers_read_differently(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        for name, chunks in CHUNKS.items():
            assert (await client.raw(head + chunks)).status == 400, name
        unchanged(gateway)


@virtual
async def test_other_heads(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        cases = {
            b"POST /es4 HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n": 505,
            b"PUT /es4 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n": 405,
            b"POST http://x/es4 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n": 400,
            b"POST  /es4 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n": 400,
            b"POST /es4 HTTP/1.1\r\nContent-Length: 0\r\n\r\n": 400,
            b"GET /es4?wsdl HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc": 400,
            b"POST /es4 HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 0\r\n\r\n": 417,
            b"POST /es4 HTTP/1.1\r\n" + b"A: b\r\n" * 70 + b"\r\n": 431,
        }
        for octets, status in cases.items():
            assert (await client.raw(octets)).status == status, octets
        unchanged(gateway)


@virtual
async def test_heads_that_are_too_large(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):

        def head(size: int) -> bytes:
            start = b"GET /es4?wsdl HTTP/1.1\r\nHost: x\r\nX: "
            return start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"

        assert (await client.raw(head(MAX_HEAD))).status == 200
        for size in (MAX_HEAD + 1, MAX_HEAD + 5, 2 * MAX_HEAD, 20 * MAX_HEAD):
            assert (await client.raw(head(size))).status == 431, size
        unchanged(gateway)


@virtual
async def test_oversized_bodies(tmp_path: Path, parties: dict[str, Party]) -> None:
    """By their length before an octet of them is read, in chunks once they are; and one that never ends."""
    async with world(tmp_path, parties, max_body=10_000) as (gateway, client):
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        for octets in (
            HEAD + b"Content-Length: 10001\r\n\r\n",
            HEAD + b"Content-Length: 999999999\r\n\r\n",
            chunked + b"2711\r\n",
            chunked + b"2710\r\n" + b"a" * 10_000 + b"\r\n1\r\n",
            chunked + b"ffffffff\r\n",
        ):
            assert (await client.raw(octets)).status == 413, octets[:200]
        assert (await client.post(client.compose(UPDATE).ljust(10_001))).status == 413
        unchanged(gateway)
        assert (await client.post(client.compose(UPDATE).ljust(10_000))).status == 200


@virtual
async def test_chunked_and_expected_bodies_are_read(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (_, client):
        octets = client.compose(UPDATE)
        middle = len(octets) // 2
        chunks = b"".join(
            f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (octets[:middle], octets[middle:])
        )
        head = HEAD + b"Transfer-Encoding: chunked\r\n"
        assert (await client.raw(head + b"\r\n" + chunks + b"0\r\n\r\n")).status == 200
        expecting = head + b"Expect: 100-continue\r\n\r\n" + chunks + b"0\r\n\r\n"
        assert (await client.raw(expecting)).status == 100


@virtual
async def test_slow_clients(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties, head_timeout=5.0, body_timeout=10.0, idle_timeout=60.0) as (
        gateway,
        client,
    ):
        context = client.party.client(gateway.party)
        port = int(gateway.url.rpartition(":")[2])

        async def drip(start: bytes, pause: float, limit: float) -> int:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="x")
            began = gateway.clock.now()
            writer.write(start)
            answer = asyncio.ensure_future(read_response(reader))
            while not answer.done():
                await asyncio.sleep(pause)
                if not answer.done() and not writer.is_closing():
                    writer.write(b"a")
            assert gateway.clock.now() - began < limit
            writer.close()
            return (await answer).status

        assert await drip(b"POST /es4 HTTP/1.1\r\nX: ", 1.0, 8.0) == 408
        head = HEAD + b"Content-Length: 5000\r\n\r\n"
        assert await drip(head, 1.0, 16.0) == 408
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="x")
        assert await reader.read(1) == b""  # idle: closed without a word
        writer.close()
        unchanged(gateway)


@virtual
async def test_more_connections_than_allowed(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties, max_connections=2) as (gateway, client):
        context = client.party.client(gateway.party)
        port = int(gateway.url.rpartition(":")[2])
        held = [
            await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="x") for _ in range(2)
        ]
        await asyncio.sleep(0.1)
        try:
            refused = (await client.send(UPDATE)).status == 0
        except (ConnectionError, ssl.SSLError):
            refused = True
        assert refused
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.5)
        assert (await client.send(UPDATE)).status == 200
