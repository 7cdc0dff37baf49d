"""What a peer or a stranger must not get away with, by family: refused, and nothing is entered or passed on."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import esm_samples
from esm_samples import EID, ICCID
from ferryman.contracts import codes, es1, es3, es4
from ferryman.contracts.message import Body, Header
from ferryman.contracts.peers import Peer, PeerKind, Quirks
from ferryman.contracts.status import SUCCESS, failed
from ferryman.errors import InputError
from ferryman.soap_gateway import schema
from ferryman.soap_gateway.esm import envelope
from ferryman.soap_gateway.esm.body import decode
from ferryman.soap_gateway.esm.envelope import UsernameToken
from ferryman.soap_gateway.esm.simple import write_date
from parties import Party
from soap_world import (
    DP,
    ENABLE,
    EUM,
    HEAD,
    MNO,
    SR,
    SR2,
    START,
    UPDATE,
    Client,
    Gateway,
    Response,
    is_fault,
    read_response,
    unchanged,
    world,
)
from virtual_loop import virtual

# -- documents -----------------------------------------------------------------------------------------------


BOMBS = {
    "entities": '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
    "external": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    "subset": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
}


@virtual
async def test_bombs(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        for declaration in BOMBS.values():
            octets = declaration.encode() + client.compose(UPDATE)
            is_fault(await client.post(octets), 400)
            is_fault(await client.post(octets.replace(ICCID.encode(), b"&a;")), 400)
        unchanged(gateway)


@virtual
async def test_deep_and_broken_documents(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        good = client.compose(UPDATE)
        deep = good.replace(b"<Eid>", b"<a>" * 5_000 + b"<Eid>")
        for octets in (deep, good[:-3], good + b"<x/>", b"", b"x", good.decode().encode("utf-16")):
            is_fault(await client.post(octets), 400)
        assert (await client.post(good, content_type="text/xml")).status == 415
        assert (await client.post(good, path="/es9")).status == 404
        unchanged(gateway)


@virtual
async def test_oversized_bodies(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties, max_body=100_000) as (gateway, client):
        head = "POST /es4 HTTP/1.1\r\nHost: x\r\nContent-Type: application/soap+xml\r\n"
        # Refused by what it announces, before a body is sent.
        assert (await client.raw(f"{head}Content-Length: 100001\r\n\r\n".encode())).status == 413
        assert (await client.raw(f"{head}Content-Length: 9999999999\r\n\r\n".encode())).status == 400
        chunks = b"10000\r\n" + b"a" * 65_536 + b"\r\n" + b"10000\r\n"
        assert (await client.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)).status == 413
        assert (await client.raw(b"POST /es4 HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000)).status == 431
        unchanged(gateway)


# -- who it is -----------------------------------------------------------------------------------------------


@virtual
async def test_strangers(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, _):
        stranger = Client(gateway, parties["stranger"], MNO)
        try:
            response = await stranger.send(UPDATE)
        except (ssl.SSLError, ConnectionError):
            response = Response(0, b"")  # refused in the handshake
        assert response.status == 0
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        nobody.check_hostname = False
        nobody.load_verify_locations(cadata=gateway.party.pem)
        port = int(gateway.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=nobody, server_hostname="x")
        writer.write(b"GET /es4?wsdl HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await read_response(reader)).status == 0
        writer.close()
        unchanged(gateway)


@virtual
async def test_a_removed_peer_is_nobody(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.forget("mno-operator")
        # Its certificate is still an anchor of the running context; its record is gone.
        response = await client.send(UPDATE)
        assert response.status == 403
        unchanged(gateway)


@virtual
async def test_another_entity_id(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno2"], PeerKind.OPERATOR, "1.3.6.1.4.1.99999.31")
        for claimed in ("1.3.6.1.4.1.99999.31", DP, SR, "", f"{MNO}.1"):
            is_fault(await client.send(UPDATE, sender_id=claimed), 403)
        # In the body of a SOAP message there is no requester; an item of another header does not count.
        is_fault(await client.send(UPDATE, to=f"{gateway.url}/es4?EntityId={DP}"), 400, "DestinationUnreachable")
        is_fault(await client.send(UPDATE, to=f"{gateway.url}/es4"), 400, "DestinationUnreachable")
        is_fault(
            await client.send(UPDATE, action="http://gsma.com/ES4/x/ES4-DeleteProfile"), 400, "ActionMismatch"
        )
        is_fault(await client.send(UPDATE, path="/es3"), 400, "ActionMismatch")
        unchanged(gateway)


@virtual
async def test_a_message_from_the_future(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        late = write_date(START + 3 * 86_400.0)
        message_id = f"//{MNO}/m?MessageDate={late}"
        is_fault(await client.send(UPDATE, message_id=message_id), 400, "InvalidAddressingHeader")
        unchanged(gateway)


def token(
    password: str, *, created: float = START, nonce: bytes = b"12345678", username: str = "mno"
) -> UsernameToken:
    at = write_date(created)
    digest = base64.b64encode(hashlib.sha1(nonce + at.encode() + password.encode()).digest()).decode()
    return UsernameToken(username, digest, True, base64.b64encode(nonce).decode(), at)


def with_token(octets: bytes, made: UsernameToken) -> bytes:
    return octets.replace(b"<env:Header>", b"<env:Header>" + envelope.username_token(made).encode(), 1)


@virtual
async def test_username_tokens(tmp_path: Path, parties: dict[str, Party]) -> None:
    (tmp_path / "mno.password").write_text("secret")
    gateway = Gateway(tmp_path, parties["ours"])
    await gateway.role.start()
    fields = {"username": "mno", "password_file": "mno.password"}
    await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=Quirks(require_token=True), **fields)
    client = Client(gateway, parties["mno"], MNO)
    octets = client.compose(UPDATE)
    for made in (
        token("wrong"),
        token("secret", created=START - 400.0),
        token("secret", created=START + 400.0),
        token("secret", nonce=b"1234567"),
        token("secret", username="other"),
        UsernameToken("mno", "wrong", False, base64.b64encode(b"12345678").decode(), write_date(START)),
    ):
        is_fault(await client.post(with_token(octets, made)), 401, "FailedAuthentication")
    is_fault(await client.post(octets), 401, "FailedAuthentication")
    two = with_token(with_token(octets, token("secret")), token("secret"))
    is_fault(await client.post(two), 400)
    unchanged(gateway)
    assert (await client.post(with_token(octets, token("secret")))).status == 200
    assert len(gateway.heard) == 1
    # The same nonce again, even with another message.
    again = client.compose(es4.ES4UpdatePolicyRules(eid=EID, iccid="8988101000000000022"))
    is_fault(await client.post(with_token(again, token("secret"))), 401)
    assert len(gateway.heard) == 1
    clear = UsernameToken("mno", "secret", False, base64.b64encode(b"abcdefgh").decode(), write_date(START))
    text = envelope.username_token(clear).replace("PasswordDigest", "PasswordText")
    plain = again.replace(b"<env:Header>", b"<env:Header>" + text.encode(), 1)
    assert (await client.post(plain)).status == 200
    await gateway.role.stop()
    await gateway.store.close()


# -- what is asked -------------------------------------------------------------------------------------------


@virtual
async def test_expired_and_endless_validity(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        for validity in (31 * 86_400, 10**30):  # the schema has no highest number
            response = await client.send(UPDATE, validity=validity)
            status = decode(response.envelope.body).body.status  # type: ignore[attr-defined]
            assert (status.code, status.acceptable_validity) == ("1.6/3.2", 30 * 86_400.0)
        unchanged(gateway)
        await client.send(UPDATE, validity=1)
        assert gateway.heard[0][1].deadline == pytest.approx(gateway.clock.now() + 1.0, abs=0.5)


@virtual
async def test_wrong_bodies_have_their_codes(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        good = client.compose(UPDATE)
        cases = {
            (f"<Iccid>{ICCID}</Iccid>", ""): "1.3.1/2.2",
            (EID, "x" * 32): "1.3.1/2.1",
            ("<pol2/>", "<pol2><Rule/></pol2>"): "1.3.1/2.2",
            ("<pol2/>", "<pol2/><pol2/>"): "1.3.1/2.1",
        }
        for (old, new), code in cases.items():
            response = await client.post(good.replace(old.encode(), new.encode()))
            assert response.status == 200
            assert decode(response.envelope.body).body.status.code == code  # type: ignore[attr-defined]
        is_fault(
            await client.post(good.replace(b"esim-messaging/3", b"esim-messaging/1")), 400, "ActionNotSupported"
        )
        is_fault(await client.post(good.replace(b"ES4-UpdatePolicyRulesRequest", b"ES4-Nothing")), 400)
        unchanged(gateway)


@virtual
async def test_the_older_namespace_by_record_only(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno2"], PeerKind.OPERATOR, "1.3.6.1.4.1.99999.31", quirks=Quirks(namespace=1))
        old = Client(gateway, parties["mno2"], "1.3.6.1.4.1.99999.31")
        octets = old.compose(UPDATE).replace(b"esim-messaging/3", b"esim-messaging/1")
        port = int(gateway.url.rpartition(":")[2])
        context = old.party.client(gateway.party)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="x")
        writer.write(HEAD + f"Content-Length: {len(octets)}\r\n\r\n".encode() + octets)
        answer = await reader.readuntil(b"</env:Envelope>")
        writer.close()
        assert b'xmlns="http://namespaces.gsma.org/esim-messaging/1"' in answer
        assert b"EXECUTED_SUCCESS" in answer
        is_fault(await old.send(UPDATE), 400)
        assert (await client.send(UPDATE)).status == 200


@virtual
async def test_reply_to_leads_nowhere_else(tmp_path: Path, parties: dict[str, Party]) -> None:
    """A callback must not be a way to have us call other servers, inside or outside."""
    async with world(tmp_path, parties) as (gateway, client):
        endpoints = {"ES4": "https://mno.example:8443/es4"}
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, endpoints=endpoints)
        for address in (
            "https://127.0.0.1:9/",
            "http://mno.example:8443/es4",
            "https://mno.example:8443@evil.example/",
            "https://mno.example:8444/es4",
            "https://mno.example.evil.example/",
            "file:///etc/passwd",
        ):
            is_fault(await client.send(ENABLE, reply_to=address), 400, "InvalidAddressingHeader")
        unchanged(gateway)
        assert (await client.send(ENABLE, reply_to="https://mno.example:8443/other")).status == 202


@virtual
async def test_a_foreign_profile_is_like_none(tmp_path: Path, parties: dict[str, Party]) -> None:
    """For a peer with that switch the answers have the same octets, whatever our SM-SR would say."""
    answers = {
        "none": failed(*codes.ICCID_UNKNOWN, "no profile with this ICCID", ICCID),
        "foreign": failed(*codes.ICCID_NOT_ALLOWED, "the profile is not the requester's", ICCID),
        "elsewhere": failed(*codes.ICCID_OTHER_EUICC, "the profile is on another eUICC", ICCID),
    }
    now = ""

    def reaction(header: Header, body: Body) -> Body | None:
        return es4.ES4UpdatePolicyRulesResponse(status=answers[now])

    async with world(tmp_path, parties, reaction=reaction) as (gateway, client):
        bodies = {}
        for hidden in (False, True):
            await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=Quirks(unknown_only=hidden))
            for name in answers:
                now = name
                response = await client.send(UPDATE)
                status = response.envelope.body.find("{*}FunctionExecutionStatus")
                assert status is not None
                bodies[hidden, name] = etree.tostring(status)
        assert len({bodies[True, name] for name in answers}) == 1
        assert len({bodies[False, name] for name in answers}) == 3
        assert bodies[True, "foreign"] == bodies[False, "none"]


@virtual
async def test_responses_that_nobody_asked_for(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, _):
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2)
        await gateway.peer(
            parties["mno2"], PeerKind.SM_SR, "1.3.6.1.4.1.99999.22", endpoints={"ES3": "https://127.0.0.1:9/"}
        )
        answer = es3.ES3CreateISDPResponse(status=SUCCESS, isdp_aid=esm_samples.AID)
        create = es3.ES3CreateISDP(eid=EID, iccid=ICCID, owner=MNO, required_memory=1)
        await gateway.tell(create, "1.3.6.1.4.1.99999.22", sender="sm-dp")
        message_id = etree.fromstring(gateway.rows(schema.letter)[0].envelope).findtext(".//{*}MessageID") or ""
        other = Client(gateway, parties["sr2"], SR2)
        asked = Client(gateway, parties["mno2"], "1.3.6.1.4.1.99999.22")
        # Of somebody else, to something else, to another function.
        is_fault(await other.send(answer, relates_to=message_id, path="/es3/callback"), 400)
        other_id = message_id.replace("?", "0?")
        is_fault(await asked.send(answer, relates_to=other_id, path="/es3/callback"), 400)
        is_fault(await asked.send(answer, relates_to="", path="/es3/callback"), 400)
        wrong = es3.ES3EnableProfileResponse(status=SUCCESS)
        is_fault(await asked.send(wrong, relates_to=message_id, path="/es3/callback"), 400)
        assert gateway.heard == []


@virtual
async def test_wrapped_signatures(tmp_path: Path, parties: dict[str, Party]) -> None:
    """The EIS that is registered is the one whose place the schema gives; a second one anywhere is refused."""
    async with world(tmp_path, parties) as (gateway, _):
        await gateway.peer(parties["eum"], PeerKind.EUM, EUM)
        client = Client(gateway, parties["eum"], EUM)
        register = esm_samples.messages()[0]
        good = client.compose(register)
        start = good.index(b"<EumSignedInfo")
        end = good.index(b"</EumSignedInfo>") + len(b"</EumSignedInfo>")
        signed = good[start:end]
        forged = signed.replace(b"demo-card", b"evil-card")
        for octets in (
            good.replace(signed, forged + signed),
            good.replace(signed, signed + forged),
            good.replace(b"</EumSignature>", b"</EumSignature>" + signed),
            good.replace(b"<Eis>", b"<Eis>" + b"<Wrapper>" + signed + b"</Wrapper>"),
            good.replace(b"</Eis>", b"</Eis><Eis>" + signed + b"</Eis>"),
        ):
            response = await client.post(octets, path="/es1")
            assert response.status == 200
            status = decode(response.envelope.body).body.status  # type: ignore[attr-defined]
            assert status.code.startswith("1.3.1/2.")
        # A second one inside the signature's own children does no harm: fields are read from the signed octets.
        unchanged(gateway)
        assert (await client.post(good, path="/es1")).status == 200
        [(_, _, body)] = gateway.heard
        assert isinstance(body, es1.ES1RegisterEIS)
        assert b"evil-card" not in body.xml


RECORDS: list[tuple[str, dict[str, Any]]] = [
    ("oid", {"oid": "1.2.x"}),
    ("name", {"name": ""}),
    ("endpoint", {"endpoints": {"ES9": "https://x"}}),
    ("endpoint", {"endpoints": {"ES4": "http://x"}}),
    ("endpoint", {"endpoints": {"ES4": "https://user@x/"}}),
    ("right", {"rights": ("ES1.RegisterEIS",)}),
    ("certificate", {"certificates": ()}),
    ("certificate", {"certificates": ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",)}),
    ("certificate", {"certificates": ("x",)}),
    ("username", {"username": "x"}),
    ("namespace", {"quirks": Quirks(namespace=2)}),
]


@virtual
async def test_records_that_cannot_work(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, _):
        for field, changes in RECORDS:
            values: dict[str, Any] = {"name": "x", "kind": PeerKind.OPERATOR, "oid": "1.2.3"}
            values |= {"certificates": (parties["mno2"].pem,), **changes}
            with pytest.raises(InputError) as caught:
                await gateway.role.book.put(Peer(**values), actor="test")
            assert caught.value.field == field, changes
        assert [peer.name for peer in gateway.role.book.all] == ["mno-operator"]


@virtual
async def test_two_records_of_one_party_in_one_role(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, _):
        twin = Peer(name="twin", kind=PeerKind.OPERATOR, oid=MNO, certificates=(parties["mno2"].pem,))
        with pytest.raises(InputError):
            await gateway.role.book.put(twin, actor="test")
        assert [peer.name for peer in gateway.role.book.all] == ["mno-operator"]
