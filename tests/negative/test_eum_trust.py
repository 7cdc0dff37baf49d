"""Whose signature a card carries, and whether it still counts: KeyInfo, revocation lists (4.2; RFC 5280)."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from eum_papers import DAY, NOW, ci_key, crl, eum_of
from ferryman.codec.eis_xml import DS, RPS
from ferryman.contracts import crypto, eum_trust
from parties import Party
from premises import Premises, make_batch, split
from virtual_loop import virtual

CERTIFICATE = "8.5.2/6.1"
SIGNATURE = "8.6/6.1"
UNKNOWN = "see `ferryman certificate eum`"


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_batch(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another CI and another EUM."""
    return make_batch(tmp_path_factory.mktemp("other"), seed="somebody else")


def with_key_info(folder: Path, content: str | None) -> bytes:
    """The delivery with another KeyInfo (nothing signs it); None takes it away."""
    [delivery] = split(folder)
    root = etree.fromstring(delivery)
    signature = root.find(f"{{{RPS}}}Eis/{{{RPS}}}EumSignature")
    assert signature is not None
    old = signature.find(f"{{{DS}}}KeyInfo")
    assert old is not None
    if content is None:
        signature.remove(old)
    else:
        signature.replace(old, etree.fromstring(f'<ds:KeyInfo xmlns:ds="{DS}">{content}</ds:KeyInfo>'))
    return etree.tostring(root)


def data(*items: str) -> str:
    return f"<ds:X509Data>{''.join(items)}</ds:X509Data>"


def whole(eum: x509.Certificate) -> str:
    der = base64.b64encode(eum.public_bytes(Encoding.DER)).decode()
    return f"<ds:X509Certificate>{der}</ds:X509Certificate>"


def ski(eum: x509.Certificate) -> str:
    value = eum.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return f"<ds:X509SKI>{base64.b64encode(value).decode()}</ds:X509SKI>"


def subject(eum: x509.Certificate) -> str:
    return f"<ds:X509SubjectName>{eum.subject.rfc4514_string()}</ds:X509SubjectName>"


def turned(eum: x509.Certificate) -> str:
    """The first RDN first, as some signers write it."""
    name = x509.Name(list(reversed(list(eum.subject)))).rfc4514_string()
    return f"<ds:X509SubjectName>{name}</ds:X509SubjectName>"


def issuer_serial(eum: x509.Certificate, serial: int | None = None) -> str:
    issuer, number = eum.issuer.rfc4514_string(), eum.serial_number if serial is None else serial
    return (
        f"<ds:X509IssuerSerial><ds:X509IssuerName>{issuer}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{number}</ds:X509SerialNumber></ds:X509IssuerSerial>"
    )


