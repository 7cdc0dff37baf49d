"""Scripts by version, when each was active, and the last decisions with the questions they answered."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from ferryman.contracts.workflow import DecisionView, ScriptView
from ferryman.sm_sr.schema import script, script_activation, script_decision
from ferryman.workflow.decision import Decision
from ferryman.workflow.question import Question

KEPT_DECISIONS = 1000  # rows: what a person looks through, and what `script test` is fed with
MAX_PROBLEM = 400  # characters
NONE = 0  # version that stands for the built-in policy


def add(connection: Connection, name: str, text: str, now: float) -> int:
    """Version of this text; the same text has one version."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = connection.execute(select(script.c.version).where(script.c.digest == digest)).scalar()
    if known is not None:
        return int(known)
    version = int(connection.execute(select(func.coalesce(func.max(script.c.version), 0))).scalar_one()) + 1
    connection.execute(insert(script).values(version=version, name=name, text=text, digest=digest, added=now))
    return version


def activate(connection: Connection, version: int, by: str, now: float) -> None:
    """From now on this version (0: none)."""
    number = int(connection.execute(select(func.coalesce(func.max(script_activation.c.seq), 0))).scalar_one()) + 1
    connection.execute(insert(script_activation).values(seq=number, version=version, at=now, by=by))


def active(connection: Connection) -> tuple[int, str, str] | None:
    """Version, name and text of the active script; None for the built-in policy."""
    last = connection.execute(
        select(script_activation.c.version).order_by(script_activation.c.seq.desc()).limit(1)
    ).scalar()
    if not last:
        return None
    row = connection.execute(select(script).where(script.c.version == last)).one()
    return row.version, row.name, row.text


def previous(connection: Connection) -> int:
    """The version that was active before the present one; 0 for the built-in policy."""
    rows = connection.execute(
        select(script_activation.c.version).order_by(script_activation.c.seq.desc())
    ).scalars()
    now: int | None = None
    for version in rows:
        if now is None:
            now = version
        elif version != now:
            return int(version)
    return NONE


def exists(connection: Connection, version: int) -> bool:
    """Whether there is such a version."""
    return (
        version == NONE
        or connection.execute(select(script.c.version).where(script.c.version == version)).first() is not None
    )


def views(connection: Connection) -> tuple[ScriptView, ...]:
    """All versions, the newest first."""
    present = active(connection)
    rows = connection.execute(select(script).order_by(script.c.version.desc()))
    return tuple(
        ScriptView(
            version=row.version,
            name=row.name,
            digest=row.digest,
            added=row.added,
            active=present is not None and present[0] == row.version,
            text=row.text,
        )
        for row in rows
    )


def record(connection: Connection, eid: str, found: Decision, now: float) -> None:
    """Remember a decision, and forget the oldest."""
    values: dict[str, Any] = {
        "eid": eid,
        "at": now,
        "question": msgspec.json.encode(found.question),
        "plan": msgspec.json.encode(found.plan) if found.plan is not None else b"",
        "problem": found.problem[:MAX_PROBLEM],
    }
    result = connection.execute(insert(script_decision).values(**values))
    last = result.inserted_primary_key[0] if result.inserted_primary_key is not None else 0
    if last % 100 == 0:
        connection.execute(delete(script_decision).where(script_decision.c.seq <= last - KEPT_DECISIONS))


def decisions(connection: Connection, eid: str, limit: int, before: int = 0) -> tuple[DecisionView, ...]:
    """The last decisions, of one card or of all, the newest first."""
    statement = select(script_decision).order_by(script_decision.c.seq.desc()).limit(limit)
    if eid:
        statement = statement.where(script_decision.c.eid == eid)
    if before:
        statement = statement.where(script_decision.c.seq < before)
    return tuple(
        DecisionView(
            at=row.at,
            eid=row.eid,
            question=msgspec.json.decode(row.question, type=Question),
            plan=row.plan.decode(),
            problem=row.problem,
            number=row.seq,
        )
        for row in connection.execute(statement)
    )
