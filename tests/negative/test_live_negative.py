"""A hostile network round a running platform and real simulated cards: nothing wrong is believed, orders go on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ferryman.cli.operator import Operator
from ferryman.codec.smpp.pdu import MAX_PDU
from ferryman.contracts import admin, es3, es5
from ferryman.contracts.eis import ProfileState
from ferryman.contracts.message import Header, decode, encode
from ferryman.contracts.roles import SM_SR
from ferryman_sim.card import scp80
from ferryman_sim.card.tlv import tlv
from ferryman_sim.smsc.messages import ShortMessage
from premises import changes, dump
from rig import OWNER, START, Platform, World, free_port, wait_order
from virtual_loop import run

LIMIT = 100_000.0  # virtual seconds
BAD_RECORD_MAC = 20  # TLS alert: an unknown identity and a wrong key look the same
SETTLE = 3.0  # s for the cards to attach and declare themselves
COMMAND, RESPONSE = b"\x02\x70\x00", b"\x02\x71\x00"
# What an order, and nothing else, may change.
OWN = ("sm-sr.euicc", "sm-sr.isdp", "sm-dp.subscription", "crypto-server.secret", "sm-dp.template")


@dataclass
class Scene:
    """World, platform and operator."""

    world: World
    platform: Platform
    operator: Operator

    @property
    def eid(self) -> str:
        return self.world.eids[0]

    async def order(self, **values: Any) -> str:
        values = {"validity": 7200, **values}
        request = admin.CreateOrder(owner=OWNER, eid=self.eid, profile_type="demo", **values)
        view = await self.operator.sm_dp(request)
        assert isinstance(view, admin.OrderView)
        return view.order_id

    async def ended(self, order_id: str) -> admin.OrderView:
        return await wait_order(self.operator, order_id)

    async def states(self, eid: str = "") -> dict[str, str]:
        """ISD-P AIDs and their states according to the EIS."""
        page = await self.operator.sm_sr(admin.ShowEUICC(owner=OWNER, eid=eid or self.eid))
        assert isinstance(page, admin.EUICCPage)
        return {p.isdp_aid.hex().upper(): p.state for p in page.euiccs[0].profiles}

    def card(self, eid: str = "") -> Any:
        return self.world.terminal.devices[eid or self.eid].card

    def card_states(self, eid: str = "") -> dict[str, str]:
        names = {0x1F: ProfileState.DISABLED, 0x3F: ProfileState.ENABLED}
        return {p["aid"]: names.get(p["state"], ProfileState.CREATED) for p in self.card(eid).profiles()}

    def commands(self) -> list[str]:
        return [entry["command"] for entry in self.card().log]

    def keys(self, eid: str = "") -> dict[str, Any]:
        keyset: dict[str, Any] = self.card(eid).dump()["isdr"]["scp80"][0]
        return keyset

    def audit(self, action: str) -> list[tuple[Any, ...]]:
        """Audit rows of the SM-SR with this action."""
        with contextlib.closing(sqlite3.connect(f"file:{self.platform.data}/sm-sr.db?mode=ro", uri=True)) as db:
            return db.execute("SELECT outcome, detail FROM audit WHERE action = ?", (action,)).fetchall()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        return dump(self.platform.data)

    async def agree(self, view: admin.OrderView) -> None:
        """The order is done, card and EIS say so, and the card ran each command of it once."""
        assert view.status is not None
        assert view.status.ok, view.status
        assert await self.states() == self.card_states()
        assert (await self.states())[view.isdp_aid] == ProfileState.ENABLED
        names = [name for name in self.commands() if not name.startswith(("GetStatus", "SCP03t segment"))]
        assert len(set(names)) >= 5
        for once in ("CreateISDP", "EnableProfile"):
            assert sum(name.startswith(once) for name in names) == 1, names


@contextlib.asynccontextmanager
async def scene(
    folder: Path, transport: str, *, count: int = 1, tamper: Callable[[Path], None] = lambda _: None
) -> AsyncIterator[Scene]:
    world = World(folder / "world", count=count)
    world.prepare()
    tamper(folder / "world")
    await world.start()
    port = free_port() if transport == "https" else 0
    platform = Platform(world, folder / "data", transport=transport, https_port=port)
    operator = await platform.open()
    try:
        await platform.set_up(operator)
        await asyncio.sleep(SETTLE)
        yield Scene(world, platform, operator)
    finally:
        await platform.close()
        await world.stop()


# -- HTTPS: a key that is not ours ----------------------------------------------------------------------------


def wrong_psk(folder: Path) -> None:
    """The card has another PSK than its maker told us."""
    for path in (folder / "cards").glob("*.json"):
        image = json.loads(path.read_text())
        image["isdr"]["scp81"][0]["psk"] = "00" * 16
        path.write_text(json.dumps(image))


def unknown_key_version(folder: Path) -> None:
    """The card names a key version that we do not have."""
    for path in (folder / "cards").glob("*.json"):
        image = json.loads(path.read_text())
        image["isdr"]["scp81"][0]["kvn"] = 0x41
        path.write_text(json.dumps(image))


@pytest.mark.parametrize("tamper", [wrong_psk, unknown_key_version])
def test_wrong_psk(tmp_path: Path, tamper: Callable[[Path], None]) -> None:
    """No session, one alert for both; the order ends as unreachable and leaves card and EIS as they were."""

    async def scenario() -> None:
        async with scene(tmp_path, "https", tamper=tamper) as stage:
            await asyncio.sleep(600)  # the card declares itself by SMS after it failed to by HTTPS
            before, commands = stage.dump(), stage.commands()
            view = await stage.ended(await stage.order())
            assert view.status is not None
            assert view.status.code == "8.1/5.1"
            await asyncio.sleep(SETTLE)
            assert [name for name in changes(before, stage.dump()) if name in OWN] == []
            assert stage.commands() == commands
            https = stage.world.status(stage.eid)["https"]["last"]
            assert (https["completed"], https["alert"]) == (False, BAD_RECORD_MAC)
            assert stage.dump()["transport-https.session"] == []

    run(scenario(), limit=LIMIT)


# -- SMPP: an SMSC that loses the stream ----------------------------------------------------------------------


def test_absurd_pdu_lengths(tmp_path: Path) -> None:
    """In the middle of an order the SMSC sends nonsense, five times: the link comes back, the order ends well."""

    async def scenario() -> None:
        async with scene(tmp_path, "sms") as stage:
            order = await stage.order()
            smsc = stage.world.smsc
            binds = 0
            for length in (0, 15, MAX_PDU + 1, 0x7FFFFFFF, 0xFFFFFFFF):
                before = set(smsc._esmes)
                assert len(before) == 1
                for connection in before:
                    connection._writer.write(length.to_bytes(4) + bytes.fromhex("000000050000000000000063"))
                while not smsc._esmes - before or not all(c.account for c in smsc._esmes):
                    await asyncio.sleep(0.02)
                binds += 1
                await asyncio.sleep(0.5)
            assert binds == 5
            await stage.agree(await stage.ended(order))

    run(scenario(), limit=LIMIT)


def test_broken_body(tmp_path: Path) -> None:
    """A PDU whose length is right and whose body is not: refused alone, the link stays."""

    async def scenario() -> None:
        async with scene(tmp_path, "sms") as stage:
            order = await stage.order()
            before = set(stage.world.smsc._esmes)
            for _ in range(5):
                assert await stage.world.smsc.ask({"op": "garbage"}) == {"sent": 1}
                await asyncio.sleep(0.2)
            assert set(stage.world.smsc._esmes) == before
            await stage.agree(await stage.ended(order))

    run(scenario(), limit=LIMIT)


# -- SMS: proofs of receipt -----------------------------------------------------------------------------------


class Wire:
    """Sits where the SMSC stores what cards send; `meddle` says what is stored instead of a message."""

    def __init__(self, stage: Scene, meddle: Callable[[ShortMessage], list[ShortMessage]]) -> None:
        self._put = stage.world.smsc.centre.mo.put
        self._meddle = meddle
        self._numbers = itertools.count(1)
        stage.world.smsc.centre.mo.put = self.put  # type: ignore[method-assign]

    def put(self, msisdn: str, message: ShortMessage) -> bool:
        return all(self._put(msisdn, self.renamed(found)) for found in self._meddle(message))

    def renamed(self, message: ShortMessage) -> ShortMessage:
        return replace(message, id=f"meddled-{next(self._numbers)}")


def flipped(message: ShortMessage, at: int) -> ShortMessage:
    """One bit of the user data changed."""
    data = bytearray(message.ud)
    data[at] ^= 1
    return replace(message, ud=bytes(data))


def is_response(message: ShortMessage) -> bool:
    return message.ud.startswith(RESPONSE)


def test_por_with_a_bad_mac(tmp_path: Path) -> None:
    """Before every proof of receipt comes one with a bit changed: each is refused, the true one is believed."""
    forged: list[ShortMessage] = []

    def meddle(message: ShortMessage) -> list[ShortMessage]:
        if not is_response(message):
            return [message]
        bad = [flipped(message, at) for at in (-1, len(message.ud) // 2, 12)]
        forged.extend(bad)
        return [*bad, message]

    async def scenario() -> None:
        async with scene(tmp_path, "sms") as stage:
            Wire(stage, meddle)
            await stage.agree(await stage.ended(await stage.order()))
            assert len(forged) >= 3 * 5
            refused = stage.audit("SCP80 open")
            assert len(refused) == len(forged)
            assert {outcome for outcome, _ in refused} == {"refused"}

    run(scenario(), limit=LIMIT)


def test_only_pors_with_a_bad_mac(tmp_path: Path) -> None:
    """When no true answer arrives nothing is believed: the order fails, the EIS shows no profile as installed."""

    async def scenario() -> None:
        async with scene(tmp_path, "sms") as stage:
            before = stage.dump()
            Wire(stage, lambda m: [flipped(m, -1)] if is_response(m) else [m])
            view = await stage.ended(await stage.order(validity=400))
            assert view.status is not None
            assert not view.status.ok
            assert view.pe_statuses == ()
            states = await stage.states()
            assert ProfileState.CREATED in states.values() or len(states) == 0
            after = stage.dump()
            assert after["sm-dp.subscription"] == before["sm-dp.subscription"]

    run(scenario(), limit=LIMIT)


def test_por_replay(tmp_path: Path) -> None:
    """Old proofs of receipt come again round each new one: none is taken for the answer to a later command."""
    seen: list[ShortMessage] = []

    def meddle(message: ShortMessage) -> list[ShortMessage]:
        if not is_response(message):
            return [message]
        seen.append(message)
        return [*seen[:-1], message, *seen]

    async def scenario() -> None:
        async with scene(tmp_path, "sms") as stage:
            Wire(stage, meddle)
            await stage.agree(await stage.ended(await stage.order()))
            assert len(seen) >= 5

    run(scenario(), limit=LIMIT)


# -- notifications --------------------------------------------------------------------------------------------


def notification(eid: str, kind: int, sequence: int, aid: str, kid: bytes, kvn: int = 1) -> bytes:
    """User data of a notification, by the simulator's own codecs."""
    content = tlv(0x4C, bytes.fromhex(eid)) + tlv(0x4D, bytes([kind])) + tlv(0x4E, sequence.to_bytes(2))
    content += tlv(0x2F, bytes.fromhex(aid)) + tlv(0x14, bytes.fromhex("083A15325476981032"))
    return COMMAND + scp80.seal_notification(tlv(0xE1, content), bytes.fromhex("000001"), kvn, kid, None)


