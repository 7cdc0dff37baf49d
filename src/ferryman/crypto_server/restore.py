"""After the CryptoServer's database was restored from a copy: token numbers that no card has seen (SGP.02 3.10).

A token covers its number and a card takes each number once. What was issued in the lost time is in no record.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from ferryman.crypto_server.schema import secret
from ferryman.crypto_server.token_keys import BELOW_KEYSETS, LAST_NUMBER, TokenKey
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError

TOKENS_PER_SECOND = 10  # of one ISD-P: each is asked for by a call, for one deletion over the air
LEAST_TOKENS = 100  # also when next to no time was lost
PAGE = 500  # token keys in one transaction


def tokens_of(lost: float) -> int:
    """Tokens that can have been issued for one ISD-P in `lost` seconds."""
    return LEAST_TOKENS + int(lost * TOKENS_PER_SECOND)


def holds_token_keys(connection: Connection) -> bool:
    """Whether there is anything to move."""
    return (
        connection.execute(select(secret.c.ref).where(secret.c.ref.like(BELOW_KEYSETS)).limit(1)).first()
        is not None
    )


def advance_tokens(
    connection: Connection, vault: Vault, now: float, lost: float, *, after: str = ""
) -> tuple[int, str]:
    """Move the token numbers of a page of keys behind reference `after`: how many, and the last (empty: no more).

    A key that is not known to be on the card is moved as well: it may have got there in the lost time. Raises
    InputError when the vault key is another database's, or naming the ISD-P whose numbers have no room left; then
    nothing of the page is changed.
    """
    statement = select(secret.c.ref).where(secret.c.ref.like(BELOW_KEYSETS), secret.c.ref > after)
    refs = list(connection.execute(statement.order_by(secret.c.ref).limit(PAGE)).scalars())
    moved: list[tuple[str, bytes]] = []
    for ref in refs:
        token = msgspec.msgpack.decode(vault.get(connection, ref) or b"", type=TokenKey)
        issued = token.issued + tokens_of(lost)
        if issued > LAST_NUMBER:
            raise InputError(ref, "has no room left in its token numbers; a new token key must be loaded")
        moved.append((ref, msgspec.msgpack.encode(msgspec.structs.replace(token, issued=issued))))
    vault.put(connection, moved, now)
    return len(refs), refs[-1] if len(refs) == PAGE else ""
