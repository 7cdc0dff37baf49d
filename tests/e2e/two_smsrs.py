"""A second SM-SR in the world of a bench, with a number of its own, and the wire of ES7 between the two.

Each installation speaks to a gateway that stands where its SOAP gateway does. The wire carries ES7 messages
across, keeps the answers to ES4 calls, and delivers again what an installation that is off has not taken. Either
installation may run on a machine that can be cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from e2e.bench import Bench
from ferryman.cli.operator import Operator
from ferryman.cli.wiring import Configuration
from ferryman.contracts import crypto, es3, es4, es7
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import Unavailable
from ferryman.sm_sr import eis_store, handover_store
from ferryman.sm_sr.records import EUICC, SRSettings
from ferryman_sim.card_maker import certify as issuer
from ferryman_sim.card_maker import gp_cert
from ferryman_sim.smsc.accounts import Account
from machine import Cut, Machine
from rig import OWNER, PASSWORD, START, Platform

FIRST, SECOND = "1.3.6.1.4.1.99999.20", "1.3.6.1.4.1.99999.21"
SECOND_ADDRESS = "+33699999999"
ES7: Codec[Body] = Codec(*es7.REQUESTS, *es7.RESPONSES)
TOLD: Codec[Body] = Codec(*es7.REQUESTS, *es7.RESPONSES, *es4.RESPONSES, *es4.NOTIFICATIONS, *es3.NOTIFICATIONS)


class Second(Platform):
    """The other installation: own identity, own account and number at the SMSC."""

    def configuration(self) -> Configuration:
        made = super().configuration()
        assert made.smpp is not None
        assert not isinstance(made.smpp, tuple)
        smpp = replace(made.smpp, system_id="second", source_addr=SECOND_ADDRESS.lstrip("+"))
        return replace(made, smpp=smpp)


def certify(folder: Path, public_key: Path) -> bytes:
    """CERT.SR.ECDSA by the batch's CI."""
    request = issuer.Request(gp_cert.Role.SR, bytes.fromhex("534D535202"), *issuer.read_point(public_key))
    oid = json.loads((folder / "batch.json").read_text())["ci"]["oid"]
    return issuer.issue(request, issuer.read_key(folder / "ci-key.pem"), oid)


