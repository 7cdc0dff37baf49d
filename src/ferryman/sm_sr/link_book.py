"""Who can be reached: the peers that the gateway has told of, and those that the settings name (SGP.02 2.2).

A peer counts from the moment when it is added to the gateway's records to the moment when it is removed, without a
restart. The settings stay for parties that no gateway of ours knows.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from ferryman.contracts.message import Header
from ferryman.contracts.peers import PeerKind, PeersKnown
from ferryman.platform.mailbox import Tx
from ferryman.platform.prepared import Prepared
from ferryman.sm_sr.records import Links
from ferryman.sm_sr.schema import peer_link
from ferryman.sm_sr.settings import SRSettings

# What each kind of peer is reached on; without an address there, it is not reached.
INTERFACE = {PeerKind.OPERATOR: "ES4", PeerKind.SM_DP: "ES3", PeerKind.SM_SR: "ES7", PeerKind.M2M_SP: "ES4"}

_ALL = Prepared(lambda _: select(peer_link.c.kind, peer_link.c.oid, peer_link.c.v4))


class LinkBook:
    """Links of one SM-SR; `smdps` are those of this installation."""

    def __init__(self, settings: SRSettings, smdps: frozenset[str]) -> None:
        self._settled = {
            PeerKind.OPERATOR: frozenset(settings.operators),
            PeerKind.SM_DP: smdps | frozenset(settings.foreign_smdps),
            PeerKind.SM_SR: frozenset(settings.smsr_peers),
            PeerKind.M2M_SP: frozenset(),
        }

    def of(self, connection: Connection) -> Links:
        """As they are in this transaction."""
        found = {kind: set(oids) for kind, oids in self._settled.items()}
        v4: set[str] = set()
        for kind, oid, speaks_v4 in _ALL.rows(connection, {}):
            found[PeerKind(kind)].add(oid)
            if speaks_v4:
                v4.add(oid)
        return Links(
            operators=frozenset(found[PeerKind.OPERATOR]),
            smdps=frozenset(found[PeerKind.SM_DP]),
            smsrs=frozenset(found[PeerKind.SM_SR]),
            m2m_sps=frozenset(found[PeerKind.M2M_SP]),
            v4=frozenset(v4),
        )


def learn(tx: Tx, header: Header, known: PeersKnown) -> None:
    """Replace what the gateway has told before; once for each message."""
    if not tx.first_time(header.message_id):
        return
    reached = {
        (one.kind.value, one.oid): one.v4 for one in known.links if INTERFACE.get(one.kind) in one.interfaces
    }
    tx.connection.execute(delete(peer_link))
    if reached:
        rows = [{"kind": kind, "oid": oid, "v4": v4} for (kind, oid), v4 in sorted(reached.items())]
        tx.connection.execute(peer_link.insert(), rows)
