"""Where a webhook or a hook may lead: a tenant names it, so it must not reach into the platform's own network.

Every address that the name has now is judged, and the connection goes to the one that was judged: a name that
means something else a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
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
MAX_NAME = 253  # characters of a host name
UNICAST = ipaddress.ip_network("2000::/3")  # all that is routed between networks (RFC 4291 2.4, IANA)
# A translator takes what goes there to the address of IPv4 in the last octets (RFC 6052 2.1).
NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")


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
    if not is_plain(url):
        raise InputError("url", "must be ASCII without blanks")
    if not is_host(parts.hostname):
        raise InputError("url", "has no name of a host, and no address")
    return parts


def is_plain(url: str) -> bool:
    """Whether a URL is ASCII without blanks and control characters."""
    return url.isascii() and url.isprintable() and " " not in url


def is_host(name: str) -> bool:
    """Whether this is an address, or a name that can be asked for (RFC 1035 2.3.4: labels of 1 to 63)."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None
    return True


def judge(address: Address, scheme: str, allowed: Iterable[Network]) -> None:
    """Raise NotAllowed for an address that is not public, unless it is listed; http needs a listed one."""
    address = _meant(address)
    if any(address in network for network in allowed if network.version == address.version):
        return
    if scheme != "https":
        raise NotAllowed("url", "must be https")
    public = address.is_global and not address.is_multicast
    if not public or (address.version == 6 and address not in UNICAST):
        raise NotAllowed("url", "leads to an address that is not public, and not listed in the settings")


def _meant(address: Address) -> Address:
    """Where a packet arrives: behind an IPv6 address that only wraps one of IPv4 at that."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address
    return address


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
    named = f"[{host}]" if ":" in host else host  # RFC 9110 7.2: as in the URL
    shown = named if port == PORTS[parts.scheme] else f"{named}:{port}"
    return Destination(f"{parts.scheme}://{literal}:{port}{path}{query}", shown, host)


async def _addresses(host: str, port: int) -> list[Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable("receiver (its name has no address)") from None
    return [ipaddress.ip_address(one[4][0]) for one in found]
