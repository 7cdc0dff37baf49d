"""API keys: made, found by what a request shows, revoked; and what an Idempotency-Key was first used for."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from ferryman.contracts import codes
from ferryman.contracts.rest import AddKey, KeyAdded, KeyRole, KeyView
from ferryman.errors import InputError, Refused
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.prepared import Prepared
from ferryman.rest_api.endpoint import Absent
from ferryman.rest_api.principal import KEY, Principal
from ferryman.rest_api.rights import SCOPES
from ferryman.rest_api.schema import api_key, used_key

ID_OCTETS = 8
SECRET_OCTETS = 32
MAX_DAYS = 400.0  # a key that is never renewed is a key that nobody knows of
MAX_NAME = 80  # characters, the width of the column
MAX_TENANT = 128  # characters, the width of the column
KEEP_USED = 30 * 86_400.0  # s that the first use of an Idempotency-Key is remembered here
FORMULA = "=+-@"  # what begins a formula when a list is opened in a spreadsheet
DAY = 86_400.0  # s
NOTED = 60.0  # s: how exactly it is known when a key was last used

_TOKEN = re.compile(r"fk_([0-9a-f]{16})_([0-9a-f]{64})")
_NO_DIGEST = bytes(32)
MAX_KNOWN = 1_000  # keys that are kept at hand; any other costs a look into the database
_FORGET_USED = Prepared(lambda _: delete(used_key).where(used_key.c.seen < bindparam("before")))
_USED = Prepared(lambda _: select(used_key.c.fingerprint).where(used_key.c.id == bindparam("of")))
_USE = Prepared(
    lambda dialect: (
        dialect.insert(used_key)
        .values({name: bindparam(name) for name in ("id", "fingerprint", "seen")})
        .on_conflict_do_nothing(index_elements=["id"])
    )
)
_BY_ID = select(api_key).where(api_key.c.id == bindparam("key_id"))


@dataclass(frozen=True, slots=True)
class _Known:
    """A key, and the holder that it names while it is good; times in s since 1970."""

    who: Principal
    digest: bytes = field(repr=False)
    revoked: bool
    expires: float
    last_used: float


class KeyBook:
    """The keys of this installation."""

    def __init__(self, mailbox: Mailbox, clock: Clock, entropy: Entropy) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._entropy = entropy
        # Only this process writes the table. What is at hand is forgotten with each change, before and behind it.
        self._known: dict[str, _Known] = {}
        self._changes = 0

    async def add(
        self,
        asked: AddKey,
        actor: str,
        maker: Iterable[str] = (),
        noted: Callable[[Tx, KeyAdded], None] = lambda _, made: None,
    ) -> KeyAdded:
        """Make a key; `maker`: the hands of who makes it. `noted` writes more with it. Raises InputError."""
        _check(asked)
        key_id, secret = self._entropy(ID_OCTETS).hex(), self._entropy(SECRET_OCTETS).hex()
        now = self._clock.now()
        view = KeyView(
            key_id=key_id,
            name=asked.name,
            role=asked.role,
            tenant=asked.tenant,
            scopes=tuple(sorted(set(asked.scopes))),
            created=now,
            expires=now + asked.days * DAY,
        )

        made = KeyAdded(key=view, token=f"fk_{key_id}_{secret}")

        def unit(tx: Tx) -> None:
            tx.connection.execute(
                insert(api_key).values(
                    id=key_id,
                    name=view.name,
                    digest=_digest(secret),
                    role=view.role.value,
                    tenant=view.tenant,
                    scopes=" ".join(view.scopes),
                    created=view.created,
                    expires=view.expires,
                    revoked=0.0,
                    maker=" ".join(sorted(maker)),
                )
            )
            tx.audit(actor=actor, action="AddKey", object=key_id, outcome="done", detail=view.role.value)
            noted(tx, made)

        await self._mailbox.transact(unit)
        return made

    async def all(self) -> tuple[KeyView, ...]:
        """Every key, the oldest first."""

        def look(connection: Connection) -> tuple[KeyView, ...]:
            found = connection.execute(select(api_key).order_by(api_key.c.created, api_key.c.id))
            return tuple(_view(row) for row in found)

        return await self._mailbox.store.read(look)

    async def revoke(self, key_id: str, actor: str) -> KeyView:
        """Good for nothing from now on, once; raises Refused for one that is not there."""

        def unit(tx: Tx) -> KeyView | None:
            changed = tx.connection.execute(
                update(api_key).where(api_key.c.id == key_id, api_key.c.revoked == 0.0).values(revoked=tx.now)
            )
            if changed.rowcount:
                tx.audit(actor=actor, action="RevokeKey", object=key_id, outcome="done")
            row = tx.connection.execute(select(api_key).where(api_key.c.id == key_id)).first()
            return None if row is None else _view(row)

        self._forget()
        try:
            found = await self._mailbox.transact(unit)
        finally:
            self._forget()
        if found is None:
            raise Absent("API key", key_id)
        return found

    async def holder(self, token: str) -> Principal | None:
        """The key behind a token, if it is good now; which of its faults a bad one has is not told."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        key_id, secret = match.groups()
        key = self._known.get(key_id) or await self._look(key_id)
        good = hmac.compare_digest(_NO_DIGEST if key is None else key.digest, _digest(secret))
        now = self._clock.now()
        if key is None or not good or key.revoked or key.expires <= now:
            return None
        if now > key.last_used + NOTED:
            used = update(api_key).where(api_key.c.id == key_id).values(last_used=now)
            await self._mailbox.transact(lambda tx: tx.connection.execute(used) and None)
            self._forget()
        return key.who

    async def _look(self, key_id: str) -> _Known | None:
        """A key as it is stored, kept at hand unless something changed while it was read."""
        before = self._changes
        row = await self._mailbox.store.read(lambda c: c.execute(_BY_ID, {"key_id": key_id}).first())
        if row is None:
            return None
        scopes = tuple(row.scopes.split())
        who = Principal(KEY, key_id, row.name, KeyRole(row.role), row.tenant, scopes, row.maker)
        known = _Known(who, row.digest, bool(row.revoked), row.expires, row.last_used)
        if before == self._changes:
            if len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[key_id] = known
        return known

    def _forget(self) -> None:
        self._changes += 1
        self._known.clear()

    async def first_use(
        self, party: str, key: str, fingerprint: bytes, *, noted: Callable[[Tx, str], None] | None = None
    ) -> str:
        """Enter an Idempotency-Key before its request is carried out; the call identifier that belongs to it.

        `noted` writes more with the first use. Raises Refused when this party used the key for another request.
        """
        identifier = hashlib.sha256(f"{party}\0{key}".encode()).hexdigest()[:32]

        def unit(tx: Tx) -> bytes:
            _FORGET_USED.count(tx.session, {"before": tx.now - KEEP_USED})
            used = {"id": identifier, "fingerprint": fingerprint, "seen": tx.now}
            if _USE.count(tx.session, used) == 1:
                if noted is not None:
                    noted(tx, identifier)
                return fingerprint
            known = _USED.row(tx.session, {"of": identifier})
            # None: entered and forgotten by another process just now; then it was another use.
            return bytes(known[0]) if known is not None else b""

        first = await self._mailbox.transact(unit)
        if first != fingerprint:
            raise Refused(*codes.CALL_ID_REUSED, "this Idempotency-Key was used for another request")
        return identifier


