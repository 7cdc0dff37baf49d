"""The SMSC as ESMEs and terminals meet it: binds, routing, store and forward, receipts, attach, faults,
control.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from ferryman_sim.hlr.milenage import Milenage
from ferryman_sim.hlr.service import HLR
from ferryman_sim.hlr.subscriptions import Subscription
from ferryman_sim.json_lines import MemoryChannel, Message, connect, memory_pair
from ferryman_sim.smsc import accounts
from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.pdu import Framer, Pdu
from ferryman_sim.smsc.relay import QUEUE_LIMIT
from ferryman_sim.smsc.service import SMSC
from virtual_loop import virtual

SMSR, CARD, IMSI, MSISDN = "33600000001", "8900", "999700000000001", "88239001"
KI, OPC = bytes(range(16)), bytes(range(16, 32))
UD = bytes.fromhex("027000AABBCC")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Esme:
    """A scripted ESME; `receive` gives the next PDU that is no enquire_link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._framer, self._inbox, self._sequence = Framer(), list[Pdu](), 0

    status = -1

    async def bind(self, kind: str, user: str, password: str) -> int:
        self.send(kind, {"system_id": user, "password": password, "interface_version": 0x34})
        return (await self.receive()).status

    def send(self, command: str, fields: smpp.Fields, tlvs: tuple[tuple[int, bytes], ...] = ()) -> None:
        self._sequence += 1
        self.raw(smpp.encode(Pdu(command, sequence=self._sequence, fields=fields, tlvs=tlvs)))

    def raw(self, data: bytes) -> None:
        self._writer.write(data)

    def close(self) -> None:
        self._writer.close()

    def submit(self, ud: bytes = UD, to: str = MSISDN, **more: Any) -> None:
        fields: smpp.Fields = {
            "source_addr_ton": 1,
            "source_addr_npi": 1,
            "source_addr": SMSR,
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": to,
            "esm_class": 0x40,
            "protocol_id": 0x7F,
            "data_coding": 0xF6,
            "short_message": ud,
        }
        self.send("submit_sm", fields | more)

    async def submitted(self, ud: bytes = UD, to: str = MSISDN, **more: Any) -> Pdu:
        self.submit(ud, to, **more)
        return await self.receive()

    async def maybe(self) -> Pdu | None:
        while not self._inbox:
            data = await self._reader.read(65_536)
            if not data:
                return None
            for frame in self._framer.feed(data):
                pdu = smpp.decode(frame)
                if pdu.command == "enquire_link":
                    self.raw(smpp.encode(pdu.reply()))
                else:
                    self._inbox.append(pdu)
        return self._inbox.pop(0)

    async def receive(self) -> Pdu:
        pdu = await self.maybe()
        assert pdu is not None, "the SMSC closed the connection"
        return pdu

    def answer(self, pdu: Pdu, status: int = 0) -> None:
        self.raw(smpp.encode(Pdu("deliver_sm_resp", status, pdu.sequence, {"message_id": ""})))

    async def delivered(self) -> Pdu:
        pdu = await self.receive()
        assert pdu.command == "deliver_sm"
        self.answer(pdu)
        return pdu


class Phone:
    """A scripted terminal with one card that knows Milenage."""

    def __init__(self, channel: MemoryChannel, ki: bytes = KI) -> None:
        self.channel, self.algorithm = channel, Milenage(ki, OPC)

    async def attach(self, imsi: str = IMSI, card: str = CARD) -> Message:
        await self.channel.send({"op": "attach", "card": card, "imsi": imsi})
        line = await self.next()
        if line["op"] == "auth":
            res = self.algorithm.res(bytes.fromhex(line["rand"]))
            await self.channel.send({"op": "auth-res", "card": card, "res": res.hex()})
            line = await self.next()
        return line

    async def next(self) -> Message:
        line = await self.channel.receive()
        assert line is not None
        return line

    async def taken(self) -> Message:
        line = await self.next()
        assert line["op"] == "mt"
        await self.channel.send({"op": "mt-ack", "card": line["card"], "id": line["id"]})
        return line

    async def send(self, ud: bytes = UD, da: str = f"+{SMSR}", identifier: str = "m1") -> Message:
        line = {"op": "mo", "card": CARD, "id": identifier, "da": da, "pid": 0, "dcs": 0xF6, "ud": ud.hex()}
        await self.channel.send(line)
        return await self.next()


