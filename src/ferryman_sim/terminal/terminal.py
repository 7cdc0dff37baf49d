"""All devices of a euicc process: one radio channel, one state store, one control port.

Control requests (JSON lines): `status` (eid?), `log` (eid, since?), `fault` (eid, switches of `faults`, and
`lose_connectivity`: true), `power-cycle` (eid), `authenticate` (eid).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ferryman_sim.json_lines import Message
from ferryman_sim.scp81 import run_session
from ferryman_sim.terminal import faults
from ferryman_sim.terminal.attach import Outcome
from ferryman_sim.terminal.device import Device
from ferryman_sim.terminal.https import RunSession
from ferryman_sim.terminal.radio_link import Connect, RadioLink
from ferryman_sim.terminal.settings import Clock, Settings
from ferryman_sim.terminal.store import MemoryStore, Store


class Terminal:
    """Runs cards. `connect` opens the radio channel, `now` gives seconds since 1970 once, at start.

    Raises card.BadImage or StoreError from `start` when an image or a stored state is no good.
    """

    def __init__(
        self,
        images: Iterable[dict[str, Any]],
        connect: Connect,
        rng: random.Random,
        now: Callable[[], float],
        *,
        store: Store | None = None,
        settings: Settings | None = None,
        session: RunSession = run_session,
    ) -> None:
        self._images = list(images)
        self._rng = rng
        self._now = now
        self._store = store or MemoryStore()
        self._settings = settings or Settings()
        self._session = session
        self._link = RadioLink(connect, self, self._settings.reconnect)
        self._running: asyncio.Task[None] | None = None
        self.devices: dict[str, Device] = {}

    async def start(self) -> None:
        """Power on all devices and open the radio channel."""
        clock = Clock(self._now())
        for image in self._images:
            # Each card draws from a generator of its own, so that the others do not change what it does.
            own = random.Random(f"{self._rng.random()} {image['eid']}")
            device = Device(image, self._link, self._store, clock, own, self._settings, self._session)
            self.devices[device.eid] = device
        for device in self.devices.values():
            device.start()
        self._running = asyncio.get_running_loop().create_task(self._link.run())

    async def stop(self) -> None:
        """Power off."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for device in self.devices.values():
            await device.stop()

    def link_up(self) -> None:
        """The radio channel is open."""
        for device in self.devices.values():
            device.link_up()

    def link_down(self) -> None:
        """The radio channel is gone."""
        for device in self.devices.values():
            device.link_down()

    def line(self, message: Message) -> None:
        """A line for one of the cards; one for nobody is dropped, as radio waves are."""
        device = self.devices.get(str(message.get("card")))
        if device is not None:
            device.line(message)

    async def ask(self, request: Message) -> Message:
        """The answer to a control request; `{"error": text}` when it makes no sense."""
        handlers: dict[str, Callable[[Device, Message], Awaitable[Message]]] = {
            "log": self._log,
            "fault": self._fault,
            "power-cycle": self._power_cycle,
            "authenticate": self._authenticate,
        }
        name, eid = str(request.get("op")), request.get("eid")
        if name == "status" and eid is None:
            return {"cards": {key: device.status() for key, device in self.devices.items()}}
        device = self.devices.get(str(eid))
        if device is None:
            return {"error": f"no card {eid}"}
        if name == "status":
            return device.status()
        if name not in handlers:
            return {"error": f"unknown op {name}"}
        try:
            return await handlers[name](device, request)
        except ValueError as error:
            return {"error": str(error)}

    async def _log(self, device: Device, request: Message) -> Message:
        since = int(request.get("since", 0))
        return {"log": device.card.log[since:]}

    async def _fault(self, device: Device, request: Message) -> Message:
        switches = {name: value for name, value in request.items() if name not in ("op", "eid", "id")}
        lose = switches.pop("lose_connectivity", False)
        faults.apply(switches, device.faults, device.card.faults)
        if lose:
            device.post(device.lose_connectivity)
        elif "no_network_for" in switches:
            device.post(device.coverage_changed)
        return {"faults": device.faults.shown() | dict(device.card.faults)}

    async def _power_cycle(self, device: Device, _request: Message) -> Message:
        device.power_cycle()
        return {}

    async def _authenticate(self, device: Device, _request: Message) -> Message:
        result = await device.ask(device.authenticate)
        attached = result.outcome is Outcome.ATTACHED
        return {
            "authenticated": attached,
            "imsi": device.imsi,
            "outcome": result.outcome.value,
            "cause": result.cause,
        }
