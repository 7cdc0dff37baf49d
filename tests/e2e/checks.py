"""What must hold after every end-to-end test, whatever happened in it: EIS, card, order and subscription agree."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from sqlalchemy import select

from e2e.bench import Bench
from ferryman.contracts import admin
from ferryman.contracts.status import Status
from ferryman.crypto_server import schema as crypto_schema
from ferryman.sm_dp import schema as dp_schema
from ferryman.sm_sr import eis_store
from ferryman.sm_sr import schema as sr_schema
from ferryman.sm_sr.records import EUICC

STATES = {0x03: "Created", 0x07: "Created", 0x0F: "Created", 0x1F: "Disabled", 0x3F: "Enabled"}
# Commands that change something and must not have an effect twice; those of key establishment and sessions may.
ONCE = ("CreateISDP", "EnableProfile", "DeleteProfile", "SCP03t ExternalAuthenticate", "SCP03t Segment")
IMEI_DIGITS = 15
GOOD = ("9000", "ok", "segment")


async def everything(bench: Bench, *views: admin.OrderView, at_rest: bool = True) -> None:
    """All common assertions for all cards of the world and these orders."""
    for eid in bench.eids:
        await card_agrees(bench, eid)
        nothing_twice(bench, eid)
        assert bench.world.status(eid)["crash"] is None
    for view in views:
        await order_is_final(bench, view)
    if at_rest:
        await nothing_left(bench)


async def eis(bench: Bench, eid: str) -> EUICC:
    """The whole EIS as the SM-SR has it."""
    card = await bench.store("sm-sr").read(lambda c: eis_store.load(c, eid))
    assert card is not None
    return card


async def card_agrees(bench: Bench, eid: str) -> None:
    """EIS and card agree in every field that both have, and at most one profile is enabled."""
    card = await eis(bench, eid)
    device = bench.device(eid)
    found = {bytes.fromhex(p["aid"]): p for p in device.card.profiles()}
    assert {p.aid for p in card.profiles} == set(found), "ISD-Ps of EIS and card"
    for profile in card.profiles:
        on_card = found[profile.aid]
        assert profile.state == STATES[on_card["state"]], (profile.aid.hex(), profile.state, on_card["state"])
        assert profile.fallback == on_card["fallback"]
        if on_card["iccid"] is not None:
            assert profile.iccid == on_card["iccid"]
            assert profile.imsi == on_card["imsi"]
    assert sum(p.state == "Enabled" for p in card.profiles) == 1
    state = device.card._core.state
    audited = await bench.store("sm-sr").read(
        lambda c: c.execute(select(sr_schema.euicc.c.last_audit).where(sr_schema.euicc.c.eid == eid)).scalar()
    )
    declared, free = bench.memory_at_start[eid]
    if audited is not None:
        declared = free  # what the EUM had declared was corrected
    assert declared - card.remaining_memory == free - state.free_nvm(), "memory taken since the start"
    imei = await bench.store("sm-sr").read(
        lambda c: c.execute(select(sr_schema.euicc.c.imei).where(sr_schema.euicc.c.eid == eid)).scalar()
    )
    assert imei, "the card told its IMEI with its first notification"
    reserved = {item.aid: item.reserved for item in state.isdps}
    for profile in card.profiles:
        if profile.smdp_id == bench.platform.sm_dp.smdp_id:
            assert profile.allocated_memory == reserved[profile.aid]


def effects(bench: Bench, eid: str, command: str) -> list[dict[str, Any]]:
    """Log entries of a command that had its effect."""
    log = bench.device(eid).card.log
    return [e for e in log if e["command"].startswith(command) and e["sw"].split(" ")[0] in (*GOOD, "installed")]


def nothing_twice(bench: Bench, eid: str) -> None:
    """No command that changes something had its effect twice; the card's own log is the witness.

    After a DeleteProfile the same ISD-P may be made again.
    """
    counted: Counter[tuple[str, str, int]] = Counter()
    deleted = 0
    for entry in bench.device(eid).card.log:
        name = next((name for name in ONCE if entry["command"].startswith(name)), "")
        if not name or entry["sw"].split(" ")[0] not in (*GOOD, "installed"):
            continue
        deleted += name == "DeleteProfile"
        counted[(f"{name} {entry['target']}", entry["data_sha256"], deleted)] += 1
    twice = {
        key: count for key, count in counted.items() if count > 1 and key[0].split()[0] not in bench.may_repeat
    }
    assert not twice, twice


async def order_is_final(bench: Bench, view: admin.OrderView) -> None:
    """One final state, and the subscription is free exactly when the profile is not on the card."""
    assert view.state == "done"
    assert view.status is not None
    rows = dp_schema.subscription
    state = await bench.store("sm-dp").read(
        lambda c: c.execute(select(rows.c.state).where(rows.c.iccid == view.iccid)).scalar()
    )
    on_card = [p for p in bench.device(view.eid).card.profiles() if p["iccid"] == view.iccid]
    assert state == ("installed" if on_card else "free"), (state, view.status)
    if not view.status.ok and view.status.status is not Status.EXPIRED:
        assert not on_card
        assert view.isdp_aid == ""
    if on_card:
        assert on_card[0]["aid"] == view.isdp_aid
    packages = await bench.store("sm-dp").read(
        lambda c: c.execute(
            select(dp_schema.package.c.order_id).where(dp_schema.package.c.order_id == view.order_id)
        ).all()
    )
    assert not packages, "the protected package is destroyed with the end of the order"


async def nothing_left(bench: Bench, *, patience: float = 3600.0) -> None:
    """No lease, and no letter on its way, when everything has calmed down."""
    end = asyncio.get_running_loop().time() + patience
    while True:
        left = {}
        for role in ("sm-sr", "sm-dp"):
            tables = bench.tables(role)
            for name in ("lease", "outbox"):
                table = getattr(tables, name)
                rows = await bench.store(role).read(lambda c, table=table: len(c.execute(select(table)).all()))
                if rows:
                    left[f"{role} {name}"] = rows
        if not left:
            return
        assert asyncio.get_running_loop().time() < end, left
        await asyncio.sleep(5.0)


async def card_equals(
    bench: Bench, eid: str, *, smsr_address: str, ordered: tuple[int, bytes | None] = (0, None)
) -> None:
    """What the platform knows or has ordered beside the Profiles' states is what the card holds, value for value.

    Not after operations that an operator does on its own (ES6): POL1 and connectivity parameters are those of the
    factory or, of a Profile that was loaded, `ordered`.
    """
    card, state = await eis(bench, eid), bench.device(eid).card._core.state
    digits = "".join(card.imei[at + 1] + card.imei[at] for at in range(0, len(card.imei), 2))
    assert digits == f"A{state.imei[:IMEI_DIGITS]}", "IMEI of EIS and device"
    assert state.smsr_address == smsr_address, "SM-SR address on the card"
    assert state.https == bench.https_at_start[eid], "administration session parameters on the card"
    for item in state.isdps:
        if item.profile is not None:
            pol1, connectivity = bench.policies_at_start[eid].get(item.profile.iccid, ordered)
            assert item.pol1 == pol1, f"POL1 of {item.profile.iccid}"
            assert item.connectivity == connectivity, f"connectivity parameters of {item.profile.iccid}"
    await _keys_agree(bench, card, state)
    question = admin.DescribeEUICC(owner="", eid=eid)
    described: Any = await bench.operator.sm_sr(question)
    in_use = next(keyset for keyset in state.scp80 if keyset.kvn == card.scp80_version)
    assert described.counter >= in_use.counter, "SCP80 counter: the card would refuse the next packet"


async def _keys_agree(bench: Bench, card: EUICC, state: Any) -> None:
    """The key sets of EIS, CryptoServer and card are the same; one whose PUT KEY is not known may be either."""
    refs = crypto_schema.secret.c.ref
    known = await bench.store("crypto-server").read(lambda c: list(c.execute(select(refs)).scalars()))
    held, made = (
        {int(ref.split("/")[2], 16) for ref in known if ref.startswith(f"{kind}/{card.eid}/")}
        for kind in ("euicc", "made")
    )
    assert held <= state.key_versions() <= held | made, "key sets of CryptoServer and card"
    assert card.scp80_version in {keyset.kvn for keyset in state.scp80}, "SCP80 key set in use"
    assert card.scp81_version in {0, *(keyset.kvn for keyset in state.scp81)}, "SCP81 key set in use"
    if card.isdr is not None and card.isdr.keysets:
        assert {keyset.version for keyset in card.isdr.keysets} == held, "key sets of EIS and CryptoServer"
