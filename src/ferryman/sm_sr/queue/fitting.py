"""Which eUICCs a campaign means: one page of them, in the order of their EIDs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, distinct, func, literal_column, select

from ferryman.contracts.queue import CampaignStart
from ferryman.platform.prepared import Prepared
from ferryman.sm_sr.euicc_type import TypeKey
from ferryman.sm_sr.queue.functions import ON_PROFILES
from ferryman.sm_sr.records import IN_CREATION
from ferryman.sm_sr.schema import euicc, isdp, tag

_c = euicc.c
_DIFFERS = msgspec.json.Decoder(dict[str, Any])

COLUMNS = (_c.eum_id, _c.platform_type, _c.platform_version, _c.scp81_version, _c.differs)

# Every card in turn, whatever is asked: a page costs the same when one card in a million fits.
_CARDS = Prepared(
    lambda _: (
        select(_c.eid, *COLUMNS)
        .where(_c.eid > bindparam("after"))
        .order_by(_c.eid)
        .limit(bindparam("size"))
        .offset(literal_column("0"))
    )
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What decides how a card is reached."""

    type: TypeKey
    https_possible: bool
    differs: dict[str, Any]


def kind_of(eum_id: str, platform_type: str, platform_version: str, scp81_version: int, differs: str) -> Kind:
    """The kind of a card of which `COLUMNS` were read."""
    told = _DIFFERS.decode(differs) if differs != "{}" else {}
    return Kind(TypeKey(eum_id, platform_type, platform_version), scp81_version != 0, told)


@dataclass(frozen=True, slots=True)
class Fitting:
    """One card that is meant; `iccid` empty: the function is on no profile."""

    eid: str
    iccid: str
    pulled: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What one page found; `place` is the last EID that was looked at, empty behind the last card."""

    found: tuple[Fitting, ...]
    looked: int
    skipped: int
    place: str


type IsPulledKind = Callable[[Connection, Kind], bool]


def page(connection: Connection, asked: CampaignStart, after: str, size: int, is_pulled: IsPulledKind) -> Page:
    """The next `size` cards behind `after`, and which of them fit."""
    rows = _CARDS.rows(connection, {"after": after, "size": size})
    kinds: dict[str, Kind] = {}
    for eid, *columns in rows:
        if _wanted(asked, *columns[:3]):
            kinds[eid] = kind_of(*columns)
    if asked.tag_name:
        tagged = _among(connection, select(tag.c.eid).where(tag.c.name == asked.tag_name, tag.c.eid.in_(kinds)))
        kinds = {eid: kind for eid, kind in kinds.items() if eid in tagged}
    iccids = _profiles(connection, asked, list(kinds))
    found = tuple(
        Fitting(eid, iccids[eid], is_pulled(connection, kind)) for eid, kind in kinds.items() if eid in iccids
    )
    place = str(rows[-1][0]) if len(rows) == size else ""
    return Page(found, len(rows), len(kinds) - len(found), place)


def count(connection: Connection, asked: CampaignStart) -> int:
    """How many cards `page` would find in all: counted where they are stored."""
    filters: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (_c.eum_id, asked.eum_id),
            (_c.platform_type, asked.platform_type),
            (_c.platform_version, asked.platform_version),
        )
        if value
    ]
    if asked.tag_name:
        filters.append(_c.eid.in_(select(tag.c.eid).where(tag.c.name == asked.tag_name)))
    on_profiles = asked.item.function in ON_PROFILES
    if not (on_profiles or asked.own_only):
        return int(connection.execute(select(func.count()).select_from(euicc).where(*filters)).scalar_one())
    filters += _mine(asked)
    cards = select(func.count(distinct(isdp.c.eid))).select_from(isdp.join(euicc, _c.eid == isdp.c.eid))
    return int(connection.execute(cards.where(*filters)).scalar_one())


def _mine(asked: CampaignStart) -> list[ColumnElement[bool]]:
    """Which profiles make a card one that is meant."""
    found: list[ColumnElement[bool]] = [isdp.c.owner == asked.owner, isdp.c.state != IN_CREATION]
    if asked.item.function in ON_PROFILES:
        if asked.item.iccid:
            found.append(isdp.c.iccid == asked.item.iccid)
        else:
            found.append(isdp.c.profile_type == asked.profile_type)
    return found


def _wanted(asked: CampaignStart, eum_id: str, platform_type: str, platform_version: str) -> bool:
    pairs = (
        (asked.eum_id, eum_id),
        (asked.platform_type, platform_type),
        (asked.platform_version, platform_version),
    )
    return all(not wanted or wanted == found for wanted, found in pairs)


def _among(connection: Connection, statement: Any) -> set[str]:
    return set(connection.execute(statement).scalars())


def _profiles(connection: Connection, asked: CampaignStart, eids: list[str]) -> dict[str, str]:
    """By EID the ICCID that is meant; a card without such a profile of the owner is not in it."""
    on_profiles = asked.item.function in ON_PROFILES
    if not on_profiles and not asked.own_only:
        return dict.fromkeys(eids, "")
    chosen = select(isdp.c.eid, isdp.c.iccid).where(isdp.c.eid.in_(eids), *_mine(asked))
    # When a card has more than one, always the same one is meant.
    rows = connection.execute(chosen.order_by(isdp.c.iccid.desc()))
    return {row.eid: row.iccid if on_profiles else "" for row in rows}
