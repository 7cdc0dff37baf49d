"""Kannel as the ESME against the simulator's SMSC: the gateway that most operators know."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ferryman_sim.hlr.milenage import Milenage
from ferryman_sim.hlr.service import HLR
from ferryman_sim.hlr.subscriptions import Subscription
from ferryman_sim.json_lines import StreamChannel, connect
from ferryman_sim.smsc import accounts
from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.service import SMSC
from kannel import PATIENCE, Kannel, kannel, program
from patience import until_async

pytestmark = pytest.mark.skipif(
    program("bearerbox") is None or program("smsbox") is None, reason="Kannel is not installed"
)

SMSR, CARD, IMSI, MSISDN = "33600000001", "8900", "999700000000001", "88239001"
KI, OPC = bytes(range(16)), bytes(range(16, 32))
SINGLE = bytes.fromhex("027000") + bytes(range(100, 237))
DELIVERED, FAILED, ACCEPTED, REFUSED = b"1", b"2", b"8", b"16"


@asynccontextmanager
async def network(
    folder: Path, *, pair: bool = False, password: str = "pw8chars"
) -> AsyncIterator[tuple[SMSC, Kannel, StreamChannel]]:
    """SMSC, Kannel started against it, and the radio channel of an attached card."""
    hlr = HLR([Subscription("8901", IMSI, MSISDN, KI, OPC)], random.Random(1))
    smsc = SMSC([accounts.parse("smsr:pw8chars")], hlr, random.Random(1))
    ports = await smsc.start()
    radio = await connect("127.0.0.1", ports["radio_port"])
    await radio.send({"op": "attach", "card": CARD, "imsi": IMSI})
    rand = bytes.fromhex((await line(radio))["rand"])
    await radio.send({"op": "auth-res", "card": CARD, "res": Milenage(KI, OPC).res(rand).hex()})
    assert (await line(radio))["op"] == "attached"
    try:
        async with kannel(folder, ports["smpp_port"], system_id="smsr", password=password, pair=pair) as running:
            yield smsc, running, radio
    finally:
        radio.close()
        await smsc.stop()


async def line(radio: StreamChannel) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        found = await radio.receive()
    assert found is not None
    return found


@pytest.mark.parametrize("pair", [False, True], ids=["transceiver", "transmitter and receiver"])
async def test_a_command_packet_its_receipts_and_an_answer(tmp_path: Path, pair: bool) -> None:
    async with network(tmp_path, pair=pair) as (_, ours, radio):
        assert "202" in (await ours.submit(SINGLE, sender=SMSR, to=MSISDN)).split("\r\n")[0]
        found = await line(radio)
        assert (found["op"], found["oa"].lstrip("+")) == ("mt", SMSR)
        assert (bytes.fromhex(found["ud"]), found["pid"], found["dcs"]) == (SINGLE, 0x7F, 0xF6)
        # Kannel loses a receipt that reaches its receiver before the answer to its transmitter was worked off.
        assert (await ours.ears.next("/dlr"))["state"] == ACCEPTED
        await radio.send({"op": "mt-ack", "card": CARD, "id": found["id"]})
        assert (await ours.ears.next("/dlr"))["state"] == DELIVERED
        packet = bytes(range(40))
        mo = {"op": "mo", "card": CARD, "id": "1", "da": f"+{SMSR}", "pid": 0, "dcs": 0xF6}
        await radio.send({**mo, "ud": "027100" + packet.hex()})
        assert (await line(radio))["op"] == "mo-ack"
        heard = await ours.ears.next("/mo")
        assert heard["udh"] == bytes.fromhex("027100")
        assert heard["text"] == packet
        assert (heard["from"].lstrip(b"+"), heard["to"].lstrip(b"+")) == (MSISDN.encode(), SMSR.encode())


async def test_refusals_and_congestion(tmp_path: Path) -> None:
    """An unknown number is refused for good; a message that met congestion is sent again by Kannel."""
    async with network(tmp_path) as (smsc, ours, radio):
        await ours.submit(SINGLE, sender=SMSR, to="999")
        assert (await ours.ears.next("/dlr"))["state"] == REFUSED
        await smsc.ask({"op": "submit-status", "status": smpp.THROTTLED})
        await ours.submit(SINGLE, sender=SMSR, to=MSISDN)
        found = await line(radio)
        assert bytes.fromhex(found["ud"]) == SINGLE


async def test_a_wrong_password_does_not_bind(tmp_path: Path) -> None:
    async with network(tmp_path, password="wrong") as (smsc, ours, _radio):

        async def refused() -> bool:
            return "bind_transceiver_resp" in (tmp_path / "core.log").read_text(errors="replace")

        await until_async(refused)
        assert (await smsc.ask({"op": "status"}))["accounts"] == {"smsr": 0}
        await ours.submit(SINGLE, sender=SMSR, to=MSISDN)  # stays in Kannel's store
        assert ours.ears.heard.empty()
