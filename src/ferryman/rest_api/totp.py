"""One-time codes by time: RFC 6238 over RFC 4226, SHA-1, 30 seconds, 6 digits, as authenticator apps have it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote, urlencode

PERIOD = 30.0  # s
DIGITS = 6
SECRET_OCTETS = 20  # the length of the hash (RFC 4226 4, R6)
DRIFT = 1  # steps before and behind that are taken (RFC 6238 5.2)


def code_of(secret: bytes, step: int) -> str:
    """The code of one time step."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    at = mac[-1] & 0x0F
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(secret: bytes, code: str, now: float, *, last: int) -> int | None:
    """The step whose code this is, later than the `last` one taken: a code is good once. None for a wrong one."""
    found = None
    middle = int(now // PERIOD)
    for step in range(middle - DRIFT, last_step(now) + 1):
        same = hmac.compare_digest(code_of(secret, step).encode(), code.encode())
        if same and step > last:
            found = step
    return found


def last_step(now: float) -> int:
    """The last step whose code is taken at `now`."""
    return int(now // PERIOD) + DRIFT


def uri_of(secret: bytes, account: str, issuer: str) -> str:
    """What an authenticator app reads from a QR code."""
    label = quote(f"{issuer}:{account}")
    values = {"secret": text_of(secret), "issuer": issuer, "digits": DIGITS, "period": int(PERIOD)}
    return f"otpauth://totp/{label}?{urlencode(values)}"


def text_of(secret: bytes) -> str:
    """Base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")
