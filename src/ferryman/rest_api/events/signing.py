"""Signature of a delivery, in the form of Standard Webhooks 1.0: HMAC-SHA-256 over name, time and body.

A receiver checks the signature, that the time is near its own, and that it has not seen the name before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

from ferryman.platform.webhook_form import fields, signed_text

SECRET_OCTETS = 32
PREFIX = "whsec_"


def secret_text(secret: bytes) -> str:
    """A secret as its owner is shown it."""
    return PREFIX + base64.b64encode(secret).decode()


def headers(name: str, at: int, body: bytes, secrets: Iterable[bytes]) -> dict[str, str]:
    """Fields of a delivery; one signature for each secret that is valid now. `at` in whole seconds since 1970."""
    text = signed_text(name, at, body)
    return fields(name, at, (hmac.digest(secret, text, hashlib.sha256) for secret in secrets))
