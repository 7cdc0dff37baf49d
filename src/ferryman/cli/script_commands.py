"""Commands on transport scripts: check, explain, test, activate, rollback, list, decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from cyclopts import App

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, read_file
from ferryman.cli.remote.place import current
from ferryman.cli.session import operator
from ferryman.cli.settings import load
from ferryman.cli.wiring import installed
from ferryman.contracts import workflow
from ferryman.errors import InputError, Refused
from ferryman.sm_sr.scripts.runner import ChildDecider
from ferryman.workflow import builtin
from ferryman.workflow.plan import Plan, Transport
from ferryman.workflow.question import Question
from ferryman.workflow.starlark import Finding

script = App(name="script", help="Transport scripts: how commands travel to the eUICCs.")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded question and what the plan must say: the fields that are named, and no others."""

    question: Question
    expect: dict[str, Any]
    name: str = ""


def _text(file: Path) -> str:
    try:
        return read_file(file).decode()
    except UnicodeDecodeError:
        raise InputError(str(file), "is not UTF-8") from None


async def _inspect(file: Path, data: Path) -> tuple[Finding | workflow.ScriptFinding, ...]:
    if current.get() is not None:  # its transports are what counts
        async with operator(data, OWNER) as calls:
            checked = await calls.sm_sr(workflow.CheckScript(name=file.name, text=_text(file)))
        return checked.findings if isinstance(checked, workflow.ScriptChecked) else ()
    # Without any transport in its settings it is no installation yet: then every one that there is may be named.
    there = installed(load(data).configuration()) or tuple(Transport)
    return await ChildDecider().inspect(file.name, _text(file), there)


@script.command
async def check(file: Path, *, data: Path = DATA, json: bool = False) -> int:
    """Parse a script; report syntax, lint, types, transports that are not installed. Exit 1 when it is of no use.

    Parameters
    ----------
    file
        The script (Starlark).
    data
        The installation whose transports it may name.
    """
    findings = await _inspect(file, data)
    bad = any(one.severity == "error" for one in findings)
    if json:
        output.emit({"ok": not bad, "findings": [msgspec.to_builtins(one) for one in findings]})
    else:
        for one in findings:
            output.line(f"{file}:{one.line}: {one.severity}: {one.rule}: {one.text}")
        output.line("cannot be activated" if bad else "can be activated")
    return output.FAILED if bad else output.DONE


@script.command
async def explain(file: Path, *, context: Path, json: bool = False) -> int:
    """Run a script on a recorded question and show the plan and its reason, beside that of the built-in policy.

    Parameters
    ----------
    file
        The script (Starlark).
    context
        The question as JSON: one of `ferryman script decisions --json`, or its field `question`.
    """
    question = _question(context)
    plan = await _decide(file, question)
    default = builtin.decide(question)
    if json:
        output.emit({"plan": msgspec.to_builtins(plan), "builtin": msgspec.to_builtins(default)})
    else:
        op = question.operation
        output.line(f"{question.moment}: {op.name}, {op.size} octets, card {question.card.eid}")
        output.line(f"plan:     {words(plan)}")
        output.line(f"built in: {words(default)}")
    return output.DONE


@script.command(name="test")
async def try_out(file: Path, cases: Path, *, json: bool = False) -> int:
    """Run a script on recorded questions and compare what it says with what is expected. Exit 1 on a difference.

    Parameters
    ----------
    file
        The script (Starlark).
    cases
        JSON list of objects with `question`, `expect` (fields of the plan) and `name`.
    """
    try:
        wanted = msgspec.json.decode(read_file(cases), type=list[Case])
    except msgspec.DecodeError as problem:
        raise InputError(str(cases), str(problem)) from None
    decider, rows, failures = ChildDecider(), list[dict[str, Any]](), 0
    await decider.use(file.name, _text(file))
    try:
        for number, case in enumerate(wanted, 1):
            said = await _say(decider, case.question)
            wrong = {name: said.get(name) for name, value in case.expect.items() if said.get(name) != value}
            failures += bool(wrong)
            rows.append({"case": case.name or str(number), "ok": not wrong, "expected": case.expect, "said": said})
    finally:
        await decider.stop()
    if json:
        output.emit({"cases": rows})
    else:
        for row in rows:
            state = "ok" if row["ok"] else f"expected {row['expected']}, said {row['said']}"
            output.line(f"{row['case']}: {state}")
        output.line(f"{len(rows) - failures} of {len(rows)} as expected")
    return output.FAILED if failures else output.DONE


