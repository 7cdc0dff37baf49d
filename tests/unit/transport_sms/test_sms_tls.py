"""TLS towards the SMSC, with a real server on loopback: nothing is said to one whose certificate does not fit."""

from __future__ import annotations

import asyncio
import datetime
import random
import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from structlog.testing import capture_logs

from ferryman.codec.smpp import messages as m
from ferryman.errors import InputError
from ferryman.transport_sms.account import Account
from ferryman.transport_sms.link import OutcomeKind
from ferryman.transport_sms.settings import BindMode, SMPPSettings
from ferryman.transport_sms.tls import client_context
from scripted_smsc import Caller, ScriptedSMSC

NAME = "smsc.example.org"
PATIENCE = 20.0  # seconds on a busy machine


@dataclass(frozen=True)
class Authority:
    """A certification authority that strict checks (RFC 5280) accept."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> str:
        return str(self.folder / "ca.pem")

    def issue(self, name: str, *, client: bool = False, days: int = 30) -> tuple[str, str]:
        """Files of a certificate for this name and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        issuer_key = self.key.public_key()
        certificate = (
            _started(name, self.certificate.subject, key, days)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        return _write(self.folder / f"{name}.pem", certificate), _write_key(self.folder / f"{name}.key", key)


def _started(
    name: str, issuer: x509.Name | None, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - datetime.timedelta(days=60))
        .not_valid_after(end)
    )


def _write(path: Path, certificate: x509.Certificate) -> str:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return str(path)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden))
    return str(path)


def authority(folder: Path, name: str = "test CA") -> Authority:
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    usage = {"digital_signature": False, "content_commitment": False, "key_encipherment": False}
    usage |= {"data_encipherment": False, "key_agreement": False, "key_cert_sign": True, "crl_sign": True}
    certificate = (
        _started(name, None, key, 30)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage, encipher_only=False, decipher_only=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / "ca.pem", certificate)
    return Authority(folder, key, certificate)


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return authority(tmp_path / "ca")


def server(files: tuple[str, str], clients: Authority | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.file)
    return context


async def stored(_: object) -> int:
    return 0


def account_at(port: int, **changes: Any) -> Account:
    given = {"host": "127.0.0.1", "port": port, "system_id": "s", "password": "s3cret", "tls": True}
    given |= {"reconnect_min": 0.01, "reconnect_max": 0.02, **changes}
    return Account(SMPPSettings(**given), on_deliver=stored, on_receipt=stored, entropy=random.Random(1))


async def serve(caller: Caller) -> None:
    await caller.accept_bind()
    pdu = await caller.expect(m.SubmitSM)
    caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="7"))
    request = await caller.expect(m.Unbind)
    caller.send(m.UnbindResp(sequence=request.sequence))
    assert await caller.closed()


async def use(account: Account) -> None:
    """Bind, send one message, leave."""
    async with asyncio.timeout(PATIENCE):
        await account.start()
        await account.events[0].wait()
        outcome = await account.submit(lambda _: m.SubmitSM(destination_addr="1"))
        assert (outcome.kind, outcome.message_id) == (OutcomeKind.ACCEPTED, "7")
        await account.stop()


async def test_a_certificate_that_fits(ca: Authority) -> None:
    async with ScriptedSMSC(serve, tls=server(ca.issue(NAME))) as smsc:
        await use(account_at(smsc.port, tls_ca_file=ca.file, tls_name=NAME))


async def test_both_halves_of_a_pair_are_wrapped(ca: Authority) -> None:
    async def either(caller: Caller) -> None:
        assert isinstance(await caller.accept_bind(), m.BindTransmitter | m.BindReceiver)
        request = await caller.expect(m.Unbind)
        caller.send(m.UnbindResp(sequence=request.sequence))

    async with ScriptedSMSC(either, either, tls=server(ca.issue(NAME))) as smsc, asyncio.timeout(PATIENCE):
        account = account_at(smsc.port, tls_ca_file=ca.file, tls_name=NAME, bind_mode=BindMode.PAIR)
        await account.start()
        for link in account.links:
            await link.bound.wait()
        await account.stop()


