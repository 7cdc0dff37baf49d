"""`ferryman approval`: what a second person must approve on a platform elsewhere. Its REST API keeps these.

Whoever decides is a person with an account, who logs in; never who asked (`rest_api.approvals`).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Literal

from cyclopts import App

from ferryman.cli import output
from ferryman.cli.maintenance import moment
from ferryman.cli.remote import place
from ferryman.errors import InputError

if TYPE_CHECKING:  # an HTTP client: half a second, for those who need it
    from ferryman.client import AsyncClient
    from ferryman.client.methods.answers import Approval

MAX_FETCHED = 200  # approvals in one answer
FAILED = "failed"

approval = App(name="approval", help="What a second person must approve, on a platform elsewhere.")


@contextlib.asynccontextmanager
async def _client() -> AsyncIterator[AsyncClient]:
    from ferryman.cli.remote.operator import client_at

    there = place.current.get()
    if there is None:
        raise InputError(place.OPTION, "is needed: two people must want what is asked for over the REST API")
    async with client_at(there) as client:
        yield client


@approval.command(name="list")
async def approval_list(
    *,
    state: Literal["", "waiting", "expired", "rejected", "approved", "done", "failed"] = "",
    limit: int = 100,
    json: bool = False,
) -> int:
    """List requests for approval, the newest first.

    Parameters
    ----------
    state
        waiting, expired, rejected, approved, done or failed; all when it is not given.
    limit
        So many at most.
    """
    found: list[Approval] = []
    async with _client() as client:
        async for one in client.list_approvals(state=state, page_size=max(1, min(limit, MAX_FETCHED))):
            if len(found) >= limit:
                break
            found.append(one)
    if json:
        output.emit({"approvals": found})
        return output.DONE
    for one in found:
        output.line(f"{one.approval_id}  {one.state}  {one.asked_by}  {moment(one.expires)}  {one.sentence}")
    if not found:
        output.line("no approvals")
    return output.DONE


@approval.command(name="show")
async def approval_show(approval_id: str, *, json: bool = False) -> int:
    """Show a request with what came of it."""
    async with _client() as client:
        _show(await client.show_approval(approval_id), json=json)
    return output.DONE


@approval.command(name="approve")
async def approval_approve(approval_id: str, *, json: bool = False) -> int:
    """Approve: it is carried out, once. For another person than who asked, logged in (FERRYMAN_USER)."""
    async with _client() as client:
        return _show(await client.approve(approval_id), json=json)


@approval.command(name="reject")
async def approval_reject(approval_id: str, *, json: bool = False) -> int:
    """Reject. For another person than who asked, logged in (FERRYMAN_USER)."""
    async with _client() as client:
        return _show(await client.reject(approval_id), json=json)


async def ask_for_raw_script(
    eid: str, data: bytes, *, sd_aid: bytes, reason: str, validity: float, key: str, json: bool
) -> int:
    """Ask for a raw script; it is put into the queue of the eUICC when a second person has approved."""
    async with _client() as client:
        asked = await client.ask_for_raw_script(
            eid, data=data, reason=reason, sd_aid=sd_aid, validity=validity, idempotency_key=key
        )
    return _show(asked, json=json)


def _show(found: Approval, *, json: bool) -> int:
    if json:
        output.emit(found)
    else:
        output.line(f"approval {found.approval_id}: {found.state}, {found.sentence}")
        decided = f", decided by {found.decided_by}" if found.decided_by else f", until {moment(found.expires)}"
        output.line(f"asked by {found.asked_by}{decided}{f': {found.problem}' if found.problem else ''}")
        if isinstance(found.result, dict) and "entry" in found.result:
            output.line(f"entry {found.result['entry']} of the queue of {found.request['eid']}")
    return output.FAILED if found.state == FAILED else output.DONE
