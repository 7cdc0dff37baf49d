"""A TLS pump whose user writes down what it is told: each call gives what was said during it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from ferryman.transport_https.contexts import ContextPool
from ferryman.transport_https.pump import State, TLSPump, UnknownIdentity


@dataclass(frozen=True)
class IdentityKnown:
    identity: bytes


@dataclass(frozen=True)
class HandshakeDone:
    suite: str


@dataclass(frozen=True)
class Received:
    data: bytes


@dataclass(frozen=True)
class PeerFinished:
    pass


@dataclass(frozen=True)
class Failed:
    reason: str


type Event = IdentityKnown | HandshakeDone | Received | PeerFinished | Failed


class HeardPump:
    """The pump and its user in one; `on_event` may act as a user does from within a call."""

    def __init__(
        self,
        contexts: ContextPool | None = None,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        unknown_identity: UnknownIdentity = UnknownIdentity.LIKE_WRONG_KEY,
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self.pump = TLSPump(contexts or ContextPool(), entropy=entropy, unknown_identity=unknown_identity)
        self.send, self.take_output = self.pump.send, self.pump.take_output
        self.on_event = on_event
        self._heard: list[Event] = []

    @property
    def state(self) -> State:
        return self.pump.state

    def receive(self, data: bytes) -> list[Event]:
        self.pump.receive(data, self)
        return self._told()

    def supply_key(self, key: bytes | None) -> list[Event]:
        self.pump.supply_key(key, self)
        return self._told()

    def close(self) -> None:
        self.pump.close()

    def abandon(self, alert: int) -> None:
        self.pump.abandon(alert)

    def identity_known(self, identity: bytes) -> None:
        self._hear(IdentityKnown(identity))

    def handshake_done(self, suite: str) -> None:
        self._hear(HandshakeDone(suite))

    def plaintext_received(self, data: bytes) -> None:
        self._hear(Received(data))

    def peer_finished(self) -> None:
        self._hear(PeerFinished())

    def tls_failed(self, reason: str) -> None:
        self._hear(Failed(reason))

    def _hear(self, event: Event) -> None:
        self._heard.append(event)
        self.on_event(event)

    def _told(self) -> list[Event]:
        told, self._heard = self._heard, []
        return told
