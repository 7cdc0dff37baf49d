"""The SM-SR's functions as others call them: by message, or by a call that wants its answer (SGP.02 5.2 to 5.5).

SOAP, REST and the command line end here. A function that needs a card is entered as a procedure; what the
repository alone can answer is answered at once.
"""

from __future__ import annotations

import asyncio

import msgspec

from ferryman.contracts import admin, codes, es1, es3, es4, es7, operations, v4
from ferryman.contracts.eis import EIS, SEGMENT, Property
from ferryman.contracts.message import Body, Codec, Header, encode_body
from ferryman.contracts.queue import RunScriptResponse
from ferryman.contracts.roles import SOAP_GATEWAY
from ferryman.contracts.status import SUCCESS, ExecutionStatus, failed, from_refusal
from ferryman.contracts.v4 import GET_EIS
from ferryman.errors import PeerError, Refused
from ferryman.platform.clock import Clock
from ferryman.platform.engine import Engine
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr import eis_store, plma, plma_store, policy
from ferryman.sm_sr.euicc_type import MAX_SEGMENT
from ferryman.sm_sr.functions import AT_ONCE, FUNCTIONS, SYNCHRONOUS, response_to, start_of
from ferryman.sm_sr.plma_desk import RESPONSES, PLMADesk
from ferryman.sm_sr.records import EUICC
from ferryman.sm_sr.registration import Registrar
from ferryman.sm_sr.settings import SRSettings
from ferryman.sm_sr.type_store import TypeBook
from ferryman.sm_sr.visibility import Viewer, view

REQUESTS: tuple[type[Body], ...] = (
    *es1.REQUESTS,
    *es3.REQUESTS,
    *es4.REQUESTS,
    *operations.FUNCTIONS,
    *v4.TO_SM_SR,
    es7.ES7HandoverEUICC,
)
ANSWERS: Codec[Body] = Codec(
    *es1.RESPONSES,
    *es3.RESPONSES,
    *es4.RESPONSES,
    *es7.RESPONSES,
    *operations.RESPONSES,
    *v4.FROM_SM_SR,
    RunScriptResponse,
)
FIRST_LOOK, LAST_LOOK = 0.002, 0.1  # s between looks for the answer of a synchronous function
MAX_WAIT = 30.0  # s that a caller is held for it: it needs one commit
CLOCKS_DIFFER = 60.0  # s: deadlines are absolute, and the clocks of two machines are not one
ES3 = frozenset((*es3.REQUESTS, *v4.ES3_REQUESTS))


