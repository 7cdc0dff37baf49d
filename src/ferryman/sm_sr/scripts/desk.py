"""What people ask about scripts: activate, roll back, list, look at decisions."""

from __future__ import annotations

import msgspec

from ferryman.contracts import codes
from ferryman.contracts.message import Body, Header
from ferryman.contracts.workflow import (
    ActivateScript,
    CheckScript,
    DecisionPage,
    ListDecisions,
    ListScripts,
    RollBackScript,
    ScriptActivated,
    ScriptChecked,
    ScriptFinding,
    ScriptPage,
    ScriptSaid,
    ScriptTried,
    TryScript,
)
from ferryman.errors import InputError, Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr.scripts import store
from ferryman.sm_sr.scripts.runner import Decider
from ferryman.workflow import builtin
from ferryman.workflow.plan import Transport

MAX_PAGE = 1000


class ScriptDesk:
    """Scripts of one SM-SR."""

    def __init__(self, mailbox: Mailbox, decider: Decider, installed: tuple[str, ...]) -> None:
        self._mailbox = mailbox
        # Without any transport no script at all could be prepared: then names are looked at when it decides.
        self._installed = installed or None
        self._decider = decider

    async def start(self) -> None:
        """Take the active script up again."""
        await self._take_up()

    async def stop(self) -> None:
        """End its process."""
        await self._decider.stop()

    async def answer(self, header: Header, body: Body) -> Body:
        """One question of a person; raises Refused or InputError."""
        match body:
            case CheckScript():
                return await self._check(body)
            case TryScript():
                return await self._try(body)
            case ActivateScript():
                return await self._activate(header, body)
            case RollBackScript():
                return await self._roll_back(header, body)
            case ListScripts():
                return ScriptPage(scripts=await self._mailbox.store.read(store.views))
            case ListDecisions():
                limit = max(1, min(body.limit, MAX_PAGE))
                return DecisionPage(
                    decisions=await self._mailbox.store.read(
                        lambda c: store.decisions(c, body.eid, limit, body.before)
                    )
                )
            case _:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function on scripts")

    async def _check(self, body: CheckScript) -> ScriptChecked:
        findings = tuple(
            ScriptFinding(line=one.line, severity=one.severity, rule=one.rule, text=one.text)
            for one in await self._decider.inspect(body.name, body.text, self._installed)
        )
        return ScriptChecked(ok=all(one.severity != "error" for one in findings), findings=findings)

    async def _try(self, body: TryScript) -> ScriptTried:
        """In a process of its own, so that the active one is not disturbed; raises InputError."""
        for number, asked in enumerate(body.questions):
            unknown = {*asked.card.transports, *asked.installed} - set(Transport)
            if unknown:
                raise InputError(f"questions[{number}]", f"there is no transport {min(unknown)!r}")
        decider, said = type(self._decider)(), []
        await decider.use(body.name, body.text)
        try:
            for question in body.questions:
                try:
                    builtin_says = msgspec.json.encode(builtin.decide(question)).decode()
                except ValueError as problem:  # a question that we never asked: a transport that does not exist
                    raise InputError("questions", str(problem)) from None
                try:
                    plan = msgspec.json.encode(await decider.decide(question)).decode()
                    said.append(ScriptSaid(plan=plan, builtin=builtin_says))
                except Refused as refusal:
                    said.append(ScriptSaid(plan="", builtin=builtin_says, problem=refusal.message))
        finally:
            await decider.stop()
        return ScriptTried(said=tuple(said))

    async def _activate(self, header: Header, body: ActivateScript) -> ScriptActivated:
        findings = await self._decider.inspect(body.name, body.text, self._installed)
        for one in findings:
            if one.severity == "error":
                raise InputError(f"{body.name}:{one.line}", f"{one.rule}: {one.text}")

        def unit(tx: Tx) -> int:
            version = store.add(tx.connection, body.name, body.text, tx.now)
            if _is_first(tx, header):
                self._switch(tx, version, header.requester)
            return version

        version = await self._mailbox.transact(unit)
        await self._take_up()
        return ScriptActivated(version=version)

    async def _roll_back(self, header: Header, body: RollBackScript) -> ScriptActivated:
        def unit(tx: Tx) -> int:
            if not _is_first(tx, header):
                now = store.active(tx.connection)
                return now[0] if now is not None else store.NONE
            version = body.version if body.version is not None else store.previous(tx.connection)
            if not store.exists(tx.connection, version):
                raise Refused(*codes.FORMAT_INVALID, f"there is no script of version {version}")
            self._switch(tx, version, header.requester)
            return version

        version = await self._mailbox.transact(unit)
        await self._take_up()
        return ScriptActivated(version=version)

    def _switch(self, tx: Tx, version: int, by: str) -> None:
        store.activate(tx.connection, version, by, tx.now)
        tx.audit(actor=by, action="script", eid="", object=str(version), outcome="active", detail="")

    async def _take_up(self) -> None:
        found = await self._mailbox.store.read(store.active)
        if found is None:
            await self._decider.use("", None)
        else:
            await self._decider.use(found[1], found[2])


def _is_first(tx: Tx, header: Header) -> bool:
    """Whether this call has changed nothing yet: a late repeat must not bring back what was replaced since."""
    return tx.first_time(f"script/{header.sender}/{header.requester}/{header.function_call_id}")
