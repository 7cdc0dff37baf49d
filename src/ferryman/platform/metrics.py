"""Numbers of a process in the Prometheus text format (version 0.0.4), and those that every role's store gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import Connection, func, select

from ferryman.platform.mailbox import Mailbox

OVERDUE_AFTER: Final = 5.0  # seconds: the moment of a busy engine is not what anybody is called for
LIVING: Final = ("waiting", "starting", "running")
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Metric:
    """A family of numbers: its name (with the prefix `ferryman_`), what it counts, and its kind."""

    name: str
    kind: Literal["gauge", "counter"]
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of a family; labels never hold a number of a card or a subscriber."""

    metric: Metric
    value: float
    labels: tuple[tuple[str, str], ...] = ()


type Source = Callable[[], Iterable[Sample]]

OUTBOX = Metric("ferryman_outbox_messages", "gauge", "Messages that wait to be carried to another role.")
OUTBOX_AGE = Metric("ferryman_outbox_oldest_seconds", "gauge", "Age of the oldest message that is not parked.")
PARKED = Metric("ferryman_parked_messages", "gauge", "Messages set aside for an operator: each is an alarm.")
LEASES = Metric("ferryman_leases", "gauge", "eUICCs that a procedure works on now.")
TIMERS = Metric("ferryman_timers", "gauge", "Timers that are armed.")
OVERDUE = Metric("ferryman_timers_overdue", "gauge", "Timers that should have fired.")
PROCEDURES = Metric("ferryman_procedures", "gauge", "Procedures that have not ended; waiting: for the EID.")
CARRIED = Metric("ferryman_messages_carried_total", "counter", "Messages that other roles took from this one.")
ALARMS = Metric("ferryman_alarms_total", "counter", "Alarms recorded in the audit trail, by what was done.")
RETRIED = Metric("ferryman_messages_retried_total", "counter", "Deliveries to other roles that failed for now.")


def exposition(samples: Iterable[Sample]) -> str:
    """The text of a scrape; samples of one family are brought together."""
    families: dict[Metric, list[Sample]] = {}
    for sample in samples:
        families.setdefault(sample.metric, []).append(sample)
    lines: list[str] = []
    for metric, found in families.items():
        lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(sample.labels)} {sample.value:.17g}" for sample in found]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


async def of_mailbox(mailbox: Mailbox) -> list[Sample]:
    """What the tables of one role say; raises Unavailable when its database does not answer."""
    tables, now, role = mailbox.tables, mailbox.clock.now(), mailbox.role
    outbox = tables.outbox
    by_dest = select(
        outbox.c.dest, (outbox.c.parked != "").label("set_aside"), func.count(), func.min(outbox.c.created)
    ).group_by(outbox.c.dest, "set_aside")

    status = tables.procedure.c.status
    living = select(status, func.count()).where(status.in_(LIVING)).group_by(status)

    def read(connection: Connection) -> list[Sample]:
        label = ("role", role)
        found = []
        for dest, set_aside, count, oldest in connection.execute(by_dest):
            labels = (label, ("dest", dest))
            found.append(Sample(PARKED if set_aside else OUTBOX, count, labels))
            if not set_aside:
                found.append(Sample(OUTBOX_AGE, max(now - oldest, 0.0), labels))
        for metric, table in ((LEASES, tables.lease), (TIMERS, tables.timer)):
            count = connection.execute(select(func.count()).select_from(table)).scalar_one()
            found.append(Sample(metric, count, (label,)))
        late = select(func.count()).select_from(tables.timer).where(tables.timer.c.due < now - OVERDUE_AFTER)
        found.append(Sample(OVERDUE, connection.execute(late).scalar_one(), (label,)))
        for state, count in connection.execute(living):
            found.append(Sample(PROCEDURES, count, (label, ("state", state))))
        found.append(Sample(CARRIED, mailbox.carrier.carried, (label,)))
        found.append(Sample(RETRIED, mailbox.carrier.retried, (label,)))
        found += [Sample(ALARMS, count, (label, ("action", action))) for action, count in mailbox.alarms.items()]
        return found

    return await mailbox.store.read(read)
