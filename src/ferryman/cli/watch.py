"""What those who watch a process are shown of its installation: numbers, and whether all it needs is there."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from sqlalchemy import Connection, func, select

from ferryman.cli.wiring import Installation
from ferryman.errors import Unavailable
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.metrics import PARKED, Metric, Sample, of_mailbox
from ferryman.platform.observe import MetricsSettings, Observatory
from ferryman.transport_sms import schema as sms_schema

CHECK_SECONDS = 2.0  # for a database to answer before it counts as away
UNFINISHED = ("queued", "sending")

STARTED = Metric("ferryman_started", "gauge", "1 when all roles of the process run.")
COMMITS = Metric("ferryman_commits_total", "counter", "Commits of a role's database since the start.")
SESSIONS = Metric("ferryman_https_sessions", "gauge", "Sessions of eUICCs that are open.")
SMS = Metric("ferryman_sms_unfinished", "gauge", "Packets on their way to the SMSC, by state.")
MO_PARTS = Metric("ferryman_sms_mo_incomplete", "gauge", "Messages of eUICCs of which parts are missing.")
MO_POISON = Metric("ferryman_sms_mo_parked", "gauge", "Short messages that nobody understands, set aside.")
STEPS = Metric("ferryman_engine_steps_total", "counter", "Steps of procedures that were taken.")
DISPATCHES = Metric("ferryman_engine_dispatches_total", "counter", "Events handled and committed.")
CONFLICTS = Metric("ferryman_engine_conflicts_total", "counter", "Dispatches begun again for another process.")
FIRED = Metric("ferryman_engine_timers_fired_total", "counter", "Timers that fired.")
LAG = Metric(
    "ferryman_clock_lag_seconds",
    "gauge",
    "The machine's clock less the process's, which follows no step of it: after a suspension far above 0.",
)
BOUND = Metric("ferryman_smsc_bound", "gauge", "1 when some account can send.")
BUS = Metric("ferryman_bus_connected", "gauge", "1 when the role has its connection to the broker.")


@contextlib.asynccontextmanager
async def watched(settings: MetricsSettings | None, installation: Installation) -> AsyncIterator[dict[str, str]]:
    """The endpoint, if the settings want one, from before the start of the roles until after their end."""
    if settings is None:
        yield {}
        return
    observatory = Observatory(
        settings, samples=lambda: _samples(installation), checks=lambda: _checks(installation)
    )
    await observatory.start()
    try:
        yield {"metrics": f"{settings.host}:{observatory.port}"}
    finally:
        await observatory.stop()


async def _samples(installation: Installation) -> list[Sample]:
    found = [Sample(STARTED, float(installation.is_started)), Sample(LAG, time.time() - installation.clock.now())]
    found += [Sample(COMMITS, count, (("role", role),)) for role, count in installation.commits.items()]
    for mailbox in list(installation.mailboxes):
        found += await of_mailbox(mailbox)
    for role, engine in installation.engines.items():
        counted = (STEPS, engine.steps), (DISPATCHES, engine.dispatches), (CONFLICTS, engine.conflicts)
        found += [Sample(metric, count, (("role", role),)) for metric, count in (*counted, (FIRED, engine.fired))]
    if installation.https is not None:
        found.append(Sample(SESSIONS, len(installation.https.server.sessions)))
        found += installation.https.samples()
    if installation.sms is not None:
        found.append(Sample(BOUND, float(installation.sms.ready)))
        found += installation.sms.samples()
        found += await _sms(installation.sms.mailbox)
    if installation.rest is not None:
        found += installation.rest.watch.samples()
    for remote in installation.broker:
        labels = (("role", remote.role),)
        found.append(Sample(BUS, float(remote.link.is_up), labels))
        if remote.receives and remote.link.is_up:
            with contextlib.suppress(Unavailable):  # the broker is away: that is what the other number says
                found.append(Sample(PARKED, await remote.parked_messages(), (*labels, ("dest", remote.role))))
    return found


async def _sms(mailbox: Mailbox) -> list[Sample]:
    """Queues of the SMS transport; each count is over an index or a table that is kept small."""
    outgoing = sms_schema.outgoing
    by_status = (
        select(outgoing.c.status, func.count())
        .where(outgoing.c.status.in_(UNFINISHED))
        .group_by(outgoing.c.status)
    )

    def read(connection: Connection) -> list[Sample]:
        waiting = dict.fromkeys(UNFINISHED, 0)
        for state, count in connection.execute(by_status):
            waiting[state] = count
        found = [Sample(SMS, count, (("state", state),)) for state, count in waiting.items()]
        for metric, table in ((MO_PARTS, sms_schema.mo_message), (MO_POISON, sms_schema.mo_poison)):
            found.append(Sample(metric, connection.execute(select(func.count()).select_from(table)).scalar_one()))
        return found

    return await mailbox.store.read(read)


async def _checks(installation: Installation) -> dict[str, bool]:
    found = {"started": installation.is_started}
    for mailbox in list(installation.mailboxes):
        found[f"database {mailbox.role}"] = await _answers(mailbox)
    for remote in installation.broker:
        found[f"bus {remote.role}"] = remote.link.is_up
    if installation.https is not None:
        found["https"] = installation.https.ready
    if installation.sms is not None:
        found["smsc"] = installation.sms.ready
    if installation.rest is not None:
        found["rest"] = installation.rest.ready
    return found


async def _answers(mailbox: Mailbox) -> bool:
    """Whether a database can be read and takes commits; one that is busy with a long one does."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await mailbox.store.read(lambda connection: connection.execute(select(1)).scalar_one())
    except (Unavailable, TimeoutError):
        return False
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await mailbox.store.write(_must_write)
    except Unavailable:
        return False
    except TimeoutError:
        pass
    return True


def _must_write(connection: Connection) -> None:
    """Nothing, but in a transaction of the one who writes; raises Unavailable when the server only reads."""
    if connection.dialect.name != "postgresql":
        return
    if connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on":
        raise Unavailable("database (the server only reads)")
