"""Logins of people: a secret in the browser's cookie, its digest here, a CSRF token that follows from it."""

from __future__ import annotations

import hashlib
import hmac

from sqlalchemy import Connection, delete, insert, select, update

from ferryman.contracts.rest import KeyRole
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.rest_api.principal import ACCOUNT, Principal
from ferryman.rest_api.schema import account, session

# With this prefix browsers refuse it without Secure, with a Domain, or for a part of the host (RFC 6265bis 4.1.3).
COOKIE = "__Host-ferryman"
CSRF = "X-CSRF-Token"
SECRET_OCTETS = 32
IDLE = 30 * 60.0  # s without a request until a login ends
LONGEST = 12 * 3600.0  # s until it ends in any case
NOTED = 60.0  # s: how exactly it is known when a login was last used


class SessionBook:
    """The logins of this installation."""

    def __init__(self, mailbox: Mailbox, clock: Clock, entropy: Entropy) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._entropy = entropy

    def begin(self, tx: Tx, account_id: str) -> str:
        """Enter a login; the secret for its cookie."""
        secret = self._entropy(SECRET_OCTETS).hex()
        tx.connection.execute(delete(session).where(session.c.seen < tx.now - LONGEST))
        tx.connection.execute(
            insert(session).values(digest=_digest(secret), account=account_id, created=tx.now, seen=tx.now)
        )
        return secret

    async def holder(self, secret: str) -> Principal | None:
        """Who is logged in with this cookie, if anybody is now."""
        now = self._clock.now()
        statement = (
            select(account, session.c.seen, session.c.created.label("began"))
            .join(session, session.c.account == account.c.id)
            .where(session.c.digest == _digest(secret))
        )
        row = await self._mailbox.store.read(lambda c: c.execute(statement).first())
        if row is None or row.disabled or not _is_alive(row.seen, row.began, now):
            return None
        if now > row.seen + NOTED:
            await self._mailbox.transact(lambda tx: _note(tx, secret))
        return Principal(
            ACCOUNT,
            row.id,
            row.name,
            KeyRole(row.role),
            row.tenant,
            maker=row.maker,
            must_change=bool(row.must_change),
        )

    async def stands(self, secret: str) -> bool:
        """Whether this login has not ended; to look is not to use it."""
        now, found = self._clock.now(), select(session).where(session.c.digest == _digest(secret))
        row = await self._mailbox.store.read(lambda c: c.execute(found).first())
        return row is not None and _is_alive(row.seen, row.created, now)

    async def end(self, secret: str) -> None:
        """Log out."""
        gone = delete(session).where(session.c.digest == _digest(secret))
        await self._mailbox.transact(lambda tx: tx.connection.execute(gone) and None)


def _is_alive(seen: float, began: float, now: float) -> bool:
    return now <= seen + IDLE and now <= began + LONGEST


def end_all(connection: Connection, account_id: str, *, but: str = "") -> None:
    """End every login of an account, except the one with the secret `but`."""
    statement = delete(session).where(session.c.account == account_id)
    if but:
        statement = statement.where(session.c.digest != _digest(but))
    connection.execute(statement)


def csrf_of(secret: str) -> str:
    """What a page of ours sends beside the cookie, and a page of somebody else's cannot know."""
    return hashlib.sha256(b"csrf\0" + secret.encode()).hexdigest()


def is_csrf(secret: str, shown: str) -> bool:
    """Whether the token is that of the login."""
    return hmac.compare_digest(csrf_of(secret).encode(), shown.encode())


def cookie_of(secret: str) -> str:
    """Set-Cookie of a login; an empty secret takes it away."""
    return _cookie(COOKIE, secret, "Strict", int(LONGEST) if secret else 0)


def _cookie(name: str, value: str, same_site: str, seconds: int) -> str:
    return f"{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite={same_site}"


def passing_cookie(name: str, value: str, seconds: int) -> str:
    """A cookie that comes along when somebody is sent back to us from another site."""
    return _cookie(name, value, "Lax", seconds)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _note(tx: Tx, secret: str) -> None:
    tx.connection.execute(update(session).where(session.c.digest == _digest(secret)).values(seen=tx.now))
