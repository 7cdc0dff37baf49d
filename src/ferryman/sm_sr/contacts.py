"""When a card spoke last, by what, and what passed between us: one small row for each card."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, case, literal_column, select

from ferryman.platform.prepared import Prepared
from ferryman.sm_sr.records import Counted
from ferryman.sm_sr.schema import contact

COUNTS = (
    *("sms_out", "sms_in", "https_out", "https_in"),
    *("answered", "rejected", "unreachable", "unknown"),
)
YES, NO = "yes", "no"
NOTHING: ColumnElement[str] = literal_column("''")  # a prepared statement takes no values of its own


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `last` in seconds since 1970; `reachable` is what the last attempt or the card itself showed."""

    last: float | None = None
    transport: str = ""
    reachable: str = ""
    sms_out: int = 0
    sms_in: int = 0
    https_out: int = 0
    https_in: int = 0
    answered: int = 0
    rejected: int = 0
    unreachable: int = 0
    unknown: int = 0


def _count(dialect: Any) -> Any:
    names = ("eid", "last", "transport", "reachable", *COUNTS)
    statement = dialect.insert(contact).values({name: bindparam(name) for name in names})
    given = statement.excluded
    changed: dict[str, Any] = {name: contact.c[name] + given[name] for name in COUNTS}
    changed["last"] = case((given.last.is_not(None), given.last), else_=contact.c.last)
    for name in ("transport", "reachable"):
        changed[name] = case((given[name] != NOTHING, given[name]), else_=contact.c[name])
    return statement.on_conflict_do_update(index_elements=["eid"], set_=changed)


_COUNT = Prepared(_count)
_FIELDS = Contact.__struct_fields__
_LOAD = Prepared(lambda _: select(*(contact.c[name] for name in _FIELDS)).where(contact.c.eid == bindparam("eid")))


def count(connection: Connection, eid: str, counted: Counted, now: float) -> None:
    """Add one step's counts."""
    values: dict[str, Any] = dict.fromkeys(COUNTS, 0) | dict(counted.counts)
    spoke = bool(counted.transport)
    reachable = {None: "", True: YES, False: NO}[counted.reachable]
    values |= {"eid": eid, "last": now if spoke else None, "transport": counted.transport, "reachable": reachable}
    _COUNT.count(connection, values)


def load(connection: Connection, eid: str) -> Contact:
    """The row of a card; all empty before the first contact."""
    row = _LOAD.row(connection, {"eid": eid})
    return Contact() if row is None else Contact(**dict(zip(_FIELDS, row, strict=True)))
