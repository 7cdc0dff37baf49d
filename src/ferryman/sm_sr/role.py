"""The SM-SR as a role: takes messages from SM-DP and transports, and hands them to procedures."""

from __future__ import annotations

from functools import partial

import msgspec
import structlog
from sqlalchemy import Connection, select

from ferryman.codec import ids
from ferryman.codec.isdr_answers import parse_notification
from ferryman.codec.ota_packet import COUNTER_BYTES, peek_command
from ferryman.contracts import admin, codes, es4, es5, es7, rest, v4
from ferryman.contracts.eis import AuditRecord
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.peers import PeersKnown
from ferryman.contracts.roles import REST_API, SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import failed
from ferryman.contracts.workflow import Decide, Decided
from ferryman.errors import PeerError
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.crypto_client import CryptoClient
from ferryman.platform.engine import Engine
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.procedure import Received, Signal
from ferryman.platform.scrubber import Scrubber
from ferryman.sm_sr import eis_store, handover_store, link_book, plma, plma_store, policy, port, trail
from ferryman.sm_sr.admin import Admin
from ferryman.sm_sr.functions import FUNCTIONS, KINDS
from ferryman.sm_sr.link_book import LinkBook
from ferryman.sm_sr.operator_calls import OperatorCalls
from ferryman.sm_sr.plma_desk import PLMADesk
from ferryman.sm_sr.procedures import handover, prepare_change, smsr_change
from ferryman.sm_sr.procedures.channel_notification import CHANGES as CHANGING
from ferryman.sm_sr.procedures.channel_proof import KIND_COMMAND
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import channel_id
from ferryman.sm_sr.queue import store as queue_store
from ferryman.sm_sr.queue.campaigns import Campaigns
from ferryman.sm_sr.queue.desk import QueueDesk
from ferryman.sm_sr.queue.fitting import Kind
from ferryman.sm_sr.queue.rows import RowMaker
from ferryman.sm_sr.queue.runner import QueueRunner
from ferryman.sm_sr.records import EUICC, ISDP, Facts, Links
from ferryman.sm_sr.registration import Registrar
from ferryman.sm_sr.scripts.desk import ScriptDesk
from ferryman.sm_sr.scripts.runner import ChildDecider, Decider
from ferryman.sm_sr.settings import HTTPS_PULL, SRSettings
from ferryman.sm_sr.type_store import TypeBook
from ferryman.sm_sr.writer import EISWriter

log = structlog.get_logger("ferryman.sm_sr")

CHANGES = (prepare_change.State, smsr_change.State, handover.State)
SELF = tuple(dict.fromkeys(function.response for function in FUNCTIONS.values()))  # to entries of queues
INCOMING: Codec[Body] = Codec(
    *port.REQUESTS,
    es7.ES7AuthenticateSMSR,
    es7.ES7CreateAdditionalKeySet,
    *es7.RESPONSES,
    *es5.FROM_SMS,
    *es5.FROM_HTTPS,
    *SELF,
    PeersKnown,
)
CALLS: Codec[Body] = Codec(*port.REQUESTS, *admin.SM_SR_REQUESTS)


