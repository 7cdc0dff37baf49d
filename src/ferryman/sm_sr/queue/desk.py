"""What people and systems ask of the queues: add, list, show, move, hold, release, cancel, and campaigns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from ferryman.contracts import codes
from ferryman.contracts.message import Body, Header, encode_body
from ferryman.contracts.queue import (
    CampaignPage,
    EntryState,
    EntryView,
    QueueAdd,
    QueueCampaign,
    QueueChange,
    QueueItem,
    QueueList,
    QueuePage,
    QueueShow,
)
from ferryman.errors import InputError, Refused
from ferryman.platform.clock import Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr import eis_store
from ferryman.sm_sr.queue import store
from ferryman.sm_sr.queue.functions import ON_PROFILES, RAW, check, request
from ferryman.sm_sr.queue.runner import QueueRunner
from ferryman.sm_sr.schema import euicc, isdp

MAX_PAGE = 1000
MAX_NAME = 100  # characters of a campaign or key
NANO = 1_000_000_000  # arrivals are ordered by time in ns

NOT_FOUND = (*codes.FORMAT_INVALID, "no such entry in the queue of this eUICC")


class QueueDesk:
    """Queues of one SM-SR."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        runner: QueueRunner,
        entropy: Entropy,
        raw_requesters: tuple[str, ...],
    ) -> None:
        self._mailbox = mailbox
        self._runner = runner
        self._entropy = entropy
        self._raw_requesters = raw_requesters
        self._last = 0

    async def answer(self, header: Header, body: Body) -> Body:
        """One question; raises Refused or InputError, and then nothing is changed."""
        del header
        match body:
            case QueueAdd():
                return await self._add(body)
            case QueueCampaign():
                return await self._campaign(body)
            case QueueList():
                limit = max(1, min(body.limit, MAX_PAGE))
                found = await self._mailbox.store.read(
                    lambda c: store.views(c, body.eid, body.owner, open_only=body.open_only, limit=limit)
                )
                return QueuePage(entries=found)
            case QueueShow():
                return await self._show(body.eid, body.entry, body.owner)
            case QueueChange():
                return await self._change(body)
            case _:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function on queues")

    async def _show(self, eid: str, entry: str, owner: str) -> EntryView:
        found = await self._mailbox.store.read(lambda c: store.view(c, eid, entry, owner))
        if found is None:
            raise Refused(*NOT_FOUND, identifier=entry)
        return found

    # -- adding -------------------------------------------------------------------------------------------------

    async def _add(self, body: QueueAdd) -> EntryView:
        check(body.item)
        if len(body.key) > MAX_NAME:
            raise InputError("key", f"has more than {MAX_NAME} characters")

        def unit(tx: Tx) -> str:
            if not eis_store.exists(tx.connection, body.eid):
                raise Refused(*codes.EID_UNKNOWN, "no eUICC with this EID", identifier=body.eid)
            row = self._row(tx, body.eid, body.owner, body.item, body.item.iccid)
            row["key"] = body.key or None
            if not store.add(tx.connection, [row]):
                return store.by_key(tx.connection, body.eid, body.key) or ""
            self._audit(tx, body.owner, body.eid, body.item, str(row["id"]))
            return str(row["id"])

        entry = await self._mailbox.transact(unit)
        self._runner.wake(body.eid)
        return await self._show(body.eid, entry, body.owner)

    def _row(self, tx: Tx, eid: str, owner: str, item: QueueItem, iccid: str) -> dict[str, Any]:
        asked = request(item, eid, iccid, self._raw_requesters, owner)
        self._last = max(self._last + 1, int(tx.now * NANO))
        return {
            "id": self._entropy(10).hex(),
            "seq": self._last,
            "eid": eid,
            "owner": owner,
            "function": item.function,
            "iccid": iccid,
            "request": encode_body(asked),
            "priority": item.priority,
            "not_before": item.not_before,
            "expires": max(tx.now, item.not_before) + item.validity,
            "state": (EntryState.HELD if item.hold else EntryState.QUEUED).value,
            "reason": "",
            "result": "",
            "pulled": self._runner.is_pulled(tx.connection, eid),
            "key": None,
            "campaign": None,
            "created": tx.now,
            "updated": tx.now,
        }

    def _audit(self, tx: Tx, owner: str, eid: str, item: QueueItem, entry: str) -> None:
        detail = item.reason if item.function == RAW else ""
        tx.audit(
            actor=owner, action=f"queue {item.function}", eid=eid, object=entry, outcome="added", detail=detail
        )

    async def _campaign(self, body: QueueCampaign) -> CampaignPage:
        check(body.item, iccid_needed=False)
        if not 0 < len(body.campaign) <= MAX_NAME:
            raise InputError("campaign", f"must be 1 to {MAX_NAME} characters")
        if body.item.function in ON_PROFILES and not (body.item.iccid or body.profile_type):
            raise InputError("profile_type", f"is needed for {body.item.function} of many eUICCs")
        limit = max(1, min(body.limit, MAX_PAGE))

        def unit(tx: Tx) -> CampaignPage:
            found = _fitting(tx.connection, body, limit)
            rows = []
            for eid, iccid in found:
                if iccid or body.item.function not in ON_PROFILES:
                    row = self._row(tx, eid, body.owner, body.item, iccid)
                    row["campaign"] = body.campaign
                    rows.append(row)
            added = store.add(tx.connection, rows)
            return CampaignPage(
                added=added,
                known=len(rows) - added,
                skipped=len(found) - len(rows),
                after=found[-1][0] if len(found) == limit else "",
            )

        return await self._mailbox.transact(unit)

    # -- changing -----------------------------------------------------------------------------------------------

    async def _change(self, body: QueueChange) -> EntryView:
        before = await self._show(body.eid, body.entry, body.owner)

        def unit(tx: Tx) -> None:
            values = _values(body, before)
            values["updated"] = tx.now
            if not store.change(tx.connection, body.entry, body.eid, values):
                sentence = f"the entry is {before.state} and cannot be changed any more"
                raise Refused(*codes.BUSY, sentence, identifier=body.entry)
            tx.audit(
                actor=body.owner,
                action=f"queue {before.function}",
                eid=body.eid,
                object=body.entry,
                outcome=body.action,
                detail="",
            )

        await self._mailbox.transact(unit)
        self._runner.wake(body.eid)
        return await self._show(body.eid, body.entry, body.owner)


