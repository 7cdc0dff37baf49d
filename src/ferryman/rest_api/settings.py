"""Settings of the REST API: the section `[rest]`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ferryman.errors import InputError


@dataclass(frozen=True, slots=True)
class RESTSettings:
    """Where it listens. Times in seconds, sizes in octets.

    `certificate_file` and `key_file` (PEM) are relative to the data directory; without them it listens on
    loopback only, behind a proxy that ends TLS: keys travel in a header.
    """

    host: str = "127.0.0.1"
    port: int = 8081
    certificate_file: str = ""
    key_file: str = ""
    max_connections: int = 500
    max_body: int = 256 * 1024  # the longest request is a script of at most 64 KiB, escaped
    body_timeout: float = 30.0
    idle_timeout: float = 60.0
    listen: bool = True  # false in a command that only looks at records

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InputError("rest.port", "must be 0 to 65535")
        if self.max_connections < 1 or self.max_body < 1_024 or self.body_timeout <= 0:
            raise InputError("rest", "max_connections, max_body and body_timeout must be larger")
        if bool(self.certificate_file) != bool(self.key_file):
            raise InputError("rest.key_file", "belongs together with certificate_file")
        if not self.certificate_file and not _is_loopback(self.host):
            raise InputError(
                "rest.certificate_file", f"is needed to listen on {self.host}: keys travel in a header"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
