"""The card's HTTPS session on a real socket: TLS-PSK client and administration agent (sgp02-euicc.md 8.4, 8.5)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from .admin_request import RequestStyle, agent_identity
from .admin_response import BadResponse, ResponseParser, ServerAnswer
from .session import AdminSession, Next, OnScript, ResumeState
from .tls import TlsClient, TlsOptions
from .tls_records import TlsFailure

DEFAULT_TIMEOUT = 60.0
"""Seconds for each step: connecting, the handshake, one server answer (ota-transports.md 3.4)."""

POLL_DELAY = 1.0
"""Seconds before the card POSTs again after a 204 with a next URI."""

MAX_POLLS = 600
"""204 answers with a next URI in a row before the card gives the session up."""

READ_SIZE = 4096
ISD_R_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000100")


class LinkBroken(Exception):
    """The connection ended where the protocol does not end."""


class _Dropped(Exception):
    """The card cut the link because its quirks say so."""


_FAILURES = (TlsFailure, BadResponse, LinkBroken, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Quirks:
    """Habits and faults of a card; keys of the card image's `quirks` have the same names.

    See RequestStyle for the first four and TlsOptions for the next six. bare_resume: see AdminSession.
    host_header: text of the Host header instead of the host. break_after_scripts: drop the link after executing
    that many scripts, before the last response goes out.
    """

    lower_case_headers: bool = False
    aaid: bool = False
    content_length: bool = False
    chunk_size: int | None = None
    suites: tuple[int, ...] = (0x00AE, 0x00A8)
    max_fragment: int | None = 1024
    session_id: bytes = b""
    extended_master_secret: bool = False
    encrypt_then_mac: bool = False
    scsv: bool = False
    bare_resume: bool = False
    host_header: str | None = None
    break_after_scripts: int | None = None

    @classmethod
    def of(cls, given: Quirks | Mapping[str, Any] | None) -> Quirks:
        """From the card image, whose other keys belong to other parts of the card. session_id is hex there."""
        if given is None:
            return cls()
        if isinstance(given, Quirks):
            return given
        values = {field.name: given[field.name] for field in fields(cls) if field.name in given}
        if "suites" in values:
            values["suites"] = tuple(values["suites"])
        if isinstance(values.get("session_id"), str):
            values["session_id"] = bytes.fromhex(values["session_id"])
        return cls(**values)

    def tls(self) -> TlsOptions:
        """The TLS part."""
        return TlsOptions(
            suites=self.suites,
            max_fragment=self.max_fragment,
            session_id=self.session_id,
            extended_master_secret=self.extended_master_secret,
            encrypt_then_mac=self.encrypt_then_mac,
            scsv=self.scsv,
        )

    def style(self) -> RequestStyle:
        """The HTTP part."""
        return RequestStyle(self.lower_case_headers, self.aaid, self.content_length, self.chunk_size)


@dataclass(frozen=True, slots=True)
class SessionResult:
    """How a session ended.

    completed: the server ended it properly. scripts: number executed. resume: to be given to the next session's
    `run_session`. reason: what went wrong, None when completed. alert: TLS alert number when TLS failed.
    """

    completed: bool
    scripts: int
    resume: ResumeState | None
    reason: str | None
    alert: int | None = None


class _Link:
    """TLS over one TCP connection; every wait is bounded."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: TlsClient, timeout: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._tls = tls
        self._timeout = timeout

    async def _flush(self) -> None:
        data = self._tls.data_to_send()
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def _receive(self) -> bytes:
        data = await self._reader.read(READ_SIZE)
        if not data:
            raise LinkBroken("server closed the connection")
        try:
            return self._tls.receive(data)
        finally:
            await self._flush()

    async def handshake(self) -> None:
        """Raises TlsFailure, LinkBroken, TimeoutError, OSError."""
        async with asyncio.timeout(self._timeout):
            self._tls.start()
            await self._flush()
            while not self._tls.open:
                await self._receive()

    async def exchange(self, request: bytes) -> ServerAnswer:
        """One POST and its answer. Raises BadResponse, TlsFailure, LinkBroken, TimeoutError, OSError."""
        parser = ResponseParser()
        async with asyncio.timeout(self._timeout):
            self._tls.send(request)
            await self._flush()
            while True:
                answer = parser.feed(await self._receive())
                if answer is not None:
                    return answer
                if self._tls.closed:
                    parser.eof()
                    raise LinkBroken("server closed the session")

    async def close(self) -> None:
        """close_notify and FIN, without waiting for the server."""
        self._tls.close()
        try:
            async with asyncio.timeout(self._timeout):
                await self._flush()
                self._writer.close()
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self.abort()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._writer.transport.abort()


