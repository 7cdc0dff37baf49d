"""Finding cards among millions: by EID, ICCID, ISD-P AID, MSISDN, IMEI or tag, page after page by EID."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from ferryman.errors import InputError
from ferryman.platform.mailbox import Tx
from ferryman.sm_sr.records import IN_CREATION
from ferryman.sm_sr.schema import euicc, isdp, tag

KEYS = ("eid", "iccid", "isdp_aid", "msisdn", "imsi", "imei", "tag", "owner")
MAX_PAGE = 1000  # cards in one page: an answer stays below some megabytes
MAX_TAG = 60  # characters, as the column
MAX_TAGS = 100  # of one card
IMEI_DIGITS = 15


def find(connection: Connection, key: str, value: str, *, after: str = "", limit: int = MAX_PAGE) -> list[str]:
    """EIDs in order, those behind `after`; `key` is one of KEYS. Raises InputError.

    ISD-P AIDs are the same on many cards; IMEI as its 15 digits, or in hexadecimal as the device
    told it.
    """
    limit = max(1, min(limit, MAX_PAGE))
    match key:
        case "eid":
            statement = select(euicc.c.eid).where(euicc.c.eid == value)
        case "iccid":
            statement = select(isdp.c.eid).where(isdp.c.iccid == value, isdp.c.state != IN_CREATION)
        case "isdp_aid":
            statement = select(isdp.c.eid).where(isdp.c.aid == _aid(value), isdp.c.state != IN_CREATION)
        case "msisdn" | "imsi" | "owner":
            statement = select(isdp.c.eid).where(isdp.c[key] == value, isdp.c.state != IN_CREATION).distinct()
        case "imei":
            statement = select(euicc.c.eid).where(euicc.c.imei.in_(imei_forms(value)))
        case "tag":
            statement = select(tag.c.eid).where(tag.c.name == value)
        case _:
            raise InputError("by", f"must be one of {', '.join(KEYS)}")
    if not value:
        raise InputError(key, "must not be empty")
    column = statement.selected_columns[0]
    found = connection.execute(statement.where(column > after).order_by(column).limit(limit))
    return list(found.scalars())


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