class FunctionPort:
    """Takes function calls."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        engine: Engine,
        registrar: Registrar,
        clock: Clock,
        settings: SRSettings,
        smdps: frozenset[str],
        types: TypeBook,
        plmas: PLMADesk,
    ) -> None:
        self._types = types
        self._plmas = plmas
        self._mailbox = mailbox
        self._engine = engine
        self._registrar = registrar
        self._clock = clock
        self._settings = settings
        self._smdps = smdps | frozenset(settings.foreign_smdps)

    async def receive(self, header: Header, body: Body) -> None:
        """A call that came as a message; its answer goes back as one. Returns after the commit."""
        try:
            self.admit(header, body)
            if type(body) in AT_ONCE:
                await self.answer(header, await self._at_once(header, body))
            else:
                await self._engine.call(header, start_of(header, body))
        except Refused as refusal:
            await self.answer(header, response_to(body, self._refusal(refusal)))

    async def ask(self, header: Header, body: Body) -> Body:
        """A call that wants its answer: the response of a synchronous function, else `admin.CallView`."""
        try:
            self.admit(header, body)
            header = msgspec.structs.replace(header, sender="", eid=header.eid or getattr(body, "eid", ""))
            if type(body) in AT_ONCE:
                return await self._at_once(header, body)
            await self._engine.call(header, start_of(header, body))
        except Refused as refusal:
            return response_to(body, self._refusal(refusal))
        name = type(body).__name__
        if type(body) in SYNCHRONOUS:
            answer = await self._wait(header, name)
            if answer is not None:
                return answer
        return await self.show(
            admin.ShowCall(requester=header.requester, function_call_id=header.function_call_id, function=name)
        )

    async def show(self, body: admin.ShowCall) -> admin.CallView:
        """A call that was entered; raises Refused when there is none."""
        found = await self._engine.answer_of(body.requester, body.function_call_id, body.function)
        if found is None:
            raise Refused(*codes.UNKNOWN_REQUESTER, "no such call", identifier=body.function_call_id)
        deadline, answer = found
        return admin.CallView(
            function_call_id=body.function_call_id,
            function=body.function,
            deadline=deadline,
            answer=b"" if answer is None else encode_body(answer),
        )

    def admit(self, header: Header, body: Body) -> None:
        """Steps 1 to 4 of `sgp02-interfaces.md` 3.3, and the length of the validity period; raises Refused."""
        if type(body) not in AT_ONCE and type(body) not in FUNCTIONS:
            raise PeerError(f"{type(body).__name__} is not a request to the SM-SR", field="kind")
        # The gateway has proved who asks, and that it is an SM-DP.
        if type(body) in ES3 and header.sender != SOAP_GATEWAY and header.requester not in self._smdps:
            raise Refused(
                *codes.UNKNOWN_REQUESTER, "the requester is not a known SM-DP", identifier=header.requester
            )
        if not header.requester:
            raise Refused(*codes.UNKNOWN_REQUESTER, "nobody asks")
        if header.deadline - self._clock.now() > self._settings.max_validity + CLOCKS_DIFFER:
            raise Refused(*codes.VALIDITY_TOO_LONG, "the validity period is longer than is accepted")

    def _refusal(self, refusal: Refused) -> ExecutionStatus:
        status = from_refusal(refusal)
        if (refusal.subject, refusal.reason) == codes.VALIDITY_TOO_LONG:
            return msgspec.structs.replace(status, acceptable_validity=self._settings.max_validity)
        return status

    # -- answered at once -----------------------------------------------------------------------------------

    async def _at_once(self, header: Header, body: Body) -> Body:
        match body:
            case es1.ES1RegisterEIS():
                return await self._register(header, body)
            case es3.ES3GetEIS():
                card = await self._mailbox.store.read(lambda c: eis_store.load(c, body.eid))
                if card is None:
                    return es3.ES3GetEISResponse(status=_no_card(body.eid))
                eis = await self._for_smdp(card, header.requester)
                return es3.ES3GetEISResponse(status=SUCCESS, eis=eis)
            case es4.ES4GetEIS():
                card = await self._mailbox.store.read(lambda c: eis_store.load(c, body.eid))
                if card is None:
                    return es4.ES4GetEISResponse(status=_no_card(body.eid))
                opened = await self._opened(card, header.requester)
                if not opened and not any(policy.has_right(p, header.requester) for p in card.profiles):
                    sentence = "the requester has no profile on this eUICC"
                    return es4.ES4GetEISResponse(status=failed(*codes.EIS_NOT_ALLOWED, sentence, body.eid))
                eis = view(card, Viewer.OPERATOR, header.requester, granted=opened)
                return es4.ES4GetEISResponse(status=SUCCESS, eis=eis)
            case _ if type(body) in RESPONSES:
                return await self._plmas.answer(header, body)
            case _:
                raise PeerError(f"{type(body).__name__} is not answered at once", field="kind")

    async def _opened(self, card: EUICC, requester: str) -> frozenset[str]:
        """Profiles of others that this requester may see, by authorisation."""
        if all(policy.has_right(p, requester) for p in card.profiles):
            return frozenset()
        mine = await self._mailbox.store.read(lambda c: plma_store.plmas(c, m2m_sp=requester))
        return plma.granted(mine, card, requester, GET_EIS)

    async def _for_smdp(self, card: EUICC, smdp_id: str) -> EIS:
        """What an SM-DP sees, and what it must obey of the eUICC type."""
        seen = view(card, Viewer.SM_DP, smdp_id)
        holds = await self._mailbox.store.read(lambda c: self._types.of(c, card))
        if holds.segment == MAX_SEGMENT:
            return seen
        told = Property(SEGMENT, str(holds.segment))
        return msgspec.structs.replace(seen, properties=(*seen.properties, told))

    async def _register(self, header: Header, body: es1.ES1RegisterEIS) -> es1.ES1RegisterEISResponse:
        try:
            if header.requester != body.eum_id:
                sentence = "an EUM registers its own eUICCs only"
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, sentence, identifier=body.eid)
            await self._registrar.one_of(header, body.xml, eid=body.eid, eum_id=body.eum_id)
        except Refused as refusal:
            return es1.ES1RegisterEISResponse(status=from_refusal(refusal))
        except PeerError as problem:
            return es1.ES1RegisterEISResponse(status=failed(*codes.FORMAT_INVALID, str(problem), body.eid))
        return es1.ES1RegisterEISResponse(status=SUCCESS)

    async def _wait(self, header: Header, function: str) -> Body | None:
        until = min(header.deadline, self._clock.now() + MAX_WAIT)
        pause = FIRST_LOOK
        while True:
            found = await self._engine.answer_of(header.requester, header.function_call_id, function)
            if found is not None and found[1] is not None:
                return found[1]
            if self._clock.now() >= until:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_LOOK)

    async def answer(self, header: Header, body: Body) -> None:
        """Answer a call for which there is no procedure; returns after the commit."""

        def unit(tx: Tx) -> None:
            if tx.first_time(header.message_id):
                tx.send(header.sender, self._answer_header(header), body)

        await self._mailbox.transact(unit)

    def _answer_header(self, header: Header) -> Header:
        return Header(
            message_id=f"{self._mailbox.role}/answer/{header.message_id}",
            sender=self._mailbox.role,
            requester=header.requester,
            function_call_id=header.function_call_id,
            deadline=header.deadline,
            eid=header.eid,
            causation_id=header.message_id,
        )


def _no_card(eid: str) -> ExecutionStatus:
    return failed(*codes.EID_UNKNOWN, "no eUICC with this EID", eid)