class World:
    def __init__(self, smsc: SMSC, ports: dict[str, Any]) -> None:
        self.smsc, self.ports = smsc, ports
        self._tasks = list[asyncio.Task[None]]()
        self._esmes = list[Esme]()

    async def unbound(self) -> Esme:
        esme = Esme(*await asyncio.open_connection("127.0.0.1", self.ports["smpp_port"]))
        self._esmes.append(esme)
        return esme

    async def esme(self, kind: str = "bind_transceiver", user: str = "smsr", password: str = "pw") -> Esme:
        esme = await self.unbound()
        esme.status = await esme.bind(kind, user, password)
        return esme

    def phone(self, ki: bytes = KI) -> Phone:
        near, far = memory_pair()
        self._tasks.append(asyncio.create_task(self.smsc.serve_radio(far)))
        return Phone(near, ki)

    def counters(self) -> dict[str, int]:
        return dict(self.smsc.centre.counters.get(MSISDN, {}))

    async def stop(self) -> None:
        for esme in self._esmes:
            esme.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.smsc.stop()


@asynccontextmanager
async def world(seed: int = 1, **more: Any) -> AsyncIterator[World]:
    loop = asyncio.get_running_loop()
    subscriptions = [
        Subscription("8901", IMSI, MSISDN, KI, OPC),
        Subscription("8902", "999700000000002", "88239002", KI, OPC),
    ]
    hlr = HLR(subscriptions, random.Random(seed))
    users = [accounts.parse(f"smsr:pw:{SMSR}"), accounts.parse("other:pw2")]
    now = more.pop("now", lambda: START + timedelta(seconds=loop.time()))
    smsc = SMSC(users, hlr, random.Random(seed), now=now, **more)
    made = World(smsc, await smsc.start())
    try:
        yield made
    finally:
        await made.stop()


@virtual
async def test_binds_are_checked() -> None:
    async with world() as w:
        assert (await w.esme()).status == smpp.OK
        assert (await w.esme("bind_receiver")).status == smpp.OK
        assert (await w.esme("bind_transmitter", "smsr", "wrong")).status == smpp.INVALID_PASSWORD
        assert (await w.esme("bind_transmitter", "nobody", "pw")).status == smpp.INVALID_SYSTEM_ID


@virtual
async def test_an_unbound_connection_is_closed_a_silent_one_is_asked() -> None:
    async with world() as w:
        silent = await w.unbound()
        assert await silent.maybe() is None
        esme = await w.esme()
        reading = asyncio.create_task(esme.maybe())
        await asyncio.sleep(300)
        assert not reading.done()
        reading.cancel()


@virtual
async def test_an_esme_that_does_not_answer_enquire_link_is_dropped() -> None:
    async with world() as w:
        esme = await w.esme()
        await asyncio.sleep(200)
        assert (await w.smsc.ask({"op": "status"}))["accounts"]["smsr"] == 0
        assert (await esme.maybe()) is None


@virtual
async def test_message_reaches_the_card_untouched_and_the_receipt_its_sender() -> None:
    async with world() as w:
        phone, esme = w.phone(), await w.esme()
        assert await phone.attach() == {"op": "attached", "card": CARD, "msisdn": MSISDN}
        answer = await esme.submitted(registered_delivery=1)
        line = await phone.taken()
        assert (line["oa"], line["udhi"], line["pid"], line["dcs"]) == (SMSR, True, 0x7F, 0xF6)
        assert bytes.fromhex(line["ud"]) == UD
        receipt = await esme.delivered()
        assert receipt.number("esm_class") == smpp.ESM_RECEIPT
        assert receipt.tlv(smpp.TLV_MESSAGE_STATE) == b"\x02"
        assert receipt.tlv(smpp.TLV_RECEIPTED_MESSAGE_ID) == answer.text("message_id").encode() + b"\0"
        assert receipt.text("source_addr") == MSISDN
        await asyncio.sleep(1)
        assert w.counters() == {"mt_submitted": 1, "mt_delivered": 1, "receipts_delivered": 1}


@virtual
async def test_data_sm_is_delivered_too() -> None:
    async with world() as w:
        phone, esme = w.phone(), await w.esme()
        await phone.attach()
        fields: smpp.Fields = {"destination_addr": f"+{MSISDN}", "esm_class": 0x40, "data_coding": 0xF6}
        esme.send("data_sm", fields, ((smpp.TLV_MESSAGE_PAYLOAD, UD),))
        assert (await esme.receive()).command == "data_sm_resp"
        line = await phone.taken()
        assert (line["pid"], line["ud"]) == (0x7F, UD.hex())


