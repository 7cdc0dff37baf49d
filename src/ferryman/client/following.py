"""Events over as many connections as it takes: what to send, what came, how long to wait. No sockets."""

from __future__ import annotations

from dataclasses import replace

from ferryman.client.calls import Call, Incoming, Outgoing, outgoing, read, refusal
from ferryman.client.conversation import Surroundings, backoff, retry_after
from ferryman.client.credentials import Credentials
from ferryman.client.errors import AnswerNotUnderstood, Unreachable
from ferryman.client.server_sent import ServerSentEvents

MEDIA = "text/event-stream"
SILENCE_SECONDS = 45.0  # without an octet; the platform says "still here" every 15 s
_FOR_A_WHILE = frozenset((429, 502, 503, 504))


class Following[T]:
    """Where a reader of the stream is. `patience`: seconds without a connection after which it gives up."""

    def __init__(self, call: Call[T], credentials: Credentials, patience: float, around: Surroundings) -> None:
        self._call = call
        self._credentials = credentials
        self._patience = patience
        self._around = around
        self._events = ServerSentEvents(str(call.query.get("after", "")))
        self._failures = 0
        self._since: float | None = None  # when the connection was lost

    @property
    def last_id(self) -> str:
        """The event behind which a new connection goes on; give it as `after` to go on in another process."""
        return self._events.last_id

    def request(self) -> Outgoing:
        """What opens the next connection."""
        self._events.restart()
        call = self._call
        if self.last_id:
            call = replace(call, query={**call.query, "after": self.last_id})
        made = outgoing(call, self._credentials.headers("GET"), accept=MEDIA)
        resume = (("Last-Event-ID", self.last_id),) if self.last_id else ()
        return replace(made, headers=(*made.headers, *resume, ("Cache-Control", "no-store")))

    def opened(self, got: Incoming) -> float:
        """Look at the head of an answer: 0 to go on reading, or seconds until the next try. Raises ClientError."""
        if got.status in _FOR_A_WHILE:
            asked = retry_after(got, self._around.wall())
            return max(asked, self.lost(f"the platform answers {got.status}"))
        if got.status != 200:
            raise refusal(got)
        kind = got.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != MEDIA:
            raise AnswerNotUnderstood(f"is no event stream but {kind}", field="content-type")
        self._since = None
        return 0.0

    def came(self, octets: bytes) -> list[T]:
        """Events that are complete now. Raises AnswerNotUnderstood."""
        found = [
            read(self._call.operation.answer, one.data.encode(), one.event) for one in self._events.feed(octets)
        ]
        if octets:
            self._failures = 0
        return found

    def lost(self, why: str) -> float:
        """The connection is gone, or never was: seconds to wait. Raises Unreachable after too long a time."""
        now = self._around.monotonic()
        self._since = now if self._since is None else self._since
        wait = max(
            backoff(self._failures, self._around.entropy), self._events.retry if self._failures == 0 else 0.0
        )
        self._failures += 1
        if now + wait - self._since > self._patience:
            raise Unreachable(why, retry_after=wait)
        return wait
