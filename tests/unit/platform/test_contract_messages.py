"""Messages between roles: both parts in one pass, and what is refused of them."""

from __future__ import annotations

import msgspec
import pytest

from ferryman.contracts.message import Codec, Header, decode, encode, peek_header
from ferryman.contracts.orders import CancelOrder, ShowOrder
from ferryman.errors import PeerError

CODEC: Codec[ShowOrder] = Codec(ShowOrder)
HEADER = Header(message_id="1", sender="rest-api", requester="1.2", function_call_id="c", deadline=5.0, eid="8")
LATER = msgspec.structs.replace(HEADER, version=2)
BODY = ShowOrder(owner="1.2", order_id="x")


def test_a_message_comes_as_it_went() -> None:
    raw = encode(HEADER, BODY)
    assert decode(raw, CODEC) == (HEADER, BODY)
    assert peek_header(raw) == HEADER
    more = msgspec.json.decode(raw)
    more["header"]["later"] = more["body"]["later"] = more["later"] = 1  # fields of a later version are ignored
    assert decode(msgspec.json.encode(more), CODEC) == (HEADER, BODY)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (encode(LATER, BODY), "header.version"),
        (
            encode(msgspec.structs.replace(HEADER, version=2), CancelOrder(owner="1", order_id="2")),
            "header.version",
        ),
        (encode(HEADER, CancelOrder(owner="1", order_id="2")), "body"),
        (encode(HEADER, BODY).replace(b'"x"', b"7"), "body"),
        (encode(HEADER, BODY).replace(b"5.0", b"null"), "message"),
        (encode(HEADER, BODY)[:-1], "message"),
        (b"", "message"),
    ],
)
def test_what_is_refused_names_its_part(raw: bytes, field: str) -> None:
    with pytest.raises(PeerError) as refused:
        decode(raw, CODEC)
    assert refused.value.field == field
