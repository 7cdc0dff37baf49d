"""Other parties: who they are, where they are, what each may ask (SGP.02 2.2, 3.3; Annex B 6.6).

A peer is one party in one role of the specification. Whoever speaks as a peer has proved it by its certificate or
its password, and may only say what the table of rights gives its kind, less what its own record takes away.
"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from ferryman.contracts.message import Body, Codec
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import InputError

POLLED = "http://docs.oasis-open.org/ws-rx/wsmc/200702/anonymous?id="  # of a peer that fetches its messages
INTERFACES = ("ES1", "ES2", "ES3", "ES4", "ES7")


class PeerKind(StrEnum):
    """Roles of the ecosystem that are not ours."""

    OPERATOR = "operator"
    EUM = "eum"
    SM_DP = "sm-dp"
    SM_SR = "sm-sr"
    DEVICE_MAKER = "device-maker"
    M2M_SP = "m2m-sp"


_CARD = ("GetEIS", "AuditEIS")
_PROFILE = ("EnableProfile", "DisableProfile", "UpdatePolicyRules", "UpdateSubscriptionAddress")
_CHANGES = ("HandleProfileEnabledNotification", "HandleProfileDisabledNotification")
_NOTIFICATIONS = (*_CHANGES, "HandleProfileDeletedNotification", "HandleSMSRChangeNotification")


def _of(interface: str, *names: str) -> frozenset[str]:
    return frozenset(f"{interface}.{name}" for name in names)


# What each kind may call of us or notify us of: the one table of rights. A function that is not in it does not
# exist for that kind. Answers to our own calls need no row: they are matched to the call and its addressee.
RIGHTS: dict[PeerKind, frozenset[str]] = {
    PeerKind.OPERATOR: _of("ES2", "GetEIS", "DownloadProfile", "DeleteProfile", *_PROFILE)
    | _of("ES4", *_CARD, "DeleteProfile", "PrepareSMSRChange", "SMSRChange", *_PROFILE),
    PeerKind.EUM: _of("ES1", "RegisterEIS"),
    PeerKind.SM_DP: _of("ES3", *_CARD, "CreateISDP", "SendData", "ProfileDownloadCompleted", "DeleteISDP")
    | _of("ES3", "UpdateConnectivityParameters", *_PROFILE),
    PeerKind.SM_SR: _of("ES7", "HandoverEUICC", "AuthenticateSMSR", "CreateAdditionalKeySet")
    | _of("ES7", "HandleSMSRChangeNotification")
    | _of("ES3", *_NOTIFICATIONS),
    PeerKind.DEVICE_MAKER: frozenset(),
    PeerKind.M2M_SP: frozenset(),
}


# What each may call beside that when its record has the switch for v4 (`contracts.v4`). A device maker has no
# function on any off-card interface.
_ATTRIBUTE = "SetFallBackAttribute"
V4_RIGHTS: dict[PeerKind, frozenset[str]] = {
    PeerKind.OPERATOR: _of("ES2", "AuditEIS", _ATTRIBUTE)
    | _of("ES4", _ATTRIBUTE)
    | _of("ES4A", "SetPLMA", "GetPLMA", "SetONC", "GetONC"),
    PeerKind.EUM: _of("ES1", "UpdateEISAdditionalProperties"),
    PeerKind.SM_DP: _of("ES3", _ATTRIBUTE),
    PeerKind.SM_SR: _of("ES3", "HandleProfileDownloadedNotification", "HandleProfilePOL2UpdatedNotification")
    | _of("ES3", "HandleFallBackAttributeSetNotification", "HandleFallBackAttributeUnsetNotification"),
    PeerKind.DEVICE_MAKER: frozenset(),
    # On the profiles that a PLMA opens to him.
    PeerKind.M2M_SP: _of("ES4", *_CARD, "EnableProfile", "DisableProfile", "DeleteProfile", _ATTRIBUTE, "GetPLMA"),
}


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """What is different with this peer; the defaults are the strict form.

    `namespace` 1 or 3: the older or the usual one of the messages, which is then also the only one accepted.
    `unknown_only`: a profile of somebody else is always answered as an unknown one, even where the peer has a
    right on the eUICC. `require_token`: the TLS certificate alone does not suffice. `x509_token`: it may prove
    itself by an X.509 token of WS-Security, with one of its certificates. `sign`: so are our messages to it.
    `v4`: it speaks our proposal for the functions of v4, too. `full_results`: answers of calls that failed have
    every result element of the schema, empty or with a value that means nothing.
    """

    namespace: int = 3
    unknown_only: bool = False
    require_token: bool = False
    x509_token: bool = False
    sign: bool = False
    v4: bool = False
    full_results: bool = False


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One other party.

    `endpoints` are URLs by interface (ES3 ...), where requests, notifications and, without a ReplyTo, callbacks
    go; or a WS-MakeConnection address under which they wait to be fetched. `certificates` are PEM, those it shows
    as TLS client and server. `rights` narrows what its kind may do; empty is all of it. `username` and
    `password_file` (in the data directory) are for WS-Security.
    """

    name: str
    kind: PeerKind
    oid: str
    endpoints: dict[str, str] = {}
    certificates: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()
    quirks: Quirks = Quirks()
    username: str = ""
    password_file: str = ""

    @property
    def needs_no_certificate(self) -> bool:
        """Whether this peer can prove itself without a TLS certificate."""
        return bool(self.username) or self.quirks.x509_token

    def may(self, function: str) -> bool:
        """Whether this peer may call `function` (as ES4.EnableProfile)."""
        return function in rights_of(self) and (not self.rights or function in self.rights)


