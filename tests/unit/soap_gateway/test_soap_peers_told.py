"""The SM-SR hears of every change of the peers with its commit, and of all of them at each start."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ferryman.contracts.peers import POLLED, PeerKind
from parties import Party
from soap_world import MNO, SR2, Gateway
from virtual_loop import virtual


def known(gateway: Gateway) -> list[list[tuple[PeerKind, str, tuple[str, ...]]]]:
    return [[(one.kind, one.oid, one.interfaces) for one in told.links] for told in gateway.reached]


@virtual
async def test_added_replaced_and_removed(tmp_path: Path, parties: dict[str, Party]) -> None:
    gateway = Gateway(tmp_path, parties["ours"])
    await gateway.role.start()
    polled = {"ES4": f"{POLLED}mno", "ES2": f"{POLLED}mno"}
    await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, name="mno", endpoints=polled)
    await gateway.peer(parties["eum"], PeerKind.EUM, "1.2.3", name="nowhere")
    await gateway.peer(
        parties["sr2"], PeerKind.SM_SR, SR2, name="sr2", endpoints={"ES7": "https://sr2.example/es7"}
    )
    await gateway.role.book.remove("mno", actor="test")
    assert not await gateway.role.book.remove("mno", actor="test"), "nothing changed, nothing is told"
    await asyncio.sleep(1.0)
    mno, sr2 = (PeerKind.OPERATOR, MNO, ("ES2", "ES4")), (PeerKind.SM_SR, SR2, ("ES7",))
    assert known(gateway) == [[], [mno], [mno], [mno, sr2], [sr2]]
    await gateway.role.stop()
    await gateway.store.close()
    again = Gateway(tmp_path, parties["ours"])
    await again.role.start()
    await asyncio.sleep(1.0)
    assert known(again) == [[sr2]]
    await again.role.stop()
    await again.store.close()