async def _say(decider: ChildDecider, question: Question) -> dict[str, Any]:
    try:
        said: dict[str, Any] = msgspec.to_builtins(await decider.decide(question))
    except Refused as refusal:
        return {"do": "fails", "why": refusal.message}
    return said


@script.command
async def activate(file: Path, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Check a script where it would run and make it the one that decides; the former one stays as a version.

    Parameters
    ----------
    file
        The script (Starlark).
    """
    request = workflow.ActivateScript(name=file.name, text=_text(file))
    async with operator(data, owner) as calls:
        done = await calls.sm_sr(request)
    return _active(done, json=json)


@script.command
async def rollback(*, to: int | None = None, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Go back to the version that was active before, or to a given one.

    Parameters
    ----------
    to
        A version; 0 is the built-in policy.
    """
    async with operator(data, owner) as calls:
        done = await calls.sm_sr(workflow.RollBackScript(version=to))
    return _active(done, json=json)


def _active(done: object, *, json: bool) -> int:
    if isinstance(done, workflow.ScriptActivated):
        if json:
            output.emit({"active": done.version})
        else:
            chosen = f"version {done.version}" if done.version else "the built-in policy"
            output.line(f"{chosen} decides now")
    return output.DONE


@script.command(name="list")
async def list_versions(*, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """List the versions."""
    async with operator(data, owner) as calls:
        page = await calls.sm_sr(workflow.ListScripts())
    scripts = page.scripts if isinstance(page, workflow.ScriptPage) else ()
    if json:
        output.emit({"scripts": [msgspec.to_builtins(one) for one in scripts]})
    else:
        rows = [[str(one.version), one.name, one.digest[:12], "active" if one.active else ""] for one in scripts]
        output.table("transport scripts", ["version", "name", "SHA-256", ""], rows)
    return output.DONE


@script.command
async def decisions(
    *, eid: str = "", limit: int = 20, data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """Show the last decisions of the active script, with the questions.

    Parameters
    ----------
    eid
        Only those for one card.
    limit
        How many at most.
    """
    async with operator(data, owner) as calls:
        page = await calls.sm_sr(workflow.ListDecisions(eid=eid, limit=limit))
    found = page.decisions if isinstance(page, workflow.DecisionPage) else ()
    if json:
        output.emit({"decisions": [msgspec.to_builtins(one) for one in found]})
    else:
        rows = [
            [one.eid, one.question.operation.name, one.question.moment, one.plan or f"alarm: {one.problem}"]
            for one in found
        ]
        output.table("decisions", ["EID", "operation", "moment", "plan"], rows)
    return output.DONE


def _question(path: Path) -> Question:
    raw = read_file(path)
    try:
        content = msgspec.json.decode(raw)
        if isinstance(content, dict) and "question" in content:
            content = content["question"]
        return msgspec.convert(content, Question)
    except msgspec.DecodeError as problem:
        raise InputError(str(path), str(problem)) from None


async def _decide(file: Path, question: Question) -> Plan:
    decider = ChildDecider()
    await decider.use(file.name, _text(file))
    try:
        return await decider.decide(question)
    finally:
        await decider.stop()


def words(plan: Plan) -> str:
    """A plan in one sentence."""
    said: dict[str, Any] = msgspec.to_builtins(plan)
    why = said.pop("why", "")
    what = said.pop("do").replace("_", " ")
    details = ", ".join(f"{name} {value}" for name, value in said.items() if value not in (0, 0.0, None, ""))
    return f"{what} {details}".strip() + (f" ({why})" if why else "")
