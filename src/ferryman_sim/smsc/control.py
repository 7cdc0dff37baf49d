"""Steering the centre while it runs: JSON lines on the control port, and on radio channels.

`status`; `counters` (msisdn?); `faults` (direction mt|mo|both and settings of `Faults`); `bar` (imsi, on);
`throttle` (rate or null); `submit-status` (status, count); `swallow` (count): accept without answering;
`receipts-first` (on); `disconnect`: drop all ESME connections; `garbage`: send each ESME a broken PDU.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import fields

from ferryman_sim.json_lines import Message
from ferryman_sim.smsc.centre import Centre
from ferryman_sim.smsc.esme import EsmeConnection
from ferryman_sim.smsc.faults import Faults


class Control:
    """Answers control requests; `connections` gives the ESME connections of the moment."""

    def __init__(
        self, centre: Centre, connections: Callable[[], Iterable[EsmeConnection]], seed: str | None
    ) -> None:
        self._centre = centre
        self._connections = connections
        self._seed = seed

    async def ask(self, request: Message) -> Message:
        """The answer; `{"error": text}` for a request that makes no sense."""
        handlers: dict[str, Callable[[Message], Message]] = {
            "status": self._status,
            "counters": self._counters,
            "faults": self._faults,
            "throttle": self._throttle,
            "submit-status": self._submit_status,
            "swallow": self._swallow,
            "receipts-first": self._receipts_first,
            "disconnect": self._disconnect,
            "garbage": self._garbage,
        }
        name = str(request.get("op"))
        try:
            if name == "bar":
                await self._centre.radio.bar(str(request["imsi"]), bool(request.get("on", True)))
                return {"barred": sorted(self._centre.radio.barred)}
            if name not in handlers:
                return {"error": f"unknown op {name}"}
            return handlers[name](request)
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"{name}: {type(error).__name__}: {error}"}

    def _status(self, _request: Message) -> Message:
        centre = self._centre
        return {
            "seed": self._seed,
            "attached": centre.radio.status(),
            "rejections": centre.radio.rejections,
            "waiting": {"mt": centre.mt.waiting(), "mo": centre.mo.waiting()},
            "accounts": {name: account.sessions for name, account in centre.accounts.items()},
            "esmes": [
                {"system_id": c.account.system_id if c.account else None, "state": c.state}
                for c in self._connections()
            ],
            "faults": {"mt": _shown(centre.mt.faults), "mo": _shown(centre.mo.faults)},
        }

    def _counters(self, request: Message) -> Message:
        counters = self._centre.counters
        if "msisdn" in request:
            digits = str(request["msisdn"]).removeprefix("+")
            return {"counters": dict(counters.get(digits, {}))}
        return {"counters": {msisdn: dict(counter) for msisdn, counter in counters.items()}}

    def _faults(self, request: Message) -> Message:
        direction = request.get("direction", "both")
        relays = {"mt": [self._centre.mt], "mo": [self._centre.mo], "both": [self._centre.mt, self._centre.mo]}
        settings = {name: value for name, value in request.items() if name not in ("op", "direction", "id")}
        changed = [(relay, relay.faults.changed(settings)) for relay in relays[direction]]
        for relay, faults in changed:
            relay.faults = faults
        return {"mt": _shown(self._centre.mt.faults), "mo": _shown(self._centre.mo.faults)}

    def _throttle(self, request: Message) -> Message:
        rate = request["rate"]
        self._centre.bucket.set(None if rate is None else float(rate), asyncio.get_running_loop().time())
        return {"rate": self._centre.bucket.rate}

    def _submit_status(self, request: Message) -> Message:
        self._centre.scripted.extend([int(request["status"])] * int(request.get("count", 1)))
        return {"scripted": len(self._centre.scripted)}

    def _swallow(self, request: Message) -> Message:
        self._centre.swallow = int(request["count"])
        return {"swallow": self._centre.swallow}

    def _receipts_first(self, request: Message) -> Message:
        self._centre.receipts_first = bool(request.get("on", True))
        return {"on": self._centre.receipts_first}

    def _disconnect(self, _request: Message) -> Message:
        dropped = list(self._connections())
        for connection in dropped:
            connection.close()
        return {"dropped": len(dropped)}

    def _garbage(self, _request: Message) -> Message:
        chosen = [connection for connection in self._connections() if connection.account is not None]
        for connection in chosen:
            connection.send_garbage()
        return {"sent": len(chosen)}


def _shown(faults: Faults) -> dict[str, float]:
    return {field.name: getattr(faults, field.name) for field in fields(faults)}
