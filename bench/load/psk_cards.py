"""Cards that only shake hands: blocking sockets of the standard library, each identity with its own key."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Sequence

from bench.load.psk_keys import SUITE

THREADS = 4

type Entry = tuple[str, bytes]


def _context() -> tuple[ssl.SSLContext, list[Entry]]:
    current: list[Entry] = [("", b"")]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITE)
    context.set_psk_client_callback(lambda _hint: current[0])
    return context, current


def shake_hands(port: int, entries: Sequence[Entry], *, keep: bool = False) -> list[ssl.SSLSocket]:
    """One handshake for each entry; with `keep` the connections stay open and are given back.

    Raises what a handshake raises: every one has to succeed.
    """
    kept: list[ssl.SSLSocket] = []
    problems: list[BaseException] = []

    def work(mine: Sequence[Entry]) -> None:
        context, current = _context()
        try:
            for entry in mine:
                current[0] = entry
                plain = socket.create_connection(("127.0.0.1", port))
                card = context.wrap_socket(plain)
                if keep:
                    kept.append(card)
                else:
                    card.close()
        except OSError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(entries[number::THREADS],)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return kept
