"""Letters to peers: sent until the peer has taken them, over restarts; at least once (SGP.02 Annex B, MEPs)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from ferryman.contracts.peers import Peer
from ferryman.errors import InputError, PeerError, Unavailable
from ferryman.platform.clock import Clock
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.scrubber import Scrubber
from ferryman.soap_gateway import client, rows
from ferryman.soap_gateway.book import PeerBook
from ferryman.soap_gateway.client import Reply
from ferryman.soap_gateway.esm import envelope
from ferryman.soap_gateway.rows import Letter
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.soap_gateway.tls import client_context, fingerprints

RETRY_FIRST = 1.0  # seconds before the second attempt; doubles with each one
RETRY_CAP = 300.0  # seconds between attempts
LETTER_KEEP = 7 * 86_400.0  # seconds behind the deadline of its call that an answer is still offered
ACCEPTED = range(200, 300)
FOR_NOW = frozenset((408, 425, 429))  # of the 4xx, those that say nothing about the message (RFC 9110, 6585, 8470)

SERVER_ERROR = 500
OF_THE_MESSAGE = frozenset((envelope.SENDER, envelope.MUST_UNDERSTAND, envelope.VERSION_MISMATCH))

log = structlog.get_logger("ferryman.soap_gateway")

type OnReply = Callable[[Letter, Reply], Awaitable[None]]


def _is_refused(reply: Reply) -> bool:
    """Whether the peer will never take the message: by status, or by a fault that blames the message.

    Many stacks give every fault HTTP 500, also those that SOAP 1.2 part 2 table 20 gives 400.
    """
    if 400 <= reply.status < 500:
        return True
    fault = envelope.read_fault(reply.body) if reply.status == SERVER_ERROR else None
    return fault is not None and fault.code in OF_THE_MESSAGE


class Post:
    """Carries letters: one task for each peer, so that one that does not answer holds up nobody else."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        settings: SOAPSettings,
        clock: Clock,
        book: PeerBook,
        on_reply: OnReply,
        sign: Callable[[Peer, bytes], bytes],
    ) -> None:
        self._mailbox = mailbox
        self._settings = settings
        self._clock = clock
        self._book = book
        self._on_reply = on_reply
        self._sign = sign
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._stopping = False
        self._scrubber = Scrubber(mailbox)

    async def start(self) -> None:
        """Go on with what an earlier run left."""
        await self._scrubber.start()
        for peer in await self._mailbox.store.read(rows.peers_with_letters):
            self.wake(peer)

    async def stop(self) -> None:
        """Stop; what was not taken stays."""
        self._stopping = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        await self._scrubber.stop()

    def wake(self, peer: str) -> None:
        """There is something new for this peer (committed)."""
        if self._stopping or not self._settings.listen:
            return
        event = self._wake.setdefault(peer, asyncio.Event())
        event.set()
        if peer not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._carry(peer, event))
            self._tasks[peer] = task
            task.add_done_callback(partial(self._finished, peer))

    def _finished(self, peer: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(peer) is task:
            del self._tasks[peer]
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("carrier failed", peer=peer, error=type(problem).__name__, exc_info=problem)
            self.wake(peer)
        elif self._wake[peer].is_set():
            self.wake(peer)  # woken while it ended

    async def _carry(self, peer: str, event: asyncio.Event) -> None:
        while True:
            event.clear()
            try:
                letter = await self._mailbox.store.read(lambda c: rows.next_letter(c, peer))
                if letter is None:
                    if event.is_set():
                        continue
                    return
                wait = letter.due - self._clock.now()
                if wait > 0:
                    try:
                        async with asyncio.timeout(wait):
                            await event.wait()
                    except TimeoutError:
                        pass
                    continue
                await self._deliver(letter)
            except Unavailable as problem:  # the database
                await asyncio.sleep(problem.retry_after)

    async def _deliver(self, letter: Letter) -> None:
        peer = self._book.get(letter.peer)
        if peer is None or self._clock.now() > letter.expires:
            reason = "nobody of this name any more" if peer is None else "not taken in time"
            log.warning("letter given up", peer=letter.peer, action=letter.action, reason=reason)
            await self._settle(letter, rows.EXPIRED, reason)
            return
        try:
            reply = await self.send(peer, letter.url, letter.envelope, letter.action)
        except (Unavailable, PeerError, InputError) as problem:
            await self._put_off(letter, str(problem))
            return
        if reply.status in FOR_NOW or (reply.status not in ACCEPTED and not _is_refused(reply)):
            await self._put_off(letter, f"HTTP {reply.status}")
            return
        try:
            await self._on_reply(letter, reply)
        except PeerError as problem:
            await self._put_off(letter, str(problem))
            return
        await self._settle(letter, rows.TAKEN, f"HTTP {reply.status}")

    async def send(self, peer: Peer, url: str, envelope: bytes, action: str) -> Reply:
        """One attempt, signed anew where the peer wants it; raises Unavailable, PeerError or InputError."""
        context: ssl.SSLContext = client_context(self._settings, peer)
        return await client.post(
            url,
            self._sign(peer, envelope),
            action,
            context=context,
            pins=fingerprints(peer),
            timeout=self._settings.send_timeout,
            max_body=self._settings.max_body,
        )

    async def reach(self, peer: Peer, url: str) -> None:
        """Connect to a peer and part again; raises Unavailable, NotTrusted or InputError."""
        await client.reach(
            url,
            context=client_context(self._settings, peer),
            pins=fingerprints(peer),
            timeout=self._settings.send_timeout,
        )

    async def _put_off(self, letter: Letter, reason: str) -> None:
        delay = min(RETRY_CAP, RETRY_FIRST * 2.0 ** min(letter.attempts, 16))
        log.info("letter not taken", peer=letter.peer, action=letter.action, reason=reason, again_in=delay)
        due = self._clock.now() + delay

        def unit(tx: Tx) -> None:
            rows.put_off(tx, letter.id, due, reason[:500])

        await self._mailbox.transact(unit)

    async def _settle(self, letter: Letter, state: str, detail: str) -> None:
        def unit(tx: Tx) -> None:
            rows.settle(tx, letter.id, state, detail)
            rows.empty(tx, letter.id)
            tx.then(self._scrubber.wake)

        await self._mailbox.transact(unit)
