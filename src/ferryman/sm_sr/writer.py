"""Writes what a dispatch of procedures brings about: EIS rows, audit trail, and the word to every owner.

All of it is one transaction with the state of the procedures. That a profile was disabled is held until the
procedure that did it has ended, because POL2 or the call itself may have it deleted; then the owner hears once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection, bindparam, delete, select

from ferryman.contracts import events
from ferryman.contracts.message import Header
from ferryman.contracts.roles import SM_DP, SM_SR, SOAP_GATEWAY
from ferryman.platform.dispatch import Committed
from ferryman.platform.engine import Record
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.platform.procedure_rows import DONE
from ferryman.sm_sr import announcing, carried, eis_store, handover_store, plma_store, trail
from ferryman.sm_sr.link_book import LinkBook
from ferryman.sm_sr.owners import Change, Happened, Interface, Notice, notices
from ferryman.sm_sr.procedures.delivery import EntryDelivered
from ferryman.sm_sr.queue import store as queue_store
from ferryman.sm_sr.records import (
    DISABLED,
    ISDP,
    CompleteISDP,
    HandOver,
    Prepare,
    RemoveISDP,
    SetFallback,
    SetPolicy,
    SetState,
    TakeOver,
)
from ferryman.sm_sr.schema import held_notice
from ferryman.sm_sr.scripts import store as script_store
from ferryman.sm_sr.settings import SRSettings
from ferryman.workflow.decision import Decision

NOTICE_SECONDS = 30 * 86_400.0  # how long a notification is worth delivering: as the longest validity period

_PROFILE = msgspec.json.Decoder(ISDP)
_HOLD = Prepared(
    lambda dialect: (
        dialect.insert(held_notice)
        .values({name: bindparam(name) for name in ("eid", "aid", "profile")})
        .on_conflict_do_nothing(index_elements=["eid", "aid"])
    )
)
_HELD = Prepared(
    lambda _: select(held_notice.c.aid, held_notice.c.profile).where(held_notice.c.eid == bindparam("eid"))
)


@dataclass(slots=True)
class _Collected:
    """Changes of one EID in one dispatch, and on whose behalf."""

    record: Record
    changes: list[Change] = field(default_factory=list)
    moves: list[events.Happened] = field(default_factory=list)


class EISWriter:
    """What the engine of the SM-SR calls in each of its transactions."""

    def __init__(
        self, *, settings: SRSettings, smdps: frozenset[str], links: LinkBook, deleted: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._own_smdps = smdps
        self._links = links
        self._deleted = deleted  # told after the commit

    def apply_all(self, tx: Tx, committed: Committed) -> None:
        """Changes of the EIS, records of the trail, notifications of owners."""
        collected: dict[str, _Collected] = {}
        for record, change in committed.changes:
            self._apply(tx, record, change, collected)
        for record in committed.records:
            if record.exclusive and record.status == DONE:
                self._release(tx, record, collected)
        for eid, found in collected.items():
            rules = plma_store.rules(tx.connection, {change.before.owner for change in found.changes})
            told = notices(found.changes, found.record.requester, self._links.of(tx.connection), rules)
            for notice in told:
                self._tell(tx, eid, found.record, notice)
            if self._settings.announces:
                happened = (*announcing.of_changes(found.changes, eid, tx.now), *found.moves)
                announcing.tell(tx, found.record, self._settings.smsr_id, happened)
        if self._settings.announces:
            for record in committed.records:
                announcing.tell(tx, record, self._settings.smsr_id, announcing.of_end(record, tx.now))
        self._purge(tx, committed.records)
        for record, audit in committed.audits:
            trail.note(tx, eid=record.eid, smsr_id=self._settings.smsr_id, requester=record.requester, audit=audit)

    def _purge(self, tx: Tx, records: tuple[Record, ...]) -> None:
        if self._settings.keep_delivered:
            return
        for record in records:
            if record.kind.name == carried.KIND and record.status == DONE and carried.purge(tx, record):
                tx.then(self._deleted)

    def _apply(self, tx: Tx, record: Record, change: object, collected: dict[str, _Collected]) -> None:
        if isinstance(change, EntryDelivered):
            queue_store.delivered(tx.connection, change.entry, tx.now)
            return
        if isinstance(change, Decision):
            script_store.record(tx.connection, record.eid, change, tx.now)
            return
        if isinstance(change, Prepare | TakeOver | HandOver):
            if not isinstance(change, Prepare):
                self._moved(tx, record, change, collected)
            handover_store.apply(tx, record.eid, change)
            return
        before = None
        if isinstance(change, SetState | RemoveISDP | SetFallback | SetPolicy | CompleteISDP):
            before = eis_store.profile(tx.connection, record.eid, change.aid)
        eis_store.apply(tx, record.eid, change)  # type: ignore[arg-type]
        if before is None:
            return
        special = _special(before, change)
        if special is not None:
            told = before if special is not Happened.DOWNLOADED else _now(tx.connection, record.eid, before)
            collected.setdefault(record.eid, _Collected(record)).changes.append(Change(told, None, special))
        if isinstance(change, SetFallback | SetPolicy | CompleteISDP):
            return
        after = change.state if isinstance(change, SetState) else None
        if after == DISABLED and record.exclusive and record.status != DONE:
            _HOLD.count(tx.connection, _row(record.eid, before))
            return
        held = _take(tx.connection, record.eid, before.aid)
        found = collected.setdefault(record.eid, _Collected(record))
        found.changes.append(Change(held or before, after))

    def _moved(
        self, tx: Tx, record: Record, change: TakeOver | HandOver, collected: dict[str, _Collected]
    ) -> None:
        """The eUICC comes, or goes: all who own a profile on it are told."""
        if isinstance(change, HandOver):
            smsr_id, profiles = change.smsr_id, eis_store.profiles(tx.connection, record.eid)
        else:
            smsr_id, profiles = self._settings.smsr_id, change.card.profiles
        found = collected.setdefault(record.eid, _Collected(record))
        owners = (profile.owner for profile in profiles)
        found.moves += announcing.of_smsr_change(owners, record.eid, smsr_id, tx.now)

    def _release(self, tx: Tx, record: Record, collected: dict[str, _Collected]) -> None:
        """The procedure has ended: what it disabled and nobody deleted is told of now."""
        for aid, raw in _HELD.rows(tx.connection, {"eid": record.eid}):
            _take(tx.connection, record.eid, bytes(aid))
            now = eis_store.profile(tx.connection, record.eid, bytes(aid))
            found = collected.setdefault(record.eid, _Collected(record))
            found.changes.append(Change(_PROFILE.decode(raw), None if now is None else now.state))

    def _tell(self, tx: Tx, eid: str, record: Record, notice: Notice) -> None:
        tx.audit(
            actor=SM_SR,
            action=notice.happened.notification,
            eid=eid,
            object=notice.iccid,
            outcome="sent" if notice.interface is not Interface.NONE else "alarm",
            detail=f"{notice.interface} to {notice.party} for {notice.owner}",
        )
        if notice.interface is Interface.NONE:
            return
        own = notice.interface is Interface.ES3 and notice.party in self._own_smdps
        listener = "" if notice.party == notice.owner or notice.interface is Interface.ES3 else f"/{notice.party}"
        header = Header(
            message_id=f"{SM_SR}/{record.id}/{record.version}/{notice.happened}/{notice.iccid}{listener}",
            sender=SM_SR,
            requester=self._settings.smsr_id,
            function_call_id=record.id,
            deadline=tx.now + NOTICE_SECONDS,
            eid=eid,
            causation_id=record.caller.message_id if record.caller else record.id,
            recipient=notice.party,
        )
        tx.send(SM_DP if own else SOAP_GATEWAY, header, notice.message(eid, tx.now))


def _special(before: ISDP, change: object) -> Happened | None:
    """What is told of to those who speak the functions of v4."""
    match change:
        case CompleteISDP():
            return Happened.DOWNLOADED
        case SetFallback(_, fallback) if fallback != before.fallback:
            return Happened.FALLBACK_SET if fallback else Happened.FALLBACK_UNSET
        case SetPolicy():
            return Happened.POL2_UPDATED
        case _:
            return None


def _now(connection: Connection, eid: str, before: ISDP) -> ISDP:
    """The profile with the type that it has got."""
    return eis_store.profile(connection, eid, before.aid) or before


def _row(eid: str, profile: ISDP) -> dict[str, object]:
    return {"eid": eid, "aid": profile.aid, "profile": msgspec.json.encode(profile)}


def _take(connection: Connection, eid: str, aid: bytes) -> ISDP | None:
    """The profile as it was before it was disabled, if that is still to be told of."""
    table = held_notice
    one = (table.c.eid == eid) & (table.c.aid == aid)
    row = connection.execute(select(table.c.profile).where(one)).first()
    if row is None:
        return None
    connection.execute(delete(table).where(one))
    return _PROFILE.decode(row.profile)
