"""The SOAP gateway in a DMZ: a process with its own database, TLS key and NATS credential, and nothing else.

zeep lives a profile's life through it over mutual TLS; the gateway is killed (SIGKILL) while a call is under way,
and while a callback waits for its peer. The other roles have data directories of their own, behind the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from apart import Service
from esm_samples import RPS
from ferryman.cli.control import ControlClient
from ferryman.cli.operator import Operator
from ferryman.cli.wiring import Installation
from ferryman.contracts import peers
from ferryman.contracts.peers import Peer, PeerKind
from ferryman.contracts.roles import (
    CRYPTO_SERVER,
    OPERATOR,
    SM_DP,
    SM_SR,
    SOAP_GATEWAY,
    TRANSPORT_HTTPS,
    TRANSPORT_SMS,
)
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.nats_bus import NatsBus
from ferryman.platform.nats_credentials import SUFFIX
from ferryman.soap_gateway.esm.body import decode
from nats_server import NatsServer, find_server
from parties import Party
from rig import OWNER, Platform, World, free_port
from soap_world import DP, SR, Receiver
from zeep_client import ZeepPeer

INSIDE = (CRYPTO_SERVER, SM_SR, SM_DP, TRANSPORT_SMS, TRANSPORT_HTTPS)
PATIENCE = 120.0  # seconds of real time for one function on a busy machine


@contextlib.asynccontextmanager
async def inside(folder: Path, world: World, broker: NatsServer) -> AsyncIterator[None]:
    """Every other role, each an installation of its own, set up by an operator over the broker; without cards."""
    platform = Platform(world, folder / "unused", https_port=free_port(), threaded=True)
    async with contextlib.AsyncExitStack() as stack:
        for role in INSIDE:
            own = replace(platform.configuration(), data=folder / role, bus=broker.settings)
            installation = Installation(replace(own, roles=frozenset({role})))
            stack.push_async_callback(installation.stop)
            await installation.start()
        calls = NatsBus(
            settings=broker.settings, credential=broker.made[OPERATOR], clock=LoopClock(), entropy=system_entropy
        )
        stack.push_async_callback(calls.stop)
        await calls.start()
        await platform.set_up(Operator(calls, OWNER), cards=False)
        yield


def outpost(folder: Path, broker: NatsServer, ours: Party) -> Service:
    """The gateway's data directory: what an operator carries into the DMZ."""
    data = folder / SOAP_GATEWAY
    (data / "credentials").mkdir(parents=True, mode=0o700)
    shutil.copy(broker.credentials / f"{SOAP_GATEWAY}{SUFFIX}", data / "credentials")
    for file in (ours.certificate_file, ours.key_file):
        shutil.copy(file, data)
    (data / "ferryman.toml").write_text(
        f'[bus]\nkind = "nats"\nurl = "nats://127.0.0.1:{broker.port}"\n[soap]\nhost = "127.0.0.1"\n'
        f'port = {free_port()}\ncertificate_file = "{ours.certificate_file.name}"\n'
        f'key_file = "{ours.key_file.name}"\n'
    )
    return Service(SOAP_GATEWAY, data)


class Outside:
    """The Operator with zeep and a server for callbacks, and the card maker with zeep."""

    def __init__(self, url: str, parties: dict[str, Party], receiver: Receiver, eum: str) -> None:
        self.receiver = receiver
        self.mno = ZeepPeer(url, parties["mno"], receiver.gateway, OWNER, reply_to=receiver.url("/back"))
        self.eum = ZeepPeer(url, parties["eum"], receiver.gateway, eum)

    async def register(self, delivery: Path) -> Any:
        """ES1.RegisterEIS with the octets that the card maker has signed."""
        found = etree.parse(str(delivery)).find(f".//{{{RPS}}}Eis")
        assert found is not None
        eis = await asyncio.to_thread(self.eum.eis, etree.tostring(found, method="c14n", exclusive=True))
        return await asyncio.to_thread(self.eum.call, "ES1.RegisterEIS", SR, Eis=eis)

    async def ask(self, function: str, provider: str = SR, **values: Any) -> Any:
        return await asyncio.to_thread(self.mno.call, function, provider, **values)

    async def answer(self, function: str) -> Any:
        """The callback of a function, once it comes."""
        name = f"{function.replace('.', '-')}Response"
        async with asyncio.timeout(PATIENCE):
            while True:
                for message in self.receiver.got:
                    if str(message.body.tag).endswith(name):
                        return decode(message.body).body
                await asyncio.sleep(0.05)

    def close(self) -> None:
        self.mno.close()
        self.eum.close()


