"""TLS with certificates on both sides (SGP.02 Annex B; `sgp02-interfaces.md` 6.6): contexts, and who is who."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterable
from pathlib import Path

from ferryman.contracts.peers import Peer
from ferryman.errors import InputError
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.soap_gateway.signature import Signer


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate."""
    return hashlib.sha256(der).hexdigest()


def fingerprints(peer: Peer) -> frozenset[str]:
    """Of every certificate in a record; raises InputError when one cannot be read."""
    try:
        return frozenset(fingerprint(ssl.PEM_cert_to_DER_cert(text)) for text in peer.certificates)
    except (ValueError, TypeError):
        raise InputError("certificate", f"of peer {peer.name} is not PEM") from None


def check_readable(peer: Peer) -> None:
    """Whether OpenSSL can read every certificate of a record; raises InputError."""
    fingerprints(peer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for text in peer.certificates:
        try:
            context.load_verify_locations(cadata=text)
        except ssl.SSLError:
            raise InputError("certificate", f"of peer {peer.name} cannot be read") from None


def server_context(settings: SOAPSettings, peers: Iterable[Peer]) -> ssl.SSLContext:
    """For connections of peers; raises InputError when our own files cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _own(context, settings)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    trust(context, settings, peers)
    return context


def trust(context: ssl.SSLContext, settings: SOAPSettings, peers: Iterable[Peer]) -> None:
    """Accept the certificates of these peers, too; a removed one is refused by its record, not here."""
    found = list(peers)
    _anchors(context, settings, found)
    # Without a certificate only a token of WS-Security could say who it is.
    optional = any(peer.needs_no_certificate for peer in found)
    context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED


def client_context(settings: SOAPSettings, peer: Peer) -> ssl.SSLContext:
    """For a connection to a peer: its pinned certificates, or one under the configured CA with its host's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _own(context, settings)
    context.check_hostname = not peer.certificates
    _anchors(context, settings, [peer])
    return context


def own_signer(settings: SOAPSettings) -> Signer:
    """Signs with the key that TLS has; raises InputError when our own files cannot be used."""
    try:
        return Signer(Path(settings.certificate_file).read_bytes(), Path(settings.key_file).read_bytes())
    except OSError as problem:
        raise InputError("soap.certificate_file", f"and key cannot be used ({problem})") from None


def _own(context: ssl.SSLContext, settings: SOAPSettings) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a peer's own certificate is an anchor
    try:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
    except (OSError, ssl.SSLError) as problem:
        raise InputError("soap.certificate_file", f"and key cannot be used ({problem})") from None


def _anchors(context: ssl.SSLContext, settings: SOAPSettings, peers: list[Peer]) -> None:
    try:
        if settings.ca_file:
            context.load_verify_locations(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as problem:
        raise InputError("soap.ca_file", f"cannot be used ({problem})") from None
    for text in {text for peer in peers for text in peer.certificates}:
        context.load_verify_locations(cadata=text)
