"""Settings of the REST API: the section `[rest]`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ferryman.contracts.rest import KeyRole
from ferryman.errors import InputError
from ferryman.platform.destination import Network, networks


@dataclass(frozen=True, slots=True, repr=False)
class OIDCSettings:
    """An OpenID provider: the section `[rest.oidc]`. `client_secret_file` is relative to the data directory.

    `roles` says which value of the claim `role_claim` makes which role; the first that fits counts. The claim
    `tenant_claim` is the Mno-id, or `staff` for the platform's own people.
    """

    issuer: str
    client_id: str
    redirect_uri: str  # .../api/v1/session/oidc/callback, as the browser sees us
    client_secret: str = ""
    client_secret_file: str = ""
    scope: str = "openid email"
    role_claim: str = "ferryman_role"
    tenant_claim: str = "ferryman_tenant"
    roles: dict[str, str] = field(default_factory=lambda: {role.value: role.value for role in KeyRole})
    staff: str = "platform"
    after_login: str = "/"  # where the browser goes then

    def __post_init__(self) -> None:
        for name, url in (("issuer", self.issuer), ("redirect_uri", self.redirect_uri)):
            found = urlsplit(url)
            plain = found.scheme == "http" and _is_loopback(found.hostname or "")
            if not (found.scheme == "https" or plain) or not found.hostname:
                raise InputError(f"rest.oidc.{name}", "must be an https URL (http on loopback)")
        for role in self.roles.values():
            if role not in set(KeyRole):
                raise InputError("rest.oidc.roles", f"{role!r} is no role")
        if not self.staff or not self.after_login.startswith("/") or self.after_login.startswith("//"):
            raise InputError("rest.oidc", "staff must not be empty, after_login must be a path")


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
    max_upload: int = 24 * 1024 * 1024  # of a file of subscriptions: some hundred thousand rows, in base64
    max_uploads: int = 4  # files that are read at once, each whole in memory; half of them for one party
    head_timeout: float = 10.0  # from the connection, or the first octet, to the end of the header fields
    body_timeout: float = 30.0
    idle_timeout: float = 60.0
    minimum_tls: str = "1.2"  # or 1.3
    proxies: tuple[str, ...] = ()  # addresses whose X-Forwarded-For is believed
    rate_per_key: float = 200.0  # requests per second; 0 is no limit
    burst_per_key: int = 400
    rate_per_address: float = 400.0
    burst_per_address: int = 800
    login_rate: float = 0.5  # logins per second and address
    login_burst: int = 10
    approval_hours: float = 24.0  # that a second person has
    webhook_timeout: float = 10.0  # for the whole answer of a receiver
    webhook_networks: tuple[str, ...] = ()  # networks that are not public and webhooks may lead to, also by http
    webhook_ca_file: str = ""  # CAs of receivers, relative to the data directory; empty: those of the machine
    oidc: OIDCSettings | None = None
    listen: bool = True  # false in a command that only looks at records

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InputError("rest.port", "must be 0 to 65535")
        if self.max_connections < 1 or self.max_body < 1_024 or min(self.body_timeout, self.head_timeout) <= 0:
            raise InputError("rest", "max_connections, max_body, head_timeout and body_timeout must be larger")
        if self.max_uploads < 1:
            raise InputError("rest.max_uploads", "must be 1 or more")
        if self.max_upload < self.max_body:
            raise InputError("rest.max_upload", "must not be smaller than max_body")
        if self.login_rate < 0 or self.login_burst < 1 or self.approval_hours <= 0:
            raise InputError("rest", "login_rate, login_burst and approval_hours must be larger")
        if self.webhook_timeout <= 0:
            raise InputError("rest.webhook_timeout", "must be larger")
        try:
            _ = self.networks
        except ValueError as problem:
            raise InputError("rest.webhook_networks", str(problem)) from None
        if self.minimum_tls not in ("1.2", "1.3"):
            raise InputError("rest.minimum_tls", "must be 1.2 or 1.3")
        if min(self.rate_per_key, self.rate_per_address) < 0:
            raise InputError("rest.rate_per_key", "and rate_per_address must be 0 or more")
        if min(self.burst_per_key, self.burst_per_address) < 1:
            raise InputError("rest.burst_per_key", "and burst_per_address must be 1 or more")
        if bool(self.certificate_file) != bool(self.key_file):
            raise InputError("rest.key_file", "belongs together with certificate_file")
        if not self.certificate_file and not _is_loopback(self.host):
            raise InputError(
                "rest.certificate_file", f"is needed to listen on {self.host}: keys travel in a header"
            )

    @property
    def networks(self) -> tuple[Network, ...]:
        """Those of `webhook_networks`."""
        return networks(self.webhook_networks)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
