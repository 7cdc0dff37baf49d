"""`ferryman peer test`: tries TLS, addressing and a call without effect, and tells what failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ferryman.contracts import es3
from ferryman.contracts.peers import POLLED, Peer, PeerKind, PeerStep
from ferryman.errors import InputError, PeerError, Unavailable
from ferryman.platform.clock import Entropy
from ferryman.soap_gateway.client import Reply
from ferryman.soap_gateway.esm import body, envelope, functions
from ferryman.soap_gateway.esm.addressing import Addressing, entity, message_id
from ferryman.soap_gateway.esm.body import Base
from ferryman.soap_gateway.esm.document import parse
from ferryman.soap_gateway.esm.functions import Shape
from ferryman.soap_gateway.esm.names import ANONYMOUS, MAKE_CONNECTION, SOAP, WSMC
from ferryman.soap_gateway.party import Ours, Thread, write

NOBODY = "89000000000000000000000000000000"  # an EID that no card has: its check digits are wrong
VALIDITY = 60  # seconds

type Send = Callable[[Peer, str, bytes, str], Awaitable[Reply]]


async def run(peer: Peer, ours: Ours, send: Send, now: float, entropy: Entropy) -> tuple[PeerStep, ...]:
    """Every endpoint of the peer, in order."""
    steps: list[PeerStep] = []
    if not peer.endpoints:
        return (PeerStep("endpoints", False, "the record has none: this peer calls us and cannot be called"),)
    for interface, url in sorted(peer.endpoints.items()):
        if url.startswith(POLLED):
            steps.append(PeerStep(f"{interface} address", True, "the peer fetches its messages"))
            continue
        steps += await _endpoint(peer, ours, send, now, entropy, interface, url)
    return tuple(steps)


async def _endpoint(
    peer: Peer, ours: Ours, send: Send, now: float, entropy: Entropy, interface: str, url: str
) -> list[PeerStep]:
    unique = f"test-{entropy(8).hex()}"
    if interface == "ES3" and peer.kind is PeerKind.SM_SR:
        octets, action = _get_eis(peer, ours, url, unique, now)
    else:
        octets, action = _poll(peer, ours, url, unique, now)
    try:
        reply = await send(peer, url, octets, action)
    except Unavailable as problem:
        return [PeerStep(f"{interface} TLS", False, problem.what)]
    except InputError as problem:
        return [PeerStep(f"{interface} TLS", False, str(problem))]
    except PeerError as problem:
        return [
            PeerStep(f"{interface} TLS", True, "connected"),
            PeerStep(f"{interface} HTTP", False, str(problem)),
        ]
    steps = [PeerStep(f"{interface} TLS", True, "connected, certificates accepted on both sides")]
    return [*steps, _judge(interface, reply)]


def _judge(interface: str, reply: Reply) -> PeerStep:
    name = f"{interface} call"
    if reply.status in (401, 403):
        return PeerStep(name, False, f"HTTP {reply.status}: the peer does not know us, or not our EntityId")
    if reply.status == 404:
        return PeerStep(name, False, "HTTP 404: nothing listens under this path")
    if reply.status == 202 and not reply.body:
        return PeerStep(name, True, "HTTP 202: addressing understood, nothing waits for us")
    try:
        received = envelope.read(reply.body)
        status = getattr(body.decode(received.body).body, "status", None)
        return PeerStep(name, True, f"answered: {status.status} {status.code}".rstrip() if status else "answered")
    except PeerError as problem:
        if SOAP.encode() in reply.body and b"Fault" in reply.body:
            return PeerStep(name, False, f"HTTP {reply.status} with a SOAP fault: {_reason(reply.body)}")
        return PeerStep(name, False, f"HTTP {reply.status}, and no answer of these interfaces: {problem.reason}")


def _reason(octets: bytes) -> str:
    try:
        return (parse(octets).findtext(".//{*}Reason/{*}Text") or "no reason given").strip()[:200]
    except PeerError:
        return "not readable"


def _get_eis(peer: Peer, ours: Ours, url: str, unique: str, now: float) -> tuple[bytes, str]:
    function = functions.BY_NAME["ES3.GetEIS"]
    _, action, octets = write(
        ours,
        peer,
        function,
        Shape.REQUEST,
        es3.ES3GetEIS(eid=NOBODY),
        base=Base(call_id=unique, validity=VALIDITY),
        unique=unique,
        to=url,
        thread=Thread(transaction_id=unique),
        now=now,
    )
    return octets, action


def _poll(peer: Peer, ours: Ours, url: str, unique: str, now: float) -> tuple[bytes, str]:
    message = Addressing(
        action=MAKE_CONNECTION,
        message_id=message_id(ours.smsr_id, unique, sent=now),
        sender=ours.url,
        sender_id=ours.smsr_id,
        to=entity(url, peer.oid),
        to_id=peer.oid,
    )
    address = f"<wsmc:Address>{ANONYMOUS}{unique}</wsmc:Address>"
    text = f'<wsmc:MakeConnection xmlns:wsmc="{WSMC}">{address}</wsmc:MakeConnection>'
    return envelope.write(message, text), MAKE_CONNECTION
