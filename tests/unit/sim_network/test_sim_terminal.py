"""Devices with real cards on a virtual network: attach, short messages, profile change, power cuts, HTTPS,
control.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from Cryptodome.Cipher import AES
from Cryptodome.Hash import CMAC

from ferryman_sim.__main__ import build_parser
from ferryman_sim.card_maker import batch, bootstrap, cards, command
from ferryman_sim.hlr.service import HLR
from ferryman_sim.hlr.subscriptions import Subscription
from ferryman_sim.json_lines import Channel, memory_pair
from ferryman_sim.scp81 import ResumeState, SessionResult
from ferryman_sim.smsc import accounts
from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.pdu import Fields, Pdu
from ferryman_sim.smsc.service import SMSC
from ferryman_sim.terminal import faults, service
from ferryman_sim.terminal.attach import usim_answer
from ferryman_sim.terminal.settings import Settings
from ferryman_sim.terminal.short_messages import is_data_download
from ferryman_sim.terminal.store import FileStore, MemoryStore, Store, StoreError
from ferryman_sim.terminal.terminal import Terminal
from virtual_loop import virtual

ARGUMENTS = "card-maker make --out x --count 1 --seed 7 --smsr-address +33600000001 --https-host 127.0.0.1"
MADE = batch.produce(command.order_from(build_parser().parse_args(ARGUMENTS.split())))
CARD = MADE.cards[0]
FIRST = CARD.subscription
SECOND = replace(FIRST, iccid="8988239099999999992", imsi="999709999900001", msisdn="882399999900001")
SECOND_AID = "A0000005591010FFFFFFFF8900001100"
ENABLE_SECOND = bytes.fromhex(f"80E28800153A03124F10{SECOND_AID}00")
TRIGGER = bytes.fromhex("8100")
SMSR = "33600000001"


def image(*transports: str) -> dict[str, Any]:
    """The card of the batch with a second, disabled Profile; notifications go by SMS unless said otherwise."""
    made = cards.image(CARD)
    second = {
        "isdp_aid": SECOND_AID,
        "state": 0x1F,
        "fallback": False,
        "package": bootstrap.package(SECOND, "operational").hex(),
    }
    made["profiles"].append(second)
    made["limits"] = {"notification_transports": list(transports or ("sms",))}
    return made


def script(*apdus: bytes) -> bytes:
    body = b"".join(bytes([0x22, len(apdu)]) + apdu for apdu in apdus)
    return bytes([0xAA, len(body)]) + body


def secured(counter: int, data: bytes) -> bytes:
    """User data of an SCP80 command for the ISD-R: SPI 1639, AES, key version 1, one message."""
    kic, kid, _ = (key for _, _, key in CARD.scp80.keys)
    padding = -(14 + len(data)) % 16
    head = (14 + len(data) + padding + 9).to_bytes(2) + bytes.fromhex("151639" + "1212" + "000001")
    head = (len(head) - 2 + 14 + len(data) + padding).to_bytes(2) + head[2:]
    middle, tail = counter.to_bytes(5) + bytes([padding]), data + bytes(padding)
    check = CMAC.new(kid, head + middle + tail, ciphermod=AES).digest()[:8]
    return bytes.fromhex("027000") + head + AES.new(kic, AES.MODE_CBC, bytes(16)).encrypt(middle + check + tail)


def opened(ud: bytes) -> tuple[int, bytes]:
    """Status and data of a response packet."""
    assert ud[:3] == bytes.fromhex("027100")
    clear = AES.new(CARD.scp80.keys[0][2], AES.MODE_CBC, bytes(16)).decrypt(ud[9:])
    return clear[6], clear[15 : len(clear) - clear[5]]


class Server:
    """Stands in for the SM-SR: submits through the account, takes what is delivered to it."""

    def __init__(self, smsc: SMSC) -> None:
        self._smsc = smsc
        self._account = smsc.centre.accounts["smsr"]
        self._account.add(self)
        self._inbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._counter = 0

    async def deliver(self, fields: Fields, _tlvs: Any) -> int:
        data = fields["short_message"]
        assert isinstance(data, bytes)
        self._inbox.put_nowait((str(fields["source_addr"]), data))
        return smpp.OK

    async def submit(self, ud: bytes, to: str, **more: Any) -> None:
        fields = {"source_addr": SMSR, "destination_addr": to, "esm_class": 0x40, "protocol_id": 0x7F}
        pdu = Pdu("submit_sm", fields={**fields, "data_coding": 0xF6, "short_message": ud, **more})
        answer = await self._smsc.centre.request(self._account, pdu)
        assert answer is not None
        assert answer.status == smpp.OK

    async def command(self, data: bytes, to: str) -> None:
        self._counter += 1
        await self.submit(secured(self._counter, data), to)

    async def next(self) -> tuple[str, bytes]:
        return await self._inbox.get()

    def nothing_came(self) -> bool:
        return self._inbox.empty()

    async def response(self, msisdn: str) -> tuple[int, bytes]:
        source, ud = await self.next()
        assert source == msisdn
        return opened(ud)

    async def notification(self, msisdn: str) -> tuple[int, int]:
        """Type and sequence of the next notification."""
        source, ud = await self.next()
        assert source == msisdn
        data = ud[ud.index(b"\xe1") :]
        kind, sequence = data[data.index(b"\x4d\x01") + 2], data[data.index(b"\x4e\x02") + 2 :][:2]
        return kind, int.from_bytes(sequence)

    async def confirm(self, sequence: int, to: str) -> None:
        await self.command(script(bytes.fromhex("80E28900073A08044E02") + sequence.to_bytes(2) + b"\0"), to)
        assert (await self.response(to))[0] == 0

    async def declared(self) -> None:
        """Take and confirm the notification of the first attach."""
        kind, sequence = await self.notification(FIRST.msisdn)
        assert kind == 1
        await self.confirm(sequence, FIRST.msisdn)


class Session:
    """Stands in for `run_session`: does what `course` says with the keyword arguments."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.course: Callable[[dict[str, Any]], Any] = lambda _: SessionResult(True, 0, None, None)

    async def __call__(self, **given: Any) -> SessionResult:
        self.calls.append(given)
        result = self.course(given)
        if asyncio.iscoroutine(result):
            result = await result
        assert isinstance(result, SessionResult)
        return result


