"""Key sets that the card shows when nobody waits for the answer to their PUT KEY (SGP.02 2.2.2, 5.1.1)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import sr_steps as s
from ferryman.codec import ids
from ferryman.contracts import crypto, es5
from ferryman.contracts.eis import KeysetInfo, SecurityDomain
from ferryman.contracts.message import Header
from ferryman.contracts.status import failed
from ferryman.platform.procedure import Answered, Ask, Audit, Received, Step
from ferryman.sm_sr.procedures import channel, shown_keys
from ferryman.sm_sr.procedures.audit_card import Page, correct
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.records import EUICC, HoldKeyset, UseKeyset

HEADER = Header(message_id="m", sender="t", requester="t", function_call_id="f", deadline=s.DEADLINE, eid=s.EID)
TAKE = crypto.TakeKeyset(eid=s.EID, version=0x41, retired=0x40)


def card(*listed: int, **changes: Any) -> EUICC:
    keysets = tuple(KeysetInfo(version=version) for version in listed)
    return s.card(isdr=SecurityDomain(aid=ids.ISDR_AID, keysets=keysets), **changes)


def session(euicc: EUICC | None, version: int, state: Channel | None = None, holder: str = "") -> Step[Channel]:
    """The first POST of a session under this key set."""
    body = es5.HTTPSPosted(
        post_id="p1", session_id="s1", eid=s.EID, key_version=version, uri="/x",
        resume=False, script_status="", body=b"", notification=b"",
    )  # fmt: skip
    context = s.context(euicc or s.card(), caller=False, holder="procedure/x", holder_kind=holder)
    facts = dataclasses.replace(context.facts, euicc=euicc)
    return channel.step(state or Channel(), Received(HEADER, body), dataclasses.replace(context, facts=facts))


def asked(taken: Any) -> list[Any]:
    effects = taken.effects if isinstance(taken, Step) else taken
    return [effect.body for effect in effects if isinstance(effect, Ask)]


def test_a_session_under_keys_that_nobody_took_puts_them_in_use() -> None:
    taken = session(card(1, 0x40), 0x41)
    assert asked(taken) == [TAKE]
    assert UseKeyset(0x41) in s.changes(taken)
    for answer in (
        Answered(shown_keys.SHOWN, crypto.Stored()),
        Answered(shown_keys.SHOWN, refusal=failed("1", "1", "")),
    ):
        behind = channel.step(taken.state, answer, s.context(card(1, 0x41), caller=False))
        assert (behind.state, behind.effects) == (taken.state, ())
    assert not asked(session(card(1, 0x40), 0x41, taken.state)), "once for each session"


@pytest.mark.parametrize(
    ("euicc", "version", "holder"),
    [
        (card(1, 0x40), 0x40, ""),
        (card(1, 0x40, 0x41), 0x41, ""),
        (card(), 0x41, ""),
        (s.card(), 0x41, ""),
        (card(1, 0x40), 0, ""),
        (card(1, 0x40), 0x41, "rotate-keys"),
        (None, 0x41, ""),
    ],
    ids=["in use", "listed", "an empty list", "no list", "not said", "its own procedure sees to it", "not ours"],
)
def test_nothing_follows_from_a_session(euicc: EUICC | None, version: int, holder: str) -> None:
    taken = session(euicc, version, holder=holder)
    assert asked(taken) == []
    assert UseKeyset(version) not in s.changes(taken)


def test_what_the_card_has_instead_of_the_set_in_use_is_in_its_place() -> None:
    _, effects = correct(card(1, 0x40), Page(isdps=(), key_versions=frozenset({1, 0x41})))
    assert asked(effects) == [TAKE]
    changes = s.changes(Step(None, effects))
    assert [change for change in changes if isinstance(change, (UseKeyset, HoldKeyset))] == [UseKeyset(0x41)]
    alarms = [effect.detail for effect in effects if isinstance(effect, Audit) and "key set" in effect.detail]
    assert alarms == ["key set 41 is on the card instead of 40"]


@pytest.mark.parametrize(
    ("euicc", "versions", "held"),
    [
        (card(1, 0x40), {1, 0x40, 0x41}, [0x41]),
        (card(1, 0x40, 0x41), {1, 0x41}, []),
        (card(1, 0x40), {1, 0x41, 0x42}, [0x41, 0x42]),
        (card(1, 0x40), {1, 2}, [2]),
        (card(1, scp81_version=0), {1, 0x41}, [0x41]),
    ],
    ids=["beside it", "known before", "which of two", "of SCP80", "none was in use"],
)
def test_what_may_have_come_another_way_is_only_listed(euicc: EUICC, versions: set[int], held: list[int]) -> None:
    _, effects = correct(euicc, Page(isdps=(), key_versions=frozenset(versions)))
    assert asked(effects) == []
    changes = s.changes(Step(None, effects))
    assert [change for change in changes if isinstance(change, (UseKeyset, HoldKeyset))] == [
        HoldKeyset(version) for version in held
    ]