def store(stage: Scene, ud: bytes) -> None:
    """The SMSC gets a message from the first card's number."""
    line = {"op": "mo", "da": "+33600000000", "pid": 0, "dcs": 0xF6, "udhi": True, "ud": ud.hex()}
    stage.world.smsc.centre._mobile_originated(stage.world.status(stage.eid)["msisdn"], line)


BOOTSTRAP = "A0000005591010FFFFFFFF8900001000"
FELL_BACK = 0x05


def test_notifications_that_prove_nothing(tmp_path: Path) -> None:
    """Bad checksum, another card's key, unknown EID or key version, no notification at all: nothing changes."""

    async def scenario() -> None:
        async with scene(tmp_path, "sms", count=2) as stage:
            await stage.agree(await stage.ended(await stage.order()))
            await asyncio.sleep(600)  # the other card has declared itself too
            first, second = stage.world.eids
            kid, other_kid = (bytes.fromhex(stage.keys(eid)["kid"]) for eid in (first, second))
            good = notification(first, FELL_BACK, 900, BOOTSTRAP, kid)
            cases = {
                "bad checksum": good[:-1] + bytes([good[-1] ^ 1]),
                "checksum zero": notification(first, FELL_BACK, 900, BOOTSTRAP, bytes(16)),
                "another card's key": notification(first, FELL_BACK, 900, BOOTSTRAP, other_kid),
                "EID of another card": notification(second, FELL_BACK, 900, BOOTSTRAP, kid),
                "unknown EID": notification("89033023000000000000000000000196", FELL_BACK, 900, BOOTSTRAP, kid),
                "unknown key version": notification(first, FELL_BACK, 900, BOOTSTRAP, kid, kvn=2),
                "cut off": good[:30],
                "no TLV": COMMAND + scp80.seal_notification(b"\x00", bytes.fromhex("000001"), 1, kid, None),
            }
            before, mt = stage.dump(), stage.world.status(first)["counters"]["sms_mt"]
            states = await stage.states()
            for ud in cases.values():
                store(stage, ud)
                await asyncio.sleep(10)
            after = stage.dump()
            ours = [name for name in changes(before, after) if name.startswith(("sm-", "crypto-"))]
            # Messages are journalled and marked as seen; a channel may count its steps. Nothing else.
            assert set(ours) <= {"sm-sr.inbox", "sm-sr.journal", "sm-sr.procedure"}
            assert await stage.states() == states == stage.card_states()
            assert stage.world.status(first)["counters"]["sms_mt"] == mt  # nothing was confirmed
            # The same with the right key is believed: the test can tell.
            store(stage, good)
            await asyncio.sleep(10)
            assert (await stage.states())[BOOTSTRAP] == ProfileState.ENABLED

    run(scenario(), limit=LIMIT)