class World:
    def __init__(self, card: dict[str, Any], store: Store, settings: Settings) -> None:
        known = [Subscription(s.iccid, s.imsi, s.msisdn, s.ki, s.opc) for s in (FIRST, SECOND)]
        self.hlr = HLR(known, random.Random(1))
        self.smsc = SMSC([accounts.parse(f"smsr:pw:{SMSR}")], self.hlr, random.Random(2))
        self.server = Server(self.smsc)
        self.session = Session()
        self.channels: list[Channel] = []
        self.unreachable = False
        self._tasks: list[asyncio.Task[None]] = []
        self.store = store
        self._card, self._settings = card, settings
        self.terminal = self.make_terminal()

    def make_terminal(self) -> Terminal:
        return Terminal(
            [self._card],
            self.connect,
            random.Random(3),
            lambda: 1.7e9,
            store=self.store,
            settings=self._settings,
            session=self.session,
        )

    async def connect(self) -> Channel:
        if self.unreachable:
            raise ConnectionRefusedError
        near, far = memory_pair()
        self.channels.append(near)
        self._tasks.append(asyncio.create_task(self.smsc.serve_radio(far)))
        return near

    async def status(self) -> dict[str, Any]:
        return await self.terminal.ask({"op": "status", "eid": CARD.eid})

    async def fault(self, **switches: Any) -> None:
        answer = await self.terminal.ask({"op": "fault", "eid": CARD.eid, **switches})
        assert "error" not in answer, answer

    async def stop(self) -> None:
        status = await self.status()
        memory = json.loads(json.dumps(self.terminal.devices[CARD.eid].card.dump()))
        assert self.store.load(CARD.eid) == memory, "the saved state is behind the card"
        await self.terminal.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.smsc.stop()
        assert status["crash"] is None


