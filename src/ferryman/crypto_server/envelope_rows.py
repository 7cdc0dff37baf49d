"""Tables of OpenPGP envelopes: parts of the envelope as they are, runs of what is in it sealed by the vault."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from ferryman.contracts import codes
from ferryman.contracts.envelopes import EnvelopeState
from ferryman.crypto_server.schema import envelope, envelope_piece
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused

PART, RUN = "part", "run"
MAX_ENVELOPE = 128 << 20
"""Bytes of one envelope: its opening takes some eight times as much memory. Half a million rows and more fit."""

MAX_PART = 4 << 20  # bytes
MAX_ID = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    """One envelope on its way."""

    envelope_id: str
    owner: str
    state: str
    signer: str
    parts: int
    runs: int
    size: int

    @property
    def view(self) -> EnvelopeState:
        """As the contract tells it."""
        return EnvelopeState(state=self.state, parts=self.parts, runs=self.runs, size=self.size)


def find(connection: Connection, owner: str, envelope_id: str) -> Envelope | None:
    """The envelope of this name; raises Refused when it is another's."""
    row = connection.execute(select(envelope).where(envelope.c.envelope_id == envelope_id)).first()
    if row is None:
        return None
    if row.owner != owner:
        raise Refused(*codes.PROVIDER_ERROR, "the envelope is another operator's", identifier=envelope_id)
    return Envelope(row.envelope_id, row.owner, row.state, row.signer, row.parts, row.runs, row.size)


def require(connection: Connection, owner: str, envelope_id: str, *states: str) -> Envelope:
    """The envelope, which must be in one of these states."""
    found = find(connection, owner, envelope_id)
    if found is None or found.state not in states:
        raise Refused(*codes.PROVIDER_ERROR, "no such envelope; begin it again", identifier=envelope_id)
    return found


def create(connection: Connection, owner: str, envelope_id: str, state: str, signer: str, now: float) -> Envelope:
    """Enter an envelope. Raises InputError for a name that is no digest."""
    if len(envelope_id) != MAX_ID:
        raise InputError("envelope_id", "must be a SHA-256 in hex")
    values = {"state": state, "signer": signer, "parts": 0, "runs": 0, "size": 0, "created": now}
    connection.execute(insert(envelope).values(envelope_id=envelope_id, owner=owner, **values))
    return Envelope(envelope_id, owner, state, signer, 0, 0, 0)


def add_part(connection: Connection, found: Envelope, number: int, data: bytes) -> Envelope:
    """Store one part; one that is there already is left."""
    if number > found.parts:
        raise Refused(*codes.PROVIDER_ERROR, f"part {found.parts} is missing", identifier=found.envelope_id)
    if not 1 <= len(data) <= MAX_PART or found.size + len(data) > MAX_ENVELOPE:
        raise InputError("OpenPGP envelope", f"has more than {MAX_ENVELOPE >> 20} MiB; divide the file")
    if number < found.parts:
        return found
    _add(connection, found.envelope_id, PART, number, 0, data)
    return advance(connection, found, state=found.state, parts=found.parts + 1, size=found.size + len(data))


def put_part(connection: Connection, envelope_id: str, number: int, data: bytes) -> None:
    """Store one part of an envelope of our own making."""
    _add(connection, envelope_id, PART, number, 0, data)


def add_run(connection: Connection, vault: Vault, envelope_id: str, number: int, line: int, data: bytes) -> None:
    """Seal and store rows; `line` is the number of the first one."""
    sealed = vault.seal_many([_bound(envelope_id, number)], [data])[0]
    _add(connection, envelope_id, RUN, number, line, sealed)


def run_of(connection: Connection, vault: Vault, envelope_id: str, number: int) -> tuple[int, bytes]:
    """Line and rows of one run. Raises Refused when there is none."""
    line, sealed = _piece(connection, envelope_id, RUN, number)
    return line, vault.open_one(_bound(envelope_id, number), sealed)


def part_of(connection: Connection, envelope_id: str, number: int) -> bytes:
    """One part. Raises Refused when there is none."""
    return _piece(connection, envelope_id, PART, number)[1]


def advance(
    connection: Connection,
    found: Envelope,
    *,
    state: str,
    parts: int | None = None,
    runs: int | None = None,
    size: int | None = None,
) -> Envelope:
    """The envelope with new figures."""
    now = Envelope(
        found.envelope_id,
        found.owner,
        state,
        found.signer,
        found.parts if parts is None else parts,
        found.runs if runs is None else runs,
        found.size if size is None else size,
    )
    values = {"state": now.state, "parts": now.parts, "runs": now.runs, "size": now.size}
    connection.execute(update(envelope).where(envelope.c.envelope_id == now.envelope_id).values(**values))
    return now


def clear(connection: Connection, envelope_id: str, kind: str) -> None:
    """Delete the pieces of one kind."""
    table = envelope_piece
    connection.execute(delete(table).where(table.c.envelope_id == envelope_id, table.c.kind == kind))


def drop(connection: Connection, envelope_id: str) -> None:
    """Delete an envelope with all its pieces."""
    connection.execute(delete(envelope_piece).where(envelope_piece.c.envelope_id == envelope_id))
    connection.execute(delete(envelope).where(envelope.c.envelope_id == envelope_id))


def _add(connection: Connection, envelope_id: str, kind: str, number: int, line: int, data: bytes) -> None:
    values = {"envelope_id": envelope_id, "kind": kind, "number": number, "line": line, "data": data}
    connection.execute(insert(envelope_piece).values(**values))


def _piece(connection: Connection, envelope_id: str, kind: str, number: int) -> tuple[int, bytes]:
    table = envelope_piece
    row = connection.execute(
        select(table.c.line, table.c.data).where(
            table.c.envelope_id == envelope_id, table.c.kind == kind, table.c.number == number
        )
    ).first()
    if row is None:
        raise Refused(*codes.PROVIDER_ERROR, f"{kind} {number} is not there", identifier=envelope_id)
    return int(row.line), bytes(row.data)


def _bound(envelope_id: str, number: int) -> bytes:
    return f"envelope/{envelope_id}/{number}".encode()
