"""Operations as they stand among calls and procedures: one, or those that somebody looks for.

A page is what is behind a cursor in the order of time, the newest first. The cursor says where that is by itself:
it holds when the operation that it was made of is no longer kept.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, tuple_

from ferryman.contracts import operations
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import InputError
from ferryman.sm_sr.schema import PLATFORM

MAX_PAGE = 1_000  # operations in one answer
MAX_LOOKED = 5_000  # at for one page, when few of them fit: an answer in well below a second
NAMES = tuple(kind.__name__ for kind in operations.OPERATIONS)
BETWEEN = "~"  # the time of a cursor and its call identifier
_MOMENT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,17})?")

_p, _c = PLATFORM.procedure.c, PLATFORM.call.c
_COLUMNS = (_p.created, _p.eid, _c.function_call_id, _c.function, _c.answer)
_BY_PROCEDURE = _c.procedure_id == _p.id


def one(connection: Connection, owner: str, call_id: str) -> operations.OperationView | None:
    """One operation of this owner."""
    of = (_c.requester == owner, _c.function_call_id == call_id, _c.function.in_(NAMES))
    found: Select[Any] = select(*_COLUMNS).join(PLATFORM.procedure, _BY_PROCEDURE).where(*of)
    row = connection.execute(found.order_by(_p.created)).first()
    return None if row is None else _view(row)


def check(asked: operations.ListOperations) -> None:
    """Raises InputError for what no operation could fit."""
    if asked.function and asked.function not in operations.WORDS:
        raise InputError("function", f"must be one of {', '.join(operations.WORDS)}")
    if asked.state not in ("", operations.RUNNING, operations.DONE):
        raise InputError("state", f"must be {operations.RUNNING} or {operations.DONE}")
    if asked.until and asked.until < asked.since:
        raise InputError("until", "must not be before since")
    _place(asked.after)


def page(connection: Connection, asked: operations.ListOperations) -> operations.OperationPage:
    """Operations of an owner that fit, and the cursor behind the last that was looked at."""
    limit = max(1, min(asked.limit, MAX_PAGE))
    look = MAX_LOOKED if asked.failed_only else limit
    rows = connection.execute(statement(asked).limit(look + 1)).all()
    found: list[operations.OperationView] = []
    for number, row in enumerate(rows[:look]):
        view = _view(row)
        if not asked.failed_only or (view.status is not None and not view.status.ok):
            found.append(view)
        if len(found) == limit or number + 1 == look:
            more = number + 1 < len(rows)
            return operations.OperationPage(operations=tuple(found), next=_cursor(row) if more else "")
    return operations.OperationPage(operations=tuple(found))


def statement(asked: operations.ListOperations) -> Select[Any]:
    """Rows that fit but for their answers, the newest first."""
    functions = (operations.WORDS[asked.function].__name__,) if asked.function else NAMES
    # A column that is wrapped is no way in for SQLite, which without that walks through all that the owner ever
    # asked for: one card has few, few run, and all others are read in the order of the one index that has it.
    by_run = asked.state == operations.RUNNING and not asked.eid
    by_time = not by_run and not asked.eid
    found = (
        select(*_COLUMNS)
        .join(PLATFORM.call, _BY_PROCEDURE)
        .where(_way_in(_p.requester, by_time) == asked.owner, _way_in(_c.requester, by_run) == asked.owner)
        .where(_c.function.in_(functions))
        .order_by(_p.created.desc(), _c.function_call_id.desc())
    )
    if asked.eid:
        found = found.where(_p.eid == asked.eid)
    if asked.state == operations.RUNNING:
        found = found.where(_c.answer.is_(None))
    elif asked.state or asked.failed_only:
        found = found.where(_c.answer.is_not(None))
    if asked.since:
        found = found.where(_p.created >= asked.since)
    if asked.until:
        found = found.where(_p.created < asked.until)
    if asked.after:
        at, call_id = _place(asked.after)
        # The first term alone is enough for an index, and the second says the rest.
        found = found.where(_p.created <= at, tuple_(_p.created, _c.function_call_id) < (at, call_id))
    return found


def _way_in(column: ColumnElement[str], taken: bool) -> ColumnElement[str]:
    return column if taken else func.coalesce(column, "")


def _cursor(row: Row[Any]) -> str:
    return f"{row.created!r}{BETWEEN}{row.function_call_id}"


def _place(cursor: str) -> tuple[float, str]:
    """Where a cursor stands; raises InputError."""
    if not cursor:
        return 0.0, ""
    at, between, call_id = cursor.partition(BETWEEN)
    if not between or not _MOMENT.fullmatch(at):
        raise InputError("after", "is no cursor of this list")
    return float(at), call_id


def _view(row: Row[Any]) -> operations.OperationView:
    return operations.OperationView(
        call_id=row.function_call_id,
        name=row.function.removeprefix("ES4"),
        state=operations.DONE if row.answer is not None else operations.RUNNING,
        status=_ANSWER.decode(row.answer).status if row.answer is not None else None,
        eid=row.eid,
        created=row.created,
    )


class _Answer(msgspec.Struct):
    """What every answer has."""

    status: ExecutionStatus | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
