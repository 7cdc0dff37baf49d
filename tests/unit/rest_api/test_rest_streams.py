"""A stream of events is for who may read it now, and not for who could when it began."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.accounts import set_role
from ferryman.rest_api.sessions import IDLE
from rest_world import RestWorld, rest_world

BEAT = 0.05  # s


async def revoke(world: RestWorld, actor: str, _heads: dict[str, str]) -> None:
    await world.rest.keys.revoke(actor, "test")


async def disable(world: RestWorld, actor: str, _heads: dict[str, str]) -> None:
    await world.rest.services.accounts.disable(actor, "test", on=True)


async def log_out(world: RestWorld, _actor: str, heads: dict[str, str]) -> None:
    assert (await world.ask("DELETE", "/session", headers=heads)).status == 204


async def other_role(world: RestWorld, actor: str, _heads: dict[str, str]) -> None:
    await world.rest.mailbox.transact(lambda tx: set_role(tx, actor, KeyRole.DEVICE_MAKER, "test") and None)


async def wait(world: RestWorld, _actor: str, _heads: dict[str, str]) -> None:
    """A stream that is read by nobody is no use of a login."""
    world.installation.clock._offset += IDLE + 1  # type: ignore[attr-defined]  # LoopClock


@pytest.mark.parametrize(
    ("by_key", "end"), [(True, revoke), (False, disable), (False, log_out), (False, other_role), (False, wait)]
)
async def test_a_stream_ends_with_the_right_to_read_it(
    tmp_path: Path, by_key: bool, end: Callable[[RestWorld, str, dict[str, str]], Awaitable[None]]
) -> None:
    async with rest_world(tmp_path) as world:
        world.rest.services.streams._beat = BEAT
        if by_key:
            token = await world.token(KeyRole.AUDITOR)
            actor, heads = token.split("_")[1], {"authorization": f"Bearer {token}"}
        else:
            person = await world.person(KeyRole.AUDITOR)
            actor, heads = person.user_id, person.heads
        reader, writer = await asyncio.open_connection("127.0.0.1", world.rest.port)
        fields = "".join(f"{name}: {value}\r\n" for name, value in heads.items())
        writer.write(f"GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(3):
                await reader.readuntil(b": still here\n\n")
            await end(world, actor, heads)
            rest = await reader.readuntil(b"0\r\n\r\n")
        assert rest.count(b"still here") <= 2
        assert world.rest.services.streams.count == 0
        writer.close()


async def test_the_place_of_last_event_id_goes_before_that_of_the_address(tmp_path: Path) -> None:
    """A browser that was cut off asks for the same address again."""
    async with rest_world(tmp_path) as world:
        token = await world.token(KeyRole.AUDITOR)
        for last, place in (("7", b"id: 7\n"), ("", b"id: 3\n"), ("x", b"id: 3\n")):
            answer = await world.ask("GET", "/events/stream?after=3", token, headers={"last-event-id": last})
            assert answer.body.startswith(place)


async def test_every_answer_is_kept_by_nobody_and_read_as_what_it_says(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        token = await world.token(KeyRole.AUDITOR)
        seen = set()
        for path, status in (
            ("/orders", 200),
            ("/orders/x", 404),
            ("/users?limit=0", 400),
            ("/events/stream", 200),
        ):
            answer = await world.ask("GET", path, token)
            assert (answer.status, answer.headers["cache-control"]) == (status, "no-store"), path
            assert answer.headers["x-content-type-options"] == "nosniff"
            seen.add(answer.headers["x-request-id"])
        assert len(seen) == 4
