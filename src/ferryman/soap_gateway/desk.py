"""What peers send us: from the octets of an HTTP request to a message for one of our roles (SGP.02 3.3, Annex B).

In order: who it is (TLS, WS-Security), that From agrees, that To is us, that the function is allowed, that the
body is what the schema says. A call is entered with the message that carries it out in one commit; whatever comes
twice finds the first one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from lxml import etree

from ferryman.contracts import codes, es3, es4, es7
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.peers import RIGHTS, Peer
from ferryman.contracts.roles import SM_DP, SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import ExecutionStatus, failed
from ferryman.errors import PeerError, Unavailable
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.soap_gateway import rows
from ferryman.soap_gateway.answers import keep, kept, kept_header
from ferryman.soap_gateway.book import PeerBook
from ferryman.soap_gateway.esm import addressing, body, description, envelope, functions
from ferryman.soap_gateway.esm.addressing import Addressing
from ferryman.soap_gateway.esm.body import Base, Decoded
from ferryman.soap_gateway.esm.envelope import Fault, Received
from ferryman.soap_gateway.esm.fields import BodyError, namespace
from ferryman.soap_gateway.esm.functions import Function, Message, Shape, Style
from ferryman.soap_gateway.esm.names import CONTENT_TYPE
from ferryman.soap_gateway.party import Ours, Thread, namespace_of, write
from ferryman.soap_gateway.post import LETTER_KEEP, Post
from ferryman.soap_gateway.rows import Exchange, Letter
from ferryman.soap_gateway.server import Answer, Request
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.soap_gateway.token import FRESH, verify

READS: dict[type[Body], type[Body]] = {
    es3.ES3GetEIS: es3.ES3GetEISResponse,
    es4.ES4GetEIS: es4.ES4GetEISResponse,
}
READ_CODEC: Codec[Body] = Codec(*READS.values())
UNIQUE_OCTETS = 12  # of a MessageID
INNER_ID = 64  # characters of a FunctionCallIdentifier that roles get as it is; a longer one is given a short name
FUTURE = 86_400.0  # seconds that MessageDate may be ahead of us
HIDDEN = frozenset(("8.2.1/1.2", "8.2.1/3.4"))

log = structlog.get_logger("ferryman.soap_gateway")
ACCEPTED = Answer(202)


def inner_id(call_id: str) -> str:
    """The FunctionCallIdentifier inside: short and plain, so that it fits every role's tables."""
    if len(call_id) <= INNER_ID and call_id.isascii() and call_id.isprintable():
        return call_id
    return "h-" + rows.key(call_id)


def eid_of(message: Body) -> str:
    """The EID a message is about, empty when none."""
    eis = getattr(message, "eis", None)
    found: str = eis.eid if eis is not None else getattr(message, "eid", "")
    return found


@dataclass(frozen=True, slots=True)
class _Call:
    """A request on its way through the checks."""

    peer: Peer
    function: Function
    told: Addressing