@asynccontextmanager
async def world(
    card: dict[str, Any] | None = None, store: Store | None = None, **settings: Any
) -> AsyncIterator[World]:
    made = World(card or image(), store or MemoryStore(), replace(Settings(), **settings))
    await made.terminal.start()
    try:
        yield made
    finally:
        await made.stop()


@virtual
async def test_first_attach_is_authenticated_and_declared() -> None:
    async with world() as w:
        assert await w.server.notification(FIRST.msisdn) == (1, 1)
        status = await w.status()
        assert (status["attached"], status["authenticated"], status["msisdn"]) == (FIRST.imsi, True, FIRST.msisdn)
        assert [(p["iccid"], p["state"], p["fallback"]) for p in status["profiles"]] == [
            (FIRST.iccid, 0x3F, True),
            (SECOND.iccid, 0x1F, False),
        ]
        assert status["counters"] == {"sms_mt": 0, "sms_mo": 1, "https_sessions": 0, "scripts": 0}
        registered = await w.hlr.ask({"op": "status", "imsi": FIRST.imsi})
        assert registered["attached"][0]["card"] == CARD.eid


@virtual
async def test_unconfirmed_declaration_is_repeated_by_the_cards_timer() -> None:
    async with world() as w:
        assert [await w.server.notification(FIRST.msisdn) for _ in range(3)] == [(1, 1)] * 3
        assert 119 < asyncio.get_running_loop().time() < 125


@virtual
async def test_command_is_executed_and_answered_and_logged() -> None:
    async with world() as w:
        await w.server.declared()
        await w.server.command(script(bytes.fromhex("80CAFF2100")), FIRST.msisdn)
        status, data = await w.server.response(FIRST.msisdn)
        assert (status, data[:1], data[-2:]) == (0, b"\xab", b"\x90\x00")
        log = (await w.terminal.ask({"op": "log", "eid": CARD.eid}))["log"]
        assert [entry["sw"] for entry in log] == ["9000", "9000"]
        since = await w.terminal.ask({"op": "log", "eid": CARD.eid, "since": 1})
        assert since["log"] == log[1:]


@virtual
async def test_messages_that_are_not_for_the_card() -> None:
    async with world() as w:
        await w.server.declared()
        await w.server.submit(secured(9, script()), FIRST.msisdn, protocol_id=0)
        await w.server.submit(secured(9, script()), FIRST.msisdn, data_coding=4)
        await asyncio.sleep(1)
        counters = (await w.status())["counters"]
        assert (counters["sms_mt"], counters["sms_other"]) == (1, 2)
        assert w.smsc.centre.counters[FIRST.msisdn]["mt_delivered"] == 3


@virtual
async def test_change_of_profile_is_answered_over_the_old_and_notified_over_the_new() -> None:
    async with world() as w:
        await w.server.declared()
        await w.server.command(script(ENABLE_SECOND), FIRST.msisdn)
        assert (await w.server.response(FIRST.msisdn))[0] == 0
        kind, sequence = await w.server.notification(SECOND.msisdn)
        assert kind == 2
        await w.server.confirm(sequence, SECOND.msisdn)
        status = await w.status()
        assert (status["attached"], [p["state"] for p in status["profiles"]]) == (SECOND.imsi, [0x1F, 0x3F])
        assert [a["imsi"] for a in w.smsc.centre.radio.status()] == [SECOND.imsi]


@virtual
async def test_unconfirmed_change_is_rolled_back() -> None:
    async with world() as w:
        await w.server.declared()
        await w.server.command(script(ENABLE_SECOND), FIRST.msisdn)
        await w.server.response(FIRST.msisdn)
        assert [(await w.server.notification(SECOND.msisdn))[0] for _ in range(3)] == [2, 2, 2]
        assert (await w.server.notification(FIRST.msisdn))[0] == 3
        assert (await w.status())["attached"] == FIRST.imsi


