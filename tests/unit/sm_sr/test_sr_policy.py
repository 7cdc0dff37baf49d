"""Table of who may do what (`sgp02-interfaces.md` 5.4)."""

from __future__ import annotations

import pytest

import sr_steps as s
from ferryman.sm_sr.policy import find_target, may_delete, may_enable
from ferryman.sm_sr.records import EUICC

NA, AUTO = "Not-Allowed", "Auto-Delete"


def code(decision: object) -> str:
    refusal = decision.refusal  # type: ignore[attr-defined]
    return refusal.code if refusal is not None else ""


@pytest.mark.parametrize(
    ("card", "requester", "expected"),
    [
        (None, s.DP, "8.1.1/3.9"),
        (s.card(s.isdp(s.BOOT)), s.DP, "8.2.1/3.9"),
        (s.card(), "another SM-DP", "8.2.1/3.9"),
        (s.card(s.isdp(state="InCreation")), s.DP, "8.2.1/3.9"),
        (s.card(), s.DP, ""),
        (s.card(), s.OWNER, ""),
    ],
)
def test_target(card: EUICC | None, requester: str, expected: str) -> None:
    decision = find_target(card, s.ICCID, requester)
    assert code(decision) == expected
    assert (decision.target is None) == bool(expected)


@pytest.mark.parametrize(
    ("target", "current", "expected"),
    [
        ({}, {}, ""),
        ({"state": "Created"}, {}, "8.2.1/1.2"),
        ({"state": "Enabled"}, {"state": "Disabled"}, "8.2.1/1.2"),
        ({"pol2": (s.rule("ENABLE", NA),)}, {}, "8.2.3/3.8"),
        ({}, {"pol2": (s.rule("DISABLE", NA),)}, "8.2.3/3.8"),
        ({}, {"pol2": (s.rule("DISABLE", AUTO),)}, ""),
        ({"pol2": (s.rule("DISABLE", NA),)}, {}, ""),
    ],
)
def test_enable(target: dict[str, object], current: dict[str, object], expected: str) -> None:
    card = s.card(s.isdp(s.BOOT, **current), s.isdp(s.NEW, **target))
    assert code(may_enable(card, s.ICCID, s.DP)) == expected


def test_enable_without_an_enabled_profile() -> None:
    assert may_enable(s.card(s.isdp()), s.ICCID, s.DP).target is not None
    assert code(may_enable(None, s.ICCID, s.DP)) == "8.1.1/3.9"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, ""),
        ({"state": "Created", "pol2": (s.rule("DELETE", NA),)}, ""),
        ({"fallback": True}, "8.2.3/3.8"),
        ({"pol2": (s.rule("DELETE", NA),)}, "8.2.3/3.8"),
        ({"pol2": (s.rule("DISABLE", AUTO),)}, ""),
        ({"state": "Enabled"}, "8.2.1/1.2"),
    ],
)
def test_delete(target: dict[str, object], expected: str) -> None:
    assert code(may_delete(s.card(s.isdp(s.NEW, **target)), s.ICCID, s.DP)) == expected


def test_delete_of_an_unknown_card() -> None:
    assert code(may_delete(None, s.ICCID, s.DP)) == "8.1.1/3.9"
