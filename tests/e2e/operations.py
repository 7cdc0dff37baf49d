"""What a fleet is asked to do, and what happens to it: one entry for each operation, by name.

An operation takes a `Desk` (bench, gateway, one card, a random generator) and returns when its outcome is known.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from e2e.bench import Bench
from e2e.gateway import Call, Gateway
from ferryman.contracts import admin, es3, es4, operations
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus
from ferryman.sm_dp.records import DPSettings
from rig import OWNER, SMSR_ADDRESS, START

LOOK = 20.0  # s between two looks at an order


@dataclass(frozen=True)
class Outcome:
    """What the caller was told; `name` of the operation."""

    name: str
    status: ExecutionStatus | None


@dataclass
class Desk:
    """Where the calls for one card are made and their outcomes kept."""

    bench: Bench
    gateway: Gateway
    eid: str
    rng: random.Random
    validity: float = 30_000.0
    outcomes: list[Outcome] = field(default_factory=list)
    orders: list[admin.OrderView] = field(default_factory=list)
    made: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """What the card maker says of the card."""
        return next(each for each in self.bench.world.batch["cards"] if each["eid"] == self.eid)

    @property
    def spare(self) -> str:
        """ICCID of the Profile that the factory left beside the bootstrap Profile."""
        return str(self.facts["spares"][0])

    @property
    def bootstrap(self) -> str:
        """ICCID of the bootstrap Profile, which has the Fall-back Attribute."""
        return str(self.facts["iccid"])

    async def call(self, body: Body, requester: str) -> Call:
        """A call of ES3 or ES4 to its end."""
        self.made += 1
        name = f"{type(body).__name__}-{self.eid[-12:]}-{self.made}"
        deadline = START + asyncio.get_running_loop().time() + self.validity
        repeat = self.rng.random() < 0.1
        call = await self.gateway.start(name, body, requester=requester, deadline=deadline, repeat=repeat)
        await call.done.wait()
        return call

    async def as_smdp(self, body: Body) -> ExecutionStatus:
        """A call of our SM-DP's."""
        return (await self.call(body, DPSettings().smdp_id)).status

    async def as_operator(self, body: Body) -> ExecutionStatus:
        """A call of the operator's, directly at the SM-SR."""
        return (await self.call(body, OWNER)).status

    async def as_console(self, operation: Any) -> ExecutionStatus:
        """An operation that only the operator of the SM-SR can ask for."""
        start = operations.StartOperation(owner=OWNER, operation=operation, validity=self.validity)
        view: Any = await self.bench.operator.sm_sr(start)
        while view.status is None:
            await asyncio.sleep(LOOK - asyncio.get_running_loop().time() % LOOK)
            view = await self.bench.operator.sm_sr(operations.ShowOperation(owner=OWNER, call_id=view.call_id))
        status: ExecutionStatus = view.status
        return status

    async def order(self, *, enable: bool) -> ExecutionStatus:
        """ES2.DownloadProfile."""
        view = await self.bench.order(self.eid, enable=enable, validity=self.validity)
        while view.status is None:
            # All orders are looked at in the same moments: each moment apart costs real time.
            await asyncio.sleep(LOOK - asyncio.get_running_loop().time() % LOOK)
            found = await self.bench.operator.sm_dp(admin.ShowOrder(owner=OWNER, order_id=view.order_id))
            assert isinstance(found, admin.OrderView)
            view = found
        self.orders.append(view)
        return view.status

    async def lose_network(self) -> None:
        """The network of the enabled Profile goes for good."""
        await self.bench.fault(self.eid, lose_connectivity=True)

    async def power_cycle(self) -> None:
        """The device is switched off and on."""
        self.bench.device(self.eid).power_cycle()


Run = Callable[[Desk], Awaitable[ExecutionStatus | None]]


async def download(desk: Desk) -> ExecutionStatus:
    return await desk.order(enable=False)


async def download_and_enable(desk: Desk) -> ExecutionStatus:
    return await desk.order(enable=True)


