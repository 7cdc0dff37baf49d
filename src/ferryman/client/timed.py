"""Connections of the client that blocks, on which no wait goes past the end of the answer's time.

The library's limits hold for one read each: an octet now and then would keep a caller for ever.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2


class End(threading.local):
    """When the answer that this thread waits for must be there (`time.monotonic`); None: never, as of a stream."""

    at: float | None = None

    def left(self, seconds: float | None) -> float | None:
        """Seconds that may be waited, at most `seconds`; 0 when it is over."""
        if self.at is None:
            return seconds
        rest = max(0.0, self.at - time.monotonic())
        return rest if seconds is None else min(seconds, rest)


class TimedStream(httpcore2.NetworkStream):
    """A connection; reads and writes end with the answer's time."""

    def __init__(self, inner: httpcore2.NetworkStream, end: End) -> None:
        self._inner = inner
        self._end = end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises ReadTimeout."""
        left = self._end.left(timeout)
        if left == 0.0:
            raise httpcore2.ReadTimeout("the answer's time is over")
        return self._inner.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises WriteTimeout."""
        left = self._end.left(timeout)
        if left == 0.0:
            raise httpcore2.WriteTimeout("the answer's time is over")
        self._inner.write(buffer, left)

    def close(self) -> None:
        """Hang up."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The same with TLS."""
        return TimedStream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._end)

    def get_extra_info(self, info: str) -> Any:
        """As the inner one."""
        return self._inner.get_extra_info(info)


class TimedBackend(httpcore2.NetworkBackend):
    """Opens such connections."""

    def __init__(self, inner: httpcore2.NetworkBackend, end: End) -> None:
        self._inner = inner
        self._end = end

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Raises ConnectError, ConnectTimeout."""
        return TimedStream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options), self._end)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._inner.sleep(seconds)


class TimedTransport(httpx2.HTTPTransport):
    """httpx2's, on such connections; `end` is set by who asks."""

    def __init__(self, *, end: End, **given: Any) -> None:
        super().__init__(trust_env=False, **given)
        # No argument of it names the backend that its pool takes; test_client_on_the_wire.py sees that it works.
        self._pool._network_backend = TimedBackend(self._pool._network_backend, end)
