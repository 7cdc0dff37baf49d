"""Scripts: what may be activated, what a question looks like, what is refused; the examples that come along."""

from __future__ import annotations

import pytest

from ferryman.errors import InputError
from ferryman.workflow import naming
from ferryman.workflow.plan import GiveUp, Send, Transport, Wait
from ferryman.workflow.question import Moment
from ferryman.workflow.starlark import MAX_SCRIPT, Script, inspect, seen
from workflow_questions import NOON, example, question, tried

ANY = "def decide(q):\n    return "


def guarded(test: str, then: str, otherwise: str) -> str:
    return f"def decide(q):\n    if {test}:\n        return {then}\n    return {otherwise}\n"


def errors(text: str) -> list[tuple[int, str]]:
    return [(one.line, one.rule) for one in inspect("t.star", text) if one.severity == "error"]


def test_a_script_decides() -> None:
    script = Script("t.star", ANY + 'send("sms", attempts = 2, why = q["operation"]["name"])')
    assert script.decide(question()) == Send(transport=Transport.SMS, attempts=2, why="EnableProfile")
    assert Script("t.star", ANY + "wait(60)").decide(question()) == Wait(seconds=60)
    assert Script("t.star", ANY + 'give_up("no")').decide(question()) == GiveUp(why="no")


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("def decide(q)\n    pass\n", 0, "syntax"),
        ("while True: pass\n", 0, "syntax"),
        ('load("other.star", "x")\n', 0, "syntax"),
        ("x = 1\n", 0, "entry"),
        ("decide = 3\n", 0, "entry"),
        (ANY + "sent(q)\n", 2, "types"),
        (ANY + "send()\n", 2, "types"),
        (ANY + 'open("/etc/passwd")\n', 2, "types"),
        ("x = 1 // 0\n" + ANY + "wait(1)\n", 0, "evaluation"),
        ("# " + "x" * MAX_SCRIPT, 0, "size"),
    ],
)
def test_what_cannot_be_activated(text: str, line: int, rule: str) -> None:
    assert (line, rule) in errors(text)
    with pytest.raises(InputError):
        Script("t.star", text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ANY + 'send("fax")', [(2, "fax")]),
        (ANY + 'send(transport = "sms")', [(2, "sms")]),
        (ANY + 'send("sms" if q["doubt"] else "https-pull")', [(2, "sms")]),
        ('WAY = "sms"\n' + ANY + "send(WAY)", [(3, "sms")]),
        (guarded("q['doubt']", "send('https-push')", "wait(60)"), [(3, "https-push")]),
        (ANY + 'send("https-pull")', []),
        (ANY + "send(q['card']['transports'][0])", []),
        (guarded("'sms' in q['installed'] and q['doubt']", "send('sms')", "wait(60)"), []),
        (guarded("'sms' in q['installed']", "wait(60)", "send('sms')"), [(4, "sms")]),
        (guarded("'sms' in q['installed'] or q['doubt']", "send('sms')", "wait(60)"), [(3, "sms")]),
        ("WAY = WAY2\nWAY2 = WAY\n" + ANY + "send(WAY)", []),
    ],
)  # fmt: skip
def test_a_transport_that_is_not_installed_fails_the_check(text: str, found: list[tuple[int, str]]) -> None:
    assert naming.not_installed(text, ("https-pull",)) == found
    said = [one for one in inspect("t.star", text, ("https-pull",)) if one.rule == "transport"]
    assert [(one.line, one.severity) for one in said] == [(line, "error") for line, _ in found]
    assert all(
        one.text == f"{name} is not installed (installed: https-pull)"
        for one, (_, name) in zip(said, found, strict=True)
    )


def test_examples_name_what_there_is_and_the_patient_one_asks_first() -> None:
    assert not naming.not_installed(example("patient"), ("https-pull",))
    assert naming.not_installed(example("by_size"), ("https-pull",))
    for name in ("by_size", "night_window", "patient"):
        assert not naming.not_installed(example(name), tuple(Transport))