async def introduce(gateway: Service, parties: dict[str, Party], receiver: Receiver, eum: str) -> None:
    """The records of peers are the gateway's own: given to its process."""
    at = ControlClient(gateway.data)
    told = {name: receiver.url(f"/{name.lower()}") for name in ("ES2", "ES4")}
    for record in (
        Peer(name="eum", kind=PeerKind.EUM, oid=eum, certificates=(parties["eum"].pem,)),
        Peer(name="mno", kind=PeerKind.OPERATOR, oid=OWNER, certificates=(parties["mno"].pem,), endpoints=told),
    ):
        await Operator(at, OWNER).gateway(peers.PutPeer(peer=record))


async def put_off(gateway: Service) -> None:
    """Until a letter was tried and not taken."""
    query = "SELECT 1 FROM letter WHERE state = 'waiting' AND attempts > 0 AND action LIKE '%DownloadProfile'"
    database = f"file:{gateway.data / SOAP_GATEWAY}.db?mode=ro"
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.closing(sqlite3.connect(database, uri=True)) as connection:
                if connection.execute(query).fetchone() is not None:
                    return
            await asyncio.sleep(0.05)


def holds_its_own_only(gateway: Service, folder: Path, broker: NatsServer) -> None:
    """No database, vault or credential of another role lies there, and the process has none of them open."""
    assert [path.stem for path in gateway.data.glob("*.db")] == [SOAP_GATEWAY]
    assert [path.name for path in (gateway.data / "credentials").iterdir()] == [f"{SOAP_GATEWAY}{SUFFIX}"]
    assert not list(gateway.data.rglob("vault*"))
    assert gateway.process is not None
    opened = [path.resolve() for path in Path(f"/proc/{gateway.process.pid}/fd").iterdir()]
    files = [path for path in opened if path.is_relative_to(folder)]
    assert any(path.name == f"{SOAP_GATEWAY}.db" for path in files)
    assert all(path.is_relative_to(gateway.data) for path in files), files
    assert not any(path.is_relative_to(broker.credentials) for path in opened)


@pytest.mark.timeout(300)
async def test_a_life_through_the_dmz(tmp_path: Path, parties: dict[str, Party]) -> None:
    find_server()
    async with contextlib.AsyncExitStack() as stack:
        world = World(tmp_path / "world", seed="dmz")
        world.prepare()
        await world.start()
        stack.push_async_callback(world.stop)
        (tmp_path / "nats").mkdir()
        broker = NatsServer(tmp_path / "nats")
        await broker.start()
        stack.callback(broker.kill)
        await broker.provision()
        gateway = outpost(tmp_path, broker, parties["ours"])
        await gateway.start()
        stack.push_async_callback(gateway.kill)
        await stack.enter_async_context(inside(tmp_path, world, broker))
        receiver = Receiver(parties["mno"], parties["ours"])
        await receiver.start()
        stack.push_async_callback(receiver.stop)
        eum = world.batch["eum"]["oid"]
        await introduce(gateway, parties, receiver, eum)
        outside = Outside(gateway.ready["soap"], parties, receiver, eum)
        stack.callback(outside.close)
        try:
            await live(outside, gateway, world)
        except BaseException:
            print((gateway.data / "log").read_text()[-6000:])
            raise
        holds_its_own_only(gateway, tmp_path, broker)
        assert await gateway.stop() == 0


async def live(outside: Outside, gateway: Service, world: World) -> None:
    """From RegisterEIS to DeleteProfile."""
    [eid] = world.eids
    registered = await outside.register(world.folder / "eis.xml")
    assert registered["FunctionExecutionStatus"]["Status"] == "EXECUTED_SUCCESS", registered
    # Killed when the order was just accepted, and again while its answer finds the Operator's server in trouble.
    outside.receiver.status = [503] * 1_000
    order = {"Eid": eid, "SmSr-id": SR, "ProfileType": "demo", "EnableProfile": True}
    assert await outside.ask("ES2.DownloadProfile", DP, **order) is None
    await gateway.kill()
    await gateway.start()
    await put_off(gateway)
    await gateway.kill()
    assert outside.receiver.got == []
    outside.receiver.status = []
    await gateway.start()
    loaded = await outside.answer("ES2.DownloadProfile")
    assert loaded.status.ok, loaded
    assert world.status(eid)["authenticated"]
    profile = {"Eid": eid, "Iccid": loaded.iccid}
    shown = await outside.ask("ES4.GetEIS", Eid=eid)
    assert {one["Iccid"]: one["State"] for one in shown["Eis"]["ProfileInfo"]}[loaded.iccid] == "Enabled"
    for function in ("ES4.DisableProfile", "ES4.DeleteProfile"):
        assert await outside.ask(function, **profile) is None
        ended = await outside.answer(function)
        assert ended.status.ok, ended
    left = await outside.ask("ES2.GetEIS", DP, Eid=eid, **{"Smsr-id": SR})
    assert loaded.iccid not in {one["Iccid"] for one in left["Eis"]["ProfileInfo"]}
