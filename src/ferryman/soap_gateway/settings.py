"""Settings of the SOAP gateway: the section `[soap]`."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.errors import InputError


@dataclass(frozen=True, slots=True)
class SOAPSettings:
    """Where other parties connect, and with what we prove who we are. Times in seconds.

    `certificate_file` and `key_file` (PEM, of TLS server and client alike) and `ca_file` (issuers of certificates
    of peers, beside those in their records) are relative to the data directory. `public_url` is how others reach
    us when it is not https://host:port.
    """

    host: str
    port: int
    certificate_file: str
    key_file: str
    ca_file: str = ""
    public_url: str = ""
    max_connections: int = 500
    max_body: int = 4 * 1024 * 1024  # octets
    handshake_timeout: float = 10.0
    head_timeout: float = 15.0  # from the first octet of a request to the end of its head
    body_timeout: float = 60.0
    idle_timeout: float = 120.0
    sync_timeout: float = 30.0  # a synchronous function is answered by then, or with "try again"
    send_timeout: float = 30.0  # for one delivery to a peer
    default_validity: float = 86_400.0
    max_validity: float = 30 * 86_400.0
    listen: bool = True  # false in a command that only looks at records

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InputError("soap.port", "must be 0 to 65535")
        if self.max_connections < 1 or self.max_body < 1_024:
            raise InputError("soap", "max_connections and max_body must be larger")
