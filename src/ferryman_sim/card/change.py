"""Change of the enabled Profile: switch, attach, notify, confirm, or roll back and fall back (SGP.02 3.2,
3.16, 4.1.1).

States of `Change`: kind "change" goes attaching -> confirming -> done; a failure starts kind "rollback",
whose failure starts kind "fallback"; with no Profile left to try, the phase is "waiting" before the next
attempt. The switch itself happens together with the command, so that a power cut finds either the old or
the new Profile enabled, never none; the answer still goes out over the old attachment, before the refresh.
"""

from __future__ import annotations

from ferryman_sim.card.actions import Action, Refresh
from ferryman_sim.card.apdu import SW_CONDITIONS, SW_NOT_FOUND, SW_POL1, CommandError
from ferryman_sim.card.core import Core
from ferryman_sim.card.notification import (
    AFTER_FALLBACK,
    CHANGE_ROLLED_BACK,
    CHANGE_SUCCEEDED,
    DECLARATION,
    Notifier,
)
from ferryman_sim.card.state import (
    DISABLED,
    ENABLED,
    POL1_DELETE_WHEN_DISABLED,
    POL1_NO_DISABLE,
    Change,
    Isdp,
)

_NOTIFIED_AS = {"change": CHANGE_SUCCEEDED, "rollback": CHANGE_ROLLED_BACK, "fallback": AFTER_FALLBACK}