def _values(body: QueueChange, before: EntryView) -> dict[str, Any]:
    match body.action:
        case "move":
            return {"priority": body.priority}
        case "hold":
            return {"state": EntryState.HELD}
        case "release":
            return {"state": EntryState.QUEUED}
        case "cancel":
            return {"state": EntryState.CANCELLED, "reason": "cancelled by its owner"}
        case _:
            raise InputError("action", f"must be move, hold, release or cancel (the entry is {before.state})")


def _fitting(connection: Connection, body: QueueCampaign, limit: int) -> list[tuple[str, str]]:
    """EIDs of one page, each with the ICCID that is meant (empty: none on this card)."""
    statement = select(euicc.c.eid).where(euicc.c.eid > body.after).order_by(euicc.c.eid).limit(limit)
    filters = (
        (euicc.c.eum_id, body.eum_id),
        (euicc.c.platform_type, body.platform_type),
        (euicc.c.platform_version, body.platform_version),
    )
    for column, value in filters:
        if value:
            statement = statement.where(column == value)
    eids = list(connection.execute(statement).scalars())
    if body.item.function not in ON_PROFILES:
        return [(eid, "") for eid in eids]
    chosen = select(isdp.c.eid, isdp.c.iccid).where(isdp.c.eid.in_(eids), isdp.c.owner == body.owner)
    if body.item.iccid:
        chosen = chosen.where(isdp.c.iccid == body.item.iccid)
    else:
        chosen = chosen.where(isdp.c.profile_type == body.profile_type)
    iccids = {row.eid: row.iccid for row in connection.execute(chosen)}
    return [(eid, iccids.get(eid, "")) for eid in eids]
