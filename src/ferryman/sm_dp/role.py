"""The SM-DP as a role: orders become download procedures; answers of the SM-SR go to them."""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import Connection, Row

from ferryman.codec.ids import EID, ICCID
from ferryman.contracts import admin, codes, es2, es2_calls, es3, rest
from ferryman.contracts import orders as order_calls
from ferryman.contracts.es2_calls import ES2AuditEISResponse
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import REST_API
from ferryman.contracts.status import failed, from_refusal
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.crypto_client import CryptoClient
from ferryman.platform.engine import Engine, Start
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.procedure import ProcedureKind, Received, Signalled
from ferryman.profile.importing import import_template
from ferryman.profile.places import algorithm_named
from ferryman.profile.template import CompiledTemplate
from ferryman.sm_dp.factory import orders, stock, templates
from ferryman.sm_dp.factory.desk import StockDesk
from ferryman.sm_dp.operator_port import RELAY, OperatorPort
from ferryman.sm_dp.procedures import download, install, relay
from ferryman.sm_dp.procedures.state import State
from ferryman.sm_dp.records import Change, DPSettings, Facts

INCOMING: Codec[Body] = Codec(*es2.REQUESTS, *es3.RESPONSES, *es3.NOTIFICATIONS)
ANSWERS: Codec[Body] = Codec(*es2.RESPONSES, ES2AuditEISResponse)
DOWNLOAD = "download"
OLD_TEMPLATE_FACTOR = 4  # bytes on the card for one of a package whose files were never counted
POL2_RULES = frozenset((("DISABLE", "Not-Allowed"), ("DELETE", "Not-Allowed"), ("DISABLE", "Auto-Delete")))
MAX_PAGE = 10_000  # subscriptions in one answer
MAX_VALIDITY = 30 * 86_400.0  # s; an order that waits longer for a card should be placed anew


