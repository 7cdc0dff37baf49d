"""What a delivered profile leaves behind: its protected segments are searched for in the files of every role."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

import two_trees
from canaries import Canaries
from e2e.bench import Bench, bench
from e2e.test_two_installations import world_at
from ferryman.codec import tlv
from ferryman.contracts import es3, es5
from ferryman.contracts.message import Body, Codec, decode
from ferryman.platform.bus import InProcessBus
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.carried import digest_to_length
from ferryman.sm_sr.records import SRSettings
from parties import Party
from virtual_loop import virtual

PIECE = 24  # octets of a segment that are looked for, from its middle
REQUESTS: Codec[Body] = Codec(*es3.REQUESTS)
TO_SMS: Codec[Body] = Codec(es5.SubmitSMS)


class Heard:
    """What went over the bus: segments of SCP03t, and SMS packets long enough to hold one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.segments: list[bytes] = []
        self.packets: list[bytes] = []
        deliver = InProcessBus.deliver

        async def heard(bus: InProcessBus, dest: str, raw: bytes) -> None:
            if b"ES3SendData" in raw and b'"sender":"sm-dp"' in raw:
                _, body = decode(raw, REQUESTS)
                assert isinstance(body, es3.ES3SendData)
                self.segments += [item.value for item in tlv.parse(body.data) if item.tag == 0x86]
            if dest == "transport-sms":
                _, sms = decode(raw, TO_SMS)
                assert isinstance(sms, es5.SubmitSMS)
                if len(sms.packet) > 600:
                    self.packets.append(sms.packet)
            await deliver(bus, dest, raw)

        monkeypatch.setattr(InProcessBus, "deliver", heard)

    def canaries(self) -> Canaries:
        pieces = {f"segment {n}": _middle(one) for n, one in enumerate(self.segments)}
        return Canaries(pieces | {f"packet {n}": _middle(one) for n, one in enumerate(set(self.packets))})


def _middle(value: bytes) -> bytes:
    return value[len(value) // 2 :][:PIECE]


def within_files(heard: Heard, data: Path) -> dict[str, list[str]]:
    """By database (its log and index belong to it), what is found in it."""
    found: dict[str, list[str]] = {}
    canaries = heard.canaries()
    for path in sorted(data.glob("*.db*")):
        names = canaries.within(path.read_bytes())
        if names:
            found.setdefault(path.name.split(".")[0], []).extend(names)
    return found


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("transport", ["https", "sms"])
@virtual
async def test_nothing_of_the_protected_profile_stays(
    transport: str, keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(monkeypatch)
    async with bench(transport, dp=DPSettings(keep_delivered=keep), sr=SRSettings(keep_delivered=keep)) as b:
        view, status = await b.run_order()
        assert status.ok
        assert len(heard.segments) >= 2
        assert bool(heard.packets) == (transport == "sms")
        await b.sleep(120.0)  # the logs are emptied a while later
        running = within_files(heard, b.platform.data)
        secrets = await b.store("crypto-server").read(
            lambda c: c.exec_driver_sql(
                f"SELECT count(*) FROM subscription_secret WHERE iccid = '{view.iccid}'"
            ).scalar()
        )
        assert (set(running), secrets) == (({"sm-dp", "sm-sr"}, 1) if keep else (set(), 0))
        if not keep:
            await the_record_stays(b, heard)
        await b.platform.close()
        assert bool(within_files(heard, b.platform.data)) == keep
        await b.platform.open()


def octets(value: Any) -> Iterator[bytes]:
    """Every octet string of a document of ours."""
    if isinstance(value, str):
        try:
            yield base64.b64decode(value, validate=True)
        except ValueError:
            return
    elif isinstance(value, list | dict):
        for item in value if isinstance(value, list) else value.values():
            yield from octets(item)


async def the_record_stays(b: Bench, heard: Heard) -> None:
    """Length and digest of each segment in the journal; every procedure can still be replayed."""
    engine = b.platform.installation.engines["sm-sr"]
    j, p = engine.tables.journal, engine.tables.procedure
    bodies = await b.store("sm-sr").read(
        lambda c: c.execute(select(j.c.body).where(j.c.kind == "ES3SendData")).scalars().all()
    )
    kept = [one for body in bodies for one in octets(msgspec.json.decode(body))]
    for segment in heard.segments:
        mark = digest_to_length(segment)
        assert mark.startswith(hashlib.sha256(segment).digest()[: len(segment)])
        assert sum(mark in one for one in kept) == 1
    for procedure_id in await b.store("sm-sr").read(lambda c: c.execute(select(p.c.id)).scalars().all()):
        again = await engine.replay(procedure_id)
        assert again is not None
        assert again.agrees, procedure_id


@virtual
async def test_a_download_that_fails_leaves_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard(monkeypatch)
    async with bench("sms", limits={"nvm": 60_000}) as b:
        b.lose_answer_of("SCP03t Segment", times=2)
        placed = await b.order(validity=90.0, enable=False)
        _, status = await b.ended(placed)
        await b.sleep(3_600.0)
        assert len(heard.segments) >= 2, status
        assert within_files(heard, b.platform.data) == {}


@virtual
async def test_nor_does_it_stay_with_the_gateways(
    tmp_path: Path, parties: dict[str, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One installation's SM-DP, the other's SM-SR, SOAP between them."""
    heard = Heard(monkeypatch)
    world = await world_at(tmp_path / "world")
    trees = two_trees.make(tmp_path, parties, world)
    a, b = await trees.open_both()
    await trees.set_up(a, b)
    await trees.order(world.eids[0])
    status, _ = await trees.result(3_600.0)
    assert status.ok, status
    await asyncio.sleep(200.0)
    assert len(heard.segments) >= 2
    texts = heard.canaries()
    for tree in (trees.a, trees.b):
        for path in sorted(tree.data.glob("*.db*")):
            assert texts.within(path.read_bytes()) == [], path.name
    await trees.a.close()
    await trees.b.close()
    await world.stop()