def _digest(secret: str) -> bytes:
    # A secret of 256 random bits cannot be guessed from its digest; a slow hash is for passwords.
    return hashlib.sha256(secret.encode()).digest()


def _view(row: Row[tuple[object, ...]]) -> KeyView:
    return KeyView(
        key_id=row.id,
        name=row.name,
        role=KeyRole(row.role),
        tenant=row.tenant,
        scopes=tuple(row.scopes.split()),
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
        last_used=row.last_used,
    )


def check_name(name: str) -> None:
    """Raises InputError."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise InputError("name", f"must have 1 to {MAX_NAME} printable characters")
    if name[0] in FORMULA:
        raise InputError("name", f"must not begin with one of {' '.join(FORMULA)}")


def check_tenant(tenant: str) -> None:
    """Raises InputError."""
    if len(tenant) > MAX_TENANT or not re.fullmatch(r"[0-9.]*", tenant):
        raise InputError("tenant", "must be an Mno-id: numbers with points between them")


def _check(asked: AddKey) -> None:
    check_name(asked.name)
    check_tenant(asked.tenant)
    if not 0 < asked.days <= MAX_DAYS:
        raise InputError("days", f"must be above 0 and at most {MAX_DAYS:.0f}")
    for scope in asked.scopes:
        if scope not in SCOPES:
            raise InputError("scope", f"{scope!r} is none of {', '.join(sorted(SCOPES))}")
