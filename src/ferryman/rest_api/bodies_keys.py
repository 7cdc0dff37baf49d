"""Requests and answers about keys agreed with others, certificates, and what leaves under such keys."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ferryman.contracts.eum_trust import Trusted
from ferryman.contracts.secrecy import Guarded
from ferryman.rest_api.bodies import Closed, PageQuery

MAX_DOCUMENT = 64 * 1024  # octets of a certificate or public key; a revocation list goes as a file

Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,100}$")]
Document = Annotated[bytes, msgspec.Meta(min_length=1)]
SigningRole = Annotated[Literal["dp", "sr"], msgspec.Meta(description="dp: of the SM-DP, sr: of the SM-SR.")]


class NewTransportKey(Closed, frozen=True, kw_only=True):
    """A key agreed with a card maker (`name` is its Eum-id), an operator or a maker of SIMs, or an OP or TOP.

    It opens what comes in. What leaves the platform goes under none that came over this interface.
    """

    name: Name
    key: Annotated[bytes, msgspec.Meta(min_length=1, max_length=64)]

    def __repr__(self) -> str:
        return f"NewTransportKey(name={self.name!r}, key=***)"


class AgreedHookKey(Closed, frozen=True, kw_only=True):
    """A key of yours (32 to 64 octets) for calls of hooks; one of this name is replaced."""

    name: Name
    key: Annotated[bytes, msgspec.Meta(min_length=32, max_length=64)]

    def __repr__(self) -> str:
        return f"AgreedHookKey(name={self.name!r}, key=***)"


class NewOpenPGPKey(Closed, frozen=True, kw_only=True):
    """Whose key it is, as "Name <address>"; with `renew` a new one, and files for the former ones still open."""

    user_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    renew: bool = False


class CorrespondentKey(Closed, frozen=True, kw_only=True):
    """A correspondent's public key (base64 of what `gpg --export` writes) under `name`."""

    name: Name
    content: Document


class OpenPGPQuery(Closed, frozen=True, kw_only=True):
    """Whose: a correspondent's, or empty for ours."""

    name: Annotated[str, msgspec.Meta(max_length=100)] = ""


class NewSigningKey(Closed, frozen=True, kw_only=True):
    """For which service, and on which curve: that of the cards, as their ECASD certificate says."""

    role: SigningRole = "dp"
    curve: Literal["P-256", "brainpoolP256r1"] = "P-256"


class SigningKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """Its public half, PEM, for the CI to certify."""

    role: str
    public_key_pem: str


class OwnCertificate(Closed, frozen=True, kw_only=True):
    """The certificate that a CI issued for our key (7F21, base64)."""

    role: SigningRole = "dp"
    certificate: Document


class NewDocument(Closed, frozen=True, kw_only=True):
    """A file in X.509, PEM or DER (base64)."""

    content: Document


class TrustPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of CIs, card makers' certificates and revocation lists; `next` is empty at the end."""

    items: tuple[Trusted, ...]
    next: str = ""


# -- what leaves --------------------------------------------------------------------------------------------------


class ExportQuery(PageQuery, frozen=True, kw_only=True):
    """The name of the key agreed with the HLR, AuC or UDM (`under`), and how each value is encrypted under it."""

    under: Annotated[str, msgspec.Meta(max_length=100)] = ""
    cipher: Literal["aes-gcm", "aes-cbc", "aes-ecb"] = "aes-gcm"


class ExportedSubscription(Guarded, frozen=True, kw_only=True):
    """A subscription with Ki and OPc (or TOPc; empty where there is none) under the agreed key, base64.

    All three are empty where it cannot be exported any more: it was delivered, and its keys are destroyed here.
    """

    iccid: str
    imsi: str
    msisdn: str
    algorithm: str
    ki: bytes
    opc: bytes


class ExportPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of an import's subscriptions with their keys; `next` is empty at the end."""

    items: tuple[ExportedSubscription, ...]
    next: str = ""


class NewSealedFile(Closed, frozen=True, kw_only=True):
    """The name of the correspondent for whose OpenPGP key the file is encrypted; it is signed with ours."""

    recipient: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class SealedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file for the HLR, AuC or UDM in an OpenPGP envelope (base64): `rows` subscriptions.

    The line of one that was delivered says nothing of algorithm, Ki and OPc: its keys are destroyed here.
    """

    rows: int
    content: bytes
