"""The fault proxy between two real sockets on a virtual clock: each fault, its log, and what stays whole."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ferryman_sim.faults.proxy import FaultProxy
from ferryman_sim.faults.rules import Rules, parse
from ferryman_sim.faults.service import FaultProxyService
from virtual_loop import virtual

LINES = [b"%03d\n" % number for number in range(200)]


class Far:
    """The real place: keeps what comes on each connection; `answer` is written on arrival of anything."""

    def __init__(self) -> None:
        self.came: list[bytearray] = []
        self.ended: list[str] = []
        self.at: list[float] = []
        self.echo = False
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine, number = bytearray(), len(self.came)
        self.came.append(mine)
        self.ended.append("")
        self.writers.append(writer)
        try:
            while data := await reader.read(65_536):
                mine += data
                self.at.append(asyncio.get_running_loop().time())
                if self.echo:
                    writer.write(data)
            self.ended[number] = "end"
            writer.close()
        except ConnectionError:
            self.ended[number] = "reset"


@asynccontextmanager
async def proxied(*texts: str, framing: str = "lines", seed: str = "1") -> AsyncIterator[tuple[FaultProxy, Far]]:
    far = Far()
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0)
    to = server.sockets[0].getsockname()[:2]
    proxy = FaultProxy(to, seed=seed, rules=parse(list(texts)), framing=framing)
    await proxy.start()
    try:
        yield proxy, far
    finally:
        await proxy.stop()
        for writer in far.writers:
            writer.close()
        server.close()
        await server.wait_closed()


async def until(condition: Any) -> None:
    for turn in range(200):
        if condition():
            return
        await asyncio.sleep(min(1.0, 0.005 * 2**turn))
    raise AssertionError("it did not happen")


async def sent(proxy: FaultProxy, far: Far, lines: list[bytes]) -> list[bytes]:
    """What arrives of these lines on a connection of its own that is closed in order."""
    before = len(far.ended)
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"".join(lines))
    writer.write_eof()
    await until(lambda: len(far.ended) > before and far.ended[-1])
    assert far.ended[-1] == "end"
    writer.close()
    return bytes(far.came[-1]).splitlines(keepends=True)


def faults(proxy: FaultProxy) -> list[str]:
    return [strike.fault for strike in proxy.strikes]


@virtual
async def test_without_rules_nothing_changes() -> None:
    async with proxied() as (proxy, far):
        assert await sent(proxy, far, LINES) == LINES
        assert not proxy.strikes
        far.echo = True
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        big = bytes(range(255, -1, -1)) * 4096 + b"\n"  # through both directions, far beyond any buffer
        writer.write(big)
        assert await reader.readexactly(len(big)) == big
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await until(lambda: proxy.open == 0)


@virtual
async def test_dropped_messages_are_missing_and_named() -> None:
    async with proxied("up:drop=0.2") as (proxy, far):
        arrived = await sent(proxy, far, LINES)
        assert set(faults(proxy)) == {"drop"}
        missing = [LINES[strike.message - 1] for strike in proxy.strikes]
        assert [line for line in LINES if line not in missing] == arrived
        assert 20 < len(missing) < 60
        first = proxy.strikes[0]
        assert (first.connection, first.direction, first.size) == (1, "up", 4)
        assert first.offset == 4 * (first.message - 1)


@virtual
async def test_duplicates_stand_behind_their_originals() -> None:
    async with proxied("up:duplicate=0.2") as (proxy, far):
        arrived = await sent(proxy, far, LINES)
        twice = [LINES[strike.message - 1] for strike in proxy.strikes]
        assert arrived == [line for line in LINES for _ in range(1 + (line in twice))]
        assert len(twice) > 20


@virtual
async def test_reordered_messages_change_places_with_the_next() -> None:
    async with proxied("up:reorder=0.2") as (proxy, far):
        arrived = await sent(proxy, far, LINES)
        assert sorted(arrived) == LINES
        moved = [at for at, (a, b) in enumerate(zip(arrived, LINES, strict=True)) if a != b]
        assert len(moved) >= 2 * len(proxy.strikes) * 0.9
        assert all(arrived[at] in LINES[max(0, at - 1) : at + 2] for at in moved)


@virtual
async def test_a_message_that_nothing_overtakes_goes_on_after_its_time() -> None:
    async with proxied("up:reorder=1,reorder_seconds=5") as (proxy, far):
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"alone\n")
        await until(lambda: far.came and far.came[0])
        assert bytes(far.came[0]) == b"alone\n"
        assert far.at[0] > 4.99
        assert not proxy.strikes
        writer.close()


@virtual
async def test_delays_hold_up_what_is_behind() -> None:
    async with proxied("up:delay=1,delay_seconds=10") as (proxy, far):
        assert await sent(proxy, far, LINES[:5]) == LINES[:5]
        assert far.at == sorted(far.at)
        waited = sum(strike.seconds for strike in proxy.strikes)
        assert abs(far.at[-1] - waited) < 0.1
        assert faults(proxy) == ["delay"] * 5


@virtual
async def test_directions_are_apart() -> None:
    async with proxied("down:drop=1") as (proxy, far):
        far.echo = True
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"a\nb\n")
        await until(lambda: len(proxy.strikes) == 2)
        assert bytes(far.came[0]) == b"a\nb\n"
        assert {strike.direction for strike in proxy.strikes} == {"down"}
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("framing", ["lines", "bytes", "smpp"])
@pytest.mark.parametrize("cut", [0, 1, 6, 7])
def test_a_cut_is_exact_to_the_octet_and_resets_both_sides(framing: str, cut: int) -> None:
    @virtual
    async def scenario() -> None:
        async with proxied(f"up:cut_after={cut}", framing=framing) as (proxy, far):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"abc\ndef\nghi\n")
            with pytest.raises(ConnectionError):
                assert await reader.read() == b"never"
            await until(lambda: far.ended and far.ended[0])
            assert far.ended == ["reset"]
            assert bytes(far.came[0]) == b"abc\ndef\nghi\n"[:cut]
            assert [(s.fault, s.offset) for s in proxy.strikes] == [("cut", cut)]
            await until(lambda: proxy.open == 0)

    scenario()


@virtual
async def test_a_black_hole_swallows_everything_even_the_end() -> None:
    async with proxied("up:black_hole_after=4") as (proxy, far):
        far.echo = True
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one\n")
        assert await reader.readexactly(4) == b"one\n"
        writer.write(b"two\n")
        writer.write_eof()
        await asyncio.sleep(3600)
        assert bytes(far.came[0]) == b"one\n"
        assert far.ended == [""]
        far.writers[0].write(b"still here\n")  # the other direction works
        assert await reader.readexactly(11) == b"still here\n"
        assert faults(proxy) == ["black_hole"]
        writer.close()


@virtual
async def test_half_open_one_side_is_reset_and_the_other_believes() -> None:
    async with proxied("up:half_open_after=4") as (proxy, far):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one\ntwo\n")
        await until(lambda: far.ended and far.ended[0])
        assert (far.ended, bytes(far.came[0])) == (["reset"], b"one\n")
        for _ in range(3):
            await asyncio.sleep(3600)
            writer.write(b"anybody?\n")
            await writer.drain()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await reader.read()
        assert proxy.open == 1
        assert [(s.fault, s.offset) for s in proxy.strikes] == [("half_open", 4)]
        writer.close()
        await until(lambda: proxy.open == 0)


@virtual
async def test_a_slow_side_gets_its_octets_one_by_one() -> None:
    async with proxied("up:piece=1,pause=2") as (proxy, far):
        assert await sent(proxy, far, [b"slow\n"]) == [b"slow\n"]
        assert len(far.at) == 5
        assert far.at[-1] - far.at[0] > 7.99


@virtual
async def test_only_the_first_connections_suffer() -> None:
    async with proxied("up:cut_after=0,connections=2") as (proxy, far):
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"x\n")
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
        assert await sent(proxy, far, LINES) == LINES
        assert [strike.connection for strike in proxy.strikes] == [1, 2]


@virtual
async def test_rules_may_change_and_everything_may_be_cut() -> None:
    async with proxied() as (proxy, far):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one\n")
        await until(lambda: far.came and far.came[0])
        proxy.rules["up"] = Rules(drop=1)
        writer.write(b"two\n")
        await until(lambda: proxy.strikes)
        proxy.rules["up"] = Rules()
        writer.write(b"three\n")
        await until(lambda: bytes(far.came[0]) == b"one\nthree\n")
        assert proxy.cut() == 1
        with pytest.raises(ConnectionError):
            await reader.read()
        await until(lambda: far.ended[0])
        assert far.ended == ["reset"]


@virtual
async def test_the_same_seed_strikes_the_same_messages_however_connections_mix() -> None:
    runs = []
    for seed, together in (("a", False), ("a", True), ("b", False)):
        async with proxied("up:drop=0.3,duplicate=0.3,reorder=0.2", seed=seed) as (proxy, far):
            if together:
                writers = []
                for number in (1, 2):
                    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                    await until(lambda number=number: proxy.connections == number)
                    writers.append(writer)
                for line in LINES[:50]:
                    for writer in reversed(writers):
                        writer.write(line)
                    await asyncio.sleep(0.1)
                for writer in writers:
                    writer.write_eof()
                await until(lambda: far.ended == ["end", "end"])
                for writer in writers:
                    writer.close()
            else:
                await sent(proxy, far, LINES[:50])
                await sent(proxy, far, LINES[:50])
            runs.append(sorted((s.connection, s.message, s.fault, s.offset) for s in proxy.strikes))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@virtual
async def test_nobody_listens_behind_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = FaultProxy(("127.0.0.1", port), seed="1")
    await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    await proxy.stop()


@virtual
async def test_control_requests() -> None:
    async with proxied() as (proxy, far):
        service = FaultProxyService(proxy, host="127.0.0.1", control_port=None, log=None)
        answer = await service.ask({"op": "rules", "rules": ["up:drop=1"]})
        assert answer["rules"]["up"]["drop"] == 1
        assert await sent(proxy, far, [b"gone\n"]) == []
        strikes = (await service.ask({"op": "strikes"}))["strikes"]
        assert [(one["fault"], one["size"]) for one in strikes] == [("drop", 5)]
        assert await service.ask({"op": "strikes", "from": 1}) == {"strikes": [], "next": 1}
        assert (await service.ask({"op": "status"}))["connections"] == 1
        assert await service.ask({"op": "cut"}) == {"cut": 0}
        for wrong in ({"op": "rules"}, {"op": "rules", "rules": ["drop=2"]}, {"op": "dance"}, {}):
            assert "error" in await service.ask(wrong)
        assert proxy.rules["up"] == Rules(drop=1)


def test_the_process(tmp_path: Path) -> None:
    """Ready line, faults in the log file, a signal ends it; a rule that makes no sense is refused."""
    log = tmp_path / "strikes.jsonl"
    command = [sys.executable, "-m", "ferryman_sim", "fault-proxy", "--to"]
    with socket.create_server(("127.0.0.1", 0)) as far:
        to = f"127.0.0.1:{far.getsockname()[1]}"
        more = [
            "--framing",
            "lines",
            "--seed",
            "s",
            "--rules",
            "up:drop=1",
            "--control-port",
            "0",
            "--log",
            str(log),
        ]
        with subprocess.Popen([*command, to, *more], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["seed"] == "s"
            with socket.create_connection(("127.0.0.1", ready["port"])) as near:
                near.sendall(b"a\nb\n")
                near.shutdown(socket.SHUT_WR)
                accepted, _ = far.accept()
                with accepted:
                    assert accepted.recv(100) == b""
            with socket.create_connection(("127.0.0.1", ready["control_port"])) as control:
                control.sendall(b'{"op": "status", "id": 7}\n')
                assert json.loads(control.makefile().readline())["strikes"] == 2
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    assert [json.loads(line)["fault"] for line in log.read_text().splitlines()] == ["drop", "drop"]
    refused = subprocess.run([*command, to, "--rules", "drop=2"], capture_output=True, text=True, timeout=30)
    assert refused.returncode == 2
    assert "drop is 0 to 1" in refused.stderr