class SMDP:
    """One SM-DP."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        calls: Calls,
        settings: DPSettings,
        clock: Clock,
        entropy: Entropy,
        record_steps: bool = False,
    ) -> None:
        self.mailbox = mailbox
        self.settings = settings
        self._clock = clock
        crypto = CryptoClient(calls, mailbox.role)
        self.engine = Engine(
            mailbox=mailbox,
            clock=clock,
            entropy=entropy,
            kinds=(ProcedureKind(DOWNLOAD, State, download.step), ProcedureKind(RELAY, relay.State, relay.step)),
            ask=crypto.ask,
            load_facts=self._facts,
            apply_change=self._apply,
            answers=ANSWERS,
            record_steps=record_steps,
        )
        self.desk = StockDesk(mailbox)
        self.port = OperatorPort(mailbox=mailbox, engine=self.engine, settings=settings, clock=clock)

    async def start(self) -> None:
        """Resume what an earlier run left."""
        await self.mailbox.start()
        await self.engine.start()

    async def stop(self) -> None:
        """Stop; nothing that was accepted is lost."""
        await self.engine.stop()
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """A call of an Operator, an answer or a notification of the SM-SR; returns after its commit."""
        header, body = decode(raw, INCOMING)
        if isinstance(body, es2.ES2DownloadProfile):
            await self._download(header, body)
        elif type(body) in es2.REQUESTS:
            await self.port.call(header, body)
        elif type(body) in es3.NOTIFICATIONS:
            await self.port.told(header, body)
        else:
            name, _, _ = header.function_call_id.rpartition("-")
            relayed = name.removeprefix(relay.CALL_PREFIX)
            procedure_id = f"{DOWNLOAD}/{name}" if relayed == name else f"{RELAY}/{relayed}"
            await self.engine.deliver(header.eid, procedure_id, Received(header, body), header=header)

    async def _download(self, header: Header, body: es2.ES2DownloadProfile) -> None:
        """ES2.DownloadProfile (5.3.2) from outside: an order that is answered at its end; a refusal at once."""
        wanted = admin.CreateOrder(
            owner=header.requester,
            eid=body.eid,
            iccid=body.iccid,
            profile_type="" if body.iccid else body.profile_type,
            enable=body.enable,
            validity=min(max(header.deadline - self._clock.now(), 1.0), MAX_VALIDITY),
        )
        try:
            foreign = self.port.foreign(body.smsr_id)
            _check_order(wanted)
            await self._start_download(header, wanted, body, foreign_smsr=foreign, reply=True)
        except (Refused, InputError) as problem:
            status = (
                from_refusal(problem)
                if isinstance(problem, Refused)
                else failed(*codes.FORMAT_INVALID, str(problem))
            )
            await self.port.refuse(header, es2.ES2DownloadProfileResponse(status=status))

    async def serve(self, caller: str, raw: bytes) -> bytes:
        """One call of the operator's tools; a refusal is an answer."""
        header, body = decode(raw, admin.SM_DP_CODEC)
        try:
            if caller == REST_API and not isinstance(body, rest.ASKED_OF_SM_DP):
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function for the REST API")
            answer = await self._answer(header, body)
        except Refused as refusal:
            answer = admin.AdminRefused(status=from_refusal(refusal))
        except (PeerError, InputError) as problem:
            answer = admin.AdminRefused(status=failed(*codes.FORMAT_INVALID, str(problem)))
        return encode(header, answer)

    async def _answer(self, header: Header, body: Body) -> Body:
        match body:
            case admin.ImportTemplate():
                return await self._import_template(header, body)
            case order_calls.CancelOrder():
                return await self._cancel(body)
            case order_calls.RetryOrder():
                return await self._retry(header, body)
            case es2_calls.StartES2():
                return await self.port.start(header, body)
            case es2_calls.ShowES2():
                return await self.port.show(body.owner, body.call_id)
            case admin.CreateOrder():
                return await self._order(header, body)
            case admin.ShowOrder():
                return await self._show(body.owner, body.order_id)
            case admin.ListOrders():
                listed = await self.mailbox.store.read(lambda c: orders.list_orders(c, body))
                return admin.OrderPage(orders=listed)
            case _:
                return await self.desk.answer(header, body)

    # -- templates and subscriptions ----------------------------------------------------------------------

    async def _import_template(self, header: Header, body: admin.ImportTemplate) -> admin.TemplateImported:
        if not 1 <= len(body.name) <= 100:
            raise InputError("name", "must have 1 to 100 characters")
        imported = import_template(body.der, algorithm_named(body.algorithm))
        compiled = imported.template
        fingerprint = templates.fingerprint_of(body.der, body.algorithm)

        def unit(tx: Tx) -> bool:
            new = templates.put_template(
                tx, body.owner, body.name, fingerprint, compiled.to_bytes(), len(body.der)
            )
            tx.audit(actor=header.requester, action="ImportTemplate", object=body.name, outcome="done")
            return new

        new = await self.mailbox.transact(unit, long=True)
        slots = tuple(slot.name for slot in compiled.slots)
        warnings = (*compiled.notes, *(str(finding) for finding in imported.warnings))
        return admin.TemplateImported(name=body.name, size=len(body.der), slots=slots, new=new, warnings=warnings)

    # -- orders -------------------------------------------------------------------------------------------

    async def _order(self, header: Header, body: admin.CreateOrder) -> Body:
        _check_order(body)
        await self._start_download(header, body, body)
        return await self._show(body.owner, _order_id(header))

    async def _start_download(
        self,
        header: Header,
        body: admin.CreateOrder,
        request: Body,
        *,
        foreign_smsr: str = "",
        reply: bool = False,
    ) -> None:
        order_id = _order_id(header)
        now = self._clock.now()

        def first_state(tx: Tx) -> State:
            """Reservation and order in the transaction that records the call."""
            row = stock.reserve(
                tx, body.owner, iccid=body.iccid, profile_type=body.profile_type, order_id=order_id
            )
            orders.put_order(tx, body, order_id, row.iccid, row.profile_type)
            state = self._state(body, order_id, row, now, body.validity)
            return msgspec.structs.replace(state, foreign_smsr=foreign_smsr, reply=reply)

        header = _with_deadline(header, body, now + body.validity)
        start = Start(
            kind=DOWNLOAD,
            procedure_id=f"{DOWNLOAD}/{order_id}",
            state=first_state,
            exclusive=True,
            caller=header,
            request=request,
        )
        await self.engine.call(header, start)

    def _state(
        self, body: admin.CreateOrder, order_id: str, row: Row[tuple[object, ...]], now: float, validity: float
    ) -> State:
        return State(
            order_id=order_id,
            smdp_id=self.settings.smdp_id,
            owner=body.owner,
            eid=body.eid,
            iccid=row.iccid,
            imsi=row.imsi,
            msisdn=row.msisdn,
            profile_type=row.profile_type,
            enable=body.enable,
            deadline=now + validity,
            validity=validity,
            pol2=body.pol2,
            address_imsi=body.imsi,
            address_msisdn=body.msisdn,
            pol1=body.pol1,
            connectivity=body.connectivity,
            keys=body.keys,
            keys_under=body.keys_under,
        )

    async def _cancel(self, body: order_calls.CancelOrder) -> Body:
        view = await self._show(body.owner, body.order_id)
        if view.state != orders.RUNNING:
            raise Refused(*codes.ICCID_NOT_ALLOWED, "the order has ended", identifier=body.order_id)
        procedure_id = f"{DOWNLOAD}/{_call_name(body.order_id, view.attempt) or body.order_id}"
        await self.engine.deliver(view.eid, procedure_id, Signalled(body.owner, "cancel"))
        return await self._show(body.owner, body.order_id)

    async def _retry(self, header: Header, body: order_calls.RetryOrder) -> Body:
        """The same order once more, its subscription reserved in the transaction that records the call."""
        view = await self._show(body.owner, body.order_id)
        _check_validity(body.validity)
        now = self._clock.now()

        def first_state(tx: Tx) -> State:
            asked, attempt, row = orders.reopen(tx, body.owner, body.order_id)
            state = self._state(asked, body.order_id, row, now, body.validity)
            return msgspec.structs.replace(state, call_name=_call_name(body.order_id, attempt))

        call = msgspec.structs.replace(header, eid=view.eid, deadline=now + body.validity)
        start = Start(
            kind=DOWNLOAD,
            procedure_id=f"{DOWNLOAD}/{_call_name(body.order_id, view.attempt + 1)}",
            state=first_state,
            exclusive=True,
            caller=call,
            request=body,
        )
        await self.engine.call(call, start)
        return await self._show(body.owner, body.order_id)

    async def _show(self, owner: str, order_id: str) -> admin.OrderView:
        view = await self.mailbox.store.read(lambda c: orders.get_order(c, owner, order_id))
        if view is None:
            raise Refused(*codes.ICCID_UNKNOWN, f"no order {order_id}", identifier=order_id)
        return view

    # -- what procedures may see and change ---------------------------------------------------------------

    def _facts(self, connection: Connection, eid: str, state: object) -> Facts:
        if not isinstance(state, State):
            return Facts(self.settings)
        row = templates.get_template(connection, state.owner, state.profile_type)
        loading = state.phase in (install.LOADING, install.OPENING)
        return Facts(
            settings=self.settings,
            template=bytes(row.compiled) if row is not None and state.phase == install.OPENING else b"",
            template_memory=_memory(row) if row is not None else 0,
            package=orders.get_package(connection, state.order_id) if loading else None,
            installed=orders.installed_on(connection, eid) if state.phase == download.GET_EIS else frozenset(),
        )

    def _apply(self, tx: Tx, eid: str, change: Change) -> None:
        orders.apply(tx, eid, change)


