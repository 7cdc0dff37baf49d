"""Who we are towards others, and how our messages to them are addressed (SGP.02 Annex B 6.2)."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.contracts.message import Body
from ferryman.contracts.peers import Peer, PeerKind
from ferryman.contracts.roles import SM_DP, SM_SR
from ferryman.soap_gateway.esm import addressing, envelope
from ferryman.soap_gateway.esm.addressing import Addressing
from ferryman.soap_gateway.esm.body import Base, encode
from ferryman.soap_gateway.esm.extension import EXTENSION
from ferryman.soap_gateway.esm.functions import NAMESPACE, OLD_NAMESPACE, Function, Shape, Style

_NAMESPACES = {1: OLD_NAMESPACE, 3: NAMESPACE}


def namespace_of(peer: Peer) -> str:
    """Namespace of the messages to and from this peer."""
    return _NAMESPACES[peer.quirks.namespace]


def is_spoken(peer: Peer, space: str) -> bool:
    """Whether messages to and from this peer may stand in a namespace; empty is the base set's."""
    return peer.quirks.v4 if space == EXTENSION else namespace_of(peer) == (space or namespace_of(peer))


@dataclass(frozen=True, slots=True)
class Ours:
    """Our identities: the SM-SR's and the SM-DP's OID, and the URL that others reach us at."""

    smsr_id: str
    smdp_id: str
    url: str

    def role(self, function: Function, shape: Shape) -> str:
        """Which of our roles a message of this kind is for; empty when none."""
        interface = function.interface
        if shape is Shape.REQUEST:
            return SM_DP if interface == "ES2" else SM_SR
        if shape is Shape.NOTIFICATION:
            return {"ES3": SM_DP, "ES7": SM_SR}.get(interface, "")
        return {"ES3": SM_DP, "ES7": SM_SR}.get(interface, "")

    def identity(self, role: str) -> str:
        """The OID of one of our roles."""
        return self.smdp_id if role == SM_DP else self.smsr_id

    def address(self, interface: str, role: str) -> str:
        """wsa:From of our messages, without items."""
        del role
        return f"{self.url}/{interface.lower()}"

    def callback(self, interface: str) -> str:
        """wsa:ReplyTo of our requests."""
        return f"{self.url}/{interface.lower()}/callback"


def addressee_kinds(function: Function, shape: Shape) -> tuple[PeerKind, ...]:
    """Kinds of peer that a request or notification of ours may go to; none when we never send it."""
    if shape is Shape.REQUEST:
        return {"ES3": (PeerKind.SM_SR,), "ES7": (PeerKind.SM_SR,)}.get(function.interface, ())
    if shape is Shape.NOTIFICATION:
        on_es4 = (PeerKind.OPERATOR, PeerKind.M2M_SP)
        return {"ES2": (PeerKind.OPERATOR,), "ES3": (PeerKind.SM_DP,), "ES4": on_es4}.get(function.interface, ())
    return ()


def speaker(function: Function, shape: Shape) -> str:
    """Which of our roles says this."""
    if shape is Shape.REQUEST:
        return SM_DP if function.interface == "ES3" else SM_SR
    return SM_DP if function.interface == "ES2" else SM_SR


@dataclass(frozen=True, slots=True)
class Thread:
    """What ties a message to others: the request it answers, and its transaction and context."""

    relates_to: str = ""
    transaction_id: str = ""
    context_id: str = ""


def write(
    ours: Ours,
    peer: Peer,
    function: Function,
    shape: Shape,
    body: Body,
    *,
    base: Base,
    unique: str,
    to: str,
    thread: Thread,
    now: float,
) -> tuple[str, str, bytes]:
    """wsa:MessageID, wsa:Action and the envelope of one of our messages."""
    role = speaker(function, shape)
    identity = ours.identity(role)
    answers = shape is Shape.RESPONSE
    action = function.response_action if answers else function.action
    message_id = addressing.message_id(
        identity, unique, transaction=thread.transaction_id, context=thread.context_id, sent=now
    )
    is_asked_later = shape is Shape.REQUEST and function.style is Style.ASYNC
    message = Addressing(
        action=action,
        message_id=message_id,
        sender=ours.address(function.interface, role),
        sender_id=identity,
        to=addressing.entity(to, peer.oid) if not addressing.polling_id(to) else to,
        to_id=peer.oid,
        reply_to=ours.callback(function.interface) if is_asked_later else "",
        relates_to=thread.relates_to,
    )
    return (
        message_id,
        action,
        envelope.write(message, encode(body, base, target=namespace_of(peer), full=peer.quirks.full_results)),
    )
