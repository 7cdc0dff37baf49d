"""Every pair of ES2, as an Operator outside gets it from a running SM-DP (`sgp02-interfaces.md` 2.3).

What the SM-SR decides comes from a running SM-SR behind it; an SM-SR that nobody knows is the gateway's answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

import sr_steps as s
from codes_of_functions import PAIRS, SMSR_UNKNOWN, yields
from codes_world import FIRST, STRANGER, Card, Exchange, exchange, refuses, silent
from dp_world import iccid_of
from ferryman.contracts import admin, es2, imports
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.message import Body, Header, encode
from ferryman.contracts.roles import OPERATOR, SM_DP
from ferryman.profile.demo_template import demo_template
from ferryman.sm_dp import schema
from ferryman.sm_dp.factory.stock import FREE
from ferryman.sm_dp.records import DPSettings
from parties import Party
from virtual_loop import virtual

OTHER, OTHER_EID = "1.3.6.1.4.1.99999.31", "89033023000000000061494360000288"
UNKNOWN, OURS = "8988211000000000995", iccid_of(7)
SETTINGS = DPSettings(smdp_id=s.DP, smsr_id=FIRST)
POL1, CONDITIONS = refuses(0x69E1), refuses(0x6985)
KEPT = (s.rule("DISABLE", "Not-Allowed"),)
NOT_DELETED = (s.rule("DELETE", "Not-Allowed"),)

type Cards = dict[str, dict[str, Any]]
type Case = tuple[str, Cards | None, dict[str, Any], Card]  # pair, cards (None: none), call, card's answers

IS_ENABLED: Cards = {"boot": {"state": "Disabled"}, "new": {"state": "Enabled"}}
NOWHERE = {"smsr_id": STRANGER}
COMMON: list[Case] = [
    ("8.1.1/3.9", None, {}, silent),
    ("8.2.1/3.9", {}, {"iccid": UNKNOWN}, silent),
    (SMSR_UNKNOWN, {}, NOWHERE, silent),
]
ELSEWHERE: Case = ("8.2.1/3.4", {}, {"eid": OTHER_EID}, silent)
FOREIGN: Case = ("8.2.1/1.2", {"new": {"owner": OTHER}}, {}, silent)
ENABLE: list[Case] = [
    *COMMON, ELSEWHERE, FOREIGN,
    ("8.2.2/3.8", {}, {}, POL1),
    ("8.2.3/3.8", {"boot": {"pol2": KEPT}}, {}, silent),
    ("8.4/4.2", {}, {}, CONDITIONS),
]  # fmt: skip
DISABLE: list[Case] = [
    *COMMON, ELSEWHERE, FOREIGN,
    ("8.2.2/3.8", IS_ENABLED, {}, POL1),
    ("8.2.3/3.8", IS_ENABLED | {"new": {"state": "Enabled", "pol2": KEPT}}, {}, silent),
    ("8.4/4.2", IS_ENABLED, {}, CONDITIONS),
    ("8.1/3.8", {"boot": {"state": "Disabled", "fallback": False},
                 "new": {"state": "Enabled", "fallback": True}}, {}, silent),
]  # fmt: skip
DELETE: list[Case] = [
    *COMMON, ELSEWHERE, FOREIGN,
    ("8.2.2/3.8", {}, {}, POL1),
    ("8.2.3/3.8", {"new": {"pol2": NOT_DELETED}}, {}, silent),
]  # fmt: skip
RULES: list[Case] = [
    *COMMON,
    ELSEWHERE,
    ("8.2.3/2.1", {}, {"pol2": (PolicyRule("ENABLE", "Not-Allowed"),)}, silent),
]
LOOK: list[Case] = [("8.1.1/3.9", None, {}, silent), (SMSR_UNKNOWN, {}, NOWHERE, silent)]
ONE = {"iccid": s.ICCID}
FUNCTIONS: dict[str, tuple[type[Body], dict[str, Any], list[Case]]] = {
    "ES2.GetEIS": (es2.ES2GetEIS, {}, LOOK),
    "ES2.UpdatePolicyRules": (es2.ES2UpdatePolicyRules, ONE, RULES),
    "ES2.UpdateSubscriptionAddress": (es2.ES2UpdateSubscriptionAddress, ONE | {"msisdn": "882119"}, COMMON),
    "ES2.EnableProfile": (es2.ES2EnableProfile, ONE, ENABLE),
    "ES2.DisableProfile": (es2.ES2DisableProfile, ONE, DISABLE),
    "ES2.DeleteProfile": (es2.ES2DeleteProfile, ONE, DELETE),
}
ROWS = [
    pytest.param(function, case, id=f"{function}-{case[0]}", marks=yields(function, case[0]))
    for function, (_, _, cases) in FUNCTIONS.items()
    for case in cases
]


async def delivered(w: Exchange) -> None:
    """The SM-DP has brought our profile to the card itself."""
    order = {
        "order_id": "order", "owner": s.OWNER, "eid": s.EID, "iccid": s.ICCID, "profile_type": "demo",
        "enable": False, "state": "done", "step": "done", "steps": b"[]", "status": b"", "isdp_aid": s.NEW.hex(),
        "profile_bytes": 0, "pe_statuses": "[]", "created": s.NOW,
    }  # fmt: skip
    subscription = {
        "iccid": s.ICCID, "owner": s.OWNER, "profile_type": "demo", "imsi": "001010000000001", "msisdn": "",
        "state": "installed", "order_id": "order", "created": s.NOW,
    }  # fmt: skip

    def unit(connection: Any) -> None:
        connection.execute(insert(schema.profile_order), [order])
        connection.execute(insert(schema.subscription), [subscription])

    await w.dp_store.write(unit)


@pytest.mark.parametrize(("function", "case"), ROWS)
@virtual
async def test_the_pair(tmp_path: Path, parties: dict[str, Party], function: str, case: Case) -> None:
    kind, fields, _ = FUNCTIONS[function]
    pair, cards, call, w_card = case
    make: Any = kind
    async with exchange(tmp_path, dp=SETTINGS, ours=parties["ours"]) as w:
        await delivered(w)
        if cards is not None:
            ours = s.card(s.isdp(s.BOOT, **cards.get("boot", {})), s.isdp(s.NEW, **cards.get("new", {})))
            boot = s.isdp(s.BOOT, iccid="8988211000000000037", owner=OTHER)
            await w.add(ours, s.card(boot, eid=OTHER_EID))
        w.card = w_card
        body = make(**{"eid": s.EID, "smsr_id": FIRST} | fields | call)
        assert await w.code(body, s.OWNER) == pair


# -- DownloadProfile --------------------------------------------------------------------------------------------


async def stock(w: Exchange, owner: str = s.OWNER, *, name: str = "demo", whole: bool = False) -> None:
    """A profile type with one free subscription; `whole` also has its template."""
    if whole:
        header = Header(message_id="t", sender=OPERATOR, requester=owner, function_call_id="t", deadline=1e12)
        template = admin.ImportTemplate(owner=owner, name=name, der=demo_template())
        await w.bus.call(SM_DP, OPERATOR, encode(header, template))

    def unit(connection: Any) -> None:
        if not whole:
            made = insert(schema.template)
            values = {
                "owner": owner,
                "name": name,
                "fingerprint": "f",
                "compiled": b"",
                "size": 1,
                "created": s.NOW,
            }
            connection.execute(made.values(**values))
        values = {
            "import_id": name, "owner": owner, "profile_type": name, "state": imports.FINISHED, "chunks": 1,
            "rows": 1, "known": 0, "free": 1, "created": s.NOW,
        }  # fmt: skip
        batch = connection.execute(insert(schema.subscription_batch).values(**values)).inserted_primary_key[0]
        free = {
            "iccid": OURS, "owner": owner, "profile_type": name, "imsi": "001010000000001", "msisdn": "",
            "state": FREE, "order_id": "", "created": s.NOW, "batch": batch,
        }  # fmt: skip
        connection.execute(insert(schema.subscription).values(**free))

    await w.dp_store.write(unit)


DOWNLOAD: tuple[type[Body], dict[str, Any]] = (es2.ES2DownloadProfile, {"iccid": OURS})


def download(**fields: Any) -> es2.ES2DownloadProfile:
    values: dict[str, Any] = {"eid": s.EID, "smsr_id": FIRST}
    return es2.ES2DownloadProfile(**values | (fields or {"iccid": OURS}))


@pytest.mark.parametrize(
    ("pair", "owner", "fields"),
    [
        pytest.param(pair, owner, fields, marks=yields("ES2.DownloadProfile", pair), id=pair)
        for pair, owner, fields in [
            ("8.2.1/3.9", s.OWNER, {"iccid": UNKNOWN}),
            ("8.2.5/3.9", s.OWNER, {"profile_type": "none"}),
            ("8.2.5/1.2", OTHER, {"profile_type": "demo"}),
        ]
    ],
)
@virtual
async def test_an_order_that_is_not_taken(tmp_path: Path, pair: str, owner: str, fields: dict[str, str]) -> None:
    """`demo` is OWNER's profile type."""
    async with exchange(tmp_path, dp=SETTINGS) as w:
        await stock(w)
        assert await w.code(download(**fields), owner) == pair


