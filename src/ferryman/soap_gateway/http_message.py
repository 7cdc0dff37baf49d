"""HTTP/1.1 message heads as RFC 9112 writes them, read without any tolerance (pure).

Every form that two readers are known to read differently is refused: folded lines, bare line ends, blanks before
a colon, a repeated length, a length beside a transfer coding, extensions of chunks, trailers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ferryman.errors import PeerError

MAX_HEAD = 16 * 1024  # octets; a peer's head is under 1,000
MAX_FIELDS = 64
MAX_CHUNK_LINE = 10  # octets: eight digits and the line end
END_OF_HEAD = b"\r\n\r\n"

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"/[!-~]{0,1999}")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_ONCE = frozenset(
    ("host", "content-length", "transfer-encoding", "content-type", "connection", "expect", "content-encoding")
)

BODILESS = (202, 204, 304)  # 202 without a length: the answer to a callback, whose connection may stay open

REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


class BadMessage(PeerError):
    """The message cannot be framed; `status` is what to answer before the connection closes."""

    def __init__(self, reason: str, *, status: int = 400) -> None:
        super().__init__(reason, field="head", clause="RFC 9112")
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """A request or response head: `length` octets of body, or a chunked one, or (`open_ended`) all that comes."""

    method: str
    target: str
    status: int
    fields: dict[str, str]
    length: int
    chunked: bool
    close: bool
    open_ended: bool = False

    @property
    def path(self) -> str:
        """Target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """Query of the target."""
        return self.target.partition("?")[2]


def request_head(data: bytes, max_body: int) -> Head:
    """The head of a request, given without its final empty line; raises BadMessage."""
    lines = _lines(data)
    words = lines[0].split(b" ")
    if len(words) != 3:
        raise BadMessage("no request line")
    method, target, version = words
    if version != b"HTTP/1.1":
        raise BadMessage("version is not HTTP/1.1", status=505)
    if method not in (b"GET", b"POST"):
        raise BadMessage("neither GET nor POST", status=405)
    if _TARGET.fullmatch(target) is None:
        raise BadMessage("target is no path")
    fields = _fields(lines[1:])
    if "host" not in fields:
        raise BadMessage("no Host")
    length, chunked = _framing(fields, max_body)
    if method == b"GET" and (length or chunked):
        raise BadMessage("a GET with a body")
    if method == b"POST" and "content-length" not in fields and not chunked:
        raise BadMessage("a POST without a length")
    close = "close" in fields.get("connection", "").lower()
    return Head(method.decode(), target.decode(), 0, fields, length, chunked, close)


def response_head(data: bytes, max_body: int) -> Head:
    """The head of a response; raises BadMessage."""
    lines = _lines(data)
    line = _STATUS.fullmatch(lines[0])
    if line is None:
        raise BadMessage("no status line")
    status = int(line[1])
    fields = _fields(lines[1:])
    length, chunked = _framing(fields, max_body)
    framed = "content-length" in fields or chunked
    # The end of the connection ends it (RFC 9112 6.3); a document that is cut off is not well-formed.
    open_ended = not framed and status not in BODILESS and status >= 200
    close = "close" in fields.get("connection", "").lower()
    return Head("", "", status, fields, length, chunked, close, open_ended)


def chunk_size(line: bytes) -> int:
    """Octets of the next chunk; raises BadMessage for anything but a plain size."""
    found = _CHUNK.fullmatch(line)
    if found is None:
        raise BadMessage("no plain chunk size")
    return int(found[1], 16)


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\r\n")
    if len(lines) - 1 > MAX_FIELDS:
        raise BadMessage(f"more than {MAX_FIELDS} fields", status=431)
    return lines


def _fields(lines: list[bytes]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or _TOKEN.fullmatch(name) is None:  # also a folded line, and a blank before the colon
            raise BadMessage("no field line")
        value = value.strip(b" \t")
        if _VALUE.fullmatch(value) is None:  # also a bare CR or LF
            raise BadMessage("control character in a field")
        key = name.decode().lower()
        if key in fields:
            if key in _ONCE:
                raise BadMessage(f"{key} given twice")
            continue
        fields[key] = value.decode("latin-1")
    return fields


def _framing(fields: dict[str, str], max_body: int) -> tuple[int, bool]:
    coding, text = fields.get("transfer-encoding"), fields.get("content-length")
    if fields.get("content-encoding", "identity").lower() != "identity":
        raise BadMessage("a coded body", status=415)
    if coding is not None and text is not None:
        raise BadMessage("a length beside a transfer coding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise BadMessage("transfer coding is not chunked", status=501)
        return 0, True
    if text is None:
        return 0, False
    if _LENGTH.fullmatch(text.encode("latin-1")) is None:
        raise BadMessage("Content-Length is no plain number")
    if int(text) > max_body:
        raise BadMessage(f"body of more than {max_body} octets", status=413)
    return int(text), False


def response(status: int, body: bytes, *, content_type: str = "", close: bool = False) -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}"]
    if body:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body)}")
    if status == 405:
        lines.append("Allow: GET, POST")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("ascii") + END_OF_HEAD + body


def post(host: str, target: str, body: bytes, action: str) -> bytes:
    """A whole SOAP 1.2 request; the connection closes behind its answer."""
    lines = (
        f"POST {target} HTTP/1.1",
        f"Host: {host}",
        f'Content-Type: application/soap+xml; charset=utf-8; action="{action}"',
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join(lines).encode("ascii") + END_OF_HEAD + body
