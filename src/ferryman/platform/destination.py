"""Where a webhook or a hook may lead: a tenant names it, so it must not reach into the platform's own network.

Every address that the name has now is judged, and the connection goes to the one that was judged: a name that
means something else a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ferryman.errors import InputError, Unavailable

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(named: Iterable[str]) -> tuple[Network, ...]:
    """Networks as settings name them; raises ValueError."""
    return tuple(ipaddress.ip_network(one) for one in named)


PORTS = {"https": 443, "http": 80}


class NotAllowed(InputError):
    """The address is one that webhooks may not lead to."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A judged address, named by `url`; the server is called `host` and shows a certificate for `name`."""

    url: str
    host: str
    name: str


def check(url: str) -> SplitResult:
    """The parts of a URL that a webhook may have; raises InputError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError("url", "is no URL") from None
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise InputError("url", "must be https://HOST[:PORT]/PATH")
    if parts.username is not None or parts.password is not None:
        raise InputError("url", "must hold no user and no password")
    if parts.fragment:
        raise InputError("url", "must hold no fragment")
    if not url.isascii() or any(character.isspace() for character in url):
        raise InputError("url", "must be ASCII without blanks")
    return parts


def judge(address: Address, scheme: str, allowed: Iterable[Network]) -> None:
    """Raise NotAllowed for an address that is not public, unless it is listed; http needs a listed one."""
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if any(address in network for network in allowed if network.version == address.version):
        return
    if scheme != "https":
        raise NotAllowed("url", "must be https")
    if not address.is_global or address.is_multicast:
        raise NotAllowed("url", "leads to an address that is not public, and not listed in the settings")


async def resolve(url: str, allowed: Iterable[Network]) -> Destination:
    """The address to connect to now. Raises NotAllowed; Unavailable when the name has no address."""
    parts = check(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    listed = tuple(allowed)
    addresses = await _addresses(host, port)
    for address in addresses:
        judge(address, parts.scheme, listed)
    first = addresses[0]
    literal = f"[{first}]" if first.version == 6 else str(first)
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    shown = host if port == PORTS[parts.scheme] else f"{host}:{port}"
    return Destination(f"{parts.scheme}://{literal}:{port}{path}{query}", shown, host)


async def _addresses(host: str, port: int) -> list[Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unavailable("receiver (its name has no address)") from None
    return [ipaddress.ip_address(one[4][0]) for one in found]
