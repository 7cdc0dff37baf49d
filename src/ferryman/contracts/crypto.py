"""Questions to the CryptoServer. Keys are named by reference; only two answers hold key material, and say so.

References are paths: `euicc/<EID>/<KVN>/<index>` for the card's own keys, `isdp/<EID>/<AID>` for the SCP03 key
set of an ISD-P, `subscription/<ICCID>` for the secrets of one subscription, `sm-dp/ecdsa` for our signing key,
`transport/<Eum-id>` for a key agreed with a card maker. Asking the same question twice gives the same effect.
"""

from __future__ import annotations

import msgspec

from ferryman.contracts import envelopes, es8, eum_trust, imports
from ferryman.contracts.message import Body, Codec
from ferryman.contracts.status import ExecutionStatus

# Version of the SCP03 key set that key establishment makes in an ISD-P: 30 to 3F (SGP.02 2.2.2), one is enough.
ISDP_KEY_VERSION = 0x30


P256 = 0x00  # key parameter reference (tag F0)


class CryptoRefused(Body, frozen=True, kw_only=True, tag=True):
    """The question was understood and refused."""

    status: ExecutionStatus


class Stored(Body, frozen=True, kw_only=True, tag=True):
    """What was asked for has been stored (or was there already, the same)."""

    count: int = 1


# -- keys that come from outside ---------------------------------------------------------------------------


class ImportTransportKey(Body, frozen=True, kw_only=True, tag=True):
    """Store a transport key (16, 24 or 32 bytes); holds key material, never travels on the bus."""

    eum_id: str
    key: bytes

    def __repr__(self) -> str:
        return f"ImportTransportKey(eum_id={self.eum_id!r}, key=***)"


class WrappedKey(msgspec.Struct, frozen=True):
    """One key of a key set as ES1.RegisterEIS carries it: encrypted value, KCV of the clear key."""

    index: int
    key_type: int
    value: bytes
    kcv: bytes


class WrappedKeyset(msgspec.Struct, frozen=True):
    """One key set of the ISD-R under the EUM's transport key."""

    version: int
    keys: tuple[WrappedKey, ...]


class UnwrapKeysets(Body, frozen=True, kw_only=True, tag=True):
    """Unwrap and check (KCV) every key, then store all or none under `euicc/<EID>/...` (SGP.02 4.3, ES1).

    `check_only` stops before storing: a delivery of many cards is checked whole before the first is stored.
    """

    eum_id: str
    eid: str
    keysets: tuple[WrappedKeyset, ...]
    check_only: bool = False


# -- trust and our own signing key -------------------------------------------------------------------------


class ImportTrustAnchor(Body, frozen=True, kw_only=True, tag=True):
    """A CI certificate (X.509, PEM) under which EUM certificates must stand."""

    pem: bytes


class MakeSigningKey(Body, frozen=True, kw_only=True, tag=True):
    """Make our ECDSA key pair for `role` ("dp" or "sr") if there is none.

    `curve` here and below is a key parameter reference: 00 P-256, 03 brainpoolP256r1.
    """

    role: str
    curve: int = P256


class SigningKey(Body, frozen=True, kw_only=True, tag=True):
    """Its public half, PEM, and the certificate (7F21 TLV) when one was imported."""

    public_key_pem: bytes
    certificate: bytes = b""


class ImportCertificate(Body, frozen=True, kw_only=True, tag=True):
    """CERT.DP.ECDSA or CERT.SR.ECDSA (7F21); refused when not signed by a trusted CI or not for our key."""

    role: str
    certificate: bytes


class VerifyEUICC(Body, frozen=True, kw_only=True, tag=True):
    """Check an EIS: EumSignature, EUM certificate under a CI, CERT.ECASD.ECKA under the EUM and for this EID.

    Refusals: EUM_SIGNATURE, EUM_CERTIFICATE, ECASD_CERTIFICATE(_EXPIRED) of `codes`. `now` is seconds since 1970.
    What the EIS says beside the signed part (platform, version) must be what was signed; empty = not asked.
    """

    eid: str
    eum_id: str
    platform_type: str = ""
    remote_provisioning_version: str = ""
    signed_info: bytes
    signature: bytes
    now: float


