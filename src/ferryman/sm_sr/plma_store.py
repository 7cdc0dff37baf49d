"""Rows of PLMA and ONC; every function runs inside a transaction of the caller (SGP.02 v4 3.20, 3.21)."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, insert, select

from ferryman.contracts.v4 import NOTIFICATIONS, ONC, OPERATIONS, PLMA
from ferryman.sm_sr.plma import Rules, check
from ferryman.sm_sr.schema import onc as onc_table
from ferryman.sm_sr.schema import plma as plma_table

_PLMA = msgspec.json.Decoder(PLMA)
_ONC = msgspec.json.Decoder(ONC)


def put_plma(connection: Connection, one: PLMA) -> bool:
    """Replace an authorisation; False when it was the same before. Raises PeerError."""
    check(one.profile_type, one.operations, OPERATIONS)
    check(one.profile_type, one.notifications, NOTIFICATIONS)
    [before] = plmas(connection, owner=one.owner, m2m_sp=one.m2m_sp, profile_type=one.profile_type) or [None]
    if before == one or (before is None and not one.operations and not one.notifications):
        return False
    table = plma_table
    key = (table.c.owner == one.owner, table.c.m2m_sp == one.m2m_sp, table.c.profile_type == one.profile_type)
    connection.execute(delete(table).where(*key))
    if one.operations or one.notifications:
        values = {"owner": one.owner, "m2m_sp": one.m2m_sp, "profile_type": one.profile_type}
        connection.execute(insert(table).values(**values, record=msgspec.json.encode(one)))
    return True


def plmas(
    connection: Connection, *, owner: str = "", m2m_sp: str = "", profile_type: str = ""
) -> tuple[PLMA, ...]:
    """Authorisations; what is empty does not limit."""
    table = plma_table
    limits = ((table.c.owner, owner), (table.c.m2m_sp, m2m_sp), (table.c.profile_type, profile_type))
    where = [column == value for column, value in limits if value]
    ordered = select(table.c.record).where(*where).order_by(table.c.owner, table.c.m2m_sp, table.c.profile_type)
    return tuple(_PLMA.decode(bytes(raw)) for raw in connection.execute(ordered).scalars())


def put_onc(connection: Connection, one: ONC) -> None:
    """Replace a configuration; raises PeerError."""
    check(one.profile_type, one.discarded, NOTIFICATIONS)
    table = onc_table
    connection.execute(delete(table).where(table.c.owner == one.owner, table.c.profile_type == one.profile_type))
    if one.discarded:
        values = {"owner": one.owner, "profile_type": one.profile_type}
        connection.execute(insert(table).values(**values, record=msgspec.json.encode(one)))


def oncs(connection: Connection, owner: str, profile_type: str = "") -> tuple[ONC, ...]:
    """Configurations of an owner."""
    table = onc_table
    where = [table.c.owner == owner, *([table.c.profile_type == profile_type] if profile_type else [])]
    ordered = select(table.c.record).where(*where).order_by(table.c.profile_type)
    return tuple(_ONC.decode(bytes(raw)) for raw in connection.execute(ordered).scalars())


def rules(connection: Connection, owners: Collection[str]) -> Rules:
    """Everything that these owners have said."""
    return Rules(
        tuple(one for owner in sorted(owners) for one in plmas(connection, owner=owner)),
        tuple(one for owner in sorted(owners) for one in oncs(connection, owner)),
    )
