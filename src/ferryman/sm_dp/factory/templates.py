"""Templates of profile types; every query takes the owner and runs in the caller's transaction."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from ferryman.contracts import codes
from ferryman.errors import Refused
from ferryman.platform.mailbox import Tx
from ferryman.sm_dp.schema import template

_TEMPLATE = select(template).where(template.c.owner == bindparam("owner"), template.c.name == bindparam("name"))


def put_template(tx: Tx, owner: str, name: str, fingerprint: str, compiled: bytes, size: int) -> bool:
    """Store a template; False when the same one is there already. Another one under the name is refused."""
    known = tx.connection.execute(_TEMPLATE, {"owner": owner, "name": name}).first()
    if known is not None:
        if known.fingerprint != fingerprint:
            sentence = f"profile type {name!r} exists with other contents; choose another name"
            raise Refused(*codes.PROFILE_TYPE_IN_USE, sentence, identifier=name)
        return False
    tx.connection.execute(
        insert(template).values(
            owner=owner, name=name, fingerprint=fingerprint, compiled=compiled, size=size, created=tx.now
        )
    )
    return True


def get_template(connection: Connection, owner: str, name: str) -> Row[tuple[object, ...]] | None:
    """Row of a template of this owner."""
    return connection.execute(_TEMPLATE, {"owner": owner, "name": name}).first()


def is_of_others(connection: Connection, owner: str, name: str) -> bool:
    """Whether a profile type of this name is somebody else's, and this owner has none."""
    owners = set(connection.execute(select(template.c.owner).where(template.c.name == name)).scalars())
    return bool(owners) and owner not in owners


def require_template(connection: Connection, owner: str, name: str) -> Row[tuple[object, ...]]:
    """Row of a template; raises Refused when there is none."""
    row = get_template(connection, owner, name)
    if row is None:
        sentence = f"there is no profile type {name}; import its template first"
        raise Refused(*codes.PROFILE_TYPE_UNKNOWN, sentence, identifier=name)
    return row


def set_low_water(tx: Tx, owner: str, name: str, low_water: int) -> None:
    """Number of free subscriptions at which the stock of a profile type raises an alarm; 0 = never."""
    require_template(tx.connection, owner, name)
    tx.connection.execute(
        update(template).where(template.c.owner == owner, template.c.name == name).values(low_water=low_water)
    )


def fingerprint_of(der: bytes, algorithm: str) -> str:
    """What tells whether two imports are of the same template."""
    return hashlib.sha256(algorithm.encode() + b"\0" + der).hexdigest()
