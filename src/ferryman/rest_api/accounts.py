"""Accounts of people: made, changed, locked after wrong logins, recovered by an admin; passwords and codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from ferryman.contracts import codes
from ferryman.contracts.rest import AccountAdded, AccountView, AddAccount, KeyRole
from ferryman.errors import InputError, Refused
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.rest_api import totp
from ferryman.rest_api.answers import No
from ferryman.rest_api.keys import check_name, check_tenant
from ferryman.rest_api.passwords import Passwords, check_new
from ferryman.rest_api.schema import account
from ferryman.rest_api.seal import Seal
from ferryman.rest_api.sessions import SessionBook, end_all

ID_OCTETS = 8
MAX_FAILED = 5  # wrong logins in a row until an account is locked for a while
FIRST_LOCK = 30.0  # s; twice as long with each further one
LONGEST_LOCK = 3600.0  # s: whoever guesses has 24 tries a day, and nobody is locked out for good
WRONG = "name, password or code is wrong, or the account is locked for now"
ISSUER = "Ferryman"
# Reasons of 5.1.6 about what SGP.02 has no subject for.
UNKNOWN, NAME_IN_USE, NOT_PREPARED = ("", "3.9"), ("", "3.3"), ("", "4.2")


class _WrongCode(Exception):
    """A one-time code that is none now."""


class AccountBook:
    """The accounts of this installation."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        clock: Clock,
        entropy: Entropy,
        seal: Seal,
        sessions: SessionBook,
        threaded: bool = True,
    ) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._entropy = entropy
        self._seal = seal
        self._sessions = sessions
        self._passwords = Passwords(entropy, threaded=threaded)

    # -- by an admin ------------------------------------------------------------------------------------------

    async def add(
        self,
        asked: AddAccount,
        actor: str,
        maker: Iterable[str] = (),
        noted: Callable[[Tx, AccountAdded], None] = lambda _, made: None,
    ) -> AccountAdded:
        """Make an account with a one-time password; raises InputError, Refused for a name that is there.

        `maker`: the hands of who makes it, who will have seen that password. `noted` writes more with it.
        """
        check_name(asked.name)
        check_tenant(asked.tenant)
        password = self._passwords.made()
        values = self.values(asked.name, asked.role, asked.tenant, " ".join(sorted(maker)))
        values |= {"password": await self._passwords.hashed(password), "must_change": 1}

        def unit(tx: Tx) -> AccountAdded:
            enter(tx, values, actor)
            made = AccountAdded(account=view_of(require(tx.connection, values["id"])), password=password)
            noted(tx, made)
            return made

        try:
            return await self._mailbox.transact(unit)
        except IntegrityError:
            raise Refused(*NAME_IN_USE, f"there is an account {asked.name}") from None

    def values(self, name: str, role: KeyRole, tenant: str, maker: str) -> dict[str, Any]:
        """A row of the table, without a password."""
        now = self._clock.now()
        return {
            "id": self._entropy(ID_OCTETS).hex(),
            "name": name,
            "role": role.value,
            "tenant": tenant,
            "password": "",
            "must_change": 0,
            "totp": b"",
            "totp_on": 0,
            "totp_step": 0,
            "failed": 0,
            "locked_until": 0.0,
            "disabled": 0.0,
            "maker": maker,
            "subject": None,
            "created": now,
            "last_login": 0.0,
        }

    async def page(self, tenant: str | None, after: str, limit: int) -> tuple[AccountView, ...]:
        """Accounts by name, of one tenant or (None) of all, behind the name `after`."""
        statement = select(account).where(account.c.name > after).order_by(account.c.name).limit(limit)
        if tenant is not None:
            statement = statement.where(account.c.tenant == tenant)
        return await self._mailbox.store.read(lambda c: tuple(view_of(row) for row in c.execute(statement)))

    async def show(self, account_id: str) -> AccountView:
        """One account; raises Refused."""
        return view_of(await self._mailbox.store.read(lambda c: require(c, account_id)))

    async def disable(self, account_id: str, actor: str, *, on: bool) -> AccountView:
        """Nobody logs in with it any more (and every login ends), or again."""

        def change(tx: Tx) -> dict[str, Any]:
            if on:
                end_all(tx.connection, account_id)
            return {"disabled": tx.now if on else 0.0}

        return await self._change(account_id, actor, "DisableAccount" if on else "EnableAccount", change)

    async def recover(self, account_id: str, actor: str, maker: Iterable[str] = ()) -> AccountAdded:
        """A new one-time password for somebody who lost password or codes: unlocked, no code, no login left."""
        password = self._passwords.made()
        hashed = await self._passwords.hashed(password)

        def change(tx: Tx) -> dict[str, Any]:
            if require(tx.connection, account_id).subject is not None:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "the OpenID provider has this account's password")
            end_all(tx.connection, account_id)
            return {
                "password": hashed,
                "must_change": 1,
                "totp": b"",
                "totp_on": 0,
                "failed": 0,
                "locked_until": 0.0,
                "maker": " ".join(sorted(maker)),
            }

        return AccountAdded(
            account=await self._change(account_id, actor, "RecoverAccount", change), password=password
        )

    async def _change(
        self, account_id: str, actor: str, action: str, change: Callable[[Tx], dict[str, Any]]
    ) -> AccountView:
        def unit(tx: Tx) -> AccountView:
            require(tx.connection, account_id)
            tx.connection.execute(update(account).where(account.c.id == account_id).values(change(tx)))
            tx.audit(actor=actor, action=action, object=account_id, outcome="done")
            return view_of(require(tx.connection, account_id))

        return await self._mailbox.transact(unit)

    # -- logging in ---------------------------------------------------------------------------------------------

    async def login(self, name: str, password: str, code: str) -> str:
        """The secret of a new login; raises No (401), which does not say what was wrong."""
        found = select(account).where(account.c.name == name)
        row = await self._mailbox.store.read(lambda c: c.execute(found).first())
        now = self._clock.now()
        locked = row is not None and row.locked_until > now
        good = await self._passwords.same("" if row is None else row.password, password)
        if row is None or not good or locked or row.disabled:
            raise await self._failed(row, counts=not locked)
        secret = await self._mailbox.transact(lambda tx: self._enter(tx, row.id, code))
        if not secret:
            raise await self._failed(row, counts=True)
        return secret

    def _enter(self, tx: Tx, account_id: str, code: str) -> str:
        """The last look and the login in one transaction: a code is taken once, also by two at the same time."""
        row = require(tx.connection, account_id)
        if row.disabled or row.locked_until > tx.now:
            return ""
        changed: dict[str, Any] = {"failed": 0, "locked_until": 0.0, "last_login": tx.now}
        if row.totp_on:
            step = totp.step_of(self._seal.open(row.id, row.totp), code, tx.now, last=row.totp_step)
            if step is None:
                return ""
            changed["totp_step"] = step
        tx.connection.execute(update(account).where(account.c.id == account_id).values(changed))
        tx.audit(actor=f"account/{account_id}", action="Login", object=account_id, outcome="done")
        return self._sessions.begin(tx, account_id)

    async def _failed(self, row: Row[Any] | None, *, counts: bool) -> No:
        """Count a wrong login; what to raise."""

        def unit(tx: Tx) -> None:
            name = "" if row is None else str(row.id)
            tx.audit(actor="nobody", action="Login", object=name, outcome="refused")
            if row is None or not counts:
                return
            failed = require(tx.connection, row.id).failed + 1
            locked = 0.0
            if failed >= MAX_FAILED:
                locked = tx.now + min(FIRST_LOCK * 2.0 ** min(failed - MAX_FAILED, 20), LONGEST_LOCK)
            values = {"failed": failed, "locked_until": locked}
            tx.connection.execute(update(account).where(account.c.id == row.id).values(values))

        await self._mailbox.transact(unit)
        return No(401, WRONG)

    # -- about oneself ------------------------------------------------------------------------------------------

    async def set_password(self, account_id: str, old: str, new: str, secret: str) -> None:
        """Another password; every other login ends. Raises InputError, No (403) when the old one is wrong."""
        row = await self._own(account_id, old)
        check_new(new, row.name)
        if new == old:
            raise InputError("password", "is the old one")
        hashed = await self._passwords.hashed(new)

        def change(tx: Tx) -> dict[str, Any]:
            end_all(tx.connection, account_id, but=secret)
            return {"password": hashed, "must_change": 0}

        await self._change(account_id, f"account/{account_id}", "ChangePassword", change)

    async def new_totp(self, account_id: str, password: str) -> tuple[str, str]:
        """A secret for an authenticator app and its URI; nothing holds until a first code was right."""
        row = await self._own(account_id, password)
        if row.totp_on:
            raise Refused(*NAME_IN_USE, "codes are on already: remove them first")
        made = self._entropy(totp.SECRET_OCTETS)
        sealed = self._seal.close(account_id, made)
        await self._change(
            account_id, f"account/{account_id}", "NewTOTP", lambda _: {"totp": sealed, "totp_on": 0}
        )
        return totp.text_of(made), totp.uri_of(made, row.name, ISSUER)

    async def confirm_totp(self, account_id: str, code: str) -> None:
        """Codes are asked for from now on; raises No (403) for a wrong one."""

        def change(tx: Tx) -> dict[str, Any]:
            row = require(tx.connection, account_id)
            if not row.totp or row.totp_on:
                raise Refused(*NOT_PREPARED, "ask for a secret first")
            step = totp.step_of(self._seal.open(row.id, row.totp), code, tx.now, last=row.totp_step)
            if step is None:
                raise No(403, "the code is wrong")
            return {"totp_on": 1, "totp_step": step}

        await self._change(account_id, f"account/{account_id}", "ConfirmTOTP", change)

    async def remove_totp(self, account_id: str, password: str, code: str) -> None:
        """Codes are asked for no more; takes password and a code, and a wrong code counts as a wrong login."""
        before = await self._own(account_id, password)

        def change(tx: Tx) -> dict[str, Any]:
            row = require(tx.connection, account_id)
            if row.totp_on:
                step = totp.step_of(self._seal.open(row.id, row.totp), code, tx.now, last=row.totp_step)
                if step is None:
                    raise _WrongCode
            return {"totp": b"", "totp_on": 0}

        try:
            await self._change(account_id, f"account/{account_id}", "RemoveTOTP", change)
        except _WrongCode:
            await self._failed(before, counts=True)
            raise No(403, "the code is wrong, or the account is locked for now") from None

    async def _own(self, account_id: str, password: str) -> Row[Any]:
        """The row of somebody who is logged in and shows his password once more; wrong ones count for the lock."""
        row = await self._mailbox.store.read(lambda c: require(c, account_id))
        locked = row.locked_until > self._clock.now()
        if not await self._passwords.same(row.password, password) or locked:
            await self._failed(row, counts=not locked)
            raise No(403, "the password is wrong, or the account is locked for now")
        return row


