"""How long ended entries and campaigns are kept: `retention.queue` days, then page by page, each its own commit.

Only what has ended goes, and the statement that takes it looks again. An entry of a campaign goes with its
campaign: when that adds nothing more and everything in it has ended, so that what an open one counts can be looked
at. The row of the campaign goes in the commit that takes its last entries; a kill between two pages leaves work
for the next sweep.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection, Select, delete, exists, select

from ferryman.platform.retention import DAY, PAUSE, RetentionSettings
from ferryman.platform.store import Store
from ferryman.sm_sr.queue.campaign_store import has_ended
from ferryman.sm_sr.schema import ENDED_STATES, IS_ENDED_ALONE, campaign, queue_entry

PAGE = 500  # entries in one commit: some ten milliseconds of the writer, which others wait for

_e = queue_entry.c
_c = campaign.c

log = structlog.get_logger("ferryman.sm_sr.queue")


@dataclass(slots=True)
class Taken:
    """How many rows went."""

    entries: int = 0
    campaigns: int = 0


async def sweep(store: Store, settings: RetentionSettings, now: float) -> Taken:
    """Take what has ended longer ago than the settings say; `now` in s since 1970. Raises Unavailable."""
    before, taken = now - settings.queue * DAY, Taken()
    while gone := await store.write(partial(take_alone, before=before), long=True):
        taken.entries += gone
        await asyncio.sleep(PAUSE)
    for key in await store.read(partial(campaigns_ended, before=before)):
        while gone := await store.write(partial(take_of_campaign, key=key, before=before), long=True):
            taken.entries += gone
            await asyncio.sleep(PAUSE)
        if not await store.read(partial(_is_there, key=key)):
            taken.campaigns += 1
    if taken != Taken():
        log.info("ended entries taken", entries=taken.entries, campaigns=taken.campaigns)
    return taken


def take_alone(connection: Connection, before: float) -> int:
    """A page of ended entries that belong to no campaign, the oldest first; returns how many went."""
    return connection.execute(delete(queue_entry).where(_e.id.in_(alone_before(before)))).rowcount


def alone_before(before: float) -> Select[tuple[str]]:
    """The page of them."""
    return select(_e.id).where(IS_ENDED_ALONE, _e.updated < before).order_by(_e.updated).limit(PAGE)


def campaigns_ended(connection: Connection, before: float) -> list[str]:
    """Campaigns in which nothing has moved since `before`, and nothing will."""
    return list(connection.execute(select(_c.id).where(has_ended(), _c.updated < before)).scalars())


def take_of_campaign(connection: Connection, key: str, before: float) -> int:
    """A page of the entries of an ended campaign, with the last of them its own row; returns how many went."""
    if connection.execute(select(_c.id).where(_c.id == key, has_ended(), _c.updated < before)).first() is None:
        return 0  # changed since it was looked for
    some = select(_e.id).where(_e.campaign == key, _e.state.in_(ENDED_STATES)).limit(PAGE)
    gone = connection.execute(delete(queue_entry).where(_e.id.in_(some))).rowcount
    rest = exists(select(_e.id).where(_e.campaign == key))
    connection.execute(delete(campaign).where(_c.id == key, ~rest))
    return gone


def _is_there(connection: Connection, key: str) -> bool:
    return connection.execute(select(_c.id).where(_c.id == key)).first() is not None
