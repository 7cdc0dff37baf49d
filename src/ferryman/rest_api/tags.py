"""ETags (RFC 9110 8.8.3): what a representation is called, and whether a condition of a request holds."""

from __future__ import annotations

import hashlib

DIGEST_OCTETS = 16  # nobody gains anything by a collision of his own objects


def etag_of(body: bytes) -> str:
    """Strong, from the octets."""
    return f'"{hashlib.sha256(body).digest()[:DIGEST_OCTETS].hex()}"'


def names(condition: str, etag: str, *, weak: bool = False) -> bool:
    """Whether If-Match, or (with `weak` comparison, 8.8.3.2) If-None-Match, names this representation."""
    given = [one.strip() for one in condition.split(",")]
    if weak:
        given = [one.removeprefix("W/") for one in given]
    return "*" in given or etag in given