@virtual
async def test_unknown_destination_and_bad_data_are_refused() -> None:
    async with world() as w:
        esme = await w.esme()
        assert (await esme.submitted(to="999")).status == smpp.INVALID_DESTINATION
        assert (await esme.submitted(b"\x09\x00")).status == smpp.INVALID_MESSAGE_LENGTH
        assert (await esme.submitted(validity_period="soon")).status == smpp.INVALID_EXPIRY


@virtual
async def test_messages_wait_for_the_card_in_order() -> None:
    async with world() as w:
        esme, phone = await w.esme(), w.phone()
        for number in range(3):
            await esme.submitted(UD + bytes([number]))
        await asyncio.sleep(3600)
        await phone.attach()
        assert [bytes.fromhex((await phone.taken())["ud"])[-1] for _ in range(3)] == [0, 1, 2]


@virtual
async def test_expired_messages_are_not_delivered_and_say_so_in_time() -> None:
    async with world() as w:
        esme, phone = await w.esme(), w.phone()
        await esme.submitted(UD + b"\x01", validity_period="000000020000000R", registered_delivery=1)
        await esme.submitted(UD + b"\x02", validity_period="000000000100000R", registered_delivery=1)
        receipt = await esme.delivered()
        assert asyncio.get_running_loop().time() < 61
        assert b"stat:EXPIRED" in receipt.octets("short_message")
        await phone.attach()
        assert bytes.fromhex((await phone.taken())["ud"])[-1] == 1
        assert b"stat:DELIVRD" in (await esme.delivered()).octets("short_message")
        another = asyncio.create_task(phone.next())
        await asyncio.sleep(60)
        assert not another.done()
        another.cancel()


@virtual
async def test_a_terminal_that_does_not_acknowledge_gets_the_message_again() -> None:
    async with world() as w:
        esme, phone = await w.esme(), w.phone()
        await phone.attach()
        await esme.submitted()
        first = await phone.next()
        again = await phone.taken()
        assert first["ud"] == again["ud"]
        await asyncio.sleep(1)
        assert w.counters()["mt_retried"] == 1
        assert w.counters()["mt_delivered"] == 1


@virtual
async def test_query_and_cancel() -> None:
    async with world() as w:
        esme, other = await w.esme(), await w.esme("bind_transceiver", "other", "pw2")
        identifier = (await esme.submitted(registered_delivery=1)).text("message_id")
        esme.send("query_sm", {"message_id": identifier})
        assert (await esme.receive()).number("message_state") == 1
        other.send("query_sm", {"message_id": identifier})
        assert (await other.receive()).status == smpp.QUERY_FAILED
        esme.send("cancel_sm", {"message_id": identifier})
        assert (await esme.receive()).status == smpp.OK
        assert b"stat:DELETED" in (await esme.delivered()).octets("short_message")
        esme.send("cancel_sm", {"message_id": identifier})
        assert (await esme.receive()).status == smpp.CANCEL_FAILED
        esme.send("query_sm", {"message_id": "nothing"})
        assert (await esme.receive()).status == smpp.INVALID_MESSAGE_ID


@virtual
async def test_mobile_originated_is_repeated_until_the_esme_says_ok() -> None:
    async with world() as w:
        phone = w.phone()
        await phone.attach()
        assert await phone.send() == {"op": "mo-ack", "card": CARD, "id": "m1"}
        await asyncio.sleep(60)
        esme = await w.esme()
        first = await esme.receive()
        assert (first.text("source_addr"), first.text("destination_addr")) == (MSISDN, SMSR)
        assert (first.number("esm_class"), first.number("data_coding")) == (0x40, 0xF6)
        esme.answer(first, 0x64)
        second = await esme.delivered()
        assert second.octets("short_message") == UD == first.octets("short_message")
        await asyncio.sleep(3600)
        assert w.counters() == {"mo_received": 1, "mo_delivered": 1}


@virtual
async def test_mobile_originated_survives_a_lost_session_and_a_missing_answer() -> None:
    async with world() as w:
        phone, esme = w.phone(), await w.esme("bind_receiver")
        await phone.attach()
        await phone.send()
        await esme.receive()
        assert (await w.smsc.ask({"op": "disconnect"})) == {"dropped": 1}
        assert await esme.maybe() is None
        later = await w.esme("bind_receiver")
        assert (await later.receive()).command == "deliver_sm"
        assert (await later.delivered()).command == "deliver_sm"