class Desk:
    """Takes requests, notifications, callbacks and polls."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        calls: Calls,
        settings: SOAPSettings,
        clock: Clock,
        entropy: Entropy,
        book: PeerBook,
        post: Post,
        ours: Callable[[], Ours],
        password: Callable[[str], bytes],
    ) -> None:
        self._mailbox = mailbox
        self._calls = calls
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._book = book
        self._post = post
        self._ours = ours
        self._password = password
        self._waiting: dict[str, list[asyncio.Future[Exchange]]] = {}

    # -- one request ------------------------------------------------------------------------------------------

    def admit(self, certificate: bytes) -> bool:
        """Whether anybody can be behind this certificate; without one, only a user name could tell."""
        if certificate:
            return bool(self._book.of_certificate(certificate))
        return any(peer.username for peer in self._book.all)

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
        if name != interface.lower() or interface not in functions.INTERFACES or rest not in ("", "callback"):
            return Answer(404)
        if head.method == "GET":
            return self._describe(interface, head.query.lower())
        if head.fields.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
            return Answer(415)
        return await self._message(interface, request)

    def _describe(self, interface: str, query: str) -> Answer:
        url = self._ours().url
        if query not in ("wsdl", "xsd"):
            return Answer(404)
        text = (
            description.wsdl(interface, f"{url}/{interface.lower()}") if query == "wsdl" else description.schema()
        )
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
        mine = [peer for peer in mine if namespace_of(peer) == space]
        found = body.find(received.body) if mine else None
        if found is None:
            raise Fault("no message of the interfaces", subcode="wsa:ActionNotSupported", field="Body")
        function, message = found
        if function.interface != interface or not functions.is_action_of(told.action, function):
            raise Fault("Action, address and body do not agree", subcode="wsa:ActionMismatch")
        role = self._ours().role(function, message.shape)
        if told.to_id != self._ours().identity(role or SM_SR):
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
        call = _Call(peer, function, told)
        if not allowed:
            own = any(right.startswith(function.interface) for right in RIGHTS[peer.kind])
            pair = codes.FUNCTION_NOT_ALLOWED if own else codes.REQUESTER_NOT_ALLOWED
            return await self._refuse(call, failed(*pair, "the function is not open to the requester", peer.oid))
        return await self._request(call, received.body)

    async def _refused(self, peer: Peer, function: Function) -> None:
        def unit(tx: Tx) -> None:
            tx.audit(
                actor=peer.oid, action=function.qualified, object=peer.name, outcome="refused", detail="rights"
            )

        await self._mailbox.transact(unit)

    # -- who it is --------------------------------------------------------------------------------------------

    async def _identify(self, certificate: bytes, received: Received) -> list[Peer]:
        """Every peer that the sender has proved to be and says it is; raises Fault."""
        proved = self._book.of_certificate(certificate)
        named = await self._by_token(received)
        if received.token is not None:
            proved = tuple(peer for peer in proved if peer in named) if proved else named
        else:
            proved = tuple(peer for peer in proved if not peer.quirks.require_token)
        if not proved:
            raise Fault("not authenticated", subcode="wsse:FailedAuthentication", status=401)
        mine = [peer for peer in proved if peer.oid == received.addressing.sender_id]
        if not mine:
            log.warning("EntityId is not the peer's", peer=proved[0].name, claimed=received.addressing.sender_id)
            raise Fault("EntityId is not the one that was authenticated", status=403)
        return mine

    async def _by_token(self, received: Received) -> tuple[Peer, ...]:
        token = received.token
        if token is None:
            return ()
        peers = self._book.of_username(token.username)
        try:
            if not peers:
                raise PeerError("is not accepted", field="UsernameToken")
            nonce = verify(token, self._password(peers[0].password_file), self._clock.now())
            if not await self._mailbox.transact(lambda tx: rows.use_nonce(tx, nonce)):
                raise PeerError("was used before", field="UsernameToken")
        except PeerError as problem:
            log.warning("token refused", reason=str(problem))
            raise Fault("not authenticated", subcode="wsse:FailedAuthentication", status=401) from None
        return peers

    # -- calls ------------------------------------------------------------------------------------------------

    async def _request(self, call: _Call, element: etree._Element) -> Answer:
        try:
            decoded = body.decode(element)
        except BodyError as problem:
            where = f"{problem.field}: {problem.reason}"
            return await self._refuse(call, failed("1.3.1", problem.code, where))
        validity = decoded.base.validity
        if validity is not None and validity > self._settings.max_validity:
            status = failed(*codes.VALIDITY_TOO_LONG, "the validity period is too long")
            most = self._settings.max_validity
            return await self._refuse(call, _with_validity(status, most))
        if not self._may_call_back(call):
            raise Fault("ReplyTo is none of the addresses agreed", subcode="wsa:InvalidAddressingHeader")
        if type(decoded.body) in READS:
            return await self._read(call, decoded)
        return await self._enter(call, decoded, element)

    def _may_call_back(self, call: _Call) -> bool:
        """A callback goes only where the peer's record says that it has a server, or is fetched."""
        if call.function.style is not Style.ASYNC:
            return True
        return bool(self._reply_to(call))

    def _reply_to(self, call: _Call) -> str:
        given = call.told.reply_to
        agreed = call.peer.endpoints
        if not addressing.is_callable(given) and not addressing.polling_id(given):
            return agreed.get(call.function.interface, "")
        if addressing.polling_id(given):
            return given
        servers = {_server(url) for url in agreed.values()}
        return given if _server(given) in servers else ""

    async def _read(self, call: _Call, decoded: Decoded) -> Answer:
        """A question without effect: asked and answered now, not entered."""
        started = self._clock.now()
        header = self._header(call, decoded, f"{SOAP_GATEWAY}/{self._entropy(UNIQUE_OCTETS).hex()}")
        raw = await self._calls.call(SM_SR, SOAP_GATEWAY, encode(header, decoded.body))
        _, answer = decode(raw, READ_CODEC)
        thread = Thread(call.told.message_id, call.told.transaction_id, call.told.context_id)
        return Answer(200, self._written(call.peer, call.function, answer, thread, call.told.sender, started)[2])

    def _header(self, call: _Call, decoded: Decoded, message_id: str) -> Header:
        validity = decoded.base.validity or self._settings.default_validity
        return Header(
            message_id=message_id,
            sender=SOAP_GATEWAY,
            requester=call.peer.oid,
            function_call_id=inner_id(decoded.base.call_id),
            deadline=self._clock.now() + validity,
            eid=eid_of(decoded.body),
            causation_id=call.told.context_id[:100],
        )

    async def _enter(self, call: _Call, decoded: Decoded, element: etree._Element) -> Answer:
        peer, function, told = call.peer, call.function, call.told
        identifier = rows.key(peer.oid, function.qualified, decoded.base.call_id)
        header = self._header(call, decoded, f"{SOAP_GATEWAY}/{identifier}")
        new = Exchange(
            id=identifier,
            message_key=rows.key(peer.oid, told.message_id),
            peer=peer.name,
            requester=peer.oid,
            function=function.qualified,
            fingerprint=hashlib.sha256(etree.tostring(element, method="c14n", exclusive=True)).digest(),
            message_id=told.message_id,
            transaction_id=told.transaction_id,
            context_id=told.context_id,
            reply_to=self._reply_to(call) if function.style is Style.ASYNC else told.sender,
            eid=header.eid,
            started=self._clock.now(),
            deadline=header.deadline,
        )
        role = self._ours().role(function, Shape.REQUEST)

        def unit(tx: Tx) -> tuple[Exchange, bool]:
            found, fresh = rows.enter(tx, new)
            if fresh:
                tx.send(role, header, decoded.body, lane=identifier)
            elif found.answer is not None and function.style is Style.ASYNC:
                self._put_answer(tx, found)
            return found, fresh

        waiter = self._wait(identifier) if function.style is Style.SYNC else None
        try:
            found, _ = await self._mailbox.transact(unit)
        except rows.Reused:
            self._forget(identifier, waiter)
            sentence = "the FunctionCallIdentifier was used with other input"
            return await self._refuse(call, failed(*codes.CALL_ID_REUSED, sentence, decoded.base.call_id))
        except BaseException:
            self._forget(identifier, waiter)
            raise
        if waiter is None:
            self._post.wake(peer.name)
            return ACCEPTED
        return await self._await_answer(found, waiter)

    async def _await_answer(self, found: Exchange, waiter: asyncio.Future[Exchange]) -> Answer:
        try:
            if found.answer is None:
                async with asyncio.timeout(self._settings.sync_timeout):
                    found = await asyncio.shield(waiter)
        except TimeoutError:
            # It goes on: the same call again finds its answer.
            raise Unavailable("the function's answer") from None
        finally:
            self._forget(found.id, waiter)
        return Answer(200, self._answer_envelope(found)[2])

    def _wait(self, identifier: str) -> asyncio.Future[Exchange]:
        waiter: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(identifier, []).append(waiter)
        return waiter

    def _forget(self, identifier: str, waiter: asyncio.Future[Exchange] | None) -> None:
        waiting = self._waiting.get(identifier, [])
        if waiter in waiting:
            waiting.remove(waiter)
        if not waiting:
            self._waiting.pop(identifier, None)

    async def _refuse(self, call: _Call, status: ExecutionStatus) -> Answer:
        """A call that is not entered: its answer, in the pattern of the function."""
        function = call.function
        if function.response is None:
            raise Fault(status.message)
        make: Any = function.response.body
        answer: Body = make(status=status)
        thread = Thread(call.told.message_id, call.told.transaction_id, call.told.context_id)
        now = self._clock.now()
        if function.style is Style.SYNC:
            return Answer(200, self._written(call.peer, function, answer, thread, call.told.sender, now)[2])
        target = self._reply_to(call)
        if not target:
            raise Fault(status.message)
        written = self._written(call.peer, function, answer, thread, target, now)
        letter = self._letter(
            rows.key("refusal", call.peer.oid, call.told.message_id), call.peer, target, written, now
        )
        await self._mailbox.transact(lambda tx: rows.put_letter(tx, letter))
        self._post.wake(call.peer.name)
        return ACCEPTED

    # -- answers ----------------------------------------------------------------------------------------------

    async def answered(self, header: Header, answer: Body) -> None:
        """A role answers a call: kept, and sent or handed to whoever waits."""
        identifier = header.causation_id.removeprefix(f"{SOAP_GATEWAY}/")
        raw = keep(answer)

        def unit(tx: Tx) -> Exchange | None:
            if not tx.first_time(header.message_id):
                return None
            found = rows.answer(tx, identifier, raw)
            if found is not None and functions.BY_NAME[found.function].style is Style.ASYNC:
                self._put_answer(tx, found)
            return found

        found = await self._mailbox.transact(unit)
        if found is None:
            return
        self._post.wake(found.peer)
        for waiter in self._waiting.get(identifier, ()):
            if not waiter.done():
                waiter.set_result(found)

    def _put_answer(self, tx: Tx, found: Exchange) -> None:
        peer = self._book.get(found.peer)
        if peer is None:
            return
        name = rows.key("answer", found.id, found.message_key)
        written = self._answer_envelope(found)
        expires = max(found.deadline, tx.now) + LETTER_KEEP
        rows.put_letter(tx, self._letter(name, peer, found.reply_to, written, expires - LETTER_KEEP))

    def _answer_envelope(self, found: Exchange) -> tuple[str, str, bytes]:
        function = functions.BY_NAME[found.function]
        peer = self._book.get(found.peer)
        if peer is None or function.response is None or found.answer is None:
            raise Unavailable("the answer")
        answer = kept(found.answer)
        thread = Thread(found.message_id, found.transaction_id, found.context_id)
        return self._written(peer, function, answer, thread, found.reply_to, found.started, found.ended)

    def _written(
        self,
        peer: Peer,
        function: Function,
        answer: Body,
        thread: Thread,
        to: str,
        started: float,
        ended: float | None = None,
    ) -> tuple[str, str, bytes]:
        now = self._clock.now()
        return write(
            self._ours(),
            peer,
            function,
            Shape.RESPONSE,
            hide(answer) if peer.quirks.unknown_only else answer,
            base=Base(started=started, ended=now if ended is None else ended),
            unique=self._entropy(UNIQUE_OCTETS).hex(),
            to=to,
            thread=thread,
            now=now,
        )

    def _letter(self, name: str, peer: Peer, to: str, written: tuple[str, str, bytes], deadline: float) -> Letter:
        now = self._clock.now()
        poll_id = addressing.polling_id(to)
        return Letter(
            id=name,
            peer=peer.name,
            poll_id=rows.key(poll_id) if poll_id else "",
            url="" if poll_id else to,
            action=written[1],
            envelope=written[2],
            created=now,
            expires=deadline + LETTER_KEEP,
            due=now,
        )

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
        if isinstance(told, es7.ES7HandleSMSRChangeNotification):
            log.info("notification without a procedure", function=function.qualified, peer=peer.name)
            return ACCEPTED
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
            if tx.first_time(identifier):
                tx.send(SM_DP, header, told)

        await self._mailbox.transact(unit)
        return ACCEPTED

    async def _poll(self, mine: list[Peer], polled: str, told: Addressing) -> Answer:
        poll_id = addressing.polling_id(polled)
        if not poll_id:
            raise Fault("no address of WS-MakeConnection", subcode="wsa:InvalidAddressingHeader")
        name = rows.key(poll_id)

        def unit(tx: Tx) -> tuple[Letter | None, bool]:
            for peer in mine:
                found, more = rows.fetch(tx, peer.name, name, told.message_id)
                if found is not None:
                    return found, more
            return None, False

        found, more = await self._mailbox.transact(unit)
        if found is None:
            return ACCEPTED
        head = envelope.HEAD.encode()
        return Answer(200, found.envelope.replace(head, head + envelope.pending(more).encode(), 1))

    def stale_nonces(self) -> float:
        """Nonces used before this moment belong to tokens that are stale."""
        return self._clock.now() - 2 * FRESH


def hide(answer: Body) -> Body:
    """A profile of somebody else like one that does not exist: the same octets (8.2.1/3.9)."""
    status: ExecutionStatus | None = getattr(answer, "status", None)
    if status is None or (status.code not in HIDDEN and status.code != "/".join(codes.ICCID_UNKNOWN)):
        return answer
    unknown = failed(*codes.ICCID_UNKNOWN, "no profile with this ICCID", status.identifier)
    changed: Any = type(answer)
    found: Body = changed(status=unknown)
    return found


def _with_validity(status: ExecutionStatus, seconds: float) -> ExecutionStatus:
    return msgspec.structs.replace(status, acceptable_validity=seconds)


def _fault(reason: str, status: int) -> Answer:
    return Answer(status, envelope.write_fault(Fault(reason, code=envelope.RECEIVER, status=status)))


def _server(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    return scheme.lower(), rest.partition("/")[0].partition("?")[0].lower()
