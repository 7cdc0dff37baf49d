"""A plan is checked whole: every field, what is installed, and what must not be done to a command in doubt."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.errors import InputError
from ferryman.workflow import builtin, rules
from ferryman.workflow.plan import GiveUp, Packaging, Send, Transport, Trigger, Wait, check
from ferryman.workflow.question import Moment
from workflow_questions import question, tried

ALL = tuple(Transport)


def test_plans() -> None:
    assert check({"do": "wait", "seconds": 60}, installed=ALL) == Wait(seconds=60.0)
    assert check({"do": "give_up", "why": "late"}, installed=ALL) == GiveUp(why="late")
    sent = check({"do": "send", "transport": "sms", "packaging": "compact", "attempts": 3}, installed=ALL)
    assert sent == Send(transport=Transport.SMS, packaging=Packaging.COMPACT, attempts=3)
    pushed = check({"do": "send", "transport": "https-push", "trigger": {"host": "a.example"}}, installed=ALL)
    assert pushed == Send(transport=Transport.HTTPS_PUSH, trigger=Trigger(host="a.example"))


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (None, "plan"),
        ({"do": "dance"}, "plan"),
        ({"do": "send"}, "plan"),
        ({"do": "send", "transport": "fax"}, "plan"),
        ({"do": "send", "transport": "sms", "speed": 3}, "plan"),
        ({"do": "send", "transport": "sms", "attempts": 51}, "plan.attempts"),
        ({"do": "send", "transport": "sms", "attempts": -1}, "plan.attempts"),
        ({"do": "send", "transport": "sms", "answer_timeout": 0.5}, "plan.answer_timeout"),
        ({"do": "send", "transport": "sms", "spacing": 11}, "plan.spacing"),
        ({"do": "send", "transport": "sms", "trigger": {"host": "a"}}, "plan.trigger"),
        ({"do": "send", "transport": "https-pull", "packaging": "compact"}, "plan.packaging"),
        ({"do": "send", "transport": "https-push", "trigger": {"uri": "agent"}}, "plan.trigger.uri"),
        ({"do": "send", "transport": "https-push", "trigger": {"port": 70_000}}, "plan.trigger.port"),
        ({"do": "send", "transport": "https-push", "trigger": {"host": "a\n"}}, "plan.trigger.host"),
        ({"do": "wait", "seconds": 0}, "plan.seconds"),
        ({"do": "wait", "seconds": 31 * 86_400}, "plan.seconds"),
        ({"do": "wait", "seconds": float("nan")}, "plan.seconds"),
        ({"do": "give_up", "why": "x" * 201}, "plan.why"),
    ],
)
def test_refused(raw: Any, field: str) -> None:
    with pytest.raises(InputError) as caught:
        check(raw, installed=ALL)
    assert caught.value.field == field


def test_a_transport_that_is_not_installed() -> None:
    with pytest.raises(InputError, match=r"sms is not installed \(installed: https-pull\)"):
        check({"do": "send", "transport": "sms"}, installed=("https-pull",))


def test_a_command_in_doubt_stays_on_its_transport() -> None:
    moved = Send(transport=Transport.HTTPS_PUSH)
    silent = question(Moment.SILENCE, doubt=True, history=tried("sms"))
    with pytest.raises(InputError, match="may have been executed"):
        rules.fits(moved, silent)
    rules.fits(Send(transport=Transport.SMS), silent)
    rules.fits(moved, question(Moment.SILENCE, doubt=True, history=tried("sms"), op_asks=True))
    rules.fits(moved, question(Moment.REJECTED, doubt=False, history=tried("sms")))


def test_compact_is_for_cards_whose_type_says_so() -> None:
    compact = Send(transport=Transport.SMS, packaging=Packaging.COMPACT)
    with pytest.raises(InputError, match="expanded scripts only"):
        rules.fits(compact, question(Moment.START))
    rules.fits(compact, question(Moment.START, card_compact=True))
    rules.fits(Send(transport=Transport.SMS, packaging=Packaging.DEFINITE), question(Moment.START))


def test_built_in_policy() -> None:
    assert builtin.decide(question(card_transports=("sms", "https-pull"))) == Send(transport=Transport.SMS)
    assert builtin.decide(question(installed=("https-pull",))) == Send(transport=Transport.HTTPS_PULL)
    assert isinstance(builtin.decide(question(installed=("sms",))), GiveUp)
    for end in (Moment.SILENCE, Moment.REJECTED, Moment.NO_SESSION):
        assert builtin.decide(question(end)) == GiveUp()