@virtual
async def test_mobile_originated_goes_to_the_account_with_the_address() -> None:
    async with world() as w:
        phone, other = w.phone(), await w.esme("bind_receiver", "other", "pw2")
        await phone.attach()
        await phone.send(da="4711")
        delivered = await other.delivered()
        assert (delivered.number("dest_addr_ton"), delivered.text("destination_addr")) == (0, "4711")


@virtual
async def test_window_of_outstanding_deliveries() -> None:
    async with world(window=2) as w:
        esme = await w.esme()
        phones = [w.phone(), w.phone()]
        await phones[0].attach()
        await phones[1].attach("999700000000002", "8901")
        for number in range(3):
            await esme.submitted(UD + bytes([number]), registered_delivery=1)
            await phones[0].taken()
        held = [await esme.receive(), await esme.receive()]
        waiting = asyncio.create_task(esme.receive())
        await asyncio.sleep(5)
        assert not waiting.done()
        esme.answer(held[0])
        assert (await waiting).command == "deliver_sm"


@virtual
async def test_attach_needs_the_right_key_and_a_known_subscriber() -> None:
    async with world() as w:
        wrong = await w.phone(bytes(16)).attach()
        assert (wrong["op"], wrong["cause"]) == ("rejected", "authentication failed")
        assert (await w.phone().attach("999"))["cause"] == "unknown subscriber"
        phone = w.phone()
        await phone.channel.send({"op": "auth-res", "card": CARD, "res": "00" * 8})
        assert (await phone.next())["op"] == "rejected"
        await phone.channel.send({"op": "mo", "card": CARD, "id": "x", "da": "1", "pid": 0, "dcs": 0, "ud": ""})
        assert (await phone.next())["op"] == "mo-nack"
        assert (await w.smsc.ask({"op": "status"}))["rejections"] == 3


@virtual
async def test_synchronisation_failure_leads_to_one_resynchronisation() -> None:
    async with world() as w:
        phone = w.phone()
        await phone.channel.send({"op": "attach", "card": CARD, "imsi": IMSI})
        for last in (False, True):
            rand = bytes.fromhex((await phone.next())["rand"])
            sqn = (5000).to_bytes(6, "big")
            concealed = bytes(a ^ b for a, b in zip(sqn, phone.algorithm.ak_resync(rand), strict=True))
            auts = concealed + phone.algorithm.mac_s(rand, sqn)
            await phone.channel.send({"op": "auth-sync", "card": CARD, "auts": auts.hex()})
            if last:
                assert (await phone.next())["cause"] == "synchronisation failure"


@virtual
async def test_another_profile_takes_the_place_and_its_messages_follow() -> None:
    async with world() as w:
        phone, esme = w.phone(), await w.esme()
        await phone.attach()
        await phone.channel.send({"op": "detach", "card": CARD})
        assert (await phone.attach("999700000000002"))["msisdn"] == "88239002"
        await esme.submitted(UD + b"\x01")
        await esme.submitted(UD + b"\x02", to="88239002")
        assert bytes.fromhex((await phone.taken())["ud"])[-1] == 2
        status = await w.smsc.ask({"op": "status"})
        assert status["attached"] == [{"card": CARD, "imsi": "999700000000002", "msisdn": "88239002"}]
        assert (await phone.attach())["msisdn"] == MSISDN
        assert bytes.fromhex((await phone.taken())["ud"])[-1] == 1


@virtual
async def test_a_broken_radio_channel_detaches_its_cards() -> None:
    async with world() as w:
        phone = w.phone()
        await phone.attach()
        phone.channel.close()
        await asyncio.sleep(0)
        await asyncio.sleep(1)
        assert (await w.smsc.ask({"op": "status"}))["attached"] == []


@virtual
async def test_barred_subscriptions_lose_the_network() -> None:
    async with world() as w:
        phone = w.phone()
        await phone.attach()
        await w.smsc.ask({"op": "bar", "imsi": IMSI})
        assert await phone.next() == {"op": "detached", "card": CARD, "cause": "no coverage"}
        assert (await phone.attach())["cause"] == "no coverage"
        await w.smsc.ask({"op": "bar", "imsi": IMSI, "on": False})
        assert (await phone.attach())["op"] == "attached"


