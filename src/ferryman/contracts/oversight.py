"""What those who watch over a platform ask of each role: audit trail, counts, what needs somebody's attention."""

from __future__ import annotations

import msgspec

from ferryman.contracts.message import Body


class ListAudit(Body, frozen=True, kw_only=True, tag=True):
    """Records of a role's own trail, the newest first: those older than number `before` (0: the last).

    An `owner` (Mno-id) sees what was done in his name; empty, the platform's own staff, everything.
    """

    owner: str = ""
    eid: str = ""
    action: str = ""
    before: int = 0
    limit: int = 100


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what, with which outcome; `at` in seconds since 1970."""

    number: int
    at: float
    actor: str
    action: str
    eid: str
    object: str
    outcome: str
    detail: str


class AuditPage(Body, frozen=True, kw_only=True, tag=True):
    """Records."""

    lines: tuple[AuditLine, ...]


class ShowStatistics(Body, frozen=True, kw_only=True, tag=True):
    """Counts of what is an owner's; empty: of everything."""

    owner: str = ""


class Statistics(Body, frozen=True, kw_only=True, tag=True):
    """Counts by name, as `profiles.Enabled`."""

    counts: dict[str, int]


class ListAlarms(Body, frozen=True, kw_only=True, tag=True):
    """What needs the attention of an owner; empty: of the platform's own staff."""

    owner: str = ""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` is a word for programs, `object` what it is about, `text` a sentence.

    One that was recorded has kind `recorded`, the moment `at` (seconds since 1970) and perhaps an eUICC; others
    hold now.
    """

    kind: str
    object: str
    text: str
    eid: str = ""
    at: float = 0.0


class AlarmPage(Body, frozen=True, kw_only=True, tag=True):
    """Alarms that hold now, then the newest of those recorded within a day."""

    alarms: tuple[Alarm, ...]


ASKED: tuple[type[Body], ...] = (ListAudit, ShowStatistics, ListAlarms)
ANSWERED: tuple[type[Body], ...] = (AuditPage, Statistics, AlarmPage)