def _check_order(body: admin.CreateOrder) -> None:
    eid = EID.parse(body.eid)
    if not eid.check_digits_ok:
        raise InputError("eid", "the check digits are wrong")
    if bool(body.iccid) == bool(body.profile_type):
        raise InputError("order", "give either an ICCID or a profile type")
    if body.iccid:
        ICCID.parse(body.iccid)
    _check_validity(body.validity)
    if body.keys not in (order_calls.KEEP, order_calls.DESTROY, order_calls.HAND_OVER):
        raise InputError("keys", "must be keep, destroy or hand-over")
    if (body.keys == order_calls.HAND_OVER) != bool(body.keys_under):
        raise InputError("keys_under", "names the transport key, for hand-over only")
    if body.pol1 is not None and len(body.pol1) > 1:
        raise InputError("pol1", "must be one byte, or none")
    for rule in body.pol2:
        if (rule.action, rule.qualification) not in POL2_RULES:
            raise InputError("pol2", "DISABLE and DELETE may be Not-Allowed, DISABLE may be Auto-Delete")


def _check_validity(validity: float) -> None:
    if not 1.0 <= validity <= MAX_VALIDITY:
        raise InputError("validity", f"must be between 1 and {MAX_VALIDITY:.0f} seconds")


def _call_name(order_id: str, attempt: int) -> str:
    """What the ES3 calls and the procedure of an attempt are named by; the first is the order itself."""
    return "" if attempt == 1 else f"{order_id}.{attempt}"


def _order_id(header: Header) -> str:
    """The order's name follows from its call, so that a repeat finds the same order."""
    name = f"{header.requester}\0{header.function_call_id}".encode()
    return hashlib.sha256(name).hexdigest()[:12]


def _with_deadline(header: Header, body: admin.CreateOrder, deadline: float) -> Header:
    return Header(
        message_id=header.message_id,
        sender=header.sender,
        requester=header.requester,
        function_call_id=header.function_call_id,
        deadline=deadline,
        eid=body.eid,
    )


def _memory(row: Row[tuple[object, ...]]) -> int:
    """Bytes on the card that a stored template needs; guessed for one compiled before they were counted."""
    known = CompiledTemplate.from_bytes(bytes(row.compiled)).memory
    return known or OLD_TEMPLATE_FACTOR * int(row.size)