class EUICCVerified(Body, frozen=True, kw_only=True, tag=True):
    """PK.ECASD.ECKA as 04||X||Y and its curve: the one that key agreement and our certificate must be on."""

    ecasd_public_key: bytes
    curve: int = P256


# -- key sets of the ISD-R (SM-SR) ---------------------------------------------------------------------------


class MakeKeyset(Body, frozen=True, kw_only=True, tag=True):
    """Make a key set of the protocol that `version` belongs to and keep it apart until `TakeKeyset`.

    One that was made before and not taken is given again: the card may hold it. It gets another version than
    `version`, one that the card has already if there is one; with `overwrite` that very version.
    """

    eid: str
    version: int
    overwrite: bool = False


class KeysetMade(Body, frozen=True, kw_only=True, tag=True):
    """Its version, and whether the card has other keys under that version."""

    version: int
    replaces: bool = False


class WrapKeyset(Body, frozen=True, kw_only=True, tag=True):
    """The keys that were made for `version`, for PUT KEY, under the DEK of the key set `under` of the card."""

    eid: str
    version: int
    under: int


class KeyUnderDEK(msgspec.Struct, frozen=True):
    """One key of a PUT KEY: type, key under the DEK, check value of the clear key."""

    key_type: int
    encrypted: bytes
    kcv: bytes


class KeysetWrapped(Body, frozen=True, kw_only=True, tag=True):
    """In the order of the key ids."""

    keys: tuple[KeyUnderDEK, ...]


class TakeKeyset(Body, frozen=True, kw_only=True, tag=True):
    """The card has shown that it holds the keys made for `version`; `retired` (0: none) it has no more."""

    eid: str
    version: int
    retired: int = 0


class VerifySMSRCertificate(Body, frozen=True, kw_only=True, tag=True):
    """CERT.SR.ECDSA (7F21) of the other SM-SR: role, a trusted CI, dates; `now` in seconds since 1970."""

    certificate: bytes
    now: float


class DeriveISDRKeyset(Body, frozen=True, kw_only=True, tag=True):
    """Agree with the ECASD, verify the receipt (a wrong one is refused), store `euicc/<EID>/<KVN>/...`."""

    exchange: str
    eid: str
    key_version: int
    ecasd_public_key: bytes
    a6: bytes
    receipt: bytes
    derivation_random: bytes = b""


class DropCardKeys(Body, frozen=True, kw_only=True, tag=True):
    """Destroy every ISD-R key of a card that another SM-SR manages now."""

    eid: str


# -- SCP80 (SM-SR) -------------------------------------------------------------------------------------------


class SCP80Wrap(Body, frozen=True, kw_only=True, tag=True):
    """Secure a command packet with key set `key_version` of the card (TS 102 225); packet starts at CPL."""

    eid: str
    key_version: int
    spi: bytes
    tar: bytes
    counter: int
    data: bytes


class SCP80Wrapped(Body, frozen=True, kw_only=True, tag=True):
    """The packet."""

    packet: bytes


class SCP80OpenResponse(Body, frozen=True, kw_only=True, tag=True):
    """Check and decipher a response packet to a command that was sent with this SPI and key set."""

    eid: str
    key_version: int
    spi: bytes
    tar: bytes
    packet: bytes


class SCP80Response(Body, frozen=True, kw_only=True, tag=True):
    """Contents of a response packet that passed its check."""

    tar: bytes
    counter: int
    status: int
    data: bytes


class SCP80OpenCommand(Body, frozen=True, kw_only=True, tag=True):
    """Check a command packet that came from the card (a notification, SGP.02 4.1.1.11)."""

    eid: str
    packet: bytes


class SCP80Command(Body, frozen=True, kw_only=True, tag=True):
    """Contents of a command packet that passed its check."""

    tar: bytes
    key_version: int
    data: bytes


class GetPSK(Body, frozen=True, kw_only=True, tag=True):
    """The pre-shared key for one TLS handshake; only transport-https may ask, each answer is audited."""

    eid: str
    key_version: int
    key_id: int


