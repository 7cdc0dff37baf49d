"""A POST without a body, and an answer to it, read and written at once: RFC 9112 3 to 5, Amendment B's first POST.

Most requests of a fleet ask whether there is work. This reads the plain form of that request and no other:
whatever differs in any way (a body, a coding, an expectation, a say on the connection, an odd octet) is None here
and h11's to read or to refuse. It takes nothing that h11 would not take with the same result.
"""

from __future__ import annotations

import re
from typing import Final

_REQUEST_LINE: Final = re.compile(rb"POST ([!-~]+) HTTP/1\.1")
_FIELD: Final = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~](?:[ -~\t]*[!-~])?)?)[ \t]*")
# What says something of the body or the connection.
_NOT_PLAIN: Final = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)

MAX_LINES: Final = 32  # lines: a card sends up to eight fields

type Fields = list[tuple[str, str]]


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
