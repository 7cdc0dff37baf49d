"""Whether somebody who was let in earlier is let in still: an account or a key, as it is now."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.principal import ACCOUNT, KEY, Principal
from ferryman.rest_api.rights import may
from ferryman.rest_api.schema import account, api_key


def standing(connection: Connection, actor: str, now: float) -> Principal | None:
    """Who an actor of the trail is; None for an account that is disabled, a key that is revoked or expired."""
    kind, _, name = actor.partition("/")
    if kind == ACCOUNT:
        row = connection.execute(select(account).where(account.c.id == name)).first()
        if row is None or row.disabled:
            return None
        return Principal(kind, name, row.name, KeyRole(row.role), row.tenant, maker=row.maker)
    row = connection.execute(select(api_key).where(api_key.c.id == name)).first()
    if row is None or row.revoked or row.expires <= now:
        return None
    return Principal(KEY, name, row.name, KeyRole(row.role), row.tenant, tuple(row.scopes.split()), row.maker)


def still_may(connection: Connection, actor: str, tenant: str, scope: str, now: float) -> bool:
    """Whether an actor has a right in a tenant (empty: among the staff) now."""
    who = standing(connection, actor, now)
    return who is not None and who.tenant == tenant and may(who, scope)
