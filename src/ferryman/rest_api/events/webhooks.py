"""Webhooks of a tenant and their deliveries, in the database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    String,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)

from ferryman.contracts import codes
from ferryman.contracts.events import EventKind
from ferryman.errors import Refused
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.destination import check
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.prepared import Prepared
from ferryman.rest_api.events.signing import SECRET_OCTETS, secret_text
from ferryman.rest_api.events.views import (
    ACTIVE,
    DELIVERED,
    GIVEN_UP,
    PAUSED,
    WAITING,
    DeliveryList,
    DeliveryView,
    NewWebhook,
    WebhookView,
)
from ferryman.rest_api.schema import delivery, event, webhook
from ferryman.rest_api.seal import NONCE_OCTETS, TAG_OCTETS, Seal

MAX_WEBHOOKS = 20  # of one tenant: each event is stored once for each of them
BOTH_SECONDS = 86_400.0  # that deliveries are signed with the former secrets too
MAX_FORMER = 3  # of them: who lost an answer asks for another secret, while the receiver still has the first
SEALED_OCTETS = NONCE_OCTETS + SECRET_OCTETS + TAG_OCTETS  # of one secret at rest

_before = delivery.alias("before")
_WAITS = literal_column(f"'{WAITING}'", String)  # a prepared statement has no values of its own
_HEADS = (
    select(delivery.c.number, delivery.c.event, delivery.c.eid, delivery.c.attempts, event.c.id, event.c.body)
    .join(event, event.c.seq == delivery.c.event)
    .where(
        delivery.c.webhook == bindparam("webhook"),
        delivery.c.state == WAITING,
        delivery.c.next_try <= bindparam("now"),
        # Ordered for each eUICC: nothing before what waits in front of it.
        ~exists().where(
            _before.c.webhook == delivery.c.webhook,
            _before.c.eid == delivery.c.eid,
            _before.c.state == WAITING,
            _before.c.event < delivery.c.event,
        ),
    )
    .order_by(delivery.c.next_try, delivery.c.number)
    .limit(bindparam("most"))
)
_NEXT = Prepared(
    lambda _: select(func.min(delivery.c.next_try)).where(
        delivery.c.webhook == bindparam("webhook"), delivery.c.state == _WAITS
    )
)
_OUTCOME = ("state", "attempts", "next_try", "http_status", "note", "changed")
_SETTLE = Prepared(
    lambda _: (
        update(delivery)
        .where(delivery.c.number == bindparam("which"), delivery.c.state == _WAITS)
        .values({name: bindparam(name) for name in _OUTCOME})
    )
)


@dataclass(frozen=True, slots=True)
class Head:
    """The delivery that is next for an eUICC."""

    number: int
    seq: int
    eid: str
    attempts: int
    event_id: str
    body: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Receiver:
    """Where a webhook leads, with the secrets that are valid now."""

    url: str
    secrets: tuple[bytes, ...]


class WebhookBook:
    """Every method takes the tenant; a webhook of another one is absent."""

    def __init__(self, mailbox: Mailbox, clock: Clock, entropy: Entropy, seal: Seal) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._entropy = entropy
        self._seal = seal
        self.changed: Callable[[str], None] = lambda webhook_id: None  # in the event loop, behind the commit

    async def add(self, tenant: str, asked: NewWebhook, actor: str, call_id: str) -> WebhookView:
        """Make one, with its secret in the answer; a repeat of the call finds it. Raises InputError, Refused."""
        check(asked.url)
        webhook_id, secret = id_of(tenant, call_id), self._entropy(SECRET_OCTETS)
        kinds = tuple(dict.fromkeys(asked.types))

        def unit(tx: Tx) -> WebhookView:
            query = select(webhook).where(webhook.c.id == webhook_id)
            known = tx.connection.execute(query).first()
            if known is not None:
                return _view(tx.connection, known, secret=self._shown(known))
            count = select(func.count()).select_from(webhook).where(webhook.c.tenant == tenant)
            if tx.connection.execute(count).scalar_one() >= MAX_WEBHOOKS:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, f"there are {MAX_WEBHOOKS} webhooks: delete one first")
            tx.connection.execute(
                insert(webhook).values(
                    id=webhook_id,
                    tenant=tenant,
                    url=asked.url,
                    types=" ".join(kind.value for kind in kinds),
                    secret=self._seal.close(_name(webhook_id), secret),
                    former=b"",
                    former_until=0.0,
                    state=ACTIVE,
                    reason="",
                    created=tx.now,
                )
            )
            tx.audit(actor=actor, action="AddWebhook", object=webhook_id, outcome="done")
            tx.then(lambda: self.changed(webhook_id))
            return _view(tx.connection, tx.connection.execute(query).one(), secret=secret_text(secret))

        return await self._mailbox.transact(unit)

    def _shown(self, row: Row[Any]) -> str:
        return secret_text(self._seal.open(_name(row.id), bytes(row.secret)))

    async def all(self, tenant: str) -> tuple[WebhookView, ...]:
        """The webhooks of a tenant, the oldest first."""
        query = select(webhook).where(webhook.c.tenant == tenant).order_by(webhook.c.created, webhook.c.id)
        return await self._mailbox.store.read(lambda c: tuple(_view(c, row) for row in c.execute(query).all()))

    async def show(self, tenant: str, webhook_id: str) -> WebhookView:
        """One of them; raises Refused."""

        def look(connection: Connection) -> WebhookView:
            return _view(connection, _row(connection, tenant, webhook_id))

        return await self._mailbox.store.read(look)

    async def change(self, tenant: str, webhook_id: str, action: str, actor: str) -> WebhookView:
        """Pause, resume, or rotate its secret; raises Refused."""
        secret = self._entropy(SECRET_OCTETS)

        def unit(tx: Tx) -> WebhookView:
            row = _row(tx.connection, tenant, webhook_id)
            values: dict[str, Any] = {"state": ACTIVE if action == "resume" else PAUSED, "reason": ""}
            if action == "pause":
                values["reason"] = "asked for"
            if action == "rotate":
                values = {
                    "secret": self._seal.close(_name(webhook_id), secret),
                    "former": bytes(row.secret) + _former(row, tx.now)[: (MAX_FORMER - 1) * SEALED_OCTETS],
                    "former_until": tx.now + BOTH_SECONDS,
                }
            tx.connection.execute(update(webhook).where(webhook.c.id == webhook_id).values(**values))
            if action == "resume":
                tx.connection.execute(
                    update(delivery)
                    .where(delivery.c.webhook == webhook_id, delivery.c.state == WAITING)
                    .values(next_try=tx.now)
                )
            tx.audit(actor=actor, action="ChangeWebhook", object=webhook_id, outcome="done", detail=action)
            tx.then(lambda: self.changed(webhook_id))
            return _view(
                tx.connection,
                _row(tx.connection, tenant, webhook_id),
                secret=secret_text(secret) if action == "rotate" else "",
            )

        return await self._mailbox.transact(unit)

    async def remove(self, tenant: str, webhook_id: str, actor: str) -> None:
        """Delete it with its deliveries; raises Refused."""

        def unit(tx: Tx) -> None:
            _row(tx.connection, tenant, webhook_id)
            tx.connection.execute(delete(delivery).where(delivery.c.webhook == webhook_id))
            tx.connection.execute(delete(webhook).where(webhook.c.id == webhook_id))
            tx.audit(actor=actor, action="DeleteWebhook", object=webhook_id, outcome="done")
            tx.then(lambda: self.changed(webhook_id))

        await self._mailbox.transact(unit, long=True)

    async def deliveries(
        self, tenant: str, webhook_id: str, *, after: int, limit: int, state: str
    ) -> DeliveryList:
        """The log of deliveries; raises Refused."""
        query = (
            select(delivery, event.c.id.label("name"))
            .join(event, event.c.seq == delivery.c.event)
            .where(delivery.c.webhook == webhook_id, delivery.c.number > after)
            .order_by(delivery.c.number)
            .limit(limit + 1)
        )
        if state:
            query = query.where(delivery.c.state == state)

        def look(connection: Connection) -> Sequence[Row[Any]]:
            _row(connection, tenant, webhook_id)
            return connection.execute(query).all()

        rows = await self._mailbox.store.read(look)
        items = tuple(_delivery(row) for row in rows[:limit])
        return DeliveryList(items=items, next=items[-1].id if len(rows) > limit else "")

    async def replay(self, tenant: str, webhook_id: str, *, after: int, given_up_only: bool, actor: str) -> int:
        """Have events delivered again, under the same names; how many. Raises Refused."""
        states = (GIVEN_UP,) if given_up_only else (GIVEN_UP, DELIVERED)

        def unit(tx: Tx) -> int:
            _row(tx.connection, tenant, webhook_id)
            which = (
                update(delivery)
                .where(delivery.c.webhook == webhook_id, delivery.c.event > after, delivery.c.state.in_(states))
                .values(state=WAITING, attempts=0, next_try=tx.now, changed=tx.now)
            )
            count = tx.connection.execute(which).rowcount
            tx.audit(actor=actor, action="ReplayWebhook", object=webhook_id, outcome="done", detail=str(count))
            tx.then(lambda: self.changed(webhook_id))
            return count

        return await self._mailbox.transact(unit, long=True)

    # -- for the sender ---------------------------------------------------------------------------------------

    async def active(self) -> tuple[str, ...]:
        """Every webhook that is not paused."""
        query = select(webhook.c.id).where(webhook.c.state == ACTIVE)
        return await self._mailbox.store.read(lambda c: tuple(c.execute(query).scalars()))

    async def receiver(self, webhook_id: str) -> Receiver | None:
        """Where it leads; None when it is paused or gone. Raises Unavailable for a secret that does not open."""
        query = select(webhook).where(webhook.c.id == webhook_id, webhook.c.state == ACTIVE)
        row = await self._mailbox.store.read(lambda c: c.execute(query).first())
        if row is None:
            return None
        former = _former(row, self._clock.now())
        sealed = [bytes(row.secret)]
        sealed += [former[at : at + SEALED_OCTETS] for at in range(0, len(former), SEALED_OCTETS)]
        return Receiver(row.url, tuple(self._seal.open(_name(webhook_id), one) for one in sealed))

    async def heads(self, webhook_id: str, most: int) -> tuple[Head, ...]:
        """Deliveries that are due, at most one for each eUICC."""
        values = {"webhook": webhook_id, "now": self._clock.now(), "most": most}
        rows = await self._mailbox.store.read(lambda c: c.execute(_HEADS, values).all())
        return tuple(
            Head(number, seq, eid, attempts, event_id, bytes(body))
            for number, seq, eid, attempts, event_id, body in rows
        )

    async def next_try(self, webhook_id: str) -> float | None:
        """When the next one is due, in seconds since 1970; None when nothing waits."""
        row = await self._mailbox.store.read(lambda c: _NEXT.row(c, {"webhook": webhook_id}))
        return None if row is None else row[0]

    async def settle(
        self, head: Head, *, state: str, next_try: float, http_status: int, note: str, tried: bool = True
    ) -> None:
        """Record what came of an attempt; raises Unavailable."""
        values = {
            "which": head.number,
            "state": state,
            "attempts": head.attempts + tried,
            "next_try": next_try,
            "http_status": http_status,
            "note": note,
            "changed": self._clock.now(),
        }
        await self._mailbox.store.write(lambda c: _SETTLE.count(c, values))

    async def pause(self, webhook_id: str, reason: str) -> None:
        """Pause it for a reason of ours, with an alarm in the audit trail."""

        def unit(tx: Tx) -> None:
            tx.connection.execute(
                update(webhook).where(webhook.c.id == webhook_id).values(state=PAUSED, reason=reason)
            )
            tx.audit(actor="rest-api", action="PauseWebhook", object=webhook_id, outcome="alarm", detail=reason)

        await self._mailbox.transact(unit)


def id_of(tenant: str, call_id: str) -> str:
    """The name of a webhook follows from the call that makes it."""
    return hashlib.sha256(f"{tenant}\0{call_id}".encode()).hexdigest()[:16]


def _name(webhook_id: str) -> str:
    return f"webhook/{webhook_id}"


def _row(connection: Connection, tenant: str, webhook_id: str) -> Row[Any]:
    query = select(webhook).where(webhook.c.id == webhook_id, webhook.c.tenant == tenant)
    row = connection.execute(query).first()
    if row is None:
        raise Refused(*codes.FORMAT_INVALID, f"there is no webhook {webhook_id}", identifier=webhook_id)
    return row


def _former(row: Row[Any], now: float) -> bytes:
    """The former secrets that are good still, sealed, the last one first."""
    return bytes(row.former) if row.former_until > now else b""


def _view(connection: Connection, row: Row[Any], *, secret: str = "") -> WebhookView:
    count = select(func.count()).where(delivery.c.webhook == row.id, delivery.c.state == WAITING)
    return WebhookView(
        id=row.id,
        url=row.url,
        types=tuple(EventKind(one) for one in row.types.split()),
        state=row.state,
        created=row.created,
        waiting=connection.execute(count).scalar_one(),
        reason=row.reason,
        secret=secret,
    )


def _delivery(row: Row[Any]) -> DeliveryView:
    return DeliveryView(
        id=str(row.number),
        event=row.name,
        seq=row.event,
        eid=row.eid,
        state=row.state,
        attempts=row.attempts,
        next_try=row.next_try,
        changed=row.changed,
        http_status=row.http_status,
        note=row.note,
    )
