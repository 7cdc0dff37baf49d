"""What the card wants done by the terminal around it, and what it answers to a script (no I/O in here)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ScriptStatus = Literal["ok", "unknown-application", "not-a-security-domain", "security-error", "lost"]
"""X-Admin-Script-Status (GlobalPlatform Amendment B); `lost` is none of them: break the connection."""


@dataclass(frozen=True, slots=True)
class SendSMS:
    """Send these short messages in order: `da` in international form, `uds` the TP-User-Data with UDH of each."""

    da: str
    uds: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class DeliverReport:
    """Answer the short message just delivered with this TP-User-Data in SMS-DELIVER-REPORT (SPI2 bit 6 = 0)."""

    ud: bytes


@dataclass(frozen=True, slots=True)
class OpenHTTPS:
    """Open the one administration session (TLS-PSK, then HTTP).

    `host`/`port` is where to connect, `http_host` what the Host header says, `uri` the first POST's path,
    `identity`/`psk` the pre-shared key, `notification` the E1 TLV to carry in `msg`, `resume` asks for
    X-Admin-Resume. Report the end with `Card.https_closed`.
    """

    host: str
    port: int
    uri: str
    agent_id: str
    identity: str
    psk: bytes = field(repr=False)
    notification: bytes | None = None
    resume: bool = False
    http_host: str = ""


@dataclass(frozen=True, slots=True)
class Refresh:
    """Leave the network and attach again with `Card.enabled_profile()`; report `attached` or `attach_failed`."""


Action = SendSMS | DeliverReport | OpenHTTPS | Refresh


@dataclass(frozen=True, slots=True)
class HTTPSResult:
    """Answer to one command script of the session: the X-Admin-Script-Status and the response script, if any."""

    status: ScriptStatus
    body: bytes | None


class PowerCut(Exception):
    """A fault switch took the power away: drop this object and load the last state that was committed."""
