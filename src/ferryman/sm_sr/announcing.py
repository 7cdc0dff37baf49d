"""What the REST API is told of: profiles that changed, eUICCs that changed their SM-SR, operations that ended.

Written in the transaction that makes it true. Unlike a notification of ES4 it is told of an owner's own
operations too, and of each profile to its own owner alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ferryman.contracts.events import EventKind, Happened
from ferryman.contracts.message import Header
from ferryman.contracts.operations import OPERATIONS, OperationResponse
from ferryman.contracts.roles import REST_API, SM_SR
from ferryman.contracts.status import ExecutionStatus
from ferryman.platform.engine import Record
from ferryman.platform.mailbox import Tx
from ferryman.sm_sr.owners import Change, became
from ferryman.sm_sr.owners import Happened as Became

EVENT_SECONDS: Final = 30 * 86_400.0  # that an event is worth telling, as a notification
_KINDS = {
    Became.ENABLED: EventKind.PROFILE_ENABLED,
    Became.DISABLED: EventKind.PROFILE_DISABLED,
    Became.DELETED: EventKind.PROFILE_DELETED,
}
_ANSWERS = {f"{kind.__name__}Response": kind.__name__.removeprefix("ES4") for kind in OPERATIONS}


def of_changes(changes: Iterable[Change], eid: str, at: float) -> Iterator[Happened]:
    """Profiles whose state became another, each for its owner."""
    for change, happened in became(changes):
        kind, profile = _KINDS.get(happened), change.before
        if kind is not None:
            yield Happened(kind=kind, owner=profile.owner, eid=eid, iccid=profile.iccid, at=at)


def of_end(record: Record, at: float) -> Iterator[Happened]:
    """The operation that was answered in this dispatch, for who asked for it."""
    name = _ANSWERS.get(type(record.reply).__name__, "")
    if isinstance(record.reply, OperationResponse):
        name = record.kind.name
    status = getattr(record.reply, "status", None)
    if name and record.caller is not None and isinstance(status, ExecutionStatus):
        call_id = record.caller.function_call_id
        yield Happened(
            kind=EventKind.OPERATION_ENDED,
            owner=record.requester,
            eid=record.eid,
            at=at,
            subject=call_id,
            word=name,
            status=status,
        )


def of_smsr_change(owners: Iterable[str], eid: str, smsr_id: str, at: float) -> Iterator[Happened]:
    """The eUICC has another SM-SR, for each who owns a profile on it."""
    for owner in sorted(set(owners)):
        yield Happened(kind=EventKind.SMSR_CHANGED, owner=owner, eid=eid, at=at, word=smsr_id)


def tell(tx: Tx, record: Record, smsr_id: str, found: Iterable[Happened]) -> None:
    """Put them into the outbox; the same dispatch, made again, tells them under the same names."""
    for happened in found:
        whose = happened.iccid or happened.owner
        header = Header(
            message_id=f"{SM_SR}/event/{record.id}/{record.version}/{happened.kind}/{whose}",
            sender=SM_SR,
            requester=smsr_id,
            function_call_id=record.id,
            deadline=tx.now + EVENT_SECONDS,
            eid=happened.eid,
        )
        tx.send(REST_API, header, happened)