@pytest.mark.parametrize("how", ["device", "network", "keys"])
def test_change_without_network_is_rolled_back(how: str) -> None:
    @virtual
    async def course() -> None:
        async with world() as w:
            await w.server.declared()
            if how == "device":
                await w.fault(no_network_for=[SECOND.iccid])
            elif how == "network":
                await w.smsc.ask({"op": "bar", "imsi": SECOND.imsi})
            else:
                w.hlr.register.load([Subscription("", SECOND.imsi, SECOND.msisdn, bytes(16), SECOND.opc)])
            await w.server.command(script(ENABLE_SECOND), FIRST.msisdn)
            await w.server.response(FIRST.msisdn)
            assert (await w.server.notification(FIRST.msisdn))[0] == 3
            assert (await w.status())["attached"] == FIRST.imsi

    course()


async def to_second(w: World) -> None:
    await w.server.declared()
    await w.server.command(script(ENABLE_SECOND), FIRST.msisdn)
    await w.server.response(FIRST.msisdn)
    _, sequence = await w.server.notification(SECOND.msisdn)
    await w.server.confirm(sequence, SECOND.msisdn)


@virtual
async def test_lost_network_leads_to_fall_back_after_a_while() -> None:
    async with world(loss=300.0) as w:
        await to_second(w)
        before = asyncio.get_running_loop().time()
        await w.smsc.ask({"op": "bar", "imsi": SECOND.imsi})
        assert (await w.server.notification(FIRST.msisdn))[0] == 5
        assert 300 <= asyncio.get_running_loop().time() - before < 360


@virtual
async def test_network_that_comes_back_in_time_changes_nothing() -> None:
    async with world(loss=300.0) as w:
        await to_second(w)
        await w.smsc.ask({"op": "bar", "imsi": SECOND.imsi})
        await asyncio.sleep(200)
        assert (await w.status())["authenticated"] is False
        await w.smsc.ask({"op": "bar", "imsi": SECOND.imsi, "on": False})
        await asyncio.sleep(3600)
        assert (await w.status())["attached"] == SECOND.imsi
        assert w.server.nothing_came()


@virtual
async def test_connectivity_lost_now() -> None:
    async with world() as w:
        await to_second(w)
        await w.fault(lose_connectivity=True)
        assert (await w.server.notification(FIRST.msisdn))[0] == 5


@virtual
async def test_radio_channel_is_opened_again_without_fall_back() -> None:
    async with world(loss=10.0) as w:
        await to_second(w)
        w.unreachable = True
        w.channels[-1].close()
        await asyncio.sleep(3600)
        assert (await w.status())["attached"] is None
        w.unreachable = False
        await asyncio.sleep(60)
        assert (await w.status())["attached"] == SECOND.imsi
        assert w.server.nothing_came()


@virtual
async def test_unknown_key_means_not_authenticated() -> None:
    async with world() as w:
        await w.server.declared()
        w.hlr.register.load([Subscription("", FIRST.imsi, FIRST.msisdn, bytes(16), FIRST.opc)])
        answer = await w.terminal.ask({"op": "authenticate", "eid": CARD.eid})
        assert (answer["authenticated"], answer["outcome"]) == (False, "rejected")
        assert answer["cause"] == "card refused the network"
        assert (await w.status())["authenticated"] is False


@virtual
async def test_authenticate_on_demand_and_resynchronisation() -> None:
    async with world() as w:
        await w.server.declared()
        assert (await w.terminal.ask({"op": "authenticate", "eid": CARD.eid}))["authenticated"] is True
        # A register that has lost its memory begins with numbers the card has seen.
        entry = w.hlr.register._by_imsi[FIRST.imsi]
        entry.seq = entry.ind = 0
        assert (await w.terminal.ask({"op": "authenticate", "eid": CARD.eid}))["authenticated"] is True
        assert (await w.hlr.ask({"op": "status", "imsi": FIRST.imsi}))["attached"][0]["resyncs"] == 1
        assert w.server.nothing_came()