@virtual
async def test_loss_repetition_delay_and_order_on_the_way_to_the_card() -> None:
    async with world() as w:
        phone, esme = w.phone(), await w.esme()
        await phone.attach()
        await w.smsc.ask({"op": "faults", "direction": "mt", "loss": 1})
        await esme.submitted(UD + b"\x01", registered_delivery=1, validity_period="000000000100000R")
        await asyncio.sleep(120)
        await w.smsc.ask({"op": "faults", "direction": "mt", "loss": 0, "repeat": 1})
        await esme.submitted(UD + b"\x02")
        assert [(await phone.taken())["ud"][-2:] for _ in range(2)] == ["02", "02"]
        await w.smsc.ask({"op": "faults", "direction": "mt", "repeat": 0, "reorder": 1, "reorder_seconds": 30})
        await asyncio.sleep(1)
        await esme.submitted(UD + b"\x03")
        await esme.submitted(UD + b"\x04")
        assert [(await phone.taken())["ud"][-2:] for _ in range(2)] == ["04", "03"]
        await w.smsc.ask({"op": "faults", "direction": "mt", "reorder": 0, "delay": 1, "delay_seconds": 100})
        await asyncio.sleep(1)
        before = asyncio.get_running_loop().time()
        await esme.submitted(UD + b"\x05")
        assert (await phone.taken())["ud"][-2:] == "05"
        assert 0 < asyncio.get_running_loop().time() - before <= 100
        counters = w.counters()
        assert [counters[f"mt_{name}"] for name in ("lost", "repeated", "reordered", "delayed")] == [1, 1, 1, 1]
        assert not {"receipts_delivered", "mt_expired"} & set(counters)


@virtual
async def test_loss_on_the_way_from_the_card() -> None:
    async with world() as w:
        phone, esme = w.phone(), await w.esme()
        await phone.attach()
        assert (await w.smsc.ask({"op": "faults", "direction": "mo", "loss": 1}))["mt"]["loss"] == 0
        await phone.send(UD + b"\x01")
        await asyncio.sleep(1)
        await w.smsc.ask({"op": "faults", "direction": "mo", "loss": 0})
        await phone.send(UD + b"\x02")
        assert (await esme.delivered()).octets("short_message")[-1] == 2
        assert w.counters()["mo_lost"] == 1


@virtual
async def test_throttling_scripted_statuses_and_full_queues() -> None:
    async with world() as w:
        esme = await w.esme()
        await w.smsc.ask({"op": "throttle", "rate": 2})
        statuses = [(await esme.submitted()).status for _ in range(3)]
        assert statuses == [0, 0, smpp.THROTTLED]
        await asyncio.sleep(1)
        assert (await esme.submitted()).status == 0
        await w.smsc.ask({"op": "throttle", "rate": None})
        await w.smsc.ask({"op": "submit-status", "status": 8, "count": 2})
        assert [(await esme.submitted()).status for _ in range(3)] == [8, 8, 0]
        for _ in range(QUEUE_LIMIT):
            esme.submit()
        assert smpp.QUEUE_FULL in [(await esme.receive()).status for _ in range(QUEUE_LIMIT)]


@virtual
async def test_swallowed_answers_receipts_first_and_garbage() -> None:
    async with world() as w:
        esme, phone = await w.esme(), w.phone()
        await phone.attach()
        await w.smsc.ask({"op": "swallow", "count": 1})
        esme.submit(UD + b"\x01")
        assert (await phone.taken())["ud"][-2:] == "01"
        await w.smsc.ask({"op": "receipts-first"})
        esme.submit(UD + b"\x02", registered_delivery=1)
        await phone.taken()
        receipt = await esme.delivered()
        answer = await esme.receive()
        assert answer.command == "submit_sm_resp"
        assert answer.text("message_id") in receipt.octets("short_message").decode()
        assert await w.smsc.ask({"op": "garbage"}) == {"sent": 1}


@virtual
async def test_control_port_and_radio_port_take_control_requests() -> None:
    async with world(seed=5) as w:
        for port in ("control_port", "radio_port"):
            channel = await connect("127.0.0.1", w.ports[port])
            await channel.send({"op": "counters", "msisdn": MSISDN})
            assert await channel.receive() == {"counters": {}}
            for wrong in ({"op": "nothing"}, {"op": "faults", "loss": 3}, {"op": "bar"}, {"op": "throttle"}):
                await channel.send(wrong)
                assert "error" in (await channel.receive() or {})
            channel.close()


@virtual
async def test_account_texts() -> None:
    account = accounts.parse("id:secret:+331,332")
    assert (account.system_id, account.addresses, account.password_is("secret")) == ("id", ("331", "332"), True)
    assert "secret" not in repr(account)
