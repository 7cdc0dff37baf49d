"""The guard of all tests sees every SOAP message that leaves through our HTTP, and knows an invalid one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from esm_samples import EID, ICCID
from ferryman.contracts import es4
from ferryman.contracts.peers import PeerKind
from ferryman.soap_gateway.esm import body, envelope
from ferryman.soap_gateway.esm.addressing import Addressing
from parties import Party
from soap_world import ENABLE, MNO, START, UPDATE, Client, Receiver, world
from virtual_loop import virtual


@virtual
async def test_every_way_out_passes_it(tmp_path: Path, parties: dict[str, Party], soap_guard: Any) -> None:
    """An answer, a callback, a notification, a message that is fetched, a fault."""
    receiver = Receiver(parties["mno"], parties["ours"])
    await receiver.start()
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, endpoints={"ES4": receiver.url("/es4")})
        seen = []

        async def more(count: int) -> None:
            seen.append(soap_guard.looked_at)
            async with asyncio.timeout(60):
                while soap_guard.looked_at < seen[-1] + count:
                    await asyncio.sleep(0.1)

        for work in (client.send(UPDATE), client.send(ENABLE), client.post(b"<x/>")):
            task = asyncio.ensure_future(work)
            await more(1)
            await task
        told = es4.ES4HandleProfileEnabledNotification(eid=EID, iccid=ICCID, completed=START)
        task = asyncio.ensure_future(gateway.tell(told, MNO))
        await more(1)
        await task
    await receiver.stop()


@virtual
async def test_an_invalid_one_is_noticed(
    tmp_path: Path, parties: dict[str, Party], soap_guard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, parties) as (_, client):
        good = client.compose(UPDATE)

        def write(message: Addressing, text: str, *, extra: str = "") -> bytes:
            return real(
                message, text.replace("<Status>", "<Statuz>").replace("</Status>", "</Statuz>"), extra=extra
            )

        real = envelope.write
        monkeypatch.setattr(envelope, "write", write)
        with pytest.raises(Exception, match="Statuz"):
            await client.post(good)
    wrong, soap_guard.wrong = soap_guard.wrong, []
    assert len(wrong) == 1
    assert "Statuz" in wrong[0]


def test_what_is_invalid(soap_guard: Any) -> None:
    message = Addressing("a", "b", "c", "d", "e", "f")
    good = envelope.write(message, body.encode(UPDATE, body.Base(call_id="c")))
    assert isinstance(Client, type)
    soap_guard.look(good)
    assert soap_guard.wrong == []
    old = body.encode(UPDATE, body.Base(call_id="c"), target="http://namespaces.gsma.org/esim-messaging/1")
    soap_guard.look(envelope.write(message, old))
    assert soap_guard.wrong == []
    for octets in (good.replace(b"<Eid>", b"<Eid>x"), good.replace(b"esim-messaging/3", b"x/3"), good[:-1]):
        soap_guard.look(octets)
    wrong, soap_guard.wrong = soap_guard.wrong, []
    assert len(wrong) == 3