@virtual
async def test_power_cut_leaves_the_command_executed_but_unanswered() -> None:
    async with world() as w:
        await w.server.declared()
        await w.fault(power_cut="script")
        await w.server.command(script(bytes.fromhex("80CAFF2100")), FIRST.msisdn)
        status, _ = await w.server.response(FIRST.msisdn)
        assert status == 2
        after = await w.status()
        assert after["counters"]["power_cuts"] == 1
        assert after["authenticated"] is True


@virtual
async def test_power_cut_in_the_middle_of_a_change_ends_on_one_of_the_profiles() -> None:
    for cut in range(8):
        async with world() as w:
            await w.server.declared()
            await w.fault(power_cut=cut)
            await w.server.command(script(ENABLE_SECOND), FIRST.msisdn)
            await asyncio.sleep(1800)
            status = await w.status()
            assert sorted(p["state"] for p in status["profiles"]) == [0x1F, 0x3F]
            assert status["attached"] in (FIRST.imsi, SECOND.imsi)


@virtual
async def test_power_cycle_on_demand() -> None:
    async with world(boot=40.0) as w:
        await w.server.declared()
        await w.fault(wrong_receipt=1)
        assert await w.terminal.ask({"op": "power-cycle", "eid": CARD.eid}) == {}
        assert (await w.status())["faults"]["wrong_receipt"] == 1
        await w.server.command(script(bytes.fromhex("80CAFF2100")), FIRST.msisdn)
        assert (await w.status())["attached"] is None
        assert (await w.server.response(FIRST.msisdn))[0] == 0
        assert asyncio.get_running_loop().time() > 40


@virtual
async def test_dropped_messages() -> None:
    async with world() as w:
        await w.server.declared()
        await w.fault(drop_mo=1)
        await w.server.command(script(bytes.fromhex("80CAFF2100")), FIRST.msisdn)
        await asyncio.sleep(60)
        assert w.server.nothing_came()
        await w.fault(drop_mt=1)
        await w.server.command(script(bytes.fromhex("80CAFF2100")), FIRST.msisdn)
        assert (await w.server.response(FIRST.msisdn))[0] == 0
        assert w.smsc.centre.counters[FIRST.msisdn]["mt_retried"] == 1


def test_state_survives_the_process(tmp_path: Path) -> None:
    @virtual
    async def course() -> None:
        async with world(store=FileStore(tmp_path)) as w:
            await to_second(w)
            await w.terminal.stop()
            w.store = FileStore(tmp_path)
            w.terminal = w.make_terminal()
            await w.terminal.start()
            await w.server.command(script(bytes.fromhex("80CAFF2100")), SECOND.msisdn)
            assert (await w.server.response(SECOND.msisdn))[0] == 0
            await w.server.submit(secured(1, script()), SECOND.msisdn)
            assert (await w.server.response(SECOND.msisdn))[0] == 2

    course()
    assert [path.name for path in tmp_path.iterdir()] == [f"{CARD.eid}.json"]
    assert (tmp_path / f"{CARD.eid}.json").stat().st_mode & 0o077 == 0


@virtual
async def test_trigger_opens_a_session_with_the_cards_parameters() -> None:
    async with world() as w:
        await w.server.declared()
        w.session.course = lambda given: SessionResult(
            given["on_script"](None, script()).status == "ok", 1, None, None
        )
        await w.server.command(TRIGGER, FIRST.msisdn)
        assert (await w.server.response(FIRST.msisdn))[0] == 0
        await asyncio.sleep(1)
        [call] = w.session.calls
        assert (call["host"], call["port"], call["uri"]) == ("127.0.0.1", 443, "/gsma/adminagent")
        assert call["quirks"].host_header == "127.0.0.1"
        assert call["psk"] == CARD.scp81.keys[0][2]
        assert call["identity"].startswith(f"8001028110{CARD.eid}")
        status = await w.status()
        assert status["https"] == {"open": False, "last": {"completed": True, "reason": None, "alert": None}}
        assert (status["counters"]["https_sessions"], status["counters"]["scripts"]) == (1, 1)


