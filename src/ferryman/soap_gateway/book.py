"""The peers as records: kept in the database, held in memory, found by certificate and by user name."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import IntegrityError

from ferryman.contracts.message import Header
from ferryman.contracts.peers import Peer, PeerKind, PeerLink, PeersKnown, check
from ferryman.contracts.roles import SM_SR, SOAP_GATEWAY
from ferryman.errors import InputError
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.soap_gateway.schema import peer as table
from ferryman.soap_gateway.tls import check_readable, fingerprint, fingerprints

TELL_SECONDS = 86_400.0  # validity of a message between our own roles

_DECODER = msgspec.json.Decoder(Peer)


class PeerBook:
    """Every peer; changes are in the database before they count, and the SM-SR is told of them with the commit."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._told = 0  # times, of this run
        self._by_name: dict[str, Peer] = {}
        self._by_certificate: dict[str, tuple[Peer, ...]] = {}

    async def load(self) -> None:
        """Read all records."""

        def read(connection: Connection) -> list[bytes]:
            return [
                bytes(row) for row in connection.execute(select(table.c.record).order_by(table.c.name)).scalars()
            ]

        self._hold([_DECODER.decode(raw) for raw in await self._mailbox.store.read(read)])

    async def tell(self) -> None:
        """Tell the SM-SR whom we reach: at every start, for one that was set up after the records."""
        await self._mailbox.transact(self._tell)

    def _tell(self, tx: Tx) -> None:
        found = [_DECODER.decode(bytes(raw)) for raw in tx.connection.execute(select(table.c.record)).scalars()]
        links = [
            PeerLink(kind=one.kind, oid=one.oid, interfaces=tuple(sorted(one.endpoints)), v4=one.quirks.v4)
            for one in found
            if one.endpoints
        ]
        self._told += 1
        header = Header(
            message_id=f"{SOAP_GATEWAY}/peers/{tx.now!r}/{self._told}",
            sender=SOAP_GATEWAY,
            requester=SOAP_GATEWAY,
            function_call_id=f"peers/{self._told}",
            deadline=tx.now + TELL_SECONDS,
        )
        tx.send(SM_SR, header, PeersKnown(links=tuple(sorted(links, key=lambda one: (one.kind, one.oid)))))

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

    async def put(self, one: Peer, *, actor: str, call: str = "") -> None:
        """Add or replace, once for each `call` that has a name; raises InputError."""
        check(one)
        check_readable(one)
        record = msgspec.json.encode(one)

        def unit(tx: Tx) -> None:
            if call and not tx.first_time(f"put/{call}"):
                return  # a late repeat must not bring back what was replaced since
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
            self._tell(tx)

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
                self._tell(tx)
            return found

        found = await self._mailbox.transact(unit)
        await self.load()
        return found
