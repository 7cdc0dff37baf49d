"""Server side of one TLS 1.2 PSK connection without a socket, RFC 5246 and RFC 4279, over OpenSSL buffers.

Octets of the peer go in, octets for the peer come out, and a user is told what they mean. Between the PSK identity
and the key the pump stands still, so the user can fetch the key in its own time. It keeps three invariants:
no session is ever resumed, an unknown identity ends like a wrong key, and a key is referenced only until the
handshake step that uses it has returned.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from ferryman.codec.tls_hello import ClientFlight, TLSFlightError
from ferryman.transport_https.contexts import SUITE_NAMES, ContextPool, PSKContext

MIN_KEY_OCTETS: Final = 16  # octets: SGP.02 asks for a PSK of at least 128 bits
MAX_KEY_OCTETS: Final = 64  # octets: RFC 4279 5.3 asks implementations for up to 64
STAND_IN_KEY_OCTETS: Final = 16  # octets: as long as the keys of real cards
_READ_OCTETS: Final = 16_384  # octets: one full TLS record of plaintext

ALERT_BAD_RECORD_MAC: Final = 20
ALERT_HANDSHAKE_FAILURE: Final = 40
ALERT_INTERNAL_ERROR: Final = 80
_FATAL: Final = 2
# To read writes nothing but no_renegotiation, as often as it is asked for: a peer that does not read must not have
# that pile up. No card renegotiates (SGP.02), so the first time is the last.
_RENEGOTIATION: Final = "record: the peer wants to renegotiate"
_ALERT_RECORD_HEADER: Final = bytes((21, 3, 3, 0, 2))


class UnknownIdentity(Enum):
    """How a PSK identity without a key is answered."""

    LIKE_WRONG_KEY = "bad_record_mac"  # alert 20 after Finished: tells a stranger nothing
    ALERT_115 = "unknown_psk_identity"


class State(Enum):
    """Where a connection stands."""

    CLEAR = "clear"  # reading the client's clear flight
    NEED_KEY = "need-key"  # the identity is known, the key is not
    HANDSHAKE = "handshake"  # the key is in place, Finished is due
    OPEN = "open"
    CLOSED = "closed"  # close_notify sent, or failed; nothing more is read


class ImpossibleKey(ValueError):
    """A key that is none: a fault of ours, or of whoever keeps the keys."""


class User(Protocol):
    """Whoever is behind a pump: told in the order in which the peer's octets say it, from within `receive` and
    `supply_key`. After `tls_failed` and `peer_finished` comes nothing more, nor after the user's own `close`."""

    def identity_known(self, identity: bytes) -> None:
        """The client presents this PSK identity; call `supply_key`, now or when its key is known."""

    def handshake_done(self, suite: str) -> None:
        """Both sides have proved the key."""

    def plaintext_received(self, data: bytes) -> None:
        """Plaintext of the peer."""

    def peer_finished(self) -> None:
        """The peer has sent close_notify: it will send nothing more."""

    def tls_failed(self, reason: str) -> None:
        """It is over; an alert may stand in the output. `reason` holds no key and no plaintext."""


