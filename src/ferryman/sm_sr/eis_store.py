"""Reading and changing EIS rows; every function runs inside a transaction of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ferryman.contracts.eis import KeysetInfo, PolicyRule, Property, SecurityDomain
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.platform.procedure_rows import Conflict
from ferryman.sm_sr import contacts
from ferryman.sm_sr.records import (
    DISABLED,
    EUICC,
    IN_CREATION,
    ISDP,
    AddISDP,
    Audited,
    CardMemory,
    Change,
    CompleteISDP,
    Contacted,
    Counted,
    HoldKeyset,
    RemoveISDP,
    SetAddress,
    SetAllocatedMemory,
    SetFallback,
    SetPolicy,
    SetState,
    TakeMemory,
    UseKeyset,
)
from ferryman.sm_sr.schema import euicc, isdp

FIRST_SCP81_VERSION = 0x40  # 40 to 4F; SCP80 has 01 to 0F (SGP.02 2.2.2)

_RULES = msgspec.json.Decoder(tuple[PolicyRule, ...])
_PROPERTIES = msgspec.json.Decoder(tuple[Property, ...])
_DOMAIN = msgspec.json.Decoder(SecurityDomain)
_DIFFERS = msgspec.json.Decoder(dict[str, Any])

# Fields that are columns of the same name, and those that are JSON.
_PLAIN = tuple(
    f
    for f in EUICC.__struct_fields__
    if f not in ("profiles", "isdr", "properties", "differs", "signed_info", "signature")
)
_ISDP_PLAIN = tuple(f for f in ISDP.__struct_fields__ if f != "pol2")

_BY_EID = Prepared(
    lambda _: select(
        *(euicc.c[name] for name in _PLAIN),
        *(euicc.c[name] for name in ("signed_info", "signature", "isdr", "properties", "differs")),
    ).where(euicc.c.eid == bindparam("eid"))
)
_ISDPS = Prepared(
    lambda _: (
        select(*(isdp.c[name] for name in _ISDP_PLAIN), isdp.c.pol2)
        .where(isdp.c.eid == bindparam("eid"))
        .order_by(isdp.c.aid)
    )
)
_BY_MSISDN = select(isdp.c.eid).where(isdp.c.msisdn == bindparam("msisdn"), isdp.c.state != IN_CREATION).distinct()
_BY_ICCID = Prepared(lambda _: select(isdp.c.eid).where(isdp.c.iccid == bindparam("iccid")))
_BY_AID_AND_SMDP = Prepared(
    lambda _: select(func.min(isdp.c.eid)).where(
        isdp.c.aid == bindparam("aid"), isdp.c.smdp_id == bindparam("smdp_id")
    )
)
_BOOLEANS = ("http_support", "cattp_support")


def load(connection: Connection, eid: str) -> EUICC | None:
    """One card with its ISD-Ps, or None."""
    key = {"eid": eid}
    row = _BY_EID.row(connection, key)
    if row is None:
        return None
    values: dict[str, Any] = dict(zip(_PLAIN, row, strict=False))
    for name in _BOOLEANS:
        values[name] = bool(values[name])  # SQLite has no truth values
    signed_info, signature, domain, properties, differs = row[len(_PLAIN) :]
    return EUICC(
        **values,
        signed_info=bytes(signed_info),
        signature=bytes(signature),
        isdr=_DOMAIN.decode(domain) if domain else None,
        properties=_PROPERTIES.decode(properties) if properties != "[]" else (),
        differs=_DIFFERS.decode(differs) if differs != "{}" else {},
        profiles=tuple(_profile(found) for found in _ISDPS.rows(connection, key)),
    )


def _profile(row: Sequence[Any]) -> ISDP:
    values: dict[str, Any] = dict(zip(_ISDP_PLAIN, row, strict=False))
    values["aid"] = bytes(values["aid"])
    values["fallback"] = bool(values["fallback"])
    pol2 = row[len(_ISDP_PLAIN)]
    return ISDP(**values, pol2=_RULES.decode(pol2) if pol2 != b"[]" else ())


def profile_of_aid(connection: Connection, aid: bytes, smdp_id: str) -> ISDP | None:
    """An ISD-P with this AID that the SM-DP has on some card; AIDs are unique on a card only."""
    row = _BY_AID_AND_SMDP.row(connection, {"aid": aid, "smdp_id": smdp_id})
    return None if row is None or row[0] is None else profile(connection, str(row[0]), aid)


def exists(connection: Connection, eid: str) -> bool:
    """Whether the card is registered here."""
    return connection.execute(select(euicc.c.eid).where(euicc.c.eid == eid)).first() is not None


def register(connection: Connection, card: EUICC, now: float) -> None:
    """Store a new card (ES1.RegisterEIS)."""
    values: dict[str, Any] = {name: getattr(card, name) for name in _PLAIN}
    values |= {"signed_info": card.signed_info, "signature": card.signature, "created": now}
    values["isdr"] = "" if card.isdr is None else msgspec.json.encode(card.isdr).decode()
    values["properties"] = msgspec.json.encode(card.properties).decode()
    values["differs"] = msgspec.json.encode(card.differs).decode()
    connection.execute(insert(euicc).values(**values))
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
    row = _BY_ICCID.row(connection, {"iccid": iccid})
    return None if row is None else str(row[0])


def profiles(connection: Connection, eid: str) -> tuple[ISDP, ...]:
    """Every ISD-P of a card."""
    return tuple(map(_profile, _ISDPS.rows(connection, {"eid": eid})))


def profile(connection: Connection, eid: str, aid: bytes) -> ISDP | None:
    """One ISD-P of a card."""
    return next((found for found in profiles(connection, eid) if found.aid == aid), None)


def profile_of_iccid(connection: Connection, iccid: str) -> ISDP | None:
    """The ISD-P with this ICCID, on whatever card."""
    eid = eid_of_iccid(connection, iccid)
    rows = [] if eid is None else _ISDPS.rows(connection, {"eid": eid})
    return next((found for found in map(_profile, rows) if found.iccid == iccid), None)


def apply(tx: Tx, eid: str, change: Change) -> None:
    """Write one change of a procedure."""
    connection = tx.connection
    match change:
        case AddISDP(profile):
            # Somebody else's transaction may have put the ICCID on a card since this one looked: look again.
            if eid_of_iccid(connection, profile.iccid) is not None:
                raise Conflict(f"ICCID {profile.iccid} came to a card meanwhile")
            _insert(connection, eid, profile)
        case SetState(aid, state):
            connection.execute(update(isdp).where(isdp.c.eid == eid, isdp.c.aid == aid).values(state=state))
        case SetFallback(aid, fallback):
            one = update(isdp).where(isdp.c.eid == eid, isdp.c.aid == aid)
            connection.execute(one.values(fallback=fallback))
        case SetAllocatedMemory(aid, size):
            one = update(isdp).where(isdp.c.eid == eid, isdp.c.aid == aid)
            connection.execute(one.values(allocated_memory=size))
        case UseKeyset(version):
            _use_keyset(connection, eid, version)
        case HoldKeyset(version):
            _hold_keyset(connection, eid, version)
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
                values["remaining_memory"] = values["card_free_nvm"] = remaining
            connection.execute(update(euicc).where(euicc.c.eid == eid).values(**values))
        case Contacted(imei):
            connection.execute(update(euicc).where(euicc.c.eid == eid).values(imei=imei))
        case SetPolicy(aid, pol2):
            _of_isdp(connection, eid, aid, pol2=msgspec.json.encode(pol2))
        case SetAddress(aid, imsi, msisdn):
            given = {name: text for name, text in (("imsi", imsi), ("msisdn", msisdn)) if text}
            _of_isdp(connection, eid, aid, **given)
        case CardMemory(nvm, ram):
            told = {
                name: size for name, size in (("card_free_nvm", nvm), ("card_free_ram", ram)) if size is not None
            }
            if told:
                connection.execute(update(euicc).where(euicc.c.eid == eid).values(**told))
        case Counted():
            contacts.count(connection, eid, change, tx.now)
        case _:
            assert_never(change)


def _use_keyset(connection: Connection, eid: str, version: int) -> None:
    scp81 = version >= FIRST_SCP81_VERSION
    column = euicc.c.scp81_version if scp81 else euicc.c.scp80_version
    former, told = connection.execute(select(column, euicc.c.isdr).where(euicc.c.eid == eid)).one()
    values: dict[str, Any] = {column.name: version}
    domain = _DOMAIN.decode(told) if told else None
    if domain is not None and domain.keysets:
        keysets = _with_keyset(domain.keysets, version, former if scp81 else 0)
        values["isdr"] = msgspec.json.encode(replace(domain, keysets=keysets)).decode()
    connection.execute(update(euicc).where(euicc.c.eid == eid).values(**values))


def _hold_keyset(connection: Connection, eid: str, version: int) -> None:
    columns = (euicc.c.isdr, euicc.c.scp80_version, euicc.c.scp81_version)
    told, *used = connection.execute(select(*columns).where(euicc.c.eid == eid)).one()
    domain = _DOMAIN.decode(told) if told else None
    if domain is None:
        return  # a card without a list is known by the versions in use alone
    keysets = domain.keysets
    for one in (*used, version):
        if one and all(keyset.version != one for keyset in keysets):
            keysets = _with_keyset(keysets, one, 0)
    text = msgspec.json.encode(replace(domain, keysets=keysets)).decode()
    connection.execute(update(euicc).where(euicc.c.eid == eid).values(isdr=text))


def _with_keyset(keysets: tuple[KeysetInfo, ...], version: int, replaced: int) -> tuple[KeysetInfo, ...]:
    """The key sets of an ISD-R with this one: SCP81 has it in place of the former, SCP80 beside it (2.2)."""
    kind = "SCP81" if version >= FIRST_SCP81_VERSION else "SCP80"
    kept = tuple(keyset for keyset in keysets if keyset.version not in (version, replaced))
    return (*kept, KeysetInfo(version=version, type=kind))


def _of_isdp(connection: Connection, eid: str, aid: bytes, **values: object) -> None:
    connection.execute(update(isdp).where(isdp.c.eid == eid, isdp.c.aid == aid).values(**values))


def _insert(connection: Connection, eid: str, profile: ISDP) -> None:
    values = {field: getattr(profile, field) for field in profile.__struct_fields__ if field != "pol2"}
    connection.execute(insert(isdp).values(eid=eid, pol2=msgspec.json.encode(profile.pol2), **values))


def _memory(connection: Connection, eid: str, change: int) -> None:
    if change:
        statement = update(euicc).where(euicc.c.eid == eid)
        connection.execute(statement.values(remaining_memory=euicc.c.remaining_memory + change))


def set_properties(connection: Connection, eid: str, properties: tuple[Property, ...]) -> None:
    """Replace the AdditionalProperties of a card."""
    text = msgspec.json.encode(properties).decode()
    connection.execute(update(euicc).where(euicc.c.eid == eid).values(properties=text))
