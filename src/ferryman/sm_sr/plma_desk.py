"""Functions of v4 that the repository alone answers: PLMA, ONC, additional properties (SGP.02 v4 5.2.2, 5.7)."""

from __future__ import annotations

import msgspec

from ferryman.contracts import codes, v4
from ferryman.contracts.eis import SEGMENT
from ferryman.contracts.message import Body, Header
from ferryman.contracts.roles import SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import SUCCESS, failed, from_refusal
from ferryman.errors import PeerError, Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr import eis_store, plma_store
from ferryman.sm_sr.link_book import LinkBook

MAX_PLMAS = 100  # in one call
MAX_PROPERTIES = 64
MAX_PROPERTY = 200  # characters of a key or a value, as in a delivery
OWN_PREFIX = SEGMENT.partition(".")[0] + "."  # properties that we add ourselves
NOTICE_SECONDS = 30 * 86_400.0

RESPONSES: dict[type[Body], type[Body]] = {
    v4.ES1UpdateEISAdditionalProperties: v4.ES1UpdateEISAdditionalPropertiesResponse,
    v4.ES4ASetPLMA: v4.ES4ASetPLMAResponse,
    v4.ES4AGetPLMA: v4.ES4AGetPLMAResponse,
    v4.ES4GetPLMA: v4.ES4GetPLMAResponse,
    v4.ES4ASetONC: v4.ES4ASetONCResponse,
    v4.ES4AGetONC: v4.ES4AGetONCResponse,
}


class PLMADesk:
    """Takes these functions; each change is one commit with its audit record and who hears of it."""

    def __init__(self, *, mailbox: Mailbox, links: LinkBook, smsr_id: str) -> None:
        self._mailbox = mailbox
        self._links = links
        self._smsr_id = smsr_id

    async def answer(self, header: Header, body: Body) -> Body:
        """The response, refusals too."""
        try:
            return await self._answer(header, body)
        except Refused as refusal:
            return _refused(body, from_refusal(refusal))
        except PeerError as problem:
            return _refused(body, failed(*codes.FORMAT_INVALID, str(problem)))

    async def _answer(self, header: Header, body: Body) -> Body:
        me = header.requester
        match body:
            case v4.ES4ASetPLMA():
                await self._set_plma(header, body)
                return v4.ES4ASetPLMAResponse(status=SUCCESS)
            case v4.ES4AGetPLMA(m2m_sp=m2m_sp, profile_type=profile_type):
                found = await self._mailbox.store.read(
                    lambda c: plma_store.plmas(c, owner=me, m2m_sp=m2m_sp, profile_type=profile_type)
                )
                return v4.ES4AGetPLMAResponse(status=SUCCESS, plmas=found)
            case v4.ES4GetPLMA(profile_type=profile_type):
                found = await self._mailbox.store.read(
                    lambda c: plma_store.plmas(c, m2m_sp=me, profile_type=profile_type)
                )
                return v4.ES4GetPLMAResponse(status=SUCCESS, plmas=found)
            case v4.ES4ASetONC():
                await self._set_onc(header, body)
                return v4.ES4ASetONCResponse(status=SUCCESS)
            case v4.ES4AGetONC(profile_type=profile_type):
                oncs = await self._mailbox.store.read(lambda c: plma_store.oncs(c, me, profile_type))
                return v4.ES4AGetONCResponse(status=SUCCESS, oncs=oncs)
            case v4.ES1UpdateEISAdditionalProperties():
                await self._set_properties(header, body)
                return v4.ES1UpdateEISAdditionalPropertiesResponse(status=SUCCESS)
            case _:
                raise PeerError(f"{type(body).__name__} is not answered here", field="kind")

    async def _set_plma(self, header: Header, body: v4.ES4ASetPLMA) -> None:
        if len(body.plmas) > MAX_PLMAS:
            raise PeerError(f"more than {MAX_PLMAS}", field="Plma")
        for given in body.plmas:
            _own(header, given.owner)
        whole = [msgspec.structs.replace(given, owner=header.requester) for given in body.plmas]

        def unit(tx: Tx) -> None:
            links = self._links.of(tx.connection)
            for number, one in enumerate(whole):
                if not plma_store.put_plma(tx.connection, one):
                    continue
                allowed = ", ".join((*one.operations, *one.notifications)) or "withdrawn"
                tx.audit(
                    actor=header.requester, action="SetPLMA", object=one.m2m_sp, outcome="done",
                    detail=f"{one.profile_type}: {allowed}"[:400],
                )  # fmt: skip
                if one.m2m_sp in links.m2m_sps:
                    told = v4.ES4HandlePLMAChangedNotification(plma=one, completed=tx.now)
                    tx.send(SOAP_GATEWAY, self._notice(header, one.m2m_sp, number, tx.now), told)

        await self._mailbox.transact(unit)

    def _notice(self, header: Header, party: str, number: int, now: float) -> Header:
        identifier = f"{SM_SR}/plma/{header.message_id}/{number}"
        return Header(
            message_id=identifier,
            sender=SM_SR,
            requester=self._smsr_id,
            function_call_id=identifier,
            deadline=now + NOTICE_SECONDS,
            causation_id=header.message_id,
            recipient=party,
        )

    async def _set_onc(self, header: Header, body: v4.ES4ASetONC) -> None:
        _own(header, body.onc.owner)
        one = msgspec.structs.replace(body.onc, owner=header.requester)

        def unit(tx: Tx) -> None:
            plma_store.put_onc(tx.connection, one)
            tx.audit(
                actor=header.requester, action="SetONC", object=one.profile_type, outcome="done",
                detail=", ".join(one.discarded)[:400],
            )  # fmt: skip

        await self._mailbox.transact(unit)

    async def _set_properties(self, header: Header, body: v4.ES1UpdateEISAdditionalProperties) -> None:
        if len(body.properties) > MAX_PROPERTIES:
            raise PeerError(f"more than {MAX_PROPERTIES}", field="AdditionalProperties")
        for one in body.properties:
            if not 0 < len(one.key) <= MAX_PROPERTY or len(one.value) > MAX_PROPERTY:
                raise PeerError("key empty, or key or value too long", field="AdditionalProperties")
            if one.key.startswith(OWN_PREFIX):
                raise PeerError(f"keys that begin with {OWN_PREFIX} are the SM-SR's", field="AdditionalProperties")

        def unit(tx: Tx) -> None:
            card = eis_store.load(tx.connection, body.eid)
            # Another EUM's eUICC is like one that is not there.
            if card is None or card.eum_id != header.requester:
                raise Refused(*codes.EID_UNKNOWN, "no eUICC of this EUM with this EID", identifier=body.eid)
            eis_store.set_properties(tx.connection, body.eid, body.properties)
            tx.audit(
                actor=header.requester, action="UpdateEISAdditionalProperties", eid=body.eid, object=card.eum_id,
                outcome="done", detail=f"{len(body.properties)} properties",
            )  # fmt: skip

        await self._mailbox.transact(unit)


def _own(header: Header, owner: str) -> None:
    if owner not in ("", header.requester):
        raise Refused(*codes.FUNCTION_NOT_ALLOWED, "the profiles are another Operator's", identifier=owner)


def _refused(body: Body, status: object) -> Body:
    made: Body = RESPONSES[type(body)](status=status)
    return made