class Listener:
    """A TLS server that keeps every octet it can decipher, and what went wrong."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.heard = b""
        self.attempts = 0

    async def __aenter__(self) -> Listener:
        self._server = await asyncio.start_server(self._arrived, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts += 1
        try:
            await writer.start_tls(self._context)
            self.heard += await reader.read(1_000)
        except OSError:
            pass
        finally:
            writer.close()


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("name", "Hostname mismatch"),
        ("address", "IP address mismatch"),
        ("stranger", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("system", "unable to get local issuer certificate"),
    ],
)
async def test_no_password_leaves_for_a_certificate_that_does_not_fit(
    ca: Authority, tmp_path: Path, trouble: str, reason: str
) -> None:
    changes: dict[str, Any] = {"tls_ca_file": ca.file, "tls_name": NAME}
    files = ca.issue(NAME)
    if trouble == "name":
        files = ca.issue("other.example.org")
    elif trouble == "address":
        del changes["tls_name"]  # then it has to be for 127.0.0.1
    elif trouble == "stranger":
        files = authority(tmp_path / "strangers", "another CA").issue(NAME)
    elif trouble == "expired":
        files = ca.issue(NAME, days=-1)
    elif trouble == "system":
        del changes["tls_ca_file"]
    with capture_logs() as lines:
        async with Listener(server(files)) as listener, asyncio.timeout(PATIENCE):
            account = account_at(listener.port, **changes)
            await account.start()
            while listener.attempts < 2:  # it is tried again, and again in vain
                await asyncio.sleep(0.01)
            await account.stop()
            assert not account.bound
    assert listener.heard == b""
    refusals = [line for line in lines if line["event"] == "the SMSC's certificate is refused"]
    assert reason in refusals[0]["reason"]
    assert "s3cret" not in repr(lines)


async def test_a_peer_without_tls_hears_no_password() -> None:
    heard = b""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.read(1_000)
        writer.write(m.INTERFACE_VERSION.to_bytes(16))
        writer.close()

    listening = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with asyncio.timeout(PATIENCE):
        account = account_at(listening.sockets[0].getsockname()[1])
        await account.start()
        while not heard:
            await asyncio.sleep(0.01)
        await account.stop()
    listening.close()
    await listening.wait_closed()
    assert heard[0] == 0x16  # a ClientHello
    assert b"s3cret" not in heard


async def test_an_old_tls_is_refused(ca: Authority) -> None:
    context = server(ca.issue(NAME))
    with warnings.catch_warnings(action="ignore"):  # that it is deprecated is the point
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with Listener(context) as listener, asyncio.timeout(PATIENCE):
        account = account_at(listener.port, tls_ca_file=ca.file, tls_name=NAME)
        ours = client_context(account.settings)
        assert ours is not None
        assert ours.minimum_version == ssl.TLSVersion.TLSv1_2  # whatever the machine's OpenSSL allows
        await account.start()
        while listener.attempts < 2:
            await asyncio.sleep(0.01)
        await account.stop()
    assert listener.heard == b""


async def test_a_client_certificate(ca: Authority) -> None:
    certificate, key = ca.issue("ferryman", client=True)
    async with ScriptedSMSC(serve, tls=server(ca.issue(NAME), clients=ca)) as smsc:
        await use(
            account_at(
                smsc.port,
                tls_ca_file=ca.file,
                tls_name=NAME,
                tls_certificate_file=certificate,
                tls_key_file=key,
            )
        )


async def test_a_client_certificate_that_is_asked_for_and_missing(ca: Authority) -> None:
    async with Listener(server(ca.issue(NAME), clients=ca)) as listener, asyncio.timeout(PATIENCE):
        account = account_at(listener.port, tls_ca_file=ca.file, tls_name=NAME)
        await account.start()
        while listener.attempts < 2:
            await asyncio.sleep(0.01)
        assert not account.bound
        await account.stop()
    assert listener.heard == b""


def test_files_that_are_not_usable(ca: Authority, tmp_path: Path) -> None:
    certificate, key = ca.issue("ferryman", client=True)
    _, other_key = ca.issue("other", client=True)
    locked = _write_key(tmp_path / "locked.key", ec.generate_private_key(ec.SECP256R1()), b"pass")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    wrong: list[dict[str, str]] = [
        {"tls_ca_file": str(tmp_path / "none.pem")},
        {"tls_ca_file": str(empty)},
        {"tls_certificate_file": certificate, "tls_key_file": other_key},
        {"tls_certificate_file": certificate, "tls_key_file": str(tmp_path / "none.key")},
        {"tls_certificate_file": certificate, "tls_key_file": locked},
        {"tls_certificate_file": key, "tls_key_file": key},
    ]
    for files in wrong:
        with pytest.raises(InputError) as caught:
            account_at(1, **files)
        assert "tls_" in caught.value.field
