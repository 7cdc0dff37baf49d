"""Events kept once, streamed and delivered: at least once, in order for each eUICC, signed, and nowhere inside."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from ferryman.contracts.events import EventKind, Happened
from ferryman.contracts.message import Header, encode
from ferryman.contracts.rest import KeyRole
from ferryman.contracts.status import failed
from ferryman.errors import InputError
from ferryman.platform.destination import NotAllowed, check, judge, resolve
from ferryman.rest_api.events import sender, webhooks
from ferryman.rest_api.events.webhooks import BOTH_SECONDS, MAX_FORMER
from patience import until
from rest_world import OTHER, TENANT, RestWorld, rest_world
from rig import free_port
from webhook_receiver import Receiver, receiving

ONE, TWO = "89001012012341234012345678901224", "89001012012341234012345678901323"
LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(sender, "LONGEST_DELAY", 0.1)


async def tell(world: RestWorld, number: int, eid: str = ONE, **more: Any) -> None:
    values: dict[str, Any] = {"kind": EventKind.ORDER_STEP, "owner": TENANT, "at": world.rest.services.clock.now()}
    happened = Happened(eid=eid, subject=f"order {number}", word="step", **(values | more))
    header = Header(
        message_id=f"m{number}", sender="sm-dp", requester="x", function_call_id="x", deadline=1e12, eid=eid
    )
    await world.rest.receive(encode(header, happened))


async def hooked(world: RestWorld, receiver: Receiver, token: str, *types: str) -> str:
    headers = {"idempotency-key": f"k{receiver.port}{types}"}
    body = {"url": receiver.url, "types": types}
    made = await world.ask("POST", "/webhooks", token, body, headers=headers)
    assert made.status == 201, made.body
    again = await world.ask("POST", "/webhooks", token, body, headers=headers)
    assert again.json == made.json  # the secret too: whoever lost the answer has it now
    receiver.secret = made.json["secret"]
    shown = await world.ask("GET", f"/webhooks/{made.json['id']}", token)
    assert shown.json["secret"] == ""
    return str(made.json["id"])


async def test_events_are_kept_once_and_only_for_their_tenant(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        own, other = await world.token(KeyRole.ADMIN), await world.token(KeyRole.ADMIN, OTHER)
        for number in (1, 2, 2, 3, 1):
            await tell(world, number)
        await tell(world, 4, TWO, kind=EventKind.ORDER_FAILED, status=failed("1.1", "4.2", "no"))
        page = (await world.ask("GET", "/events?limit=3", own)).json
        assert [one["subject"] for one in page["items"]] == ["order 1", "order 2", "order 3"]
        rest = (await world.ask("GET", f"/events?after={page['next']}", own)).json
        assert [one["status"]["reason"] for one in rest["items"]] == ["4.2"]
        assert rest["next"] == ""
        for query, count in ((f"eid={TWO}", 1), ("type=order.step", 3), ("type=profile.enabled", 0)):
            assert len((await world.ask("GET", f"/events?{query}", own)).json["items"]) == count
        assert (await world.ask("GET", "/events", other)).json["items"] == []
        assert (await world.ask("GET", "/events?type=nonsense", own)).status == 400


async def test_a_stream_begins_behind_the_last_event_and_goes_on(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        for number in (1, 2):
            await tell(world, number)
        streams = world.rest.services.streams
        lines = streams.lines(TENANT, 1, "")
        other = streams.lines(OTHER, 0, "")
        coming = asyncio.create_task(anext(other))
        assert (await anext(lines)).startswith(b"id: ")
        first = await anext(lines)
        assert first.startswith(b"id: 2\nevent: order.step\ndata: {")
        second = asyncio.create_task(anext(lines))
        await asyncio.sleep(0.02)
        assert not second.done()
        await tell(world, 3)
        event = json.loads((await second).partition(b"data: ")[2])
        assert (event["seq"], event["subject"]) == (3, "order 3")
        assert (await coming).startswith(b"id: ")
        nothing = asyncio.create_task(anext(other))
        await asyncio.sleep(0.02)
        assert not nothing.done()
        assert streams.count == 2
        streams.close()
        async for _ in lines:
            pass
        await asyncio.gather(nothing, return_exceptions=True)


async def test_too_many_streams_are_refused_and_places_come_back(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world:
        token = await world.token(KeyRole.ADMIN)
        open_ones = [world.rest.services.streams.lines(TENANT, 0, "") for _ in range(20)]
        for one in open_ones:
            await anext(one)
        assert (await world.ask("GET", "/events/stream", token)).status == 429
        for one in open_ones:
            await one.aclose()  # type: ignore[attr-defined]
        answer = await world.ask("GET", "/events/stream", token, headers={"last-event-id": "0"})
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert world.rest.services.streams.count == 0


async def test_events_are_delivered_signed_and_in_order(tmp_path: Path) -> None:
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        token = await world.token(KeyRole.ADMIN)
        name = await hooked(world, receiver, token)
        for number in range(1, 31):
            await tell(world, number, (ONE, TWO)[number % 2])
        await tell(world, 99, owner=OTHER)
        await until(lambda: len(receiver.seen) >= 30)
        await asyncio.sleep(0.05)
        assert len(receiver.seen) == 30
        assert receiver.badly_signed == 0
        for eid in (ONE, TWO):
            order = [event["seq"] for _, event in receiver.seen if event["eid"] == eid]
            assert order == sorted(order)
        log = (await world.ask("GET", f"/webhooks/{name}/deliveries?limit=100", token)).json["items"]
        assert {(one["state"], one["attempts"], one["http_status"]) for one in log} == {("delivered", 1, 200)}
        assert {one["event"] for one in log} == set(receiver.names)
        assert (await world.ask("GET", f"/webhooks/{name}", token)).json["waiting"] == 0


async def test_only_the_types_that_are_wanted(tmp_path: Path) -> None:
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        await hooked(world, receiver, await world.token(KeyRole.ADMIN), "order.done")
        await tell(world, 1)
        await tell(world, 2, kind=EventKind.ORDER_DONE)
        await until(lambda: bool(receiver.seen))
        await asyncio.sleep(0.05)
        assert [event["type"] for _, event in receiver.seen] == ["order.done"]


@pytest.mark.parametrize("trouble", [0, 500, 429, 404, 302])
async def test_what_is_not_taken_is_repeated_under_its_name_and_holds_up_its_own_card_alone(
    tmp_path: Path, trouble: int
) -> None:
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        receiver.statuses = [trouble] * 3
        receiver.heads = "Location: http://127.0.0.1:1/\r\n" if trouble == 302 else ""
        name = await hooked(world, receiver, await world.token(KeyRole.ADMIN))
        for number in (1, 2):
            await tell(world, number)
        await until(lambda: {"order 2"} == {event["subject"] for _, event in receiver.seen[-1:]})
        assert [event["subject"] for event in receiver.once()] == ["order 1", "order 2"]
        assert len(receiver.names) == 5
        assert len(set(receiver.names)) == 2
        sent = world.rest.services.sender
        await until(lambda: sent.delivered == 2)
        assert sent.failed == 3
        log = await world.rest.services.webhooks.deliveries(TENANT, name, after=0, limit=9, state="")
        assert [one.attempts for one in log.items] == [4, 1]


async def test_a_receiver_that_is_down_for_a_while_loses_nothing_over_a_restart(tmp_path: Path) -> None:
    port = free_port()
    receiver = Receiver(port=port)
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world:
        name = await hooked(world, receiver, await world.token(KeyRole.ADMIN))
        for number in range(1, 11):
            await tell(world, number)
        await until(lambda: world.rest.services.sender.failed >= 2)
        assert (await world.rest.services.webhooks.show(TENANT, name)).waiting == 10
    async with receiving(port, receiver), rest_world(tmp_path, webhook_networks=LOOPBACK) as world:
        await until(lambda: len(receiver.seen) >= 10)
        await until(lambda: world.rest.services.sender.delivered == 10)
        assert [event["subject"] for _, event in receiver.seen] == [f"order {n}" for n in range(1, 11)]
        assert len(set(receiver.names)) == 10


async def test_gone_pauses_and_resuming_delivers_what_waited(tmp_path: Path) -> None:
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        token = await world.token(KeyRole.ADMIN)
        name = await hooked(world, receiver, token)
        receiver.status = 410
        await tell(world, 1)
        book = world.rest.services.webhooks

        async def paused() -> bool:
            return (await book.show(TENANT, name)).state == "paused"

        while not await paused():
            await asyncio.sleep(0.01)
        assert "410" in (await book.show(TENANT, name)).reason
        receiver.status = 200
        await tell(world, 2)
        await asyncio.sleep(0.05)
        assert len(receiver.seen) == 1
        changed = await world.ask("POST", f"/webhooks/{name}/changes", token, {"action": "resume"})
        assert changed.json["state"] == "active"
        await until(lambda: len(receiver.seen) == 3)
        assert [event["subject"] for event in receiver.once()] == ["order 1", "order 2"]


async def test_gone_says_one_euicc_and_the_others_are_not_sent_again(tmp_path: Path) -> None:
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        token = await world.token(KeyRole.ADMIN)
        name = await hooked(world, receiver, token)
        await world.ask("POST", f"/webhooks/{name}/changes", token, {"action": "pause"})
        for number, eid in enumerate((ONE, TWO), 1):
            await tell(world, number, eid)
        receiver.statuses = [410]  # both leave at once: one is answered 410, the other 200
        await world.ask("POST", f"/webhooks/{name}/changes", token, {"action": "resume"})
        await until(lambda: world.rest.services.sender.delivered == 1)
        log = (await world.ask("GET", f"/webhooks/{name}/deliveries", token)).json["items"]
        assert sorted(one["state"] for one in log) == ["delivered", "waiting"]


async def test_a_receiver_says_when_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "LONGEST_DELAY", 900.0)
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        token = await world.token(KeyRole.ADMIN)
        receiver.status, receiver.heads = 404, "Retry-After: 120\r\n"
        name = await hooked(world, receiver, token)
        await tell(world, 1)
        await until(lambda: world.rest.services.sender.failed == 1)
        (one,) = (await world.ask("GET", f"/webhooks/{name}/deliveries", token)).json["items"]
        assert one["next_try"] - one["changed"] == pytest.approx(120.0, abs=1.0)


async def test_so_many_webhooks_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MAX_WEBHOOKS", 2)
    async with rest_world(tmp_path) as world:
        token, body = await world.token(KeyRole.ADMIN), {"url": "https://hooks.example.org/"}
        made = [
            await world.ask("POST", "/webhooks", token, body, headers={"idempotency-key": f"k{number}"})
            for number in range(3)
        ]
        assert [one.status for one in made] == [201, 201, 403]
        other = await world.token(KeyRole.ADMIN, OTHER)
        assert (await world.ask("POST", "/webhooks", other, body, headers={"idempotency-key": "k"})).status == 201


async def test_given_up_after_days_and_replayed_under_the_same_name(tmp_path: Path) -> None:
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        token = await world.token(KeyRole.ADMIN)
        receiver.status = 500
        name = await hooked(world, receiver, token)
        await tell(world, 1, at=world.rest.services.clock.now() - 4 * 86_400)
        await tell(world, 2)
        await until(lambda: len(set(receiver.names)) == 2)  # the first one no longer stands in the way
        assert receiver.names.count(receiver.names[0]) == sender.FEWEST
        log = (await world.ask("GET", f"/webhooks/{name}/deliveries?state=given-up", token)).json["items"]
        assert [one["event"] for one in log] == [receiver.names[0]]
        receiver.status = 200
        await until(lambda: world.rest.services.sender.delivered == 1)
        replayed = await world.ask("POST", f"/webhooks/{name}/replay", token, {})
        assert replayed.json == {"deliveries": 1}
        await until(lambda: receiver.names[-1] == receiver.names[0])
        await until(lambda: world.rest.services.sender.delivered == 2)
        again = await world.ask("POST", f"/webhooks/{name}/replay", token, {"given_up_only": False, "after": "1"})
        assert again.json == {"deliveries": 1}


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("rest-api.db*"))


async def test_a_new_secret_and_the_former_are_both_good_for_a_day(tmp_path: Path) -> None:
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        token = await world.token(KeyRole.ADMIN)
        name = await hooked(world, receiver, token)
        former = receiver.secret

        async def rotate() -> Any:
            return await world.ask("POST", f"/webhooks/{name}/changes", token, {"action": "rotate"})

        lost, rotated = await rotate(), await rotate()  # of the first one nobody has seen the answer
        assert len({former, lost.json["secret"], rotated.json["secret"], ""}) == 4
        for number, secret in enumerate((former, lost.json["secret"], rotated.json["secret"]), 1):
            receiver.secret = secret
            await tell(world, number)
            await until(lambda: len(receiver.seen) == number)  # noqa: B023
        assert receiver.badly_signed == 0
        world.installation.clock._offset += BOTH_SECONDS  # type: ignore[attr-defined]  # LoopClock
        receiver.secret = former
        await tell(world, 4)
        await until(lambda: receiver.badly_signed == 1)
        for _ in range(5):
            rotated = await rotate()
        book = world.rest.services.webhooks
        found = await book.receiver(name)
        assert found is not None
        assert len(found.secrets) == 1 + MAX_FORMER
    for secret in (former, rotated.json["secret"]):
        assert secret.removeprefix("whsec_")[:20].encode() not in stored(tmp_path)


async def test_a_deleted_webhook_is_gone_with_its_deliveries(tmp_path: Path) -> None:
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        token = await world.token(KeyRole.ADMIN)
        receiver.status = 500
        name = await hooked(world, receiver, token)
        await tell(world, 1)
        await until(lambda: bool(receiver.seen))
        assert (await world.ask("DELETE", f"/webhooks/{name}", token)).status == 204
        assert (await world.ask("GET", f"/webhooks/{name}", token)).status == 404
        count = len(receiver.seen)
        await asyncio.sleep(0.3)
        assert len(receiver.seen) <= count + 1  # one may have been under way


@pytest.mark.parametrize(
    "url",
    ["ftp://h.example/", "https://", "https://u:p@h.example/", "https://h.example/#x", "https://h.example:0/", "x",
     "https://h.example:99999/",
     "https://h\u00e4.example/", "https://h.example/a b", "https://h.example/\r\nX: 1",
     # what no name is asked for, and what no request line holds: the library that is to call them would raise
     f"https://{'a' * 64}.example/", "https://a..example/", f"https://{'a.' * 127}example/", "https://h.example/\x01"],
)  # fmt: skip
def test_urls_that_no_webhook_has(url: str) -> None:
    with pytest.raises(InputError):
        check(url)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::", "ff02::1",
     # what a translator takes to IPv4 (RFC 6052), what only looks public: site-local, IPv4-compatible, SRv6
     "64:ff9b::10.1.2.3", "64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1", "::127.0.0.1", "5f00::1"],
)  # fmt: skip
def test_addresses_inside_are_not_for_webhooks(address: str) -> None:
    with pytest.raises(NotAllowed):
        judge(ipaddress.ip_address(address), "https", ())
    for public in ("1.1.1.1", "2606:4700::1111", "64:ff9b::1.1.1.1"):
        judge(ipaddress.ip_address(public), "https", ())
    judge(ipaddress.ip_address("10.1.2.3"), "https", (ipaddress.ip_network("10.0.0.0/8"),))


def test_plain_http_needs_a_network_that_is_listed() -> None:
    with pytest.raises(NotAllowed):
        judge(ipaddress.ip_address("1.1.1.1"), "http", ())
    judge(ipaddress.ip_address("127.0.0.1"), "http", (ipaddress.ip_network("127.0.0.0/8"),))


async def test_the_address_that_was_judged_is_the_one_that_is_called() -> None:
    listed = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    found = await resolve("http://localhost:8080/a?b=c", listed)
    assert found.url in ("http://127.0.0.1:8080/a?b=c", "http://[::1]:8080/a?b=c")
    assert (found.host, found.name) == ("localhost:8080", "localhost")
    with pytest.raises(NotAllowed):
        await resolve("http://localhost:8080/", ())
    literal = await resolve("http://[::1]:8080/", listed)
    assert (literal.url, literal.host, literal.name) == ("http://[::1]:8080/", "[::1]:8080", "::1")


async def test_a_webhook_into_the_platform_is_never_called(tmp_path: Path) -> None:
    async with rest_world(tmp_path) as world, receiving() as receiver:
        token = await world.token(KeyRole.ADMIN)
        name = await hooked(world, receiver, token)
        await tell(world, 1)
        await until(lambda: world.rest.services.sender.failed >= 1)
        log = (await world.ask("GET", f"/webhooks/{name}/deliveries", token)).json["items"]
        assert log[0]["http_status"] == 0
        assert "must be https" in log[0]["note"]
        assert receiver.seen == []


async def test_another_tenant_has_no_hand_on_it(tmp_path: Path) -> None:
    async with rest_world(tmp_path, webhook_networks=LOOPBACK) as world, receiving() as receiver:
        name = await hooked(world, receiver, await world.token(KeyRole.ADMIN))
        other = await world.token(KeyRole.ADMIN, OTHER)
        for method, path, body in (
            ("GET", "", None),
            ("GET", "/deliveries", None),
            ("POST", "/changes", {"action": "pause"}),
            ("POST", "/replay", {}),
            ("DELETE", "", None),
        ):
            assert (await world.ask(method, f"/webhooks/{name}{path}", other, body)).status == 404
        assert (await world.ask("GET", "/webhooks", other)).json["items"] == []
        assert (await world.rest.services.webhooks.show(TENANT, name)).state == "active"
