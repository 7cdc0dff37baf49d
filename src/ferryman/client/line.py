"""What both clients need to reach a platform: its address, TLS, limits, and how failures of httpx2 are told."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx2

from ferryman import __version__
from ferryman.client.calls import Outgoing
from ferryman.client.conversation import Silence
from ferryman.client.errors import AnswerNotUnderstood
from ferryman.errors import InputError

CONNECT_SECONDS = 10.0  # until a connection with TLS stands
MAX_ANSWER = 64 * 1024 * 1024  # octets; a page of 200 entries has less than 1 MB
MAX_CONNECTIONS = 20
IDLE_SECONDS = 4.0  # a connection that is idle for longer is not used again: the platform hangs up after 5 s
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
_HEADERS = (("User-Agent", f"ferryman/{__version__}"), ("Accept-Encoding", "identity"))

# The request did not get there: nothing of it was sent.
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


@dataclass(frozen=True, slots=True)
class Address:
    """Scheme, host and port of a platform, perhaps with a prefix that a proxy takes away."""

    base: httpx2.URL

    @classmethod
    def of(cls, url: str, *, secret: bool, allow_http: bool) -> Address:
        """Raises InputError; in the clear no credential leaves the machine, unless `allow_http`."""
        try:
            base = httpx2.URL(url.rstrip("/"))
        except httpx2.InvalidURL as problem:
            raise InputError("url", f"is none: {problem}") from None
        if base.scheme not in ("http", "https") or not base.host:
            raise InputError("url", "must be like https://ferryman.example.org")
        if base.userinfo or base.query or base.fragment:
            raise InputError("url", "has no place for names, passwords or parameters")
        if base.scheme == "http" and secret and not allow_http and base.host not in _LOOPBACK:
            raise InputError("url", "must be https: the key would travel in the clear")
        return cls(base)

    def request(self, out: Outgoing, *, answer_seconds: float) -> httpx2.Request:
        """As httpx2 takes it."""
        path = self.base.path.rstrip("/") + out.target
        limits = {
            "connect": CONNECT_SECONDS,
            "read": answer_seconds,
            "write": answer_seconds,
            "pool": answer_seconds,
        }
        return httpx2.Request(
            out.method,
            self.base.copy_with(raw_path=path.encode()),
            headers=[*out.headers, *_HEADERS],
            content=out.body if out.body or out.method in ("POST", "PUT") else None,
            extensions={"timeout": limits},
        )


def tls_of(ca_file: Path | str | None) -> ssl.SSLContext:
    """Certificates are always checked: against `ca_file` (PEM), or those that the system trusts."""
    if ca_file is None:
        return _of_the_system()
    return _context(str(ca_file))


@cache
def _of_the_system() -> ssl.SSLContext:
    # Reading some hundred CAs takes longer than a request; the context is the same for all clients of a process.
    return _context(None)


def _context(ca_file: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as problem:  # SSLError is one
        raise InputError(str(ca_file), f"is no file of CA certificates: {problem}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def limits() -> httpx2.Limits:
    """Of the pool of connections."""
    return httpx2.Limits(
        max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS, keepalive_expiry=IDLE_SECONDS
    )


def silence(problem: Exception) -> Silence:
    """What became of a request that was not answered."""
    words = str(problem) or type(problem).__name__
    return Silence(words, arrived=not isinstance(problem, NOT_SENT))


def within(size: int) -> None:
    """Raises AnswerNotUnderstood for an answer that does not end."""
    if size > MAX_ANSWER:
        raise AnswerNotUnderstood(f"has more than {MAX_ANSWER} octets", field="answer")


def cookies_of(headers: httpx2.Headers) -> tuple[str, ...]:
    """Set-Cookie fields."""
    found: Iterable[str] = headers.get_list("set-cookie")
    return tuple(found)