@virtual
async def test_notification_over_https_after_a_silent_sms() -> None:
    async with world(image("sms", "https")) as w:
        await w.server.notification(FIRST.msisdn)
        await asyncio.sleep(70)
        [call] = w.session.calls
        assert call["notification"][:2].hex() == "e135"
        assert call["resume"] is None


@virtual
async def test_broken_session_is_resumed_by_the_cards_retry_policy() -> None:
    async with world() as w:
        await w.server.declared()
        kept = ResumeState("/next", None)

        def course(given: dict[str, Any]) -> SessionResult:
            given["on_script"](None, script())
            return SessionResult(len(w.session.calls) == 2, 1, kept, "link: broken")

        w.session.course = course
        await w.server.command(TRIGGER, FIRST.msisdn)
        await asyncio.sleep(600)
        assert [call["resume"] for call in w.session.calls] == [None, kept]


@virtual
async def test_a_lost_answer_breaks_the_link() -> None:
    async with world() as w:
        await w.server.declared()

        def course(given: dict[str, Any]) -> SessionResult:
            w.terminal.devices[CARD.eid].card.faults["lost_answer"] = 1
            with pytest.raises(ConnectionError):
                given["on_script"](None, script())
            return SessionResult(True, 0, None, None)

        w.session.course = course
        await w.server.command(TRIGGER, FIRST.msisdn)
        await asyncio.sleep(1)
        assert len(w.session.calls) == 1


@virtual
async def test_refused_session_and_quirks_of_the_device() -> None:
    async with world() as w:
        await w.server.declared()
        await w.fault(refuse_https=1, break_after_scripts=3)
        await w.server.command(TRIGGER, FIRST.msisdn)
        await asyncio.sleep(30)
        assert w.session.calls == []
        assert (await w.status())["https"]["last"]["reason"] == "no network"
        await asyncio.sleep(60)
        assert w.session.calls[0]["quirks"].break_after_scripts == 3


@pytest.mark.parametrize("ends", [True, False])
def test_refresh_waits_for_the_end_of_the_session_but_not_for_ever(ends: bool) -> None:
    @virtual
    async def course() -> None:
        async with world(refresh_patience=20.0) as w:
            await w.server.declared()

            async def session(given: dict[str, Any]) -> SessionResult:
                answer = given["on_script"](None, script(ENABLE_SECOND))
                assert answer.body.hex().endswith("9000")
                given["on_delivered"]()
                assert (await w.status())["attached"] == FIRST.imsi
                await asyncio.sleep(10 if ends else 9999)
                return SessionResult(True, 1, None, None)

            w.session.course = session
            await w.server.command(TRIGGER, FIRST.msisdn)
            await w.server.response(FIRST.msisdn)
            before = asyncio.get_running_loop().time()
            assert (await w.server.notification(SECOND.msisdn))[0] == 2
            waited = asyncio.get_running_loop().time() - before
            assert 9 < waited < 11 if ends else 19 < waited < 21

    course()


@virtual
async def test_power_cut_inside_a_session() -> None:
    async with world() as w:
        await w.server.declared()
        await w.fault(power_cut="command")
        w.session.course = lambda given: given["on_script"](None, script(bytes.fromhex("80CAFF2100")))
        await w.server.command(TRIGGER, FIRST.msisdn)
        await asyncio.sleep(60)
        status = await w.status()
        assert status["counters"]["power_cuts"] == 1
        assert status["https"]["open"] is False
        assert status["attached"] == FIRST.imsi


