"""Function calls of peers: entered with the message that carries them out, answered once (SGP.02 5.1, Annex B).

The row of a call is written in the commit that sends it to a role. Whatever comes twice finds the first one: by
its MessageID, or by requester, function and FunctionCallIdentifier.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from lxml import etree

from ferryman.contracts import codes, es3, es4
from ferryman.contracts.message import Body, Codec, Header, decode, encode, encode_body
from ferryman.contracts.peers import Peer
from ferryman.contracts.roles import SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import ExecutionStatus, failed
from ferryman.errors import Unavailable
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.soap_gateway import rows
from ferryman.soap_gateway.answers import keep, kept
from ferryman.soap_gateway.book import PeerBook
from ferryman.soap_gateway.esm import addressing, body, functions
from ferryman.soap_gateway.esm.addressing import Addressing
from ferryman.soap_gateway.esm.body import Base, Decoded
from ferryman.soap_gateway.esm.envelope import Fault
from ferryman.soap_gateway.esm.fields import BodyError
from ferryman.soap_gateway.esm.functions import Function, Shape, Style
from ferryman.soap_gateway.party import Ours, Thread, write
from ferryman.soap_gateway.post import LETTER_KEEP, Post
from ferryman.soap_gateway.rows import Exchange, Letter
from ferryman.soap_gateway.server import Answer
from ferryman.soap_gateway.settings import SOAPSettings

READS: dict[type[Body], type[Body]] = {
    es3.ES3GetEIS: es3.ES3GetEISResponse,
    es4.ES4GetEIS: es4.ES4GetEISResponse,
}
READ_CODEC: Codec[Body] = Codec(*READS.values())
UNIQUE_OCTETS = 12  # of a MessageID
INNER_ID = 64  # characters of a FunctionCallIdentifier that roles get as it is; a longer one is given a short name
# By the code that tells that somebody else has it, the pair that is answered instead; that pair itself too, since
# its sentence may tell.
HIDDEN = {
    "8.2.1/1.2": codes.ICCID_UNKNOWN,
    "8.2.1/3.4": codes.ICCID_UNKNOWN,
    "8.2.1/3.9": codes.ICCID_UNKNOWN,
    "8.2.5/1.2": codes.PROFILE_TYPE_UNKNOWN,
    "8.2.5/3.9": codes.PROFILE_TYPE_UNKNOWN,
}
UNKNOWN = {
    codes.ICCID_UNKNOWN: "no profile with this ICCID",
    codes.PROFILE_TYPE_UNKNOWN: "no free subscription of this profile type",
}
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
class Call:
    """A request on its way through the checks."""

    peer: Peer
    function: Function
    told: Addressing


class CallDesk:
    """Takes calls that are allowed, and the answers of the roles."""

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
    ) -> None:
        self._mailbox = mailbox
        self._calls = calls
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._book = book
        self._post = post
        self._ours = ours
        self._waiting: dict[str, list[asyncio.Future[Exchange]]] = {}

    # -- calls ------------------------------------------------------------------------------------------------

    async def take(self, call: Call, element: etree._Element) -> Answer:
        try:
            decoded = body.decode(element)
        except BodyError as problem:
            where = f"{problem.field}: {problem.reason}"
            return await self.refuse(call, failed("1.3.1", problem.code, where))
        validity = decoded.base.validity
        if validity is not None and validity > self._settings.max_validity:
            status = failed(*codes.VALIDITY_TOO_LONG, "the validity period is too long")
            most = self._settings.max_validity
            return await self.refuse(call, _with_validity(status, most))
        if not self._may_call_back(call):
            raise Fault("ReplyTo is none of the addresses agreed", subcode="wsa:InvalidAddressingHeader")
        if type(decoded.body) in READS:
            return await self._read(call, decoded)
        return await self._enter(call, decoded)

    def _may_call_back(self, call: Call) -> bool:
        """A callback goes only where the peer's record says that it has a server, or is fetched."""
        if call.function.style is not Style.ASYNC:
            return True
        return bool(self._reply_to(call))

    def _reply_to(self, call: Call) -> str:
        given = call.told.reply_to
        agreed = call.peer.endpoints
        if not addressing.is_callable(given) and not addressing.polling_id(given):
            return agreed.get(call.function.interface, "")
        if addressing.polling_id(given):
            return given
        servers = {_server(url) for url in agreed.values()}
        return given if _server(given) in servers else ""

    async def _read(self, call: Call, decoded: Decoded) -> Answer:
        """A question without effect: asked and answered now, not entered."""
        started = self._clock.now()
        header = self._header(call, decoded, f"{SOAP_GATEWAY}/{self._entropy(UNIQUE_OCTETS).hex()}")
        raw = await self._calls.call(SM_SR, SOAP_GATEWAY, encode(header, decoded.body))
        _, answer = decode(raw, READ_CODEC)
        thread = Thread(call.told.message_id, call.told.transaction_id, call.told.context_id)
        return Answer(200, self._written(call.peer, call.function, answer, thread, call.told.sender, started)[2])

    def _header(self, call: Call, decoded: Decoded, message_id: str) -> Header:
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

    async def _enter(self, call: Call, decoded: Decoded) -> Answer:
        peer, function, told = call.peer, call.function, call.told
        identifier = rows.key(peer.oid, function.qualified, inner_id(decoded.base.call_id))
        header = self._header(call, decoded, f"{SOAP_GATEWAY}/{identifier}")
        new = Exchange(
            id=identifier,
            message_key=rows.key(peer.oid, told.message_id),
            peer=peer.name,
            requester=peer.oid,
            function=function.qualified,
            # Of the function's own input: a call that is sent again has less of its validity period left.
            fingerprint=hashlib.sha256(encode_body(decoded.body)).digest(),
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
            return await self.refuse(call, failed(*codes.CALL_ID_REUSED, sentence, decoded.base.call_id))
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

    async def refuse(self, call: Call, status: ExecutionStatus) -> Answer:
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
        function = functions.BY_BODY[type(answer)][0].qualified
        identifier = header.causation_id.removeprefix(f"{SOAP_GATEWAY}/")
        if header.recipient:  # said by a procedure that another call has started
            identifier = rows.key(header.recipient, function, header.function_call_id)
        raw = keep(answer)

        def unit(tx: Tx) -> Exchange | None:
            if not tx.first_time(header.message_id):
                return None
            found = rows.answer(tx, identifier, function, raw)
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


def hide(answer: Body) -> Body:
    """What is somebody else's like what does not exist: the same octets (8.2.1/3.9; a profile type 8.2.5/3.9)."""
    status: ExecutionStatus | None = getattr(answer, "status", None)
    pair = HIDDEN.get(status.code) if status is not None else None
    if status is None or pair is None:
        return answer
    changed: Any = type(answer)
    found: Body = changed(status=failed(*pair, UNKNOWN[pair], status.identifier))
    return found


def _with_validity(status: ExecutionStatus, seconds: float) -> ExecutionStatus:
    return msgspec.structs.replace(status, acceptable_validity=seconds)


def _server(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    return scheme.lower(), rest.partition("/")[0].partition("?")[0].lower()
