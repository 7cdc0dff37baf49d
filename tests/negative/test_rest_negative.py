"""Who means ill by the REST API: slow heads and bodies, huge heads, header and CSV injection, secrets in logs."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import itertools
import re
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from ferryman.contracts.rest import KeyRole
from ferryman.errors import InputError, PeerError
from ferryman.platform.log import mask
from ferryman.rest_api.limits import MAX_BUCKETS, RateLimit
from ferryman.rest_api.protocol import MAX_HEAD
from ferryman.rest_api.server import make_server
from ferryman.rest_api.settings import RESTSettings
from ferryman.rest_api.watching import MAX_PATH
from parties import Party
from rest_world import OTHER, TENANT, RestWorld, rest_world

EID = "89001012012341234012345678901224"
IMSI = "001010000000001"


@contextlib.asynccontextmanager
async def line(world: RestWorld) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.rest.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def closed_after(reader: asyncio.StreamReader) -> tuple[bytes, float]:
    """What comes until the server hangs up, and when it does."""
    began = time.monotonic()
    async with asyncio.timeout(20):
        try:
            said = await reader.read(-1)
        except ConnectionError:
            said = b""
    return said, time.monotonic() - began


async def trickle(writer: asyncio.StreamWriter, text: bytes, pause: float) -> None:
    with contextlib.suppress(OSError):
        for octet in text:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(pause)


async def test_who_does_not_finish_a_head_is_hung_up_on(tmp_path: Path) -> None:
    async with rest_world(tmp_path, head_timeout=0.6, idle_timeout=30.0) as world:
        async with line(world) as (reader, _):  # says nothing at all
            said, took = await closed_after(reader)
            assert said == b""
            assert took >= 0.5
        async with line(world) as (reader, writer):  # a header field without end, a letter at a time
            task = asyncio.create_task(trickle(writer, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 4000, 0.05))
            said, took = await closed_after(reader)
            assert said == b""
            assert 0.5 <= took < 10
            task.cancel()
        async with line(world) as (reader, writer):  # the second request of a connection as well
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            await reader.readexactly(len(b"alive\n"))
            await asyncio.sleep(0.8)  # idle is something else
            writer.write(b"GET /heal")
            said, took = await closed_after(reader)
            assert said == b""
            assert 0.4 <= took < 10
        async with line(world) as (reader, writer):  # an empty line ahead of a request that does not come
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"alive\n")
            writer.write(b"\r\n")
            said, took = await closed_after(reader)
            assert said == b""
            assert 0.4 <= took < 10
        async with line(world) as (reader, writer):
            with contextlib.suppress(OSError):
                writer.write(b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * (MAX_HEAD // 4))
                await writer.drain()
            said, _ = await closed_after(reader)
            assert b"200" not in said


async def test_bodies_of_files_that_are_slow_keep_nobody_out_and_fill_no_memory(tmp_path: Path) -> None:
    """So many at once, half of them for one tenant; a place is free when its body has ended or was given up."""
    async with rest_world(tmp_path, body_timeout=1.0, max_uploads=2) as world:
        slow, other = await world.token(KeyRole.ADMIN), await world.token(KeyRole.ADMIN, OTHER)
        third = await world.token(KeyRole.ADMIN, f"{OTHER}.1")

        def head(token: str) -> bytes:
            fields = (
                "Host: x\r\nContent-Type: application/json\r\nIdempotency-Key: a\r\nContent-Length: 9999999\r\n"
            )
            return f"POST /api/v1/uploads HTTP/1.1\r\nAuthorization: Bearer {token}\r\n{fields}\r\n".encode()

        async with line(world) as (one, first), line(world) as (two, second):
            first.write(head(slow) + b"{" * 100_000)
            second.write(head(other) + b"{")
            await asyncio.sleep(0.1)
            for token, status in ((slow, b"429"), (third, b"503")):
                async with line(world) as (reader, writer):
                    writer.write(head(token) + b"{" * 10)
                    said, took = await closed_after(reader)
                    assert said.startswith(b"HTTP/1.1 " + status), said
                    assert b"\r\nretry-after: 5\r\n" in said
                    assert b"application/problem+json" in said
                    assert took < 0.8, "at once, not when a place is free"
            async with line(world) as (reader, writer):  # who sends a whole file at once hears it, too
                with contextlib.suppress(OSError):
                    writer.write(head(slow) + b"{" * 9_000_000)
                    await writer.drain()
                assert (await closed_after(reader))[0].startswith(b"HTTP/1.1 429")
            # What is no file has places of its own.
            answer = await world.ask("POST", "/campaigns/count", slow, {"function": "audit"})
            assert answer.status == 200
            second.close()  # given up by its sender: its place is free
            assert (await closed_after(one))[0].startswith(b"HTTP/1.1 408")
            del two
        for token in (slow, other, third):
            bad = await world.ask("POST", "/uploads", token, {"no": 1}, headers={"idempotency-key": "b"})
            assert bad.status == 400, "no place is kept"


async def test_a_slow_body_ends_the_request(tmp_path: Path) -> None:
    async with rest_world(tmp_path, body_timeout=0.5) as world:
        token = await world.token(KeyRole.OPERATOR)
        async with line(world) as (reader, writer):
            head = f"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            writer.write(f"{head}Content-Type: application/json\r\nIdempotency-Key: a\r\n".encode())
            writer.write(b"Content-Length: 1000\r\n\r\n")
            task = asyncio.create_task(trickle(writer, b" " * 900, 0.05))
            said, took = await closed_after(reader)
            task.cancel()
            assert said.startswith(b"HTTP/1.1 408")
            assert took < 10


async def test_a_header_cannot_be_injected(tmp_path: Path) -> None:
    """What a requester writes comes back in bodies, escaped, and never as a header."""
    async with rest_world(tmp_path) as world:
        token = await world.token(KeyRole.ADMIN)
        evil = "x%0d%0aSet-Cookie:%20a=b"
        for path in (f"/orders/{evil}", f"/orders?after={evil}", f"/euiccs?by=iccid&value={evil}"):
            async with line(world) as (reader, writer):
                writer.write(
                    f"GET /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                    f"X-Request-Id: mine\r\nConnection: close\r\n\r\n".encode()
                )
                said, _ = await closed_after(reader)
                head, _, _ = said.partition(b"\r\n\r\n")
                assert re.match(rb"HTTP/1.1 (200|400|404) ", head)
                assert b"set-cookie" not in head.lower()
                assert b"mine" not in head  # nor does he choose the number of his request
        for key in ("a\r\nb", "a b", "", "a" * 101, "ä"):
            heads = {"idempotency-key": key}
            with contextlib.suppress(UnicodeEncodeError):
                answer = await world.ask("POST", "/orders", token, {"eid": EID, "iccid": "1" * 19}, headers=heads)
                assert answer.status == 400, key


async def test_no_text_holds_what_a_database_cannot_keep(tmp_path: Path) -> None:
    """PostgreSQL has no U+0000 in a text: that would be a fault of the platform for whoever can log in, or not."""
    async with rest_world(tmp_path, login_rate=0) as world:
        token = await world.token(KeyRole.ADMIN)
        for answer in (
            await world.ask("POST", "/session", body={"name": "a\0b", "password": "x"}),
            await world.ask("GET", "/users?after=a%00b", token),
            await world.ask("POST", "/uploads", token, {"profile_type": "\0", "content": ""}),
        ):
            assert answer.status == 400, answer.body
        # What only looks like it is a text as any other: a backslash, a letter, four digits.
        assert (await world.ask("POST", "/session", body={"name": "a\\u0000", "password": "x"})).status == 401


async def test_brackets_by_the_thousand_are_a_bad_request(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        staff = await world.token(KeyRole.ADMIN, "")
        deep = b'{"name":"x","says":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001
        assert (await world.ask("PUT", "/euicc-types", staff, chunks=[deep])).status == 400
        deep = b'{"name":"\\u0000","says":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001  # which the parser takes
        assert (await world.ask("PUT", "/euicc-types", staff, chunks=[deep])).status == 400
        header = (
            b'{"header":{"message_id":"m","sender":"x","requester":"x","function_call_id":"x","deadline":1,"x":'
        )
        with pytest.raises(PeerError):
            await world.rest.receive(header + b"[" * 20_000)


async def test_a_name_is_no_formula(tmp_path: Path) -> None:
    """Names go into tables that somebody opens in a spreadsheet: what begins a formula there is not taken."""
    async with rest_world(tmp_path) as world:
        admin = await world.token(KeyRole.ADMIN)
        for name in ("=1+1", "+cmd", "-2", "@SUM(A1)", "a\tb", "a\r\n=1", "\x00"):
            for path in ("/api-keys", "/users"):
                answer = await world.ask("POST", path, admin, {"name": name, "role": "auditor"})
                assert answer.status == 400, (name, path)
        good = await world.ask("POST", "/users", admin, {"name": 'Ada "Byron", 2nd', "role": "auditor"})
        assert good.status == 201
        out = io.StringIO()
        csv.writer(out).writerow([good.json["account"]["name"]])
        assert next(csv.reader(io.StringIO(out.getvalue()))) == ['Ada "Byron", 2nd']


async def test_the_access_log_holds_no_secret_and_no_imsi(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        admin = await world.token(KeyRole.ADMIN)
        with structlog.testing.capture_logs() as lines:
            person = await world.person(KeyRole.ADMIN)
            await world.ask("GET", f"/orders?after={IMSI}", admin)
            await world.ask("POST", "/session", body={"name": "ada", "password": "open sesame please"})
            await world.ask("GET", "/session", headers=person.heads)
            await world.ask("GET", f"/orders/{IMSI}", admin)
        text = repr([mask(None, "info", dict(one)) for one in lines])
        assert len([one for one in lines if one.get("event") == "request"]) == 4
        for secret in (admin, admin.rpartition("_")[2], "sesame", IMSI, *person.heads.values()):
            assert secret not in text
        assert "00101*" in text
        assert "after" not in text  # a query is never written, whatever it holds


async def test_what_no_endpoint_is_for_is_written_down_and_limited(tmp_path: Path) -> None:
    async with rest_world(tmp_path, rate_per_address=1.0, burst_per_address=3) as world:
        with structlog.testing.capture_logs() as lines:
            found = [
                await world.ask("GET", "/nothing/" + 5_000 * "a"),
                await world.ask("PATCH", "/orders"),
                await world.ask("GET", "/openapi.json"),
                await world.ask("GET", "/nothing"),
            ]
        assert [one.status for one in found] == [404, 405, 200, 429]
        assert found[3].headers["retry-after"] == "1"
        said = [(one["method"], one["status"], one["address"]) for one in lines if one.get("event") == "request"]
        assert said == list(zip(("GET", "PATCH", "GET", "GET"), (404, 405, 200, 429), 4 * ("y",), strict=True))
        assert max(len(one["path"]) for one in lines if one.get("event") == "request") == MAX_PATH


async def test_rates(tmp_path: Path) -> None:
    async with rest_world(tmp_path, rate_per_key=1.0, burst_per_key=3) as world:
        one, two = await world.token(KeyRole.ADMIN), await world.token(KeyRole.ADMIN)
        found = [await world.ask("GET", "/orders", one) for _ in range(4)]
        assert [answer.status for answer in found] == [200, 200, 200, 429]
        assert found[3].headers["retry-after"] == "1"
        assert (await world.ask("GET", "/orders", two)).status == 200  # a bucket for each key
        world.installation.clock._offset += 1.0  # type: ignore[attr-defined]
        assert (await world.ask("GET", "/orders", one)).status == 200
    async with rest_world(tmp_path, rate_per_address=1.0, burst_per_address=2) as world:
        found = [await world.ask("GET", "/orders", "x") for _ in range(3)]
        assert [answer.status for answer in found] == [401, 401, 429]  # also for who has no key
    limit = RateLimit(1.0, 1)
    for number in range(2 * MAX_BUCKETS):
        limit.wait(str(number), 0.0)
    assert len(limit._buckets) == MAX_BUCKETS


async def test_only_proxies_of_ours_say_who_asks(tmp_path: Path) -> None:
    for proxies, statuses in (((), [401, 429]), (("y",), [401, 401])):
        async with rest_world(tmp_path, rate_per_address=1.0, burst_per_address=1, proxies=proxies) as world:
            found = [
                await world.ask("GET", "/orders", headers={"x-forwarded-for": f"10.0.0.9, 10.0.0.{number}"})
                for number in range(2)
            ]
            assert [answer.status for answer in found] == statuses


async def test_who_has_a_network_of_addresses_has_one_bucket(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0.5, login_burst=1, proxies=("y",)) as world:

        async def log_in(address: str) -> int:
            body = {"name": "ada", "password": "wrong"}
            return (await world.ask("POST", "/session", body=body, headers={"x-forwarded-for": address})).status

        for first, same, other in (
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", "2001:db8:1:3::1"),
            ("192.0.2.1", "192.0.2.1:4711", "192.0.2.2"),
            ("[2001:db8::1]:80", "2001:db8::2", "2001:db8:0:1::"),
            ("::ffff:192.0.2.9", "192.0.2.9", "::ffff:192.0.2.8"),
        ):
            assert [await log_in(one) for one in (first, same, other)] == [401, 429, 401], first


async def test_tls_is_of_today(tmp_path: Path, parties: dict[str, Party]) -> None:
    ours = parties["ours"]
    settings: dict[str, Any] = {"certificate_file": str(ours.certificate_file), "key_file": str(ours.key_file)}
    async with rest_world(tmp_path, minimum_tls="1.3", **settings) as world:

        async def version(highest: ssl.TLSVersion) -> str | None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.maximum_version = highest
            _, writer = await asyncio.open_connection("127.0.0.1", world.rest.port, ssl=context)
            found: str | None = writer.get_extra_info("ssl_object").version()
            writer.close()
            return found

        assert await version(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await version(ssl.TLSVersion.TLSv1_2)
    with pytest.raises(InputError, match=r"rest\.certificate_file"):
        make_server(world.rest.app, RESTSettings(certificate_file="/nowhere", key_file="/nowhere"))
    with pytest.raises(InputError, match=r"rest\.minimum_tls"):
        RESTSettings(minimum_tls="1.0")


async def test_objects_cannot_be_guessed(tmp_path: Path) -> None:
    """Names of objects are random or digests; a path takes nothing that could be anything else."""
    async with rest_world(tmp_path) as world:
        admin = await world.token(KeyRole.ADMIN)
        made = [await world.ask("POST", "/api-keys", admin, {"name": "x", "role": "auditor"}) for _ in range(3)]
        names = sorted(int(one.json["key"]["key_id"], 16) for one in made)
        assert min(b - a for a, b in itertools.pairwise(names)) > 2**32
        for name in ("..", ".%2e", "%2e%2e%2forders", "1'%20or%20'1'='1", "%00", "*", "a" * 101):
            for path in (f"/orders/{name}", f"/users/{name}", f"/api-keys/{name}", f"/approvals/{name}"):
                answer = await world.ask("GET", path, admin)
                assert answer.status == 404, path
        assert (await world.ask("GET", "/orders", await world.token(KeyRole.ADMIN, TENANT))).json["items"] == []
