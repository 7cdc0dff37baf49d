"""An order and an operation over REST: a webhook, a stream and a page tell the same story, in order."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from e2e.bench import bench, pause
from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.settings import RESTSettings
from rest_world import RestWorld
from rig import OWNER
from virtual_loop import virtual
from webhook_receiver import receiving

REST = RESTSettings(listen=False, rate_per_address=0, rate_per_key=0, webhook_networks=("127.0.0.0/8",))


@virtual
async def test_what_happens_is_told() -> None:
    async with bench("sms", rest=REST) as b, receiving() as receiver:
        world = RestWorld(b.platform.installation)
        token = await world.token(KeyRole.ADMIN, OWNER)

        async def ask(method: str, path: str, body: Any = None) -> Any:
            answer = await world.ask(
                method, path, token, body, headers={"idempotency-key": path.replace("/", "-")}
            )
            assert answer.status < 300, answer.body
            return answer.json

        receiver.secret = (await ask("POST", "/webhooks", {"url": receiver.url}))["secret"]
        receiver.statuses = [500, 0, 503]
        streamed: list[dict[str, Any]] = []

        async def follow() -> None:
            async for piece in world.rest.services.streams.lines(OWNER, 0, ""):
                if b"\ndata: " in piece:
                    streamed.append(json.loads(piece.partition(b"data: ")[2]))

        following = asyncio.create_task(follow())
        made = await ask("POST", "/orders", {"eid": b.eid, "profile_type": "demo", "enable": True})
        await until(lambda: any(event["type"] == "order.done" for event in receiver.once()))
        started = await ask("POST", f"/euiccs/{b.eid}/operations", {"function": "disable", "iccid": made["iccid"]})
        await until(lambda: any(event["type"] == "operation.ended" for event in receiver.once()))
        events = receiver.once()
        order = await ask("GET", f"/orders/{made['order_id']}")
        told = [event["word"] for event in events if event["type"].startswith("order.")]
        assert told == [step["name"] for step in order["steps"]]
        mine = [event["type"] for event in events if event["iccid"] == made["iccid"] and event["subject"] == ""]
        assert mine == ["profile.enabled", "profile.disabled"]
        (ended,) = (event for event in events if event["type"] == "operation.ended")
        assert (ended["subject"], ended["word"]) == (started["call_id"], "DisableProfile")
        assert ended["status"]["status"] == "EXECUTED_SUCCESS"
        assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
        assert receiver.badly_signed == 0
        await until(lambda: len(streamed) == len(events))
        page = await ask("GET", "/events?limit=200")
        assert streamed == events == page["items"]
        following.cancel()


async def until(condition: Any) -> None:
    for number in range(3000):
        if condition():
            return
        await asyncio.sleep(pause(number))
    raise AssertionError("it never happened")