class SMSR:
    """One SM-SR."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        calls: Calls,
        settings: SRSettings,
        clock: Clock,
        entropy: Entropy,
        smdps: frozenset[str],
        decider: Decider | None = None,
        record_steps: bool = False,
    ) -> None:
        self.mailbox = mailbox
        self._smdps = smdps
        self.settings = settings
        self._clock = clock
        self.types = TypeBook(settings)
        self.links = LinkBook(settings, smdps)
        self.scrubber = Scrubber(mailbox)
        self.writer = EISWriter(settings=settings, smdps=smdps, links=self.links, deleted=self.scrubber.wake)
        self._lease = mailbox.tables.lease
        self._procedure = mailbox.tables.procedure
        self._crypto = crypto = CryptoClient(calls, mailbox.role)
        self._decider: Decider = decider or ChildDecider()
        self.scripts = ScriptDesk(mailbox, self._decider, settings.installed)
        self.engine = Engine(
            mailbox=mailbox,
            clock=clock,
            entropy=entropy,
            kinds=KINDS,
            ask=self._ask,
            load_facts=self._facts,
            apply_change=eis_store.apply,
            apply_all=self.writer.apply_all,
            answers=port.ANSWERS,
            record_steps=record_steps,
        )
        registrar = Registrar(mailbox=mailbox, crypto=crypto, clock=clock, settings=settings)
        self.port = port.FunctionPort(
            mailbox=mailbox,
            engine=self.engine,
            registrar=registrar,
            clock=clock,
            settings=settings,
            smdps=smdps,
            types=self.types,
            plmas=PLMADesk(mailbox=mailbox, links=self.links, smsr_id=settings.smsr_id),
        )
        self.queue = QueueRunner(
            mailbox=mailbox,
            engine=self.engine,
            clock=clock,
            sweep=settings.queue_sweep,
            window=settings.queue_window,
            is_pulled=self._is_pulled,
            is_pulled_kind=self._is_pulled_kind,
        )
        rows = RowMaker(entropy, settings.raw_script_requesters)
        self.campaigns = Campaigns(
            mailbox=mailbox,
            runner=self.queue,
            rows=rows,
            raw_requesters=settings.raw_script_requesters,
        )
        desk = QueueDesk(mailbox=mailbox, runner=self.queue, rows=rows, campaigns=self.campaigns)
        self.admin = Admin(
            mailbox=mailbox,
            registrar=registrar,
            port=self.port,
            types=self.types,
            settings=settings,
            links=self.links,
            scripts=self.scripts,
            operator=OperatorCalls(engine=self.engine, port=self.port, clock=clock, settings=settings),
            queue=desk,
        )

    async def start(self) -> None:
        """Resume what an earlier run left."""
        await self.mailbox.start()
        await self.scripts.start()
        await self.engine.start()
        await self.scrubber.start()
        await self.queue.start()
        await self.campaigns.start()

    async def stop(self) -> None:
        """Stop; nothing that was accepted is lost."""
        await self.campaigns.stop()
        await self.queue.stop()
        await self.scrubber.stop()
        await self.engine.stop()
        await self.scripts.stop()
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """One message from the bus; returns after its commit."""
        header, body = decode(raw, INCOMING)
        match body:
            case es5.SMSReceived():
                await self._sms(header, body)
            case es5.SMSAccepted() | es5.SMSRejected() | es5.SMSReceipt():
                await self._channel(header.eid, header, body)
            case es5.HTTPSPosted():
                await self.queue.session_opened(body.eid, body.session_id)
                await self._channel(body.eid, header, body)
            case es5.HTTPSClosed():
                self.queue.session_closed(body.eid, body.session_id)
                await self._channel(body.eid, header, body)
            case PeersKnown() if header.sender == SOAP_GATEWAY:
                await self.mailbox.transact(partial(link_book.learn, header=header, known=body))
            case _ if header.sender == SM_SR:  # the answer to an entry of a queue
                await self.queue.answered(header, body)
            case es7.ES7AuthenticateSMSR() | es7.ES7CreateAdditionalKeySet():
                await self._asked_for_card(header, body)
            case _ if type(body) in es7.RESPONSES:
                procedure_id, _, _ = header.function_call_id.rpartition("#")
                await self.engine.deliver(header.eid, procedure_id, Received(header, body), header=header)
            case _:
                await self.port.receive(header, body)

    async def serve(self, caller: str, raw: bytes) -> bytes:
        """One call of the operator's tools or a gateway; a refusal is an answer."""
        header, body = decode(raw, CALLS)
        if type(body) in port.REQUESTS and caller != REST_API:
            header = msgspec.structs.replace(header, sender=caller)
            return encode(header, await self.port.ask(header, body))
        if caller == REST_API and not isinstance(body, rest.ASKED_OF_SM_SR):
            refused = failed(*codes.FUNCTION_NOT_ALLOWED, "not a function for the REST API")
            return encode(header, admin.AdminRefused(status=refused))
        return await self.admin.serve(header, body)

    async def _asked_for_card(
        self, header: Header, body: es7.ES7AuthenticateSMSR | es7.ES7CreateAdditionalKeySet
    ) -> None:
        """Another SM-SR goes on with a change: a matter of the procedure that has locked the card for it."""
        holder = await self.engine.holder(body.eid)
        if holder is None or holder[1] != smsr_change.KIND:
            refusal = failed(*codes.EID_UNKNOWN, "no change of SM-SR is under way for this eUICC", body.eid)
            await self.port.answer(header, smsr_change.refusal_of(body, refusal))
            return
        await self.engine.deliver(body.eid, holder[0], Received(header, body), header=header)

    # -- transports ---------------------------------------------------------------------------------------

    async def _channel(self, eid: str, header: Header, body: Body) -> None:
        creation = Signal(channel_id(eid), None, kind="channel", initial=Channel())
        await self.engine.deliver(eid, channel_id(eid), Received(header, body), header=header, create=creation)

    async def _sms(self, header: Header, body: es5.SMSReceived) -> None:
        """A packet from a card; whose it is, is claimed by the packet or its sender and proved by its check."""
        for eid in await self._claimed(body):
            await self._channel(eid, _own(header, eid), body)

    async def _claimed(self, body: es5.SMSReceived) -> list[str]:
        if body.kind == KIND_COMMAND:
            try:
                eid = parse_notification(clear_payload(body.packet)).eid
            except PeerError as problem:
                log.warning("notification refused", originator=mask(body.originator), reason=str(problem))
                return []
            # A made-up EID must not leave a trace in the database.
            known = await self.mailbox.store.read(lambda c: eis_store.exists(c, eid))
            return [eid] if known else []
        eids = await self.mailbox.store.read(lambda c: eis_store.eids_of_msisdn(c, body.originator))
        if not eids:
            log.warning("answer of an unknown subscriber", originator=mask(body.originator))
        return eids

    # -- what procedures may see and change ---------------------------------------------------------------

    def _facts(self, connection: Connection, eid: str, state: object) -> Facts:
        lease, procedure = self._lease, self._procedure
        row = connection.execute(
            select(procedure.c.id, procedure.c.kind)
            .join(lease, lease.c.procedure_id == procedure.c.id)
            .where(lease.c.eid == eid)
        ).first()
        card = eis_store.load(connection, eid)
        elsewhere = self._elsewhere(
            connection, card, getattr(state, "request", None), getattr(state, "requester", "")
        )
        waiting = isinstance(state, Channel) and queue_store.lively(connection, eid, self._clock.now())
        return Facts(
            settings=self.settings,
            euicc=card,
            holder=row.id if row is not None else "",
            holder_kind=row.kind if row is not None else "",
            elsewhere=elsewhere,
            prepared=handover_store.prepared(connection, eid) if isinstance(state, handover.State) else None,
            trail=_trail(connection, eid) if isinstance(state, smsr_change.State) and not state.phase else (),
            own_smdps=self._smdps,
            granted=_granted(connection, card, state),
            links=self.links.of(connection) if isinstance(state, CHANGES) else Links(),
            scripted=self._decider.active,
            waiting=waiting,
            begun=waiting and row is not None and row.kind in CHANGING and queue_store.begun(connection, eid),
            type=None if card is None else self.types.of(connection, card),
        )

    def _is_pulled(self, connection: Connection, eid: str) -> bool:
        """Whether this eUICC comes by itself and is not called."""
        card = eis_store.load(connection, eid)
        return card is not None and self.types.of(connection, card).transport == HTTPS_PULL

    def _is_pulled_kind(self, connection: Connection, kind: Kind) -> bool:
        holds = self.types.of_kind(connection, kind.type, kind.differs, https_possible=kind.https_possible)
        return holds.transport == HTTPS_PULL

    async def _ask(self, header: Header, body: Body) -> Body:
        """Questions of procedures: the CryptoServer's, and those to the deployment's script."""
        if isinstance(body, Decide):
            return Decided(plan=await self._decider.decide(body.question))
        return await self._crypto.ask(header, body)

    @staticmethod
    def _elsewhere(connection: Connection, card: EUICC | None, request: object, requester: str) -> ISDP | None:
        """The profile asked for, when it is on another card."""
        aid, iccid = getattr(request, "sd_aid", b""), getattr(request, "iccid", "")
        if card is None:
            return None
        if aid and aid != ids.ISDR_AID and card.by_aid(aid) is None:
            return eis_store.profile_of_aid(connection, aid, requester)
        if not iccid or card.by_iccid(iccid) is not None:
            return None
        return eis_store.profile_of_iccid(connection, iccid)


