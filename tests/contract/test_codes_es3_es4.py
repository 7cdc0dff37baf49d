"""Every pair of ES3 and ES4, as a peer gets it from a running SM-SR (`sgp02-interfaces.md` 2.4, 2.5).

The state of the EIS, the answer of the card or the silence that the pair is for is made, and the response holds
exactly it. Both interfaces go the same way; each function is asked on each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import sr_steps as s
from codes_of_functions import PAIRS, yields
from codes_world import Card, exchange, refuses, silent
from ferryman.codec import ota_script
from ferryman.contracts import es3, es4
from ferryman.contracts.message import Body
from ferryman.sm_sr.records import EUICC
from virtual_loop import virtual

OTHER = "1.3.6.1.4.1.99999.31"
UNKNOWN, ELSEWHERE = "8988211000000000995", "8988211000000000045"
OTHER_EID = "89033023000000000061494360000288"
APDU = ota_script.c_apdu(bytes.fromhex("80E28800013A"))
FOREIGN_AID = bytes.fromhex("A0000005591010FFFFFFFF8900001700")
POL1, CONDITIONS = refuses(0x69E1), refuses(0x6985)

Changes = dict[str, Any]
ENABLED: dict[str, Changes] = {"boot": {"state": "Disabled"}, "new": {"state": "Enabled"}}
KEPT = (s.rule("DISABLE", "Not-Allowed"),)


@dataclass(frozen=True)
class World:
    """What is different from a card with the boot profile Enabled and ours Disabled; None: no card at all."""

    boot: Changes = field(default_factory=dict)
    new: Changes = field(default_factory=dict)
    card: Card = silent
    none: bool = False
    foreign: bool = False  # another party asks, who owns the boot profile

    def cards(self) -> list[EUICC]:
        """And a second card, with a profile of the same owner."""
        boot = {"owner": OTHER, "smdp_id": OTHER} | self.boot if self.foreign else self.boot
        first = s.card(s.isdp(s.BOOT, **boot), s.isdp(s.NEW, **self.new))
        second = s.card(
            s.isdp(s.BOOT, iccid="8988211000000000037", owner=OTHER, smdp_id=OTHER),
            s.isdp(FOREIGN_AID, iccid=ELSEWHERE),
            eid=OTHER_EID,
        )
        return [second] if self.none else [first, second]


NO_CARD, AS_IT_IS = World(none=True), World()
type Case = tuple[str, World, Changes]  # pair, world, what is asked for instead


def who_and_where(*, stranger: str = "8.2.1/1.2", elsewhere: bool = True) -> list[Case]:
    """Pairs of every function on one profile."""
    found: list[Case] = [("8.1.1/3.9", NO_CARD, {}), ("8.2.1/3.9", AS_IT_IS, {"iccid": UNKNOWN})]
    if elsewhere:
        found.append(("8.2.1/3.4", AS_IT_IS, {"iccid": ELSEWHERE}))
    return [*found, (stranger, World(foreign=True), {})] if stranger else found


ENABLE = [
    *who_and_where(),
    ("8.2.1/1.2", World(**ENABLED), {}),
    ("8.2.2/3.8", World(card=POL1), {}),
    ("8.2.3/3.8", World(boot={"pol2": KEPT}), {}),
    ("8.4/4.2", World(card=CONDITIONS), {}),
]
DISABLE = [
    *who_and_where(),
    ("8.2.1/1.2", AS_IT_IS, {}),
    ("8.2.2/3.8", World(**ENABLED, card=POL1), {}),
    ("8.2.3/3.8", World(boot={"state": "Disabled"}, new={"state": "Enabled", "pol2": KEPT}), {}),
    ("8.4/4.2", World(**ENABLED, card=CONDITIONS), {}),
    ("8.1/3.8", World(boot={"state": "Disabled", "fallback": False},
                      new={"state": "Enabled", "fallback": True}), {}),
    ("8.1/3.8", World(boot={"state": "Disabled", "fallback": False}, new={"state": "Enabled"}), {}),
]  # fmt: skip
DELETE = [
    *who_and_where(),
    ("8.2.2/3.8", World(card=POL1), {}),
    ("8.2.3/3.8", World(new={"pol2": (s.rule("DELETE", "Not-Allowed"),)}), {}),
    ("8.2.3/3.8", World(boot={"fallback": False}, new={"fallback": True}), {}),
    ("8.4/4.2", World(card=CONDITIONS), {}),
]
RULES = [
    *who_and_where(),
    ("8.2.1/1.2", World(new={"state": "Created"}), {}),
    ("8.2.3/2.1", AS_IT_IS, {"pol2": (s.rule("ENABLE", "Not-Allowed"),)}),
]
ADDRESS = who_and_where(stranger="8.2.6/1.2", elsewhere=False)
AUDIT: list[Case] = [
    ("8.1.1/3.9", NO_CARD, {}),
    ("8.2/1.2", AS_IT_IS, {"iccids": (UNKNOWN,)}),
    ("8.6/1.2", World(boot={"owner": "1.2", "smdp_id": "1.2"}, new={"owner": "1.3", "smdp_id": "1.3"}), {}),
    ("1.6/5.4", AS_IT_IS, {}),
]
CREATED = World(new={"state": "Created"})
COMPLETED: list[Case] = [
    ("8.1.1/3.9", NO_CARD, {}),
    ("8.2.1/3.9", CREATED, {"iccid": UNKNOWN}),
    ("8.2.1/3.4", CREATED, {"iccid": ELSEWHERE}),
    ("8.2.3/2.1", CREATED, {"pol2": (s.rule("DELETE", "Auto-Delete"),)}),
    ("8.2.1/1.2", World(**ENABLED), {}),
]
CREATE: list[Case] = [
    ("8.1.1/3.9", NO_CARD, {"iccid": UNKNOWN}),
    ("8.2.1/3.3", AS_IT_IS, {}),
    ("8.2.1/3.3", AS_IT_IS, {"iccid": ELSEWHERE}),
    ("8.1/4.8", AS_IT_IS, {"iccid": UNKNOWN, "required_memory": 10**6}),
    ("8.1/4.8", World(card=refuses(0x6A84)), {"iccid": UNKNOWN}),
    ("8.4/4.2", World(card=CONDITIONS), {"iccid": UNKNOWN}),
]
SEND: list[Case] = [
    ("8.1.1/3.9", NO_CARD, {}),
    ("8.3.1/3.9", AS_IT_IS, {"sd_aid": bytes(16)}),
    ("8.3.1/3.4", AS_IT_IS, {"sd_aid": FOREIGN_AID}),
    ("8.3/4.2", World(card=CONDITIONS), {}),
]
CONNECTIVITY: list[Case] = [
    *who_and_where(stranger=""),
    ("8.3/4.2", World(card=CONDITIONS), {}),
]
LOOK: list[Case] = [("8.1.1/3.9", NO_CARD, {})]
LOOK_AS_OWNER: list[Case] = [*LOOK, ("8.6/1.2", World(new={"owner": "1.2"}, boot={"owner": "1.2"}), {})]
ONE: Changes = {"iccid": s.ICCID}
FUNCTIONS: dict[str, tuple[type[Body], Changes, list[Case]]] = {
    "ES3.GetEIS": (es3.ES3GetEIS, {}, LOOK),
    "ES3.AuditEIS": (es3.ES3AuditEIS, {}, AUDIT),
    "ES3.CreateISDP": (es3.ES3CreateISDP, ONE | {"owner": s.OWNER, "required_memory": 1}, CREATE),
    "ES3.SendData": (es3.ES3SendData, {"sd_aid": s.NEW, "data": APDU}, SEND),
    "ES3.ProfileDownloadCompleted": (es3.ES3ProfileDownloadCompleted, ONE, COMPLETED),
    "ES3.UpdatePolicyRules": (es3.ES3UpdatePolicyRules, ONE, RULES),
    "ES3.UpdateSubscriptionAddress": (es3.ES3UpdateSubscriptionAddress, ONE | {"msisdn": "882119"}, ADDRESS),
    "ES3.EnableProfile": (es3.ES3EnableProfile, ONE, ENABLE),
    "ES3.DisableProfile": (es3.ES3DisableProfile, ONE, DISABLE),
    "ES3.DeleteISDP": (es3.ES3DeleteISDP, ONE, [case for case in DELETE if case[0] != "8.2.1/3.4"]),
    "ES3.UpdateConnectivityParameters": (
        es3.ES3UpdateConnectivityParameters,
        ONE | {"parameters": APDU},
        CONNECTIVITY,
    ),
    "ES4.GetEIS": (es4.ES4GetEIS, {}, LOOK_AS_OWNER),
    "ES4.AuditEIS": (es4.ES4AuditEIS, {}, AUDIT),
    "ES4.UpdatePolicyRules": (es4.ES4UpdatePolicyRules, ONE, RULES),
    "ES4.UpdateSubscriptionAddress": (es4.ES4UpdateSubscriptionAddress, ONE | {"msisdn": "882119"}, ADDRESS),
    "ES4.EnableProfile": (es4.ES4EnableProfile, ONE, ENABLE),
    "ES4.DisableProfile": (es4.ES4DisableProfile, ONE, DISABLE),
    "ES4.DeleteProfile": (es4.ES4DeleteProfile, ONE, DELETE),
}
ROWS = [
    pytest.param(function, pair, world, changes, id=f"{function}-{pair}", marks=yields(function, pair))
    for function, (_, _, cases) in FUNCTIONS.items()
    for pair, world, changes in cases
]


def asker(function: str, world: World) -> str:
    """The owner on ES4, the SM-DP on ES3; or the other owner."""
    if world.foreign:
        return OTHER
    return s.OWNER if function.startswith("ES4") else s.DP


@pytest.mark.parametrize(("function", "pair", "world", "changes"), ROWS)
@virtual
async def test_the_pair(tmp_path: Path, function: str, pair: str, world: World, changes: Changes) -> None:
    kind, fields, _ = FUNCTIONS[function]
    make: Any = kind
    async with exchange(tmp_path) as w:
        await w.add(*world.cards())
        w.card = world.card
        assert await w.code(make(**{"eid": s.EID} | fields | changes), asker(function, world)) == pair


@yields("ES3.CreateISDP", "1.2/4.4")
@virtual
async def test_create_isdp_on_a_busy_card(tmp_path: Path) -> None:
    async with exchange(tmp_path) as w:
        await w.add(*AS_IT_IS.cards())
        await w.send(es3.ES3AuditEIS(eid=s.EID), s.DP, validity=3000.0)
        w.card = silent
        create = es3.ES3CreateISDP(eid=s.EID, iccid=UNKNOWN, owner=s.OWNER, required_memory=1)
        assert await w.code(create, s.DP, validity=10.0) == "1.2/4.4"


def test_each_pair_of_each_function_has_its_row() -> None:
    for function, (_, _, cases) in FUNCTIONS.items():
        assert {case[0] for case in cases} | ({"1.2/4.4"} & set(PAIRS[function])) == set(PAIRS[function])
