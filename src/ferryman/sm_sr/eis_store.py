"""Reading and changing EIS rows; every function runs inside a transaction of the caller."""

from __future__ import annotations

from typing import assert_never

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ferryman.contracts.eis import PolicyRule
from ferryman.platform.mailbox import Tx
from ferryman.sm_sr.records import (
    DISABLED,
    EUICC,
    IN_CREATION,
    ISDP,
    AddISDP,
    Audited,
    Change,
    CompleteISDP,
    Contacted,
    RemoveISDP,
    SetAllocatedMemory,
    SetFallback,
    SetState,
    TakeMemory,
)
from ferryman.sm_sr.schema import euicc, isdp

_RULES = msgspec.json.Decoder(tuple[PolicyRule, ...])
_BY_EID = select(euicc).where(euicc.c.eid == bindparam("eid"))
_ISDPS = select(isdp).where(isdp.c.eid == bindparam("eid")).order_by(isdp.c.aid)
_BY_MSISDN = select(isdp.c.eid).where(isdp.c.msisdn == bindparam("msisdn"), isdp.c.state != IN_CREATION).distinct()
_BY_ICCID = select(isdp.c.eid).where(isdp.c.iccid == bindparam("iccid"))


def load(connection: Connection, eid: str) -> EUICC | None:
    """One card with its ISD-Ps, or None."""
    row = connection.execute(_BY_EID, {"eid": eid}).first()
    if row is None:
        return None
    profiles = tuple(
        ISDP(
            aid=bytes(p.aid),
            iccid=p.iccid,
            owner=p.owner,
            smdp_id=p.smdp_id,
            state=p.state,
            fallback=p.fallback,
            imsi=p.imsi,
            msisdn=p.msisdn,
            profile_type=p.profile_type,
            allocated_memory=p.allocated_memory,
            pol2=_RULES.decode(p.pol2),
        )
        for p in connection.execute(_ISDPS, {"eid": eid})
    )
    return EUICC(
        eid=row.eid,
        eum_id=row.eum_id,
        platform_type=row.platform_type,
        platform_version=row.platform_version,
        rpv=row.rpv,
        http_support=row.http_support,
        cattp_support=row.cattp_support,
        smsr_id=row.smsr_id,
        remaining_memory=row.remaining_memory,
        available_memory=row.available_memory,
        scp80_version=row.scp80_version,
        scp80_counter=row.scp80_counter,
        scp81_version=row.scp81_version,
        signed_info=bytes(row.signed_info),
        signature=bytes(row.signature),
        profiles=profiles,
    )


def exists(connection: Connection, eid: str) -> bool:
    """Whether the card is registered here."""
    return connection.execute(select(euicc.c.eid).where(euicc.c.eid == eid)).first() is not None


def register(connection: Connection, card: EUICC, now: float) -> None:
    """Store a new card (ES1.RegisterEIS)."""
    values = {field: getattr(card, field) for field in card.__struct_fields__ if field != "profiles"}
    connection.execute(insert(euicc).values(**values, imei="", last_audit=None, created=now))
    for profile in card.profiles:
        _insert(connection, card.eid, profile)


def eids(connection: Connection, *, after: str = "", limit: int = 1000) -> list[str]:
    """EIDs in order, one page."""
    statement = select(euicc.c.eid).where(euicc.c.eid > after).order_by(euicc.c.eid).limit(limit)
    return list(connection.execute(statement).scalars())


def eids_of_msisdn(connection: Connection, msisdn: str) -> list[str]:
    """Cards that have a profile with this subscription address."""
    return list(connection.execute(_BY_MSISDN, {"msisdn": msisdn}).scalars())


def eid_of_iccid(connection: Connection, iccid: str) -> str | None:
    """The card that has this ICCID."""
    return connection.execute(_BY_ICCID, {"iccid": iccid}).scalar()


def apply(tx: Tx, eid: str, change: Change) -> None:
    """Write one change of a procedure."""
    connection = tx.connection
    match change:
        case AddISDP(profile):
            _insert(connection, eid, profile)
        case SetState(aid, state):
            connection.execute(update(isdp).where(isdp.c.eid == eid, isdp.c.aid == aid).values(state=state))
        case SetFallback(aid, fallback):
            one = update(isdp).where(isdp.c.eid == eid, isdp.c.aid == aid)
            connection.execute(one.values(fallback=fallback))
        case SetAllocatedMemory(aid, size):
            one = update(isdp).where(isdp.c.eid == eid, isdp.c.aid == aid)
            connection.execute(one.values(allocated_memory=size))
        case RemoveISDP(aid, freed):
            connection.execute(delete(isdp).where(isdp.c.eid == eid, isdp.c.aid == aid))
            _memory(connection, eid, freed)
        case TakeMemory(size):
            _memory(connection, eid, -size)
        case CompleteISDP():
            connection.execute(
                update(isdp)
                .where(isdp.c.eid == eid, isdp.c.aid == change.aid)
                .values(
                    state=DISABLED,
                    profile_type=change.profile_type,
                    imsi=change.imsi,
                    msisdn=change.msisdn,
                    pol2=msgspec.json.encode(change.pol2),
                )
            )
        case Audited(remaining):
            values: dict[str, float | int] = {"last_audit": tx.now}
            if remaining is not None:
                values["remaining_memory"] = remaining
            connection.execute(update(euicc).where(euicc.c.eid == eid).values(**values))
        case Contacted(imei):
            connection.execute(update(euicc).where(euicc.c.eid == eid).values(imei=imei))
        case _:
            assert_never(change)


def _insert(connection: Connection, eid: str, profile: ISDP) -> None:
    values = {field: getattr(profile, field) for field in profile.__struct_fields__ if field != "pol2"}
    connection.execute(insert(isdp).values(eid=eid, pol2=msgspec.json.encode(profile.pol2), **values))


def _memory(connection: Connection, eid: str, change: int) -> None:
    if change:
        statement = update(euicc).where(euicc.c.eid == eid)
        connection.execute(statement.values(remaining_memory=euicc.c.remaining_memory + change))
