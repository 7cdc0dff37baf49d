"""HTTPS sessions of one device: the card's SCP81 client runs beside its short messages (SGP.02 2.4.4;
Amendment B).

A refresh that the card wants after an answer waits until the server has ended the session, but not for ever.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ferryman_sim.card import Action, Card, HTTPSResult, OpenHTTPS, PowerCut
from ferryman_sim.scp81 import Quirks, ResumeState, SessionResult
from ferryman_sim.terminal.faults import DeviceFaults
from ferryman_sim.terminal.settings import Clock, Settings

RunSession = Callable[..., Awaitable[SessionResult]]
"""`ferryman_sim.scp81.run_session`, or a stand-in with its keyword arguments."""


class AnswerLost(ConnectionAbortedError):
    """A fault switch: the connection breaks instead of carrying the answer."""


class Owner(Protocol):
    """What a session needs of its device."""

    eid: str
    card: Card
    faults: DeviceFaults
    counters: Any
    imsi: str | None

    def save(self) -> None:
        """Keep the card's memory."""

    def power_cycle(self) -> None:
        """The power went away."""

    def use(self, call: Callable[[float], list[Action]]) -> list[Action]:
        """Call the card, then save."""

    def watch(self, task: asyncio.Task[None]) -> None:
        """Notice when `task` ends with an error of the simulator itself."""

    def post(self, work: Callable[[], Awaitable[None]]) -> None:
        """Queue work."""

    async def perform(self, actions: list[Action]) -> None:
        """Do actions."""


class HttpsSession:
    """At most one session at a time."""

    def __init__(
        self, owner: Owner, clock: Clock, rng: random.Random, settings: Settings, run_session: RunSession
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._rng = rng
        self._settings = settings
        self._run_session = run_session
        self._task: asyncio.Task[None] | None = None
        self._patience: asyncio.Timeout | None = None
        self._resume: ResumeState | None = None
        self._afterwards: list[Action] = []
        self._last: dict[str, Any] | None = None

    def status(self) -> dict[str, Any]:
        """Whether a session is open, and how the last one ended."""
        return {"open": self._task is not None, "last": self._last}

    def open(self, action: OpenHTTPS) -> None:
        """Start a session; the card asks for one at a time."""
        self._abandon()
        self._task = asyncio.get_running_loop().create_task(self._session(action))
        self._owner.watch(self._task)

    def abort(self) -> None:
        """End the session without a word to the card, which is being reset."""
        self._resume = None
        self._abandon()

    def lost_network(self) -> None:
        """The network has gone below the session."""
        if self._task is not None:
            self._abandon()
            self._closed(SessionResult(False, 0, self._resume, "network lost"))

    async def stop(self) -> None:
        """End the session and wait until it has ended."""
        task = self._abandon()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    def _abandon(self) -> asyncio.Task[None] | None:
        task, self._task = self._task, None
        self._afterwards = []
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        return task

    async def _session(self, action: OpenHTTPS) -> None:
        owner, card = self._owner, self._owner.card
        owner.counters["https_sessions"] += 1
        result = SessionResult(False, 0, self._resume, "no network")
        if owner.imsi is not None and not owner.faults.strike("refuse_https"):
            try:
                result = await self._over_tls(action, card)
            except PowerCut:
                owner.power_cycle()
                return
        if self._task is asyncio.current_task():
            self._task = None
            self._closed(result)

    async def _over_tls(self, action: OpenHTTPS, card: Card) -> SessionResult:
        try:
            async with asyncio.timeout(None) as self._patience:
                return await self._run_session(
                    host=action.host,
                    port=action.port,
                    identity=action.identity,
                    psk=action.psk,
                    eid=card.eid,
                    agent_id=action.agent_id or None,
                    uri=action.uri,
                    notification=action.notification,
                    on_script=self._script,
                    on_delivered=self._delivered,
                    resume=self._resume if action.resume else None,
                    quirks=self._quirks(action, card),
                    timeout=self._settings.https_step,
                    entropy=self._rng.randbytes,
                )
        except TimeoutError:
            # run_session handles its own timeouts: this one is the refresh that has waited long enough.
            return SessionResult(False, 0, None, "refresh")

    def _quirks(self, action: OpenHTTPS, card: Card) -> Quirks:
        chosen = dict(card.dump()["quirks"])
        chosen.setdefault("host_header", action.http_host or None)
        if self._owner.faults.break_after_scripts is not None:
            chosen["break_after_scripts"] = self._owner.faults.break_after_scripts
        return Quirks.of(chosen)

    def _script(self, target: bytes | None, body: bytes) -> HTTPSResult:
        """Execute one script. Raises AnswerLost (a broken link to the client), PowerCut (through it)."""
        owner = self._owner
        result = owner.card.https_script(target, body, self._clock())
        owner.counters["scripts"] += 1
        owner.save()
        if result.status == "lost":
            raise AnswerLost("answer lost on purpose")
        return result

    def _delivered(self) -> None:
        """The server has the last answer."""
        self._afterwards += self._owner.card.response_delivered(self._clock())
        self._owner.save()
        if self._afterwards and self._patience is not None:
            loop = asyncio.get_running_loop()
            self._patience.reschedule(loop.time() + self._settings.refresh_patience)

    def _closed(self, result: SessionResult) -> None:
        owner, card = self._owner, self._owner.card
        self._resume = result.resume
        self._last = {"completed": result.completed, "reason": result.reason, "alert": result.alert}
        actions, self._afterwards = self._afterwards, []
        actions = actions + owner.use(lambda now: card.https_closed(now, result.completed))

        async def go_on() -> None:
            await owner.perform(actions)

        # Posted even when empty: the card may have set a timer that the device has to arm.
        owner.post(go_on)
