"""Every pair of subject and reason code of ES3 and ES4 that the SM-SR gives (`sgp02-interfaces.md` 2.4, 2.5).

Each row makes the state of the world, or the answer of the card, that the pair is for, and finds exactly it.
"""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.codec import ota_script
from ferryman.contracts import es3, es4
from ferryman.contracts.message import Header
from ferryman.platform.procedure import Begin, Context, Event, Reply, Step
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.functions import FUNCTIONS, KINDS
from ferryman.sm_sr.records import EUICC, ISDP, Facts, SRSettings

STEPS = {kind.name: kind.step for kind in KINDS}
OTHER, UNKNOWN = "1.3.6.1.4.1.99999.31", "8988211000000000995"
APDU = ota_script.c_apdu(bytes.fromhex("80E28800013A"))

ON_BOTH: dict[str, Any] = {"boot": {"owner": OTHER, "smdp_id": "boot"}}
ENABLED: dict[str, Any] = {"boot": {"state": "Disabled"}, "new": {"state": "Enabled"}}
CREATED: dict[str, Any] = {"new": {"state": "Created"}}
NOT_ALLOWED: dict[str, Any] = {"boot": {"pol2": (s.rule("DISABLE", "Not-Allowed"),)}}
NOT_DISABLED: dict[str, Any] = {
    "boot": {"state": "Disabled"},
    "new": {"state": "Enabled", "pol2": (s.rule("DISABLE", "Not-Allowed"),)},
}
NOT_DELETED: dict[str, Any] = {"new": {"pol2": (s.rule("DELETE", "Not-Allowed"),)}}
ELSEWHERE = s.isdp(iccid=UNKNOWN)


def card(boot: dict[str, Any] | None = None, new: dict[str, Any] | None = None) -> EUICC:
    return s.card(s.isdp(s.BOOT, **(boot or {})), s.isdp(s.NEW, **(new or {})))


def context(body: Any, requester: str, found: EUICC | None, elsewhere: ISDP | None) -> Context:
    header = Header(
        message_id="m", sender="sm-dp", requester=requester, function_call_id="c", deadline=s.DEADLINE, eid=s.EID
    )
    facts = Facts(
        settings=SRSettings(transport="sms"), euicc=found, elsewhere=elsewhere, type=Effective(transports=("sms",))
    )
    return Context(procedure_id="p", eid=s.EID, caller=header, now=s.NOW, entropy=bytes(32), facts=facts)


def code(body: Any, requester: str, found: EUICC | None, *events: Event, elsewhere: ISDP | None = None) -> str:
    """Code of the answer to a call, after these events; empty for success."""
    function = FUNCTIONS[type(body)]
    make: Any = function.state
    around = context(body, requester, found, elsewhere)
    state: Any = make(request=body, requester=requester)
    for event in (Begin(), *events):
        step: Step[Any] = STEPS[function.kind](state, event, around)
        state = step.state
        for effect in step.effects:
            if isinstance(effect, Reply):
                answer: Any = effect.body
                return str(answer.status.code)
    raise AssertionError("no answer")


def enable(iccid: str = s.ICCID) -> tuple[Any, Any]:
    return es3.ES3EnableProfile(eid=s.EID, iccid=iccid), es4.ES4EnableProfile(eid=s.EID, iccid=iccid)


def disable(iccid: str = s.ICCID) -> tuple[Any, Any]:
    return es3.ES3DisableProfile(eid=s.EID, iccid=iccid), es4.ES4DisableProfile(eid=s.EID, iccid=iccid)


def delete(iccid: str = s.ICCID) -> tuple[Any, Any]:
    return es3.ES3DeleteISDP(eid=s.EID, iccid=iccid), es4.ES4DeleteProfile(eid=s.EID, iccid=iccid)


