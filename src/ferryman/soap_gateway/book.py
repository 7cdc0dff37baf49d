"""The peers as records: kept in the database, held in memory, found by certificate and by user name."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import IntegrityError

from ferryman.contracts.peers import Peer, PeerKind, check
from ferryman.errors import InputError
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.soap_gateway.schema import peer as table
from ferryman.soap_gateway.tls import check_readable, fingerprint, fingerprints

_DECODER = msgspec.json.Decoder(Peer)


class PeerBook:
    """Every peer; changes are in the database before they count."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._by_name: dict[str, Peer] = {}
        self._by_certificate: dict[str, tuple[Peer, ...]] = {}

    async def load(self) -> None:
        """Read all records."""

        def read(connection: Connection) -> list[bytes]:
            return [
                bytes(row) for row in connection.execute(select(table.c.record).order_by(table.c.name)).scalars()
            ]

        self._hold([_DECODER.decode(raw) for raw in await self._mailbox.store.read(read)])

    def _hold(self, peers: list[Peer]) -> None:
        found: dict[str, tuple[Peer, ...]] = {}
        for one in peers:
            for mark in fingerprints(one):
                found[mark] = (*found.get(mark, ()), one)
        self._by_name = {one.name: one for one in peers}
        self._by_certificate = found

    @property
    def all(self) -> tuple[Peer, ...]:
        """By name."""
        return tuple(self._by_name.values())

    def get(self, name: str) -> Peer | None:
        """The peer of this name."""
        return self._by_name.get(name)

    def of_certificate(self, der: bytes) -> tuple[Peer, ...]:
        """Those that are this certificate's: one party may be several kinds."""
        return self._by_certificate.get(fingerprint(der), ()) if der else ()

    def of_username(self, username: str) -> tuple[Peer, ...]:
        """Those with this user name."""
        return tuple(one for one in self.all if one.username and one.username == username)

    def of_oid(self, oid: str, kind: PeerKind) -> Peer | None:
        """The peer with this OID in this role."""
        return next((one for one in self.all if one.oid == oid and one.kind is kind), None)

    async def put(self, one: Peer, *, actor: str) -> None:
        """Add or replace; raises InputError."""
        check(one)
        check_readable(one)
        record = msgspec.json.encode(one)

        def unit(tx: Tx) -> None:
            tx.connection.execute(delete(table).where(table.c.name == one.name))
            values = {
                "name": one.name,
                "kind": one.kind.value,
                "oid": one.oid,
                "record": record,
                "changed": tx.now,
            }
            tx.connection.execute(table.insert().values(**values))
            tx.audit(
                actor=actor, action="PutPeer", object=one.name, outcome="done", detail=f"{one.kind} {one.oid}"
            )

        try:
            await self._mailbox.transact(unit)
        except IntegrityError:
            raise InputError("oid", f"{one.oid} is another peer's of kind {one.kind}") from None
        await self.load()

    async def remove(self, name: str, *, actor: str) -> bool:
        """Forget one; False when there is none of this name."""

        def unit(tx: Tx) -> bool:
            found = tx.connection.execute(delete(table).where(table.c.name == name)).rowcount == 1
            if found:
                tx.audit(actor=actor, action="RemovePeer", object=name, outcome="done")
            return found

        found = await self._mailbox.transact(unit)
        await self.load()
        return found
