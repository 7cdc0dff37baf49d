"""WS-Security UsernameToken (OASIS UsernameToken Profile 1.1): digest, freshness, and each nonce once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from ferryman.errors import PeerError
from ferryman.soap_gateway.esm.envelope import UsernameToken
from ferryman.soap_gateway.esm.simple import read_date, write_date

FRESH = 300.0  # seconds that Created may be away from now, either way
NONCE_OCTETS = range(8, 65)


def verify(token: UsernameToken, password: bytes, now: float) -> str:
    """Check a token; the name under which its nonce is to be remembered for 2 * FRESH. Raises PeerError.

    PasswordText is accepted as peers send it (inside TLS), with nonce and Created all the same.
    """
    nonce = _nonce(token.nonce)
    try:
        created = read_date(token.created)
    except ValueError:
        raise PeerError("has no Created", field="UsernameToken") from None
    if abs(now - created) > FRESH:
        raise PeerError("is stale", field="UsernameToken")
    expected = digest(nonce, token.created, password).encode() if token.digest else password
    if not hmac.compare_digest(expected, token.password.encode()):
        raise PeerError("is not accepted", field="UsernameToken")
    return hashlib.sha256(token.username.encode() + b"\0" + nonce).hexdigest()


def digest(nonce: bytes, created: str, password: bytes) -> str:
    """PasswordDigest: Base64(SHA-1(nonce + created + password)), as that profile fixes it."""
    mixed = nonce + created.encode() + password
    return base64.b64encode(hashlib.sha1(mixed, usedforsecurity=False).digest()).decode()


def make(username: str, password: bytes, nonce: bytes, now: float) -> UsernameToken:
    """A token of ours."""
    created = write_date(now)
    return UsernameToken(
        username, digest(nonce, created, password), True, base64.b64encode(nonce).decode(), created
    )


def _nonce(text: str) -> bytes:
    try:
        nonce = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        nonce = b""
    if len(nonce) not in NONCE_OCTETS:
        raise PeerError("has no nonce", field="UsernameToken")
    return nonce
