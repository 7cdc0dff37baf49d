"""Listening sockets of the HTTPS transport: every address of a name, or one port shared by several processes."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from ferryman.errors import Unavailable
from ferryman.transport_https.session import HTTPSSettings


async def listening_sockets(settings: HTTPSSettings, sharers: int = 0) -> list[socket.socket]:
    """Sockets that listen where the settings say; raises Unavailable when one cannot be had.

    One for each address of the host, or, with `sharers`, so many on the one port of its first address, for the
    kernel to spread connections over.
    """
    made: list[socket.socket] = []
    port = settings.port
    try:
        addresses = await _addresses(settings.host, port)
        for family, address in addresses[:1] * sharers or addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            made.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sharers or settings.reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port, *address[2:]))
            sock.listen(settings.backlog)
            sock.setblocking(False)
            port = sock.getsockname()[1]  # one for all, also when the system chose the first
    except OSError as problem:
        for sock in made:
            sock.close()
        raise Unavailable(f"address {settings.host}:{settings.port} ({problem.strerror})") from problem
    return made


async def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Family and address of each address of a host; no name means every address there is. Raises OSError."""
    try:
        flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror:  # a name: to ask for it takes time
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, address) for family, _, _, _, address in dict.fromkeys(found)]
