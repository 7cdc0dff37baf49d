"""What the operator's tools ask of the SM-SR outside ES1 to ES7: finding, describing, tagging, types, dry runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ferryman.contracts import admin, codes, operations, queue, workflow
from ferryman.contracts import oversight as oversight_questions
from ferryman.contracts.eis import EIS, AuditRecord
from ferryman.contracts.message import Body, Header, encode
from ferryman.contracts.roles import REST_API
from ferryman.contracts.status import failed, from_refusal
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr import contacts, eis_store, lookup, oversight, policy_words, trail, type_store
from ferryman.sm_sr.euicc_type import TypeKey, effective
from ferryman.sm_sr.link_book import LinkBook
from ferryman.sm_sr.operator_calls import OperatorCalls
from ferryman.sm_sr.policy import Function, Question, World, decide
from ferryman.sm_sr.port import FunctionPort
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import channel_id
from ferryman.sm_sr.queue.desk import QueueDesk
from ferryman.sm_sr.records import EUICC, ISDP
from ferryman.sm_sr.registration import Registrar
from ferryman.sm_sr.scripts.desk import ScriptDesk
from ferryman.sm_sr.settings import SRSettings
from ferryman.sm_sr.type_store import TypeBook
from ferryman.sm_sr.visibility import Viewer, view

MAX_PAGE = 1000
_CHANNEL = msgspec.json.Decoder(Channel)


class Admin:
    """Answers the calls of `contracts.admin` that are the SM-SR's."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        registrar: Registrar,
        port: FunctionPort,
        types: TypeBook,
        settings: SRSettings,
        links: LinkBook,
        scripts: ScriptDesk,
        operator: OperatorCalls,
        queue: QueueDesk,
    ) -> None:
        self._queue = queue
        self._scripts = scripts
        self._mailbox = mailbox
        self._registrar = registrar
        self._port = port
        self._types = types
        self._settings = settings
        self._links = links
        self._operator = operator

    async def serve(self, header: Header, body: Body) -> bytes:
        """One call; a refusal is an answer."""
        try:
            answer = await self._answer(header, body)
        except Refused as refusal:
            answer = admin.AdminRefused(status=from_refusal(refusal))
        except (PeerError, InputError) as problem:
            answer = admin.AdminRefused(status=failed(*codes.FORMAT_INVALID, str(problem)))
        return encode(header, answer)

    async def _answer(self, header: Header, body: Body) -> Body:
        match body:
            case _ if isinstance(body, workflow.ASKED):
                return await self._scripts.answer(header, body)
            case _ if isinstance(body, queue.ASKED):
                return await self._queue.answer(header, body)
            case _ if isinstance(body, oversight_questions.ASKED):
                return await oversight.answer(self._mailbox, body)
            case admin.RegisterEIS():
                return await self._register(header, body)
            case admin.ListEUICCs() | admin.FindEUICCs():
                return await self._page(body)
            case admin.ShowEUICC():
                return admin.EUICCPage(euiccs=(await self._show(body.owner, body.eid),))
            case admin.DescribeEUICC():
                return await self._mailbox.store.read(lambda c: self._describe(c, body))
            case admin.ShowHistory():
                return await self._mailbox.store.read(lambda c: _history(c, body))
            case admin.DryRun():
                reader = body.requester if header.sender == REST_API else ""
                return await self._mailbox.store.read(lambda c: self._dry_run(c, body, reader))
            case admin.ListTypes():
                return await self._mailbox.store.read(_types)
            case admin.SetTags() | admin.SetType() | admin.SetDifference():
                return await self._change(header, body)
            case admin.ShowCall() if body.requester == header.requester:
                return await self._port.show(body)
            case admin.ShowCall():
                raise Refused(*codes.UNKNOWN_REQUESTER, "no such call", identifier=body.function_call_id)
            case operations.StartOperation():
                return await self._operator.start(header, body)
            case operations.ShowOperation():
                return await self._operator.show(body.owner, body.call_id)
            case operations.ListOperations():
                return await self._operator.page(body)
            case operations.ShowJournal():
                return await self._operator.journal(body)
            case _:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function of the SM-SR")

    async def _register(self, header: Header, body: admin.RegisterEIS) -> admin.Registered:
        take = self._registrar.each if body.each else self._registrar.whole
        rows = await take(header, body.xml)
        return admin.Registered(
            new=tuple(row.eid for row in rows if row.status is None and row.new),
            known=tuple(row.eid for row in rows if row.status is None and not row.new),
            refused=tuple(
                admin.RefusedCard(number=row.number, eid=row.eid, status=row.status)
                for row in rows
                if row.status is not None
            ),
        )

    # -- looking ------------------------------------------------------------------------------------------

    async def _page(self, body: admin.ListEUICCs | admin.FindEUICCs) -> admin.EUICCPage:
        limit = max(1, min(body.limit, MAX_PAGE))

        def look(connection: Connection) -> tuple[EIS, ...]:
            if isinstance(body, admin.FindEUICCs):
                eids = lookup.find(connection, body.by, body.value, after=body.after, limit=limit)
            else:
                eids = eis_store.eids(connection, after=body.after, limit=limit)
            cards = (eis_store.load(connection, eid) for eid in eids)
            return tuple(_seen(card, body.owner) for card in cards if card is not None)

        return admin.EUICCPage(euiccs=await self._mailbox.store.read(look))

    async def _show(self, owner: str, eid: str) -> EIS:
        return _seen(await self._mailbox.store.read(lambda c: _card(c, eid)), owner)

    def _describe(self, connection: Connection, body: admin.DescribeEUICC) -> admin.EUICCDescription:
        card = _card(connection, body.eid)
        viewer = Viewer.OPERATOR if body.owner else Viewer.CONSOLE
        return admin.EUICCDescription(
            eis=view(card, viewer, body.owner),
            imei=card.imei,
            meid=card.meid,
            tags=lookup.tags_of(connection, card.eid),
            contact=msgspec.structs.asdict(contacts.load(connection, card.eid)),
            effective=msgspec.structs.asdict(self._types.of(connection, card)),
            differs=card.differs,
            card_free_nvm=card.card_free_nvm,
            card_free_ram=card.card_free_ram,
            counter=self._counter(connection, card),
            busy=self._busy(connection, card.eid),
        )

    def _counter(self, connection: Connection, card: EUICC) -> int:
        """SCP80 counter used last: the channel's, else the one delivered."""
        table = self._mailbox.tables.procedure
        row = connection.execute(select(table.c.state).where(table.c.id == channel_id(card.eid))).first()
        used = _CHANNEL.decode(row.state).counter if row is not None else 0
        return max(used, card.scp80_counter)

    def _busy(self, connection: Connection, eid: str) -> str:
        lease, procedure = self._mailbox.tables.lease, self._mailbox.tables.procedure
        statement = (
            select(procedure.c.kind).join(lease, lease.c.procedure_id == procedure.c.id).where(lease.c.eid == eid)
        )
        return str(connection.execute(statement).scalar() or "")

    # -- policy in words ------------------------------------------------------------------------------------

    def _dry_run(self, connection: Connection, body: admin.DryRun, reader: str) -> admin.DryRunResult:
        try:
            function = Function(body.function)
        except ValueError:
            names = ", ".join(one.value for one in Function)
            raise InputError("function", f"must be one of {names}") from None
        card = eis_store.load(connection, body.eid)
        elsewhere: ISDP | None = None
        if card is not None and body.iccid and card.by_iccid(body.iccid) is None:
            elsewhere = eis_store.profile_of_iccid(connection, body.iccid)
        holds = self._types.of(connection, card) if card is not None else effective(self._settings)
        question = Question(
            function,
            body.requester,
            body.iccid,
            required_memory=body.required_memory,
            pol2=body.pol2,
            imsi=body.imsi,
            msisdn=body.msisdn,
        )
        world = World(card, holds, elsewhere)
        verdict = decide(question, world)
        busy = self._busy(connection, body.eid)
        return admin.DryRunResult(
            status=policy_words.status(verdict),
            sentences=policy_words.explain(
                question, world, verdict, busy=busy, links=self._links.of(connection), reader=reader
            ),
        )

    # -- changing what is ours --------------------------------------------------------------------------------

    async def _change(self, header: Header, body: admin.SetTags | admin.SetType | admin.SetDifference) -> Body:
        self._check(body)

        def unit(tx: Tx) -> bool:
            eid = "" if isinstance(body, admin.SetType) else body.eid
            match body:
                case admin.SetTags():
                    found = eis_store.exists(tx.connection, body.eid)
                    if found:
                        lookup.set_tags(tx, body.eid, body.tags)
                case admin.SetDifference():
                    found = type_store.set_difference(tx, body.eid, body.says)
                case admin.SetType():
                    found = True
                    type_store.set_type(tx, _key(body), body.says)
            if found:
                detail = msgspec.json.encode(body).decode()
                tx.audit(
                    actor=header.requester, action=type(body).__name__, eid=eid, outcome="done", detail=detail
                )
            return found

        if not await self._mailbox.transact(unit):
            eid = "" if isinstance(body, admin.SetType) else body.eid
            raise Refused(*codes.EID_UNKNOWN, f"no eUICC with EID {eid}", identifier=eid)
        self._types.changed()
        if not isinstance(body, admin.SetTags):
            self._queue.recheck(body.eid if isinstance(body, admin.SetDifference) else "")
        return admin.Changed()

    def _check(self, body: admin.SetTags | admin.SetType | admin.SetDifference) -> None:
        """What is said must make sense on top of the settings; raises InputError."""
        if isinstance(body, admin.SetTags):
            return
        effective(self._settings, [body.says])
        if isinstance(body, admin.SetType):
            if not body.eum_id:
                raise InputError("eum", "a type belongs to a card maker")
            if body.platform_version and not body.platform_type:
                raise InputError("platform_version", "needs a platform type beside it")


