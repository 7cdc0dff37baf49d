"""`ferryman api-key`: keys with which an operator's systems use the REST API."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cyclopts import App

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER
from ferryman.cli.session import operator
from ferryman.contracts.rest import AddKey, KeyAdded, KeyPage, KeyRole, ListKeys, RevokeKey
from ferryman.errors import InputError

api_key = App(name="api-key", help="Keys of the REST API.")


@api_key.command(name="add")
async def api_key_add(
    name: str,
    *,
    role: str,
    tenant: str = "",
    scope: list[str] | None = None,
    days: float = 90.0,
    data: Path = DATA,
    json: bool = False,
) -> int:
    """Make a key; it is shown this once.

    Parameters
    ----------
    name
        What it is for.
    role
        admin, key-custodian, operator, auditor, device-maker or m2m-sp.
    tenant
        Mno-id of the operator it belongs to; without it the platform's own staff.
    scope
        Only this right of those its role has, for example order:read; several times.
    days
        Until it expires.
    """
    request = AddKey(name=name, role=role_named(role), tenant=tenant, scopes=tuple(scope or ()), days=days)
    async with operator(data, OWNER) as calls:
        done = await calls.rest(request)
    if json:
        output.emit(done)
    elif isinstance(done, KeyAdded):
        output.line(done.token)
    return output.DONE


@api_key.command(name="list")
async def api_key_list(*, data: Path = DATA, json: bool = False) -> int:
    """List the keys, without their secrets."""
    async with operator(data, OWNER) as calls:
        page = await calls.rest(ListKeys())
    keys = page.keys if isinstance(page, KeyPage) else ()
    if json:
        output.emit({"keys": keys})
    else:
        rows = [
            [k.key_id, k.name, k.role.value, k.tenant or "-", " ".join(k.scopes) or "all",
             "revoked" if k.revoked else _day(k.expires)]
            for k in keys
        ]  # fmt: skip
        output.table("API keys", ["key", "name", "role", "tenant", "rights", "until"], rows)
    return output.DONE


@api_key.command(name="revoke")
async def api_key_revoke(key: str, *, data: Path = DATA, json: bool = False) -> int:
    """Make a key good for nothing, at once."""
    async with operator(data, OWNER) as calls:
        done = await calls.rest(RevokeKey(key_id=key))
    if json:
        output.emit(done)
    else:
        output.line(f"key {key} is revoked")
    return output.DONE


def role_named(role: str) -> KeyRole:
    """The role; raises InputError."""
    try:
        return KeyRole(role)
    except ValueError:
        raise InputError("--role", f"must be one of {', '.join(one.value for one in KeyRole)}") from None


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