def test_a_script_that_calls_too_deep_fails() -> None:
    calls = "".join(f"def f{n}(q):\n    return f{n - 1}(q)\n" for n in range(1, 80))
    script = Script("t.star", f"def f0(q):\n    return wait(60)\n{calls}" + ANY + "f79(q)\n")
    with pytest.raises(InputError):
        script.decide(question())


def test_lint_is_a_warning() -> None:
    found = inspect("t.star", 'def decide(q):\n    x = 1\n    return send("sms")\n')
    assert {(one.line, one.severity, one.rule) for one in found} == {
        (1, "warning", "unused-argument"), (2, "warning", "unused-assign"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "body", ['q["nix"]', "1 // 0", "None", '"sms"', "[1]", 'send("fax")', 'send("sms", attempts = 99)']
)
def test_what_fails_at_a_question(body: str) -> None:
    script = Script("t.star", ANY + body)
    with pytest.raises(InputError):
        script.decide(question())


def test_it_cannot_be_endless() -> None:
    nest = "def decide(q):\n    n = 0\n    for a in range(100000):\n        for b in range(100000):\n"
    nest += "            n += 1\n"
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 10

    with pytest.raises(InputError, match="cancelled"):
        Script("t.star", nest + "    return wait(1)\n").decide(question(), cancelled=cancelled)
    with pytest.raises(InputError, match="stack overflow"):
        Script("t.star", "def f(n):\n    return f(n)\n" + ANY + "f(1)\n").decide(question())


def test_what_a_script_sees() -> None:
    q = seen(question(Moment.SILENCE, history=tried("sms"), now=NOON + 90.0))
    assert q["clock"] == {"hour": 12, "minute": 1, "weekday": (int(NOON) // 86_400 + 3) % 7, "age": 90.0}
    assert q["history"][0]["transport"] == "sms"
    assert list(q["card"]["transports"]) == ["https-push"]
    assert list(q["installed"]) == ["sms", "https-push", "https-pull"]
    # Whose subscription it is, is nothing for a script.
    assert not {"imsi", "msisdn", "iccid"} & set(q["card"])


def test_weekday_of_a_known_day() -> None:
    assert seen(question(now=0.0, op_since=0.0))["clock"]["weekday"] == 3  # 1970-01-01, a Thursday


# -- the examples ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["by_size", "night_window", "patient"])
def test_examples_can_be_activated(name: str) -> None:
    assert inspect(name, example(name)) == ()
    Script(name, example(name))


def test_by_size() -> None:
    script = Script("by_size", example("by_size"))
    assert script.decide(question()).transport is Transport.SMS  # type: ignore[union-attr]
    assert script.decide(question(op_size=1000)).transport is Transport.HTTPS_PUSH  # type: ignore[union-attr]
    asks = question(Moment.SILENCE, doubt=True, op_asks=True, history=tried("sms"))
    assert script.decide(asks).transport is Transport.HTTPS_PUSH  # type: ignore[union-attr]
    changes = question(Moment.SILENCE, doubt=True, history=tried("sms"))
    assert script.decide(changes).transport is Transport.SMS  # type: ignore[union-attr]
    end = question(Moment.SILENCE, doubt=True, history=tried("sms", "sms", "sms", "sms"))
    assert isinstance(script.decide(end), GiveUp)


def test_night_window() -> None:
    script = Script("night_window", example("night_window"))
    large = question(op_size=1000)
    assert script.decide(large) == Wait(seconds=13 * 3600.0, why="large, outside the window")
    night = question(op_size=1000, now=NOON + 14 * 3600.0)
    assert script.decide(night).transport is Transport.HTTPS_PUSH  # type: ignore[union-attr]
    assert script.decide(question()).transport is Transport.HTTPS_PUSH  # type: ignore[union-attr]


def test_patient() -> None:
    script = Script("patient", example("patient"))
    assert script.decide(question()).transport is Transport.HTTPS_PULL  # type: ignore[union-attr]
    away = question(Moment.NO_SESSION, history=tried("https-pull"))
    assert script.decide(away).transport is Transport.HTTPS_PUSH  # type: ignore[union-attr]
    alone = question(Moment.NO_SESSION, history=tried("https-pull"), installed=("https-pull",))
    assert script.decide(alone).transport is Transport.HTTPS_PULL  # type: ignore[union-attr]
