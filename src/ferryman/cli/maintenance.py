"""For who keeps a process running: messages that were set aside, and how its procedures went.

Asked of the process itself, over the control socket in its data directory. A parked message is in the database of
the role that sent it, or in the broker's stream of the role that could not take it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from cyclopts import App
from sqlalchemy import Connection, Select, select

from ferryman.cli import output, oversight
from ferryman.cli.commands import DATA
from ferryman.cli.control import ControlClient
from ferryman.cli.wiring import Installation
from ferryman.contracts import maintenance as words
from ferryman.contracts.message import Body, Header, decode, encode
from ferryman.contracts.roles import OPERATOR
from ferryman.errors import FerrymanError, Refused, Unavailable
from ferryman.platform.metrics import LIVING
from ferryman.platform.step_journal import NotReplayable
from ferryman.transport_sms import schema as sms_schema

PAGE = 1_000  # messages of one answer: each is an alarm, and a person reads them
CALL_SECONDS = 60.0
NUMBER_OCTETS = 6  # of the digest of a short message: enough to name one among those that are kept

procedure = App(name="procedure", help="Procedures of a running process, and what they did.")
parked = App(name="parked", help="Messages that were set aside because nobody could take them.")


class Maintenance:
    """Answers the questions of `contracts.maintenance` about one process."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    async def serve(self, _caller: str, raw: bytes) -> bytes:
        """Request and answer as bytes."""
        header, body = decode(raw, words.REQUESTS)
        return encode(header, await self._answer(body))

    async def _answer(self, body: Body) -> Body:
        match body:
            case words.ReleaseParked():
                return await self._release(body)
            case words.ListProcedures():
                return await self._procedures(body)
            case words.ReplayProcedure(procedure_id=procedure_id):
                return await self._replay(procedure_id)
            case words.ReadTrail():
                return await oversight.trail(self._installation.mailboxes, body)
            case words.ReadAlarms():
                return await oversight.standing(self._installation.mailboxes)
        found = sorted(await self._listed(), key=lambda one: (one.since, one.number))
        return words.ParkedPage(messages=tuple(found[:PAGE]), more=len(found) > PAGE)

    async def _procedures(self, body: words.ListProcedures) -> words.ProcedurePage:
        found: list[words.ProcedureLine] = []
        for role, engine in self._installation.engines.items():
            p = engine.tables.procedure.c
            wanted = select(p.id, p.kind, p.eid, p.status, p.created, p.updated)
            if body.eid:
                wanted = wanted.where(p.eid == body.eid)
            if not body.ended:
                wanted = wanted.where(p.status.in_(LIVING))
            wanted = wanted.order_by(p.created.desc()).limit(PAGE + 1)
            rows = await engine.mailbox.store.read(partial(_rows, statement=wanted))
            for name, kind, eid, status, created, updated in rows:
                found.append(words.ProcedureLine(role, name, kind, eid, status, created, updated))
        found.sort(key=lambda one: one.created, reverse=True)
        return words.ProcedurePage(procedures=tuple(found[:PAGE]), more=len(found) > PAGE)

    async def _replay(self, procedure_id: str) -> Body:
        for role, engine in self._installation.engines.items():
            try:
                found = await engine.replay(procedure_id)
            except NotReplayable as problem:
                return words.NotDone(reason=str(problem))
            if found is not None:
                steps = tuple(words.ReplayedStep(one.at, one.event, one.effects) for one in found.steps)
                return words.Replayed(
                    role=role,
                    procedure_id=procedure_id,
                    kind=found.kind,
                    status=found.status,
                    whole=found.whole,
                    agrees=found.agrees,
                    steps=steps,
                )
        return words.NotDone(reason=f"no procedure {procedure_id}")

    async def _listed(self) -> list[words.ParkedMessage]:
        found: list[words.ParkedMessage] = []
        for mailbox in self._installation.mailboxes:
            role = mailbox.role
            for one in await mailbox.set_aside(PAGE + 1):
                message = (role, words.OUTBOX, one.seq, role, one.dest, one.eid, one.created, one.reason)
                found.append(words.ParkedMessage(*message))
        for remote in self._installation.broker:
            if remote.receives:
                for number, sender, since, reason in await remote.set_aside(PAGE + 1):
                    message = (remote.role, words.BROKER, number, sender, remote.role, "", since, reason)
                    found.append(words.ParkedMessage(*message))
        return found + await self._short_messages()

    async def _short_messages(self) -> list[words.ParkedMessage]:
        sms = self._installation.sms
        if sms is None:
            return []
        table = sms_schema.mo_poison
        statement = select(table.c.digest, table.c.first, table.c.reason).order_by(table.c.first).limit(PAGE + 1)
        rows = await sms.mailbox.store.read(lambda c: c.execute(statement).all())
        role = sms.mailbox.role
        return [
            words.ParkedMessage(
                role,
                words.SMS,
                int.from_bytes(row.digest[:NUMBER_OCTETS]),
                "smsc",
                role,
                "",
                row.first,
                row.reason,
            )
            for row in rows
        ]

    async def _release(self, body: words.ReleaseParked) -> Body:
        if body.place == words.OUTBOX:
            for mailbox in self._installation.mailboxes:
                if mailbox.role == body.role:
                    return words.Released(found=await mailbox.release(body.number))
        elif body.place == words.BROKER:
            for remote in self._installation.broker:
                if remote.role == body.role and remote.receives:
                    return await self._release_at(remote.role, body.number)
        elif body.place == words.SMS:
            return words.NotDone(reason="a short message that nobody understands has no receiver to release it to")
        return words.NotDone(reason=f"this process has no {body.place} of {body.role}")

    async def _release_at(self, role: str, number: int) -> words.Released:
        [remote] = [one for one in self._installation.broker if one.role == role]
        if not await remote.has_parked(number):
            return words.Released(found=False)
        try:
            await remote.release(number)
        except FerrymanError as problem:
            return words.Released(found=True, problem=f"{type(problem).__name__}: {problem}")
        return words.Released(found=True)


