"""Notifications that must not be believed: forged, of another card, replayed (SGP.02 4.1.1.11)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ferryman.contracts import es3, es5
from ferryman.contracts.eis import ProfileState
from ferryman.contracts.message import Header, decode, encode
from ferryman.contracts.roles import SM_SR
from ferryman_sim.card import scp80
from ferryman_sim.card.tlv import tlv
from ferryman_sim.smsc.messages import ShortMessage
from live_scene import COMMAND, LIMIT, OWN, Scene, Wire, scene
from personality import PERSONALITY, TYPE_DATA
from premises import changes
from rig import START
from virtual_loop import run

BOOTSTRAP = "A0000005591010FFFFFFFF8900001000"
FELL_BACK = 0x05
# Whether the notifications of these cards have sequence numbers.
COUNTS = TYPE_DATA.get(PERSONALITY, ("", {}))[1].get("check_sequence", True)


def notification(eid: str, kind: int, sequence: int, aid: str, kid: bytes, kvn: int = 1) -> bytes:
    """User data of a notification, by the simulator's own codecs."""
    content = tlv(0x4C, bytes.fromhex(eid)) + tlv(0x4D, bytes([kind])) + tlv(0x4E, sequence.to_bytes(2))
    content += tlv(0x2F, bytes.fromhex(aid)) + tlv(0x14, bytes.fromhex("083A15325476981032"))
    return COMMAND + scp80.seal_notification(tlv(0xE1, content), bytes.fromhex("000001"), kvn, kid, None)


def store(stage: Scene, ud: bytes) -> None:
    """The SMSC gets a message from the first card's number."""
    line = {"op": "mo", "da": "+33600000000", "pid": 0, "dcs": 0xF6, "udhi": True, "ud": ud.hex()}
    stage.world.smsc.centre._mobile_originated(stage.world.status(stage.eid)["msisdn"], line)


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
            # Messages are journalled, counted and marked as seen; a channel may count its steps. Nothing else.
            assert set(ours) <= {"sm-sr.contact", "sm-sr.inbox", "sm-sr.journal", "sm-sr.procedure"}
            assert await stage.states() == states == stage.card_states()
            assert stage.world.status(first)["counters"]["sms_mt"] == mt  # nothing was confirmed
            # The same with the right key is heard: the test can tell. Of a card that counts its number is new, and
            # it is believed; one that does not is asked first, and says otherwise.
            asked = len(stage.commands())
            store(stage, good)
            await asyncio.sleep(10 if COUNTS else 120)
            if COUNTS:
                assert (await stage.states())[BOOTSTRAP] == ProfileState.ENABLED
            else:
                assert await stage.states() == states == stage.card_states()
                assert [name.split()[0] for name in stage.commands()[asked:]] == ["GetStatus"] * 2

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
            # Change, fall-back, change again: without numbers both changes are told in the same octets.
            assert len({message.ud for message in seen}) >= (3 if COUNTS else 2)
            commands = stage.commands()
            told = len(stage.audit("HandleProfileEnabledNotification"))
            for message in [*seen, *reversed(seen)]:
                wire._put(stage.world.status(stage.eid)["msisdn"], wire.renamed(message))
                await asyncio.sleep(30 if COUNTS else 300)
            assert len(stage.audit("HandleProfileEnabledNotification")) == told, "no owner hears of a replay"
            assert await stage.states() == states == stage.card_states()
            more = {name.split()[0] for name in stage.commands()[len(commands) :]}
            if COUNTS:
                assert more <= {"HandleNotificationConfirmation"}
            else:
                assert more <= {"HandleNotificationConfirmation", "GetStatus"}
                assert "GetStatus" in more, "without numbers only the card can tell"

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