class TLSPump:
    """One connection; `entropy(n)` gives n random octets for the key that stands in for an unknown one."""

    __slots__ = (
        "_alert",
        "_context",
        "_contexts",
        "_entropy",
        "_flight",
        "_incoming",
        "_key_used",
        "_outgoing",
        "_tls",
        "_unknown_identity",
        "state",
    )

    def __init__(
        self,
        contexts: ContextPool,
        *,
        entropy: Callable[[int], bytes],
        unknown_identity: UnknownIdentity = UnknownIdentity.LIKE_WRONG_KEY,
    ) -> None:
        self.state = State.CLEAR
        self._contexts = contexts
        self._entropy = entropy
        self._unknown_identity = unknown_identity
        self._flight: ClientFlight | None = ClientFlight()  # until the handshake is done
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._context: PSKContext | None = None
        self._tls: ssl.SSLObject | None = None
        self._key_used = False
        self._alert = b""

    def receive(self, data: bytes, user: User) -> None:
        """Takes octets of the peer, cut anywhere; `user` is told what they mean. Never raises on their account."""
        state = self.state
        if state is State.OPEN:
            self._incoming.write(data)
            self._read(user)
        elif state is not State.CLOSED:
            flight = self._flight
            if flight is None or flight.is_open:
                self._incoming.write(data)
                self._shake(b"", user)
            else:
                self._read_clear(flight, data, user)

    def supply_key(self, key: bytes | None, user: User) -> None:
        """The key of the identity last named, None when there is none; only in state NEED_KEY.

        Raises ImpossibleKey, and stays where it is, when the key has a length that no PSK has.
        """
        flight = self._flight
        if self.state is not State.NEED_KEY or flight is None:
            raise RuntimeError(f"no key is due in state {self.state.value}")
        if key is None:
            unlike = self._unknown_identity is UnknownIdentity.ALERT_115
            key = b"" if unlike else self._entropy(STAND_IN_KEY_OCTETS)
        elif not MIN_KEY_OCTETS <= len(key) <= MAX_KEY_OCTETS:
            raise ImpossibleKey(f"a PSK has {MIN_KEY_OCTETS} to {MAX_KEY_OCTETS} octets")
        self.state = State.HANDSHAKE
        self._incoming.write(flight.open_gate())
        self._shake(key, user)

    def abandon(self, alert: int) -> None:
        """Gives up before the handshake is done and answers with `alert` in clear."""
        if self.state in (State.CLEAR, State.NEED_KEY, State.HANDSHAKE):
            self._alert += _ALERT_RECORD_HEADER + bytes((_FATAL, alert))
        self._drop()

    def send(self, plaintext: bytes) -> None:
        """Protects `plaintext` for the peer in as few records as its max_fragment_length allows."""
        if self.state is not State.OPEN or self._tls is None:
            raise RuntimeError(f"cannot send in state {self.state.value}")
        self._tls.write(plaintext)

    def close(self) -> None:
        """Sends close_notify; afterwards nothing is read any more."""
        if self.state is State.OPEN and self._tls is not None:
            # SSLWantRead here only says that the peer's own close_notify is still to come; we do not wait.
            try:  # noqa: SIM105 - a context manager costs more than what it watches
                self._tls.unwrap()
            except ssl.SSLError:
                pass
        self._drop()

    def take_output(self) -> bytes:
        """Octets for the peer; each is given once."""
        output = self._outgoing.read()
        if self._alert:
            output += self._alert
            self._alert = b""
        return output

    def _read_clear(self, flight: ClientFlight, data: bytes, user: User) -> None:
        """What the client says before its key is due."""
        try:
            flight.feed(data)
        except TLSFlightError as problem:
            self._fail_clear(problem.alert, str(problem), user)
            return
        hello = flight.hello
        if hello is None:
            return
        if self._tls is None:
            self._context = self._contexts.choose(offers_resumption=hello.offers_resumption)
            self._tls = self._context.wrap(self._incoming, self._outgoing)
        # Without new octets a step of the library would only say that it wants some.
        if released := flight.take():
            self._incoming.write(released)
            self._shake(b"", user)
        identity = flight.identity
        if identity is None or self.state is not State.CLEAR:
            return
        try:
            # Python's callback refuses other text by unknown_psk_identity and a trace on stderr.
            identity.decode("utf-8")
        except UnicodeDecodeError:
            self._fail_clear(ALERT_BAD_RECORD_MAC, "the PSK identity is no UTF-8 text", user)
            return
        self.state = State.NEED_KEY
        user.identity_known(identity)

    def _shake(self, key: bytes, user: User) -> None:
        """A step of the handshake, with what has come in."""
        tls, context = self._tls, self._context
        if tls is None or context is None:
            raise RuntimeError("no ClientHello yet")
        try:
            finished = context.handshake(tls, key)
        except ssl.SSLError as problem:
            self._fail(f"handshake: {problem.reason or 'ended by the peer'}", user)
            return
        if context.key_taken:
            self._key_used = True
        if not finished:
            return
        # None of this can happen by our settings; a session that breaks one of them must not go on all the same.
        # A resumed session asks for no key, and the two suites exist in TLS 1.2 alone.
        if not self._key_used:
            self._fail("handshake: finished without the pre-shared key", user)
            return
        cipher = tls.cipher()
        suite = cipher[0] if cipher else ""
        if suite not in SUITE_NAMES:
            self._fail("handshake: finished with a suite of no kind we offered", user)
            return
        self.state = State.OPEN
        self._flight = None
        user.handshake_done(suite)
        if self._incoming.pending:
            self._read(user)

    def _read(self, user: User) -> None:
        # To ask the library when it cannot have anything costs more than to read a record. The user may
        # have closed this on hearing the last one: there is none to ask any more then.
        while (tls := self._tls) is not None and (self._incoming.pending or tls.pending()):
            written = self._outgoing.pending
            try:
                data = tls.read(_READ_OCTETS)
            except ssl.SSLWantReadError:
                if self._outgoing.pending != written:
                    self._fail(_RENEGOTIATION, user)
                return
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError as problem:
                self._fail(f"record: {problem.reason or 'broken'}", user)
                return
            if not data:
                user.peer_finished()
                return
            if self._outgoing.pending != written:
                self._fail(_RENEGOTIATION, user)
                return
            user.plaintext_received(data)

    def _fail_clear(self, alert: int, reason: str, user: User) -> None:
        self.abandon(alert)
        user.tls_failed(reason)

    def _fail(self, reason: str, user: User) -> None:
        self._drop()
        user.tls_failed(reason)

    def _drop(self) -> None:
        self.state = State.CLOSED
        self._tls = None
        self._context = None
