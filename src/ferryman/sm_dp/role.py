"""The SM-DP as a role: orders become download procedures; answers of the SM-SR go to them."""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import Connection

from ferryman.codec.ids import EID, ICCID
from ferryman.contracts import admin, codes, es2, es3, imports
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.status import failed, from_refusal
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.crypto_client import CryptoClient
from ferryman.platform.engine import Engine, Start
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.procedure import ProcedureKind, Received
from ferryman.profile.automatic import PUBLIC_FIELDS
from ferryman.profile.importing import import_template
from ferryman.profile.places import algorithm_named
from ferryman.profile.template import CompiledTemplate
from ferryman.sm_dp import es2_port
from ferryman.sm_dp.factory import orders, stock, templates
from ferryman.sm_dp.procedures import download, install, relay
from ferryman.sm_dp.procedures.relay import RelayState
from ferryman.sm_dp.procedures.state import State
from ferryman.sm_dp.records import Change, DPSettings, Facts

INCOMING: Codec[Body] = Codec(*es3.RESPONSES, *es3.NOTIFICATIONS, *es2.REQUESTS)
ANSWERS: Codec[Body] = Codec(*es2.RESPONSES)
DOWNLOAD = "download"
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
            kinds=(
                ProcedureKind(DOWNLOAD, State, download.step),
                ProcedureKind(relay.KIND, RelayState, relay.step),
            ),
            ask=crypto.ask,
            load_facts=self._facts,
            apply_change=self._apply,
            answers=ANSWERS,
            record_steps=record_steps,
        )

    async def start(self) -> None:
        """Resume what an earlier run left."""
        await self.mailbox.start()
        await self.engine.start()

    async def stop(self) -> None:
        """Stop; nothing that was accepted is lost."""
        await self.engine.stop()
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """An answer or notification of an SM-SR, or a call of an Operator; returns after its commit."""
        header, body = decode(raw, INCOMING)
        if type(body) in es2_port.RESPONSES:
            await self._called(header, body)
            return
        if type(body) in es3.NOTIFICATIONS:
            await self._told(header, body)
            return
        if header.function_call_id.startswith(f"{relay.KIND}/"):
            procedure_id = header.function_call_id
            await self.engine.deliver(header.eid, procedure_id, Received(header, body), header=header)
            return
        order_id, _, _ = header.function_call_id.rpartition("-")
        await self.engine.deliver(header.eid, f"{DOWNLOAD}/{order_id}", Received(header, body), header=header)

    async def _called(self, header: Header, body: Body) -> None:
        """ES2: entered as an order or a procedure that passes it on; its answer goes back as a message."""
        try:
            if isinstance(body, es2.ES2DownloadProfile):
                smsr = es2_port.foreign(self.settings, body.smsr_id)
                order = es2_port.order_of(header, body, self._clock.now())
                await self._order(header, order, foreign_smsr=smsr, reply=True)
            else:
                await self.engine.call(header, es2_port.relay_of(header, body, self.settings))
        except (Refused, PeerError, InputError) as problem:
            answer = es2_port.refusal(body, problem)
            back = msgspec.structs.replace(
                header,
                message_id=f"{self.mailbox.role}/answer/{header.message_id}",
                sender=self.mailbox.role,
                causation_id=header.message_id,
            )

            def unit(tx: Tx) -> None:
                if tx.first_time(header.message_id):
                    tx.send(header.sender, back, answer)

            await self.mailbox.transact(unit)

    async def _told(self, header: Header, body: Body) -> None:
        """A profile changed its state (5.4.12 to 5.4.15): recorded once."""

        def unit(tx: Tx) -> None:
            if tx.first_time(header.message_id):
                action = type(body).__name__.removeprefix("ES3")
                iccid, owner = getattr(body, "iccid", ""), getattr(body, "owner", "")
                tx.audit(
                    actor=header.requester,
                    action=action,
                    eid=header.eid,
                    object=iccid,
                    outcome="received",
                    detail=f"for {owner}",
                )

        await self.mailbox.transact(unit)

    async def serve(self, caller: str, raw: bytes) -> bytes:
        """One call of the operator's tools; a refusal is an answer."""
        header, body = decode(raw, admin.SM_DP_CODEC)
        try:
            answer = await self._answer(header, body)
        except Refused as refusal:
            answer = admin.AdminRefused(status=from_refusal(refusal))
        except (PeerError, InputError) as problem:
            answer = admin.AdminRefused(status=failed(*codes.FORMAT_INVALID, str(problem)))
        del caller
        return encode(header, answer)

    async def _answer(self, header: Header, body: Body) -> Body:
        match body:
            case admin.ImportTemplate():
                return await self._import_template(header, body)
            case imports.OpenRegistration():
                return await self._open_registration(body)
            case imports.RegisterChunk():
                return await self._register(body)
            case imports.CloseRegistration():
                return await self._close_registration(header, body)
            case imports.ListSubscriptions():
                limit = min(max(body.limit, 1), MAX_PAGE)
                return await self.mailbox.store.read(
                    lambda c: stock.page(c, body.owner, body.import_id, body.after, limit)
                )
            case imports.ListImports():
                found = await self.mailbox.store.read(lambda c: stock.list_imports(c, body.owner))
                return imports.ImportPage(imports=found)
            case admin.CreateOrder():
                return await self._order(header, body)
            case admin.ShowOrder():
                return await self._show(body.owner, body.order_id)
            case admin.ListOrders():
                listed = await self.mailbox.store.read(lambda c: orders.list_orders(c, body.owner))
                return admin.OrderPage(orders=listed)
            case _:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function of the SM-DP")

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

    async def _open_registration(self, body: imports.OpenRegistration) -> imports.RegistrationOpened:
        def unit(tx: Tx) -> imports.RegistrationOpened:
            row = templates.require_template(tx.connection, body.owner, body.profile_type)
            batch = stock.open_batch(tx, body.owner, body.profile_type, body.import_id)
            fields = [
                field
                for field in CompiledTemplate.from_bytes(bytes(row.compiled)).fields
                if field.name not in PUBLIC_FIELDS
            ]
            return imports.RegistrationOpened(
                state=batch.state,
                chunks=batch.chunks,
                needs=tuple(field.name for field in fields if field.default is None),
                wants=tuple(field.name for field in fields if field.default is not None),
                new=batch.rows,
                known=batch.known,
            )

        return await self.mailbox.transact(unit)

    async def _register(self, body: imports.RegisterChunk) -> imports.ChunkRegistered:
        if len(body.rows) != len(body.lines):
            raise InputError("lines", "must be as many as rows")
        return await self.mailbox.transact(
            lambda tx: stock.register(
                tx, body.owner, body.import_id, body.number, body.rows, body.lines, lenient=body.lenient
            ),
            long=True,
        )

    async def _close_registration(
        self, header: Header, body: imports.CloseRegistration
    ) -> imports.RegistrationClosed:
        def unit(tx: Tx) -> imports.RegistrationClosed:
            closed = stock.close_batch(tx, body.owner, body.import_id, keep=body.keep)
            if not closed.left:
                outcome = f"{closed.new} new, {closed.known} known" if body.keep else "dropped"
                tx.audit(
                    actor=header.requester,
                    action="RegisterSubscriptions",
                    object=body.import_id,
                    outcome=outcome,
                )
            return closed

        return await self.mailbox.transact(unit, long=True)

    # -- orders -------------------------------------------------------------------------------------------

    async def _order(
        self, header: Header, body: admin.CreateOrder, *, foreign_smsr: str = "", reply: bool = False
    ) -> Body:
        _check_order(body)
        order_id = _order_id(header)
        now = self._clock.now()

        def first_state(tx: Tx) -> State:
            """Reservation and order in the transaction that records the call."""
            row = stock.reserve(
                tx, body.owner, iccid=body.iccid, profile_type=body.profile_type, order_id=order_id
            )
            orders.put_order(tx, body, order_id, row.iccid, row.profile_type)
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
                deadline=now + body.validity,
                validity=body.validity,
                foreign_smsr=foreign_smsr,
                reply=reply,
            )

        header = _with_deadline(header, body, now + body.validity)
        start = Start(
            kind=DOWNLOAD,
            procedure_id=f"{DOWNLOAD}/{order_id}",
            state=first_state,
            exclusive=True,
            caller=header,
            request=body,
        )
        await self.engine.call(header, start)
        return await self._show(body.owner, order_id)

    async def _show(self, owner: str, order_id: str) -> admin.OrderView:
        view = await self.mailbox.store.read(lambda c: orders.get_order(c, owner, order_id))
        if view is None:
            raise Refused(*codes.ICCID_UNKNOWN, f"no order {order_id}", identifier=order_id)
        return view

    # -- what procedures may see and change ---------------------------------------------------------------

    def _facts(self, connection: Connection, eid: str, state: object) -> Facts:
        if isinstance(state, RelayState):
            iccid = getattr(state.request, "iccid", "")
            return Facts(self.settings, owned=orders.is_owned(connection, state.owner, eid, iccid))
        if not isinstance(state, State):
            return Facts(self.settings)
        row = templates.get_template(connection, state.owner, state.profile_type)
        loading = state.phase in (install.LOADING, install.OPENING)
        return Facts(
            settings=self.settings,
            template=bytes(row.compiled) if row is not None and state.phase == install.OPENING else b"",
            template_size=row.size if row is not None else 0,
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
    if not 1.0 <= body.validity <= MAX_VALIDITY:
        raise InputError("validity", f"must be between 1 and {MAX_VALIDITY:.0f} seconds")


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