_OPERATIONS: dict[type[Body], str] = {
    es4.ES4AuditEIS: v4.AUDIT_EIS,
    es4.ES4EnableProfile: v4.ENABLE,
    es4.ES4DisableProfile: v4.DISABLE,
    es4.ES4DeleteProfile: v4.DELETE,
    v4.ES4SetFallBackAttribute: v4.SET_FALLBACK,
    v4.ES3SetFallBackAttribute: v4.SET_FALLBACK,
}


def _granted(connection: Connection, card: EUICC | None, state: object) -> frozenset[str]:
    """Profiles that authorisations of their owners open to the requester of this call."""
    request = getattr(state, "request", None)
    operation = _OPERATIONS.get(type(request)) if isinstance(request, Body) else None
    requester: str = getattr(state, "requester", "")
    if operation is None or card is None or not requester:
        return frozenset()
    if isinstance(request, v4.ES3SetFallBackAttribute):
        target = card.by_iccid(request.iccid)
        # The Operator stands behind his SM-DP; nobody but the two may speak of this profile there.
        if target is None or not policy.has_right(target, requester):
            return frozenset()
        requester = target.owner
    if all(policy.has_right(p, requester) for p in card.profiles):
        return frozenset()
    return plma.granted(plma_store.plmas(connection, m2m_sp=requester), card, requester, operation)


def _trail(connection: Connection, eid: str) -> tuple[AuditRecord, ...]:
    return tuple(record for _, record in trail.of_card(connection, eid))


def clear_payload(packet: bytes) -> bytes:
    """Payload of a notification packet before its check is verified; PeerError when it is ciphered.

    It only tells whose keys to check it with (SGP.02 4.1.1.11: checksum, no ciphering).
    """
    header = peek_command(packet)
    if header.spi.ciphered:
        raise PeerError("a ciphered packet does not tell whose it is", field="SPI", clause="SGP.02 4.1.1.11")
    return header.body[COUNTER_BYTES + 1 + header.check_bytes :]


def mask(msisdn: str) -> str:
    """A subscriber number as it may stand in a log."""
    return msisdn[:4] + "*" * max(0, len(msisdn) - 4)


def _own(header: Header, eid: str) -> Header:
    """The same message, for one of the cards it may come from."""
    return Header(
        message_id=f"{header.message_id}/{eid}",
        sender=header.sender,
        requester=header.requester,
        function_call_id=header.function_call_id,
        deadline=header.deadline,
        eid=eid,
        causation_id=header.message_id,
    )
