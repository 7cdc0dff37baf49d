"""A hostile network round a running platform and real simulated cards: nothing wrong is believed, orders go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ferryman.codec.smpp.pdu import MAX_PDU
from ferryman.contracts.eis import ProfileState
from ferryman_sim.smsc.faults import Faults
from ferryman_sim.smsc.messages import ShortMessage
from live_scene import LIMIT, OWN, RESPONSE, SETTLE, Wire, scene
from personality import PERSONALITY
from premises import changes
from virtual_loop import run

PROTECTED = pytest.mark.skipif(PERSONALITY == "recorded", reason="SPI 1601: its proofs of receipt have no MAC")
BAD_RECORD_MAC = 20  # TLS alert: an unknown identity and a wrong key look the same


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


def flipped(message: ShortMessage, at: int) -> ShortMessage:
    """One bit of the user data changed."""
    data = bytearray(message.ud)
    data[at] ^= 1
    return replace(message, ud=bytes(data))


def is_response(message: ShortMessage) -> bool:
    return message.ud.startswith(RESPONSE)


@PROTECTED
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


@PROTECTED
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
    """Old proofs of receipt come again before each new one: none is taken for the answer to a later command.

    The network is slow, so that they are older than what the transport drops as the SMSC's own repeats.
    """
    seen: list[ShortMessage] = []

    def meddle(message: ShortMessage) -> list[ShortMessage]:
        if not is_response(message):
            return [message]
        seen.append(message)
        return [*seen, *seen]

    async def scenario() -> None:
        async with scene(tmp_path, "sms") as stage:
            Wire(stage, meddle)
            stage.world.smsc.centre.mt.faults = Faults(delay=1.0, delay_seconds=8.0)
            view = await stage.ended(await stage.order())
            stage.world.smsc.centre.mt.faults = Faults()
            await stage.agree(view)
            assert len(seen) >= 5
            assert view.steps[-1].at - view.steps[0].at > 30

    run(scenario(), limit=LIMIT)
