"""Values that the HTTPS transport shares with its users: settings, sessions and why they ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec

from ferryman.codec.ids import EID_DIGITS
from ferryman.codec.psk_identity import PSKIdentity
from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.errors import InputError
from ferryman.transport_https.framing import BodyFraming
from ferryman.transport_https.pump import UnknownIdentity

# Seconds. A card behind BIP answers one command in 0.4 s on the median and in 18 s at worst, and a segment of a
# download in 4 s at the 90th percentile; 60 s per step gives up on no card that is still there.
HANDSHAKE_TIMEOUT: Final = 60.0
REQUEST_TIMEOUT: Final = 60.0
IDLE_TIMEOUT: Final = 90.0
ANSWER_TIMEOUT: Final = 50.0  # below the 60 s after which a waiting card may give up
CLOSE_TIMEOUT: Final = 10.0  # seconds for the card to close after 204 or an alert
MAX_CONNECTIONS: Final = 10_000  # connections: about 17 KiB each
MAX_HANDSHAKES: Final = 1_000  # connections without a proved key; the oldest gives way to a new one
BACKLOG: Final = 512  # connections waiting in the kernel
MAX_WORKERS: Final = 64  # processes: more than cores serve nobody
SESSION_ID_OCTETS: Final = 12  # random octets: an identifier that no card and no stranger can guess


def make_session_id(now: float, random: bytes) -> str:
    """An identifier: the second in which it was made (since 1970, 8 digits), then `random`, in hexadecimal.

    Later ones sort behind earlier ones: what a transaction writes of its sessions lies in few pages, however many
    sessions a database remembers.
    """
    return ((int(now) & 0xFFFFFFFF).to_bytes(4) + random).hex()


@dataclass(frozen=True, slots=True)
class CardQuirks:
    """What eUICCs of one maker and type need, known by the first digits of their EIDs.

    What cards send is taken in every spelling from every card; this is about what they are sent.
    """

    eid_prefix: str
    body_framing: BodyFraming = BodyFraming.CHUNKED

    def __post_init__(self) -> None:
        if not (self.eid_prefix.isascii() and self.eid_prefix.isdigit() and len(self.eid_prefix) <= EID_DIGITS):
            raise InputError("eid_prefix", f"must be 1 to {EID_DIGITS} digits")


@dataclass(frozen=True, slots=True)
class HTTPSSettings:
    """Where to listen and how long to wait, in seconds; port 0 lets the system choose.

    `workers` above 1: so many processes of their own end TLS and HTTP on the one port, and share the limits.
    """

    host: str
    port: int
    handshake_timeout: float = HANDSHAKE_TIMEOUT
    request_timeout: float = REQUEST_TIMEOUT
    idle_timeout: float = IDLE_TIMEOUT
    answer_timeout: float = ANSWER_TIMEOUT
    close_timeout: float = CLOSE_TIMEOUT
    max_connections: int = MAX_CONNECTIONS
    max_handshakes: int = MAX_HANDSHAKES
    backlog: int = BACKLOG
    reuse_port: bool = False
    workers: int = 1
    quirks: tuple[CardQuirks, ...] = ()
    body_framing: BodyFraming = BodyFraming.CHUNKED
    unknown_identity: UnknownIdentity = UnknownIdentity.LIKE_WRONG_KEY

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InputError("port", "must be 0 to 65535")
        for field in (
            "handshake_timeout",
            "request_timeout",
            "idle_timeout",
            "answer_timeout",
            "close_timeout",
            "max_connections",
            "max_handshakes",
            "backlog",
        ):
            if getattr(self, field) <= 0:
                raise InputError(field, "must be above zero")
        if not 1 <= self.workers <= MAX_WORKERS:
            raise InputError("workers", f"must be 1 to {MAX_WORKERS}")

    def framing_for(self, eid: str | None) -> BodyFraming:
        """How the bodies of answers to this eUICC are delimited: its longest prefix decides."""
        if not self.quirks:
            return self.body_framing
        fitting = [one for one in self.quirks if eid is not None and eid.startswith(one.eid_prefix)]
        return max(fitting, key=lambda one: len(one.eid_prefix)).body_framing if fitting else self.body_framing


class CloseReason(Enum):
    """Why a session ended."""

    COMPLETED = "completed"  # we had no more work and said so
    PEER_CLOSED = "peer-closed"
    CONNECTION_LOST = "connection-lost"
    IDLE = "idle"  # nothing, or no whole request, within the deadline
    REPLACED = "replaced"  # the same eUICC has connected again
    EID_MISMATCH = "eid-mismatch"  # X-Admin-From names another eUICC than the PSK identity
    BAD_REQUEST = "bad-request"
    TLS_ERROR = "tls-error"
    ANSWER_FAILED = "answer-failed"  # no answer from our side in time, or an error
    DISCONNECTED = "disconnected"  # asked for by a caller of ours
    STOPPED = "stopped"  # the server is going down


class Session(msgspec.Struct, eq=False, gc=False):
    """One eUICC that has proved its key, from handshake to end.

    `identity` is None when the identity is not of the form of SGP.02, `identity_octets` is what was sent;
    `opened_at` is event loop time in seconds. `close_reason` and `detail` are set before `on_closed` is called.
    """

    id: str
    identity: PSKIdentity | None
    identity_octets: bytes
    peer: str
    opened_at: float
    suite: str
    requests: int = 0
    close_reason: CloseReason | None = None
    detail: str = ""

    @property
    def eid(self) -> str | None:
        """The EID of the PSK identity, when it has one."""
        return None if self.identity is None else self.identity.eid

    @property
    def key(self) -> str | bytes:
        """What makes two connections the same eUICC."""
        return self.identity_octets if self.identity is None else self.identity.eid


@dataclass(frozen=True, slots=True)
class Refusal:
    """A connection that never became a session; `identity` is what it claimed to be, possibly nothing."""

    peer: str
    identity: bytes
    reason: str


type Lookup = Callable[[bytes], bytes | Coroutine[Any, Any, bytes | None] | None]
type Handler = Callable[[Session, AdminRequest], Awaitable[AdminResponse]]


@dataclass(frozen=True, slots=True)
class Hooks:
    """Calls into the user of this module; the plain ones are called on the event loop and must not block.

    `lookup` gives the key of an identity, None when there is none, and raises Unavailable when it cannot tell:
    at once, or by a coroutine where that takes time.
    """

    lookup: Lookup
    handler: Handler
    on_open: Callable[[Session], None]
    on_closed: Callable[[Session], None]
    on_alarm: Callable[[Session, str], None]
    on_refused: Callable[[Refusal], None]