class ProfileChange:
    """The one owner of `State.change` and of the ENABLED and DISABLED states."""

    def __init__(self, core: Core, notifier: Notifier) -> None:
        self._core = core
        self._notifier = notifier

    # --- commands ---------------------------------------------------------------------------------

    def refuse_while_pending(self) -> None:
        """Platform management waits until a change is confirmed or rolled back. Raises CommandError."""
        if self._core.state.change is not None:
            raise CommandError(self._core.sw("pending_sw"))

    def enable(self, aid: bytes) -> None:
        """EnableProfile. Raises CommandError."""
        self.refuse_while_pending()
        state = self._core.state
        target, current = state.isdp(aid), state.enabled()
        if target is None:
            raise CommandError(SW_NOT_FOUND)
        if target.state != DISABLED:
            raise CommandError(SW_CONDITIONS)
        if current is not None and current.pol1 & POL1_NO_DISABLE:
            raise CommandError(SW_POL1)
        if state.fallback_lock is not None and state.isdp(state.fallback_lock) and aid != state.fallback_lock:
            raise CommandError(SW_POL1)
        self._switch(target, "change")

    def disable(self, aid: bytes) -> None:
        """DisableProfile: the Profile with the Fall-back Attribute is enabled instead. Raises CommandError."""
        self.refuse_while_pending()
        state = self._core.state
        current, fallback = state.isdp(aid), state.fallback()
        if current is None:
            raise CommandError(SW_NOT_FOUND)
        if current.state != ENABLED or current.fallback or fallback is None:
            raise CommandError(SW_CONDITIONS)
        if current.pol1 & POL1_NO_DISABLE:
            raise CommandError(SW_POL1)
        self._switch(fallback, "change")

    def confirm(self, sequence: int) -> list[bytes]:
        """HandleNotificationConfirmation; returns the AIDs of the Profiles deleted by it. Raises CommandError."""
        state = self._core.state
        if state.notification is None:
            raise CommandError(self._core.sw("nothing_pending_sw"))
        if state.notification.sequence != sequence:
            raise CommandError(self._core.sw("wrong_sequence_sw"))
        state.notification = None
        change, deleted = state.change, list[bytes]()
        if change is not None and change.kind == "change" and change.phase == "confirming":
            state.change = None
            if state.fallback_lock == change.target:
                state.fallback_lock = None
            former = None if change.previous is None else state.isdp(change.previous)
            if former is not None and former.pol1 & POL1_DELETE_WHEN_DISABLED and not former.fallback:
                state.isdps.remove(former)
                deleted.append(former.aid)
        return deleted

    # --- what happens around the card -------------------------------------------------------------

    def refresh_due(self) -> list[Action]:
        """The refresh of a change that has not been asked for yet."""
        change = self._core.state.change
        if change is None or change.phase != "attaching" or change.deadline is not None:
            return []
        change.deadline = self._core.now + self._core.limit("attach_timeout")
        return [Refresh()]

    def power_on(self) -> None:
        """A reset stands in for the refresh: the terminal attaches with the enabled Profile anyway."""
        state = self._core.state
        if state.change is not None:
            state.change.phase = "attaching"
            state.change.deadline = self._core.now + self._core.limit("attach_timeout")
        if state.notification is not None:
            state.notification.attempts, state.notification.next_at = 0, None

    def attached(self) -> list[Action]:
        """The enabled Profile is on the network: tell the SM-SR what has to be told."""
        core, state = self._core, self._core.state
        enabled = state.enabled()
        if enabled is None:
            return []
        change = state.change
        if change is not None and self._no_network(change, enabled):
            return self.attach_failed()
        if change is not None and change.phase != "confirming":
            self._notify_change(change)
        elif state.notification is None and not state.declared:
            self._notifier.new(DECLARATION, enabled.aid)
        elif state.notification is not None:
            state.notification.attempts = 0
        state.declared = True
        core.commit("attached")
        actions = self._notifier.send()
        core.commit("notified")
        return actions

    def attach_failed(self) -> list[Action]:
        """The network refused the enabled Profile, or did not answer in time."""
        change = self._core.state.change
        if change is None:
            return []
        if change.kind == "change":
            return self._roll_back(change)
        if change.kind == "rollback":
            return self._fall_back()
        return self._attach_later(change)

    def lose_connectivity(self) -> list[Action]:
        """Fall-back: the network of the enabled Profile is gone (SGP.02 3.16)."""
        state = self._core.state
        enabled, fallback = state.enabled(), state.fallback()
        if enabled is None or fallback is None or enabled.fallback or state.change is not None:
            return []
        return self._fall_back()

    def tick(self) -> list[Action]:
        """Timers: attach given up, notification due or given up."""
        state, now = self._core.state, self._core.now
        change, pending = state.change, state.notification
        if change is not None and change.phase == "attaching" and self._passed(change.deadline):
            return self.attach_failed()
        if change is not None and change.phase == "waiting" and self._passed(change.deadline):
            change.phase, change.deadline = "attaching", None
            return self.refresh_due()
        if pending is None or pending.next_at is None or pending.next_at > now:
            return []
        if pending.attempts < self._core.limit("notification_tries"):
            actions = self._notifier.send()
            self._core.commit("notified")
            return actions
        pending.next_at = None
        if change is not None and change.kind == "change":
            return self._roll_back(change)
        return []

    def next_timer(self) -> float | None:
        """When `tick` is wanted next, seconds; None when nothing runs."""
        change, pending = self._core.state.change, self._core.state.notification
        times = [change.deadline] if change is not None and change.phase != "confirming" else []
        if pending is not None:
            times.append(pending.next_at)
        return min((time for time in times if time is not None), default=None)

    # --- inner steps ------------------------------------------------------------------------------

    def _passed(self, deadline: float | None) -> bool:
        return deadline is not None and deadline <= self._core.now

    def _switch(self, target: Isdp, kind: str) -> None:
        state = self._core.state
        current = state.enabled()
        if current is not None:
            current.state = DISABLED
        target.state = ENABLED
        state.change = Change(kind, target.aid, None if current is None else current.aid)
        state.notification = None

    def _notify_change(self, change: Change) -> None:
        state = self._core.state
        kind, aid = _NOTIFIED_AS[change.kind], change.target
        if change.kind == "rollback" and self._core.quirk("type03_failed_aid") and change.previous is not None:
            aid = change.previous
        pending = state.notification
        if pending is None or pending.kind != kind or pending.aid != aid:
            self._notifier.new(kind, aid)
        if change.kind == "change":
            change.phase = "confirming"
        else:
            # Nothing is left to decide: an unconfirmed notification 03 or 05 is only repeated, never rolled back.
            state.change = None

    def _no_network(self, change: Change, enabled: Isdp) -> bool:
        faults = self._core.faults
        if change.kind == "change" and faults.get("no_network_after_enable"):
            return True
        return enabled.profile is not None and enabled.profile.iccid in faults.get("no_network_for", ())

    def _roll_back(self, change: Change) -> list[Action]:
        state = self._core.state
        former = None if change.previous is None else state.isdp(change.previous)
        if former is None:
            return self._fall_back()
        self._switch(former, "rollback")
        self._core.commit("rolled-back")
        return self.refresh_due()

    def _fall_back(self) -> list[Action]:
        state = self._core.state
        enabled, fallback = state.enabled(), state.fallback()
        if fallback is None or (enabled is not None and enabled.fallback):
            return [] if state.change is None else self._attach_later(state.change)
        if enabled is not None and enabled.pol1 & POL1_NO_DISABLE:
            state.fallback_lock = enabled.aid
        self._switch(fallback, "fallback")
        self._core.commit("fallen-back")
        return self.refresh_due()

    def _attach_later(self, change: Change) -> list[Action]:
        """There is no other Profile to try: the same one again after a while."""
        change.phase = "waiting"
        change.deadline = self._core.now + self._core.limit("attach_retry")
        return []
