"""Whole orders under a deployment's own script: what the SMSC sees differs, what the card has does not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.contracts import workflow
from ferryman.contracts.status import Status
from ferryman.errors import Refused
from ferryman.sm_sr import role
from ferryman.sm_sr.scripts.runner import LocalDecider
from personality import COUNTS
from virtual_loop import virtual
from workflow_questions import example

DAY = 86_400.0


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the virtual clock nobody can wait for another process; the process has tests of its own."""
    monkeypatch.setattr(role, "ChildDecider", LocalDecider)


async def activate(b: Bench, text: str, name: str = "script.star") -> None:
    done = await b.operator.sm_sr(workflow.ActivateScript(name=name, text=text))
    assert isinstance(done, workflow.ScriptActivated)


async def decisions(b: Bench) -> list[workflow.DecisionView]:
    page = await b.operator.sm_sr(workflow.ListDecisions(limit=1000))
    assert isinstance(page, workflow.DecisionPage)
    return list(reversed(page.decisions))


def submitted(b: Bench) -> int:
    """Short messages that the SMSC has accepted from us."""
    return sum(counter["mt_submitted"] for counter in b.world.smsc.centre.counters.values())


@virtual
async def test_three_examples_differ_in_what_the_smsc_receives() -> None:
    seen: dict[str, tuple[int, int, float]] = {}
    for name in ("by_size", "night_window", "patient"):
        told = {
            "notification_transports": ["sms", "https"]
        }  # whatever the personality: short messages are counted
        async with bench("https", poll=3600 if name == "patient" else 0, limits=told) as b:
            await activate(b, example(name), name)
            before = submitted(b)
            order = await b.order(validity=3 * DAY)
            await b.sleep(DAY)
            view, status = await b.ended(order)
            assert status.status is Status.SUCCESS, (name, status)
            await checks.everything(b, view)
            sessions = b.world.status(b.eid)["counters"]["https_sessions"]
            began = next(step.at for step in view.steps if step.name == "GetEIS")
            ended = next(step.at for step in view.steps if step.name == "done")
            seen[name] = (submitted(b) - before, sessions, ended - began)
            assert not [d for d in await decisions(b) if d.problem]
    # Triggers and small commands; triggers only; nothing but the confirmation of what the card told by SMS.
    assert [seen[name][0] for name in ("by_size", "night_window", "patient")] == (
        [3, 2, 1] if COUNTS else [4, 3, 1]
    )
    assert seen["by_size"][2] < 600.0
    assert seen["night_window"][2] > 12 * 3600.0  # from eleven in the morning until one at night


@virtual
async def test_a_script_that_fails_falls_back_with_an_alarm() -> None:
    async with bench("sms") as b:
        await activate(b, 'def decide(q):\n    return q["nothing"]\n')
        view, status = await b.run_order()
        assert status.status is Status.SUCCESS
        await checks.everything(b, view)
        alarms = [
            detail for action, outcome, detail in await b.audits() if (action, outcome) == ("script", "alarm")
        ]
        assert alarms
        assert all("the built-in policy decided" in one for one in alarms)
        assert all(d.problem and not d.plan for d in await decisions(b))


@virtual
async def test_silence_is_a_moment_of_its_own() -> None:
    async with bench("https", count=2) as b:
        await activate(b, example("by_size"))
        first, status = await b.run_order()
        assert status.status is Status.SUCCESS
        # Copies of the command by SMS are lost: the script is asked, and stays with the packet that may have
        # been executed.
        faults = b.device().faults

        def lose(names: list[str]) -> None:
            if "SCP03t Segment" in " ".join(names) and not faults.struck["drop_mt"]:
                faults.drop_mt = 12

        b.on_script(lose)
        view, status = await b.run_order(validity=2 * DAY)
        assert faults.struck["drop_mt"] == 12
        assert status.status is Status.SUCCESS
        await checks.everything(b, first, view)
        moments = Counter(d.question.moment.value for d in await decisions(b))
        assert moments["silence"] >= 1
        assert not [d for d in await decisions(b) if d.problem]


@virtual
async def test_a_receipt_comes_before_the_answer_and_is_asked_about() -> None:
    """The phone has the command, its card's answer is lost: the script hears of it long before the silence."""
    text = """
def decide(q):
    if q["moment"] == "receipt":
        return send("sms", answer_timeout = 5, why = "it has it")
    if q["moment"] == "silence":
        return give_up()  # a card may be silent to a copy of what it has executed
    return send("sms", answer_timeout = 600)
"""
    async with bench("sms") as b:
        await activate(b, text)
        await b.fault(b.eid, drop_mo=1)
        view, status = await b.run_order()
        assert status.status is Status.SUCCESS
        await checks.everything(b, view)
        told = await decisions(b)
        assert not [d for d in told if d.problem]
        assert [d.question.moment.value for d in told][:2] == ["start", "receipt"]
        assert told[1].question.history[-1].detail == "receipt: delivered"
        steps = {step.name: step.at for step in view.steps}
        assert steps["done"] - steps["GetEIS"] < 600.0


@virtual
async def test_what_waits_goes_when_the_card_comes() -> None:
    """The script lets every command wait for most of a day; the card opens a session of its own each hour."""
    text = """
def decide(q):
    if q["moment"] == "start" and not q["card"]["session_open"]:
        return wait(20 * 3600, why = "until the card comes")
    return send("https-pull")
"""
    async with bench("https-pull", poll=3600, smsc=False) as b:
        await activate(b, text)
        began = b.platform.installation.clock.now()
        order = await b.order(validity=3 * DAY)
        await b.sleep(DAY)
        view, status = await b.ended(order)
        assert status.status is Status.SUCCESS
        await checks.everything(b, view)
        assert next(step.at for step in view.steps if step.name == "done") < began + 10 * 3600.0
        told = await decisions(b)
        assert not [d for d in told if d.problem]
        assert "session" in {d.question.moment.value for d in told}
        assert "waited" not in {d.question.moment.value for d in told}


@virtual
async def test_versions_and_rollback_survive_a_restart() -> None:
    async with bench("sms") as b:
        await activate(b, 'def decide(q):\n    return send("sms", why = "one")\n', "one")
        await activate(b, 'def decide(q):\n    return send("sms", why = "two")\n', "two")
        back: Any = await b.operator.sm_sr(workflow.RollBackScript())
        assert back.version == 1
        await b.restart()
        view, status = await b.run_order()
        assert status.status is Status.SUCCESS
        await checks.everything(b, view)
        assert {"one"} == {d.plan.partition('"why":"')[2][:3] for d in await decisions(b)}
        page: Any = await b.operator.sm_sr(workflow.ListScripts())
        assert [(one.version, one.active) for one in page.scripts] == [(2, False), (1, True)]
        none: Any = await b.operator.sm_sr(workflow.RollBackScript(version=0))
        assert none.version == 0
        with pytest.raises(Refused, match="no script of version 9"):
            await b.operator.sm_sr(workflow.RollBackScript(version=9))
        with pytest.raises(Refused, match="syntax"):
            await activate(b, "def decide(q)")
        with pytest.raises(Refused, match="https-push is not installed"):
            await activate(b, example("by_size"))
