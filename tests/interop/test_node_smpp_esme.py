"""node-smpp as the ESME against the simulator's SMSC: an SMPP stack that shares nothing with either of ours."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
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

FOLDER = Path(__file__).parent / "node_esme"
PATIENCE = 60.0  # seconds for another process on a busy machine
INSTALL_PATIENCE = 90.0  # seconds
SMSR, CARD, IMSI, MSISDN = "33600000001", "8900", "999700000000001", "88239001"
KI, OPC = bytes(range(16)), bytes(range(16, 32))
SINGLE = bytes.fromhex("027000") + bytes(range(100, 237))


@pytest.fixture(scope="module")
def node() -> str:
    """The node executable, with the package beside the script; skips when either is not to be had."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None:
        pytest.skip("node is not installed")
    if not (FOLDER / "node_modules" / "smpp").is_dir():
        if npm is None:
            pytest.skip("npm is not installed and the package smpp is missing")
        command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        try:
            done = subprocess.run(command, cwd=FOLDER, capture_output=True, timeout=INSTALL_PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("npm install took too long")
        if done.returncode:
            pytest.skip("the npm package smpp could not be installed")
    return program


class NodeESME:
    """The running script: `tell` commands it, `event` waits for something it reports."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def event(self, name: str) -> dict[str, Any]:
        """The next event, which has to be of this name."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "the ESME has ended"
        event: dict[str, Any] = json.loads(line)
        assert event["event"] == name, event
        return event

    def tell(self, op: str, **fields: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")

    async def bound(self, kind: str = "transceiver", password: str = "pw8chars") -> int:
        self.tell("bind", kind=kind, system_id="smsr", password=password)
        status: int = (await self.event("bound"))["status"]
        return status

    def submit(self, ud: bytes = SINGLE, to: str = MSISDN, op: str = "submit", **more: Any) -> None:
        pdu = {"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": SMSR, "dest_addr_ton": 1}
        pdu |= {"dest_addr_npi": 1, "destination_addr": to, "esm_class": 0x40, "protocol_id": 0x7F}
        pdu |= {"data_coding": 0xF6, "short_message_hex": ud.hex(), **more}
        self.tell(op, pdu=pdu)


@asynccontextmanager
async def network(node: str) -> AsyncIterator[tuple[SMSC, NodeESME, StreamChannel]]:
    """SMSC, a connected ESME, and the radio channel of an attached card."""
    hlr = HLR([Subscription("8901", IMSI, MSISDN, KI, OPC)], random.Random(1))
    smsc = SMSC([accounts.parse("smsr:pw8chars")], hlr, random.Random(1))
    ports = await smsc.start()
    radio = await connect("127.0.0.1", ports["radio_port"])
    await attach(radio)
    process = await asyncio.create_subprocess_exec(
        node, "esme.js", str(ports["smpp_port"]), cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    esme = NodeESME(process)
    try:
        await esme.event("connected")
        yield smsc, esme, radio
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), PATIENCE)
        radio.close()
        await smsc.stop()


async def line(radio: StreamChannel) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        found = await radio.receive()
    assert found is not None
    return found


async def attach(radio: StreamChannel) -> None:
    await radio.send({"op": "attach", "card": CARD, "imsi": IMSI})
    rand = bytes.fromhex((await line(radio))["rand"])
    await radio.send({"op": "auth-res", "card": CARD, "res": Milenage(KI, OPC).res(rand).hex()})
    assert (await line(radio))["op"] == "attached"


async def taken(radio: StreamChannel) -> dict[str, Any]:
    found = await line(radio)
    assert found["op"] == "mt"
    await radio.send({"op": "mt-ack", "card": CARD, "id": found["id"]})
    return found


async def test_binds_enquire_and_unbind(node: str) -> None:
    async with network(node) as (_, esme, _radio):
        assert await esme.bound(password="wrong") == smpp.INVALID_PASSWORD
        assert await esme.bound("transmitter") == smpp.OK
        assert await esme.bound("receiver") == smpp.ALREADY_BOUND
        esme.tell("enquire")
        assert (await esme.event("enquired"))["status"] == smpp.OK
        esme.tell("unbind")
        assert (await esme.event("unbound"))["command"] == "unbind_resp"
        await esme.event("closed")


async def test_submits_reach_the_card_untouched_with_receipt_and_query(node: str) -> None:
    async with network(node) as (_, esme, radio):
        await esme.bound()
        esme.submit(registered_delivery=1)
        identifier = (await esme.event("submitted"))["id"]
        found = await taken(radio)
        assert (bytes.fromhex(found["ud"]), found["pid"], found["dcs"]) == (SINGLE, 0x7F, 0xF6)
        receipt = await esme.event("deliver")
        assert (receipt["esm_class"], receipt["receipted"], receipt["state"]) == (4, identifier, 2)
        assert f"id:{identifier} ".encode() in bytes.fromhex(receipt["message"])
        esme.tell("query", id=identifier, source=SMSR)
        assert (await esme.event("queried"))["state"] == 2


async def test_message_payload_and_data_sm(node: str) -> None:
    async with network(node) as (_, esme, radio):
        await esme.bound()
        esme.submit(b"", message_payload_hex=SINGLE.hex())
        assert (await esme.event("submitted"))["status"] == smpp.OK
        assert bytes.fromhex((await taken(radio))["ud"]) == SINGLE
        esme.submit(b"", op="data", message_payload_hex=SINGLE.hex())
        assert (await esme.event("submitted"))["command"] == "data_sm_resp"
        assert bytes.fromhex((await taken(radio))["ud"]) == SINGLE


async def test_refusals(node: str) -> None:
    async with network(node) as (smsc, esme, _radio):
        await esme.bound()
        esme.submit(to="999")
        assert (await esme.event("submitted"))["status"] == smpp.INVALID_DESTINATION
        await smsc.ask({"op": "submit-status", "status": smpp.THROTTLED})
        esme.submit()
        assert (await esme.event("submitted"))["status"] == smpp.THROTTLED


async def test_mobile_originated_repeats_until_ok(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman_sim.smsc.accounts.RETRY_SECONDS", 0.01)
    async with network(node) as (_, esme, radio):
        await esme.bound("receiver")
        esme.tell("refuse", status=0x64, count=2)
        esme.tell("enquire")
        await esme.event("enquired")
        ud = bytes.fromhex("027100") + bytes(range(40))
        mo = {"op": "mo", "card": CARD, "id": "1", "da": f"+{SMSR}", "pid": 0, "dcs": 0xF6, "ud": ud.hex()}
        await radio.send(mo)
        assert (await line(radio))["op"] == "mo-ack"
        delivered = [await esme.event("deliver") for _ in range(3)]
        assert [one["status"] for one in delivered] == [0x64, 0x64, 0]
        for one in delivered:
            assert (one["udh"], bytes.fromhex(one["message"])) == (["7100"], bytes(range(40)))
            assert (one["source"], one["destination"], one["esm_class"]) == (MSISDN, SMSR, 0x40)
