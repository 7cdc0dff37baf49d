"""Campaigns: an entry for each of very many eUICCs, added page after page; paused, resumed, cancelled.

A page and the place where the next one begins are one commit, so that adding goes on behind a kill where it was. A
campaign that is paused or cancelled begins nothing from the commit on that says so: the claim of an entry looks
(`store.claim`). What a cancelled one has waiting is ended page after page behind it.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from sqlalchemy import Connection

from ferryman.contracts import codes
from ferryman.contracts.message import Body
from ferryman.contracts.queue import (
    CampaignChange,
    CampaignCount,
    CampaignEntries,
    CampaignFits,
    CampaignList,
    CampaignPage,
    CampaignShow,
    CampaignStart,
    CampaignState,
    CampaignView,
    EntryView,
    QueuePage,
)
from ferryman.contracts.status import from_refusal
from ferryman.errors import InputError, Refused, Unavailable
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr.queue import campaign_store, fitting, store
from ferryman.sm_sr.queue.functions import ON_PROFILES, RAW, check, request
from ferryman.sm_sr.queue.rows import RowMaker, Wish
from ferryman.sm_sr.queue.runner import QueueRunner

PAGE = 500  # cards in one commit: some ten milliseconds of the writer, which others wait for
RETRY = 5.0  # s until the next try when the database does not answer
MAX_LIST = 1000  # campaigns, or entries of one, in one answer
MAX_NAME = 100  # characters

BY_OWNER = {
    "pause": (CampaignState.PAUSED, "paused by its owner"),
    "resume": (CampaignState.RUNNING, ""),
    "cancel": (CampaignState.CANCELLED, "its campaign was cancelled"),
}

type Asked = CampaignStart | CampaignCount | CampaignChange | CampaignShow | CampaignList | CampaignEntries

log = structlog.get_logger("ferryman.sm_sr.campaigns")


class Campaigns:
    """The campaigns of one SM-SR, and the task that works on them."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        runner: QueueRunner,
        rows: RowMaker,
        raw_requesters: tuple[str, ...],
    ) -> None:
        self._mailbox = mailbox
        self._runner = runner
        self._rows = rows
        self._raw_requesters = raw_requesters
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Go on with what an earlier run has left."""
        self._task = asyncio.create_task(self._working(), name="campaigns")

    async def stop(self) -> None:
        """No more pages; the next start goes on behind the last one."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    # -- what is asked ------------------------------------------------------------------------------------------

    async def answer(self, body: Asked) -> Body:
        """One question; raises Refused or InputError, and then nothing is changed."""
        match body:
            case CampaignStart():
                return await self._begin(body)
            case CampaignCount(start=start):
                self._check(start)
                return CampaignFits(euiccs=await self._mailbox.store.read(lambda c: fitting.count(c, start)))
            case CampaignChange():
                return await self._change(body)
            case CampaignShow():
                return await self._show(body.owner, body.campaign)
            case CampaignList():
                limit = max(1, min(body.limit, MAX_LIST))
                found = await self._mailbox.store.read(
                    lambda c: campaign_store.views(c, body.owner, body.after, limit)
                )
                return CampaignPage(campaigns=found)
            case CampaignEntries():
                return QueuePage(entries=await self._entries(body))

    async def _entries(self, body: CampaignEntries) -> tuple[EntryView, ...]:
        key, now = campaign_store.identifier(body.owner, body.campaign), self._mailbox.clock.now()
        limit = max(1, min(body.limit, MAX_LIST))

        def look(connection: Connection) -> tuple[EntryView, ...]:
            if campaign_store.load(connection, key) is None:
                raise _absent(body.campaign)
            return store.of_campaign(connection, key, now, state=body.state, after=body.after, limit=limit)

        return await self._mailbox.store.read(look)

    async def _show(self, owner: str, name: str) -> CampaignView:
        found = await self._mailbox.store.read(lambda c: campaign_store.view(c, owner, name))
        if found is None:
            raise _absent(name)
        return found

    async def _begin(self, body: CampaignStart) -> CampaignView:
        self._check(body)

        def unit(tx: Tx) -> None:
            if campaign_store.start(tx.connection, body, tx.now):
                detail = body.item.reason if body.item.function == RAW else body.item.function
                _audit(tx, body.owner, body.campaign, "added", detail)
                return
            known = campaign_store.load(tx.connection, campaign_store.identifier(body.owner, body.campaign))
            if known is None or known.request != body:
                sentence = "there is another campaign of this name"
                raise Refused(*codes.FORMAT_INVALID, sentence, identifier=body.campaign)

        await self._mailbox.transact(unit)
        self._changed.set()
        return await self._show(body.owner, body.campaign)

    def _check(self, body: CampaignStart) -> None:
        check(body.item, iccid_needed=False)
        if not 0 < len(body.campaign) <= MAX_NAME:
            raise InputError("campaign", f"must be 1 to {MAX_NAME} characters")
        if body.item.function in ON_PROFILES and not (body.item.iccid or body.profile_type):
            raise InputError("profile_type", f"is needed for {body.item.function} of many eUICCs")
        # Asked once without a card: who may not send raw scripts hears it now, not with the first page.
        request(body.item, "", body.item.iccid, self._raw_requesters, body.owner)

    async def _change(self, body: CampaignChange) -> CampaignView:
        if body.action not in BY_OWNER:
            raise InputError("action", f"must be {', '.join(BY_OWNER)}")
        state, reason = BY_OWNER[body.action]
        key = campaign_store.identifier(body.owner, body.campaign)

        def unit(tx: Tx) -> None:
            found = campaign_store.load(tx.connection, key)
            if found is None:
                raise _absent(body.campaign)
            if found.state is CampaignState.CANCELLED:
                raise Refused(*codes.BUSY, "the campaign is cancelled", identifier=body.campaign)
            campaign_store.set_state(tx.connection, key, state, reason, tx.now)
            _audit(tx, body.owner, body.campaign, body.action, "")

        await self._mailbox.transact(unit)
        self._changed.set()
        if state is CampaignState.RUNNING:
            self._runner.wake_sessions()
        return await self._show(body.owner, body.campaign)

    # -- the work -----------------------------------------------------------------------------------------------

    async def _working(self) -> None:
        while True:
            self._changed.clear()
            try:
                if await self.work():
                    continue
                pause = None
            except Unavailable as problem:
                log.warning("campaigns wait", reason=str(problem))
                pause = RETRY
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def work(self) -> bool:
        """One page of adding or of cancelling; False when there is nothing to do. Raises Unavailable."""

        def look(connection: Connection) -> tuple[str | None, str | None]:
            return campaign_store.to_cancel(connection), campaign_store.to_add(connection)

        cancelled, added = await self._mailbox.store.read(look)
        if cancelled is not None:
            reason = BY_OWNER["cancel"][1]
            await self._mailbox.transact(
                lambda tx: campaign_store.cancel_waiting(tx.connection, cancelled, reason, tx.now, PAGE), long=True
            )
            return True
        if added is not None:
            await self._add_page(added)
            return True
        return False

    async def _add_page(self, key: str) -> None:
        def unit(tx: Tx) -> tuple[str, ...]:
            found = campaign_store.load(tx.connection, key)
            if found is None or not found.adding or found.state is not CampaignState.RUNNING:
                return ()  # changed since it was looked for
            asked = found.request
            page = fitting.page(tx.connection, asked, found.place, PAGE, self._runner.is_pulled_kind)
            rows = [
                self._rows.row(Wish(asked.owner, one.eid, asked.item, one.iccid, one.pulled, campaign=key), tx.now)
                for one in page.found
            ]
            store.add(tx.connection, rows)
            campaign_store.advance(
                tx.connection, found, place=page.place, looked=page.looked, skipped=page.skipped, now=tx.now
            )
            return tuple(one.eid for one in page.found)

        try:
            eids = await self._mailbox.transact(unit, long=True)
        except Refused as refusal:
            await self._stand_still(key, refusal)
            return
        self._runner.wake_present(eids)

    async def _stand_still(self, key: str, refusal: Refused) -> None:
        """What may be put into a queue has changed since the campaign was begun: its owner is to look at it."""
        reason = from_refusal(refusal).message

        def unit(tx: Tx) -> None:
            found = campaign_store.load(tx.connection, key)
            if found is not None:
                campaign_store.set_state(tx.connection, key, CampaignState.PAUSED, reason, tx.now)
                _audit(tx, found.request.owner, found.request.campaign, "alarm", reason)

        await self._mailbox.transact(unit)


def _audit(tx: Tx, owner: str, name: str, outcome: str, detail: str) -> None:
    tx.audit(actor=owner, action="campaign", object=name, outcome=outcome, detail=detail)


def _absent(name: str) -> Refused:
    return Refused(*codes.FORMAT_INVALID, f"there is no campaign {name}", identifier=name)