def _rows(connection: Connection, statement: Select[Any]) -> Sequence[Any]:
    return connection.execute(statement).all()


async def ask(data: Path, body: Body) -> Body:
    """Ask the process that runs on a data directory about itself; raises Refused, Unavailable."""
    header = Header(
        message_id=f"{OPERATOR}/{secrets.token_hex(8)}",
        sender=OPERATOR,
        requester=OPERATOR,
        function_call_id=secrets.token_hex(8),
        deadline=time.time() + CALL_SECONDS,
    )
    raw = await ControlClient(data).call(words.MAINTENANCE, OPERATOR, encode(header, body))
    _, answer = decode(raw, words.ANSWERS)
    if isinstance(answer, words.NotDone):
        raise Refused("1.6", "3.9", answer.reason)
    return answer


@parked.command(name="list")
async def parked_list(*, data: Path = DATA, json: bool = False) -> int:
    """Show what the roles of a running process have set aside, with the reason.

    Parameters
    ----------
    data
        Data directory of the process: of `ferryman up`, or of one service of `ferryman serve`.
    """
    page = await ask(data, words.ListParked())
    if not isinstance(page, words.ParkedPage):
        raise Unavailable("the running ferryman")
    if json:
        output.emit(page)
        return output.DONE
    if not page.messages:
        output.line("nothing is set aside")
        return output.DONE
    for one in page.messages:
        output.line(_shown(one))
    if page.more:
        output.line(f"there are more than these {PAGE}")
    return output.DONE


def _shown(one: words.ParkedMessage) -> str:
    """The three words that `parked release` takes, then what a person wants to know."""
    since = moment(one.since) if one.since else "-"
    card = f" eUICC {one.eid}" if one.eid else ""
    return f"{one.role} {one.place} {one.number}: {since} from {one.sender} to {one.dest}{card}: {one.reason}"


@parked.command(name="release")
async def parked_release(role: str, place: str, number: int, *, data: Path = DATA, json: bool = False) -> int:
    """Deliver one once more, after what its receiver stumbled over was repaired.

    Parameters
    ----------
    role
        As `parked list` shows it.
    place
        "outbox" or "broker", as `parked list` shows it.
    number
        As `parked list` shows it.
    data
        Data directory of the process.
    """
    done = await ask(data, words.ReleaseParked(role=role, place=place, number=number))
    if not isinstance(done, words.Released):
        raise Unavailable("the running ferryman")
    if json:
        output.emit(done)
    if not done.found:
        raise Refused("1.6", "3.9", f"nothing of number {number} is set aside there")
    if done.problem:
        raise Refused("1.6", "4.2", f"it is still not taken and stays set aside: {done.problem}")
    if not json:
        output.line(f"message {number} is on its way to its receiver again")
    return output.DONE


def moment(seconds: float) -> str:
    """Seconds since 1970 as people read them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@procedure.command(name="list")
async def procedure_list(*, eid: str = "", ended: bool = False, data: Path = DATA, json: bool = False) -> int:
    """Show procedures, newest first.

    Parameters
    ----------
    eid
        Of this eUICC only.
    ended
        Also those that have ended.
    data
        Data directory of the process that runs SM-DP or SM-SR.
    """
    page = await ask(data, words.ListProcedures(eid=eid, ended=ended))
    if not isinstance(page, words.ProcedurePage):
        raise Unavailable("the running ferryman")
    if json:
        output.emit(page)
        return output.DONE
    for one in page.procedures:
        output.line(f"{one.procedure_id} ({one.role}, {one.kind}) {one.status} since {moment(one.updated)}")
    output.line(f"{len(page.procedures)} procedures" + (", and there are more" if page.more else ""))
    return output.DONE


@procedure.command(name="replay")
async def procedure_replay(procedure_id: str, *, data: Path = DATA, json: bool = False) -> int:
    """Take the steps of a procedure again from its journal; fails when they do not lead to the stored state.

    Parameters
    ----------
    procedure_id
        As `procedure list` shows it.
    data
        Data directory of the process that runs its role.
    """
    done = await ask(data, words.ReplayProcedure(procedure_id=procedure_id))
    if not isinstance(done, words.Replayed):
        raise Unavailable("the running ferryman")
    if json:
        output.emit(done)
    else:
        for step in done.steps:
            output.line(f"{moment(step.at)} {step.event}: {', '.join(step.effects) or 'nothing'}")
        since = "its beginning" if done.whole else "the oldest state that is kept"
        verdict = "to the stored state" if done.agrees else "to ANOTHER state than the stored one"
        output.line(f"{len(done.steps)} steps from {since} lead {verdict} ({done.kind}, {done.status})")
    return output.DONE if done.agrees else output.FAILED
