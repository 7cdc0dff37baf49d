"""Kept card keys: at every look-up what is stored then, on every store, and no more of them than allowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection

from backends import AnyStore, Backend
from ferryman.crypto_server import schema
from ferryman.crypto_server.card_key_cache import CardKeyCache
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.secure.card_key import CardKey

REF, OTHER = "euicc/89/01/1", "euicc/89/01/2"
KEY, NEW = bytes(range(16)), bytes(range(16, 32))
BLOCK = bytes(16)


def vault(key: bytes = bytes(32)) -> Vault:
    nonces = iter(range(1, 10_000))
    return Vault(key, lambda count: next(nonces).to_bytes(count))


@pytest.fixture
async def store(backend: Backend) -> AnyStore:
    await backend.create(schema.METADATA)
    return backend.open()


def put(kept_in: Vault, ref: str, key: bytes) -> Callable[[Connection], None]:
    return lambda connection: kept_in.put(connection, [(ref, key)], 0.0)


async def test_a_key_is_kept_while_what_is_stored_is_the_same(store: AnyStore) -> None:
    v = vault()
    cache = CardKeyCache(v)
    assert await store.read(lambda c: cache.get(c, REF)) is None
    await store.write(put(v, REF, KEY))
    first = await store.read(lambda c: cache.get(c, REF))
    assert first is not None
    assert first.encrypt(BLOCK) == CardKey(KEY).encrypt(BLOCK)
    assert await store.read(lambda c: cache.get(c, REF)) is first
    assert len(cache) == 1
    assert repr(cache) == "CardKeyCache(1 keys)"


async def test_a_replaced_key_is_the_new_one_at_once(store: AnyStore) -> None:
    v = vault()
    cache, elsewhere = CardKeyCache(v), CardKeyCache(v)
    await store.write(put(v, REF, KEY))
    for one in (cache, elsewhere):
        await store.read(lambda c, one=one: one.get(c, REF))
    await store.write(put(v, REF, NEW))  # by whomever: neither of them is told
    for one in (cache, elsewhere):
        found = await store.read(lambda c, one=one: one.get(c, REF))
        assert found is not None
        assert found.checksum(b"x") == CardKey(NEW).checksum(b"x")
        assert len(one) == 1


async def test_a_replacement_that_is_rolled_back_never_was(store: AnyStore) -> None:
    v = vault()
    cache = CardKeyCache(v)
    await store.write(put(v, REF, KEY))

    def unit(connection: Connection) -> None:
        v.put(connection, [(REF, NEW)], 0.0)
        inside = cache.get(connection, REF)
        assert inside is not None
        assert inside.checksum(b"x") == CardKey(NEW).checksum(b"x")
        raise Refused("8.1", "4.8", "no")

    with pytest.raises(Refused):
        await store.write(unit)
    found = await store.read(lambda c: cache.get(c, REF))
    assert found is not None
    assert found.checksum(b"x") == CardKey(KEY).checksum(b"x")


async def test_a_destroyed_key_is_gone_and_dropped(store: AnyStore) -> None:
    v = vault()
    cache = CardKeyCache(v)
    await store.write(put(v, REF, KEY))
    await store.read(lambda c: cache.get(c, REF))
    await store.write(lambda c: v.remove(c, "euicc/89"))
    assert await store.read(lambda c: cache.get(c, REF)) is None
    assert len(cache) == 0


async def test_the_longest_unused_key_makes_room(store: AnyStore) -> None:
    v = vault()
    cache = CardKeyCache(v, size=2)
    refs = [f"euicc/89/0{number}/1" for number in range(3)]
    for ref in refs:
        await store.write(put(v, ref, KEY))

    async def get(number: int) -> CardKey | None:
        return await store.read(lambda c: cache.get(c, refs[number]))

    first, second = await get(0), await get(1)
    assert await get(0) is first
    await get(2)
    assert len(cache) == 2
    assert await get(0) is first
    assert await get(1) is not second


async def test_a_value_of_another_vault_or_reference_does_not_open(store: AnyStore) -> None:
    v = vault()
    await store.write(put(v, REF, KEY))
    with pytest.raises(InputError):
        await store.read(lambda c: CardKeyCache(vault(bytes(31) + b"\x01")).get(c, REF))

    def copy(connection: Connection) -> None:
        sealed = v.sealed(connection, REF)
        connection.execute(schema.secret.insert().values(ref=OTHER, sealed=sealed, created=0.0))

    await store.write(copy)
    cache = CardKeyCache(v)
    await store.read(lambda c: cache.get(c, REF))
    with pytest.raises(InputError):
        await store.read(lambda c: cache.get(c, OTHER))
