"""Functions of v4 (our proposal) over SOAP, down to the card: PLMA, ONC, M2M SP, fall-back attribute and more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from ferryman.cli.operator import Operator
from ferryman.contracts import admin, es2, es4, peers, v4
from ferryman.contracts.eis import PolicyRule, Property
from ferryman.contracts.message import Body
from ferryman.contracts.peers import POLLED, Peer, PeerKind, Quirks
from ferryman.soap_gateway.esm.body import decode
from ferryman.soap_gateway.settings import SOAPSettings
from parties import Party
from rig import OWNER, Platform, World, free_port, wait_order
from soap_world import DP, SR, Client
from v4_samples import SP
from virtual_loop import virtual

OTHER = "1.3.6.1.4.1.99999.31"
KINDS = {
    "mno": PeerKind.OPERATOR,
    "mno2": PeerKind.M2M_SP,
    "eum": PeerKind.EUM,
    "dp": PeerKind.OPERATOR,
}


@dataclass
class Asking:
    """One peer: calls, and what it fetches behind them."""

    client: Client
    queue: str
    told: list[Body] = field(default_factory=list)
    polls: int = 0

    async def __call__(self, body: Body, *, path: str, to: str = SR) -> Any:
        """The answer, of a synchronous function or fetched."""
        response = await self.client.send(
            body, path=path, validity=7_200, reply_to=f"{POLLED}{self.queue}",
            to=f"{self.client.gateway.url}{path}?EntityId={to}", to_id=to,
        )  # fmt: skip
        if response.status == 200:
            return decode(response.envelope.body).body
        assert response.status == 202, response
        for _ in range(10_000):
            found = await self._fetch()
            if found is not None and type(found).__name__ == f"{type(body).__name__}Response":
                return found
            await asyncio.sleep(1.0)
        raise AssertionError("no answer")

    async def _fetch(self) -> Body | None:
        self.polls += 1
        response = await self.client.poll(self.queue, self.polls)
        if response.status != 200:
            return None
        found = decode(response.envelope.body).body
        if not type(found).__name__.endswith("Response"):
            self.told.append(found)
        return found

    async def notices(self) -> list[Body]:
        """Notifications since the last look."""
        await asyncio.sleep(5.0)
        while await self._fetch() is not None:
            pass
        found, self.told = self.told, []
        return found


@dataclass
class Scene:
    """A platform with one card, a downloaded profile, and three peers who speak v4."""

    world: World
    operator: Operator
    eid: str
    iccid: str
    mno: Asking
    sp: Asking
    eum: Asking
    other: Asking

    @property
    def card(self) -> dict[str, str]:
        return {"eid": self.eid, "iccid": self.iccid}

    async def state(self) -> str:
        """Of the downloaded profile."""
        page = await self.operator.sm_sr(admin.ShowEUICC(owner=OWNER, eid=self.eid))
        assert isinstance(page, admin.EUICCPage)
        return next(one.state.value for one in page.euiccs[0].profiles if one.iccid == self.iccid)

    async def fallback(self, boot: str) -> tuple[bool, bool]:
        """Whether the boot profile, and whether the downloaded one has the attribute; the card says the same."""
        found = {}
        for who in (self.mno, self.other):
            shown = await who(es4.ES4GetEIS(eid=self.eid), path="/es4")
            found |= {one.iccid: one.fallback for one in shown.eis.profiles}
        there = {one["iccid"]: one["fallback"] for one in self.world.status(self.eid)["profiles"]}
        assert there == found
        return found[boot], found[self.iccid]


@asynccontextmanager
async def scene(tmp_path: Path, parties: dict[str, Party]) -> AsyncIterator[Scene]:
    folder = tmp_path / "world"
    folder.mkdir()
    world = World(folder, seed="v4", options=("--mno-id", OTHER))
    world.prepare()
    await world.start()
    ours = parties["ours"]
    port = free_port()
    soap = SOAPSettings("127.0.0.1", port, str(ours.certificate_file), str(ours.key_file))
    platform = Platform(world, tmp_path / "data", "https", https_port=free_port(), soap=soap)
    operator = await platform.open()
    await platform.set_up(operator)
    gateway: Any = SimpleNamespace(url=f"https://127.0.0.1:{port}", party=ours)
    oids = {"mno": OWNER, "mno2": SP, "eum": world.batch["eum"]["oid"], "dp": OTHER}
    for name, kind in KINDS.items():
        record = Peer(
            name=name, kind=kind, oid=oids[name], certificates=(parties[name].pem,), quirks=Quirks(v4=True),
            endpoints={} if kind is PeerKind.EUM else {"ES4": f"{POLLED}{name}", "ES2": f"{POLLED}{name}"},
        )  # fmt: skip
        await operator.gateway(peers.PutPeer(peer=record))
    asking = {name: Asking(Client(gateway, parties[name], oids[name]), name) for name in KINDS}
    made = await operator.sm_dp(
        admin.CreateOrder(owner=OWNER, eid=world.eids[0], profile_type="demo", enable=False, validity=1800.0)
    )
    assert isinstance(made, admin.OrderView)
    view = await wait_order(operator, made.order_id)
    assert view.status is not None
    assert view.status.ok, view
    try:
        yield Scene(
            world, operator, world.eids[0], view.iccid, asking["mno"], asking["mno2"], asking["eum"], asking["dp"]
        )
    finally:
        await platform.close()
        await world.stop()


PLMA = v4.PLMA(
    m2m_sp=SP,
    profile_type="demo",
    operations=(v4.GET_EIS, v4.ENABLE),
    notifications=("HandleProfileDisabledNotification",),
)


OURS = Property("ferryman.scp03t-segment", "1")


def names(found: list[Body]) -> list[str]:
    return [type(one).__name__ for one in found]


@virtual
async def test_an_m2m_sp_does_what_he_may(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with scene(tmp_path, parties) as s:
        assert names(await s.mno.notices()) == ["ES4HandleProfileDownloadedNotification"]
        # Nothing is opened to him: the profile is like one that does not exist.
        refused = await s.sp(es4.ES4EnableProfile(**s.card), path="/es4")
        assert refused.status.code == "8.2.1/3.9"
        hidden = await s.sp(es4.ES4GetEIS(eid=s.eid), path="/es4")
        assert hidden.status.code == "8.6/1.2"
        # PLMAs of others are not his to give, nor are they his who is named.
        assert (await s.sp(v4.ES4ASetPLMA(plmas=(PLMA,)), path="/es4a")).status.code == "1.1/1.2"
        foreign = v4.PLMA(owner="1.2.3", m2m_sp=SP, profile_type="demo", operations=(v4.ENABLE,))
        assert (await s.mno(v4.ES4ASetPLMA(plmas=(foreign,)), path="/es4a")).status.code == "1.6/1.2"
        assert (await s.mno(v4.ES4AGetPLMA(), path="/es4a")).plmas == ()

        assert (await s.mno(v4.ES4ASetPLMA(plmas=(PLMA,)), path="/es4a")).status.ok
        whole = msgspec.structs.replace(PLMA, owner=OWNER)
        assert (await s.mno(v4.ES4AGetPLMA(), path="/es4a")).plmas == (whole,)
        assert (await s.sp(v4.ES4GetPLMA(), path="/es4")).plmas == (whole,)
        told = await s.sp.notices()
        assert [getattr(one, "plma", None) for one in told] == [whole]

        shown = await s.sp(es4.ES4GetEIS(eid=s.eid), path="/es4")
        assert [one.iccid for one in shown.eis.profiles] == [s.iccid], "and no other profile of the card"
        enabled = await s.sp(es4.ES4EnableProfile(**s.card), path="/es4")
        assert enabled.status.ok, enabled.status
        assert s.world.status(s.eid)["authenticated"]
        assert names(await s.mno.notices()) == ["ES4HandleProfileEnabledNotification"]
        # What was not given.
        for body in (es4.ES4DisableProfile(**s.card), es4.ES4DeleteProfile(**s.card), es4.ES4AuditEIS(eid=s.eid)):
            answer = await s.sp(body, path="/es4")
            assert answer.status.code in ("8.2.1/3.9", "8.6/1.2"), answer.status
        assert await s.state() == "Enabled"
        # POL2 is nobody's but the owner's, by the table of rights.
        rules = es4.ES4UpdatePolicyRules(pol2=(PolicyRule("DELETE", "Not-Allowed"),), **s.card)
        assert (await s.sp(rules, path="/es4")).status.code == "1.6/1.2"

        # He hears what he may hear.
        assert (await s.mno(es4.ES4DisableProfile(**s.card), path="/es4")).status.ok
        assert names(await s.sp.notices()) == ["ES4HandleProfileDisabledNotification"]
        # Withdrawn.
        nothing = v4.PLMA(m2m_sp=SP, profile_type="demo")
        assert (await s.mno(v4.ES4ASetPLMA(plmas=(nothing,)), path="/es4a")).status.ok
        refused = await s.sp(es4.ES4EnableProfile(**s.card), path="/es4")
        assert refused.status.code == "8.2.1/3.9"
        assert await s.state() == "Disabled"


@virtual
async def test_an_owner_hears_only_what_he_wants(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with scene(tmp_path, parties) as s:
        onc = v4.ONC(profile_type="demo", discarded=("HandleProfileEnabledNotification",))
        assert (await s.mno(v4.ES4ASetONC(onc=onc), path="/es4a")).status.ok
        found = (await s.mno(v4.ES4AGetONC(), path="/es4a")).oncs
        assert found == (v4.ONC(owner=OWNER, profile_type="demo", discarded=onc.discarded),)
        both = v4.PLMA(m2m_sp=SP, profile_type="demo", operations=(v4.ENABLE, v4.DISABLE, v4.AUDIT_EIS))
        assert (await s.mno(v4.ES4ASetPLMA(plmas=(both,)), path="/es4a")).status.ok
        await s.mno.notices()
        assert (await s.sp(es4.ES4EnableProfile(**s.card), path="/es4")).status.ok
        assert names(await s.mno.notices()) == []
        audited = await s.sp(es4.ES4AuditEIS(eid=s.eid), path="/es4")
        assert [one.iccid for one in audited.eis.profiles] == [s.iccid]
        assert (await s.sp(es4.ES4DisableProfile(**s.card), path="/es4")).status.ok
        assert names(await s.mno.notices()) == ["ES4HandleProfileDisabledNotification"]
        assert (await s.mno(v4.ES4ASetONC(onc=v4.ONC(profile_type="demo")), path="/es4a")).status.ok
        assert (await s.sp(es4.ES4EnableProfile(**s.card), path="/es4")).status.ok
        assert names(await s.mno.notices()) == ["ES4HandleProfileEnabledNotification"]


@virtual
async def test_the_fall_back_attribute_moves(tmp_path: Path, parties: dict[str, Party]) -> None:
    """It is another owner's, who has to allow that it leaves him; directly, and through the SM-DP."""
    async with scene(tmp_path, parties) as s:
        shown = await s.other(es4.ES4GetEIS(eid=s.eid), path="/es4")
        [boot] = shown.eis.profiles
        assert boot.fallback
        await s.mno.notices()
        move = v4.ES4SetFallBackAttribute(**s.card)
        assert (await s.sp(move, path="/es4")).status.code == "8.2.1/3.9"
        assert (await s.mno(move, path="/es4")).status.code == "8.2.1/1.2"
        assert await s.fallback(boot.iccid) == (True, False)

        given = [
            v4.PLMA(m2m_sp=party, profile_type=boot.profile_type, operations=(v4.SET_FALLBACK,))
            for party in (OWNER, SP)
        ]
        assert (await s.other(v4.ES4ASetPLMA(plmas=tuple(given)), path="/es4a")).status.ok
        done = await s.mno(move, path="/es4")
        assert done.status.ok, done.status
        assert await s.fallback(boot.iccid) == (False, True)
        assert names(await s.other.notices()) == ["ES4HandleFallBackAttributeUnsetNotification"]
        assert names(await s.mno.notices()) == []
        assert (await s.mno(move, path="/es4")).status.code == "8.2.1/1.2"  # it has it already
        back = v4.ES4SetFallBackAttribute(eid=s.eid, iccid=boot.iccid)
        assert (await s.other(back, path="/es4")).status.code == "8.2.1/1.2"
        mine = v4.PLMA(m2m_sp=OTHER, profile_type="demo", operations=(v4.SET_FALLBACK,))
        assert (await s.mno(v4.ES4ASetPLMA(plmas=(mine,)), path="/es4a")).status.ok
        assert (await s.other(back, path="/es4")).status.ok
        assert await s.fallback(boot.iccid) == (True, False)

        relayed = await s.mno(v4.ES2SetFallBackAttribute(smsr_id=SR, **s.card), path="/es2", to=DP)
        assert relayed.status.ok, relayed.status
        assert await s.fallback(boot.iccid) == (False, True)
        audited = await s.mno(v4.ES2AuditEIS(eid=s.eid, smsr_id=SR), path="/es2", to=DP)
        assert audited.status.ok, audited.status
        assert [(one.iccid, one.fallback) for one in audited.eis.profiles] == [(s.iccid, True)]


