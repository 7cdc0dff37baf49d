"""Each family of attacks at the gateway of a whole installation: refused, and no table of any role has changed."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import esm_samples
from ferryman.cli.operator import Operator
from ferryman.cli.wiring import Configuration, Installation
from ferryman.codec import eis_xml
from ferryman.contracts import admin, crypto, es1, es2, es3, es4, peers
from ferryman.contracts.message import Body
from ferryman.contracts.peers import POLLED, Peer, PeerKind, Quirks
from ferryman.contracts.roles import CRYPTO_SERVER, SM_DP, SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import SUCCESS, Status
from ferryman.platform.clock import LoopClock
from ferryman.soap_gateway.esm.body import decode
from ferryman.soap_gateway.settings import SOAPSettings
from negative.test_soap_http_negative import SMUGGLED
from parties import Party
from premises import changes, dump, make_batch, split
from rig import OWNER, START, SeededEntropy
from soap_world import DP, HEAD, MNO2, SR2, Client, Response
from virtual_loop import virtual

# Of a call that is taken and refused by its function: the call itself, and the messages that carried it.
CALLS = {
    *("soap-gateway.exchange", "soap-gateway.inbox", "soap-gateway.outbox"),
    *("sm-sr.call", "sm-sr.inbox", "sm-sr.outbox", "sm-sr.procedure", "sm-sr.journal"),
}
# And of one that waited for a card: what was tried, the timers of it, and the letter that told its end.
WAITED = CALLS | {"sm-sr.contact", "sm-sr.trail", "sm-sr.timer", "soap-gateway.letter"}
VALIDITY = 120  # s
# Of a late answer: that it came, and for which call; of that call itself.
LATE = {"soap-gateway.request", "sm-dp.inbox", "sm-dp.journal"}
RELAYED = {
    *("soap-gateway.exchange", "soap-gateway.inbox", "soap-gateway.outbox", "soap-gateway.letter"),
    *("sm-dp.call", "sm-dp.outbox", "sm-dp.procedure", "sm-dp.timer", *LATE),
}


@dataclass
class Scene:
    """The installation, two cards of which one is registered, and who attacks it."""

    data: Path
    folder: Path
    mno: Client
    other: Client
    eum: Client
    sr2: Client
    eid: str
    iccid: str

    def update(self, iccid: str = "") -> Body:
        """A call that changes the EIS at once."""
        rules = esm_samples.rules("DELETE")
        return es4.ES4UpdatePolicyRules(eid=self.eid, iccid=iccid or self.iccid, pol2=rules)

    @contextlib.asynccontextmanager
    async def unchanged(self, but: set[str] | None = None) -> AsyncIterator[None]:
        """What happens inside leaves every table of every role as it was, `but` for these."""
        before = dump(self.data)
        yield
        await asyncio.sleep(5.0)
        assert set(changes(before, dump(self.data))) <= (but or set())


@contextlib.asynccontextmanager
async def scene(tmp_path: Path, parties: dict[str, Party]) -> AsyncIterator[Scene]:
    folder, data = make_batch(tmp_path / "batch", count=2), tmp_path / "data"
    ours = parties["ours"]
    files = str(ours.certificate_file), str(ours.key_file)
    installation = Installation(
        Configuration(
            data=data,
            soap=SOAPSettings("127.0.0.1", 0, *files, max_body=100_000, head_timeout=5.0, body_timeout=10.0),
            threaded=False,
            roles=frozenset({SM_DP, SM_SR, CRYPTO_SERVER, SOAP_GATEWAY}),
        ),
        clock=LoopClock(start=START + asyncio.get_running_loop().time()),
        entropy=SeededEntropy("families"),
    )
    await installation.start()
    try:
        operator = Operator(installation.bus, OWNER)
        batch = json.loads((folder / "batch.json").read_text())
        await operator.crypto(crypto.ImportTrustAnchor(pem=(folder / "ci.pem").read_bytes()))
        key = bytes.fromhex((folder / "transport-key.hex").read_text().strip())
        await operator.crypto(crypto.ImportTransportKey(eum_id=batch["eum"]["oid"], key=key))
        await operator.sm_sr(admin.RegisterEIS(xml=split(folder)[0]))
        [card] = eis_xml.parse_delivery(split(folder)[0])
        [profile] = card.profiles
        assert installation.soap is not None
        there: Any = SimpleNamespace(url=installation.soap.ours.url, party=ours)
        for name, kind, oid in (
            ("mno", PeerKind.OPERATOR, profile.owner),
            ("mno2", PeerKind.OPERATOR, MNO2),
            ("eum", PeerKind.EUM, batch["eum"]["oid"]),
            ("sr2", PeerKind.SM_SR, SR2),
        ):
            quirks = Quirks(unknown_only=name == "mno2")
            places = {"ES3": f"{POLLED}sr2"} if name == "sr2" else {}
            record = Peer(
                name=name, kind=kind, oid=oid, certificates=(parties[name].pem,), quirks=quirks, endpoints=places
            )
            await operator.gateway(peers.PutPeer(peer=record))
        await asyncio.sleep(5.0)
        yield Scene(
            data,
            folder,
            Client(there, parties["mno"], profile.owner),
            Client(there, parties["mno2"], MNO2),
            Client(there, parties["eum"], batch["eum"]["oid"]),
            Client(there, parties["sr2"], SR2),
            card.signed.eid,
            profile.iccid,
        )
    finally:
        await installation.stop()


def status_of(response: Response) -> str:
    body: Any = decode(response.envelope.body).body
    return str(body.status.code)


async def bombs(at: Scene) -> None:
    octets = at.mno.compose(at.update())
    for declaration in (
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    ):
        assert (await at.mno.post(declaration + octets)).status == 400
    deep = octets.replace(b"<pol2", b"<x>" * 100 + b"</x>" * 100 + b"<pol2")
    assert (await at.mno.post(deep)).status == 400


async def wrapped(at: Scene) -> None:
    """A signed part beside a forged one, for a card that is not registered yet."""
    xml = split(at.folder)[1].decode()
    eid = json.loads((at.folder / "batch.json").read_text())["cards"][1]["eid"]
    register = es1.ES1RegisterEIS(eid=eid, eum_id=at.eum.oid, xml=xml.encode())
    good = at.eum.compose(register).decode()
    start, end = good.index("EumSignedInfo"), good.rindex("EumSignedInfo")
    start, end = good.rindex("<", 0, start), good.index(">", end) + 1
    signed = good[start:end]
    forged = signed.replace("ferryman-sim", "somebody-else")
    assert forged != signed
    for changed in (good.replace(signed, forged + signed), good.replace(signed, signed + forged)):
        assert status_of(await at.eum.post(changed.encode(), path="/es1")).startswith("1.3.1/2.")
    response = await at.eum.post(good.replace(signed, forged).encode(), path="/es1")
    assert status_of(response) == "8.6/6.1"


async def wrong_role(at: Scene) -> None:
    assert status_of(await at.eum.send(at.update())) == "1.1/1.2"


async def wrong_entity(at: Scene) -> None:
    for client, claimed in ((at.other, at.mno.oid), (at.eum, at.mno.oid), (at.mno, at.other.oid)):
        assert (await client.send(at.update(), sender_id=claimed)).status == 403


async def too_long(at: Scene) -> None:
    """A period that the provider does not take is refused, not cut."""
    assert status_of(await at.mno.send(at.update(), validity=31 * 86_400)) == "1.6/3.2"


async def expired(at: Scene) -> None:
    """No card answers within the period: Expired is what the call was told, and what it stays."""
    body = es4.ES4AuditEIS(eid=at.eid, iccids=(at.iccid,))
    how: Any = {"validity": VALIDITY, "call_id": "expires", "reply_to": f"{POLLED}expired"}
    assert (await at.mno.send(body, **how)).status == 202
    await asyncio.sleep(VALIDITY - 5.0)
    assert (await at.mno.poll("expired", 1)).status == 202, "told before its time was over"
    await asyncio.sleep(15.0)
    is_expired(await at.mno.poll("expired", 2))
    # The same call again gets the same answer, and no time of its own.
    assert (await at.mno.send(body, **how)).status == 202
    await asyncio.sleep(5.0)
    is_expired(await at.mno.poll("expired", 3))


def is_expired(response: Response) -> None:
    body: Any = decode(response.envelope.body).body
    assert (body.status.status, body.status.code) == (Status.EXPIRED, "1.6/5.3"), body


async def late(at: Scene) -> None:
    """The other SM-SR answers a call of our SM-DP after its time: the Operator was told that it is over."""
    asked = es2.ES2EnableProfile(eid=at.eid, smsr_id=SR2, iccid=at.iccid)
    to = {"to": f"{at.mno.gateway.url}/es2?EntityId={DP}", "to_id": DP}
    octets = at.mno.compose(asked, validity=VALIDITY, reply_to=f"{POLLED}late", **to)
    assert (await at.mno.post(octets, path="/es2")).status == 202
    await asyncio.sleep(5.0)
    call = await at.sr2.poll("sr2", 1)
    assert isinstance(decode(call.envelope.body).body, es3.ES3GetEIS)  # it looks before it asks for anything
    await asyncio.sleep(VALIDITY + 60.0)
    is_expired(await at.mno.poll("late", 4))
    answer = es3.ES3GetEISResponse(status=SUCCESS, eis=esm_samples.eis())
    named = {"relates_to": call.envelope.addressing.message_id, "sender": "https://peer.example/es3"}
    async with at.unchanged(LATE):
        response = await at.sr2.send(answer, path="/es3/callback", **named)
        assert response.status == 202, response
        await asyncio.sleep(60.0)
        assert (await at.mno.poll("late", 5)).status == 202, "told twice"


async def foreign(at: Scene) -> None:
    """Somebody else's profile is answered as one that does not exist, octet by octet."""
    said = []
    for iccid in (at.iccid, "8988211000000099992"):
        response = await at.other.send(at.update(iccid))
        found = response.envelope.body.find("{*}FunctionExecutionStatus")
        assert found is not None
        said.append([(each.tag, (each.text or "").replace(iccid, "ICCID")) for each in found.iter()])
        assert status_of(response) == "8.2.1/3.9"
    assert said[0] == said[1]


