"""Papers of a card maker's batch: the EUM certificate that its delivery carries, revocation lists of its CI."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from lxml import etree

from ferryman.codec.eis_xml import DS
from rig import START

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.fromtimestamp(START, datetime.UTC)


def eum_of(folder: Path) -> x509.Certificate:
    """The certificate that a delivery of the card maker carries."""
    text = etree.fromstring((folder / "eis.xml").read_bytes()).findtext(f".//{{{DS}}}X509Certificate")
    return x509.load_der_x509_certificate(base64.b64decode("".join((text or "").split())))


def ci_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The key of the CI of a batch."""
    key = load_pem_private_key((folder / "ci-key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def crl(
    folder: Path, *serials: int, at: datetime.datetime = NOW - DAY, until: datetime.timedelta = 9 * DAY
) -> bytes:
    """A list of the CI of a batch."""
    ci = x509.load_pem_x509_certificate((folder / "ci.pem").read_bytes())
    builder = x509.CertificateRevocationListBuilder().issuer_name(ci.subject)
    builder = builder.last_update(at).next_update(at + until)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(ci_key(folder), hashes.SHA256()).public_bytes(Encoding.PEM)