class PSK(Body, frozen=True, kw_only=True, tag=True):
    """Key material: a call's answer only. Empty when there is no such key."""

    key: bytes

    def __repr__(self) -> str:
        return "PSK(key=***)"


# -- key establishment and profile protection (SM-DP) ---------------------------------------------------------


class SignKeyParameters(Body, frozen=True, kw_only=True, tag=True):
    """Make (once per `exchange`) an ephemeral key pair on `curve` and sign A6, ePK and the card's challenge.

    `role` is whose key of that curve signs: "dp" or "sr".
    """

    exchange: str
    a6: bytes
    challenge: bytes
    role: str = "dp"
    curve: int = P256


class KeyParametersSigned(Body, frozen=True, kw_only=True, tag=True):
    """ePK.DP.ECKA (65 bytes) and r||s (64 bytes)."""

    ephemeral_public_key: bytes
    signature: bytes


class DeriveKeyset(Body, frozen=True, kw_only=True, tag=True):
    """Agree with the ECASD, verify the receipt (a wrong one is refused), store the keys as `isdp/<EID>/<AID>`."""

    exchange: str
    eid: str
    isdp_aid: bytes
    ecasd_public_key: bytes
    a6: bytes
    receipt: bytes
    derivation_random: bytes = b""


class OpenSCP03t(Body, frozen=True, kw_only=True, tag=True):
    """The `84` TLV that opens an SCP03t session of an ISD-P with this host challenge."""

    host_challenge: bytes


class SCP03tOpened(Body, frozen=True, kw_only=True, tag=True):
    """INITIALIZE UPDATE as TLV `84`."""

    initialize_update: bytes


class ProtectProfile(Body, frozen=True, kw_only=True, tag=True):
    """Personalise the compiled template with the subscription and protect it for the session just opened.

    Checks the card cryptogram of `initialize_response` (value of the `84` answer). `segment` is the plain bytes
    in each `86`. `pol1` and `connectivity` are the order's own for the profile header; None leaves the template's,
    empty ones take them away.
    """

    eid: str
    isdp_aid: bytes
    host_challenge: bytes
    initialize_response: bytes
    template: bytes
    iccid: str
    imsi: str
    msisdn: str
    segment: int
    pol1: bytes | None = None
    connectivity: bytes | None = None


class PackageElement(msgspec.Struct, frozen=True, array_like=True):
    """An element of the package: name, identification (-1: none), and the number of the segment it ends in."""

    name: str
    identification: int
    segment: int


class ProfileProtected(Body, frozen=True, kw_only=True, tag=True):
    """EXTERNAL AUTHENTICATE (`85`) and the segments (`86`), ready for ES3.SendData; size of the plain package.

    `elements` say what the segments hold, without its content: an answer of the card names elements by number.
    """

    external_authenticate: bytes
    segments: tuple[bytes, ...]
    profile_bytes: int
    elements: tuple[PackageElement, ...] = ()


class OpenProfileResult(Body, frozen=True, kw_only=True, tag=True):
    """Check and decipher the card's last `86` answer; the arguments rebuild the session."""

    eid: str
    isdp_aid: bytes
    host_challenge: bytes
    initialize_response: bytes
    segments: tuple[bytes, ...]
    response: bytes


class ProfileResult(Body, frozen=True, kw_only=True, tag=True):
    """EUICCResponse (DER)."""

    euicc_response: bytes


class HandOverKeyset(Body, frozen=True, kw_only=True, tag=True):
    """The SCP03 keys of an ISD-P for its Operator, under the transport key named `key`."""

    eid: str
    isdp_aid: bytes
    key: str


class KeysetHandedOver(Body, frozen=True, kw_only=True, tag=True):
    """ENC, MAC, DEK one behind the other: nonce, ciphered value, tag (AES-GCM; `EID,AID` is authenticated)."""

    sealed: bytes


class ImportHookKey(Body, frozen=True, kw_only=True, tag=True):
    """Store a key (32 to 64 bytes) under which calls of an operator's hooks are signed; holds key material."""

    owner: str
    name: str
    key: bytes

    def __repr__(self) -> str:
        return f"ImportHookKey(owner={self.owner!r}, name={self.name!r}, key=***)"


