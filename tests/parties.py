"""Parties with a key and a certificate of their own, for mutual TLS on loopback."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

VIRTUAL = datetime.datetime.fromtimestamp(1_795_000_000, datetime.UTC)  # where `soap_world.START` is


@dataclass(frozen=True)
class Party:
    """Somebody with a key and a certificate."""

    name: str
    pem: str
    certificate_file: Path
    key_file: Path

    def client(self, server: Party) -> ssl.SSLContext:
        """A context for calling `server`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=server.pem)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context


def make_party(
    folder: Path,
    name: str,
    *,
    days: int = 30,
    usage: x509.KeyUsage | None = None,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    valid: tuple[datetime.datetime, datetime.datetime] | None = None,
) -> Party:
    """A self-signed certificate for 127.0.0.1, for every use or for those named; `valid` from and until."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    # TLS looks at the machine's clock, a signature of a message at the gateway's, which begins at VIRTUAL.
    moments = (datetime.datetime.now(datetime.UTC), VIRTUAL)
    begin, end = valid or (
        min(moments) - datetime.timedelta(days=1),
        max(moments) + datetime.timedelta(days=days),
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_text(pem)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Party(name, pem, certificate_file, key_file)
