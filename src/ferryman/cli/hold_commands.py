"""Commands on holds: hooks of operators' own systems, and the word of a person on an order that holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from cyclopts import App

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, key, order, read_hex_file, show_order
from ferryman.cli.session import operator
from ferryman.contracts import crypto, holds
from ferryman.errors import InputError

HOOK_KEY = (32, 64)  # bytes that one has, at least and at most

hook = App(name="hook", help="Where orders hold, and the operator's own system that is asked.")


@hook.command(name="set")
async def hook_set(
    *,
    profile_type: str = "",
    url: str = "",
    key: str = "",
    at: tuple[Literal["before-download", "after-enable"], ...] = ("before-download", "after-enable"),
    limit: float = 3_600.0,
    undo: Literal["keep", "disable", "delete"] = "disable",
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Have orders hold until the operator's own system has answered.

    Parameters
    ----------
    profile_type
        Only orders of this type; without it those of every type that has no hook of its own.
    url
        Where to ask (HTTP POST); without it nobody is asked, and `ferryman order release` lets an order go on.
    key
        Name of the key that signs the calls (`ferryman key import-hook`).
    at
        before-download, after-enable; both when it is not given.
    limit
        Seconds in which the answer must come.
    undo
        What follows a refusal or silence behind the enabling: keep (with an alarm), disable, delete.
    """
    request = holds.SetHook(
        owner=owner, profile_type=profile_type, url=url, key=key, holds=at, limit=limit, undo=undo
    )
    async with operator(data, owner) as calls:
        page = await calls.sm_dp(request)
    return _show(page, json=json)


@hook.command(name="remove")
async def hook_remove(*, profile_type: str = "", data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Let later orders go through without a hold; those that hold now wait for a release."""
    async with operator(data, owner) as calls:
        page = await calls.sm_dp(holds.RemoveHook(owner=owner, profile_type=profile_type))
    return _show(page, json=json)


@hook.command(name="list")
async def hook_list(*, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """List hooks with their open calls and what stands in their way."""
    async with operator(data, owner) as calls:
        page = await calls.sm_dp(holds.ListHooks(owner=owner))
    return _show(page, json=json)


async def order_release(
    order_id: str,
    *,
    hold: Literal["", "before-download", "after-enable"] = "",
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Let an order that holds go on.

    Parameters
    ----------
    hold
        The hold that is meant; without it the one in which the order is.
    """
    async with operator(data, owner) as calls:
        view = await calls.sm_dp(holds.ReleaseOrder(owner=owner, order_id=order_id, hold=hold))
    show_order(view, json=json)
    return output.DONE


async def order_refuse(
    order_id: str,
    *,
    reason: str = "",
    hold: Literal["", "before-download", "after-enable"] = "",
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """End an order that holds; behind the enabling what its hook says is done to the profile."""
    request = holds.RefuseOrder(owner=owner, order_id=order_id, hold=hold, reason=reason)
    async with operator(data, owner) as calls:
        view = await calls.sm_dp(request)
    show_order(view, json=json)
    return output.DONE


async def key_import_hook(
    file: Path, *, name: str, data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """Import the key that signs the calls of hooks (a file with 32 to 64 bytes in hexadecimal)."""
    value = read_hex_file(file)
    if not HOOK_KEY[0] <= len(value) <= HOOK_KEY[1]:
        raise InputError(str(file), f"must hold {HOOK_KEY[0]} to {HOOK_KEY[1]} bytes")
    request = crypto.ImportHookKey(owner=owner, name=name, key=value)
    async with operator(data, owner) as calls:
        await calls.crypto(request)
    if json:
        output.emit({"done": f"hook key {name} imported"})
    else:
        output.line(f"hook key {name} imported")
    return output.DONE


def _show(page: object, *, json: bool) -> int:
    found = page.hooks if isinstance(page, holds.HookPage) else ()
    if json:
        output.emit({"hooks": found})
    else:
        rows = [
            [
                *(one.profile_type or "(all)", " ".join(one.holds), f"{one.limit:.0f} s", one.undo, one.url),
                *(str(one.open_calls), one.trouble),
            ]
            for one in found
        ]
        columns = ["profile type", "holds", "limit", "undo", "asks", "open", "trouble"]
        output.table("hooks", columns, rows)
    return output.DONE


COMMANDS: tuple[tuple[App, str, Callable[..., object]], ...] = (
    (order, "release", order_release),
    (order, "refuse", order_refuse),
    (key, "import-hook", key_import_hook),
)