async def run_session(
    *,
    host: str,
    port: int,
    identity: str,
    psk: bytes,
    eid: str,
    agent_id: str | None,
    uri: str,
    notification: bytes | None,
    on_script: OnScript,
    resume: ResumeState | None = None,
    quirks: Quirks | Mapping[str, Any] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    on_delivered: Callable[[], None] | None = None,
    poll_delay: float = POLL_DELAY,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> SessionResult:
    """Open a session, execute the server's scripts and report how it went; never raises for what the server does.

    host, port: TCP address. identity: PSK identity text (8.4). psk: key bytes. eid: 32 digits. agent_id: value of
    X-Admin-From, None = built from the EID and the ISD-R. uri: of the first POST. notification: `E1` TLV to send
    with it. on_script(target AID or None, script): executes, called once for a script. resume: of the session
    before. timeout: seconds for each step. on_delivered(): called when a later server answer shows that the last
    response arrived. poll_delay: seconds after a 204 with next URI. Time is taken from the running loop only.
    """
    chosen = Quirks.of(quirks)
    session = AdminSession(
        host=chosen.host_header or host,
        agent=agent_identity(eid, ISD_R_AID) if agent_id is None else agent_id,
        first_uri=uri,
        on_script=on_script,
        on_delivered=on_delivered or _nothing,
        style=chosen.style(),
        notification=notification,
        resume=resume,
        bare_resume=chosen.bare_resume,
    )
    tls = TlsClient(identity.encode(), psk, entropy, chosen.tls())
    alert = None
    try:
        reason = await _run(session, tls, host, port, chosen, timeout, poll_delay)
    except TlsFailure as failure:
        reason, alert = f"TLS: {failure}", failure.alert
    except BadResponse as failure:
        reason = f"HTTP: {failure}"
    except LinkBroken as failure:
        reason = f"link: {failure}"
    except TimeoutError:
        reason = "timeout"
    except OSError as failure:
        reason = f"link: {failure.strerror or type(failure).__name__}"
    return SessionResult(reason is None, session.scripts, session.resume, reason, alert)


def _nothing() -> None:
    """Nobody wants to know about delivered responses."""


async def _run(
    session: AdminSession,
    tls: TlsClient,
    host: str,
    port: int,
    quirks: Quirks,
    timeout: float,
    poll_delay: float,
) -> str | None:
    """The session; returns the reason why it was not completed."""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(host, port)
    link = _Link(reader, writer, tls, timeout)
    try:
        await link.handshake()
        reason = await _serve(session, link, poll_delay, quirks.break_after_scripts)
        await link.close()
    except _FAILURES:
        await link.close()
        raise
    except _Dropped as fault:
        return str(fault)
    finally:
        link.abort()  # nothing is left to abort after an orderly end
    return reason


async def _serve(session: AdminSession, link: _Link, poll_delay: float, break_after: int | None) -> str | None:
    polls = 0
    while True:
        step = session.take(await link.exchange(session.request()))
        if break_after is not None and session.scripts >= break_after:
            raise _Dropped("link dropped on purpose")
        if step is Next.END:
            return None
        if step is Next.FAIL:
            return f"HTTP status {session.status}"
        polls = polls + 1 if step is Next.POLL else 0
        if polls > MAX_POLLS:
            return "server never ends the session"
        if step is Next.POLL:
            await asyncio.sleep(poll_delay)
