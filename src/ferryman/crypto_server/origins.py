"""Where agreed keys came from: what leaves the vault goes under none that came over the REST API.

A key that the REST API brought opens what comes in: deliveries, files, envelopes. Whoever took the REST API over
could bring a key of his own; were secrets exported under it, or one that was imported at the machine replaced by
it, he would have them. So such a key is marked in the vault beside its value, under its name.
"""

from __future__ import annotations

import hmac

from sqlalchemy import Connection

from ferryman.contracts import codes
from ferryman.contracts.message import Header
from ferryman.contracts.roles import REST_API
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.platform.mailbox import Tx

FROM_AFAR = b"rest-api"
MAX_NAME = 100  # characters: the mark's reference fits its column


def put(tx: Tx, vault: Vault, header: Header, ref: str, value: bytes) -> None:
    """Store an agreed key as the caller's.

    Raises InputError for a name that the REST API may not choose, Refused when it would replace the machine's.
    """
    if header.sender != REST_API:
        vault.put(tx.connection, [(ref, value)], tx.now)
        vault.remove(tx.connection, _mark(ref))
        return
    name = name_of(ref)
    if not name or "/" in name or len(name) > MAX_NAME:  # a part of another key's name would be removed with it
        raise InputError("name", f"must have 1 to {MAX_NAME} characters and no slash")
    known = vault.get(tx.connection, ref)
    if known is None or is_from_afar(tx.connection, vault, ref):
        vault.put(tx.connection, [(ref, value), (_mark(ref), FROM_AFAR)], tx.now)
    elif not hmac.compare_digest(known, value):
        sentence = f"the key {name!r} was imported at the platform's own machine, and is replaced there"
        raise Refused(*codes.FUNCTION_NOT_ALLOWED, sentence, identifier=name)


def is_from_afar(connection: Connection, vault: Vault, ref: str) -> bool:
    """Whether the REST API brought it."""
    return vault.get(connection, _mark(ref)) is not None


def require_of_the_machine(connection: Connection, vault: Vault, ref: str) -> None:
    """Raises Refused for a key under which nothing may leave."""
    if is_from_afar(connection, vault, ref):
        sentence = f"the key {name_of(ref)!r} came over the REST API: import it at the platform's own machine"
        raise Refused(*codes.FUNCTION_NOT_ALLOWED, sentence, identifier=name_of(ref))


def name_of(ref: str) -> str:
    """What a person calls the key: the reference without its kind."""
    for kind in ("transport/", "openpgp/peer/"):
        if ref.startswith(kind):
            return ref.removeprefix(kind)
    raise ValueError(f"{ref} is no agreed key")


def _mark(ref: str) -> str:
    return f"from-afar/{ref}"
