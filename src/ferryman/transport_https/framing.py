"""HTTP/1.1 message framing towards cards, RFC 9112, without sockets.

h11 reads and writes the messages (but for the plainest, see `plain_post`); this module refuses beforehand what
h11 reads with more tolerance than a security boundary should: folded lines, bare line ends, a repeated length, a
length beside a transfer coding, trailers, and a second request while the first is unanswered. It keeps every
amount of memory bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import h11

from ferryman.codec.scp81_http import PROTOCOL, AdminRequest, AdminResponse, interpret, response_headers
from ferryman.errors import PeerError
from ferryman.transport_https.plain_post import END, read_known_post, read_plain_post, write_answer

MAX_HEAD_OCTETS: Final = 8_192  # octets: a card's head is under 700
MAX_BODY_OCTETS: Final = 65_536  # octets: a response script is a few kilobytes at most
MAX_REQUEST_OCTETS: Final = 524_288  # octets on the wire: the largest body in chunks of one octet needs 393,000
MAX_HEADER_FIELDS: Final = 64  # fields: a card sends up to eight
_LENGTH_DIGITS: Final = 9  # digits: far above MAX_BODY_OCTETS, far below a costly conversion
_END_OF_HEAD: Final = b"\r\n\r\n"

_REASONS: Final = {
    200: b"OK",
    204: b"No Content",
    400: b"Bad Request",
    403: b"Forbidden",
    405: b"Method Not Allowed",
    413: b"Content Too Large",
    417: b"Expectation Failed",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    503: b"Service Unavailable",
    505: b"HTTP Version Not Supported",
}


class BadRequest(PeerError):
    """The message cannot be framed or understood; `status` is the HTTP status to answer before closing."""

    def __init__(self, reason: str, *, status: int = 400, field: str = "request") -> None:
        super().__init__(reason, field=field, clause="RFC 9112")
        self.status = status


class BodyFraming(Enum):
    """How the body of an answer is delimited; real cards take both."""

    CHUNKED = "chunked"
    CONTENT_LENGTH = "content-length"


@dataclass(slots=True)
class _Head:
    method: str
    target: str
    headers: list[tuple[str, str]]


class HTTPExchange:
    """One keep-alive connection of a card, half-duplex: a request, its answer, the next request.

    `framing` is that of the next answer. `feed` returns the request when it is whole and raises BadRequest, after
    which only `refuse` makes sense.
    """

    def __init__(self, framing: BodyFraming = BodyFraming.CHUNKED) -> None:
        self._reader: h11.Connection | None = None
        self._plain = False  # the request was read without it
        self._closing = False  # the answer to that said so
        self.framing = framing
        self._waiting = bytearray()
        self._head: _Head | None = None
        self._body = bytearray()
        self._received = 0
        self._unanswered = False
        self._stray_line = b""
        self._line = 0  # octets of the body since the last LF

    @property
    def in_request(self) -> bool:
        """True from the first octet of a request until it is whole."""
        return self._received > 0 and not self._unanswered

    @property
    def must_close(self) -> bool:
        """True when no further request can follow on this connection."""
        if self._reader is None:
            return self._closing
        return self._reader.our_state in (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)

    def feed(self, data: bytes) -> AdminRequest | None:
        """Takes octets cut anywhere; returns a request when complete, raises BadRequest."""
        if self._unanswered or self._received == 0:
            data = self._without_stray_line(data)
        if not data:
            return None
        if self._unanswered:
            raise BadRequest("a request before the answer to the last one")
        self._received += len(data)
        if self._received > MAX_REQUEST_OCTETS:
            raise BadRequest(f"more than {MAX_REQUEST_OCTETS} octets", status=413)
        if self._head is None:
            self._waiting += data
            return self._try_head()
        return self._read_body(data)

    def finish(self) -> None:
        """The peer has ended its side; raises BadRequest when that cuts a request in two."""
        if self.in_request:
            raise BadRequest("connection closed inside a request")

    def answer(self, response: AdminResponse, *, close: bool = False) -> bytes:
        """The octets of an answer to the request last returned, in one piece to fit few TLS records."""
        if self._plain and response.ends_session and not response.body and not close:
            self._next_cycle()
            return END
        headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in response_headers(response)]
        if close:
            headers.append((b"Connection", b"close"))
        if response.body:
            headers.append(
                (b"Transfer-Encoding", b"chunked")
                if self.framing is BodyFraming.CHUNKED
                else (b"Content-Length", str(len(response.body)).encode("ascii"))
            )
        if self._plain:
            reason = _REASONS[response.status]
            chunked = bool(response.body) and self.framing is BodyFraming.CHUNKED
            octets = write_answer(response.status, reason, headers, response.body, chunked=chunked)
            self._closing = close
        else:
            octets = self._send(response.status, headers, response.body)
        if not self.must_close:
            self._next_cycle()
        return octets

    def refuse(self, status: int, *, retry_after: int | None = None) -> bytes:
        """The octets of an error answer without body, after which the connection has to close.

        Empty when an answer has been sent already, so that a late error cannot be taken for the next answer.
        """
        if self._closing or self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return b""
        self._plain = False
        headers = [(b"X-Admin-Protocol", PROTOCOL.encode("ascii"))]
        if status == 405:
            headers.append((b"Allow", b"POST"))
        if retry_after is not None:
            headers.append((b"Retry-After", str(retry_after).encode("ascii")))
        headers += [(b"Content-Length", b"0"), (b"Connection", b"close")]
        return self._send(status, headers, b"")

    @property
    def _http(self) -> h11.Connection:
        # For each request a new one: nothing that an old message left behind can leak into the next.
        if self._reader is None:
            self._reader = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_OCTETS)
        return self._reader

    def _send(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
        reason = _REASONS.get(status, b"Error")
        events: list[h11.Event] = [h11.Response(status_code=status, headers=headers, reason=reason)]
        if body:
            events.append(h11.Data(data=body))
        events.append(h11.EndOfMessage())
        return b"".join(self._http.send(event) or b"" for event in events)

    def _next_cycle(self) -> None:
        self._reader = None
        self._plain = False
        self._head = None
        self._body.clear()
        self._received = 0
        self._unanswered = False
        self._line = 0

    def _without_stray_line(self, data: bytes) -> bytes:
        # RFC 9112 2.2: one empty line after a message is an old habit of clients and harmless there.
        while data and self._stray_line and data[0] == self._stray_line[0]:
            data, self._stray_line = data[1:], self._stray_line[1:]
        if data:
            if self._stray_line == b"\n":
                raise BadRequest("bare CR between messages")
            self._stray_line = b""
        return data

    def _try_head(self) -> AdminRequest | None:
        end = self._waiting.find(_END_OF_HEAD)
        # Without an end, the last octets may be the beginning of one.
        least = end if end >= 0 else len(self._waiting) - len(_END_OF_HEAD) + 1
        if least > MAX_HEAD_OCTETS:
            raise BadRequest(f"head of more than {MAX_HEAD_OCTETS} octets", status=431)
        if end < 0:
            return None
        head = bytes(self._waiting[:end])
        rest = bytes(self._waiting[end + len(_END_OF_HEAD) :])
        self._waiting.clear()
        known = read_known_post(head)
        if known is not None:
            self._plain = True
            self._taken(rest)
            return known
        plain = read_plain_post(head)
        if plain is not None:
            self._plain = True
            target, headers = plain
            self._head = _Head("POST", target, headers)
            return self._complete(rest)
        check_head(head)
        self._http.receive_data(head + _END_OF_HEAD)
        event = self._next_event()
        if not isinstance(event, h11.Request):
            raise BadRequest("no request in the head")
        self._head = self._read_head(event)
        return self._read_body(rest)

    def _read_head(self, event: h11.Request) -> _Head:
        if event.http_version != b"1.1":
            raise BadRequest("version is not HTTP/1.1", status=505)
        if event.method != b"POST":
            raise BadRequest("method is not POST", status=405)
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers]
        for name, value in headers:
            if name == "content-length" and int(value) > MAX_BODY_OCTETS:
                raise BadRequest(f"body of more than {MAX_BODY_OCTETS} octets", status=413)
            if name == "expect":
                raise BadRequest("an expectation cannot be met", status=417)
        return _Head(event.method.decode("ascii"), event.target.decode("ascii"), headers)

    def _read_body(self, data: bytes) -> AdminRequest | None:
        request: AdminRequest | None = None
        for piece in self._in_pieces(data):
            if request is None:
                if piece:
                    self._http.receive_data(piece)
                request = self._pull()
            elif self._without_stray_line(piece):
                raise BadRequest("a request before the answer to the last one")
        return request

    def _in_pieces(self, data: bytes) -> list[bytes]:
        """`data` cut before the LF of every line above the limit.

        h11 measures a line of the chunked coding only while it waits for its end. So that a line that is too
        long is refused however it arrives, its end comes apart.
        """
        if self._line + len(data) <= MAX_HEAD_OCTETS:
            last = data.rfind(b"\n")
            self._line = self._line + len(data) if last < 0 else len(data) - last - 1
            return [data]
        pieces: list[bytes] = []
        start, begin, end = 0, -self._line, data.find(b"\n")
        while end >= 0:
            if end - begin > MAX_HEAD_OCTETS:
                pieces.append(data[start:end])
                start = end
            begin = end + 1
            end = data.find(b"\n", begin)
        self._line = len(data) - begin
        return [*pieces, data[start:]]

    def _pull(self) -> AdminRequest | None:
        while True:
            event = self._next_event()
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > MAX_BODY_OCTETS:
                    raise BadRequest(f"body of more than {MAX_BODY_OCTETS} octets", status=413)
                continue
            if not isinstance(event, h11.EndOfMessage):
                raise BadRequest("connection ended inside a request")
            if list(event.headers):
                raise BadRequest("fields after the body")
            return self._complete(self._http.trailing_data[0])

    def _complete(self, rest: bytes) -> AdminRequest:
        """The request is whole; `rest` is what came behind it."""
        head = self._head
        if head is None:
            raise BadRequest("a body without a head")
        self._taken(rest)
        try:
            return interpret(head.method, head.target, head.headers, bytes(self._body))
        except PeerError as problem:
            raise BadRequest(problem.reason, field=problem.field) from problem

    def _taken(self, rest: bytes) -> None:
        """No request may come now but an answer; `rest` is what came behind the last one."""
        self._unanswered = True
        self._stray_line = b"\r\n"
        if rest and self._without_stray_line(rest):
            raise BadRequest("a request before the answer to the last one")

    def _next_event(self) -> object:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as problem:
            status = problem.error_status_hint
            # Behind the head no field is read, so none is too large: 431 would depend on what arrives first.
            known = status in _REASONS and (self._head is None or status != 431)
            raise BadRequest("not HTTP/1.1", status=status if known else 400) from problem


def check_head(head: bytes) -> None:
    """Refuses what h11 would tolerate in a head (given without its final empty line); raises BadRequest.

    Each refused form is one that two HTTP readers are known to read differently.
    """
    lines = head.split(b"\r\n")
    if len(lines) - 1 > MAX_HEADER_FIELDS:
        raise BadRequest(f"more than {MAX_HEADER_FIELDS} header fields", status=431)
    lengths: list[bytes] = []
    codings = 0
    for line in lines:
        if not line or line[0] in b" \t":
            raise BadRequest("folded or empty line in the head")
        if any((octet < 0x20 and octet != 0x09) or octet == 0x7F for octet in line):
            raise BadRequest("control character in the head")
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        lower = name.lower()
        if lower == b"content-length":
            lengths.append(value.strip(b" \t"))
        elif lower == b"transfer-encoding":
            codings += 1
    if len(lengths) + codings > 1:
        raise BadRequest("more than one statement of the body's length")
    # h11 folds "5, 5" into 5 and would take any number of digits up to its own limit.
    if lengths and not (lengths[0].isdigit() and len(lengths[0]) <= _LENGTH_DIGITS):
        raise BadRequest("Content-Length is no plain number")
