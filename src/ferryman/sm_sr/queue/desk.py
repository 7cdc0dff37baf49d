"""What people and systems ask of the queues: add, list, show, move, hold, release, cancel; campaigns beside it."""

from __future__ import annotations

from typing import Any

from ferryman.contracts import codes
from ferryman.contracts.message import Body, Header
from ferryman.contracts.queue import (
    CampaignChange,
    CampaignCount,
    CampaignEntries,
    CampaignList,
    CampaignShow,
    CampaignStart,
    EntryState,
    EntryView,
    QueueAdd,
    QueueChange,
    QueueList,
    QueuePage,
    QueueShow,
)
from ferryman.errors import InputError, Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr import eis_store
from ferryman.sm_sr.queue import store
from ferryman.sm_sr.queue.campaigns import Campaigns
from ferryman.sm_sr.queue.functions import MAX_PRIORITY, RAW, check
from ferryman.sm_sr.queue.rows import RowMaker, Wish
from ferryman.sm_sr.queue.runner import QueueRunner

MAX_PAGE = 1000
MAX_KEY = 100  # characters


class QueueDesk:
    """Queues of one SM-SR."""

    def __init__(self, *, mailbox: Mailbox, runner: QueueRunner, rows: RowMaker, campaigns: Campaigns) -> None:
        self._mailbox = mailbox
        self._runner = runner
        self._rows = rows
        self._campaigns = campaigns

    async def answer(self, header: Header, body: Body) -> Body:
        """One question; raises Refused or InputError, and then nothing is changed."""
        del header
        match body:
            case QueueAdd():
                return await self._add(body)
            case QueueList():
                limit = max(1, min(body.limit, MAX_PAGE))
                now = self._mailbox.clock.now()
                found = await self._mailbox.store.read(
                    lambda c: store.views(c, body.eid, body.owner, now, open_only=body.open_only, limit=limit)
                )
                return QueuePage(entries=found)
            case QueueShow():
                return await self._show(body.eid, body.entry, body.owner)
            case QueueChange():
                return await self._change(body)
            case CampaignStart() | CampaignCount() | CampaignChange() | CampaignShow():
                return await self._campaigns.answer(body)
            case CampaignList() | CampaignEntries():
                return await self._campaigns.answer(body)
            case _:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function on queues")

    def recheck(self, eid: str = "") -> None:
        """What is known of a card, or of many, has changed: they may be reached in another way."""
        self._runner.recheck(eid)

    async def _show(self, eid: str, entry: str, owner: str) -> EntryView:
        now = self._mailbox.clock.now()
        found = await self._mailbox.store.read(lambda c: store.view(c, eid, entry, owner, now))
        if found is None:
            raise Refused(*codes.FORMAT_INVALID, f"there is no entry {entry}", identifier=entry)
        return found

    async def _add(self, body: QueueAdd) -> EntryView:
        check(body.item)
        if len(body.key) > MAX_KEY:
            raise InputError("key", f"has more than {MAX_KEY} characters")

        def unit(tx: Tx) -> str:
            if not eis_store.exists(tx.connection, body.eid):
                raise Refused(*codes.EID_UNKNOWN, f"no eUICC with EID {body.eid}", identifier=body.eid)
            pulled = self._runner.is_pulled(tx.connection, body.eid)
            wish = Wish(body.owner, body.eid, body.item, body.item.iccid, pulled, key=body.key or None)
            row = self._rows.row(wish, tx.now)
            if not store.add(tx.connection, [row]):
                return store.by_key(tx.connection, body.eid, body.key) or ""
            self._audit(tx, body, str(row["id"]))
            return str(row["id"])

        entry = await self._mailbox.transact(unit)
        self._runner.wake(body.eid)
        return await self._show(body.eid, entry, body.owner)

    def _audit(self, tx: Tx, body: QueueAdd, entry: str) -> None:
        """With the call that added it, by which the trail of who asked can be searched."""
        item = body.item
        said = (item.reason if item.function == RAW else "", f"call {body.key}" if body.key else "")
        tx.audit(
            actor=body.owner,
            action=f"queue {item.function}",
            eid=body.eid,
            object=entry,
            outcome="added",
            detail="; ".join(filter(None, said)),
        )

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
        case "move" if abs(body.priority) <= MAX_PRIORITY:
            return {"priority": body.priority}
        case "move":
            raise InputError("priority", f"must be from -{MAX_PRIORITY} to {MAX_PRIORITY}")
        case "hold":
            return {"state": EntryState.HELD}
        case "release":
            return {"state": EntryState.QUEUED}
        case "cancel":
            return {"state": EntryState.CANCELLED, "reason": "cancelled by its owner"}
        case _:
            raise InputError("action", f"must be move, hold, release or cancel (the entry is {before.state})")
