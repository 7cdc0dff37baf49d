"""TLS to the broker: only a certificate of the trusted CA with the server's own name is spoken to."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ferryman.contracts.roles import SM_SR
from ferryman.errors import InputError, Unavailable
from ferryman.platform.bus_settings import BusSettings
from ferryman.platform.nats_link import NatsLink
from nats_server import NatsServer


def certificate(folder: Path, name: str, address: str) -> tuple[Path, Path]:
    """A self-signed certificate for an address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


async def reaches(server: NatsServer, scheme: str, ca_file: Path) -> bool:
    settings = BusSettings(
        kind="nats",
        url=f"{scheme}://127.0.0.1:{server.port}",
        ca_file=str(ca_file),
        credentials=str(server.credentials),
    )
    link = NatsLink(settings, server.made[SM_SR])
    link.start()
    try:
        await link.ready(3.0)
    except Unavailable:
        return False
    else:
        return True
    finally:
        await link.stop()


async def test_the_right_certificate_is_spoken_to_and_no_other(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path, "right", "127.0.0.1")
    stranger, _ = certificate(tmp_path, "stranger", "127.0.0.1")
    (tmp_path / "nats").mkdir()
    server = NatsServer(tmp_path / "nats", certificate=pem, key=key)
    await server.start()
    try:
        assert await reaches(server, "tls", pem)
        assert not await reaches(server, "tls", stranger)
    finally:
        server.kill()


async def test_a_certificate_for_another_address_is_refused(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path, "elsewhere", "127.0.0.2")
    (tmp_path / "nats").mkdir()
    server = NatsServer(tmp_path / "nats", certificate=pem, key=key)
    await server.start()
    try:
        assert not await reaches(server, "tls", pem)
    finally:
        server.kill()


def test_a_missing_file_of_cas_is_named(tmp_path: Path) -> None:
    from ferryman.platform.nats_link import tls_context

    with pytest.raises(InputError, match="ca_file"):
        tls_context(BusSettings(kind="nats", url="tls://127.0.0.1:1", ca_file=str(tmp_path / "none.pem")))
