"""What the repositories promise on every store: SM-SR (EIS), SM-DP (profile factory), CryptoServer (vault)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, update

from backends import AnyStore, Backend
from ferryman.contracts.admin import CreateOrder
from ferryman.contracts.crypto import PackageElement
from ferryman.contracts.eis import KeysetInfo, PolicyRule, SecurityDomain
from ferryman.contracts.imports import ChunkRegistered, SubscriptionPublic
from ferryman.contracts.orders import ListOrders
from ferryman.contracts.status import SUCCESS, failed
from ferryman.crypto_server import schema as crypto_schema
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.platform.mailbox import Tx
from ferryman.platform.schema import PlatformTables
from ferryman.sm_dp import schema as dp_schema
from ferryman.sm_dp.factory import orders, stock, templates
from ferryman.sm_dp.records import FinishOrder, Package, Progress, StorePackage
from ferryman.sm_sr import eis_store
from ferryman.sm_sr import schema as sr_schema
from ferryman.sm_sr.records import (
    CREATED,
    DISABLED,
    ENABLED,
    EUICC,
    IN_CREATION,
    ISDP,
    AddISDP,
    Audited,
    Change,
    CompleteISDP,
    Contacted,
    HoldKeyset,
    RemoveISDP,
    SetState,
    TakeMemory,
    UseKeyset,
)
from transactions import transaction

EID = "89049032123456789012345678901203"
NOW = 1_795_000_000.0
OWNER, OTHER = "1.3.6.1.4.1.99999.30", "1.3.6.1.4.1.99999.31"
AID = bytes.fromhex("A0000005591010FFFFFFFF8900001000")
AID_2 = bytes.fromhex("A0000005591010FFFFFFFF8900001100")
BOOTSTRAP = ISDP(
    aid=AID,
    iccid="8988211000000000011",
    owner=OWNER,
    smdp_id="",
    state=ENABLED,
    fallback=True,
    imsi="001010000000001",
    msisdn="8821100000001",
    profile_type="boot",
    allocated_memory=1000,
    pol2=(PolicyRule("DELETE", "Not-Allowed"),),
)
CARD = EUICC(
    eid=EID,
    eum_id="1.3.6.1.4.1.99999.40",
    platform_type="demo",
    platform_version="1.0.0",
    rpv="3.2.0",
    http_support=True,
    cattp_support=False,
    smsr_id="1.3.6.1.4.1.99999.20",
    remaining_memory=300_000,
    available_memory=400_000,
    scp80_version=1,
    scp80_counter=2**40 - 2,
    scp81_version=0x40,
    signed_info=b"<EumSignedInfo/>",
    signature=bytes(range(256)),
    profiles=(BOOTSTRAP,),
)


async def write[T](store: AnyStore, tables: PlatformTables, unit: Callable[[Tx], T]) -> T:
    return await store.write(lambda connection: unit(transaction(connection, tables, NOW)))


# -- SM-SR ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def eis(backend: Backend) -> AnyStore:
    await backend.create(sr_schema.METADATA)
    store = backend.open()
    await store.write(lambda connection: eis_store.register(connection, CARD, NOW))
    return store


async def changed(store: AnyStore, *changes: Change) -> EUICC:
    def unit(tx: Tx) -> None:
        for change in changes:
            eis_store.apply(tx, EID, change)

    await write(store, sr_schema.PLATFORM, unit)
    card = await store.read(lambda c: eis_store.load(c, EID))
    assert card is not None
    return card


async def test_a_registered_card_comes_back_as_it_was(eis: AnyStore) -> None:
    assert await eis.read(lambda c: eis_store.load(c, EID)) == CARD
    assert await eis.read(lambda c: eis_store.load(c, EID[:-1] + "4")) is None


async def test_an_isdp_lives_from_creation_to_deletion(eis: AnyStore) -> None:
    new = ISDP(
        aid=AID_2, iccid="8988211000000000029", owner=OWNER, smdp_id="1.2", state=IN_CREATION, allocated_memory=7
    )
    card = await changed(eis, AddISDP(new))
    assert card.profiles == (BOOTSTRAP, new)
    assert len(card.visible(card.profiles).profiles) == 1, "an ISD-P in creation is visible to nobody"
    card = await changed(eis, SetState(AID_2, CREATED), TakeMemory(7))
    assert card.remaining_memory == 300_000 - 7
    rule = PolicyRule("DISABLE", "Not-Allowed")
    card = await changed(eis, CompleteISDP(AID_2, "gold", "001010000000002", "8821100000002", (rule,)))
    done = card.by_aid(AID_2)
    assert done is not None
    assert (done.state, done.profile_type, done.imsi, done.msisdn) == (
        DISABLED, "gold", "001010000000002", "8821100000002",
    )  # fmt: skip
    assert done.pol2 == (rule,)
    card = await changed(eis, SetState(AID, DISABLED), SetState(AID_2, ENABLED))
    assert card.enabled is not None
    assert card.enabled.aid == AID_2
    card = await changed(eis, SetState(AID_2, DISABLED), RemoveISDP(AID_2, 7), Audited(None), Contacted("3A15"))
    assert card.profiles == (
        ISDP(**{f: getattr(BOOTSTRAP, f) for f in BOOTSTRAP.__struct_fields__} | {"state": DISABLED}),
    )
    assert card.remaining_memory == 300_000
    assert (await changed(eis, Audited(123))).remaining_memory == 123


@pytest.mark.parametrize(("version", "left"), [(2, {1, 2, 0x40}), (1, {1, 0x40}), (0x41, {1, 0x41})])
async def test_a_key_set_in_use_is_in_the_list_of_the_isd_r(eis: AnyStore, version: int, left: set[int]) -> None:
    """SCP80 has a new key set beside the former one, SCP81 in its place."""
    keysets = (KeysetInfo(version=1, type="SCP80", counter=7), KeysetInfo(version=0x40, type="SCP81"))
    domain = SecurityDomain(aid=bytes.fromhex("A0000005591010FFFFFFFF8900000100"), keysets=keysets)
    text = msgspec.json.encode(domain).decode()
    await eis.write(lambda c: c.execute(update(sr_schema.euicc).values(isdr=text)))
    found = await changed(eis, UseKeyset(version))
    assert found.isdr is not None
    assert {keyset.version for keyset in found.isdr.keysets} == left
    assert version in (found.scp80_version, found.scp81_version)
    assert all(keyset.type == ("SCP81" if keyset.version >= 0x40 else "SCP80") for keyset in found.isdr.keysets)


@pytest.mark.parametrize("listed", [True, False])
async def test_a_key_set_that_is_on_the_card_is_in_the_list(eis: AnyStore, listed: bool) -> None:
    """Beside those in use, which stay so; the counters that are known are kept."""
    keysets = (KeysetInfo(version=1, type="SCP80", counter=7), KeysetInfo(version=0x40, type="SCP81"))
    aid = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
    domain = SecurityDomain(aid=aid, keysets=keysets if listed else ())
    text = msgspec.json.encode(domain).decode()
    await eis.write(
        lambda c: c.execute(update(sr_schema.euicc).values(isdr=text, scp80_version=1, scp81_version=0x40))
    )
    for version in (2, 2, 0x41):
        found = await changed(eis, HoldKeyset(version))
    assert found.isdr is not None
    assert [keyset.version for keyset in found.isdr.keysets] == [1, 0x40, 2, 0x41]
    assert (found.scp80_version, found.scp81_version) == (1, 0x40)
    assert found.isdr.keysets[0].counter == (7 if listed else None)


async def test_look_up_by_number_and_iccid(eis: AnyStore) -> None:
    assert await eis.read(lambda c: eis_store.eids_of_msisdn(c, "8821100000001")) == [EID]
    assert await eis.read(lambda c: eis_store.eids_of_msisdn(c, "")) == []
    assert await eis.read(lambda c: eis_store.eid_of_iccid(c, BOOTSTRAP.iccid)) == EID
    assert await eis.read(lambda c: eis_store.eid_of_iccid(c, "8900000000000000000")) is None
    assert await eis.read(lambda c: eis_store.eids(c)) == [EID]
    assert await eis.read(lambda c: eis_store.eids(c, after=EID)) == []


async def test_a_unit_that_fails_leaves_the_card_as_it_was(eis: AnyStore) -> None:
    def unit(tx: Tx) -> None:
        eis_store.apply(tx, EID, SetState(AID, DISABLED))
        raise Refused("8.2.1", "3.9", "no")

    with pytest.raises(Refused):
        await write(eis, sr_schema.PLATFORM, unit)
    assert await eis.read(lambda c: eis_store.load(c, EID)) == CARD


# -- SM-DP ------------------------------------------------------------------------------------------------------

ROWS = tuple(
    SubscriptionPublic(f"89882110000000000{n:02d}", f"00101000000000{n}", f"8821100000{n}") for n in range(1, 5)
)


def order(**fields: object) -> CreateOrder:
    return CreateOrder(**{"owner": OWNER, "eid": EID, "profile_type": "gold", **fields})  # type: ignore[arg-type]


def bring(tx: Tx, rows: tuple[SubscriptionPublic, ...], name: str, *, keep: bool = True) -> ChunkRegistered:
    """One import of one run."""
    stock.open_batch(tx, OWNER, "gold", name)
    brought = stock.register(tx, OWNER, name, 0, rows, range(2, 2 + len(rows)))
    stock.close_batch(tx, OWNER, name, keep=keep and not brought.problems)
    return brought


def reserve(tx: Tx, asked: CreateOrder, order_id: str) -> Any:
    return stock.reserve(tx, asked.owner, iccid=asked.iccid, profile_type=asked.profile_type, order_id=order_id)


@pytest.fixture
async def factory(backend: Backend) -> AnyStore:
    await backend.create(dp_schema.METADATA)
    store = backend.open()

    def unit(tx: Tx) -> None:
        assert templates.put_template(tx, OWNER, "gold", "f1", b"compiled", 1354)
        brought = bring(tx, ROWS, "first")
        assert (brought.new, brought.problems) == (4, ())

    await write(store, dp_schema.PLATFORM, unit)
    return store


async def test_an_import_that_is_repeated_changes_nothing_and_another_is_refused(factory: AnyStore) -> None:
    async def problems(rows: tuple[SubscriptionPublic, ...], name: str) -> list[str]:
        brought = await write(factory, dp_schema.PLATFORM, lambda tx: bring(tx, rows, name))
        return [problem.sentence for problem in brought.problems]

    def again(tx: Tx) -> ChunkRegistered:
        assert not templates.put_template(tx, OWNER, "gold", "f1", b"compiled", 1354)
        return bring(tx, ROWS, "second")

    brought = await write(factory, dp_schema.PLATFORM, again)
    assert (brought.new, brought.known) == (0, (2, 3, 4, 5))
    with pytest.raises(Refused, match="other contents"):
        await write(
            factory, dp_schema.PLATFORM, lambda tx: templates.put_template(tx, OWNER, "gold", "f2", b"x", 1)
        )
    other = (SubscriptionPublic(ROWS[0].iccid, "001019999999999", ""),)
    assert await problems(other, "third") == ["line 2, column ICCID: was imported before with other values"]
    taken = (SubscriptionPublic("8988211999999999999", ROWS[0].imsi, ""),)
    assert await problems(taken, "fourth") == ["line 2, column IMSI: belongs to another ICCID"]
    assert await factory.read(lambda c: stock.free_count(c, OWNER, "gold")) == 4


async def test_whole_import_or_nothing(factory: AnyStore) -> None:
    rows = (
        SubscriptionPublic("8988211777777777777", "001017777777777", ""),
        SubscriptionPublic(ROWS[0].iccid, "1", ""),
    )
    asked = order(iccid=rows[0].iccid, profile_type="")
    assert (await write(factory, dp_schema.PLATFORM, lambda tx: bring(tx, rows, "bad"))).problems
    assert await factory.read(lambda c: stock.find_batch(c, "bad")) is None
    with pytest.raises(Refused) as refusal:
        await write(factory, dp_schema.PLATFORM, lambda tx: reserve(tx, asked, "o"))
    assert (refusal.value.subject, refusal.value.reason) == ("8.2.1", "3.9")

    def half(tx: Tx) -> None:
        stock.open_batch(tx, OWNER, "gold", "half")
        assert stock.register(tx, OWNER, "half", 0, rows[:1], (2,)).new == 1

    await write(factory, dp_schema.PLATFORM, half)
    with pytest.raises(Refused, match="no subscription"):  # not before its import has ended
        await write(factory, dp_schema.PLATFORM, lambda tx: reserve(tx, asked, "o"))
    await write(factory, dp_schema.PLATFORM, lambda tx: stock.close_batch(tx, OWNER, "half", keep=True))
    await write(factory, dp_schema.PLATFORM, lambda tx: reserve(tx, asked, "o"))
    assert await factory.read(lambda c: stock.free_count(c, OWNER, "gold")) == 4


async def test_each_order_gets_a_subscription_of_its_own(factory: AnyStore) -> None:
    async def place(number: int) -> str:
        def unit(tx: Tx) -> str:
            row = reserve(tx, order(), f"o{number}")
            orders.put_order(tx, order(), f"o{number}", str(row.iccid), "gold")
            return str(row.iccid)

        return await write(factory, dp_schema.PLATFORM, unit)

    taken = await asyncio.gather(*(place(n) for n in range(4)))
    assert sorted(taken) == [row.iccid for row in ROWS]
    with pytest.raises(Refused, match="no free subscription"):
        await place(9)
    named = order(iccid=ROWS[0].iccid, profile_type="")
    with pytest.raises(Refused, match="is ordered"):
        await write(factory, dp_schema.PLATFORM, lambda tx: reserve(tx, named, "o9"))


async def test_another_owner_sees_and_takes_nothing(factory: AnyStore) -> None:
    def unit(tx: Tx) -> None:
        orders.put_order(tx, order(), "mine", ROWS[0].iccid, "gold")

    await write(factory, dp_schema.PLATFORM, unit)
    assert await factory.read(lambda c: orders.get_order(c, OTHER, "mine")) is None
    assert await factory.read(lambda c: orders.list_orders(c, ListOrders(owner=OTHER))) == ()
    assert await factory.read(lambda c: templates.get_template(c, OTHER, "gold")) is None
    for asked in (order(owner=OTHER), order(owner=OTHER, iccid=ROWS[0].iccid, profile_type="")):
        with pytest.raises(Refused) as refusal:
            await write(factory, dp_schema.PLATFORM, lambda tx, asked=asked: reserve(tx, asked, "o"))  # type: ignore[misc]
        assert refusal.value.reason == "3.9", "a foreign object is answered like an absent one"


@pytest.mark.parametrize("installed", [True, False])
async def test_an_order_from_start_to_end(factory: AnyStore, installed: bool) -> None:
    def place(tx: Tx) -> None:
        reserve(tx, order(iccid=ROWS[1].iccid, profile_type=""), "o1")
        orders.put_order(tx, order(), "o1", ROWS[1].iccid, "gold")

    await write(factory, dp_schema.PLATFORM, place)
    elements = (PackageElement("header", -1, 0), PackageElement("end", 7, 1))
    segments = (b"\x86\x01\x00", random.Random(1).randbytes(1020))
    package = Package(b"\x85\x11" + bytes(17), segments, elements)

    def load(tx: Tx) -> None:
        orders.apply(tx, EID, Progress("o1", "CreateISDP"))
        orders.apply(tx, EID, StorePackage("o1", package, 1354))

    await write(factory, dp_schema.PLATFORM, load)
    assert await factory.read(lambda c: orders.get_package(c, "o1")) == package
    status = SUCCESS if installed else failed("8.3", "4.2", "no")
    change = FinishOrder("o1", ROWS[1].iccid, status, AID if installed else b"", installed, ("PE -: 0",))
    await write(factory, dp_schema.PLATFORM, lambda tx: orders.apply(tx, EID, change))
    view = await factory.read(lambda c: orders.get_order(c, OWNER, "o1"))
    assert view is not None
    assert [step.name for step in view.steps] == ["ordered", "CreateISDP", "done" if installed else "failed"]
    assert (view.state, view.status, view.profile_bytes, view.pe_statuses) == ("done", status, 1354, ("PE -: 0",))
    assert await factory.read(lambda c: orders.get_package(c, "o1")) is None, "destroyed after delivery"
    assert await factory.read(orders.count_orders) == 0
    asked = order(iccid=ROWS[1].iccid, profile_type="")
    if installed:
        with pytest.raises(Refused, match="is installed"):
            await write(factory, dp_schema.PLATFORM, lambda tx: reserve(tx, asked, "o2"))
    else:
        await write(factory, dp_schema.PLATFORM, lambda tx: reserve(tx, asked, "o2"))


# -- CryptoServer -----------------------------------------------------------------------------------------------


def entropy(count: int) -> bytes:
    return random.randbytes(count)


@pytest.fixture
async def vault_store(backend: Backend) -> AnyStore:
    await backend.create(crypto_schema.METADATA)
    return backend.open()


async def test_the_vault_seals_each_value_to_its_reference(vault_store: AnyStore) -> None:
    vault, value = Vault(bytes(32), entropy), b"0123456789ABCDEF"

    def put(connection: Connection) -> None:
        vault.check(connection, NOW)
        vault.put(connection, [("euicc/1/01/1", value), ("euicc/1/01/2", value)], NOW)

    await vault_store.write(put)
    assert await vault_store.read(lambda c: vault.get(c, "euicc/1/01/1")) == value
    assert await vault_store.read(lambda c: vault.get(c, "euicc/1/01/3")) is None
    rows = await vault_store.read(lambda c: c.execute(crypto_schema.secret.select()).all())
    assert all(value not in bytes(row.sealed) for row in rows)

    def move(connection: Connection) -> None:
        statement = crypto_schema.secret.update().where(crypto_schema.secret.c.ref == "euicc/1/01/2")
        connection.execute(statement.values(ref="euicc/2/01/2"))

    await vault_store.write(move)
    with pytest.raises(InputError, match="does not belong"):
        await vault_store.read(lambda c: vault.get(c, "euicc/2/01/2"))


async def test_another_key_is_refused_at_the_start(vault_store: AnyStore) -> None:
    await vault_store.write(lambda c: Vault(bytes(32), entropy).check(c, NOW))
    with pytest.raises(InputError, match="does not belong"):
        await vault_store.write(lambda c: Vault(bytes(31) + b"\x01", entropy).check(c, NOW))


async def test_destroying_takes_what_is_below_the_reference_and_nothing_else(vault_store: AnyStore) -> None:
    vault = Vault(bytes(32), entropy)
    refs = ("isdp/1/A0", "isdp/1/A0/x", "isdp/1/A00", "isdp/1%A0", "isdp/12")
    await vault_store.write(lambda c: vault.put(c, [(ref, b"v") for ref in refs], NOW))
    assert await vault_store.write(lambda c: vault.remove(c, "isdp/1/A0")) == 2
    left = await vault_store.read(lambda c: {r.ref for r in c.execute(crypto_schema.secret.select())})
    assert left == {"isdp/1/A00", "isdp/1%A0", "isdp/12"}