@pytest.mark.parametrize("both", [enable, disable, delete], ids=["enable", "disable", "delete"])
@pytest.mark.parametrize(
    ("iccid", "states", "elsewhere", "expected"),
    [
        (s.ICCID, None, None, "8.1.1/3.9"),
        (UNKNOWN, {}, None, "8.2.1/3.9"),
        (UNKNOWN, {}, ELSEWHERE, "8.2.1/3.4"),
    ],
)
def test_who_and_where(
    both: Any, iccid: str, states: dict[str, Any] | None, elsewhere: ISDP | None, expected: str
) -> None:
    found = None if states is None else card(**states)
    for body, requester in zip(both(iccid), (s.DP, s.OWNER), strict=True):
        assert code(body, requester, found, elsewhere=elsewhere) == expected


@pytest.mark.parametrize(
    ("both", "states", "expected"),
    [
        (enable, ENABLED, "8.2.1/1.2"),
        (enable, NOT_ALLOWED, "8.2.3/3.8"),
        (disable, {}, "8.2.1/1.2"),
        (disable, {"new": {"state": "Enabled", "fallback": True}, "boot": {"fallback": False}}, "8.1/3.8"),
        (disable, {"new": {"state": "Enabled"}, "boot": {"fallback": False, "state": "Disabled"}}, "8.1/3.8"),
        (disable, NOT_DISABLED, "8.2.3/3.8"),
        (delete, NOT_DELETED, "8.2.3/3.8"),
        (delete, {"new": {"fallback": True}}, "8.2.3/3.8"),
        (delete, NOT_DISABLED, "8.2.3/3.8"),
    ],
)
def test_state_and_policy(both: Any, states: dict[str, Any], expected: str) -> None:
    for body, requester in zip(both(), (s.DP, s.OWNER), strict=True):
        assert code(body, requester, card(**states)) == expected


@pytest.mark.parametrize("both", [enable, disable, delete], ids=["enable", "disable", "delete"])
def test_a_foreign_profile_on_the_same_card(both: Any) -> None:
    _, body = both()
    assert code(body, OTHER, card(**ON_BOTH)) == "8.2.1/1.2"


@pytest.mark.parametrize(
    ("both", "states", "sw", "expected"),
    [
        (enable, {}, 0x69E1, "8.2.2/3.8"),
        (enable, {}, 0x6985, "8.4/4.2"),
        (disable, ENABLED, 0x69E1, "8.2.2/3.8"),
        (disable, ENABLED, 0x6985, "8.4/4.2"),
        (delete, {}, 0x69E1, "8.2.2/3.8"),
        (delete, {}, 0x6985, "8.4/4.2"),
    ],
)
def test_the_card_refuses(both: Any, states: dict[str, Any], sw: int, expected: str) -> None:
    for body, requester in zip(both(), (s.DP, s.OWNER), strict=True):
        assert code(body, requester, card(**states), s.answered("p/1", sw)) == expected


@pytest.mark.parametrize(
    ("values", "states", "elsewhere", "events", "expected"),
    [
        ({}, None, None, (), "8.1.1/3.9"),
        ({"iccid": s.ICCID}, {}, None, (), "8.2.1/3.3"),
        ({}, {}, ELSEWHERE, (), "8.2.1/3.3"),
        ({"required_memory": 10**6}, {}, None, (), "8.1/4.8"),
        ({}, {}, None, (s.answered("p/1", 0x6A84),), "8.1/4.8"),
        ({}, {}, None, (s.answered("p/1", 0x6985),), "8.4/4.2"),
    ],
)
def test_create_isdp(
    values: dict[str, Any], states: Any, elsewhere: ISDP | None, events: tuple[Event, ...], expected: str
) -> None:
    fields = {"eid": s.EID, "iccid": UNKNOWN, "owner": s.OWNER, "required_memory": 1} | values
    found = None if states is None else card(**states)
    assert code(es3.ES3CreateISDP(**fields), s.DP, found, *events, elsewhere=elsewhere) == expected


