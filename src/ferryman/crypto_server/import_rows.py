"""Tables of imported subscriptions: the import with its state, the sealed secrets by ICCID."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, exists, insert, select, update

from ferryman.contracts import codes
from ferryman.contracts.imports import FINISHED, RUNNING
from ferryman.crypto_server.schema import subscription_import, subscription_secret
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.platform.prepared import Prepared
from ferryman.profile.subscriptions import pack, unpack

DROPPING = "dropping"
DROP_AT_ONCE = 20_000  # rows deleted in one transaction: some tenths of a second
IMSI = "imsi"  # packed in front of the secrets: whoever asks for them must know it
_SECRET_COLUMNS = ("iccid", "batch", "sealed")

_INSERT = Prepared(
    lambda _: insert(subscription_secret).values({name: bindparam(name) for name in _SECRET_COLUMNS})
)
_ANY_BETWEEN = Prepared(
    lambda _: select(exists().where(subscription_secret.c.iccid.between(bindparam("low"), bindparam("high"))))
)
_ONE = Prepared(
    lambda _: select(subscription_secret.c.batch, subscription_secret.c.sealed).where(
        subscription_secret.c.iccid == bindparam("iccid")
    )
)


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One import."""

    number: int
    import_id: str
    owner: str
    algorithm: str
    names: tuple[str, ...]
    recipe: bytes
    state: str
    chunks: int
    rows: int

    def bound(self, iccid: str) -> bytes:
        """What a sealed row is bound to."""
        return f"subscription/{iccid}\0{self.number}\0{self.owner}\0{','.join(self.names)}".encode()


def find(connection: Connection, import_id: str) -> ImportRecord | None:
    """The import of this name."""
    row = connection.execute(
        select(subscription_import).where(subscription_import.c.import_id == import_id)
    ).first()
    return None if row is None else _record(row)


def by_number(connection: Connection, number: int) -> ImportRecord:
    """The import of a row."""
    return _record(
        connection.execute(select(subscription_import).where(subscription_import.c.number == number)).one()
    )


def _record(row: object) -> ImportRecord:
    found = row._mapping  # type: ignore[attr-defined]  # a Row of SQLAlchemy
    return ImportRecord(
        number=found["number"],
        import_id=found["import_id"],
        owner=found["owner"],
        algorithm=found["algorithm"],
        names=tuple(json.loads(found["names"])),
        recipe=bytes(found["recipe"]),
        state=found["state"],
        chunks=found["chunks"],
        rows=found["rows"],
    )


def require_running(connection: Connection, owner: str, import_id: str) -> ImportRecord:
    """The import, which must be the owner's and not closed."""
    record = find(connection, import_id)
    if record is None or record.owner != owner:
        raise Refused(*codes.PROVIDER_ERROR, "no such import; begin it again", identifier=import_id)
    if record.state != RUNNING:
        raise Refused(*codes.PROVIDER_ERROR, f"the import is {record.state}", identifier=import_id)
    return record


def create(
    connection: Connection,
    *,
    import_id: str,
    owner: str,
    algorithm: str,
    names: Sequence[str],
    recipe: bytes,
    now: float,
) -> None:
    """Enter an import."""
    connection.execute(
        insert(subscription_import).values(
            import_id=import_id,
            owner=owner,
            algorithm=algorithm,
            names=json.dumps(list(names)),
            recipe=recipe,
            state=RUNNING,
            chunks=0,
            rows=0,
            created=now,
        )
    )


def advance(connection: Connection, record: ImportRecord, rows: int) -> None:
    """One run more is stored."""
    table = subscription_import
    connection.execute(
        update(table)
        .where(table.c.number == record.number)
        .values(chunks=record.chunks + 1, rows=table.c.rows + rows)
    )


def finish(connection: Connection, record: ImportRecord) -> None:
    """The import is whole; how its file was read is of no more use."""
    table = subscription_import
    connection.execute(update(table).where(table.c.number == record.number).values(state=FINISHED, recipe=b""))


def drop(connection: Connection, record: ImportRecord) -> int:
    """Delete some rows of an import, at last itself; 0 when nothing of it is left."""
    table, secrets = subscription_import, subscription_secret
    connection.execute(update(table).where(table.c.number == record.number).values(state=DROPPING))
    some = select(secrets.c.iccid).where(secrets.c.batch == record.number).limit(DROP_AT_ONCE)
    deleted = connection.execute(delete(secrets).where(secrets.c.iccid.in_(some))).rowcount
    if deleted == DROP_AT_ONCE:
        return max(1, record.rows - deleted)
    connection.execute(delete(table).where(table.c.number == record.number))
    return 0


def store(
    connection: Connection,
    vault: Vault,
    record: ImportRecord,
    public: Sequence[tuple[str, str, str]],
    secrets: Sequence[bytes],
) -> None:
    """Seal and insert rows that are not there yet."""
    # The length of an IMSI as one byte in front: `pack` of one value.
    values = [
        chr(len(imsi)).encode() + imsi.encode() + packed
        for (_, imsi, _), packed in zip(public, secrets, strict=True)
    ]
    head, tail = record.bound("\n").split(b"\n")
    bound = [head + iccid.encode() + tail for iccid, _, _ in public]
    sealed = vault.seal_many(bound, values)
    number = record.number
    rows = [(iccid, number, each) for (iccid, _, _), each in zip(public, sealed, strict=True)]
    _INSERT.batch(connection, _SECRET_COLUMNS, rows)


def any_between(connection: Connection, low: str, high: str) -> bool:
    """Whether there may be a clash at all: usual files are of numbers that nothing lies between."""
    row = _ANY_BETWEEN.row(connection, {"low": low, "high": high})
    return row is not None and bool(row[0])


def stored(connection: Connection, iccid: str) -> tuple[int, bytes] | None:
    """Batch and sealed value of an ICCID."""
    row = _ONE.row(connection, {"iccid": iccid})
    return None if row is None else (int(row[0]), bytes(row[1]))


def open_row(vault: Vault, record: ImportRecord, iccid: str, imsi: str, sealed: bytes) -> dict[str, bytes]:
    """Secret values by name; InputError when the ICCID was imported with another IMSI."""
    values = unpack((IMSI, *record.names), vault.open_one(record.bound(iccid), sealed))
    if values.pop(IMSI) != imsi.encode():
        raise InputError("IMSI", "is not the one that the ICCID was imported with")
    return values


def same(vault: Vault, record: ImportRecord, iccid: str, imsi: str, sealed: bytes, new: dict[str, bytes]) -> bool:
    """Whether a stored row has these very values, as far as both have them."""
    try:
        old = open_row(vault, record, iccid, imsi, sealed)
    except InputError:
        return False
    names = sorted(old.keys() & new.keys())
    return pack([old[name] for name in names]) == pack([new[name] for name in names])


def destroy(connection: Connection, iccid: str) -> int:
    """Destroy the secrets of one subscription."""
    return connection.execute(delete(subscription_secret).where(subscription_secret.c.iccid == iccid)).rowcount
