"""One HTTP POST to an operator's system: signed (Standard Webhooks 1.0), bounded in time and size."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from ferryman.errors import InputError, Unavailable
from ferryman.platform.destination import Network, is_host, is_plain, resolve
from ferryman.platform.named_pools import NamedPools
from ferryman.platform.webhook_form import fields

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER = 16 * 1024  # bytes: an answer is a status and a sentence
MAX_REASON = 200  # characters of it that an order keeps
MAX_URL = 2_000  # characters
CONTINUE, REFUSE, LATER = "continue", "refuse", "later"
_VERDICTS = {200: CONTINUE, 204: CONTINUE, 202: LATER, 409: REFUSE}


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What the receiver said: a verdict with its reason; an empty verdict is none, and `note` tells why."""

    verdict: str
    reason: str = ""
    note: str = ""
    retry_after: float = 0.0  # s that it asks for


class _Said(msgspec.Struct):
    reason: str = ""


def check_url(url: str) -> None:
    """Refuse what calls must not go to: no TLS (but on this machine), or a secret in the address."""
    parts = urlsplit(url)
    if len(url) > MAX_URL or parts.scheme not in ("https", "http") or not parts.hostname:
        raise InputError("url", "must be an address that begins with https://")
    if not is_plain(url) or not is_host(parts.hostname):
        raise InputError("url", "must be ASCII without blanks, with the name of a host or its address")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InputError("url", "must not hold a user, a password or a fragment: calls are signed instead")
    if parts.scheme == "http" and not _is_local(parts.hostname):
        raise InputError("url", "must begin with https://; http:// is for this machine alone")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def headers(call_id: str, timestamp: int, mac: bytes) -> dict[str, str]:
    """Name, time and signature of a call; a repeat has the same name."""
    return {"idempotency-key": call_id, **fields(call_id, timestamp, (mac,))}


class HookPost:
    """Connections to operators' systems; made at the first call."""

    def __init__(self, *, timeout: float, ca_file: str, networks: Iterable[Network] = ()) -> None:
        self._timeout = timeout
        self._networks = tuple(networks)
        self._ca_file = ca_file
        self._pools: NamedPools[httpx2.AsyncClient] | None = None

    async def close(self) -> None:
        """Close every connection."""
        pools, self._pools = self._pools, None
        if pools is not None:
            await pools.close()

    async def send(self, url: str, body: bytes, fields: dict[str, str], *, confined: bool = False) -> HookAnswer:
        """One attempt; Unavailable when nobody knows whether it arrived.

        `confined`: the address was named by a tenant, and NotAllowed is raised when it leads where none may.
        """
        try:
            import httpx2  # it takes half a second, which who has no hook need not wait
        except ModuleNotFoundError:
            raise Unavailable("hook: the extra `web` of the package is not installed", retry_after=60.0) from None

        pools = self._pools
        if pools is None:
            context = ssl.create_default_context(cafile=self._ca_file or None)
            # No proxy and no credentials from the environment: what is called is what was configured.
            pools = NamedPools(
                lambda: httpx2.AsyncClient(verify=context, trust_env=False, follow_redirects=False, timeout=None)
            )
            self._pools = pools
        try:
            async with asyncio.timeout(self._timeout):
                extensions, name = {}, ""
                if confined:
                    to = await resolve(url, self._networks)
                    url, fields, name = to.url, {"Host": to.host, **fields}, to.name
                    extensions = {"sni_hostname": name}
                async with pools.of(name) as client:
                    request = client.stream("POST", url, content=body, headers=fields, extensions=extensions)
                    async with request as answer:
                        return _read(answer.status_code, answer.headers, await _content(answer))
        except (httpx2.HTTPError, httpx2.StreamError, OSError, TimeoutError) as problem:
            raise Unavailable(f"hook ({type(problem).__name__})") from None


async def _content(answer: httpx2.Response) -> bytes:
    content = b""
    async for piece in answer.aiter_raw():
        content += piece
        if len(content) > MAX_ANSWER:
            break  # the status is what counts
    return content[:MAX_ANSWER]


def _read(status: int, fields: httpx2.Headers, content: bytes) -> HookAnswer:
    verdict = _VERDICTS.get(status, "")
    if not verdict:
        wait = fields.get("retry-after", "")
        seconds = float(wait) if wait.isascii() and wait.isdigit() else 0.0
        return HookAnswer("", note=f"HTTP {status}", retry_after=seconds)
    return HookAnswer(verdict, reason=_reason(content) if verdict == REFUSE else "", note=f"HTTP {status}")


def _reason(content: bytes) -> str:
    """The sentence of a refusal: `reason` of a JSON object, or nothing; never unprintable, never long."""
    try:
        said = msgspec.json.decode(content, type=_Said).reason
    except (msgspec.DecodeError, RecursionError):  # the latter: brackets by the thousand
        return ""
    return "".join(character if character.isprintable() else " " for character in said)[:MAX_REASON].strip()
