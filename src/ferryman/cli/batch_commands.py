"""Commands on batches of orders: create from a file or a filter, show, list, pause, resume, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import batched, islice
from pathlib import Path
from typing import Literal

from cyclopts import App

from ferryman.cli import batch_files, output
from ferryman.cli.commands import DATA, OWNER, read_rules
from ferryman.cli.moments import moment_of
from ferryman.cli.operator import Operator
from ferryman.cli.session import operator
from ferryman.contracts import admin, batches
from ferryman.contracts.batches import BatchRow, BatchView
from ferryman.contracts.orders import CreateOrder
from ferryman.errors import InputError

FILL = 2_000  # rows in one call
POLL = 1.0  # s between looks at a batch that is waited for
ENDED = (batches.DONE, batches.CANCELLED, batches.PAUSED)

batch = App(name="batch", help="Many orders from a file or a filter.")


@batch.command(name="create")
async def batch_create(
    name: str,
    *,
    file: Path | None = None,
    every: bool = False,
    tag: str = "",
    eum: str = "",
    platform_type: str = "",
    profile_type: str = "",
    enable: bool = True,
    validity: float = 86_400.0,
    policy: tuple[str, ...] = (),
    keys: Literal["keep", "destroy", "hand-over"] = "keep",
    keys_under: str = "",
    hold: tuple[Literal["before-download", "after-enable", "none"], ...] | None = None,
    in_flight: int = 200,
    start: bool = True,
    wait: bool = False,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Order a profile for every eUICC of a file or a filter. The same command again goes on where it was.

    Parameters
    ----------
    file
        CSV with the columns EID, and ICCID or PROFILE_TYPE where a row has its own; taken whole or not at all.
    every
        Every eUICC that fits the following filters.
    tag
        eUICCs with this tag.
    eum
        Eum-id of the eUICCs.
    platform_type
        PlatformType of the eUICCs.
    profile_type
        For rows that name neither ICCID nor profile type.
    validity
        Seconds that each order has, from its own beginning.
    policy
        Rules of POL2 as ACTION:QUALIFICATION.
    keys, keys_under, hold
        As with `ferryman order create`.
    in_flight
        Orders that run at once.
    start
        Begin as soon as all rows are there; without it, `ferryman order batch start`.
    wait
        Wait until the batch has ended or paused; exit status 1 when an order failed or was refused.
    """
    if (file is not None) == (every or bool(tag)):
        raise InputError("batch", "give a file, or --tag, or --every with filters")
    wanted = CreateOrder(
        owner=owner,
        eid="",
        profile_type=profile_type,
        enable=enable,
        validity=validity,
        pol2=read_rules(policy),
        keys=keys,
        keys_under=keys_under,
        hold=() if hold == ("none",) else hold,
    )
    async with operator(data, owner) as calls:
        if file is not None:
            total = batch_files.check(file, profile_type=profile_type)
            request = batches.OpenBatch(
                owner=owner, name=name, source=batch_files.digest(file), order=wanted, in_flight=in_flight
            )
            view = await _from_file(calls, request, file, total)
        else:
            source = f"tag={tag} eum={eum} platform_type={platform_type}"
            request = batches.OpenBatch(owner=owner, name=name, source=source, order=wanted, in_flight=in_flight)
            view = await _from_filter(calls, request, tag, eum, platform_type)
        if start and view.state == batches.FILLING:
            view = await _change(calls, owner, name, "start")
        if wait:
            view = await _until_ended(calls, owner, name)
    return _show(view, json=json, judge=wait)


async def _from_file(calls: Operator, request: batches.OpenBatch, file: Path, total: int) -> BatchView:
    view = _view(await calls.sm_dp(request))
    if view.state != batches.FILLING:
        return view
    for rows in batched(islice(batch_files.rows(file), view.rows, None), FILL, strict=False):
        view = await _fill(calls, view, request.owner, rows)
        output.progress.print(f"{view.rows} of {total} rows")
    return view


async def _from_filter(
    calls: Operator, request: batches.OpenBatch, tag: str, eum: str, platform_type: str
) -> BatchView:
    view = _view(await calls.sm_dp(request))
    if view.state != batches.FILLING:
        return view
    async for page in _euiccs(calls, request.owner, tag, after=view.last_eid):
        rows = tuple(
            BatchRow(card.eid)
            for card in page.euiccs
            if eum in ("", card.eum_id) and platform_type in ("", card.platform_type)
        )
        if rows:
            view = await _fill(calls, view, request.owner, rows)
            output.progress.print(f"{view.rows} eUICCs")
    if not view.rows:
        raise InputError("batch", "no eUICC fits")
    return view


async def _euiccs(calls: Operator, owner: str, tag: str, *, after: str) -> AsyncIterator[admin.EUICCPage]:
    """Pages of cards in the order of their EIDs."""
    while True:
        question: admin.FindEUICCs | admin.ListEUICCs
        if tag:
            question = admin.FindEUICCs(owner=owner, by="tag", value=tag, after=after)
        else:
            question = admin.ListEUICCs(owner=owner, after=after)
        page = await calls.sm_sr(question)
        if not isinstance(page, admin.EUICCPage) or not page.euiccs:
            return
        yield page
        after = page.euiccs[-1].eid


async def _fill(calls: Operator, view: BatchView, owner: str, rows: tuple[BatchRow, ...]) -> BatchView:
    return _view(await calls.sm_dp(batches.FillBatch(owner=owner, name=view.name, first=view.rows, rows=rows)))