async def enable(desk: Desk) -> ExecutionStatus:
    return await desk.as_smdp(es3.ES3EnableProfile(eid=desk.eid, iccid=desk.spare))


async def disable(desk: Desk) -> ExecutionStatus:
    return await desk.as_smdp(es3.ES3DisableProfile(eid=desk.eid, iccid=desk.spare))


async def delete(desk: Desk) -> ExecutionStatus:
    return await desk.as_smdp(es3.ES3DeleteISDP(eid=desk.eid, iccid=desk.spare))


async def enable_bootstrap(desk: Desk) -> ExecutionStatus:
    return await desk.as_operator(es4.ES4EnableProfile(eid=desk.eid, iccid=desk.bootstrap))


async def audit(desk: Desk) -> ExecutionStatus:
    return await desk.as_operator(es4.ES4AuditEIS(eid=desk.eid))


async def set_fallback(desk: Desk) -> ExecutionStatus:
    return await desk.as_console(operations.SetFallbackAttribute(eid=desk.eid, iccid=desk.spare))


async def rotate_keys(desk: Desk) -> ExecutionStatus:
    """New SCP80 keys by PUT KEY."""
    return await desk.as_console(operations.RotateKeyset(eid=desk.eid, protocol=operations.SCP80))


async def addressing(desk: Desk) -> ExecutionStatus:
    """The number of the SM-SR again."""
    return await desk.as_console(operations.UpdateSMSRAddressing(eid=desk.eid, sms_address=SMSR_ADDRESS))


async def update_policy(desk: Desk) -> ExecutionStatus:
    """POL2: the Profile goes when it becomes disabled."""
    rules = (PolicyRule("DISABLE", "Auto-Delete"),)
    return await desk.as_operator(es4.ES4UpdatePolicyRules(eid=desk.eid, iccid=desk.spare, pol2=rules))


async def update_address(desk: Desk) -> ExecutionStatus:
    """The same numbers again: they are those that the network knows."""
    numbers = {"imsi": str(desk.facts["imsi"]), "msisdn": str(desk.facts["msisdn"])}
    return await desk.as_operator(es4.ES4UpdateSubscriptionAddress(eid=desk.eid, iccid=desk.bootstrap, **numbers))


async def get_eis(desk: Desk) -> ExecutionStatus:
    return await desk.as_smdp(es3.ES3GetEIS(eid=desk.eid))


async def lose_network(desk: Desk) -> None:
    """SGP.02 3.16."""
    await desk.lose_network()


async def power_cycle(desk: Desk) -> None:
    await desk.power_cycle()


OPERATIONS: dict[str, Run] = {
    "download": download,
    "download-enable": download_and_enable,
    "enable": enable,
    "disable": disable,
    "delete": delete,
    "enable-bootstrap": enable_bootstrap,
    "set-fallback": set_fallback,
    "rotate-keys": rotate_keys,
    "addressing": addressing,
    "audit": audit,
    "update-policy": update_policy,
    "update-address": update_address,
    "get-eis": get_eis,
    "fall-back": lose_network,
    "power-cycle": power_cycle,
}

MAKES: dict[str, tuple[str, ...]] = {
    "CreateISDP": ("download", "download-enable"),
    "EnableProfile": ("enable", "enable-bootstrap", "download-enable"),
    "DisableProfile": ("disable", "delete"),
    "DeleteProfile": ("delete", "update-policy", "download", "download-enable"),
    "SetFallbackAttribute": ("set-fallback",),
}
"""For each command of the card that must have its effect once, the operations that may cause it, once each.

PUT KEY and the addressing parameters set values: a repeat of the same ones changes nothing, and makes sure.
"""


async def run(name: str, desk: Desk) -> Outcome:
    """Run one operation and keep its outcome."""
    outcome = Outcome(name, await OPERATIONS[name](desk))
    desk.outcomes.append(outcome)
    return outcome


def described(status: Any) -> str:
    """An outcome for people."""
    return "-" if status is None else f"{status.status.name} {status.code}".strip()
