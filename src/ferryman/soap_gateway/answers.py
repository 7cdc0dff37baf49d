"""Bodies that the gateway keeps or passes on: one codec for every message of the interfaces."""

from __future__ import annotations

import msgspec

from ferryman.contracts import es1, es2, es3, es4, es7, v4
from ferryman.contracts.message import Body, Codec, Header, encode_body

# From our roles: answers to peers, notifications to peers, requests to peers.
INCOMING: Codec[Body] = Codec(
    *(*es1.RESPONSES, *es2.RESPONSES, *es3.RESPONSES, *es4.RESPONSES, *es7.RESPONSES),
    *(*v4.FROM_SM_DP, *v4.FROM_SM_SR, *v4.ES3_REQUESTS, *v4.TOLD),
    *(*v4.ES2_NOTIFICATIONS, *v4.ES3_NOTIFICATIONS),
    *(*es2.NOTIFICATIONS, *es3.NOTIFICATIONS, *es4.NOTIFICATIONS, *es3.REQUESTS, *es7.REQUESTS),
)

_HEADER = msgspec.json.Decoder(Header)


def keep(body: Body) -> bytes:
    """A body as a row holds it."""
    return encode_body(body)


def kept(raw: bytes) -> Body:
    """What `keep` made."""
    return INCOMING.decode_body(raw)


def keep_header(header: Header) -> bytes:
    """A header as a row holds it."""
    return msgspec.json.encode(header)


def kept_header(raw: bytes) -> Header:
    """What `keep_header` made."""
    return _HEADER.decode(raw)