async def _change(calls: Operator, owner: str, name: str, action: str, in_flight: int = 0) -> BatchView:
    request = batches.ChangeBatch(owner=owner, name=name, action=action, in_flight=in_flight)
    return _view(await calls.sm_dp(request))


async def _until_ended(calls: Operator, owner: str, name: str) -> BatchView:
    said = ""
    while True:
        view = _view(await calls.sm_dp(batches.ShowBatch(owner=owner, name=name)))
        if view.state in ENDED:
            return view
        if (now := _counts(view)) != said:
            output.progress.print(now)
            said = now
        await asyncio.sleep(POLL)


def _view(answer: object) -> BatchView:
    if not isinstance(answer, BatchView):
        raise InputError("batch", "the installation is of another version")
    return answer


# -- one batch ------------------------------------------------------------------------------------------------


@batch.command(name="show")
async def batch_show(
    name: str, *, wait: bool = False, data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """Show how far a batch is; with --wait until it has ended or paused."""
    async with operator(data, owner) as calls:
        if wait:
            view = await _until_ended(calls, owner, name)
        else:
            view = _view(await calls.sm_dp(batches.ShowBatch(owner=owner, name=name)))
    return _show(view, json=json, judge=wait)


async def _one(action: str, name: str, data: Path, owner: str, *, json: bool, in_flight: int = 0) -> int:
    async with operator(data, owner) as calls:
        view = await _change(calls, owner, name, action, in_flight)
    return _show(view, json=json)


@batch.command(name="start")
async def batch_start(name: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Begin a batch that was created with --no-start."""
    return await _one("start", name, data, owner, json=json)


@batch.command(name="pause")
async def batch_pause(name: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Begin no more orders; those that run go on."""
    return await _one("pause", name, data, owner, json=json)


@batch.command(name="resume")
async def batch_resume(name: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Go on with a batch that has paused."""
    return await _one("resume", name, data, owner, json=json)


@batch.command(name="cancel")
async def batch_cancel(name: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Begin no more orders, and cancel those that are not yet on their card."""
    return await _one("cancel", name, data, owner, json=json)


@batch.command(name="limit")
async def batch_limit(name: str, count: int, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Have another number of orders run at once."""
    return await _one("limit", name, data, owner, json=json, in_flight=count)


@batch.command(name="list")
async def batch_list(
    *,
    state: Literal["", "filling", "running", "paused", "cancelling", "cancelled", "done"] = "",
    kind: Literal["", "rows", "filter"] = "",
    profile_type: str = "",
    asked_by: str = "",
    since: str = "",
    until: str = "",
    after: str = "",
    limit: int = 100,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """List batches, the newest first.

    Parameters
    ----------
    state
        filling, running, paused, cancelling, cancelled or done; all when it is not given.
    kind
        rows: made of rows as they were given; filter: the platform looks for the eUICCs.
    profile_type
        Of the orders.
    asked_by
        Who asked for it, as `--json` shows him.
    since, until
        Made at this time (ISO 8601, UTC when it has no zone) or later, and before that one.
    after
        Behind the batch of this name.
    """
    question = batches.ListBatches(
        owner=owner,
        after=after,
        limit=limit,
        state=state,
        kind=kind,
        profile_type=profile_type,
        asked_by=asked_by,
        since=moment_of("--since", since),
        until=moment_of("--until", until),
    )
    async with operator(data, owner) as calls:
        page = await calls.sm_dp(question)
    found = page.batches if isinstance(page, batches.BatchPage) else ()
    if json:
        output.emit({"batches": found})
    else:
        output.table("batches", ["batch", "state", "rows", ""], [_line(one) for one in found])
    return output.DONE


@batch.command(name="rows")
async def batch_rows(
    name: str,
    *,
    state: Literal["", "waiting", "running", "done", "failed", "refused", "cancelled"] = "",
    after: int = -1,
    limit: int = 1_000,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """List rows of a batch with their orders.

    Parameters
    ----------
    state
        waiting, running, done, failed, refused or cancelled; all when it is not given.
    after
        Behind this number.
    """
    async with operator(data, owner) as calls:
        page = await calls.sm_dp(
            batches.ListBatchRows(owner=owner, name=name, state=state, after=after, limit=limit)
        )
    found = page.rows if isinstance(page, batches.BatchRowPage) else ()
    if json:
        output.emit({"rows": found})
    else:
        rows = [
            [str(one.number), one.eid, one.iccid or one.profile_type, one.state, one.order_id, one.detail]
            for one in found
        ]
        output.table(f"batch {name}", ["row", "EID", "ICCID or type", "state", "order", ""], rows)
    return output.DONE


def _counts(view: BatchView) -> str:
    names = ("waiting", "running", "done", "failed", "refused", "cancelled")
    parts = [f"{getattr(view, name)} {name}" for name in names if getattr(view, name)]
    return f"{view.name}: {view.state}, {', '.join(parts) or 'no rows'}"


def _line(view: BatchView) -> list[str]:
    return [view.name, view.state, str(view.rows), _counts(view).partition(", ")[2]]


def _show(view: BatchView, *, json: bool, judge: bool = False) -> int:
    if json:
        output.emit(view)
    else:
        output.line(_counts(view) + (f" ({view.reason})" if view.reason else ""))
    bad = view.failed or view.refused or view.cancelled or view.waiting
    return output.FAILED if judge and bad else output.DONE