@yields("ES2.DownloadProfile", "8.2.1/1.2")
@virtual
async def test_a_subscription_that_has_been_ordered(tmp_path: Path) -> None:
    async with exchange(tmp_path, dp=SETTINGS) as w:
        await stock(w, whole=True)
        await w.add(s.card())
        await w.send(download(), s.OWNER)
        assert await w.code(download(), s.OWNER) == "8.2.1/1.2"


@pytest.mark.parametrize(
    ("pair", "changes", "settings"),
    [
        pytest.param(pair, changes, settings, marks=yields("ES2.DownloadProfile", pair), id=pair)
        for pair, changes, settings in [
            ("8.1.1/3.9", None, SETTINGS),
            ("8.2.1/2.1", {"rpv": "4.2.0"}, SETTINGS),
            ("8.2.5/2.1", {}, DPSettings(smdp_id=s.DP, smsr_id=FIRST, approved_platforms=("other",))),
            ("8.4/4.2", {}, SETTINGS),
        ]
    ],
)
@virtual
async def test_an_order_that_fails(
    tmp_path: Path, pair: str, changes: dict[str, Any] | None, settings: DPSettings
) -> None:
    """The last one: the ISD-R refuses to make the ISD-P."""
    async with exchange(tmp_path, dp=settings) as w:
        await stock(w, whole=True)
        if changes is not None:
            await w.add(s.card(**changes))
        w.card = CONDITIONS
        assert await w.code(download(), s.OWNER) == pair


