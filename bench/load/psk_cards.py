"""Cards that only shake hands: blocking sockets of the standard library, each identity with its own key."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Sequence

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


def poll(port: int, entries: Sequence[Entry], threads: int = THREADS) -> list[str]:
    """One session for each entry: handshake, a first POST, the answer read; gives the status lines.

    Raises what a handshake raises: every one has to succeed.
    """
    lines: list[str] = []

    def ask(card: ssl.SSLSocket, name: str) -> None:
        eid = name[10:42]
        card.sendall(
            f"POST /gsma/adminagent HTTP/1.1\r\nHost: sr.example\r\n"
            f"X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n"
            f"X-Admin-From: //se-id/eid/{eid};//aa-id/aid/A000000559/1010FFFFFFFF8900000100\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = card.recv(4096)
            if not more:
                break
            answer += more
        lines.append(answer.split(b"\r\n", 1)[0].decode())

    shake_hands(port, entries, then=ask, at_once=threads)
    return lines


def shake_hands(
    port: int,
    entries: Sequence[Entry],
    *,
    keep: bool = False,
    then: Callable[[ssl.SSLSocket, str], None] | None = None,
    at_once: int = THREADS,
) -> list[ssl.SSLSocket]:
    """One handshake for each entry; with `keep` the connections stay open and are given back.

    `then` is called with the open connection and the identity. Raises what a handshake raises: every one has to
    succeed.
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
                if then is not None:
                    then(card, entry[0])
                if keep:
                    kept.append(card)
                else:
                    card.close()
        except OSError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(entries[number::at_once],)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return kept
