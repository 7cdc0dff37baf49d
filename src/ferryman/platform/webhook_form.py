"""Form of a signed call to somebody else's system, by Standard Webhooks 1.0: what the MAC covers, the fields."""

from __future__ import annotations

import base64
from collections.abc import Iterable


def signed_text(name: str, at: int, body: bytes) -> bytes:
    """What the MAC (HMAC-SHA-256) covers; `at` in whole seconds since 1970."""
    return f"{name}.{at}.".encode() + body


def fields(name: str, at: int, macs: Iterable[bytes]) -> dict[str, str]:
    """Name, time and signatures, one for each secret that is valid now; a repeat has the same name."""
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs),
    }