FORMS: dict[str, Callable[[x509.Certificate], str | None]] = {
    "no KeyInfo": lambda eum: None,
    "an empty one": lambda eum: "",
    "X509SKI": lambda eum: data(ski(eum)),
    "X509SubjectName": lambda eum: data(subject(eum)),
    "X509SubjectName, turned": lambda eum: data(turned(eum)),
    "X509IssuerSerial": lambda eum: data(issuer_serial(eum)),
    "all of them": lambda eum: data(ski(eum), subject(eum), issuer_serial(eum)),
    "two X509Data": lambda eum: data(ski(eum)) + data(subject(eum)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_signature_that_only_names_its_certificate(tmp_path: Path, batch: Path, other: Path, form: str) -> None:
    """Refused while the certificate is not known, taken when it is; another EUM's does not help."""
    eum = eum_of(batch)
    xml = with_key_info(batch, FORMS[form](eum))

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.trust(batch)
            await place.refused(place.register(xml), CERTIFICATE, UNKNOWN)
            await place.operator.crypto(crypto.ImportTrustAnchor(pem=(other / "ci.pem").read_bytes()))
            await tell(place, eum_of(other))
            # Of the same Eum-id, but under another key: it is a candidate where nothing names another.
            with_names = form not in ("no KeyInfo", "an empty one", "X509SubjectName", "X509SubjectName, turned")
            refusal = (CERTIFICATE, UNKNOWN) if with_names else (SIGNATURE, "")
            await place.refused(place.register(xml), *refusal)
            await tell(place, eum)
            assert len((await place.register(xml)).new) == 1

    scenario()


async def tell(place: Premises, eum: x509.Certificate) -> None:
    pem = eum.public_bytes(Encoding.PEM)
    await place.operator.crypto(eum_trust.ImportEUMCertificate(data=pem))


WRONG: dict[str, Callable[[x509.Certificate], str]] = {
    "another key identifier": lambda eum: data("<ds:X509SKI>AAAA</ds:X509SKI>"),
    "another subject": lambda eum: data("<ds:X509SubjectName>CN=nobody</ds:X509SubjectName>"),
    "another serial number": lambda eum: data(issuer_serial(eum, 1)),
    "another issuer": lambda eum: data(issuer_serial(eum).replace(eum.issuer.rfc4514_string(), "CN=nobody")),
    "one right and one wrong": lambda eum: data(subject(eum), "<ds:X509SKI>AAAA</ds:X509SKI>"),
}
BROKEN: dict[str, Callable[[x509.Certificate], str]] = {
    "two certificates": lambda eum: data(whole(eum), whole(eum)),
    "a key name": lambda eum: "<ds:KeyName>eum</ds:KeyName>",
    "a key value": lambda eum: "<ds:KeyValue/>",
    "a key name beside it": lambda eum: data(ski(eum)) + "<ds:KeyName>eum</ds:KeyName>",
    "a list": lambda eum: data("<ds:X509CRL>AAAA</ds:X509CRL>"),
    "twice": lambda eum: data(ski(eum), ski(eum)),
    "no base64": lambda eum: data("<ds:X509SKI>#</ds:X509SKI>"),
    "no name": lambda eum: data("<ds:X509SubjectName>nobody</ds:X509SubjectName>"),
    "empty name": lambda eum: data("<ds:X509SubjectName/>"),
    "endless name": lambda eum: data(f"<ds:X509SubjectName>O={'x' * 5_000}</ds:X509SubjectName>"),
    "no serial number": lambda eum: data(issuer_serial(eum).replace(str(eum.serial_number), "-1")),
    "endless serial number": lambda eum: data(issuer_serial(eum).replace(str(eum.serial_number), "9" * 5_000)),
}


def test_what_names_no_certificate_or_another(tmp_path: Path, batch: Path) -> None:
    eum = eum_of(batch)

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.trust(batch)
            await tell(place, eum)
            for make in WRONG.values():
                await place.refused(place.register(with_key_info(batch, make(eum))), CERTIFICATE, UNKNOWN)
            for make in BROKEN.values():
                await place.refused(place.register(with_key_info(batch, make(eum))), SIGNATURE)
            await place.refused(place.register(doubled(with_key_info(batch, data(ski(eum))))), SIGNATURE)
            assert len((await place.register(with_key_info(batch, None))).new) == 1

    scenario()


def doubled(xml: bytes) -> bytes:
    """The delivery with a second KeyInfo."""
    root = etree.fromstring(xml)
    info = root.find(f".//{{{DS}}}KeyInfo")
    assert info is not None
    info.addnext(etree.Element(info.tag))
    return etree.tostring(root)


def renewed(folder: Path, *, serial: int, begin: datetime.datetime, end: datetime.datetime) -> x509.Certificate:
    """The EUM's certificate for the same key and name with other dates, by the CI of the batch."""
    old = eum_of(folder)
    builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), serial, begin, end)
    for one in old.extensions:
        builder = builder.add_extension(one.value, critical=one.critical)
    return builder.sign(ci_key(folder), hashes.SHA256())


@virtual
async def test_a_renewed_certificate(tmp_path: Path, batch: Path) -> None:
    """Of two for the same key the one that is valid counts."""
    async with Premises(tmp_path / "data") as place:
        await place.trust(batch)
        await tell(place, renewed(batch, serial=1, begin=NOW - 20 * DAY, end=NOW - DAY))
        xml = with_key_info(batch, data(subject(eum_of(batch))))
        await place.refused(place.register(xml), CERTIFICATE, "not valid now")
        await tell(place, renewed(batch, serial=2, begin=NOW - DAY, end=NOW + 20 * DAY))
        await tell(place, renewed(batch, serial=3, begin=NOW + DAY, end=NOW + 40 * DAY))
        assert len((await place.register(xml)).new) == 1


