"""Table 5.4 and its neighbours: each pair of codes that a decision can give, from a state that gives it."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.contracts.eis import PolicyRule
from ferryman.sm_sr.euicc_type import NOT_APPROVED, REFUSE, Effective
from ferryman.sm_sr.policy import (
    Action,
    Deed,
    Function,
    Question,
    World,
    auto_deleted,
    decide,
    may_delete,
    may_disable,
)
from ferryman.sm_sr.records import EUICC, ISDP

NA, AUTO = "Not-Allowed", "Auto-Delete"
OTHER_OWNER, OTHER_DP = "1.3.6.1.4.1.99999.31", "1.3.6.1.4.1.99999.11"


def world(
    boot: dict[str, Any] | None = None, new: dict[str, Any] | None = None, effective: Effective | None = None
) -> World:
    card = s.card(s.isdp(s.BOOT, **(boot or {})), s.isdp(s.NEW, **(new or {})))
    return World(card, effective or Effective())


def asked(function: Function, requester: str = s.OWNER, iccid: str = s.ICCID, **more: Any) -> Question:
    return Question(function, requester, iccid, **more)


def code(question: Question, world: World) -> str:
    verdict = decide(question, world)
    assert (verdict.refusal is None) == bool(verdict.actions), "allowed means that something is done"
    assert verdict.because
    return verdict.refusal.code if verdict.refusal is not None else ""


ENABLED_NEW: dict[str, Any] = {"boot": {"state": "Disabled"}, "new": {"state": "Enabled"}}


@pytest.mark.parametrize(
    ("function", "states", "expected"),
    [
        (Function.DISABLE, ENABLED_NEW, ""),
        (Function.DISABLE, {}, "8.2.1/1.2"),
        (
            Function.DISABLE,
            {"boot": {"fallback": False}, "new": {"state": "Enabled", "fallback": True}},
            "8.1/3.8",
        ),
        (Function.DISABLE, {"boot": {"state": "Created"}, "new": {"state": "Enabled"}}, "8.1/3.8"),
        (
            Function.DISABLE,
            {"boot": {"state": "Disabled", "fallback": False}, "new": {"state": "Enabled"}},
            "8.1/3.8",
        ),
        (
            Function.DISABLE,
            {"boot": {"state": "Disabled"}, "new": {"state": "Enabled", "pol2": (s.rule("DISABLE", NA),)}},
            "8.2.3/3.8",
        ),
        (Function.ENABLE, {"boot": {"pol2": (s.rule("EXPLODE", NA),)}}, "8.2.3/3.8"),
        (Function.ENABLE, {"new": {"pol2": (PolicyRule("DISABLE", NA, "CARD"),)}}, "8.2.3/3.8"),
        (Function.DELETE, {"new": {"pol2": (s.rule("DELETE", "Sometimes"),)}}, "8.2.3/3.8"),
        (Function.DELETE, ENABLED_NEW, ""),
        (
            Function.DELETE,
            {"boot": {"state": "Disabled"}, "new": {"state": "Enabled", "pol2": (s.rule("DISABLE", NA),)}},
            "8.2.3/3.8",
        ),
        (
            Function.DELETE,
            {"boot": {"state": "Disabled"}, "new": {"state": "Enabled", "pol2": (s.rule("DELETE", NA),)}},
            "8.2.3/3.8",
        ),
        (Function.MASTER_DELETE, {}, ""),
        (Function.MASTER_DELETE, {"new": {"pol2": (s.rule("DELETE", NA), s.rule("DISABLE", NA))}}, ""),
        (Function.MASTER_DELETE, ENABLED_NEW, "8.2.1/1.2"),
        (Function.MASTER_DELETE, {"new": {"fallback": True}}, "8.1/3.8"),
        (Function.SET_FALLBACK, {}, ""),
        (Function.SET_FALLBACK, {"new": {"fallback": True}}, "8.2.1/1.2"),
        (Function.SET_FALLBACK, {"new": {"state": "Created"}}, "8.2.1/1.2"),
        (Function.CONNECTIVITY, {}, ""),
        (Function.CONNECTIVITY, {"new": {"state": "Created"}}, "8.2.1/1.2"),
    ],
)
def test_rows(function: Function, states: dict[str, Any], expected: str) -> None:
    assert code(asked(function), world(**states)) == expected


def test_an_enabled_profile_is_not_deleted_where_the_type_says_so() -> None:
    refusing = world(**ENABLED_NEW, effective=Effective(delete_enabled=REFUSE))
    assert code(asked(Function.DELETE), refusing) == "8.2.1/1.2"
    assert may_delete(refusing.card, s.ICCID, s.DP).refusal is not None
    assert may_delete(refusing.card, s.ICCID, s.DP, disable_first=True).refusal is None


def test_two_enabled_profiles_forbid_every_change() -> None:
    both = world(new={"state": "Enabled", "fallback": False})
    third = s.isdp(bytes(15) + b"\x01", iccid="8988211000000000052", state="Disabled", fallback=False)
    assert both.card is not None
    three = World(s.card(*both.card.profiles, third), Effective())
    assert code(asked(Function.ENABLE, iccid=third.iccid), three) == "8.1/3.8"
    assert may_disable(three.card, s.ICCID, s.DP).refusal is not None


@pytest.mark.parametrize(
    ("requester", "iccid", "elsewhere", "expected"),
    [
        (s.OWNER, s.ICCID, None, ""),
        (s.DP, s.ICCID, None, ""),
        ("nobody", s.ICCID, None, "8.2.1/3.9"),
        ("", s.ICCID, None, "8.2.1/3.9"),
        (OTHER_OWNER, s.ICCID, None, "8.2.1/1.2"),  # it has the boot profile of this eUICC
        (s.OWNER, "8988211000000000995", None, "8.2.1/3.9"),
        (s.OWNER, "8988211000000000995", {"owner": s.OWNER, "smdp_id": "x"}, "8.2.1/3.4"),
        (OTHER_DP, "8988211000000000995", {"owner": "x", "smdp_id": OTHER_DP}, "8.2.1/3.4"),
        (s.OWNER, "8988211000000000995", {"owner": "x", "smdp_id": "y"}, "8.2.1/3.9"),
    ],
)
@pytest.mark.parametrize("function", [Function.ENABLE, Function.DELETE, Function.UPDATE_POLICY])
def test_who(
    function: Function, requester: str, iccid: str, elsewhere: dict[str, Any] | None, expected: str
) -> None:
    here = world(boot={"owner": OTHER_OWNER, "smdp_id": "boot"})
    found = World(here.card, here.effective, s.isdp(iccid=iccid, **elsewhere) if elsewhere else None)
    assert code(asked(function, requester, iccid), found) == expected


@pytest.mark.parametrize(
    ("pol2", "expected"),
    [
        ((), ""),
        ((s.rule("DISABLE", NA), s.rule("DELETE", NA), s.rule("DISABLE", AUTO)), ""),
        ((s.rule("ENABLE", NA),), "8.2.3/2.1"),
        ((s.rule("DELETE", AUTO),), "8.2.3/2.1"),
        ((s.rule("disable", NA),), "8.2.3/2.1"),
        ((PolicyRule("DISABLE", NA, "DEVICE"),), "8.2.3/2.1"),
        ((s.rule("DISABLE", NA),) * 17, "8.2.3/2.1"),
    ],
)
def test_policy_rules(pol2: tuple[PolicyRule, ...], expected: str) -> None:
    assert code(asked(Function.UPDATE_POLICY, pol2=pol2), world()) == expected


def test_policy_of_a_profile_that_is_not_installed() -> None:
    assert code(asked(Function.UPDATE_POLICY), world(new={"state": "Created"})) == "8.2.1/1.2"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"msisdn": "8821100000001"}, ""),
        ({"imsi": "001010000000001"}, ""),
        ({}, "8.2.6/2.1"),
        ({"msisdn": "12"}, "8.2.6/2.1"),
        ({"msisdn": "1" * 16}, "8.2.6/2.1"),
        ({"msisdn": "+88211"}, "8.2.6/2.1"),
        ({"imsi": "00101x"}, "8.2.6/2.1"),
        ({"imsi": "٠٠١٠١٠"}, "8.2.6/2.1"),
    ],
)
def test_subscription_address(address: dict[str, str], expected: str) -> None:
    assert code(asked(Function.UPDATE_ADDRESS, **address), world()) == expected


def test_subscription_address_of_somebody_else() -> None:
    here = world(boot={"owner": OTHER_OWNER, "smdp_id": "boot"})
    assert code(asked(Function.UPDATE_ADDRESS, OTHER_OWNER, msisdn="88211"), here) == "8.2.6/1.2"
    assert code(asked(Function.UPDATE_ADDRESS, "nobody", msisdn="88211"), here) == "8.2.1/3.9"


@pytest.mark.parametrize(
    ("more", "effective", "elsewhere", "expected"),
    [
        ({"iccid": "8988211000000000995", "required_memory": 100_000}, Effective(), None, ""),
        ({"iccid": "8988211000000000995", "required_memory": 100_001}, Effective(), None, "8.1/4.8"),
        ({"iccid": s.ICCID}, Effective(), None, "8.2.1/3.3"),
        ({"iccid": "8988211000000000995"}, Effective(), s.isdp(), "8.2.1/3.3"),
        ({"iccid": "8988211000000000995"}, Effective(approval=NOT_APPROVED), None, "8.2.1/2.1"),
    ],
)
def test_create(more: dict[str, Any], effective: Effective, elsewhere: ISDP | None, expected: str) -> None:
    assert code(asked(Function.CREATE, s.DP, **more), World(s.card(), effective, elsewhere)) == expected


@pytest.mark.parametrize(
    ("requester", "iccids", "expected"),
    [
        (s.OWNER, (), ""),
        (s.OWNER, (s.ICCID,), ""),
        (s.OWNER, ("8988211000000000995",), "8.2/1.2"),
        ("nobody", (), "8.6/1.2"),
    ],
)
def test_audit(requester: str, iccids: tuple[str, ...], expected: str) -> None:
    assert code(asked(Function.AUDIT, requester, "", iccids=iccids), world()) == expected


@pytest.mark.parametrize("function", list(Function))
def test_an_unknown_eid(function: Function) -> None:
    assert code(asked(function), World(None, Effective())) == "8.1.1/3.9"


# -- what follows ----------------------------------------------------------------------------------------------


def actions(question: Question, world: World) -> tuple[Action, ...]:
    return decide(question, world).actions


def test_the_former_profile_goes_when_its_policy_says_so() -> None:
    auto = (s.rule("DISABLE", AUTO),)
    boot = s.isdp(s.BOOT).iccid
    enabling = world(boot={"pol2": auto, "fallback": False})
    assert actions(asked(Function.ENABLE), enabling) == (
        Action(Deed.ENABLE, s.ICCID),
        Action(Deed.AUTO_DELETE, boot),
    )
    assert actions(asked(Function.ENABLE), world(boot={"pol2": auto})) == (Action(Deed.ENABLE, s.ICCID),)
    disabling = world(boot={"state": "Disabled"}, new={"state": "Enabled", "pol2": auto})
    assert actions(asked(Function.DISABLE), disabling) == (
        Action(Deed.DISABLE, s.ICCID),
        Action(Deed.AUTO_DELETE, s.ICCID),
    )


def test_deletion_of_an_enabled_profile_disables_first() -> None:
    assert actions(asked(Function.DELETE), world(**ENABLED_NEW)) == (
        Action(Deed.DISABLE, s.ICCID),
        Action(Deed.DELETE, s.ICCID),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pol2": (s.rule("DISABLE", AUTO),)}, True),
        ({"pol2": (s.rule("DISABLE", AUTO), s.rule("DISABLE", NA))}, True),
        ({"pol2": (s.rule("DISABLE", AUTO), s.rule("DELETE", NA))}, False),
        ({"pol2": (s.rule("DISABLE", AUTO), s.rule("EXPLODE", NA))}, False),
        ({"pol2": (s.rule("DISABLE", AUTO),), "fallback": True}, False),
        ({"pol2": ()}, False),
    ],
)
def test_auto_delete(changes: dict[str, Any], expected: bool) -> None:
    assert auto_deleted(s.isdp(**changes)) is expected


def test_an_isdp_in_creation_is_nobody_s() -> None:
    card: EUICC = s.card(s.isdp(s.BOOT), s.isdp(state="InCreation"))
    assert code(asked(Function.DELETE), World(card, Effective())) == "8.2.1/3.9"
