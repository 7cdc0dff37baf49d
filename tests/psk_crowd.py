"""Many cards at once: blocking TLS-PSK sockets of the standard library in a few threads."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from psk_peer import GCM, identity_of, request_bytes

THREADS = 8
PATIENCE = 120.0  # seconds a socket waits: a machine under load


def eid_of(number: int) -> str:
    """A distinct EID for each number, with its check digits."""
    body = f"8904903212345678{number:014d}"
    return f"{body}{98 - int(body + '00') % 97:02d}"


class Crowd:
    """Cards that share one key, each with an EID of its own."""

    def __init__(self, port: int, key: bytes) -> None:
        self._port = port
        self._key = key
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="cards")

    def connect(self, eid: str) -> ssl.SSLSocket:
        """One session; raises what the handshake raises."""
        local = self._local
        if not hasattr(local, "context"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(GCM)
            context.set_psk_client_callback(lambda _hint: (local.identity, self._key))
            local.context = context
        local.identity = identity_of(eid)
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        wrapped: ssl.SSLSocket = local.context.wrap_socket(plain)
        return wrapped

    def post(self, card: ssl.SSLSocket, eid: str) -> int:
        """One POST; the status of the answer, which is read whole."""
        card.sendall(request_bytes(eid=eid))
        seen = b""
        while b"\r\n\r\n" not in seen or (b"chunked" in seen.lower() and not seen.endswith(b"0\r\n\r\n")):
            piece = card.recv(16_384)
            if not piece:
                raise ConnectionError(f"ended after {len(seen)} octets")
            seen += piece
        return int(seen.split(b" ", 2)[1])

    def all[A, B](self, work: Callable[[A], B], items: list[A]) -> list[B]:
        """The work done for each, in the threads; raises the first problem."""
        return list(self._threads.map(work, items))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()