async def enable(stage: Scene, iccid: str) -> None:
    """ES3.EnableProfile in the name of our SM-DP."""
    answers: list[es3.ES3EnableProfileResponse] = []

    async def take(raw: bytes) -> None:
        _, body = decode(raw, es3.RESPONSE_CODEC)
        assert isinstance(body, es3.ES3EnableProfileResponse)
        answers.append(body)

    bus = stage.platform.installation.bus
    bus.register("tester", take)
    header = Header(
        message_id="tester/enable",
        sender="tester",
        requester=stage.platform.sm_dp.smdp_id,
        function_call_id="enable-again",
        deadline=START + asyncio.get_running_loop().time() + 3600,
        eid=stage.eid,
    )
    await bus.deliver(SM_SR, encode(header, es3.ES3EnableProfile(eid=stage.eid, iccid=iccid)))
    while not answers:
        await asyncio.sleep(0.5)
    assert answers[0].status.ok, answers[0].status


def test_replayed_notifications(tmp_path: Path) -> None:
    """Declaration, change, fall-back and change again; then each comes again later, in both orders: no effect."""
    seen: list[ShortMessage] = []

    def meddle(message: ShortMessage) -> list[ShortMessage]:
        if message.ud.startswith(COMMAND):
            seen.append(message)
        return [message]

    async def scenario() -> None:
        async with scene(tmp_path, "sms") as stage:
            wire = Wire(stage, meddle)
            view = await stage.ended(await stage.order())
            await stage.agree(view)
            await stage.world.terminal.devices[stage.eid].lose_connectivity()
            await asyncio.sleep(600)
            assert (await stage.states())[BOOTSTRAP] == ProfileState.ENABLED
            await enable(stage, view.iccid)
            await asyncio.sleep(600)
            states = await stage.states()
            assert states == stage.card_states()
            assert states[view.isdp_aid] == ProfileState.ENABLED
            assert len({message.ud for message in seen}) >= 3
            commands = stage.commands()
            for message in [*seen, *reversed(seen)]:
                wire._put(stage.world.status(stage.eid)["msisdn"], wire.renamed(message))
                await asyncio.sleep(30)
            assert await stage.states() == states == stage.card_states()
            more = stage.commands()[len(commands) :]
            assert {name.split()[0] for name in more} <= {"HandleNotificationConfirmation"}

    run(scenario(), limit=LIMIT)


