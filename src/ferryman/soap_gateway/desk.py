"""What peers send us: from the octets of an HTTP request to a message for one of our roles (SGP.02 3.3, Annex B).

In order: who it is (TLS, WS-Security), that From agrees, that To is us, that the function is allowed, that the
body is what the schema says. A call is entered with the message that carries it out in one commit; whatever comes
twice finds the first one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog
from lxml import etree

from ferryman.contracts import codes, es7
from ferryman.contracts.message import Body, Header
from ferryman.contracts.peers import Peer, rights_of
from ferryman.contracts.roles import SM_DP, SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import failed
from ferryman.errors import PeerError, Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.soap_gateway import rows, signature
from ferryman.soap_gateway.answers import keep, kept_header
from ferryman.soap_gateway.book import PeerBook
from ferryman.soap_gateway.calls import ACCEPTED, Call, CallDesk, eid_of
from ferryman.soap_gateway.esm import addressing, body, description, envelope, extension, functions
from ferryman.soap_gateway.esm.addressing import Addressing
from ferryman.soap_gateway.esm.envelope import Fault, Received
from ferryman.soap_gateway.esm.fields import BodyError, namespace
from ferryman.soap_gateway.esm.functions import Function, Message, Shape
from ferryman.soap_gateway.esm.names import CONTENT_TYPE
from ferryman.soap_gateway.party import Ours, is_spoken
from ferryman.soap_gateway.rows import Letter
from ferryman.soap_gateway.server import Answer, Request
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.soap_gateway.token import FRESH, verify

FUTURE = 86_400.0  # seconds that MessageDate may be ahead of us

log = structlog.get_logger("ferryman.soap_gateway")


class Desk:
    """Takes requests, notifications, callbacks and polls."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        call_desk: CallDesk,
        settings: SOAPSettings,
        clock: Clock,
        book: PeerBook,
        ours: Callable[[], Ours],
        password: Callable[[str], bytes],
        sign: Callable[[Peer, bytes], bytes],
    ) -> None:
        self._mailbox = mailbox
        self._call_desk = call_desk
        self._settings = settings
        self._clock = clock
        self._book = book
        self._ours = ours
        self._password = password
        self._sign = sign

    # -- one request ------------------------------------------------------------------------------------------

    def admit(self, certificate: bytes) -> bool:
        """Whether anybody can be behind this certificate; without one, only a token could tell."""
        if certificate:
            return bool(self._book.of_certificate(certificate))
        return any(peer.needs_no_certificate for peer in self._book.all)

    async def handle(self, request: Request) -> Answer:
        """Answer one HTTP request; nothing that a peer sends raises."""
        try:
            return await self._route(request)
        except Fault as fault:
            log.info("message refused", reason=fault.reason, status=fault.status)
            return Answer(fault.status, envelope.write_fault(fault))
        except Unavailable as problem:
            log.warning("not answered", reason=str(problem))
            return _fault("try again later", 503)
        except Exception as problem:  # outermost: a bug of ours is not the peer's to read about
            log.error("message failed", error=type(problem).__name__, exc_info=problem)
            return _fault("internal error", 500)

    async def _route(self, request: Request) -> Answer:
        head = request.head
        name, _, rest = head.path.removeprefix("/").partition("/")
        interface = name.upper()
        if name != interface.lower() or interface not in functions.ROUTED or rest not in ("", "callback"):
            return Answer(404)
        if head.method == "GET":
            return self._describe(interface, head.query.lower())
        if head.fields.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
            return Answer(415)
        return await self._message(interface, request)

    def _describe(self, interface: str, query: str) -> Answer:
        address = f"{self._ours().url}/{interface.lower()}"
        base = interface in functions.INTERFACES
        proposed = interface in {each.interface for each in extension.FUNCTIONS}
        match query:
            case "wsdl" if base:
                text = description.wsdl(interface, address)
            case "wsdl" | "wsdl=4" if proposed:
                text = description.wsdl(interface, address, v4=True)
            case "xsd" if base:
                text = description.schema()
            case "xsd" | "xsd=4":
                text = description.extension_schema()
            case _:
                return Answer(404)
        return Answer(200, text.encode(), "text/xml; charset=utf-8")

    async def _message(self, interface: str, request: Request) -> Answer:
        received = envelope.read(request.body)
        told = received.addressing
        mine = await self._identify(request.certificate, received)
        if told.sent is not None and told.sent > self._clock.now() + FUTURE:
            raise Fault("MessageDate is in the future", subcode="wsa:InvalidAddressingHeader")
        polled = envelope.make_connection(received.body)
        if polled:
            return await self._poll(mine, polled, told)
        space = namespace(received.body)
        mine = [peer for peer in mine if space and is_spoken(peer, space)]
        found = body.find(received.body) if mine else None
        if found is None:
            raise Fault("no message of the interfaces", subcode="wsa:ActionNotSupported", field="Body")
        function, message = found
        if function.interface != interface or not functions.is_action_of(told.action, function):
            raise Fault("Action, address and body do not agree", subcode="wsa:ActionMismatch")
        role = self._ours().role(function, message.shape)
        # Whoever copies our ReplyTo into To (WS-Addressing 3.4) names nobody: RelatesTo tells whose it is.
        unnamed = message.shape is Shape.RESPONSE and not told.to_id
        if told.to_id != self._ours().identity(role or SM_SR) and not unnamed:
            raise Fault("the addressee is not here", subcode="wsa:DestinationUnreachable")
        return await self._dispatch(mine, function, message, received)

    async def _dispatch(
        self, mine: list[Peer], function: Function, message: Message, received: Received
    ) -> Answer:
        told = received.addressing
        if message.shape is Shape.RESPONSE:
            return await self.response(mine, function, received.body, told.relates_to)
        peer = next((one for one in mine if one.may(function.qualified)), mine[0])
        allowed = peer.may(function.qualified)
        if not allowed:
            await self._refused(peer, function)
        if message.shape is Shape.NOTIFICATION:
            if not allowed:
                raise Fault("this notification is not yours to send", status=403)
            return await self._notified(peer, function, received.body)
        call = Call(peer, function, told)
        if not allowed:
            own = any(right.partition(".")[0] == function.interface for right in rights_of(peer))
            pair = codes.FUNCTION_NOT_ALLOWED if own else codes.REQUESTER_NOT_ALLOWED
            status = failed(*pair, "the function is not open to the requester", peer.oid)
            return self._signed(peer, await self._call_desk.refuse(call, status))
        return self._signed(peer, await self._call_desk.take(call, received.body))

    def _signed(self, peer: Peer, answer: Answer) -> Answer:
        """An answer with an envelope as this peer wants it."""
        return replace(answer, body=self._sign(peer, answer.body)) if answer.body else answer

    async def _refused(self, peer: Peer, function: Function) -> None:
        def unit(tx: Tx) -> None:
            tx.audit(
                actor=peer.oid, action=function.qualified, object=peer.name, outcome="refused", detail="rights"
            )

        await self._mailbox.transact(unit)

    # -- who it is --------------------------------------------------------------------------------------------

    async def _identify(self, certificate: bytes, received: Received) -> list[Peer]:
        """Every peer that the sender has proved to be and says it is; raises Fault."""
        shown = self._book.of_certificate(certificate)
        tokens = [await self._by_password(received), await self._by_signature(received)]
        claims = [named for named in tokens if named]
        if not claims:
            claims.append(tuple(peer for peer in shown if not peer.quirks.require_token))
        elif certificate:
            claims.append(shown)
        # Whatever was shown must be the same party's.
        proved = [peer for peer in claims[0] if all(peer in named for named in claims)]
        if not proved:
            raise Fault("not authenticated", subcode="wsse:FailedAuthentication", status=401)
        mine = [peer for peer in proved if peer.oid == received.addressing.sender_id]
        if not mine:
            log.warning("EntityId is not the peer's", peer=proved[0].name, claimed=received.addressing.sender_id)
            raise Fault("EntityId is not the one that was authenticated", status=403)
        return mine

    async def _by_password(self, received: Received) -> tuple[Peer, ...]:
        """Who the UsernameToken proves to be, empty without one; raises Fault."""
        token = received.token
        if token is None:
            return ()
        peers = self._book.of_username(token.username)
        try:
            if not peers:
                raise PeerError("is not accepted", field="UsernameToken")
            nonce = verify(token, self._password(peers[0].password_file), self._clock.now())
            await self._use("UsernameToken", nonce)
        except PeerError as problem:
            raise _not_authenticated(problem) from None
        return peers

    async def _by_signature(self, received: Received) -> tuple[Peer, ...]:
        """Who has signed the message, empty when it is not signed; raises Fault."""
        security = received.security
        if security is None or not signature.is_signed(security):
            return ()
        try:
            signed = signature.verify(security, self._clock.now())
            found = self._book.of_certificate(signed.certificate)
            peers = tuple(peer for peer in found if peer.quirks.x509_token)
            if not peers:
                raise PeerError("is of nobody who may prove himself so", field="Signature")
            await self._use("Signature", signed.replay)
        except PeerError as problem:
            raise _not_authenticated(problem) from None
        return peers

    async def _use(self, kind: str, identifier: str) -> None:
        """Each token once; raises PeerError for the second time."""
        if not await self._mailbox.transact(lambda tx: rows.use_nonce(tx, identifier)):
            raise PeerError("was used before", field=kind)

    # -- callbacks, notifications, polls ----------------------------------------------------------------------

    async def response(
        self, mine: list[Peer], function: Function, element: etree._Element, relates_to: str
    ) -> Answer:
        """The answer of a peer to a call of ours; only of the peer that was asked, and only once."""
        message_key = rows.key(relates_to.partition("?")[0])
        row = await self._mailbox.store.read(lambda c: rows.find_request(c, message_key))
        if row is None or row.function != function.qualified or row.peer not in {peer.name for peer in mine}:
            raise Fault("RelatesTo is no call of ours to you", subcode="wsa:InvalidAddressingHeader")
        try:
            decoded = body.decode(element)
        except BodyError as problem:
            raise Fault(f"{problem.field}: {problem.reason}") from None
        await self.close_request(message_key, bytes(row.header), decoded.body)
        return ACCEPTED

    async def close_request(self, message_key: str, asked: bytes, answer: Body) -> None:
        """Hand the answer to the role that asked."""
        header = kept_header(asked)
        back = Header(
            message_id=f"{SOAP_GATEWAY}/answer/{message_key}",
            sender=SOAP_GATEWAY,
            requester=header.requester,
            function_call_id=header.function_call_id,
            deadline=header.deadline,
            eid=header.eid,
            causation_id=header.message_id,
        )

        def unit(tx: Tx) -> None:
            if rows.close_request(tx, message_key):
                tx.send(header.sender, back, answer)

        await self._mailbox.transact(unit)

    async def _notified(self, peer: Peer, function: Function, element: etree._Element) -> Answer:
        try:
            told = body.decode(element).body
        except BodyError as problem:
            raise Fault(f"{problem.field}: {problem.reason}") from None
        # At least once: a repeat has the same content.
        identifier = f"{SOAP_GATEWAY}/{rows.key(peer.oid, function.qualified, keep(told).decode())}"
        header = Header(
            message_id=identifier,
            sender=SOAP_GATEWAY,
            requester=peer.oid,
            function_call_id=identifier,
            deadline=self._clock.now() + self._settings.default_validity,
            eid=eid_of(told),
        )

        def unit(tx: Tx) -> None:
            if not tx.first_time(identifier):
                return
            if isinstance(told, es7.ES7HandleSMSRChangeNotification):
                # No procedure has it, and who manages a card is nothing that an SM-SR can say of another's.
                detail = "no procedure has it: nothing follows"
                actor, action = peer.oid, function.qualified
                tx.audit(
                    actor=actor, action=action, eid=header.eid, object=peer.name, outcome="ignored", detail=detail
                )
            else:
                tx.send(SM_DP, header, told)

        await self._mailbox.transact(unit)
        return ACCEPTED

    async def _poll(self, mine: list[Peer], polled: str, told: Addressing) -> Answer:
        poll_id = addressing.polling_id(polled)
        if not poll_id:
            raise Fault("no address of WS-MakeConnection", subcode="wsa:InvalidAddressingHeader")
        name = rows.key(poll_id)

        def unit(tx: Tx) -> tuple[Peer, Letter, bool] | None:
            for peer in mine:
                found, more = rows.fetch(tx, peer.name, name, told.message_id)
                if found is not None:
                    return peer, found, more
            return None

        fetched = await self._mailbox.transact(unit)
        if fetched is None:
            return ACCEPTED
        peer, found, more = fetched
        head = envelope.HEAD.encode()
        octets = found.envelope.replace(head, head + envelope.pending(more).encode(), 1)
        return self._signed(peer, Answer(200, octets))

    def stale_nonces(self) -> float:
        """Nonces used before this moment belong to tokens that are stale."""
        return self._clock.now() - 2 * FRESH


def _not_authenticated(problem: PeerError) -> Fault:
    """What went wrong is for our log; a stranger hears nothing of it."""
    log.warning("token refused", reason=str(problem))
    return Fault("not authenticated", subcode="wsse:FailedAuthentication", status=401)


def _fault(reason: str, status: int) -> Answer:
    return Answer(status, envelope.write_fault(Fault(reason, code=envelope.RECEIVER, status=status)))
