"""Our ESME against node-smpp as the SMSC: an SMPP stack of other people, in another language."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from structlog.testing import capture_logs

from ferryman.codec.smpp.messages import DeliverSM
from ferryman.codec.smpp.receipt import MessageState, Receipt
from ferryman.codec.smpp.user_data import user_data
from ferryman.codec.sms_user_data import segment
from ferryman.transport_sms.account import Account
from ferryman.transport_sms.esme import ESME
from ferryman.transport_sms.link import OutcomeKind, SubmitOutcome
from ferryman.transport_sms.settings import BindMode, SMPPSettings
from node_smsc import PATIENCE, NodeSMSC, node, smsc

__all__ = ["node"]  # a fixture

SINGLE = bytes.fromhex("027000") + bytes(range(100, 237))
FIRST_OF_MANY = bytes.fromhex("0700033103017000") + bytes(range(132))


class Kept:
    """What the ESME passed on."""

    def __init__(self) -> None:
        self.messages: list[DeliverSM] = []
        self.receipts: list[Receipt] = []

    async def message(self, pdu: DeliverSM) -> int:
        self.messages.append(pdu)
        return 0

    async def receipt(self, receipt: Receipt) -> int:
        self.receipts.append(receipt)
        return 0


@asynccontextmanager
async def esme(server: NodeSMSC, kept: Kept | None = None, **changes: Any) -> AsyncIterator[ESME]:
    kept = kept or Kept()
    given = {
        "host": "127.0.0.1",
        "port": server.port,
        "system_id": "smsr",
        "password": "pw8chars",
        "system_type": "OTA",
        "source_addr": "447700900001",
        "reconnect_min": 0.05,
        **changes,
    }
    started = ESME(
        SMPPSettings(**given), on_deliver=kept.message, on_receipt=kept.receipt, entropy=random.Random(7)
    )
    await started.start()
    try:
        yield started
    finally:
        await started.stop()


async def bound(link: ESME) -> ESME:
    async with asyncio.timeout(PATIENCE):
        await link.bound.wait()
    return link


async def test_bind_submit_unbind(node: str) -> None:
    async with smsc(node) as server:
        async with esme(server, validity=3600) as link:
            await bound(link)
            assert await server.event("bound") == {
                "event": "bound",
                "system_type": "OTA",
                "interface_version": 0x34,
            }
            outcome = await link.submit(link.settings.submit("447700900123", SINGLE, last=True))
            assert outcome == SubmitOutcome(OutcomeKind.ACCEPTED, "m-447700900123", 0)
            seen = await server.event("submit")
            assert (seen["source"], seen["source_ton"], seen["destination"]) == ("447700900001", 1, "447700900123")
            assert (seen["esm_class"], seen["protocol_id"], seen["data_coding"]) == (0x40, 0x7F, 0xF6)
            assert seen["registered_delivery"] == 1
            # node-smpp read our relative time and made a date of it.
            until = datetime.fromisoformat(seen["validity_period"]) - datetime.now(UTC)
            assert 3_500 < until.total_seconds() < 3_700
            assert (seen["udh"], seen["message"]) == (["7000"], SINGLE[3:].hex())
        assert (await server.event("unbound"))["accepted"] == 1


async def test_user_data_of_a_concatenated_message_arrives_byte_for_byte(node: str) -> None:
    async with smsc(node) as server, esme(server) as link:
        await bound(link)
        await link.submit(link.settings.submit("447700900123", FIRST_OF_MANY, last=False))
        seen = await server.event("submit")
        assert seen["registered_delivery"] == 0
        assert (seen["udh"], seen["message"]) == (["0003310301", "7000"], FIRST_OF_MANY[8:].hex())


async def test_a_refused_message(node: str) -> None:
    async with smsc(node) as server, esme(server) as link:
        await bound(link)
        outcome = await link.submit(link.settings.submit("9991", SINGLE, last=True))
        assert (outcome.kind, outcome.status) == (OutcomeKind.REJECTED, 0x0B)


async def test_messages_from_the_card_in_both_forms(node: str) -> None:
    kept = Kept()
    answer = bytes.fromhex("027100") + bytes(range(60))
    fields = {"source_addr": "447700900123", "destination_addr": "447700900001", "esm_class": 0x40}
    async with smsc(node) as server, esme(server, kept) as link:
        await bound(link)
        server.tell("deliver", pdu={**fields, "data_coding": 0xF6, "short_message_hex": answer.hex()})
        assert (await server.event("answered"))["status"] == 0
        server.tell("deliver", pdu={**fields, "data_coding": 4, "message_payload_hex": answer.hex()})
        assert (await server.event("answered"))["status"] == 0
        assert [user_data(pdu) for pdu in kept.messages] == [answer, answer]
        assert [pdu.short_message for pdu in kept.messages] == [answer, b""]
        assert {(pdu.source_addr, pdu.destination_addr) for pdu in kept.messages} == {
            ("447700900123", "447700900001")
        }


async def test_receipts_in_text_and_parameters(node: str) -> None:
    kept = Kept()
    text = b"id:504607 sub:001 dlvrd:001 submit date:2611220857 done date:2611220858 stat:DELIVRD err:000 text:"
    async with smsc(node) as server, esme(server, kept) as link:
        await bound(link)
        server.tell("deliver", pdu={"esm_class": 4, "short_message_hex": text.hex()})
        assert (await server.event("answered"))["status"] == 0
        server.tell("deliver", pdu={"esm_class": 4, "receipted_message_id": "7b31f", "message_state": 5})
        assert (await server.event("answered"))["status"] == 0
        assert not kept.messages
        assert [(one.message_id, one.state) for one in kept.receipts] == [
            ("504607", MessageState.DELIVERED),
            ("7b31f", MessageState.UNDELIVERABLE),
        ]


async def test_enquire_link_both_ways(node: str) -> None:
    async with smsc(node) as server, esme(server, enquire_interval=0.05) as link:
        await bound(link)
        await server.event("enquired")
        await server.event("enquired")
        server.tell("enquire")
        assert (await server.event("answered"))["status"] == 0
        assert link.bound.is_set()


async def test_a_wrong_password(node: str) -> None:
    with capture_logs() as lines:
        async with smsc(node) as server, esme(server, password="wr0ng"), asyncio.timeout(PATIENCE):
            await server.event("closed")
            while not any(line.get("status") == "invalid_password" for line in lines):
                await asyncio.sleep(0.01)
    assert "wr0ng" not in repr(lines)


async def test_a_full_window_answered_backwards(node: str) -> None:
    async with smsc(node) as server, esme(server, window=25) as link:
        await bound(link)
        server.tell("hold", count=25)
        server.tell("enquire")  # its answer proves that the SMSC has read both lines
        await server.event("answered")
        numbers = [str(447_700_900_000 + n) for n in range(100)]
        outcomes = await asyncio.gather(
            *(link.submit(link.settings.submit(number, SINGLE, last=True)) for number in numbers)
        )
        assert [outcome.message_id for outcome in outcomes] == [f"m-{number}" for number in numbers]


async def test_a_dropped_connection_is_made_again(node: str) -> None:
    async with smsc(node) as server, esme(server) as link:
        await bound(link)
        server.tell("hold", count=2)
        server.tell("enquire")
        await server.event("answered")
        lost = asyncio.create_task(link.submit(link.settings.submit("447700900123", SINGLE, last=True)))
        await server.event("submit")
        server.tell("drop")
        assert (await lost).kind is OutcomeKind.UNKNOWN
        assert (await server.event("connected"))["number"] == 2
        await server.event("bound")
        await bound(link)


# --- accounts ---


@asynccontextmanager
async def account_at(server: NodeSMSC, kept: Kept | None = None, **changes: Any) -> AsyncIterator[Account]:
    kept = kept or Kept()
    given = {"host": "127.0.0.1", "port": server.port, "system_id": "smsr", "password": "pw8chars"}
    given |= {"source_addr": "447700900001", "reconnect_min": 0.05, **changes}
    made = Account(
        SMPPSettings(**given), on_deliver=kept.message, on_receipt=kept.receipt, entropy=random.Random(7)
    )
    await made.start()
    try:
        async with asyncio.timeout(PATIENCE):
            for link in made.links:
                await link.bound.wait()
        yield made
    finally:
        await made.stop()


async def send(account: Account, ud: bytes) -> SubmitOutcome:
    settings = account.settings
    return await account.submit(
        lambda parameters: settings.request("447700900123", ud, last=True, validity=600, parameters=parameters)
    )


async def test_a_transmitter_and_a_receiver_as_one_account(node: str) -> None:
    kept = Kept()
    answer = bytes.fromhex("027100") + bytes(range(60))
    async with smsc(node) as server, account_at(server, kept, bind_mode=BindMode.PAIR) as account:
        kinds = {(await server.event("kind"))["kind"] for _ in range(2)}
        assert kinds == {"transmitter", "receiver"}
        assert await send(account, SINGLE) == SubmitOutcome(OutcomeKind.ACCEPTED, "m-447700900123", 0)
        seen = await server.event("submit")
        assert (seen["bound_as"], seen["message"]) == ("transmitter", SINGLE[3:].hex())
        server.tell("deliver", pdu={"source_addr": "1", "esm_class": 0x40, "short_message_hex": answer.hex()})
        assert (await server.event("answered"))["status"] == 0
        assert [user_data(pdu) for pdu in kept.messages] == [answer]


async def test_three_binds_of_one_account(node: str) -> None:
    async with smsc(node) as server, account_at(server, binds=3) as account:
        outcomes = await asyncio.gather(*(send(account, SINGLE) for _ in range(30)))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
        used = {(await server.event("submit"))["session"] for _ in range(30)}
        assert used == {1, 2, 3}


async def test_data_sm_and_message_payload(node: str) -> None:
    async with smsc(node) as server:
        async with account_at(server, submission="data_sm") as account:
            assert await send(account, FIRST_OF_MANY) == SubmitOutcome(OutcomeKind.ACCEPTED, "d-447700900123", 0)
            seen = await server.event("data")
            assert (seen["udh"], seen["message"]) == (["0003310301", "7000"], FIRST_OF_MANY[8:].hex())
            assert (seen["esm_class"], seen["data_coding"], seen["time_to_live"]) == (0x40, 0xF6, 600)
        async with account_at(server, payload_parameter=True) as account:
            assert (await send(account, SINGLE)).message_id == "m-447700900123"
            seen = await server.event("submit")
            assert (seen["message"], seen["payload"]) == ("", SINGLE[3:].hex())


async def test_sar_parameters(node: str) -> None:
    packet = bytes(range(250))
    async with smsc(node) as server, account_at(server, concatenation="sar") as account:
        for ud in segment(packet, reference=77):
            await send(account, ud)
        first, second = [await server.event("submit") for _ in range(2)]
        assert (first["sar"], second["sar"]) == ([77, 2, 1], [77, 2, 2])
        assert (first["udh"], first["esm_class"]) == (["7000"], 0x40)
        assert (second["udh"], second["esm_class"]) == (None, 0)
        assert bytes.fromhex(first["message"] + second["message"]) == packet