@yields("ES2.DownloadProfile", SMSR_UNKNOWN)
@virtual
async def test_an_order_for_a_card_of_an_unknown_sm_sr(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with exchange(tmp_path, dp=SETTINGS, ours=parties["ours"]) as w:
        await stock(w, whole=True)
        assert await w.code(download(iccid=OURS, smsr_id=STRANGER), s.OWNER) == SMSR_UNKNOWN


def test_each_pair_of_each_function_has_its_row() -> None:
    for function, (_, _, cases) in FUNCTIONS.items():
        assert {case[0] for case in cases} == set(PAIRS[function])


@virtual
async def test_identifiers_that_nobody_can_have(tmp_path: Path) -> None:
    """The schema takes them: an EID with letters or wrong check digits, an ICCID that is too short."""
    async with exchange(tmp_path, dp=SETTINGS) as w:
        await stock(w)
        for kind, fields in [*((made, given) for made, given, _ in FUNCTIONS.values()), DOWNLOAD]:
            make: Any = kind
            for eid in ("8903302300000000006149436000AB91", s.EID[:-2] + "00"):
                assert await w.code(make(**{"eid": eid, "smsr_id": FIRST} | fields), s.OWNER) == "8.1.1/3.9"
        assert await w.code(download(iccid="8988101"), s.OWNER) == "8.2.1/3.9"


@virtual
async def test_an_order_that_arrives_when_its_time_is_over(tmp_path: Path) -> None:
    """The SM-DP was away: the call is well formed, and EXPIRED."""
    async with exchange(tmp_path, dp=SETTINGS) as w:
        await stock(w, whole=True)
        await w.add(s.card())
        response = await w.answer(await w.send(download(), s.OWNER, validity=-5.0))
        assert (response.status.status, response.status.code) == ("EXPIRED", "1.6/5.3")