@pytest.mark.parametrize(
    ("aid", "states", "elsewhere", "events", "expected"),
    [
        (s.NEW, None, None, (), "8.1.1/3.9"),
        (bytes(16), {}, None, (), "8.3.1/3.9"),
        (bytes(16), {}, s.isdp(bytes(16)), (), "8.3.1/3.4"),
        (s.NEW, {"new": {"smdp_id": "another"}}, None, (), "8.3.1/3.9"),
        (s.NEW, {}, None, (s.answered("p/1", 0x6985),), "8.3/4.2"),
        (s.NEW, {}, None, (s.outcome("p/1", "unknown"),), "1.6/5.4"),
    ],
)
def test_send_data(
    aid: bytes, states: Any, elsewhere: ISDP | None, events: tuple[Event, ...], expected: str
) -> None:
    found = None if states is None else card(**states)
    body = es3.ES3SendData(eid=s.EID, sd_aid=aid, data=APDU)
    assert code(body, s.DP, found, *events, elsewhere=elsewhere) == expected


@pytest.mark.parametrize(
    ("values", "states", "elsewhere", "expected"),
    [
        ({}, None, None, "8.1.1/3.9"),
        ({"iccid": UNKNOWN}, CREATED, None, "8.2.1/3.9"),
        ({"iccid": UNKNOWN}, CREATED, ELSEWHERE, "8.2.1/3.4"),
        ({"pol2": (s.rule("DELETE", "Auto-Delete"),)}, CREATED, None, "8.2.3/2.1"),
        ({}, {"new": {"state": "Enabled"}}, None, "8.2.1/1.2"),
        ({}, CREATED, None, ""),
    ],
)
def test_profile_download_completed(
    values: dict[str, Any], states: Any, elsewhere: ISDP | None, expected: str
) -> None:
    found = None if states is None else card(**states)
    body = es3.ES3ProfileDownloadCompleted(**({"eid": s.EID, "iccid": s.ICCID} | values))
    assert code(body, s.DP, found, elsewhere=elsewhere) == expected


@pytest.mark.parametrize(
    ("iccid", "states", "elsewhere", "events", "expected"),
    [
        (s.ICCID, None, None, (), "8.1.1/3.9"),
        (UNKNOWN, {}, None, (), "8.2.1/3.9"),
        (UNKNOWN, {}, ELSEWHERE, (), "8.2.1/3.4"),
        (s.ICCID, {}, None, (s.answered("p/1", 0x6985),), "8.3/4.2"),
    ],
)
def test_update_connectivity_parameters(
    iccid: str, states: Any, elsewhere: ISDP | None, events: tuple[Event, ...], expected: str
) -> None:
    found = None if states is None else card(**states)
    body = es3.ES3UpdateConnectivityParameters(eid=s.EID, iccid=iccid, parameters=APDU)
    assert code(body, s.DP, found, *events, elsewhere=elsewhere) == expected


@pytest.mark.parametrize(
    ("requester", "iccids", "states", "events", "expected"),
    [
        (s.OWNER, (), None, (), "8.1.1/3.9"),
        (s.OWNER, (UNKNOWN,), {}, (), "8.2/1.2"),
        ("nobody", (), {}, (), "8.6/1.2"),
        (s.OWNER, (), {}, tuple(s.outcome(f"p/{n}", "unknown") for n in (1, 2, 3)), "1.6/5.4"),
        (s.OWNER, (), {}, (s.outcome("p/1", "unreachable"),), "8.1/5.1"),
    ],
)
def test_audit_eis(
    requester: str, iccids: tuple[str, ...], states: Any, events: tuple[Event, ...], expected: str
) -> None:
    found = None if states is None else card(**states)
    for kind in (es3.ES3AuditEIS, es4.ES4AuditEIS):
        assert code(kind(eid=s.EID, iccids=iccids), requester, found, *events) == expected
