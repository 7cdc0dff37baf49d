"""Commands on the queue of an eUICC: add, list, show, move, hold, release, cancel; and campaigns."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from cyclopts import App

from ferryman.cli import output
from ferryman.cli.approval_commands import ask_for_raw_script
from ferryman.cli.campaign_commands import campaign as campaigns
from ferryman.cli.campaign_commands import show_adding
from ferryman.cli.commands import DATA, OWNER
from ferryman.cli.moments import moment_of
from ferryman.cli.remote import place
from ferryman.cli.session import operator
from ferryman.contracts.queue import (
    CampaignStart,
    EntryView,
    QueueAdd,
    QueueChange,
    QueueItem,
    QueueList,
    QueuePage,
    QueueShow,
)
from ferryman.errors import InputError

RAW = "raw"

queue = App(name="queue", help="What waits for an eUICC.")
queue.command(campaigns)


@queue.command
async def add(
    eid: str = "",
    *,
    function: Literal["enable", "disable", "delete", "set-fallback", "audit", "raw"],
    iccid: str = "",
    script: str = "",
    sd_aid: str = "",
    reason: str = "",
    priority: int = 0,
    not_before: str = "",
    validity: float = 7 * 86_400.0,
    hold: bool = False,
    key: str = "",
    campaign: str = "",
    eum: str = "",
    platform_type: str = "",
    platform_version: str = "",
    profile_type: str = "",
    tag: str = "",
    watch: bool = True,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Put a function into the queue of one eUICC, or with --campaign into those of all that fit.

    A raw script over --server is asked for; `ferryman approval approve` of a second person puts it into the queue.

    A campaign is added by the platform page by page, and goes on when this command is ended; no eUICC gets
    a second entry of it. `ferryman queue campaign` shows, pauses, resumes and cancels it.

    Parameters
    ----------
    eid
        The eUICC; empty with --campaign.
    function
        enable, disable, delete, set-fallback, audit or raw.
    iccid
        The profile for enable, disable, delete, set-fallback.
    script
        For raw: command TLVs in hexadecimal, as in ES3.SendData.
    sd_aid
        For raw: AID of the security domain; the ISD-R when none is given.
    reason
        For raw: why it is needed.
    priority
        A higher one goes first.
    not_before
        Time (ISO 8601, UTC when it has no zone) before which it does not begin.
    validity
        Seconds until it expires.
    hold
        Add it held; `release` lets it go.
    key
        With the same key again, the first entry is the answer.
    campaign
        Name of a campaign: one entry for each eUICC that fits the following filters.
    eum
        Eum-id of the eUICCs.
    platform_type
        PlatformType of the eUICCs.
    platform_version
        PlatformVersion of the eUICCs.
    profile_type
        The profile of this type that the eUICC has.
    tag
        Tag of the eUICCs.
    watch
        Say how far a campaign is until all is added; --no-watch returns at once.
    """
    item = QueueItem(
        function=function,
        iccid=iccid,
        data=_octets("--script", script),
        sd_aid=_octets("--sd-aid", sd_aid),
        reason=reason,
        priority=priority,
        not_before=moment_of("--not-before", not_before),
        validity=validity,
        hold=hold,
    )
    if bool(eid) == bool(campaign):
        raise InputError("EID", "give one eUICC, or --campaign with filters")
    if function == RAW and eid and place.current.get() is not None:
        if priority or not_before or hold:
            raise InputError("--function", "raw over --server takes no --priority, --not-before or --hold")
        return await ask_for_raw_script(
            eid, item.data, sd_aid=item.sd_aid, reason=reason, validity=validity, key=key, json=json
        )
    async with operator(data, owner) as calls:
        if not campaign:
            return _one(await calls.sm_sr(QueueAdd(owner=owner, eid=eid, item=item, key=key)), json=json)
        request = CampaignStart(
            owner=owner,
            campaign=campaign,
            item=item,
            eum_id=eum,
            platform_type=platform_type,
            platform_version=platform_version,
            profile_type=profile_type,
            tag_name=tag,
        )
        view = await calls.sm_sr(request)
        return await show_adding(calls, view, owner, watch=watch, json=json)


@queue.command(name="list")
async def list_entries(
    eid: str, *, all: bool = False, data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """List what waits for an eUICC, in order.

    Parameters
    ----------
    eid
        The eUICC.
    all
        Also what has ended.
    """
    async with operator(data, owner) as calls:
        page = await calls.sm_sr(QueueList(owner=owner, eid=eid, open_only=not all))
    entries = page.entries if isinstance(page, QueuePage) else ()
    if json:
        output.emit({"entries": [msgspec.to_builtins(one) for one in entries]})
    else:
        rows = [
            [one.entry, one.function, one.iccid, str(one.priority), one.state, _clock(one.expires), one.reason]
            for one in entries
        ]
        output.table(
            f"queue of {eid}", ["entry", "function", "ICCID", "priority", "state", "expires", "reason"], rows
        )
    return output.DONE


@queue.command
async def show(eid: str, entry: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Show one entry with its result."""
    async with operator(data, owner) as calls:
        return _one(await calls.sm_sr(QueueShow(owner=owner, eid=eid, entry=entry)), json=json)


async def _change(
    eid: str, entry: str, action: str, data: Path, owner: str, *, json: bool, priority: int = 0
) -> int:
    request = QueueChange(owner=owner, eid=eid, entry=entry, action=action, priority=priority)
    async with operator(data, owner) as calls:
        return _one(await calls.sm_sr(request), json=json)


@queue.command
async def move(
    eid: str, entry: str, *, priority: int, data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """Give an entry that waits another priority; a higher one goes first."""
    return await _change(eid, entry, "move", data, owner, json=json, priority=priority)


@queue.command
async def hold(eid: str, entry: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Keep an entry that waits from going."""
    return await _change(eid, entry, "hold", data, owner, json=json)


@queue.command
async def release(eid: str, entry: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Let a held entry go."""
    return await _change(eid, entry, "release", data, owner, json=json)


@queue.command
async def cancel(eid: str, entry: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Take an entry out of the queue; one that has begun stays."""
    return await _change(eid, entry, "cancel", data, owner, json=json)


def _one(found: object, *, json: bool) -> int:
    if isinstance(found, EntryView):
        if json:
            output.emit(msgspec.to_builtins(found))
        else:
            output.line(
                f"entry {found.entry}: {found.function} {found.iccid} {found.state} {found.reason}".rstrip()
            )
    return output.DONE


def _octets(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError(name, "must be hexadecimal") from None


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="minutes")
