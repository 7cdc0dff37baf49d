"""An outside party's end of ES3 and ES4: stands where the SOAP gateway does and keeps what it is told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from ferryman.contracts import es3, es4
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import SM_SR, SOAP_GATEWAY
from ferryman.contracts.status import ExecutionStatus

ANSWERS: Codec[Body] = Codec(*es3.RESPONSES, *es3.NOTIFICATIONS, *es4.RESPONSES, *es4.NOTIFICATIONS)


@dataclass
class Call:
    """One function call and every answer to it; more than one is a fault of the SM-SR."""

    header: Header
    body: Body
    answers: dict[str, Body] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> ExecutionStatus:
        """The outcome reported."""
        (answer,) = self.answers.values()
        status: ExecutionStatus = answer.status  # type: ignore[attr-defined]
        return status


@dataclass
class Gateway:
    """Calls made through one installation after another; `attach` after each start."""

    calls: dict[str, Call] = field(default_factory=dict)
    notifications: dict[str, dict[str, Body]] = field(default_factory=lambda: defaultdict(dict))
    unexpected: list[str] = field(default_factory=list)
    _bus: Any = None

    def attach(self, bus: Any) -> None:
        """Be the gateway of this bus."""
        self._bus = bus
        bus.register(SOAP_GATEWAY, self.receive)

    async def receive(self, raw: bytes) -> None:
        """A message for the world outside; delivered twice it counts once."""
        header, body = decode(raw, ANSWERS)
        if type(body) in (*es3.NOTIFICATIONS, *es4.NOTIFICATIONS):
            self.notifications[header.eid][header.message_id] = body
            return
        call = self.calls.get(header.function_call_id)
        if call is None:
            self.unexpected.append(f"{type(body).__name__} for {header.function_call_id}")
            return
        call.answers[header.message_id] = body
        call.done.set()

    async def start(self, name: str, body: Body, *, requester: str, deadline: float, repeat: bool = False) -> Call:
        """Make a call (twice with `repeat`, as a party does that missed the acknowledgement)."""
        header = Header(
            message_id=f"{SOAP_GATEWAY}/{name}",
            sender=SOAP_GATEWAY,
            requester=requester,
            function_call_id=name,
            deadline=deadline,
            eid=getattr(body, "eid", ""),
        )
        call = self.calls.setdefault(name, Call(header, body))
        for _ in range(1 + repeat):
            await self._bus.deliver(SM_SR, encode(header, body))
        return call
