"""`ferryman restore` on a whole installation: numbers of tokens, events and batches; references; codes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.pool import StaticPool

from cli_run import ferryman, one_sentence
from ferryman.cli.wiring import VAULT_KEY
from ferryman.codec import ids
from ferryman.contracts import crypto
from ferryman.contracts.events import EventKind, Happened
from ferryman.contracts.message import Header, decode, encode
from ferryman.contracts.roles import CRYPTO_SERVER, REST_API, SM_DP, TRANSPORT_SMS
from ferryman.crypto_server import restore as tokens
from ferryman.crypto_server import schema as crypto_schema
from ferryman.crypto_server.token_keys import LAST_NUMBER, TokenKey, token_ref
from ferryman.crypto_server.vault import Vault, open_key_file
from ferryman.errors import InputError
from ferryman.platform import restore as platform
from ferryman.platform.clock import system_entropy
from ferryman.platform.migrate import upgrade
from ferryman.platform.store import SQLiteStore
from ferryman.rest_api import totp
from ferryman.rest_api.schema import event as table
from ferryman.transport_sms.outgoing import REFERENCES
from rest_world import TENANT, RestWorld, rest_world

EID = "89001012012341234012345678901224"
HOUR = 3600.0
AID, UNSURE = ids.isdp_aid(0x11), ids.isdp_aid(0x12)
SECRET = bytes(20)
NEXT = ("INSERT INTO order_batch (owner, name, source, request, state, reason, in_flight, rows, waiting, running,"
        " done, failed, refused, cancelled, last_eid, created, updated)"
        " VALUES ('o', ?, '', '', 'done', '', 1, 0, 0, 0, 0, 0, 0, 0, '', 0, 0)")  # fmt: skip


def in_world(data: Path, do: Callable[[RestWorld], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        async with rest_world(data) as world:
            return await do(world)

    return asyncio.run(run())


def rows(path: Path, statement: str, *values: object) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def header(name: str) -> Header:
    return Header(message_id=name, sender=SM_DP, requester=TENANT, function_call_id=name, deadline=2e10, eid=EID)


async def event(world: RestWorld, name: str) -> int:
    """The number that a new event gets."""
    happened = Happened(kind=EventKind.ORDER_STEP, owner=TENANT, eid=EID, iccid="", at=0.0, subject="1", word=name)
    await world.rest.services.events.enter(header(name), happened)
    return int(await world.rest.services.events.last(TENANT))


async def token(world: RestWorld, aid: bytes) -> int:
    """The number that a new token gets."""
    asked = encode(header("t"), crypto.IssueDeleteToken(eid=EID, isdp_aid=aid))
    raw = await world.installation.bus.call(CRYPTO_SERVER, SM_DP, asked)
    _, answer = decode(raw, crypto.ANSWER_CODEC)
    assert isinstance(answer, crypto.DeleteTokenIssued), answer
    return int.from_bytes(answer.token_id)


def keys(data: Path, **issued: int) -> None:
    """Token keys of two ISD-Ps: one on the card, one of which nobody knows yet whether it is."""
    vault = Vault(open_key_file(data / VAULT_KEY, system_entropy), system_entropy)

    async def run() -> None:
        store = SQLiteStore(str(data / "crypto-server.db"), threaded=False)
        for aid, loaded in ((AID, True), (UNSURE, False)):
            number = issued.get("loaded" if loaded else "unsure", 0)
            value = msgspec.msgpack.encode(TokenKey(bytes(16), b"1", b"2", b"3", number, loaded))
            await store.write(partial(vault.put, entries=[(token_ref(EID, aid), value)], now=0.0))
        await store.close()

    asyncio.run(run())


def stored(data: Path) -> dict[bytes, TokenKey]:
    vault = Vault(open_key_file(data / VAULT_KEY, system_entropy), system_entropy)
    found = {}
    for aid in (AID, UNSURE):
        ((sealed,),) = rows(
            data / "crypto-server.db", "SELECT sealed FROM secret WHERE ref = ?", token_ref(EID, aid)
        )
        found[aid] = msgspec.msgpack.decode(vault.open(token_ref(EID, aid), sealed), type=TokenKey)
    return found


def test_no_number_of_the_lost_time_is_given_out_again(tmp_path: Path) -> None:
    async def before(world: RestWorld) -> int:
        return await event(world, "a")

    first = in_world(tmp_path, before)
    keys(tmp_path, loaded=3)
    rows(tmp_path / "sm-dp.db", NEXT, "one")
    ((audited,),) = rows(tmp_path / "crypto-server.db", "SELECT coalesce(max(seq), 0) FROM audit")
    said = ferryman("restore", "--lost", "1h", "--data", tmp_path, "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json == {"lost": HOUR, "cards": 0, "procedures": 0, "token_keys": 2}

    async def after(world: RestWorld) -> tuple[int, int]:
        return await event(world, "b"), await token(world, AID)

    numbers = platform.numbers_of(HOUR)
    assert numbers > HOUR * 1_000
    assert in_world(tmp_path, after) == (first + numbers + 1, 3 + tokens.tokens_of(HOUR) + 1)
    assert stored(tmp_path)[UNSURE].issued == tokens.tokens_of(HOUR), "it may have got to the card meanwhile"
    assert not stored(tmp_path)[UNSURE].loaded
    rows(tmp_path / "sm-dp.db", NEXT, "two")
    assert rows(tmp_path / "sm-dp.db", "SELECT number FROM order_batch") == [(1,), (numbers + 2,)]
    ((import_after,),) = rows(
        tmp_path / "crypto-server.db", "SELECT seq FROM sqlite_sequence WHERE name = 'subscription_import'"
    )
    assert import_after == numbers, "also where the copy had none"
    trail = rows(tmp_path / "crypto-server.db", "SELECT seq FROM audit WHERE action = 'restore'")
    assert trail == [(audited + numbers,)]
    ((issued,),) = rows(tmp_path / "crypto-server.db", "SELECT seq FROM audit WHERE action = 'IssueDeleteToken'")
    assert issued == audited + numbers + 1


def test_an_event_number_is_not_given_out_again_when_all_events_have_passed_away(tmp_path: Path) -> None:
    async def one(world: RestWorld) -> int:
        return await event(world, "a")

    first = in_world(tmp_path, one)
    rows(tmp_path / "rest-api.db", "DELETE FROM event")

    async def another(world: RestWorld) -> int:
        return await event(world, "b")

    assert in_world(tmp_path, another) > first


def test_every_role_tells_of_the_restoration(tmp_path: Path) -> None:
    async def nothing(_: RestWorld) -> None:
        pass

    in_world(tmp_path, nothing)
    assert ferryman("restore", "--lost", "2m", "--data", tmp_path).code == 0
    for path in sorted(tmp_path.glob("*.db")):
        told = rows(path, "SELECT actor, detail FROM audit WHERE action = 'restore'")
        assert told == [("operator", "2m lost")], path.name


def test_without_the_vault_key_nothing_is_said_to_be_done(tmp_path: Path) -> None:
    async def nothing(_: RestWorld) -> None:
        pass

    in_world(tmp_path, nothing)
    keys(tmp_path)
    (tmp_path / VAULT_KEY).unlink()
    said = ferryman("restore", "--lost", "1h", "--data", tmp_path)
    assert said.code == 1
    one_sentence(said)
    assert VAULT_KEY in said.err
    assert not (tmp_path / VAULT_KEY).exists(), "a new one would open nothing"


def test_token_numbers_without_room_are_named_and_stay() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    crypto_schema.METADATA.create_all(engine)
    vault = Vault(bytes(32), system_entropy)
    with engine.begin() as connection:
        for aid, issued in ((AID, 1), (UNSURE, LAST_NUMBER - 1)):
            value = msgspec.msgpack.encode(TokenKey(bytes(16), b"", b"", b"", issued))
            vault.put(connection, [(token_ref(EID, aid), value)], 0.0)
        before = connection.execute(select(crypto_schema.secret)).all()
        with pytest.raises(InputError, match=token_ref(EID, UNSURE)):
            tokens.advance_tokens(connection, vault, 1.0, HOUR)
        assert connection.execute(select(crypto_schema.secret)).all() == before
    engine.dispose()


def test_token_keys_are_moved_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PAGE", 2)
    engine = create_engine("sqlite://", poolclass=StaticPool)
    crypto_schema.METADATA.create_all(engine)
    vault = Vault(bytes(32), system_entropy)
    refs = [token_ref(EID, ids.isdp_aid(0x10 + n)) for n in range(5)]
    with engine.begin() as connection:
        value = msgspec.msgpack.encode(TokenKey(bytes(16), b"", b"", b""))
        vault.put(connection, [(ref, value) for ref in refs], 0.0)
        other = [(f"isdp/{EID}/A0", b"a key set"), ("openpgp/token", b"another thing")]
        vault.put(connection, other, 0.0)
        counts: list[int] = []
        after = ""
        while not counts or after:
            count, after = tokens.advance_tokens(connection, vault, 1.0, HOUR, after=after)
            counts.append(count)
        assert counts == [2, 2, 1]
        moved = [msgspec.msgpack.decode(vault.get(connection, ref) or b"", type=TokenKey).issued for ref in refs]
        assert moved == [tokens.tokens_of(HOUR)] * 5, "each one once"
        assert [vault.get(connection, ref) for ref, _ in other] == [kept for _, kept in other]
    engine.dispose()


def test_no_one_time_code_of_the_lost_time_is_good(tmp_path: Path) -> None:
    """Neither that of this moment nor the next one, which is taken ahead of its time."""

    async def nobody(_: RestWorld) -> None:
        pass

    in_world(tmp_path, nobody)
    path = tmp_path / "rest-api.db"
    rows(
        path,
        "INSERT INTO account (id, name, role, tenant, password, must_change, totp, totp_on, totp_step, failed,"
        " locked_until, disabled, maker, created, last_login) VALUES ('1', 'n', 'admin', '', '', 0, '', 1, 5, 0,"
        " 0, 0, '', 0, 0)",
    )
    now = time.time()
    assert ferryman("restore", "--lost", "1h", "--data", tmp_path).code == 0
    ((last,),) = rows(path, "SELECT totp_step FROM account")
    for drift in range(-totp.DRIFT, totp.DRIFT + 1):
        code = totp.code_of(SECRET, int(now // totp.PERIOD) + drift)
        assert totp.step_of(SECRET, code, now, last=last) is None
    later = now + 3 * totp.PERIOD
    assert totp.step_of(SECRET, totp.code_of(SECRET, int(later // totp.PERIOD)), later, last=last) is not None


def test_concatenation_references_go_to_the_far_side(tmp_path: Path) -> None:
    async def prepared() -> None:
        store = SQLiteStore(str(tmp_path / f"{TRANSPORT_SMS}.db"), threaded=False)
        await upgrade(store, TRANSPORT_SMS)
        await store.close()

    asyncio.run(prepared())
    path = tmp_path / f"{TRANSPORT_SMS}.db"
    rows(path, "INSERT INTO reference VALUES ('1', 3), ('2', 200)")
    assert ferryman("restore", "--lost", "1h", "--data", tmp_path).code == 0
    assert rows(path, "SELECT last FROM reference ORDER BY destination") == [(131,), ((200 + 128) % REFERENCES,)]


async def test_an_older_database_keeps_its_events_and_goes_on_behind_them(tmp_path: Path) -> None:
    """Revision 0004 numbered behind the newest event that was there."""
    store = SQLiteStore(str(tmp_path / "r.db"), threaded=False)
    await upgrade(store, REST_API)

    def older(connection: Any) -> None:
        connection.execute(text("DROP INDEX audit_alarms"))  # of revision 0006
        connection.execute(text("DROP TABLE kept_answer"))  # of revision 0008
        connection.execute(text("ALTER TABLE event RENAME TO newer"))
        columns = "id, tenant, eid, type, body, received"
        declared = "id VARCHAR(40) NOT NULL UNIQUE, tenant, eid, type, body, received"
        connection.execute(text(f"CREATE TABLE event (seq INTEGER PRIMARY KEY, {declared})"))
        connection.execute(text("DROP TABLE newer"))
        connection.execute(text(f"INSERT INTO event (seq, {columns}) VALUES (7, 'i', 't', 'e', 'x', X'00', 1.5)"))
        connection.execute(
            text(
                "INSERT INTO delivery (webhook, event, eid, state, attempts, next_try, http_status, note, changed)"
                " VALUES ('w', 9, '', 'delivered', 1, 0, 200, '', 0)"
            )
        )
        connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))

    await store.write(older)
    assert await upgrade(store, REST_API)
    kept = await store.read(lambda c: c.execute(text("SELECT * FROM event")).all())
    assert [tuple(row) for row in kept] == [(7, "i", "t", "e", "x", b"\0", 1.5)]
    columns = {"id": "j", "tenant": "t", "eid": "e", "type": "x", "body": b"", "received": 2.0}
    await store.write(lambda c: c.execute(insert(table).values(columns)))
    numbers = await store.read(lambda c: c.execute(select(table.c.seq).order_by(table.c.seq)).scalars().all())
    await store.close()
    assert list(numbers) == [7, 10]
