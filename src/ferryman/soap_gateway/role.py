"""The SOAP gateway as a role: peers on one side, SM-DP and SM-SR on the other (SGP.02 ES1, ES2, ES3, ES4, ES7)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

import structlog

from ferryman.contracts import codes, peers
from ferryman.contracts.message import Body, Header, decode, encode
from ferryman.contracts.peers import Peer
from ferryman.contracts.roles import SOAP_GATEWAY
from ferryman.contracts.status import ExecutionStatus, failed, from_refusal
from ferryman.errors import InputError, PeerError, Refused, Unavailable
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.soap_gateway import rows, trial
from ferryman.soap_gateway.answers import INCOMING, keep_header
from ferryman.soap_gateway.book import PeerBook
from ferryman.soap_gateway.calls import CallDesk
from ferryman.soap_gateway.client import Reply
from ferryman.soap_gateway.desk import Desk
from ferryman.soap_gateway.esm import addressing, body, envelope, functions
from ferryman.soap_gateway.esm.body import Base
from ferryman.soap_gateway.esm.functions import Function, Shape
from ferryman.soap_gateway.party import Ours, Thread, addressee_kinds, is_spoken, write
from ferryman.soap_gateway.post import LETTER_KEEP, Post
from ferryman.soap_gateway.rows import Letter
from ferryman.soap_gateway.server import SOAPServer
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.soap_gateway.signature import Signer
from ferryman.soap_gateway.tls import own_signer, server_context, trust

SWEEP = 3_600.0  # seconds between looks for what can be forgotten

log = structlog.get_logger("ferryman.soap_gateway")


class SOAPGateway:
    """One gateway. `password` reads the file of a peer's password."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        calls: Calls,
        settings: SOAPSettings,
        clock: Clock,
        entropy: Entropy,
        smsr_id: str,
        smdp_id: str,
        password: Callable[[str], bytes],
    ) -> None:
        self.mailbox = mailbox
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._identities = (smsr_id, smdp_id)
        self.book = PeerBook(mailbox)
        self._signer: Signer | None = None
        self.post = Post(
            mailbox=mailbox,
            settings=settings,
            clock=clock,
            book=self.book,
            on_reply=self._on_reply,
            sign=self._sign,
        )
        self.calls = CallDesk(
            mailbox=mailbox,
            calls=calls,
            settings=settings,
            clock=clock,
            entropy=entropy,
            book=self.book,
            post=self.post,
            ours=lambda: self.ours,
        )
        self.desk = Desk(
            mailbox=mailbox,
            call_desk=self.calls,
            settings=settings,
            clock=clock,
            book=self.book,
            ours=lambda: self.ours,
            password=password,
            sign=self._sign,
        )
        self.server = SOAPServer(settings, handler=self.desk.handle, admit=self.desk.admit)
        self._context: ssl.SSLContext | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._port = settings.port

    @property
    def ours(self) -> Ours:
        """Who we are towards others."""
        settings = self._settings
        url = settings.public_url or f"https://{settings.host}:{self._port}"
        return Ours(*self._identities, url.rstrip("/"))

    async def start(self) -> None:
        """Go on with what an earlier run left, then listen; raises Unavailable, InputError."""
        await self.mailbox.start()
        await self.book.load()
        await self.book.tell()
        if self._settings.listen:
            self._context = server_context(self._settings, self.book.all)
            await self.server.start(self._context)
            self._port = self.server.port
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        await self.post.start()

    async def stop(self) -> None:
        """Stop; nothing that was accepted is lost."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self.server.stop()
        await self.post.stop()
        await self.mailbox.stop()

    def _sign(self, peer: Peer, octets: bytes) -> bytes:
        """Our message to a peer, signed when its record says so; raises InputError."""
        if not peer.quirks.sign:
            return octets
        if self._signer is None:
            self._signer = own_signer(self._settings)
        return self._signer.sign(octets, self._clock.now())

    # -- from our roles ---------------------------------------------------------------------------------------

    async def receive(self, raw: bytes) -> None:
        """One message of a role: an answer to a peer, or something to tell or ask one."""
        header, message = decode(raw, INCOMING)
        function, kind = functions.BY_BODY[type(message)]
        if kind.shape is Shape.RESPONSE:
            await self.calls.answered(header, message)
        else:
            await self._send(header, function, kind.shape, message)

    async def _send(self, header: Header, function: Function, shape: Shape, message: Body) -> None:
        kinds = addressee_kinds(function, shape)
        if not kinds or not header.recipient:
            raise PeerError("nobody to send it to", field="recipient")
        known = (self.book.of_oid(header.recipient, kind) for kind in kinds)
        peer = next((one for one in known if one is not None and is_spoken(one, function.space)), None)
        target = peer.endpoints.get(function.interface, "") if peer is not None else ""
        if peer is None or not target:
            await self._no_way(header, function, shape)
            return
        letter, message_key = await self._letter(header, peer, function, shape, message, target)

        def unit(tx: Tx) -> None:
            if not tx.first_time(header.message_id) or not rows.put_letter(tx, letter):
                return
            if shape is Shape.REQUEST:
                rows.put_request(
                    tx,
                    message_key,
                    peer=peer.name,
                    function=function.qualified,
                    header=keep_header(header),
                    deadline=header.deadline,
                )

        await self.mailbox.transact(unit)
        self.post.wake(peer.name)

    async def _letter(
        self, header: Header, peer: Peer, function: Function, shape: Shape, message: Body, target: str
    ) -> tuple[Letter, str]:
        unique = rows.key(header.sender, header.message_id)
        now = self._clock.now()
        cause = header.causation_id.removeprefix(f"{SOAP_GATEWAY}/")
        origin = await self.mailbox.store.read(lambda c: rows.load(c, cause))
        context = origin.context_id if origin is not None else ""
        message_id, action, octets = write(
            self.ours,
            peer,
            function,
            shape,
            message,
            base=Base(call_id=header.function_call_id, validity=max(1, int(header.deadline - now)))
            if shape is Shape.REQUEST
            else Base(),
            unique=unique,
            to=target,
            thread=Thread("", unique, context),
            now=now,
        )
        polled = addressing.polling_id(target)
        # A call that nobody took by its deadline is not worth sending; a notification is news for longer.
        expires = header.deadline if shape is Shape.REQUEST else max(header.deadline, now) + LETTER_KEEP
        letter = Letter(
            id=unique,
            peer=peer.name,
            poll_id=rows.key(polled) if polled else "",
            url="" if polled else target,
            action=action,
            envelope=octets,
            created=now,
            expires=expires,
            due=now,
        )
        return letter, rows.key(message_id.partition("?")[0])

    async def _no_way(self, header: Header, function: Function, shape: Shape) -> None:
        """There is no such peer, or it has no address: a call is answered, a notification has no reader."""
        log.warning("no way to a peer", function=function.qualified, recipient=header.recipient)
        pair = codes.SMSR_UNKNOWN
        status = failed(*pair, "no such SM-SR is known here", header.recipient)

        def unit(tx: Tx) -> None:
            if not tx.first_time(header.message_id):
                return
            tx.audit(
                actor=header.sender, action=function.qualified, eid=header.eid, object=header.recipient,
                outcome="not sent", detail="no peer with an address",
            )  # fmt: skip
            if shape is Shape.REQUEST:
                tx.send(header.sender, self._answer_header(header), _response(function, status))

        await self.mailbox.transact(unit)

    def _answer_header(self, header: Header) -> Header:
        return Header(
            message_id=f"{SOAP_GATEWAY}/answer/{rows.key(header.sender, header.message_id)}",
            sender=SOAP_GATEWAY,
            requester=header.requester,
            function_call_id=header.function_call_id,
            deadline=header.deadline,
            eid=header.eid,
            causation_id=header.message_id,
        )

    # -- what peers answered to letters -----------------------------------------------------------------------

    async def _on_reply(self, letter: Letter, reply: Reply) -> None:
        """PeerError: it was not taken, try again. A call that was refused for good is answered so."""
        message_key = rows.key(f"//{_domain(letter)}")
        row = await self.mailbox.store.read(lambda c: rows.find_request(c, message_key))
        if row is None:
            if reply.status >= 400:
                raise PeerError(f"HTTP {reply.status}", field="letter")
            return
        function = functions.BY_NAME[row.function]
        if reply.status >= 400:
            fault = envelope.read_fault(reply.body)
            said = f"HTTP {reply.status}" + (f": {fault.reason}" if fault is not None else "")
            status = failed(*codes.PROVIDER_ERROR, f"the peer refused the message with {said}")
            await self.desk.close_request(message_key, bytes(row.header), _response(function, status))
        elif reply.body:
            await self._inline(letter, function, reply)

    async def _inline(self, letter: Letter, function: Function, reply: Reply) -> None:
        """The answer came with the HTTP response: of a synchronous function, and of peers that never call back."""
        peer = self.book.get(letter.peer)
        received = envelope.read(reply.body, inline=True)
        found = body.find(received.body)
        if peer is None or found is None or found[0] is not function:
            raise PeerError("answer is of another function", field="Body")
        relates = received.addressing.relates_to or f"//{_domain(letter)}"
        await self.desk.response([peer], function, received.body, relates)

    # -- peers ------------------------------------------------------------------------------------------------

    async def serve(self, caller: str, raw: bytes) -> bytes:
        """One call of the operator's tools; a refusal is an answer."""
        header, question = decode(raw, peers.REQUEST_CODEC)
        try:
            call = f"{caller}/{header.requester}/{header.function_call_id}"
            answer = await self._answer(caller, question, call)
        except Refused as refusal:
            answer = peers.PeerRefused(status=from_refusal(refusal))
        except (InputError, PeerError) as problem:
            answer = peers.PeerRefused(status=failed(*codes.FORMAT_INVALID, str(problem)))
        return encode(header, answer)

    async def _answer(self, caller: str, question: Body, call: str = "") -> Body:
        match question:
            case peers.PutPeer():
                await self.book.put(question.peer, actor=caller, call=call)
                self._trust_again()
                return peers.Peers(peers=(question.peer,))
            case peers.RemovePeer():
                if not await self.book.remove(question.name, actor=caller):
                    raise Refused("", "", f"there is no peer {question.name}", identifier=question.name)
                return peers.Peers(peers=())
            case peers.ListPeers():
                return peers.Peers(peers=self.book.all)
            case peers.TestPeer():
                found = self.book.get(question.name)
                if found is None:
                    raise Refused("", "", f"there is no peer {question.name}", identifier=question.name)
                steps = await trial.run(found, self.ours, self.post, self._clock.now(), self._entropy)
                return peers.PeerTested(steps=steps)
            case _:
                raise PeerError("not a function of the gateway", field="type")

    def _trust_again(self) -> None:
        if self._context is not None:
            trust(self._context, self._settings, self.book.all)

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                while await self.mailbox.transact(lambda tx: rows.forget(tx, self.desk.stale_nonces())):
                    pass
            await asyncio.sleep(SWEEP)


def _response(function: Function, status: ExecutionStatus) -> Body:
    if function.response is None:
        raise PeerError("has no response", field=function.qualified)
    make: Any = function.response.body
    made: Body = make(status=status)
    return made


def _domain(letter: Letter) -> str:
    """Identity and unique part of the MessageID of a request, as `write` put them together."""
    text = letter.envelope.decode()
    start = text.index("<wsa:MessageID>//") + len("<wsa:MessageID>//")
    return text[start : text.index("</wsa:MessageID>")].partition("?")[0]
