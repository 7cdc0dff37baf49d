"""Orders for a card of another SM-SR: every attempt goes to that one (`sgp02-interfaces.md` 7.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dp_world import START, DPWorld, eid_of, iccid_of
from ferryman.contracts import codes, es2, es3, orders
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import SOAP_GATEWAY
from ferryman.contracts.status import failed
from rig import OWNER
from virtual_loop import virtual

FOREIGN = "1.3.6.1.4.1.99999.21"
LETTERS: Codec[Body] = Codec(*es3.REQUESTS, *es2.RESPONSES)


@virtual
async def test_an_order_that_is_tried_again_goes_to_the_same_sm_sr(tmp_path: Path) -> None:
    world = DPWorld(tmp_path / "dp.db")
    asked: list[tuple[str, str]] = []
    answered: list[Any] = []

    async def gateway(raw: bytes) -> None:
        header, body = decode(raw, LETTERS)
        if isinstance(body, es2.ES2DownloadProfileResponse):
            answered.append(body)
            return
        asked.append((type(body).__name__, header.recipient))
        assert isinstance(body, es3.ES3GetEIS)
        back = Header(
            message_id=f"gw/{header.message_id}", sender=SOAP_GATEWAY, requester=header.requester,
            function_call_id=header.function_call_id, deadline=header.deadline, eid=header.eid,
        )  # fmt: skip
        world.outside.waiting[back.message_id] = (
            back, es3.ES3GetEISResponse(status=failed(*codes.EID_UNKNOWN, "no")),
        )  # fmt: skip
        world.outside.tell(back.message_id)

    await world.boot()
    world.bus.register(SOAP_GATEWAY, gateway)
    await world.stock(1)
    call = es2.ES2DownloadProfile(eid=eid_of(1), smsr_id=FOREIGN, iccid=iccid_of(1), enable=True)
    header = Header(
        message_id="peer/1", sender=SOAP_GATEWAY, requester=OWNER, function_call_id="c-1",
        deadline=START + 600.0, eid=call.eid,
    )  # fmt: skip
    await world.smdp.receive(encode(header, call))
    name = orders.order_id(OWNER, "c-1")
    assert (await world.ended(name)).attempt == 1
    await world.ask(orders.RetryOrder(owner=OWNER, order_id=name))
    again = await world.until(lambda view: view.state == "done" and view.attempt == 2, name)
    assert again.status is not None
    assert again.status.code == "8.1.1/3.9"
    assert asked == [("ES3GetEIS", FOREIGN)] * 2
    assert world.outside.calls == {}  # our own SM-SR was not asked
    assert [one.status.code for one in answered] == ["8.1.1/3.9"]
    await world.stop()