def _card(connection: Connection, eid: str) -> EUICC:
    card = eis_store.load(connection, eid)
    if card is None:
        raise Refused(*codes.EID_UNKNOWN, f"no eUICC with EID {eid}", identifier=eid)
    return card


def _seen(card: EUICC, owner: str) -> EIS:
    return view(card, Viewer.OPERATOR, owner)


def _key(body: admin.SetType) -> TypeKey:
    return TypeKey(body.eum_id, body.platform_type, body.platform_version)


def _types(connection: Connection) -> admin.TypePage:
    return admin.TypePage(
        types=tuple(
            admin.EUICCType(
                eum_id=key.eum_id,
                platform_type=key.platform_type,
                platform_version=key.platform_version,
                says=says,
                cards=type_store.cards_of(connection, key),
            )
            for key, says in type_store.types(connection).items()
        )
    )


def _history(connection: Connection, body: admin.ShowHistory) -> admin.HistoryPage:
    card = _card(connection, body.eid)
    limit = max(1, min(body.limit, trail.MAX_HISTORY))
    found = trail.of_card(connection, body.eid, after=body.after, limit=limit)
    may_see: Callable[[AuditRecord], bool] = _sees(card, body.owner)
    records = tuple(record for _, record in found if may_see(record))
    return admin.HistoryPage(records=records, after=found[-1][0] if len(found) == limit else 0)


def _sees(card: EUICC, owner: str) -> Callable[[AuditRecord], bool]:
    """An owner sees what he asked for himself and what concerns his profiles; the platform's staff everything."""
    own: set[Any] = {p.iccid for p in card.profiles if p.owner == owner}
    return lambda record: not owner or record.requester == owner or record.iccid in own
