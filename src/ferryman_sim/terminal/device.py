"""One device: a card and the modem round it. All inputs of a card go through one queue, in order.

The card is sans-IO; this is where its actions happen: short messages over the radio channel, HTTPS sessions,
refresh (leave the network, attach with the enabled Profile), power cuts (SGP.02 3.2, 3.16; TS 31.111 in
outline).
"""

from __future__ import annotations

import asyncio
import random
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from ferryman_sim.card import Action, Card, DeliverReport, OpenHTTPS, PowerCut, Refresh, SendSMS
from ferryman_sim.json_lines import Message
from ferryman_sim.terminal.attach import Attach, Outcome, Result
from ferryman_sim.terminal.faults import DeviceFaults
from ferryman_sim.terminal.https import HttpsSession, RunSession
from ferryman_sim.terminal.radio_link import RadioLink
from ferryman_sim.terminal.settings import Clock, Settings
from ferryman_sim.terminal.short_messages import SmsSender, data_download
from ferryman_sim.terminal.store import Store


class Device:
    """A card in its device; `start`, then `link_up` / `link_down` / `line` as the radio channel has it."""

    def __init__(
        self,
        image: dict[str, Any],
        link: RadioLink,
        store: Store,
        clock: Clock,
        rng: random.Random,
        settings: Settings,
        run_session: RunSession,
    ) -> None:
        self.eid = str(image["eid"])
        self.faults = DeviceFaults()
        self.counters: Counter[str] = Counter()
        self.imsi: str | None = None
        self.msisdn: str | None = None
        self.cause = ""
        self.crash: str | None = None
        self._image = image
        self._link = link
        self._store = store
        self._clock = clock
        self._rng = rng
        self._settings = settings
        self._attach_dialogue = Attach(self.eid, link, settings.network_answer)
        self._sender = SmsSender(self, link, settings)
        self._inbox: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._powered = True
        self._lost_since: float | None = None
        self.card = self._load()
        self.https = HttpsSession(self, clock, rng, settings, run_session)

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Power on."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self.watch(self._task)
        self._arm()

    async def stop(self) -> None:
        """Power off; the saved state is up to date at any time."""
        for timer in (self._tick, self._retry):
            if timer is not None:
                timer.cancel()
        await self.https.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def watch(self, task: asyncio.Task[None]) -> None:
        """Say so on stderr, and in the status, when `task` dies of an error in the simulator itself."""
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.crash = f"{type(error).__name__}: {error}"
            sys.stderr.write(
                f"device {self.eid}: {self.crash}\n" + "".join(traceback.format_tb(error.__traceback__))
            )

    def link_up(self) -> None:
        """There is a network to attach to."""
        self.post(self._attach)

    def link_down(self) -> None:
        """No network any more: not the card's business unless it lasts."""
        self._off_network()
        self._sender.link_down()

    def line(self, message: Message) -> None:
        """A line of the network for this card."""
        match message.get("op"):
            case "auth" | "attached" | "rejected":
                self._attach_dialogue.line(message)
            case "mo-ack" | "mo-nack":
                self._sender.answer(str(message.get("id")), message["op"] == "mo-ack")
            case "mt":
                self.post(partial(self._mobile_terminated, message))
            case "detached":
                self.post(self._thrown_out)

    def post(self, work: Callable[[], Awaitable[None]]) -> None:
        """Queue work for the device; it runs after everything queued before."""
        self._inbox.put_nowait(work)

    async def ask[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Queue work and wait for its result."""
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def step() -> None:
            try:
                value = await work()
            except ValueError as error:
                result.set_exception(error)
            else:
                if not result.done():
                    result.set_result(value)

        self.post(step)
        return await result

    async def _run(self) -> None:
        while True:
            work = await self._inbox.get()
            await work()
            self._arm()

    def _load(self) -> Card:
        stored = self._store.load(self.eid)
        image = self._image if stored is None else {**stored, "limits": self._image["limits"]}
        card = Card.load(image, self._clock(), entropy=self._rng.randbytes)
        card.on_commit = self.save
        self._store.save(self.eid, card.dump())
        return card

    def save(self) -> None:
        """Keep the card's memory."""
        self._store.save(self.eid, self.card.dump())

    # --- the card ---------------------------------------------------------------------------------

    def use(self, call: Callable[[float], list[Action]]) -> list[Action]:
        """Call the card with the time, then save; no actions when the power went away in the middle."""
        try:
            actions = call(self._clock())
        except PowerCut:
            self.power_cycle()
            return []
        self.save()
        return actions

    def power_cycle(self) -> None:
        """Drop the card as it is and power it on again from its memory."""
        self.counters["power_cuts"] += 1
        faults = dict(self.card.faults)
        self.faults.struck.update(self.card.struck)
        self._off_network()
        self.https.abort()
        self.card = self._load()
        self.card.faults.update(faults)
        self._powered = False
        self._retry_attach(self._settings.boot)

    def _arm(self) -> None:
        """Wake up for the card's next timer."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        due = self.card.next_timer()
        if due is not None:
            loop = asyncio.get_running_loop()
            self._tick = loop.call_at(self._clock.loop_time(due), self.post, self._timer)

    async def _timer(self) -> None:
        await self.perform(self.use(self.card.tick))

    async def perform(self, actions: Sequence[Action]) -> None:
        """Do what the card wants, in order."""
        card = self.card
        for action in actions:
            if self.card is not card:
                # The card that wanted this has lost its power meanwhile.
                return
            match action:
                case SendSMS(da, uds):
                    for ud in uds:
                        await self._sender.send(da, ud)
                case OpenHTTPS():
                    self.https.open(action)
                case Refresh():
                    await self._refresh()
                case DeliverReport():
                    # Only an MT message has a report; it went out with the acknowledgement.
                    continue

    # --- short messages ---------------------------------------------------------------------------

    async def _mobile_terminated(self, line: Message) -> None:
        if self.imsi is None or not self._powered or self.faults.strike("drop_mt"):
            return
        acknowledgement = {"op": "mt-ack", "card": self.eid, "id": line.get("id")}
        ud = data_download(line)
        if ud is None:
            self.counters["sms_other"] += 1
            await self._send(acknowledgement)
            return
        self.counters["sms_mt"] += 1
        originator = "+" + str(line.get("oa", "")).removeprefix("+")
        before = self.card
        actions = self.use(lambda now: before.sms_pp(ud, originator, now))
        if self.card is not before:
            # The power went away: the network gets no acknowledgement and will try again.
            return
        reports = [action.ud.hex() for action in actions if isinstance(action, DeliverReport)]
        await self._send(acknowledgement | ({"report": reports[0]} if reports else {}))
        await self.perform(actions)

    async def _send(self, line: Message) -> bool:
        try:
            await self._link.send(line)
        except ConnectionError:
            return False
        return True

    # --- the network ------------------------------------------------------------------------------

    def _off_network(self) -> None:
        self.imsi = self.msisdn = None

    def _in_coverage(self) -> bool:
        profile = self.card.enabled_profile()
        return self._link.up and profile is not None and profile.iccid not in self.faults.no_network_for

    async def _refresh(self) -> None:
        """TS 31.111 6.4.7 (UICC reset): everything ends, then the enabled Profile is on its own."""
        self.counters["refreshes"] += 1
        self.https.abort()
        await self._leave()
        self._lost_since = None
        await self._attach()

    async def _leave(self) -> None:
        if self.imsi is not None:
            await self._send({"op": "detach", "card": self.eid})
        self._off_network()

    def _retry_attach(self, seconds: float) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = asyncio.get_running_loop().call_later(seconds, self.post, self._attach)

    async def authenticate(self) -> Result:
        """Attach once with the enabled Profile, without telling the card: does the HLR know it, and it the
        HLR?
        """
        profile = self.card.enabled_profile()
        if profile is None or not self._in_coverage():
            return Result(Outcome.NO_NETWORK, cause="no coverage")
        if profile.imsi is None:
            return Result(Outcome.REJECTED, cause="no IMSI")
        result = await self._attach_dialogue.run(profile, self.save)
        attached = result.outcome is Outcome.ATTACHED
        self.imsi, self.msisdn = (profile.imsi, result.msisdn) if attached else (None, None)
        self.cause = result.cause
        return result

    async def _attach(self) -> None:
        """Attach unless attached; a refusal is the card's to know, missing network is not yet."""
        self._powered = True
        if self.imsi is not None:
            return
        result = await self.authenticate()
        if result.outcome is Outcome.ATTACHED:
            self._lost_since = None
            await self.perform(self.use(self.card.attached))
            return
        self.counters["attach_failures"] += 1
        refused = result.outcome is Outcome.REJECTED or (self._link.up and not self._in_coverage())
        actions = self.use(self.card.attach_failed) if refused else []
        if not actions and refused:
            actions = self._loss_so_far()
        if actions:
            await self.perform(actions)
        else:
            self._retry_attach(self._settings.attach_retry)

    def _loss_so_far(self) -> list[Action]:
        """SGP.02 3.16: the fall-back mechanism starts when the network has been away for long enough."""
        now = self._clock()
        if self._lost_since is None:
            self._lost_since = now
        if now - self._lost_since < self._settings.loss:
            return []
        self._lost_since = now
        return self.use(self.card.lose_connectivity)

    async def _thrown_out(self) -> None:
        """The network has dropped the subscription: try again, and fall back in the end."""
        self._off_network()
        self.https.lost_network()
        await self._attach()

    async def coverage_changed(self) -> None:
        """The faults have changed: leave a network that is not there any more."""
        if self.imsi is not None and not self._in_coverage():
            await self._leave()
            await self._thrown_out()
        elif self.imsi is None and self._in_coverage():
            await self._attach()

    async def lose_connectivity(self) -> None:
        """The network is gone for good, now."""
        await self._leave()
        self.https.lost_network()
        actions = self.use(self.card.lose_connectivity)
        if actions:
            await self.perform(actions)
        else:
            self._retry_attach(self._settings.attach_retry)

    def struck(self) -> dict[str, int]:
        """How often each fault switch of device and card had its effect, over all power cuts."""
        return dict(self.faults.struck + Counter(self.card.struck))

    def status(self) -> dict[str, Any]:
        """What the control port shows."""
        return {
            "struck": self.struck(),
            "eid": self.eid,
            "profiles": self.card.profiles(),
            "attached": self.imsi,
            "msisdn": self.msisdn,
            "authenticated": self.imsi is not None,
            "cause": self.cause,
            "crash": self.crash,
            "counters": {name: self.counters[name] for name in ("sms_mt", "sms_mo", "https_sessions", "scripts")}
            | dict(self.counters),
            "https": self.https.status(),
            "faults": self.faults.shown() | dict(self.card.faults),
            "steps": self.card.steps,
            "discards": len(self.card.discards),
        }