async def smuggled(at: Scene) -> None:
    good = at.mno.compose(at.update())
    inner = HEAD + f"Content-Length: {len(good)}\r\n\r\n".encode() + good
    for name, fields in SMUGGLED.items():
        response = await at.mno.raw(HEAD + fields + b"\r\n0\r\n\r\n" + inner)
        assert response.status in (400, 415, 501), name


async def oversized(at: Scene) -> None:
    assert (await at.mno.post(at.mno.compose(at.update()).ljust(100_001))).status == 413
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    assert (await at.mno.raw(chunked + b"186a1\r\n")).status == 413


async def slow(at: Scene) -> None:
    """A whole call but for its last octet."""
    good = at.mno.compose(at.update())
    head = HEAD + f"Content-Length: {len(good)}\r\n\r\n".encode()
    assert (await at.mno.raw(head + good[:-1])).status == 408


FAMILIES: dict[str, tuple[Callable[[Scene], Awaitable[None]], set[str]]] = {
    "bombs and entities": (bombs, set()),
    "wrapped signatures": (wrapped, CALLS),
    "wrong role": (wrong_role, set()),
    "wrong EntityId": (wrong_entity, set()),
    "too long a validity": (too_long, set()),
    "late answer": (late, RELAYED),
    "foreign ICCID": (foreign, CALLS),
    "smuggling": (smuggled, set()),
    "oversized bodies": (oversized, set()),
    "slow clients": (slow, set()),
    "expired validity": (expired, WAITED),
}


@virtual
async def test_nothing_changes(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with scene(tmp_path, parties) as at:
        for name, (attack, but) in FAMILIES.items():
            try:
                async with at.unchanged(but):
                    await attack(at)
            except AssertionError as problem:
                pytest.fail(f"{name}: {problem}")
        # The same call in its own right changes the EIS, and a replay of it nothing more.
        octets = at.mno.compose(at.update())
        before = dump(at.data)
        assert status_of(await at.mno.post(octets)) == ""
        await asyncio.sleep(5.0)
        assert set(changes(before, dump(at.data))) - CALLS
        async with at.unchanged():
            assert status_of(await at.mno.post(octets)) == ""