# -- revocation lists ------------------------------------------------------------------------------------------


def hold(place: Premises, content: bytes) -> Awaitable[object]:
    return place.operator.crypto(eum_trust.ImportRevocationList(data=content))


@pytest.mark.parametrize("named", [False, True], ids=["certificate in KeyInfo", "no KeyInfo"])
def test_a_revoked_card_maker(tmp_path: Path, batch: Path, named: bool) -> None:
    eum = eum_of(batch)
    [delivery] = split(batch)
    xml = with_key_info(batch, None) if named else delivery

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.trust(batch)
            await tell(place, eum)
            await hold(place, crl(batch, 1, eum.serial_number))
            await place.refused(place.register(xml), CERTIFICATE, "is revoked")
            # The newer list no longer names it (it was on hold).
            await hold(place, crl(batch, 1, at=NOW - DAY / 2))
            assert len((await place.register(xml)).new) == 1

    scenario()


@virtual
async def test_a_list_that_is_past_its_next_update(tmp_path: Path, batch: Path, other: Path) -> None:
    """Nobody knows any more who is revoked: no card until there is a newer list, or the operator does without."""
    [delivery] = split(batch)
    async with Premises(tmp_path / "data") as place:
        await place.trust(batch)
        # Another CI's list says nothing of ours.
        await place.operator.crypto(crypto.ImportTrustAnchor(pem=(other / "ci.pem").read_bytes()))
        await hold(place, crl(other, eum_of(batch).serial_number, at=NOW - 9 * DAY, until=DAY))
        await hold(place, crl(batch, at=NOW - 9 * DAY, until=8 * DAY))
        await place.refused(place.register(delivery), CERTIFICATE, "past its next update")
        shown = await place.operator.crypto(eum_trust.ListTrust())
        assert isinstance(shown, eum_trust.TrustList)
        ci = x509.load_pem_x509_certificate((batch / "ci.pem").read_bytes())
        [found] = [
            one
            for one in shown.items
            if one.kind == "revocation-list" and one.subject == ci.subject.rfc4514_string() and one.revoked == 0
        ]
        assert found.end == (NOW - DAY).timestamp()
        await place.operator.crypto(eum_trust.DropTrust(fingerprint=found.fingerprint))
        assert len((await place.register(delivery)).new) == 1
        gone = place.operator.crypto(eum_trust.DropTrust(fingerprint=found.fingerprint))
        await place.refused(gone, "1.3.1/2.1", "no revocation list")


def test_lists_and_certificates_that_are_not_taken(
    tmp_path: Path, batch: Path, other: Path, parties: dict[str, Party]
) -> None:
    eum = eum_of(batch)

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.trust(batch)
            await hold(place, crl(batch, 1))
            refused = {
                "older than the one": crl(batch, at=NOW - 2 * DAY),
                "of the future": crl(batch, at=NOW + DAY),
                "not signed by a trusted CI": crl(other, at=NOW),
                "cannot be read": b"-----BEGIN X509 CRL-----",
            }
            for words, content in refused.items():
                await place.refused(hold(place, content), "1.3.1/2.1", words)
            await hold(place, crl(batch, 1))  # the same again
            for words, content in {
                "not under a trusted CI": eum_of(other).public_bytes(Encoding.PEM),
                "names no Eum-id": parties["eum"].pem.encode(),
                "no X.509 certificate": b"-----BEGIN CERTIFICATE-----",
            }.items():
                call = place.operator.crypto(eum_trust.ImportEUMCertificate(data=content))
                await place.refused(call, "1.3.1/2.1", words)
            await place.operator.crypto(eum_trust.ImportEUMCertificate(data=eum.public_bytes(Encoding.DER)))
            shown = await place.operator.crypto(eum_trust.ListTrust())
            assert isinstance(shown, eum_trust.TrustList)
            oid = json.loads((batch / "batch.json").read_text())["eum"]["oid"]
            assert [(one.kind, one.names) for one in shown.items if one.kind == "eum"] == [("eum", (oid,))]
            await place.operator.crypto(eum_trust.DropTrust(fingerprint=eum.fingerprint(hashes.SHA256()).hex()))
            await place.refused(place.register(with_key_info(batch, None)), CERTIFICATE, UNKNOWN)

    scenario()
