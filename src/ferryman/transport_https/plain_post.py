"""A POST without a body, and an answer to it, read and written at once: RFC 9112 3 to 5, Amendment B's first POST.

Most requests of a fleet ask whether there is work. This reads the plain form of that request and no other:
whatever differs in any way (a body, a coding, an expectation, a say on the connection, an odd octet) is None here
and h11's to read or to refuse. It takes nothing that h11 would not take with the same result.

Cards of one kind send the same octets but for their EID: what they ask for is read once for all of them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from ferryman.codec.ids import EID_DIGITS
from ferryman.codec.scp81_http import AdminFrom, AdminRequest, AdminResponse, interpret, response_headers
from ferryman.errors import PeerError

_REQUEST_LINE: Final = re.compile(rb"POST ([!-~]+) HTTP/1\.1")
_FIELD: Final = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~](?:[ -~\t]*[!-~])?)?)[ \t]*")
# What says something of the body or the connection.
_NOT_PLAIN: Final = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)

MAX_LINES: Final = 32  # lines: a card sends up to eight fields

KNOWN_HEADS: Final = 64  # heads kept as read, each without its EID: kinds of cards that come together
MAX_KNOWN_OCTETS: Final = 1_024  # octets: a longer head is read each time
_EID_MARK: Final = b"//se-id/eid/"
_ANY_EID: Final = b"0" * EID_DIGITS  # in a head that is kept, for every card's

type Fields = list[tuple[str, str]]


def read_known_post(head: bytes) -> AdminRequest | None:
    """The request in a head (without its empty line) that starts X-Admin-From with the EID; None for another form.

    The same as reading the head anew, which is left to whoever gets None.
    """
    start = head.find(_EID_MARK) + len(_EID_MARK)
    end = start + EID_DIGITS
    digits = head[start:end]
    if not digits.isdigit() or len(head) > MAX_KNOWN_OCTETS:
        return None
    # Where there is no mark this finds no form either.
    form = _form_of(head[:start] + _ANY_EID + head[end:])
    if form is None:
        return None
    request, agent, behind = form
    eid = digits.decode("ascii")
    sender = AdminFrom(f"{_EID_MARK.decode()}{eid}{behind}", eid, agent)
    return AdminRequest(
        request.uri,
        request.protocol,
        sender,
        request.host,
        request.script_status,
        request.script_status_text,
        request.resume,
        request.content_type,
        request.notification,
    )


@lru_cache(KNOWN_HEADS)
def _form_of(head: bytes) -> tuple[AdminRequest, bytes | None, str] | None:
    """What a head with `_ANY_EID` in it says: the request, the sender's AID, and the text behind the EID."""
    plain = read_plain_post(head)
    if plain is None or head.count(_EID_MARK) != 1:
        return None
    try:
        request = interpret("POST", *plain)
    except PeerError:
        return None  # refused each time, with the reason
    sender = request.admin_from
    # Only there: then the digits are the EID and nothing else, whatever they are.
    if not sender.text.startswith(_EID_MARK.decode()):
        return None
    return request, sender.agent_aid, sender.text[len(_EID_MARK) + EID_DIGITS :]


def read_plain_post(head: bytes) -> tuple[str, Fields] | None:
    """Target and fields (names in small letters) of a head without its empty line; None for another form."""
    lines = head.split(b"\r\n")
    request = _REQUEST_LINE.fullmatch(lines[0])
    if request is None or len(lines) > MAX_LINES:
        return None
    fields: Fields = []
    hosts = 0
    for line in lines[1:]:
        found = _FIELD.fullmatch(line)
        if found is None:
            return None
        name = found[1].decode("ascii").lower()
        if name in _NOT_PLAIN:
            return None
        hosts += name == "host"
        fields.append((name, found[2].decode("ascii")))
    if hosts != 1:
        return None
    return request[1].decode("ascii"), fields


def write_answer(
    status: int, reason: bytes, headers: list[tuple[bytes, bytes]], body: bytes, *, chunked: bool
) -> bytes:
    """The octets of an answer; `headers` say how its body is delimited."""
    head = b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, b"".join([b"%b: %b\r\n" % field for field in headers]))
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else head + body


def _end() -> bytes:
    headers = [
        (name.encode("ascii"), value.encode("ascii")) for name, value in response_headers(AdminResponse.end())
    ]
    return write_answer(204, b"No Content", headers, b"", chunked=False)


END: Final = _end()  # the octets of `AdminResponse.end()` on a connection that stays open