class SignHookCall(Body, frozen=True, kw_only=True, tag=True):
    """HMAC-SHA-256 of `message` under the operator's key of that name."""

    owner: str
    name: str
    message: bytes


class HookCallSigned(Body, frozen=True, kw_only=True, tag=True):
    """The MAC, 32 bytes."""

    mac: bytes


class LoadTokenKey(Body, frozen=True, kw_only=True, tag=True):
    """Make (once for an ISD-P) a token key for Master Delete and wrap the commands that load it (SGP.02 3.10).

    The session is the one that `initialize_response` (data of the answer to INITIALIZE UPDATE) opened. `replace`:
    the card may have the key already.
    """

    eid: str
    isdp_aid: bytes
    host_challenge: bytes
    initialize_response: bytes
    sin: bytes
    sdin: bytes
    provider: bytes
    replace: bool = False


class TokenKeyWrapped(Body, frozen=True, kw_only=True, tag=True):
    """EXTERNAL AUTHENTICATE, three STORE DATA, PUT KEY: C-APDUs for the ISD-P."""

    apdus: tuple[bytes, ...]


class ConfirmTokenKey(Body, frozen=True, kw_only=True, tag=True):
    """The card's answers (data and status word) to the commands of `load`; wrong ones are refused.

    That to EXTERNAL AUTHENTICATE, the first and the only one without an R-MAC, may be left out.
    """

    load: LoadTokenKey
    answers: tuple[bytes, ...]


class IssueDeleteToken(Body, frozen=True, kw_only=True, tag=True):
    """A token for the Master Delete of this ISD-P; each has a number of its own."""

    eid: str
    isdp_aid: bytes


class DeleteTokenIssued(Body, frozen=True, kw_only=True, tag=True):
    """The token and what it covers beside the ISD-P (tags 42, 45, 5F20, 93)."""

    token: bytes
    sin: bytes
    sdin: bytes
    provider: bytes
    token_id: bytes


class DestroyKeys(Body, frozen=True, kw_only=True, tag=True):
    """Destroy every key under a reference prefix."""

    prefix: str


REQUESTS: tuple[type[Body], ...] = (
    ImportTransportKey,
    UnwrapKeysets,
    ImportTrustAnchor,
    MakeSigningKey,
    ImportCertificate,
    VerifyEUICC,
    MakeKeyset,
    WrapKeyset,
    TakeKeyset,
    VerifySMSRCertificate,
    DeriveISDRKeyset,
    DropCardKeys,
    SCP80Wrap,
    SCP80OpenResponse,
    SCP80OpenCommand,
    GetPSK,
    SignKeyParameters,
    DeriveKeyset,
    OpenSCP03t,
    ProtectProfile,
    OpenProfileResult,
    DestroyKeys,
    HandOverKeyset,
    LoadTokenKey,
    ConfirmTokenKey,
    IssueDeleteToken,
    ImportHookKey,
    SignHookCall,
    *imports.CRYPTO_REQUESTS,
    *envelopes.REQUESTS,
    *es8.REQUESTS,
    *eum_trust.REQUESTS,
)
ANSWERS: tuple[type[Body], ...] = (
    CryptoRefused,
    Stored,
    SigningKey,
    EUICCVerified,
    KeysetMade,
    KeysetWrapped,
    SCP80Wrapped,
    SCP80Response,
    SCP80Command,
    PSK,
    KeyParametersSigned,
    SCP03tOpened,
    ProfileProtected,
    ProfileResult,
    KeysetHandedOver,
    TokenKeyWrapped,
    DeleteTokenIssued,
    HookCallSigned,
    *imports.CRYPTO_ANSWERS,
    *envelopes.ANSWERS,
    *es8.ANSWERS,
    *eum_trust.ANSWERS,
)
REQUEST_CODEC: Codec[Body] = Codec(*REQUESTS)
ANSWER_CODEC: Codec[Body] = Codec(*ANSWERS)