def test_notification_of_another_card_in_an_authenticated_session(tmp_path: Path) -> None:
    """A card can only speak for itself, with its own PSK too."""

    async def scenario() -> None:
        async with scene(tmp_path, "https", count=2) as stage:
            await asyncio.sleep(600)
            first, second = stage.world.eids
            content = tlv(0x4C, bytes.fromhex(second)) + tlv(0x4D, b"\x05") + tlv(0x4E, b"\x00\x99")
            content += tlv(0x2F, bytes.fromhex(BOOTSTRAP)) + tlv(0x14, bytes.fromhex("083A15325476981032"))
            body = es5.HTTPSPosted(
                post_id="forged/1",
                session_id="forged",
                eid=first,
                key_version=0x40,
                uri="/gsma/adminagent",
                resume=False,
                script_status="",
                body=b"",
                notification=tlv(0xE1, content),
            )
            header = Header(
                message_id="transport-https/forged/1",
                sender="transport-https",
                requester="transport-https",
                function_call_id="forged/1",
                deadline=START + 3600,
                eid=first,
            )
            before = stage.dump()
            await stage.platform.installation.bus.deliver(SM_SR, encode(header, body))
            await asyncio.sleep(60)
            assert [name for name in changes(before, stage.dump()) if name in OWN] == []
            assert stage.audit("HandleDefaultNotification") == [("refused", "EID of another card")]

    run(scenario(), limit=LIMIT)
