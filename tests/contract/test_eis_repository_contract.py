"""The SM-SR's repository on every database: look-ups, contacts, trail, types and tags, a race for an ICCID."""

from __future__ import annotations

import pytest

import sr_steps as s
from backends import AnyStore, Backend
from ferryman.platform.procedure import Audit
from ferryman.platform.procedure_rows import Conflict
from ferryman.sm_sr import contacts, eis_store, lookup, trail, type_store
from ferryman.sm_sr.euicc_type import TypeKey
from ferryman.sm_sr.records import AddISDP, Contacted, Counted, RemoveISDP, SetAddress, SetPolicy
from ferryman.sm_sr.schema import METADATA, PLATFORM
from ferryman.sm_sr.settings import SRSettings
from transactions import transaction

SECOND = "89033023000000000061494360000288"
NOW = 1_795_000_000.0


@pytest.fixture
async def store(backend: Backend) -> AnyStore:
    await backend.create(METADATA)
    opened = backend.open()
    second = s.card(s.isdp(s.BOOT, iccid="8988211000000000037", msisdn="49"), eid=SECOND)
    await opened.write(lambda c: [eis_store.register(c, card, NOW) for card in (s.card(), second)])
    return opened


async def apply(store: AnyStore, eid: str, *changes: object) -> None:
    def unit(connection: object) -> None:
        tx = transaction(connection, PLATFORM, NOW)  # type: ignore[arg-type]
        for change in changes:
            eis_store.apply(tx, eid, change)  # type: ignore[arg-type]

    await store.write(unit)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("eid", SECOND, [SECOND]),
        ("iccid", s.ICCID, [s.EID]),
        ("isdp_aid", s.BOOT.hex(), [s.EID, SECOND]),
        ("msisdn", "49", [SECOND]),
        ("imei", "351234567890123", [SECOND]),
        ("owner", s.OWNER, [s.EID, SECOND]),
        ("tag", "pilot", [SECOND]),
    ],
)
async def test_look_up(store: AnyStore, key: str, value: str, expected: list[str]) -> None:
    await apply(store, SECOND, Contacted("3A15325476981032"))
    await store.write(lambda c: lookup.set_tags(transaction(c, PLATFORM, NOW), SECOND, ("pilot",)))
    assert await store.read(lambda c: lookup.find(c, key, value)) == expected
    assert await store.read(lambda c: lookup.find(c, key, value, limit=1)) == expected[:1]
    assert await store.read(lambda c: lookup.find(c, key, value, after=expected[0])) == expected[1:]


async def test_contacts(store: AnyStore) -> None:
    spoke = Counted(transport="https", counts=(("https_in", 2),), reachable=True)
    await apply(store, s.EID, spoke, Counted(counts=(("https_in", 1), ("unknown", 1))))
    found = await store.read(lambda c: contacts.load(c, s.EID))
    assert (found.https_in, found.unknown, found.transport, found.reachable) == (3, 1, "https", "yes")
    assert found.last == NOW


async def test_trail(store: AnyStore) -> None:
    audit = Audit("0200 EnableProfile", "done", object=s.ICCID)
    for _ in range(3):
        await store.write(
            lambda c: trail.note(
                transaction(c, PLATFORM, NOW), eid=s.EID, smsr_id="1.2", requester="me", audit=audit
            )
        )
    records = await store.read(lambda c: trail.of_card(c, s.EID, limit=2))
    (last,) = await store.read(lambda c: trail.of_card(c, s.EID, after=records[-1][0]))
    assert (last[1].operation, last[1].isdp_aid, last[1].iccid) == (0x0200, s.NEW, s.ICCID)


async def test_types_and_differences(store: AnyStore) -> None:
    key = TypeKey("eum", "sim", "1")
    await store.write(lambda c: type_store.set_type(transaction(c, PLATFORM, NOW), key, {"spi": "1601"}))
    await store.write(lambda c: type_store.set_type(transaction(c, PLATFORM, NOW), key, {"spi": "1201"}))
    await store.write(lambda c: type_store.set_difference(transaction(c, PLATFORM, NOW), SECOND, {"segment": 99}))
    book = type_store.TypeBook(SRSettings())

    def look(connection: object) -> tuple[str, str, int]:
        cards = [eis_store.load(connection, eid) for eid in (s.EID, SECOND)]  # type: ignore[arg-type]
        views = [book.of(connection, card) for card in cards if card is not None]  # type: ignore[arg-type]
        return views[0].spi, views[1].spi, views[1].segment

    assert await store.read(look) == ("1201", "1201", 99)
    assert await store.read(lambda c: type_store.cards_of(c, key)) == 2


async def test_policy_and_address(store: AnyStore) -> None:
    rules = (s.rule("DELETE", "Not-Allowed"),)
    await apply(store, s.EID, SetPolicy(s.NEW, rules), SetAddress(s.NEW, "", "4711"))
    found = await store.read(lambda c: eis_store.profile(c, s.EID, s.NEW))
    assert found is not None
    assert (found.pol2, found.msisdn) == (rules, "4711")
    assert await store.read(lambda c: eis_store.profile_of_iccid(c, s.ICCID)) == found
    assert await store.read(lambda c: eis_store.profile_of_aid(c, s.NEW, s.DP)) == found
    assert await store.read(lambda c: eis_store.profile_of_aid(c, s.NEW, "nobody")) is None


async def test_an_iccid_comes_to_one_card_only(store: AnyStore) -> None:
    """Two creations that both saw it free: the second is decided again."""
    with pytest.raises(Conflict):
        await apply(store, SECOND, AddISDP(s.isdp()))
    await apply(store, s.EID, RemoveISDP(s.NEW))
    await apply(store, SECOND, AddISDP(s.isdp()))
    assert await store.read(lambda c: eis_store.eid_of_iccid(c, s.ICCID)) == SECOND
