"""The one administration session of the card: opening, scripts, end and retries (SGP.02 2.4.4; Amendment B).

Three things open it: a trigger by SMS (push), a notification, and the card's own timer (pull).
"""

from __future__ import annotations

from dataclasses import replace

from ferryman_sim.card import script
from ferryman_sim.card.actions import Action, HTTPSResult, OpenHTTPS, ScriptStatus
from ferryman_sim.card.addressing import ISD_R_AID, psk_identity
from ferryman_sim.card.core import CONFIRMATION, Core
from ferryman_sim.card.dialogue import Dialogues
from ferryman_sim.card.notification import PSK_KEY_ID, open_session
from ferryman_sim.card.runner import ScriptRunner
from ferryman_sim.card.session_trigger import SessionParameters

POLL_PLACES = 997
"""Parts of the polling interval over which cards spread by their EID, so that a fleet does not ask all at once."""


class AdminSession:
    """Knows whether a session is open and when a broken one is tried again."""

    def __init__(self, core: Core, runner: ScriptRunner, dialogues: Dialogues) -> None:
        self._core = core
        self._runner = runner
        self._dialogues = dialogues
        self._current: OpenHTTPS | None = None
        self._kvn: int | None = None
        self._scripts = 0
        self._retries_left = 0
        self._retry_delay = 0
        self._retry_at: float | None = None
        self._poll_at: float | None = None

    def attached(self) -> None:
        """The card is on a network: its polling timer runs from now on, at a place of its own in the interval."""
        https = self._core.state.https
        if self._poll_at is None and https is not None and https.poll:
            own = (int(self._core.state.eid) % POLL_PLACES + 1) / POLL_PLACES
            self._poll_at = self._core.now + https.poll * own

    def trigger(self, parameters: SessionParameters) -> list[Action]:
        """A session asked for by the server; none when one is open, or when the card lacks what it takes."""
        core = self._core
        if core.https_open:
            return []
        https = parameters.over(core.state.https)
        keyset = core.state.keyset81(parameters.kvn)
        if https is None or keyset is None or parameters.key_id not in (None, PSK_KEY_ID):
            return []
        own = psk_identity(core.state.eid, ISD_R_AID, PSK_KEY_ID, keyset.kvn)
        if parameters.identity is not None and parameters.identity != own:
            return []
        limits = (core.limit("https_retries"), core.limit("https_retry_delay"))
        self._retries_left = limits[0] if https.retries is None else https.retries
        self._retry_delay = limits[1] if https.retry_delay is None else https.retry_delay
        # A trigger takes the place of the retry that a broken session waits for: the card goes on where it was.
        scripts = self._scripts if self._retry_at is not None else 0
        if not scripts:
            self._dialogues.end_session()
        action = replace(open_session(core, keyset, https), resume=scripts > 0)
        self._start(action, keyset.kvn)
        self._scripts = scripts
        return [action]

    def opened_for_notification(self, actions: list[Action]) -> list[Action]:
        """Take note of a session that the notifier opens; the notification itself is its retry policy."""
        for action in actions:
            if isinstance(action, OpenHTTPS) and action.notification is not None:
                keyset = self._core.state.keyset81(None)
                self._retries_left = 0
                self._start(action, None if keyset is None else keyset.kvn)
        return actions

    def _start(self, action: OpenHTTPS, kvn: int | None) -> None:
        self._current, self._kvn, self._scripts, self._retry_at = action, kvn, 0, None
        self._core.https_open = True

    def _refusal(self, aid: bytes) -> ScriptStatus:
        """Why a target is not one of this session's."""
        state = self._core.state
        enabled = state.enabled()
        profile = None if enabled is None else enabled.profile
        if profile is not None:
            if any(domain.instance.aid == aid for domain in profile.domains):
                # The operator's domains have keys of their own; the SM-SR's session says nothing to them.
                return "security-error"
            instances = [instance.aid for each in profile.applications for instance in each.instances]
            if aid in instances or aid in [naa.aid for naa in profile.naas]:
                return "not-a-security-domain"
        return "not-a-security-domain" if aid in state.applications else "unknown-application"

    def script(self, target: bytes | None, body: bytes) -> HTTPSResult:
        """One command script; no target means the ISD-R."""
        core = self._core
        aid = target or ISD_R_AID
        if core.state.isdp(aid) is None and aid not in core.reachable():
            return HTTPSResult(self._refusal(aid), None)
        if CONFIRMATION in body and core.fault("drop_confirmations"):
            return HTTPSResult("lost", None)
        self._scripts += 1
        if len(body) > core.limit("https_script"):
            # Nothing of it is executed: the buffer was full before its end was there.
            refused = script.ResponseScript(definite=False)
            refused.add_bad_format(script.BAD_LENGTH)
            return HTTPSResult("ok", refused.encode())
        answer = self._runner.run(body, aid, "https", self._kvn)
        if core.fault("lost_answer"):
            return HTTPSResult("lost", None)
        return HTTPSResult("ok", answer)

    def closed(self, *, completed: bool) -> None:
        """The connection is gone; a broken session is tried again by the retry policy."""
        core = self._core
        core.https_open = False
        if completed or self._current is None or self._retries_left <= 0:
            self._dialogues.end_session()
            self._current, self._retry_at = None, None
            return
        self._retries_left -= 1
        self._retry_at = core.now + self._retry_delay

    def reset(self) -> None:
        """UICC reset: the session and its retries are forgotten."""
        self._core.https_open = False
        self._current, self._retry_at, self._poll_at = None, None, None

    def tick(self) -> list[Action]:
        """Try a broken session again, or open one because it is time to ask for work."""
        return [*self._retry(), *self._poll()]

    def _poll(self) -> list[Action]:
        core = self._core
        if self._poll_at is None or self._poll_at > core.now:
            return []
        https = core.state.https
        if https is None or not https.poll:
            self._poll_at = None
            return []
        self._poll_at += (1 + (core.now - self._poll_at) // https.poll) * https.poll
        # A session that is open, or waits to be tried again, asks for work as well.
        return [] if self._retry_at is not None else self.trigger(SessionParameters(uri=https.poll_uri))

    def _retry(self) -> list[Action]:
        if self._retry_at is None or self._retry_at > self._core.now or self._current is None:
            return []
        self._retry_at = None
        self._core.https_open = True
        return [replace(self._current, resume=self._scripts > 0)]

    def next_timer(self) -> float | None:
        """When `tick` is wanted."""
        times = (self._retry_at, self._poll_at)
        return min((time for time in times if time is not None), default=None)
