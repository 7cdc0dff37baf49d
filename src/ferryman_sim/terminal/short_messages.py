"""Short messages in the device: what is for the card, and handing the card's own to the network.

3GPP TS 23.040 9.2.3.9 and TS 31.111 7.1.1 (SMS-PP data download), TS 24.011 6.2.2 (repetition).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

from ferryman_sim.json_lines import Message
from ferryman_sim.terminal.faults import DeviceFaults
from ferryman_sim.terminal.radio_link import RadioLink
from ferryman_sim.terminal.settings import Settings

DATA_DOWNLOAD_PID = 0x7F  # TS 23.040 9.2.3.9: (U)SIM data download
MO_PID, MO_DCS = 0x00, 0xF6
_CLASS_2 = 2  # TS 23.038 4: (U)SIM specific message


def is_data_download(pid: int, dcs: int) -> bool:
    """TS 31.111 7.1.1.1: whether a short message goes to the card instead of to the device's owner."""
    with_class = dcs & 0xF0 == 0xF0 or dcs & 0xD0 == 0x10
    return pid == DATA_DOWNLOAD_PID and with_class and dcs & 3 == _CLASS_2


def data_download(line: Message) -> bytes | None:
    """User data of a message for the card; None for any other message."""
    try:
        pid, dcs, ud = int(line["pid"]), int(line["dcs"]), bytes.fromhex(line["ud"])
    except (KeyError, TypeError, ValueError):
        return None
    return ud if line.get("udhi", True) and is_data_download(pid, dcs) else None


class Owner(Protocol):
    """What sending needs of the device."""

    eid: str
    imsi: str | None
    faults: DeviceFaults
    counters: Counter[str]


class SmsSender:
    """Hands mobile-originated messages to the network, one at a time."""

    def __init__(self, owner: Owner, link: RadioLink, settings: Settings) -> None:
        self._owner = owner
        self._link = link
        self._settings = settings
        self._answers: dict[str, asyncio.Future[bool]] = {}
        self._number = 0

    def answer(self, identifier: str, taken: bool) -> None:
        """The network has answered."""
        waiting = self._answers.get(identifier)
        if waiting is not None and not waiting.done():
            waiting.set_result(taken)

    def link_down(self) -> None:
        """No answer will come any more."""
        for identifier in self._answers:
            self.answer(identifier, taken=False)

    async def send(self, da: str, ud: bytes) -> None:
        """Send one message, repeating it as the settings allow; a message that nobody takes is counted."""
        owner = self._owner
        owner.counters["sms_mo"] += 1
        if owner.faults.strike("drop_mo"):
            return
        self._number += 1
        identifier = f"{owner.eid}-{self._number}"
        line = {"op": "mo", "card": owner.eid, "id": identifier, "da": da, "udhi": True}
        line |= {"pid": MO_PID, "dcs": MO_DCS, "ud": ud.hex()}
        for _ in range(self._settings.mo_tries):
            if owner.imsi is not None and await self._handed_over(identifier, line):
                return
        owner.counters["sms_mo_failed"] += 1

    async def _handed_over(self, identifier: str, line: Message) -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answers[identifier] = answer
        try:
            await self._link.send(line)
            async with asyncio.timeout(self._settings.network_answer):
                return await answer
        except (ConnectionError, TimeoutError):
            return False
        finally:
            del self._answers[identifier]
