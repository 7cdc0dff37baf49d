"""eUICC types in the repository, and what holds for a card (`euicc_type.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from ferryman.platform.mailbox import Tx
from ferryman.sm_sr.euicc_type import Effective, TypeKey, effective
from ferryman.sm_sr.records import EUICC
from ferryman.sm_sr.schema import euicc, euicc_type
from ferryman.sm_sr.settings import SRSettings

_SAYS = msgspec.json.Decoder(dict[str, Any])


def types(connection: Connection) -> dict[TypeKey, dict[str, Any]]:
    """Every type with what it says, by maker, platform and version."""
    table = euicc_type
    order = (table.c.eum_id, table.c.platform_type, table.c.platform_version)
    rows = connection.execute(select(*order, table.c.says).order_by(*order))
    return {TypeKey(*row[:3]): _SAYS.decode(row[3]) for row in rows}


def cards_of(connection: Connection, key: TypeKey) -> int:
    """How many registered cards inherit from a type."""
    statement = select(func.count()).select_from(euicc).where(euicc.c.eum_id == key.eum_id)
    if key.platform_type:
        statement = statement.where(euicc.c.platform_type == key.platform_type)
    if key.platform_version:
        statement = statement.where(euicc.c.platform_version == key.platform_version)
    return int(connection.execute(statement).scalar_one())


def set_type(tx: Tx, key: TypeKey, says: Mapping[str, Any]) -> None:
    """Replace what a type says; a type that says nothing is forgotten. The caller has checked `says`."""
    table = euicc_type
    one = (
        (table.c.eum_id == key.eum_id)
        & (table.c.platform_type == key.platform_type)
        & (table.c.platform_version == key.platform_version)
    )
    tx.connection.execute(delete(table).where(one))
    if says:
        tx.connection.execute(
            table.insert().values(
                eum_id=key.eum_id,
                platform_type=key.platform_type,
                platform_version=key.platform_version,
                says=msgspec.json.encode(dict(says)).decode(),
                updated=tx.now,
            )
        )


def set_difference(tx: Tx, eid: str, differs: Mapping[str, Any]) -> bool:
    """Replace what one card says otherwise than its type; False when there is no such card."""
    text = msgspec.json.encode(dict(differs)).decode()
    return tx.connection.execute(update(euicc).where(euicc.c.eid == eid).values(differs=text)).rowcount == 1


class TypeBook:
    """What holds for each card, worked out once for every kind of card."""

    def __init__(self, settings: SRSettings) -> None:
        self._settings = settings
        self._types: dict[TypeKey, dict[str, Any]] | None = None
        self._views: dict[tuple[TypeKey, bool], Effective] = {}

    def changed(self) -> None:
        """A type was changed: everything is read again."""
        self._types = None
        self._views.clear()

    def of(self, connection: Connection, card: EUICC) -> Effective:
        """What holds for a card."""
        kind = TypeKey(card.eum_id, card.platform_type, card.platform_version)
        return self.of_kind(connection, kind, card.differs, https_possible=card.https_possible)

    def of_kind(
        self, connection: Connection, kind: TypeKey, differs: Mapping[str, Any], *, https_possible: bool
    ) -> Effective:
        """What holds for a card of this kind that differs so."""
        if differs:
            return self._work_out(connection, kind, differs, https_possible=https_possible)
        key = (kind, https_possible)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self._work_out(connection, kind, {}, https_possible=https_possible)
        return view

    def layers(self, connection: Connection, kind: TypeKey) -> list[dict[str, Any]]:
        """What the types of a kind of card say, the widest first."""
        if self._types is None:
            self._types = types(connection)
        known = self._types
        return [known[one] for one in kind.widening() if one in known]

    def _work_out(
        self, connection: Connection, kind: TypeKey, differs: Mapping[str, Any], *, https_possible: bool
    ) -> Effective:
        return effective(self._settings, [*self.layers(connection, kind), differs], https_possible=https_possible)
