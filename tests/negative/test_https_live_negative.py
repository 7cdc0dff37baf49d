"""Smuggling forms and slow, cut and half-open peers against the live HTTPS module; another session lives on."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import cast

import pytest

from bounds import memory_within
from hostile_cards import besieged, through_faults
from negative.test_https_smuggling import FORMS
from psk_peer import OTHER_EID, Answer, MemoryClient, card, read_answer, request_bytes
from virtual_loop import virtual

# Octets of a handshake and a first request together; a cut behind it strikes the session.
CONVERSATION = 1_100


async def refused(port: int, octets: bytes) -> tuple[Answer | None, bytes]:
    """What a card with a right key gets for these octets, and what is left until the end."""
    async with card(port) as link:
        with suppress(ConnectionError):
            await link.send(octets)
        try:
            head = await link.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None, b""
        return read_answer(head), await link.ended()


@virtual
async def test_every_smuggling_form_gets_its_status_once_and_the_end() -> None:
    async with besieged(close_timeout=5.0) as (place, good):
        for name, (octets, status) in FORMS.items():
            answer, rest = await refused(place.server.port, octets)
            # A second request behind a whole one ends the session unanswered or with 400: never with 200.
            assert answer is not None, name
            assert answer.status == status, name
            assert answer.get("Connection") == "close", name
            assert rest == b"", name
        await good.post()
        assert set(place.ended) <= {"bad-request", "replaced"}
        assert not place.alarms


@virtual
async def test_a_header_that_names_another_card_ends_only_its_own_session() -> None:
    async with besieged() as (place, good):
        async with card(place.server.port) as link:
            with suppress(ConnectionError):
                await link.send(request_bytes(eid=OTHER_EID))
            assert await link.ended() == b""
        assert len(place.alarms) == 1
        assert place.ended == ["eid-mismatch"]
        await good.post()


@virtual
async def test_forms_by_the_hundred_leave_nothing_behind() -> None:
    async with besieged(close_timeout=5.0) as (place, good):
        bodies = [octets for octets, _ in FORMS.values() if len(octets) > 4_000]
        for octets in bodies:
            await refused(place.server.port, octets)
        with memory_within(peak=4_000_000, kept=400_000):
            for turn in range(40):
                await refused(place.server.port, bodies[turn % len(bodies)])
            await good.post()
            place.ended.clear()
            place.asked.clear()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_connection_cut_anywhere_leaves_nothing_behind(direction: str) -> None:
    @virtual
    async def scenario() -> None:
        async with besieged(handshake_timeout=20.0, idle_timeout=20.0, request_timeout=20.0) as (place, good):
            for cut in range(0, CONVERSATION, 41):
                async with through_faults(place, f"{direction}:cut_after={cut}") as proxy:
                    with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                        async with asyncio.timeout(60), card(proxy.port) as link:
                            await link.post(request_bytes())
                            await link.post(request_bytes("/n?s=1", body=bytes(40)))
                    await place.quiet(others=1)
            await good.post()
            assert not place.alarms

    scenario()


@pytest.mark.parametrize("fault", ["black_hole", "half_open"])
@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("after", [0, 60, 300, 600])
def test_a_peer_that_is_gone_without_a_word_is_given_up(fault: str, direction: str, after: int) -> None:
    """The card's side, ours, or both believe in a connection that carries nothing any more."""

    @virtual
    async def scenario() -> None:
        limits = {"handshake_timeout": 20.0, "idle_timeout": 45.0, "request_timeout": 20.0, "close_timeout": 5.0}
        rule = f"{direction}:{fault}_after={after}"
        async with besieged(**limits) as (place, _), through_faults(place, rule) as proxy:

            async def victim() -> None:
                with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                    async with card(proxy.port) as link:
                        await link.post(request_bytes())
                        await link.post(request_bytes("/n?s=1"))
                        await link.ended()

            task = asyncio.create_task(victim())
            started = asyncio.get_running_loop().time()
            await asyncio.sleep(1.0)
            await place.quiet(others=1)
            # Each phase has its deadline; together they bound what a dead peer can hold.
            assert asyncio.get_running_loop().time() - started < 100
            assert [strike.fault for strike in proxy.strikes][:1] == [fault]
            task.cancel()  # its TLS takes half a minute to let go: the good card's deadline is longer
            with suppress(asyncio.CancelledError):
                await task

    scenario()


@virtual
async def test_a_handshake_octet_by_octet_is_done_or_given_up_by_its_deadline() -> None:
    async with besieged(handshake_timeout=30.0) as (place, good):
        async with through_faults(place, "up:piece=1,pause=0.01") as proxy, card(proxy.port) as link:
            assert (await link.post(request_bytes())).status == 200
        async with through_faults(place, "up:piece=1,pause=1") as proxy:
            started = asyncio.get_running_loop().time()
            with pytest.raises(OSError):
                async with card(proxy.port):
                    pass
            await place.quiet(others=1)
            assert asyncio.get_running_loop().time() - started < 45
        await good.post()


@virtual
async def test_a_card_that_does_not_read_its_answers_holds_little_and_not_for_long() -> None:
    """It posts and never reads: one answer waits, no second request is taken, and the deadline ends it."""
    async with besieged(idle_timeout=30.0, request_timeout=20.0, close_timeout=5.0) as (place, good):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
        client = MemoryClient()
        writer.write(client.step())
        while not client.done:
            writer.write(client.step(await reader.read(4096)))
        cast(asyncio.Transport, writer.transport).pause_reading()
        with memory_within(peak=1_500_000, kept=300_000):
            client.tls.write(request_bytes())
            writer.write(client.outgoing.read())
            for _ in range(4):
                await asyncio.sleep(20.0)
                await good.post()
            await place.quiet(others=1)
        writer.close()


@virtual
async def test_many_half_open_peers_leave_nothing_behind() -> None:
    async with besieged(handshake_timeout=20.0) as (place, good):
        async with through_faults(place, "down:black_hole_after=0") as proxy:
            links = []
            with memory_within(peak=10_000_000, kept=800_000):
                for _ in range(120):
                    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                    writer.write(MemoryClient().step())
                    links.append((reader, writer))
                await asyncio.sleep(1.0)
                assert place.connections == 121
                await good.post()
                await place.quiet(others=1)
                for _, writer in links:
                    writer.close()
                links.clear()
                place.refusals.clear()
                proxy.cut()
                await asyncio.sleep(1.0)
        await good.post()
