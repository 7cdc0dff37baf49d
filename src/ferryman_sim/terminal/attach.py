"""Network attach of one device: TS 24.301 5.5.1 in outline, TS 33.102 6.3 with the USIM's AUTHENTICATE.

The USIM's answer (TS 31.102 7.1.2.1) decides: `DB` RES .. -> auth-res, `DC` AUTS -> auth-sync, refusal ->
auth-fail.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from dataclasses import dataclass

from ferryman_sim.json_lines import Message
from ferryman_sim.profile import Profile
from ferryman_sim.profile.authentication import AuthenticationRefused
from ferryman_sim.terminal.radio_link import RadioLink

SUCCESS, SYNCHRONISATION = 0xDB, 0xDC
LONGEST_DIALOGUE = 8  # lines of the network in one attach: more than challenge, repeat and result is nonsense
NETWORK_TROUBLE = "network failure"  # cause that says nothing about the subscription


class Outcome(enum.Enum):
    """How an attach ended."""

    ATTACHED = "attached"
    REJECTED = "rejected"
    NO_NETWORK = "no network"


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome, with the MSISDN when attached and the cause when not."""

    outcome: Outcome
    msisdn: str = ""
    cause: str = ""


class Attach:
    """Dialogues of one device, one at a time; `line` takes the network's answers as they come."""

    def __init__(self, eid: str, link: RadioLink, patience: float) -> None:
        self._eid = eid
        self._link = link
        self._patience = patience
        self._lines: asyncio.Queue[Message] = asyncio.Queue()

    def line(self, message: Message) -> None:
        """An `auth`, `attached` or `rejected` line."""
        self._lines.put_nowait(message)

    async def run(self, profile: Profile, authenticated: Callable[[], None]) -> Result:
        """Attach with `profile`; `authenticated()` is called after AUTHENTICATE has changed the card's
        memory.
        """
        while not self._lines.empty():
            # Answers to an attempt that was given up.
            self._lines.get_nowait()
        try:
            await self._link.send({"op": "attach", "card": self._eid, "imsi": profile.imsi})
            for _ in range(LONGEST_DIALOGUE):
                async with asyncio.timeout(self._patience):
                    line = await self._lines.get()
                if line["op"] == "attached":
                    return Result(Outcome.ATTACHED, msisdn=str(line.get("msisdn", "")))
                if line["op"] == "rejected":
                    return _rejected(str(line.get("cause", "")))
                answer = usim_answer(profile, line)
                authenticated()
                await self._link.send({**answer, "card": self._eid})
        except (ConnectionError, TimeoutError) as error:
            return Result(Outcome.NO_NETWORK, cause=type(error).__name__)
        return Result(Outcome.NO_NETWORK, cause="endless dialogue")


def _rejected(cause: str) -> Result:
    outcome = Outcome.NO_NETWORK if cause == NETWORK_TROUBLE else Outcome.REJECTED
    return Result(outcome, cause=cause)


def usim_answer(profile: Profile, challenge: Message) -> Message:
    """The line that answers an `auth` line."""
    try:
        rand, autn = bytes.fromhex(challenge["rand"]), bytes.fromhex(challenge["autn"])
        answer = profile.authenticate(rand, autn)
    except (KeyError, TypeError, ValueError, AuthenticationRefused):
        # A malformed challenge and a wrong MAC are the same to a USIM: this is not its network.
        return {"op": "auth-fail"}
    first = answer[2 : 2 + answer[1]]
    if answer[0] == SYNCHRONISATION:
        return {"op": "auth-sync", "auts": first.hex()}
    return {"op": "auth-res", "res": first.hex()}
