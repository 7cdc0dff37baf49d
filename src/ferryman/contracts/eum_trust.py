"""What the operator's tools tell the CryptoServer of card makers: certificates, and lists of revoked ones."""

from __future__ import annotations

import msgspec

from ferryman.contracts.message import Body


class ImportEUMCertificate(Body, frozen=True, kw_only=True, tag=True):
    """An EUM certificate (X.509, PEM or DER) for signatures that only name it; it must be under a trusted CI."""

    data: bytes


class ImportRevocationList(Body, frozen=True, kw_only=True, tag=True):
    """A revocation list of a trusted CI (X.509, PEM or DER); takes the place of an older one."""

    data: bytes


class ListTrust(Body, frozen=True, kw_only=True, tag=True):
    """Every CI, EUM certificate and revocation list."""


class DropTrust(Body, frozen=True, kw_only=True, tag=True):
    """Forget an EUM certificate or a revocation list, by what `ListTrust` calls it."""

    fingerprint: str


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """One of them: `kind` is ci, eum or revocation-list; times in seconds since 1970.

    `names` are the Eum-ids of an EUM certificate; `revoked` counts the entries of a list.
    """

    kind: str
    fingerprint: str
    subject: str
    begin: float
    end: float
    names: tuple[str, ...] = ()
    revoked: int = 0


class TrustList(Body, frozen=True, kw_only=True, tag=True):
    """By kind and subject."""

    items: tuple[Trusted, ...]


REQUESTS: tuple[type[Body], ...] = (ImportEUMCertificate, ImportRevocationList, ListTrust, DropTrust)
ANSWERS: tuple[type[Body], ...] = (TrustList,)