@virtual
async def test_network_lost_during_a_session() -> None:
    async with world() as w:
        await w.server.declared()
        w.session.course = lambda _: asyncio.sleep(9999, SessionResult(True, 0, None, None))
        await w.server.command(TRIGGER, FIRST.msisdn)
        await asyncio.sleep(1)
        assert (await w.status())["https"]["open"] is True
        await w.smsc.ask({"op": "bar", "imsi": FIRST.imsi})
        await asyncio.sleep(1)
        assert (await w.status())["https"]["last"]["reason"] == "network lost"


@virtual
async def test_wrong_control_requests() -> None:
    async with world() as w:
        for wrong in (
            {"op": "status", "eid": "1"},
            {"op": "nothing", "eid": CARD.eid},
            {"op": "fault", "eid": CARD.eid, "nothing": 1},
            {"op": "fault", "eid": CARD.eid, "drop_mt": -1},
            {"op": "fault", "eid": CARD.eid, "break_after_scripts": 0},
            {"op": "fault", "eid": CARD.eid, "no_network_for": "8988"},
            {"op": "log", "eid": CARD.eid, "since": "x"},
        ):
            assert list(await w.terminal.ask(wrong)) == ["error"]
        assert set((await w.terminal.ask({"op": "status"}))["cards"]) == {CARD.eid}


def test_faults_are_set_together_or_not_at_all() -> None:
    device, card = faults.DeviceFaults(), {"imei": "1"}
    with pytest.raises(faults.FaultError):
        faults.apply({"drop_mt": 2, "imei": "x"}, device, card)
    assert (device.drop_mt, card) == (0, {"imei": "1"})
    faults.apply({"drop_mt": 2, "imei": None, "wrong_receipt": True, "no_network_for": ["89"]}, device, card)
    assert (device.drop_mt, device.no_network_for, card) == (2, {"89"}, {"wrong_receipt": True})
    assert [device.strike("drop_mt") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("pid", "dcs", "wanted"),
    [(0x7F, 0xF6, True), (0x7F, 0x16, True), (0x7F, 0xF5, False), (0x7F, 0x06, False), (0, 0xF6, False)],
)
def test_data_download(pid: int, dcs: int, wanted: bool) -> None:
    assert is_data_download(pid, dcs) is wanted


class _Usim:
    def __init__(self, answer: str) -> None:
        self._answer = answer

    def authenticate(self, _rand: bytes, _autn: bytes) -> bytes:
        return bytes.fromhex(self._answer)


def test_answers_of_the_usim() -> None:
    challenge = {"rand": "00" * 16, "autn": "00" * 16}
    success: Any = _Usim("db080102030405060708" + "10" + "00" * 16 + "10" + "00" * 16)
    assert usim_answer(success, challenge) == {"op": "auth-res", "res": "0102030405060708"}
    failure: Any = _Usim("dc0e" + "0a" * 14)
    assert usim_answer(failure, challenge) == {"op": "auth-sync", "auts": "0a" * 14}
    assert usim_answer(success, {"rand": "zz"}) == {"op": "auth-fail"}


def test_stores_give_back_what_they_got(tmp_path: Path) -> None:
    for store in (MemoryStore(), FileStore(tmp_path)):
        assert store.load("1") is None
        state: dict[str, Any] = {"a": [1]}
        store.save("1", state)
        state["a"].append(2)
        assert store.load("1") == {"a": [1]}
    (tmp_path / "2.json").write_text("nonsense")
    with pytest.raises(StoreError):
        FileStore(tmp_path).load("2")


def test_folder_of_images(tmp_path: Path) -> None:
    batch.write(MADE, tmp_path)
    folder = tmp_path / "cards"
    [found] = service.read_images(folder, [], {"attach_timeout": 5})
    assert (found["eid"], found["limits"]) == (CARD.eid, {"attach_timeout": 5})
    with pytest.raises(ValueError, match="has no card 1"):
        service.read_images(folder, ["1"], {})
    with pytest.raises(ValueError, match="no card images"):
        service.read_images(tmp_path / "elsewhere", [], {})
