"""The SM-DP as a role: orders become download procedures; answers of the SM-SR go to them."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Row

from ferryman.contracts import admin, codes, es2, es2_calls, es3, rest, v4
from ferryman.contracts.holds import HoldVerdict, SetHook
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import REST_API, SM_DP
from ferryman.contracts.status import failed, from_refusal
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.crypto_client import CryptoClient
from ferryman.platform.destination import networks
from ferryman.platform.engine import Engine
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.procedure import ProcedureKind, Received, Signalled
from ferryman.platform.scrubber import Scrubber
from ferryman.profile.importing import import_template
from ferryman.profile.places import algorithm_named
from ferryman.profile.template import CompiledTemplate
from ferryman.sm_dp.batch_runner import BatchRunner
from ferryman.sm_dp.factory import hooks, orders, templates
from ferryman.sm_dp.factory.announcing import announce
from ferryman.sm_dp.factory.batch_desk import BatchDesk
from ferryman.sm_dp.factory.desk import StockDesk
from ferryman.sm_dp.factory.purge import purge
from ferryman.sm_dp.hooks.caller import HookCaller
from ferryman.sm_dp.hooks.desk import HookDesk
from ferryman.sm_dp.hooks.post import HookPost
from ferryman.sm_dp.operator_port import RELAY, OperatorPort
from ferryman.sm_dp.order_desk import DOWNLOAD, OrderDesk, check_order
from ferryman.sm_dp.procedures import download, install, relay
from ferryman.sm_dp.procedures.state import State
from ferryman.sm_dp.records import Change, DPSettings, Facts, FinishOrder, HoldBegun, HoldEnded, Progress
from ferryman.sm_dp.token_desk import TokenDesk

INCOMING: Codec[Body] = Codec(
    *es2.REQUESTS, *es3.RESPONSES, *es3.NOTIFICATIONS, *v4.TO_SM_DP, *v4.ES3_RESPONSES, *v4.ES3_NOTIFICATIONS
)
ANSWERS: Codec[Body] = Codec(*es2.RESPONSES, *v4.FROM_SM_DP, es2_calls.UpdateConnectivityParametersResponse)
OLD_TEMPLATE_FACTOR = 4  # bytes on the card for one of a package whose files were never counted


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
        self.desk = StockDesk(mailbox, crypto)
        self.port = OperatorPort(mailbox=mailbox, engine=self.engine, settings=settings, clock=clock)
        self.orders = OrderDesk(mailbox=mailbox, engine=self.engine, settings=settings, clock=clock)
        self.scrubber = Scrubber(mailbox)
        self.batches = BatchRunner(
            mailbox=mailbox, clock=clock, place=self.orders.place, cancel=self.orders.cancel
        )
        self.batch_desk = BatchDesk(mailbox, check=check_order, wake=self.batches.wake)
        self.hooks = HookCaller(
            mailbox=mailbox,
            clock=clock,
            ask=crypto.ask,
            sender=HookPost(
                timeout=settings.hook_timeout,
                ca_file=settings.hook_ca_file,
                networks=networks(settings.hook_networks),
            ),
            tell=self._tell,
        )
        self.tokens = TokenDesk(mailbox, crypto.ask)
        self.hook_desk = HookDesk(mailbox, wake=self.hooks.wake)

    async def start(self) -> None:
        """Resume what an earlier run left."""
        await self.mailbox.start()
        await self.engine.start()
        await self.scrubber.start()
        await self.hooks.start()
        await self.batches.start()

    async def stop(self) -> None:
        """Stop; nothing that was accepted is lost."""
        await self.batches.stop()
        await self.hooks.stop()
        await self.scrubber.stop()
        await self.engine.stop()
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """A call of an Operator, an answer or a notification of the SM-SR; returns after its commit."""
        header, body = decode(raw, INCOMING)
        if isinstance(body, es2.ES2DownloadProfile):
            await self._download(header, body)
        elif type(body) in (*es2.REQUESTS, *v4.TO_SM_DP):
            await self.port.call(header, body)
        elif type(body) in (*es3.NOTIFICATIONS, *v4.ES3_NOTIFICATIONS):
            await self.port.told(header, body)
        else:
            name, _, _ = header.function_call_id.rpartition("-")
            relayed = name.removeprefix(relay.CALL_PREFIX)
            procedure_id = f"{DOWNLOAD}/{name}" if relayed == name else f"{RELAY}/{relayed}"
            await self.engine.deliver(header.eid, procedure_id, Received(header, body), header=header)

    async def _download(self, header: Header, body: es2.ES2DownloadProfile) -> None:
        """ES2.DownloadProfile (5.3.2) from outside: an order that is answered at its end; a refusal at once."""
        try:
            await self.orders.download(header, body)
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
            if caller == REST_API and isinstance(body, SetHook):
                body = msgspec.structs.replace(body, confined=True)
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
            case es2_calls.StartES2():
                return await self.port.start(header, body)
            case es2_calls.ShowES2():
                return await self.port.show(body.owner, body.call_id)
            case _:
                for desk in (self.orders, self.batch_desk, self.hook_desk, self.tokens):
                    if (answer := await desk.answer(header, body)) is not None:
                        return answer
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

    # -- what procedures may see and change ---------------------------------------------------------------

    def _facts(self, connection: Connection, eid: str, state: object) -> Facts:
        if isinstance(state, relay.State):
            named = relay.iccid_of(state) if state.phase == relay.LOOKING else ""
            elsewhere = bool(named) and orders.is_elsewhere(connection, state.owner, named, eid)
            return Facts(self.settings, elsewhere=elsewhere)
        if not isinstance(state, State):
            return Facts(self.settings)
        loading = state.phase in (install.LOADING, install.OPENING)
        judging = state.phase in (download.GET_EIS, download.CHECKING)
        row = None
        if judging or state.phase == install.OPENING:
            row = templates.get_template(connection, state.owner, state.profile_type)
        return Facts(
            settings=self.settings,
            template=bytes(row.compiled) if row is not None and state.phase == install.OPENING else b"",
            template_memory=_memory(row) if row is not None and judging else 0,
            package=orders.get_package(connection, state.order_id) if loading else None,
            installed=orders.installed_on(connection, eid) if state.phase == download.GET_EIS else frozenset(),
        )

    def _apply(self, tx: Tx, eid: str, change: Change) -> None:
        match change:
            case HoldBegun():
                if hooks.begin(tx, change):
                    tx.then(self.hooks.wake)
            case HoldEnded():
                hooks.end(tx, change)
                tx.audit(actor=SM_DP, action="Hold", eid=eid, object=change.call_id, outcome=change.outcome)
            case _:
                orders.apply(tx, eid, change)
                if self.settings.announces and isinstance(change, Progress | FinishOrder):
                    status = change.status if isinstance(change, FinishOrder) else None
                    announce(tx, change.order_id, self.settings.smdp_id, status)
                if isinstance(change, FinishOrder):
                    self._ended(tx, change)

    def _ended(self, tx: Tx, change: FinishOrder) -> None:
        tx.then(self.batches.wake)
        if not self.settings.keep_delivered:
            purge(tx, f"{DOWNLOAD}/{change.call_name or change.order_id}")
            tx.then(self.scrubber.wake)

    async def _tell(self, call: hooks.Call, verdict: HoldVerdict) -> None:
        """What an operator's system said, to the order that waits for it."""
        await self.engine.deliver(call.eid, call.procedure_id, Signalled(verdict.by, verdict))


def _memory(row: Row[tuple[object, ...]]) -> int:
    """Bytes on the card that a stored template needs; guessed for one compiled before they were counted."""
    known = CompiledTemplate.from_bytes(bytes(row.compiled)).memory
    return known or OLD_TEMPLATE_FACTOR * int(row.size)