def rights_of(peer: Peer) -> frozenset[str]:
    """Everything that the kind of a peer may call."""
    return RIGHTS[peer.kind] | (V4_RIGHTS[peer.kind] if peer.quirks.v4 else frozenset())


def check(peer: Peer) -> None:
    """Refuse a record that cannot work; raises InputError naming the field."""
    parts = peer.oid.split(".")
    if not all(part.isascii() and part.isdigit() for part in parts) or len(peer.oid) > 128:
        raise InputError("oid", f"{peer.oid!r} is no object identifier")
    if not peer.name or len(peer.name) > 80:
        raise InputError("name", "must have 1 to 80 characters")
    for interface, url in peer.endpoints.items():
        if interface not in INTERFACES:
            raise InputError("endpoint", f"{interface!r} is none of {', '.join(INTERFACES)}")
        if url.startswith(POLLED):
            continue
        found = urlsplit(url)
        if found.scheme != "https" or not found.hostname or found.username or found.fragment:
            raise InputError("endpoint", f"{url!r} is no https URL of a server")
    for right in peer.rights:
        if right not in rights_of(peer):
            raise InputError("right", f"{right!r} is nothing that a peer of kind {peer.kind} may do")
    if not peer.certificates and not peer.username:
        raise InputError("certificate", "is needed: nobody else can prove to be this peer (or give a user name)")
    if bool(peer.username) != bool(peer.password_file):
        raise InputError("username", "and password file belong together")
    if peer.quirks.require_token and not peer.username and not peer.quirks.x509_token:
        raise InputError("username", "or the X.509 token is needed where a token is required")
    if peer.quirks.x509_token and not peer.certificates:
        raise InputError("certificate", "is needed for an X.509 token")
    if peer.quirks.namespace not in (1, 3):
        raise InputError("namespace", "must be 1 or 3")


class PeerLink(msgspec.Struct, frozen=True, kw_only=True):
    """That a party can be reached: who, as what, on which interfaces (an address stands in its record)."""

    kind: PeerKind
    oid: str
    interfaces: tuple[str, ...]
    v4: bool = False


class PeersKnown(Body, frozen=True, kw_only=True, tag=True):
    """The gateway to the SM-SR: everybody it can reach, all of them; what was said before is void."""

    links: tuple[PeerLink, ...]


class PutPeer(Body, frozen=True, kw_only=True, tag=True):
    """Add a peer, or replace the one with this OID and kind."""

    peer: Peer


class RemovePeer(Body, frozen=True, kw_only=True, tag=True):
    """Forget a peer: nobody can speak as it any more."""

    name: str


class ListPeers(Body, frozen=True, kw_only=True, tag=True):
    """All peers, by name."""


class TestPeer(Body, frozen=True, kw_only=True, tag=True):
    """Try TLS, addressing and a harmless call, and tell what failed."""

    __test__ = False
    name: str


class Peers(Body, frozen=True, kw_only=True, tag=True):
    """Peers."""

    peers: tuple[Peer, ...]


class PeerStep(msgspec.Struct, frozen=True):
    """One thing that was tried: what, whether it went well, and what was found."""

    name: str
    ok: bool
    detail: str


class PeerTested(Body, frozen=True, kw_only=True, tag=True):
    """Result of a test, in order; it ends with the first step that failed."""

    steps: tuple[PeerStep, ...]


class PeerRefused(Body, frozen=True, kw_only=True, tag=True):
    """Not done; `message` says what to do about it."""

    status: ExecutionStatus


REQUEST_CODEC: Codec[Body] = Codec(PutPeer, RemovePeer, ListPeers, TestPeer)
ANSWER_CODEC: Codec[Body] = Codec(Peers, PeerTested, PeerRefused)
