"""libxmlsec and we agree on the X.509 token of WS-Security: we accept what it signs, it accepts what we sign."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

import xmlsec_peer
from esm_samples import EID, ICCID
from ferryman.contracts import es4
from ferryman.contracts.peers import POLLED, PeerKind, Quirks
from ferryman.soap_gateway.esm.simple import write_date
from parties import VIRTUAL, Party
from soap_world import ENABLE, HEAD, MNO, START, UPDATE, Client, Receiver, read_response, world
from virtual_loop import virtual

TOKEN = Quirks(x509_token=True)
PARTS = {"Body", "Timestamp", "From", "To", "MessageID", "Action"}


@virtual
async def test_we_accept_what_libxmlsec_signs(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(
            parties["mno"], PeerKind.OPERATOR, MNO, quirks=Quirks(x509_token=True, require_token=True)
        )
        for prefixes in ("", "env wsa"):
            octets = client.compose(UPDATE)
            signed = xmlsec_peer.secure(octets, parties["mno"], created=write_date(START), prefixes=prefixes)
            response = await client.post(signed)
            assert response.status == 200, response
            assert b"EXECUTED_SUCCESS" in response.body
        assert len(gateway.heard) == 2
        assert (await client.send(UPDATE)).status == 401  # the certificate alone does not suffice


def rsa_party(folder: Path, name: str, bits: int) -> Party:
    """A party whose key is RSA."""
    key = rsa.generate_private_key(65_537, bits)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, VIRTUAL) - datetime.timedelta(days=1))
        .not_valid_after(max(now, VIRTUAL) + datetime.timedelta(days=9))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    encoding = serialization.Encoding.PEM
    pem = made.public_bytes(encoding).decode()
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_text(pem)
    plain = serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    return Party(name, pem, certificate_file, key_file)


@pytest.mark.parametrize(("bits", "status"), [(3_072, 200), (2_048, 401)])
@virtual
async def test_rsa_of_the_strength_of_the_architecture(
    tmp_path: Path, parties: dict[str, Party], bits: int, status: int
) -> None:
    async with world(tmp_path, parties) as (gateway, _):
        party = rsa_party(tmp_path, "rsa", bits)
        await gateway.peer(party, PeerKind.OPERATOR, "1.2.3", quirks=TOKEN)
        client = Client(gateway, party, "1.2.3")
        octets = client.compose(UPDATE)
        method = xmlsec.Transform.RSA_SHA256
        signed = xmlsec_peer.secure(octets, party, created=write_date(START), method=method)
        assert await without_certificate(client, signed) == status
        assert await without_certificate(client, octets) == 401


async def without_certificate(client: Client, octets: bytes) -> int:
    """Post without a certificate of TLS: only a token can say who it is. The status."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=client.gateway.party.pem)
    port = int(client.gateway.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="x")
    writer.write(HEAD + f"Content-Length: {len(octets)}\r\n\r\n".encode() + octets)
    status = (await read_response(reader)).status
    writer.close()
    return status


@virtual
async def test_libxmlsec_accepts_what_we_sign(tmp_path: Path, parties: dict[str, Party]) -> None:
    """Answers, callbacks, what is fetched, and notifications."""
    ours = parties["ours"]
    receiver = Receiver(parties["mno"], ours)
    await receiver.start()
    async with world(tmp_path, parties) as (gateway, client):
        endpoints = {"ES4": receiver.url("/es4")}
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=Quirks(sign=True), endpoints=endpoints)
        answer = await client.send(UPDATE)
        assert xmlsec_peer.accept(answer.body, ours) == PARTS | {"RelatesTo"}
        await client.send(ENABLE)
        await gateway.tell(es4.ES4HandleProfileEnabledNotification(eid=EID, iccid=ICCID, completed=START), MNO)
        async with asyncio.timeout(60):
            while len(receiver.raw) < 2:
                await asyncio.sleep(0.1)
        covered = [xmlsec_peer.accept(octets, ours) for octets in receiver.raw]
        assert sorted(covered, key=len) == [PARTS, PARTS | {"RelatesTo"}]
        await client.send(ENABLE, call_id="polled", reply_to=f"{POLLED}q")
        await asyncio.sleep(1.0)
        fetched = await client.poll("q")
        assert xmlsec_peer.accept(fetched.body, ours) == PARTS | {"RelatesTo"}
        for octets in (answer.body, *receiver.raw, fetched.body):
            body = etree.fromstring(octets)[1]
            forged = octets.replace(b"</env:Body>", b" </env:Body>")
            assert forged != octets, body
            with pytest.raises(xmlsec.Error):
                xmlsec_peer.accept(forged, ours)
    await receiver.stop()


@virtual
async def test_a_message_that_waits_is_signed_when_it_leaves(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["mno"], parties["ours"])
    receiver.status = [503] * 11
    await receiver.start()
    async with world(tmp_path, parties) as (gateway, _):
        endpoints = {"ES4": receiver.url("/es4")}
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, quirks=Quirks(sign=True), endpoints=endpoints)
        await gateway.tell(es4.ES4HandleProfileEnabledNotification(eid=EID, iccid=ICCID, completed=START), MNO)
        async with asyncio.timeout(10_000):
            while not receiver.got:
                await asyncio.sleep(10.0)
        times = [etree.fromstring(octets).findtext(".//{*}Created") for octets in receiver.raw]
        assert len(set(times)) == len(times) == 12
    await receiver.stop()
