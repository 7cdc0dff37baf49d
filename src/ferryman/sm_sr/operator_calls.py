"""Operations on cards that the operator's tools start and then look at (`contracts.operations`)."""

from __future__ import annotations

from sqlalchemy import select

from ferryman.codec.ids import EID
from ferryman.contracts import codes, operations
from ferryman.contracts.message import Header
from ferryman.errors import InputError, Refused
from ferryman.platform.clock import Clock
from ferryman.platform.engine import Engine
from ferryman.sm_sr import operation_rows
from ferryman.sm_sr.functions import start_of
from ferryman.sm_sr.port import FunctionPort
from ferryman.sm_sr.procedures import one_command
from ferryman.sm_sr.settings import SRSettings

MIN_VALIDITY = 1.0  # s
MAX_JOURNAL = 1000  # messages of one operation: an answer below 1 MB


class OperatorCalls:
    """Starts and shows operations."""

    def __init__(self, *, engine: Engine, port: FunctionPort, clock: Clock, settings: SRSettings) -> None:
        self._engine = engine
        self._port = port
        self._clock = clock
        self._settings = settings

    async def start(self, header: Header, body: operations.StartOperation) -> operations.OperationView:
        """Enter the call; the same call identifier again finds the same operation. Raises InputError, Refused."""
        operation = body.operation
        EID.parse(operation.eid)
        if not MIN_VALIDITY <= body.validity <= self._settings.max_validity:
            raise InputError("validity", f"must be 1 to {self._settings.max_validity:.0f} seconds")
        if isinstance(operation, operations.RotateKeyset):
            if operation.protocol not in (operations.SCP80, operations.SCP81):
                raise InputError("protocol", f"must be {operations.SCP80} or {operations.SCP81}")
        elif isinstance(
            operation, operations.MasterDelete | operations.SetFallbackAttribute | operations.UpdateSMSRAddressing
        ):
            one_command.check(operation)
        call = Header(
            message_id=header.message_id,
            sender="",  # nobody: the operator's tools are no peer, they come and look
            requester=body.owner,
            function_call_id=header.function_call_id,
            deadline=self._clock.now() + body.validity,
            eid=operation.eid,
        )
        self._port.admit(call, operation)
        await self._engine.call(call, start_of(call, operation))
        return await self.show(body.owner, header.function_call_id)

    async def show(self, owner: str, call_id: str) -> operations.OperationView:
        """One operation of this owner. Raises Refused for one that does not exist, or is somebody else's."""
        found = await self._engine.mailbox.store.read(lambda c: operation_rows.one(c, owner, call_id))
        if found is None:
            raise Refused(*codes.FUNCTION_NOT_ALLOWED, f"there is no operation {call_id}", identifier=call_id)
        return found

    async def page(self, body: operations.ListOperations) -> operations.OperationPage:
        """Operations of an owner that fit, the newest first. Raises InputError."""
        operation_rows.check(body)
        return await self._engine.mailbox.store.read(lambda c: operation_rows.page(c, body))

    async def journal(self, body: operations.ShowJournal) -> operations.Journal:
        """Messages of one operation. Raises Refused as `show` does."""
        await self.show(body.owner, body.call_id)
        call, journal = self._engine.tables.call, self._engine.tables.journal
        statement = (
            select(journal.c.at, journal.c.direction, journal.c.kind)
            .join(call, call.c.procedure_id == journal.c.procedure_id)
            .where(call.c.requester == body.owner, call.c.function_call_id == body.call_id)
            .where(call.c.function.in_(operation_rows.NAMES))
            .order_by(journal.c.seq)
            .limit(MAX_JOURNAL)
        )
        rows = await self._engine.mailbox.store.read(lambda c: c.execute(statement).all())
        return operations.Journal(
            lines=tuple(operations.JournalLine(at=row.at, direction=row.direction, kind=row.kind) for row in rows)
        )
