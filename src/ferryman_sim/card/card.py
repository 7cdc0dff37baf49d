"""The simulated eUICC: one object without I/O, clock or randomness of its own (SGP.02 v3.2;
`sgp02-euicc.md`).

The terminal around it feeds what arrives and does the `Action`s that come back, in order. After every call
(or in `on_commit`, called whenever the memory is consistent) it saves `dump()`; a power cut is `load(dump)`
on a new object.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from ferryman_sim.card.actions import Action, HTTPSResult, Refresh
from ferryman_sim.card.admin_session import AdminSession
from ferryman_sim.card.change import ProfileChange
from ferryman_sim.card.connectivity import smsc_address
from ferryman_sim.card.core import Core
from ferryman_sim.card.dialogue import Dialogues
from ferryman_sim.card.isdr import IsdR
from ferryman_sim.card.notification import Notifier
from ferryman_sim.card.runner import ScriptRunner
from ferryman_sim.card.sms_channel import SmsChannel
from ferryman_sim.card.state import State, load_state
from ferryman_sim.card.tlv import BadTLV
from ferryman_sim.profile import Profile


class Card:
    """An eUICC in a terminal. Times are seconds of the caller's clock; it must not run backwards."""

    def __init__(self, state: State, now: float, entropy: Callable[[int], bytes]) -> None:
        self._core = Core(state, entropy, now)
        self._dialogues = Dialogues(self._core)
        self._notifier = Notifier(self._core)
        self._change = ProfileChange(self._core, self._notifier)
        runner = ScriptRunner(self._core, IsdR(self._core, self._change), self._dialogues)
        self._session = AdminSession(self._core, runner, self._dialogues)
        self._sms = SmsChannel(self._core, runner, self._session)
        self._change.power_on()

    @classmethod
    def load(
        cls,
        image: dict[str, Any],
        now: float,
        *,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Card:
        """A card out of a factory image or a `dump`, powered on at `now`. Raises state.BadImage."""
        return cls(load_state(image), now, entropy)

    def dump(self) -> dict[str, Any]:
        """The whole non-volatile memory as a JSON object (it holds keys)."""
        return self._core.state.to_dict()

    # --- what the terminal sees -------------------------------------------------------------------

    @property
    def eid(self) -> str:
        """EID, 32 digits."""
        return self._core.state.eid

    @property
    def imei(self) -> str:
        """IMEI that the terminal reports to the card, 15 digits."""
        imei: str = self._core.faults.get("imei", self._core.state.imei)
        return imei

    @property
    def faults(self) -> dict[str, Any]:
        """Fault switches, see `core`; they are not part of the memory."""
        return self._core.faults

    @property
    def struck(self) -> dict[str, int]:
        """How often each fault switch had its effect since power on."""
        return dict(self._core.struck)

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every command executed, oldest first; never shortened."""
        return self._core.state.log

    @property
    def discards(self) -> list[str]:
        """Why packets got no answer since power on."""
        return self._sms.discards

    @property
    def steps(self) -> int:
        """Commit points passed since power on; `faults["power_cut"] = n` survives n more and then cuts."""
        return self._core.steps

    @property
    def on_commit(self) -> Callable[[], None] | None:
        """Called at each commit point: save `dump()` here to lose nothing in a power cut."""
        return self._core.on_commit

    @on_commit.setter
    def on_commit(self, save: Callable[[], None] | None) -> None:
        self._core.on_commit = save

    def enabled_profile(self) -> Profile | None:
        """The Profile to attach with."""
        enabled = self._core.state.enabled()
        return None if enabled is None else enabled.profile

    def smsc(self) -> str | None:
        """SMSC address of the enabled Profile's connectivity parameters, if it has any that can be read."""
        enabled = self._core.state.enabled()
        try:
            return None if enabled is None else smsc_address(enabled.connectivity)
        except BadTLV:
            # The Profile header is not checked for this when it is installed.
            return None

    def profiles(self) -> list[dict[str, Any]]:
        """The ISD-Ps: aid, iccid and imsi (None while empty), state, fallback, pol1."""
        return [
            {
                "aid": item.aid.hex().upper(),
                "iccid": None if item.profile is None else item.profile.iccid,
                "imsi": None if item.profile is None else item.profile.imsi,
                "state": item.state,
                "fallback": item.fallback,
                "pol1": item.pol1,
            }
            for item in self._core.state.isdps
        ]

    # --- inputs -----------------------------------------------------------------------------------

    def sms_pp(self, ud: bytes, oa: str, now: float) -> list[Action]:
        """An MT short message for SMS-PP data download: TP-User-Data with its header, originator in `+` form."""
        self._core.now = now
        actions = self._sms.receive(ud, oa)
        return self._out([*actions, *self._change.refresh_due()])

    def https_script(self, target_aid: bytes | None, body: bytes, now: float) -> HTTPSResult:
        """A command script of the open administration session; no target means the ISD-R."""
        self._core.now = now
        return self._session.script(target_aid, body)

    def response_delivered(self, now: float) -> list[Action]:
        """The answer to the last script is at the server; a refresh that waited for this comes now.

        The terminal may put the refresh off until the server has ended the session.
        """
        self._core.now = now
        return self._out(self._change.refresh_due())

    def https_closed(self, now: float, completed: bool) -> list[Action]:
        """The session is over: `completed` when the server ended it with 204, else the connection broke."""
        self._core.now = now
        self._session.closed(completed=completed)
        refresh = self._out(self._change.refresh_due())
        # With a refresh the next attach sends what is pending, over the profile that it is about.
        return refresh or self._out(self._notifier.session_closed())

    def attached(self, now: float) -> list[Action]:
        """The terminal is on the network with the enabled Profile."""
        self._core.now = now
        self._session.attached()
        return self._out(self._change.attached())

    def attach_failed(self, now: float) -> list[Action]:
        """The terminal could not attach with the enabled Profile."""
        self._core.now = now
        return self._out(self._change.attach_failed())

    def lose_connectivity(self, now: float) -> list[Action]:
        """The network of the enabled Profile is gone for good: the fall-back mechanism runs."""
        self._core.now = now
        return self._out(self._change.lose_connectivity())

    def tick(self, now: float) -> list[Action]:
        """Let timers run; call at or after `next_timer`."""
        self._core.now = now
        # One after the other: a notification that opens a session leaves none to the polling timer.
        first = self._out(self._change.tick())
        return [*first, *self._out(self._session.tick())]

    def next_timer(self) -> float | None:
        """When `tick` is wanted next; None when no timer runs."""
        times = (self._change.next_timer(), self._session.next_timer())
        return min((time for time in times if time is not None), default=None)

    def _out(self, actions: list[Action]) -> list[Action]:
        """A refresh resets the card's RAM; a notification over HTTPS occupies the one session."""
        if any(isinstance(action, Refresh) for action in actions):
            self._dialogues.reset()
            self._session.reset()
            self._sms.reset()
            self._notifier.reset()
        return self._session.opened_for_notification(actions)