@dataclass
class Wire:
    """ES7 between the two; what is not taken waits and is delivered again, as by any gateway."""

    bench: Bench
    second: Second
    requester: str = OWNER
    machines: dict[str, Machine] = field(default_factory=dict)
    answers: dict[str, Body] = field(default_factory=dict)
    notices: list[tuple[str, Body]] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    drop: Callable[[str, str, Body], bool] = lambda _sender, _receiver, _body: False
    tamper: Callable[[Body], Body] = lambda body: body
    _numbers: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def attach(self, *names: str) -> None:
        """Be the gateway of these, or both; again after each start."""
        for name, other in ((FIRST, SECOND), (SECOND, FIRST)):
            if not names or name in names:
                self.platform(name).installation.bus.register(SOAP_GATEWAY, self._receiver(name, other))

    def platform(self, name: str) -> Platform:
        return self.bench.platform if name == FIRST else self.second

    def _receiver(self, name: str, other: str) -> Callable[[bytes], Any]:
        async def receive(raw: bytes) -> None:
            header, body = decode(raw, TOLD)
            if type(body).__name__ not in ES7.kinds:
                if type(body) in es4.RESPONSES:
                    self.answers[header.function_call_id] = body
                elif (header.message_id, body) not in self.notices:
                    self.notices.append((header.message_id, body))
                return
            kind = type(body).__name__
            if self.drop(name, other, body):
                return
            self.carried.append(kind)
            # In a context of its own: what the gateway has taken does not end with the machine it came from.
            work = self._carry(name, other, header, self.tamper(body))
            task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return receive

    async def _carry(self, name: str, other: str, header: Header, body: Body) -> None:
        letter = Header(
            message_id=f"wire/{name}/{header.message_id}",
            sender=SOAP_GATEWAY,
            requester=header.requester,
            function_call_id=header.function_call_id,
            deadline=header.deadline,
            eid=header.eid,
        )
        await self.hand(other, encode(letter, body))

    async def hand(self, name: str, raw: bytes) -> None:
        """Deliver to one of the two until it has taken it."""
        while True:
            machine = self.machines.get(name)
            if machine is not None and machine.is_off:
                await asyncio.sleep(1.0)
                continue
            try:
                work = self.platform(name).installation.bus.deliver(SM_SR, raw)
                await (work if machine is None else machine.run(work))
            except (Cut, Unavailable, KeyError, LookupError, RuntimeError):
                await asyncio.sleep(1.0)
                continue
            return

    async def boot(self, name: str) -> None:
        """Start one of the two on a machine of its own; raises Cut."""
        machine = Machine(self.platform(name))
        try:
            await machine.boot()
        except Cut:
            await machine.bury()
            raise
        # Only now: until it has started, what is there is still the former installation.
        self.machines[name] = machine
        self.attach(name)

    async def keep_up(self, name: str, *, down: float = 20.0) -> None:
        """Whenever the machine goes off, start the next one some seconds later."""
        while True:
            machine = self.machines[name]
            await machine.wait_off()
            await machine.bury()
            while machine is self.machines[name]:
                await asyncio.sleep(down)
                with contextlib.suppress(Cut):
                    await self.boot(name)

    async def call(self, name: str, body: Body, *, call_id: str = "", validity: float = 30_000.0) -> str:
        """An Operator's call on ES4 to one of the two; its name."""
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        call_id = call_id or f"{type(body).__name__}-{name[-2:]}-{number}"
        header = Header(
            message_id=f"op/{call_id}/{number}",
            sender=SOAP_GATEWAY,
            requester=self.requester,
            function_call_id=call_id,
            deadline=START + asyncio.get_running_loop().time() + validity,
            eid=getattr(body, "eid", ""),
        )
        await self.hand(name, encode(header, body))
        return call_id

    async def ended(self, call_id: str, *, patience: float = 40_000.0) -> ExecutionStatus:
        """The status told for a call."""
        await self.bench.until(lambda: call_id in self.answers, patience=patience)
        status: ExecutionStatus = self.answers[call_id].status  # type: ignore[attr-defined]
        return status

    async def change(self, *, validity: float = 30_000.0) -> ExecutionStatus:
        """The whole change, as an Operator asks for it."""
        eid = self.bench.eid
        prepared = await self.call(SECOND, es4.ES4PrepareSMSRChange(eid=eid, current_smsr_id=FIRST))
        status = await self.ended(prepared)
        assert status.ok, status
        asked = await self.call(FIRST, es4.ES4SMSRChange(eid=eid, target_smsr_id=SECOND), validity=validity)
        return await self.ended(asked)

    async def card(self, name: str) -> EUICC | None:
        """The EIS that one of the two has."""
        store = self.bench.store("sm-sr") if name == FIRST else self.second.installation.stores[1]
        return await store.read(lambda c: eis_store.load(c, self.bench.eid))

    async def owner(self) -> str:
        """Who manages the card; exactly one does."""
        first, second = await self.card(FIRST), await self.card(SECOND)
        # A card that the other one has taken is locked here until its answer comes.
        return SECOND if second is not None else (FIRST if first is not None else "nobody")

    async def noted(self) -> str:
        """Where the first one says that the card went."""
        return await self.bench.store("sm-sr").read(lambda c: handover_store.manager(c, self.bench.eid))

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        machine = self.machines.get(SECOND)
        await (self.second.close() if machine is None else machine.halt())


def first_settings(**changes: Any) -> SRSettings:
    """The one that gives the card away."""
    return SRSettings(smsr_id=FIRST, smsr_peers=(SECOND,), operators=(OWNER,), **changes)


async def join(b: Bench, **settings: Any) -> Wire:
    """Start the second SM-SR, certify it, lay the wire."""
    b.world.smsc.centre.accounts["second"] = Account("second", PASSWORD, (SECOND_ADDRESS,))
    sr = SRSettings(
        smsr_id=SECOND, smsr_peers=(FIRST,), operators=(OWNER,), sms_address=SECOND_ADDRESS, **settings
    )
    second = Second(b.world, b.world.folder.parent / "second", transport="sms", sm_sr=sr)
    operator: Operator = await second.open()
    folder = b.world.folder
    await operator.crypto(crypto.ImportTrustAnchor(pem=(folder / "ci.pem").read_bytes()))
    made = await operator.crypto(crypto.MakeSigningKey(role="sr"))
    assert isinstance(made, crypto.SigningKey)
    pem = folder / "sr.pem"
    pem.write_bytes(made.public_key_pem)
    await operator.crypto(crypto.ImportCertificate(role="sr", certificate=certify(folder, pem)))
    await second.tell_types(operator)
    wire = Wire(b, second)
    wire.attach()
    return wire
