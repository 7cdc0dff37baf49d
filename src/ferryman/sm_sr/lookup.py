"""Finding cards among millions: by EID, ICCID, ISD-P AID, MSISDN, IMEI or tag, page after page by EID."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
)

from ferryman.errors import InputError
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.sm_sr.records import IN_CREATION
from ferryman.sm_sr.schema import euicc, isdp, tag

MAX_PAGE = 1000  # cards in one page: an answer stays below some megabytes
MAX_TAG = 60  # characters, as the column
MAX_TAGS = 100  # of one card
IMEI_DIGITS = 15


def _page(column: Column[str], *conditions: ColumnElement[bool]) -> Prepared:
    """EIDs behind `after` that meet the conditions, in order, at most `limit`."""
    # A prepared statement takes no values of its own: what is fixed is written into it.
    return Prepared(
        lambda _: (
            select(column)
            .where(*conditions, column > bindparam("after"))
            .distinct()
            .order_by(column)
            .limit(bindparam("limit"))
            .offset(literal_column("0"))
        )
    )


_VALUE: BindParameter[Any] = bindparam("value")
_VISIBLE = isdp.c.state != literal_column(f"'{IN_CREATION}'")
_FIND = {
    "eid": _page(euicc.c.eid, euicc.c.eid == _VALUE),
    "iccid": _page(isdp.c.eid, isdp.c.iccid == _VALUE, _VISIBLE),
    "isdp_aid": _page(isdp.c.eid, isdp.c.aid == _VALUE, _VISIBLE),
    "msisdn": _page(isdp.c.eid, isdp.c.msisdn == _VALUE, _VISIBLE),
    "imei": _page(euicc.c.eid, (euicc.c.imei == _VALUE) | (euicc.c.imei == bindparam("other"))),
    "tag": _page(tag.c.eid, tag.c.name == _VALUE),
    "owner": _page(isdp.c.eid, isdp.c.owner == _VALUE, _VISIBLE),
}
KEYS = tuple(_FIND)


def find(connection: Connection, key: str, value: str, *, after: str = "", limit: int = MAX_PAGE) -> list[str]:
    """EIDs in order, those behind `after`; `key` is one of KEYS. Raises InputError.

    ISD-P AIDs are the same on many cards; IMEI as its 15 digits, or in hexadecimal as the device
    told it.
    """
    statement = _FIND.get(key)
    if statement is None:
        raise InputError("by", f"must be one of {', '.join(KEYS)}")
    if not value:
        raise InputError(key, "must not be empty")
    values: dict[str, Any] = {"value": value, "after": after, "limit": max(1, min(limit, MAX_PAGE))}
    if key == "isdp_aid":
        values["value"] = _aid(value)
    elif key == "imei":
        forms = imei_forms(value)
        values |= {"value": forms[0], "other": forms[-1]}
    return [str(row[0]) for row in statement.rows(connection, values)]


def _aid(value: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise InputError("isdp_aid", "must be hexadecimal") from None


def imei_forms(value: str) -> tuple[str, ...]:
    """The value itself; for 15 digits also their form on the card (TS 24.008 10.5.1.4): digit 1, A, swapped."""
    text = value.upper()
    if not (text.isascii() and text.isdigit() and len(text) == IMEI_DIGITS):
        return (text,)
    pairs = "".join(text[i + 1] + text[i] for i in range(1, IMEI_DIGITS, 2))
    return (text, f"{text[0]}A{pairs}")


def tags_of(connection: Connection, eid: str) -> tuple[str, ...]:
    """Tags of a card, in order."""
    return tuple(connection.execute(select(tag.c.name).where(tag.c.eid == eid).order_by(tag.c.name)).scalars())


def set_tags(tx: Tx, eid: str, names: tuple[str, ...]) -> None:
    """Replace the tags of a card. Raises InputError."""
    if len(names) > MAX_TAGS:
        raise InputError("tags", f"more than {MAX_TAGS}")
    for name in names:
        if not name.strip() or len(name) > MAX_TAG or not name.isprintable():
            raise InputError("tags", f"{name!r} is empty, not printable or longer than {MAX_TAG} characters")
    tx.connection.execute(delete(tag).where(tag.c.eid == eid))
    if names:
        tx.connection.execute(insert(tag), [{"eid": eid, "name": name} for name in sorted(set(names))])
