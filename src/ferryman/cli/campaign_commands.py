"""Commands on campaigns: list, show, pause, resume, cancel; and how far the adding of one is."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
from cyclopts import App

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER
from ferryman.cli.operator import Operator
from ferryman.cli.session import operator
from ferryman.contracts.queue import (
    CampaignChange,
    CampaignList,
    CampaignPage,
    CampaignShow,
    CampaignState,
    CampaignView,
)

LOOK = 1.0  # s between two looks at how far the adding is
PAGE = 100  # campaigns in one answer

campaign = App(name="campaign", help="An entry for each of many eUICCs.")


async def show_adding(calls: Operator, view: object, owner: str, *, watch: bool, json: bool) -> int:
    """Say how far the adding is until it is over or stands still; ending the command does not end the adding."""
    begun, first = time.monotonic(), view.looked if isinstance(view, CampaignView) else 0
    while isinstance(view, CampaignView) and watch and view.adding and view.state is CampaignState.RUNNING:
        rate = (view.looked - first) / max(time.monotonic() - begun, 1e-3)
        output.progress.print(f"{_adding(view)}, {rate:.0f}/s")
        await asyncio.sleep(LOOK)
        view = await calls.sm_sr(CampaignShow(owner=owner, campaign=view.campaign))
    return _one(view, json=json)


@campaign.command(name="list")
async def list_campaigns(*, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """List campaigns by name, with the counts of their entries."""
    found: list[CampaignView] = []
    async with operator(data, owner) as calls:
        while True:
            after = found[-1].campaign if found else ""
            page = await calls.sm_sr(CampaignList(owner=owner, after=after, limit=PAGE))
            more = page.campaigns if isinstance(page, CampaignPage) else ()
            found += more
            if len(more) < PAGE:
                break
    if json:
        output.emit({"campaigns": [msgspec.to_builtins(one) for one in found]})
    else:
        rows = [[one.campaign, one.function, one.state, _adding(one), _counts(one)] for one in found]
        output.table("campaigns", ["campaign", "function", "state", "added", "entries"], rows)
    return output.DONE


@campaign.command
async def show(name: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Show how far a campaign is."""
    async with operator(data, owner) as calls:
        return _one(await calls.sm_sr(CampaignShow(owner=owner, campaign=name)), json=json)


async def _change(name: str, action: str, data: Path, owner: str, *, json: bool) -> int:
    async with operator(data, owner) as calls:
        return _one(await calls.sm_sr(CampaignChange(owner=owner, campaign=name, action=action)), json=json)


@campaign.command
async def pause(name: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Add no more and begin no entry until it is resumed; what has begun goes on to its end."""
    return await _change(name, "pause", data, owner, json=json)


@campaign.command
async def resume(name: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Go on where it was paused."""
    return await _change(name, "resume", data, owner, json=json)


@campaign.command
async def cancel(name: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """End it: every entry that waits is cancelled; what has begun goes on to its end."""
    return await _change(name, "cancel", data, owner, json=json)


def _one(found: object, *, json: bool) -> int:
    if not isinstance(found, CampaignView):
        return output.FAILED
    if json:
        output.emit(msgspec.to_builtins(found))
    else:
        reason = f" ({found.reason})" if found.reason else ""
        output.line(f"campaign {found.campaign}: {found.function} {found.state}{reason}; {_adding(found)}")
        output.line(_counts(found))
        if found.skipped:
            output.line(f"{found.skipped} eUICCs have no such profile")
    return output.DONE


def _adding(view: CampaignView) -> str:
    if not view.adding:
        return f"all of {view.looked} eUICCs looked at" if view.total else "all are added"
    if not view.total:  # a tenant is not told how many eUICCs there are
        return "not all are added yet"
    return f"{view.looked} of {view.total} eUICCs looked at"


def _counts(view: CampaignView) -> str:
    counts = msgspec.structs.asdict(view.counts)
    return ", ".join(f"{number} {state}" for state, number in counts.items() if number) or "no entries"
