"""`ferryman peer test`: tries TLS, addressing and a call without effect, and tells what failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ferryman.contracts import es3
from ferryman.contracts.peers import POLLED, Peer, PeerKind, PeerStep
from ferryman.errors import InputError, PeerError, Unavailable
from ferryman.platform.clock import Entropy
from ferryman.soap_gateway.client import NotTrusted, Reply
from ferryman.soap_gateway.esm import body, envelope, functions
from ferryman.soap_gateway.esm.addressing import Addressing, entity, is_same_message, message_id
from ferryman.soap_gateway.esm.body import Base
from ferryman.soap_gateway.esm.functions import Shape
from ferryman.soap_gateway.esm.names import ANONYMOUS, MAKE_CONNECTION, WSMC
from ferryman.soap_gateway.party import Ours, Thread, write

NOBODY = "89000000000000000000000000000000"  # an EID that no card has: its check digits are wrong
VALIDITY = 60  # seconds
MAX_DETAIL = 200  # characters of what a peer says that are shown
TRUSTED = "certificates accepted on both sides"
# WS-Addressing 1.0 SOAP binding 6.4, and what SGP.02 peers say of an EntityId that is not theirs.
ADDRESSING_FAULTS = frozenset(
    (
        *(
            "InvalidAddressingHeader",
            "MessageAddressingHeaderRequired",
            "DestinationUnreachable",
            "ActionMismatch",
        ),
        *("InvalidAddress", "InvalidEPR", "InvalidCardinality", "MissingAddressInEPR", "DuplicateMessageID"),
        *("ActionNotSupported", "OnlyAnonymousAddressSupported", "OnlyNonAnonymousAddressSupported"),
    )
)


class Line(Protocol):
    """The way to peers."""

    async def reach(self, peer: Peer, url: str) -> None:
        """Connect and part again; raises Unavailable, NotTrusted or InputError."""

    async def send(self, peer: Peer, url: str, envelope: bytes, action: str) -> Reply:
        """One message and its answer; raises Unavailable, PeerError or InputError."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was sent: the peer, its interface, our identity and the MessageID."""

    peer: Peer
    interface: str
    identity: str
    message_id: str

    def step(self, name: str, ok: bool, detail: str) -> PeerStep:
        """A step of this interface."""
        return PeerStep(f"{self.interface} {name}", ok, detail)


async def run(peer: Peer, ours: Ours, line: Line, now: float, entropy: Entropy) -> tuple[PeerStep, ...]:
    """Every endpoint of the peer, in order."""
    steps: list[PeerStep] = []
    if not peer.endpoints:
        return (PeerStep("endpoints", False, "the record has none: this peer calls us and cannot be called"),)
    for interface, url in sorted(peer.endpoints.items()):
        if url.startswith(POLLED):
            steps.append(PeerStep(f"{interface} address", True, "the peer fetches its messages"))
            continue
        unique = f"test-{entropy(8).hex()}"
        steps += await _endpoint(peer, ours, line, now, unique, interface, url)
    return tuple(steps)


async def _endpoint(
    peer: Peer, ours: Ours, line: Line, now: float, unique: str, interface: str, url: str
) -> list[PeerStep]:
    is_smsr = interface == "ES3" and peer.kind is PeerKind.SM_SR
    message_id, octets, action = (_get_eis if is_smsr else _poll)(peer, ours, url, unique, now)
    asked = Asked(peer, interface, ours.smdp_id if is_smsr else ours.smsr_id, message_id)
    try:
        await line.reach(peer, url)
    except NotTrusted as problem:
        return [asked.step("connection", True, "connected"), asked.step("TLS", False, problem.what)]
    except Unavailable as problem:
        return [asked.step("connection", False, problem.what)]
    except InputError as problem:
        return [asked.step("TLS", False, str(problem))]
    steps = [asked.step("connection", True, "connected")]
    try:
        reply = await line.send(peer, url, octets, action)
    except NotTrusted as problem:
        return [*steps, asked.step("TLS", False, problem.what)]
    except Unavailable as problem:
        return [*steps, asked.step("TLS", True, TRUSTED), asked.step("HTTP", False, problem.what)]
    except (PeerError, InputError) as problem:
        return [*steps, asked.step("TLS", True, TRUSTED), asked.step("HTTP", False, str(problem))]
    return [*steps, asked.step("TLS", True, TRUSTED), *_judge(asked, reply)]


def _judge(asked: Asked, reply: Reply) -> list[PeerStep]:
    status = f"HTTP {reply.status}"
    fault = envelope.read_fault(reply.body)
    if reply.status in (401, 403):
        return [asked.step("call", False, f"{status}: the peer does not know us, or not our EntityId")]
    if fault is not None:
        name = "addressing" if fault.subcode.partition(":")[2] in ADDRESSING_FAULTS else "call"
        return [asked.step(name, False, f"{status} with a SOAP fault: {fault.reason}")]
    if reply.status == 404:
        return [asked.step("call", False, f"{status}: nothing listens under this path")]
    if reply.status == 202 and not reply.body:
        return [
            asked.step("addressing", True, "understood"),
            asked.step("call", True, f"{status}: nothing waits for us"),
        ]
    if reply.status != 200:
        return [asked.step("HTTP", False, f"{status}: no answer to a call")]
    try:
        received = envelope.read(reply.body)
        decoded = body.decode(received.body).body
    except PeerError as problem:
        return [asked.step("call", False, f"{status}, and no answer of these interfaces: {problem.reason}")]
    told = getattr(decoded, "status", None)
    said = f"answered: {told.status} {told.code}".rstrip() if told else "answered"
    return [_addressed(asked, received.addressing), asked.step("call", True, said)]


def _addressed(asked: Asked, told: Addressing) -> PeerStep:
    """Whether the answer is from whom we asked, to us, and to our question."""
    wrong = [
        f"{name} is {found or 'missing'} instead of {wanted}"
        for name, found, wanted in (
            ("From/EntityId", told.sender_id, asked.peer.oid),
            ("To/EntityId", told.to_id, asked.identity),
        )
        if found != wanted
    ]
    if not is_same_message(told.relates_to, asked.message_id):
        wrong.append(f"RelatesTo is {'not our MessageID' if told.relates_to else 'missing'}")
    return asked.step("addressing", not wrong, "; ".join(wrong)[:MAX_DETAIL] or "as agreed, both ways")


def _get_eis(peer: Peer, ours: Ours, url: str, unique: str, now: float) -> tuple[str, bytes, str]:
    function = functions.BY_NAME["ES3.GetEIS"]
    identifier, action, octets = write(
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
    return identifier, octets, action


def _poll(peer: Peer, ours: Ours, url: str, unique: str, now: float) -> tuple[str, bytes, str]:
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
    return message.message_id, envelope.write(message, text), MAKE_CONNECTION
