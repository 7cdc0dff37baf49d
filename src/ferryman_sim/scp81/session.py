"""Course of one administration session on the card, without input and output (sgp02-euicc.md 8.5).

A script is executed once. Its response stays pending until the server answers again; when the link breaks before,
the next session begins with that response and X-Admin-Resume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from .admin_request import RequestStyle, ScriptResult, build_request, with_notification
from .admin_response import ServerAnswer


class ScriptAnswer(Protocol):
    """What `on_script` returns: status and response script (None unless the status is `ok`)."""

    @property
    def status(self) -> str:
        """X-Admin-Script-Status."""

    @property
    def body(self) -> bytes | None:
        """Response script."""


OnScript = Callable[[bytes | None, bytes], ScriptAnswer]
"""Executes (AID of the target or None, command script)."""


@dataclass(frozen=True, slots=True)
class ResumeState:
    """Where a broken session goes on: the URI of the next POST, the response nobody acknowledged, its script.

    result: None when the server knows everything so far. target, script: the script of `result`, which a server
    may send once more when the response was not repeated.
    """

    uri: str
    result: ScriptResult | None
    target: bytes | None = None
    script: bytes | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "uri": self.uri,
            "status": self.result.status if self.result else None,
            "body": _hex(self.result.body) if self.result else None,
            "target": _hex(self.target),
            "script": _hex(self.script),
        }

    @classmethod
    def from_dict(cls, image: dict[str, Any]) -> ResumeState:
        """From `to_dict`."""
        status = image["status"]
        result = None if status is None else ScriptResult(status, _octets(image["body"]))
        return cls(image["uri"], result, _octets(image["target"]), _octets(image["script"]))


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def _octets(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


class Next(Enum):
    """What to do after an answer."""

    POST = auto()
    POLL = auto()
    END = auto()
    FAIL = auto()


class AdminSession:
    """Requests and scripts of one session.

    first_uri: where a fresh session begins. notification: goes with the first POST, also of a resuming session.
    bare_resume: a resuming POST repeats only URI and X-Admin-Resume, so
    that the server sends its script again; the card then answers with the response it has kept.
    """

    def __init__(
        self,
        *,
        host: str,
        agent: str,
        first_uri: str,
        on_script: OnScript,
        on_delivered: Callable[[], None],
        style: RequestStyle,
        notification: bytes | None,
        resume: ResumeState | None,
        bare_resume: bool = False,
    ) -> None:
        self._host = host
        self._agent = agent
        self._on_script = on_script
        self._on_delivered = on_delivered
        self._style = style
        self._resuming = resume is not None
        self._bare = bare_resume and self._resuming
        self._pending = resume
        self._uri = resume.uri if resume else first_uri
        if notification is not None:
            self._uri = with_notification(self._uri, notification)
        self.scripts = 0
        self.status = 0

    @property
    def resume(self) -> ResumeState | None:
        """What a later session has to go on with; None = it begins afresh."""
        return self._pending

    def request(self) -> bytes:
        """The next POST."""
        result = self._pending.result if self._pending else None
        return build_request(
            uri=self._uri,
            host=self._host,
            agent=self._agent,
            style=self._style,
            result=None if self._bare else result,
            resume=self._resuming,
        )

    def take(self, answer: ServerAnswer) -> Next:
        """Acknowledge the pending response and execute a script when the answer brings one."""
        self.status = answer.status
        if answer.status not in (200, 204):
            if answer.status < 500:
                self._pending = None  # the server does not want this session any more; begin afresh next time
            return Next.FAIL
        kept = self._kept(answer)
        self._resuming = self._bare = False
        if kept is None:
            self._acknowledge()
        if answer.script is None:
            return self._without_script(answer)
        if kept is None:
            found = self._on_script(answer.target, answer.script)
            kept = ScriptResult(found.status, found.body)
            self.scripts += 1
        if answer.next_uri is None:
            self._pending = None
            self._on_delivered()
            return Next.END
        self._uri = answer.next_uri
        self._pending = ResumeState(answer.next_uri, kept, answer.target, answer.script)
        return Next.POST

    def _kept(self, answer: ServerAnswer) -> ScriptResult | None:
        """The kept response when a bare resume made the server send the same script again."""
        pending = self._pending
        if not self._bare or pending is None or pending.result is None or answer.script is None:
            return None
        same = (pending.target, pending.script) == (answer.target, answer.script)
        return pending.result if same else None

    def _acknowledge(self) -> None:
        delivered = self._pending is not None and self._pending.result is not None
        self._pending = None
        if delivered:
            self._on_delivered()

    def _without_script(self, answer: ServerAnswer) -> Next:
        if answer.next_uri is None:
            return Next.END
        self._uri = answer.next_uri
        self._pending = ResumeState(answer.next_uri, None)
        return Next.POLL
