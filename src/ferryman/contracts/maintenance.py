"""What is asked of one process by who has its data directory: messages set aside, procedures, alarms, trails.

Asked over the control socket of the process alone, never over the bus.
"""

from __future__ import annotations

import msgspec

from ferryman.contracts.message import Body, Codec
from ferryman.contracts.oversight import Alarm, AuditLine

MAINTENANCE = "maintenance"  # where the control socket delivers these calls
OUTBOX = "outbox"  # of the sender: the receiver, in process, could not take it
BROKER = "broker"  # the receiver's stream of parked messages
SMS = "sms"  # a short message that nobody understands; there is nothing to release it to


class ListParked(Body, frozen=True, kw_only=True, tag=True):
    """Every message that the roles of this process have set aside."""


class ParkedMessage(msgspec.Struct, frozen=True):
    """One of them; `sender` and `dest` are roles, `since` seconds since 1970 (0: not known), never its content."""

    role: str
    place: str
    number: int
    sender: str
    dest: str
    eid: str
    since: float
    reason: str


class ParkedPage(Body, frozen=True, kw_only=True, tag=True):
    """Oldest first; `more` when there are more than one page holds."""

    messages: tuple[ParkedMessage, ...]
    more: bool = False


class ReleaseParked(Body, frozen=True, kw_only=True, tag=True):
    """Deliver one once more: what was wrong with its receiver was repaired."""

    role: str
    place: str
    number: int


class Released(Body, frozen=True, kw_only=True, tag=True):
    """`found`: it was there. `problem`: why its receiver still does not take it; empty when it did, or will."""

    found: bool
    problem: str = ""


class ListProcedures(Body, frozen=True, kw_only=True, tag=True):
    """Procedures of this process, of one eUICC or of all; those that have ended only with `ended`."""

    eid: str = ""
    ended: bool = False


class ProcedureLine(msgspec.Struct, frozen=True):
    """One of them; times in seconds since 1970."""

    role: str
    procedure_id: str
    kind: str
    eid: str
    status: str
    created: float
    updated: float


class ProcedurePage(Body, frozen=True, kw_only=True, tag=True):
    """Newest first; `more` when there are more than one page holds."""

    procedures: tuple[ProcedureLine, ...]
    more: bool = False


class ReplayProcedure(Body, frozen=True, kw_only=True, tag=True):
    """Take the steps of a procedure again from its journal and compare with what is stored."""

    procedure_id: str


class ReplayedStep(msgspec.Struct, frozen=True):
    """A step; `at` in seconds since 1970."""

    at: float
    event: str
    effects: tuple[str, ...]


class Replayed(Body, frozen=True, kw_only=True, tag=True):
    """`whole`: from the beginning of the procedure. `agrees`: the steps lead to the stored state."""

    role: str
    procedure_id: str
    kind: str
    status: str
    whole: bool
    agrees: bool
    steps: tuple[ReplayedStep, ...]


class ReadTrail(Body, frozen=True, kw_only=True, tag=True):
    """Records of the audit trails of this process: of one role or of all (""), of one eUICC, of one action."""

    role: str = ""
    eid: str = ""
    action: str = ""
    limit: int = 100


class TrailLine(msgspec.Struct, frozen=True):
    """One of them, and whose trail it is in."""

    role: str
    record: AuditLine


class TrailPage(Body, frozen=True, kw_only=True, tag=True):
    """Newest first."""

    lines: tuple[TrailLine, ...]


class ReadAlarms(Body, frozen=True, kw_only=True, tag=True):
    """What the roles of this process want somebody to look at: now, or recorded within a day."""


class RoleAlarm(msgspec.Struct, frozen=True):
    """One of them, and who tells of it."""

    role: str
    alarm: Alarm


class RoleAlarms(Body, frozen=True, kw_only=True, tag=True):
    """Those that hold now first, then the newest."""

    alarms: tuple[RoleAlarm, ...]


class NotDone(Body, frozen=True, kw_only=True, tag=True):
    """The question makes no sense here."""

    reason: str


REQUESTS: Codec[Body] = Codec(ListParked, ReleaseParked, ListProcedures, ReplayProcedure, ReadTrail, ReadAlarms)
ANSWERS: Codec[Body] = Codec(ParkedPage, Released, ProcedurePage, Replayed, TrailPage, RoleAlarms, NotDone)
