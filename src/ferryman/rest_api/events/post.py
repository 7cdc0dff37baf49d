"""One attempt of a delivery over HTTP: no redirects, no proxies, nothing of the environment, nothing kept."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

import httpx2

from ferryman.errors import Unavailable
from ferryman.platform.destination import Destination, Network, resolve
from ferryman.platform.named_pools import NamedPools

MAX_ANSWER = 64 * 1024  # octets of an answer that are read, so that the connection can be used again


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back; `status` 0 when nothing did. `retry_after` in seconds, 0 when nothing was said."""

    status: int
    note: str = ""
    retry_after: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether the receiver has it now."""
        return 200 <= self.status < 300


class WebhookPost:
    """Connections to receivers."""

    def __init__(self, *, timeout: float, networks: Iterable[Network], ca_file: str = "") -> None:
        self._timeout = timeout
        self._networks = tuple(networks)
        context = ssl.create_default_context(cafile=ca_file or None)
        self._pools = NamedPools(
            lambda: httpx2.AsyncClient(verify=context, trust_env=False, follow_redirects=False, timeout=None)
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._pools.close()

    async def send(self, url: str, body: bytes, fields: dict[str, str]) -> Outcome:
        """POST once. Raises NotAllowed for an address that webhooks may not lead to."""
        try:
            async with asyncio.timeout(self._timeout):
                to = await resolve(url, self._networks)
                async with self._pools.of(to.name) as client:
                    return await self._sent(client, to, body, fields)
        except Unavailable as problem:
            return Outcome(0, problem.what)
        except TimeoutError:
            return Outcome(0, f"no answer within {self._timeout:g} s")
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as problem:
            return Outcome(0, type(problem).__name__)

    @staticmethod
    async def _sent(client: httpx2.AsyncClient, to: Destination, body: bytes, fields: dict[str, str]) -> Outcome:
        request = client.stream(
            "POST",
            to.url,
            content=body,
            headers={"Host": to.host, **fields},
            extensions={"sni_hostname": to.name},
        )
        async with request as answer:
            read = 0
            async for piece in answer.aiter_raw():
                read += len(piece)
                if read > MAX_ANSWER:
                    break
            wait = answer.headers.get("retry-after", "")
            after = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 7 else 0.0
            return Outcome(answer.status_code, f"HTTP {answer.status_code}", after)
