"""`ferryman user`: accounts of people who use the REST API and the console, made and recovered at the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cyclopts import App

from ferryman.cli import output
from ferryman.cli.api_key_commands import role_named
from ferryman.cli.commands import DATA, OWNER
from ferryman.cli.session import operator
from ferryman.contracts.message import Body
from ferryman.contracts.rest import AccountAdded, AccountPage, AccountView, AddAccount, ChangeAccount, ListAccounts

PAGE = 1000

user = App(name="user", help="Accounts of people who use the REST API.")


@user.command(name="add")
async def user_add(name: str, *, role: str, tenant: str = "", data: Path = DATA, json: bool = False) -> int:
    """Make an account; its one-time password is shown this once and must be changed at the first login.

    Parameters
    ----------
    name
        What its owner logs in with.
    role
        admin, key-custodian, operator, auditor, device-maker or m2m-sp.
    tenant
        Mno-id of the operator it belongs to; without it the platform's own staff.
    """
    request = AddAccount(name=name, role=role_named(role), tenant=tenant)
    return await _asked(request, data, json=json)


@user.command(name="list")
async def user_list(*, data: Path = DATA, json: bool = False) -> int:
    """List the accounts."""
    found: list[AccountView] = []
    async with operator(data, OWNER) as calls:
        while True:
            page = await calls.rest(ListAccounts(after=found[-1].name if found else "", limit=PAGE))
            accounts = page.accounts if isinstance(page, AccountPage) else ()
            found += accounts
            if len(accounts) < PAGE:
                break
    if json:
        output.emit({"users": found})
    else:
        rows = [
            [one.user_id, one.name, one.role.value, one.tenant or "-", "yes" if one.codes else "no", _state(one)]
            for one in found
        ]
        output.table("users", ["user", "name", "role", "tenant", "codes", "last login"], rows)
    return output.DONE


@user.command(name="disable")
async def user_disable(user_id: str, *, data: Path = DATA, json: bool = False) -> int:
    """Nobody logs in with this account any more; every login ends."""
    return await _asked(ChangeAccount(user_id=user_id, action="disable"), data, json=json)


@user.command(name="enable")
async def user_enable(user_id: str, *, data: Path = DATA, json: bool = False) -> int:
    """The account is good again."""
    return await _asked(ChangeAccount(user_id=user_id, action="enable"), data, json=json)


@user.command(name="recover")
async def user_recover(user_id: str, *, data: Path = DATA, json: bool = False) -> int:
    """A one-time password for who lost password or codes; the account is unlocked and has no codes then."""
    return await _asked(ChangeAccount(user_id=user_id, action="recover"), data, json=json)


async def _asked(request: Body, data: Path, *, json: bool) -> int:
    async with operator(data, OWNER) as calls:
        done = await calls.rest(request)
    if json:
        output.emit(done)
    elif isinstance(done, AccountAdded):
        output.line(f"{done.account.user_id} {done.password}")
    elif isinstance(done, AccountView):
        output.line(f"{done.user_id} {_state(done)}")
    return output.DONE


def _state(one: AccountView) -> str:
    if one.disabled:
        return "disabled"
    return datetime.fromtimestamp(one.last_login, UTC).strftime("%Y-%m-%d %H:%M") if one.last_login else "never"
