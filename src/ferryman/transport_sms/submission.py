"""One submission from its record to its end: every part accepted, or the reason why not.

Every part is recorded as leaving before it leaves (the first one of most submissions in the commit that enters
them, see `Lead`), and its answer before the next part does. Doubt (no answer,
a lost link, a restart in between) means that the part is sent again: a card drops the second copy, because its
SCP80 counter is used up (TS 102 225 5.1.4).

Another account takes over only while no part is accepted: at once when the link is down and nothing can have
left, otherwise after `failover_after` of refusals, silence or doubt. Once an SMSC has accepted a part, the rest
of the packet waits for that account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum
from typing import Final, NamedTuple, Protocol

import structlog

from ferryman.codec.smpp.session import Request
from ferryman.codec.smpp.status import Reaction, status_name
from ferryman.codec.smpp.times import MAX_RELATIVE
from ferryman.codec.sms_user_data import segment
from ferryman.errors import InputError, Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.mailbox import Tx
from ferryman.transport_sms import outgoing
from ferryman.transport_sms.account import Account
from ferryman.transport_sms.link import OutcomeKind, SubmitOutcome
from ferryman.transport_sms.outgoing import Job
from ferryman.transport_sms.routes import Routes

RETRY_FIRST: Final = 1.0  # seconds before the second attempt at a part; doubles with each one
RETRY_CAP: Final = 30.0  # seconds between attempts at a part
LOOK_AGAIN: Final = 10.0  # seconds after which a wait for a link asks which links there are
_FINAL: Final = (Reaction.PERMANENT, Reaction.DEFECT)

log = structlog.get_logger("ferryman.transport_sms")


class Stopped(Exception):
    """The role stops while the database is away: what could not be recorded is found unfinished later."""


class Desk(Protocol):
    """What a submission needs of the sender that works on it."""

    @property
    def routes(self) -> Routes: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def stopping(self) -> asyncio.Event: ...

    def jitter(self, low: float, high: float, /) -> float: ...

    async def durably[T](self, unit: Callable[[Tx], T], /) -> T: ...

    async def progress(self, job: Job, /) -> tuple[bool, bool]: ...

    async def pause(self, seconds: float, /) -> None: ...


class _Next(Enum):
    SEND = "send"
    MOVE = "move"
    END = "end"


class _Result(Enum):
    ACCEPTED = "accepted"
    MOVED = "moved"
    OVER = "over"


class Lead(NamedTuple):
    """How a submission can begin at once: by the best of the accounts that serve its number."""

    candidates: list[Account]
    account: Account
    opening: outgoing.Opening


def lead(routes: Routes, destination: str, packet: bytes) -> Lead | None:
    """The lead of a new submission; None when no account can send it now."""
    candidates, parts = _fitting(routes.candidates(destination), packet)
    account = _ready(candidates)
    if account is None:
        return None
    return Lead(candidates, account, outgoing.Opening(account.name, account.settings.max_ud, parts[account.name]))


class Submission:
    """See the module's text. `run` once; with the `lead` that the job was entered with, if there was one."""

    def __init__(self, desk: Desk, job: Job, lead: Lead | None = None) -> None:
        self._desk = desk
        self._job = job
        self._lead = lead
        self._candidates: list[Account] = [] if lead is None else lead.candidates
        self._settled = False  # some part is accepted: no other account may send
        self._doubt = False  # some part may have left by the present account
        self._trouble: float | None = None  # when trouble with the present account began

    @property
    def eid(self) -> str:
        """Whose card it is for."""
        return self._job.eid

    async def run(self) -> None:
        """To the end, or until the role stops. Raises Stopped when it stops without the database."""
        account = await self._begin() if self._lead is None else await self._go_on(self._lead)
        while account is not None:
            account = await self._by(account)

    async def _begin(self) -> Account | None:
        """The account to send by; None when the submission ended."""
        if self._expired():
            await self._give_up("not sent within its validity", permanent=False)
            return None
        job = self._job
        serving = self._desk.routes.candidates(job.destination)
        if not serving:
            await self._give_up("no account serves this number", permanent=True)
            return None
        self._candidates, _ = _fitting(serving, job.packet)
        if not self._candidates:
            await self._give_up("too long for short messages", permanent=True)
            return None
        return await self._first()

    # --- which account ---

    async def _first(self) -> Account | None:
        """The account that goes on with what it began, or a new one."""
        job = self._job
        if job.status == outgoing.QUEUED:
            return await self._new()
        self._settled, self._doubt = await self._desk.progress(job)
        began = self._desk.routes.named(job.account) if job.account else self._candidates[0]
        if began is not None and began.settings.sends:
            return began
        if self._settled:
            await self._give_up(f"the account {job.account} is no longer there", permanent=False)
            return None
        return await self._new()

    async def _new(self, instead_of: Account | None = None) -> Account | None:
        """An account to begin with, as soon as one can send; None when the submission ended before."""
        while not self._desk.stopping.is_set() and not self._expired():
            chosen = _ready(self._candidates, instead_of) or (
                instead_of if instead_of and instead_of.bound else None
            )
            if chosen is not None:
                return chosen
            await self._wait_for(self._candidates, self._job.expires)
        await self._not_in_time()
        return None

    async def _next(self, account: Account) -> _Next:
        """What to do with the part at hand: send it by `account`, leave that to another one, or end."""
        desk = self._desk
        while not desk.stopping.is_set() and not self._expired():
            # From one that works to a shaky one is no progress, so that is only for a link that is down.
            other = None if self._settled else _ready(self._candidates, account, sound=account.bound)
            now = desk.clock.now()
            if not account.bound and self._doubt and self._trouble is None:
                self._trouble = now
            patience = None if self._trouble is None else self._trouble + account.settings.failover_after
            waited = patience is not None and now >= patience
            if account.bound:
                return _Next.MOVE if other is not None and waited else _Next.SEND
            if other is not None and (waited or not self._doubt):
                return _Next.MOVE
            if other is not None and patience is not None:
                await self._wait_for([account], min(patience, self._job.expires))
            else:
                hopes = [account] if self._settled else [account, *self._candidates]
                await self._wait_for(hopes, self._job.expires)
        return _Next.END

    # --- sending ---

    async def _go_on(self, lead: Lead) -> Account | None:
        """Like `_by`, from where the commit that entered the submission has left it."""
        total = lead.opening.parts
        return await self._send(lead.account, list(range(1, total + 1)), total, recorded=True)

    async def _by(self, account: Account) -> Account | None:
        """Send what is left by one account; another one when that has to take over, None at the end."""
        job = self._job
        fresh = job.status == outgoing.QUEUED or job.account not in (account.name, "")
        max_ud = account.settings.max_ud if fresh else job.max_ud
        total = _parts(job.packet, max_ud)
        leaves_now = account.bound
        self._trouble = None

        def start(tx: Tx) -> tuple[int, list[int]]:
            chosen = outgoing.begin(tx, job, account.name, max_ud, total)
            todo = outgoing.open_parts(tx, job, total)
            if leaves_now and todo:
                outgoing.about_to_send(tx, job, todo[0])
            return chosen, todo

        chosen, todo = await self._desk.durably(start)
        if fresh:
            self._doubt = False  # of this account; what an earlier one may have sent is in the record
        self._job = job._replace(status=outgoing.SENDING, reference=chosen, max_ud=max_ud, account=account.name)
        return await self._send(account, todo, total, recorded=leaves_now)

    async def _send(self, account: Account, todo: list[int], total: int, *, recorded: bool) -> Account | None:
        """Send the parts `todo`; `recorded` when the first one is recorded as leaving."""
        job = self._job
        segments = segment(job.packet, reference=job.reference, max_ud=job.max_ud)
        for number, following in zip(todo, [*todo[1:], None], strict=True):
            request = self._request(account, segments[number - 1], last=number == total)
            result = await self._part(account, number, request, following, recorded)
            if result is _Result.MOVED:
                log.info("another account takes over", sms_id=job.sms_id, account=account.name)
                account.left(asyncio.get_running_loop().time())
                return await self._new(account)
            if result is _Result.OVER:
                return None
            recorded = True  # with the acceptance of one part the leaving of the next was recorded
        return None

    def _request(self, account: Account, user_data: bytes, *, last: bool) -> Callable[[bool], Request]:
        # A submission that was cut for more room than is allowed now keeps its borders: the card has some parts.
        job, settings = self._job, account.settings
        if settings.max_ud < job.max_ud:
            settings = replace(settings, max_ud=job.max_ud)

        def build(parameters: bool) -> Request:
            if self._expired():
                raise Unavailable("SMSC in time")  # the queue for its turn was too long
            left = max(1, min(int(job.expires - self._desk.clock.now()), MAX_RELATIVE))
            return settings.request(job.destination, user_data, last=last, validity=left, parameters=parameters)

        return build

    async def _part(
        self,
        account: Account,
        number: int,
        request: Callable[[bool], Request],
        following: int | None,
        recorded: bool,
    ) -> _Result:
        """One part until the SMSC has it, another account has to take over, or the submission ended."""
        desk, attempt = self._desk, 0
        while (step := await self._next(account)) is _Next.SEND:
            if not recorded:
                await desk.durably(lambda tx: outgoing.about_to_send(tx, self._job, number))
            recorded = False
            attempt += 1
            try:
                outcome = await account.submit(request)
            except Unavailable:
                outcome = None
            except InputError as problem:
                await desk.durably(lambda tx: outgoing.was_not_sent(tx, self._job, number))
                await self._give_up(str(problem), permanent=True)
                return _Result.OVER
            if outcome is not None and outcome.kind is OutcomeKind.ACCEPTED:
                await self._accepted(number, outcome.message_id, following)
                return _Result.ACCEPTED
            if await self._refused(number, outcome):
                return _Result.OVER
            if outcome is None and not account.bound:
                continue  # nothing left and nothing will before somebody is bound
            await desk.pause(min(self._backoff(attempt), max(0.0, self._job.expires - desk.clock.now())))
        if recorded:
            await desk.durably(lambda tx: outgoing.was_not_sent(tx, self._job, number))
        if step is _Next.MOVE:
            return _Result.MOVED
        await self._not_in_time()
        return _Result.OVER

    async def _accepted(self, number: int, message_id: str, following: int | None) -> None:
        await self._desk.durably(lambda tx: outgoing.was_accepted(tx, self._job, number, message_id, following))
        self._settled, self._doubt, self._trouble = True, False, None

    async def _refused(self, number: int, outcome: SubmitOutcome | None) -> bool:
        """Record an attempt that was not accepted; True when that was the end of the submission."""
        job, desk = self._job, self._desk
        if self._trouble is None:
            self._trouble = desk.clock.now()
        if outcome is None:
            await desk.durably(lambda tx: outgoing.was_not_sent(tx, job, number))
            return False
        status = outcome.status
        if outcome.kind is OutcomeKind.UNKNOWN or status is None:
            self._doubt = True
            log.info("fate of a part is unknown", sms_id=job.sms_id, part=number, reason=outcome.reason)
            await desk.durably(lambda tx: outgoing.is_unknown(tx, job, number))
            return False
        await desk.durably(lambda tx: outgoing.was_refused(tx, job, number, status))
        reaction = outcome.reaction
        if reaction in _FINAL:
            if reaction is Reaction.DEFECT:
                log.error("the SMSC cannot read our request", sms_id=job.sms_id, status=status_name(status))
            await self._give_up(f"SMSC: {status_name(status)}", permanent=True)
            return True
        log.info("part refused for now", sms_id=job.sms_id, part=number, status=status_name(status))
        return False

    # --- time and ends ---

    def _expired(self) -> bool:
        return self._desk.clock.now() >= self._job.expires

    def _backoff(self, attempt: int) -> float:
        cap = min(RETRY_CAP, RETRY_FIRST * 2.0 ** min(attempt - 1, 10))
        return self._desk.jitter(cap / 2, cap)

    async def _not_in_time(self) -> None:
        if not self._desk.stopping.is_set():
            await self._give_up("not accepted within its validity", permanent=False)

    async def _give_up(self, reason: str, *, permanent: bool) -> None:
        await self._desk.durably(lambda tx: outgoing.give_up(tx, self._job, reason, permanent=permanent))

    async def _wait_for(self, accounts: Iterable[Account], moment: float) -> None:
        """Until one of the accounts can send, `moment` is there or we stop: whichever is first."""
        events = {event for account in accounts for event in account.events}
        waits = {asyncio.ensure_future(event.wait()) for event in (*events, self._desk.stopping)}
        try:
            left = min(max(0.0, moment - self._desk.clock.now()), LOOK_AGAIN)
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _ready(candidates: list[Account], but: Account | None = None, *, sound: bool = False) -> Account | None:
    """The best account that can send now: one in good health if there is, else any unless `sound`."""
    bound = [one for one in candidates if one is not but and one.bound]
    now = asyncio.get_running_loop().time()
    healthy = next((one for one in bound if one.healthy(now)), None)
    return healthy if healthy or sound or not bound else bound[0]


def _fitting(accounts: list[Account], packet: bytes) -> tuple[list[Account], dict[str, int]]:
    """The accounts that a packet is not too long for, and how many messages each one needs."""
    parts = {one.name: _parts(packet, one.settings.max_ud) for one in accounts}
    return [one for one in accounts if parts[one.name]], parts


def _parts(packet: bytes, max_ud: int) -> int:
    """How many messages a packet needs; 0 when it is too long for any number of them."""
    try:
        return len(segment(packet, reference=0, max_ud=max_ud))
    except ValueError:
        return 0