@virtual
async def test_policy_and_properties(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with scene(tmp_path, parties) as s:
        await s.mno.notices()
        # The owner hears of a POL2 that his SM-DP has changed for him, not of his own.
        rules = es4.ES4UpdatePolicyRules(pol2=(PolicyRule("DELETE", "Not-Allowed"),), **s.card)
        assert (await s.mno(rules, path="/es4")).status.ok
        assert names(await s.mno.notices()) == []
        lifted = es2.ES2UpdatePolicyRules(smsr_id=SR, **s.card)
        assert (await s.mno(lifted, path="/es2", to=DP)).status.ok
        assert names(await s.mno.notices()) == ["ES4HandleProfilePOL2UpdatedNotification"]

        update = v4.ES1UpdateEISAdditionalProperties(eid=s.eid, properties=(Property("colour", "red"),))
        assert (await s.eum(update, path="/es1")).status.ok
        shown = await s.mno(es4.ES4GetEIS(eid=s.eid), path="/es4")
        assert shown.eis.properties == (Property("colour", "red"),)
        for changed, code in (
            (v4.ES1UpdateEISAdditionalProperties(eid="89" + 30 * "0", properties=update.properties), "8.1.1/3.9"),
            (
                v4.ES1UpdateEISAdditionalProperties(eid=s.eid, properties=(OURS,)),
                "1.3.1/2.1",
            ),
        ):
            assert (await s.eum(changed, path="/es1")).status.code == code
        after = await s.mno(es4.ES4GetEIS(eid=s.eid), path="/es4")
        assert after.eis.properties == shown.eis.properties