def enter(tx: Tx, values: dict[str, Any], actor: str) -> None:
    """A new account, with its record in the audit trail."""
    tx.connection.execute(insert(account).values(values))
    tx.audit(actor=actor, action="AddAccount", object=values["id"], outcome="done", detail=values["role"])


def set_role(
    tx: Tx, account_id: str, role: KeyRole, actor: str, *, seen: tuple[str, str] | None = None
) -> AccountView:
    """Another role; raises Refused, also when role and tenant are not those that were `seen` when it was asked."""
    row = require(tx.connection, account_id)
    if seen is not None and (row.role, row.tenant) != seen:
        raise Refused(*codes.FUNCTION_NOT_ALLOWED, f"{row.name} is {row.role} by now, was {seen[0]}: ask again")
    tx.connection.execute(update(account).where(account.c.id == account_id).values(role=role.value))
    tx.audit(actor=actor, action="ChangeRole", object=account_id, outcome="done", detail=role.value)
    return view_of(require(tx.connection, account_id))


def require(connection: Connection, account_id: str) -> Row[Any]:
    """The row; raises Refused."""
    row = connection.execute(select(account).where(account.c.id == account_id)).first()
    if row is None:
        raise Refused(*UNKNOWN, f"there is no user {account_id}", identifier=account_id)
    return row


def view_of(row: Row[Any]) -> AccountView:
    """What may be seen of it."""
    return AccountView(
        user_id=row.id,
        name=row.name,
        role=KeyRole(row.role),
        tenant=row.tenant,
        created=row.created,
        last_login=row.last_login,
        locked_until=row.locked_until,
        disabled=row.disabled,
        codes=bool(row.totp_on),
        must_change=bool(row.must_change),
        from_provider=row.subject is not None,
    )
