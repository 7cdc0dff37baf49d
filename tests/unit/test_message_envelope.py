"""Messages between roles: read in one go when they fit, and refused by the first rule that they break when not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferryman.contracts import es5
from ferryman.contracts.message import Body, Codec, Header, decode, encode, peek_header
from ferryman.errors import PeerError

CODEC: Codec[Body] = Codec(*es5.FROM_HTTPS)
HEADER = Header(
    message_id="m", sender="transport-https", requester="r", function_call_id="f", deadline=5.0, eid="8" * 32
)
BODY = es5.HTTPSClosed(session_id="s", eid="8" * 32, reason="completed")


def changed(**changes: Any) -> bytes:
    """The message with fields of header or body (`header__x`, `body__x`) set, or taken away when None."""
    message = json.loads(encode(HEADER, BODY))
    for path, value in changes.items():
        part, name = path.split("__")
        if value is None:
            del message[part][name]
        else:
            message[part][name] = value
    return json.dumps(message).encode()


def test_what_is_written_is_read() -> None:
    assert decode(encode(HEADER, BODY), CODEC) == (HEADER, BODY)
    assert peek_header(encode(HEADER, BODY)) == HEADER


def test_fields_that_nobody_knows_are_passed_over() -> None:
    assert decode(changed(header__new=1, body__new=[2]), CODEC) == (HEADER, BODY)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "message"),
        (b"{}", "message"),
        (b'{"header": 1, "body": {}}', "message"),
        (changed(header__message_id=None), "message"),
        (changed(header__deadline="soon"), "message"),
        (changed(body__type="HTTPSOpened"), "body"),
        (changed(body__type=None), "body"),
        (changed(body__session_id=None), "body"),
        (changed(body__reason=7), "body"),
        (changed(header__version=2), "header.version"),
        # Of a version that is not ours nobody can say whether its body fits.
        (changed(header__version=2, body__type="HTTPSOpened"), "header.version"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(raw: bytes, field: str) -> None:
    with pytest.raises(PeerError) as refused:
        decode(raw, CODEC)
    assert refused.value.field == field
