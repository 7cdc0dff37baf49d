"""What a card says to the HTTPS module: ClientHello flight, PSK identity (RFC 5246, 4279), requests (GP Am. B)."""

from __future__ import annotations

from collections.abc import Iterable

from ferryman.codec import psk_identity
from ferryman.codec.scp81_http import AdminRequest, AdminResponse, interpret, parse_admin_from, parse_aid_uri
from ferryman.codec.tls_hello import (
    MAX_EARLY_OCTETS,
    ClientFlight,
    ClientHello,
    TLSFlightError,
    parse_client_hello,
    parse_client_key_exchange,
)
from ferryman.transport_https.contexts import ContextPool
from ferryman.transport_https.framing import MAX_BODY_OCTETS, BadRequest, HTTPExchange
from ferryman.transport_https.pump import State
from fuzz.engine import Harness
from fuzz.promises import cuts, declared, same, words
from heard_pump import HeardPump

_CONTEXTS = ContextPool()


def check_identity(data: bytes) -> None:
    """A PSK identity, and one whose hexadecimal text the data are."""
    for text in (data, data.hex().encode()):
        identity = declared(psk_identity.parse, text)
        if identity is not None:
            same(psk_identity.parse(psk_identity.build(identity)), identity, "PSK identity")


type _Flight = tuple[ClientHello | None, bytes | None, int | None, bool, bytes]


def _flight(pieces: Iterable[bytes]) -> _Flight:
    flight = ClientFlight()
    released = b""
    for piece in pieces:
        try:
            flight.feed(piece)
        except TLSFlightError as refusal:
            # What was released before the fault depends on the cut; after it nothing is used any more.
            return flight.hello, flight.identity, refusal.alert, flight.is_open, b""
        released += flight.take()
    return flight.hello, flight.identity, None, flight.is_open, released


def check_flight(data: bytes) -> None:
    """The clear flight, however cut, and the same through the pump that sits on OpenSSL."""
    whole, *others = (list(pieces) for pieces in cuts(data))
    result = _flight(whole)
    for pieces in others:
        same(_flight(pieces), result, f"a flight in {len(pieces)} pieces")
    declared(parse_client_hello, data)
    declared(parse_client_key_exchange, data)
    pump = HeardPump(_CONTEXTS, entropy=bytes)
    pump.receive(data)
    if pump.state is State.NEED_KEY:
        pump.supply_key(None)
    pump.receive(data[:MAX_EARLY_OCTETS])
    pump.take_output()
    same(pump.state is State.OPEN, False, "open without the key")


type _Exchange = tuple[list[AdminRequest], int | None, bool]


def _exchange(pieces: Iterable[bytes]) -> _Exchange:
    """Requests, each answered at once as a server does; the status of a refusal; whether one is under way."""
    exchange = HTTPExchange()
    requests: list[AdminRequest] = []
    for piece in pieces:
        try:
            request = exchange.feed(piece)
        except BadRequest as refusal:
            exchange.refuse(refusal.status)
            return requests, refusal.status, False
        if request is not None:
            if len(request.body) > MAX_BODY_OCTETS:
                raise AssertionError(f"a body of {len(request.body)} octets")
            requests.append(request)
    return requests, None, exchange.in_request


def check_http(data: bytes) -> None:
    """One request before its answer: the same request, or the same refusal, however the octets are cut."""
    whole, *others = (list(pieces) for pieces in cuts(data))
    requests, status, under_way = _exchange(whole)
    for pieces in others:
        found, refused, waiting = _exchange(pieces)
        same((refused, waiting), (status, under_way), "end of a cut stream")
        # What follows a whole request in the same piece is refused together with it.
        if status is None:
            same(found, requests, "requests of a cut stream")
    for request in requests:
        answered = HTTPExchange()
        answered.feed(data)
        answered.answer(AdminResponse.end(), close=bool(request.body))


def check_admin(data: bytes) -> None:
    """A message that is whole already: target and header fields as lines, the body after an empty one."""
    head, _, body = data.partition(b"\n\n")
    target, *lines = head.decode("latin-1").split("\n")
    fields = [(name, value) for name, _, value in (line.partition(":") for line in lines)]
    request = declared(lambda octets: interpret("POST", target, fields, octets), body)
    if request is not None:
        same(request.body, body, "body")
    for line in (target, *(value for _, value in fields)):
        declared(lambda octets: parse_admin_from(octets.decode("latin-1")), line.encode("latin-1"))
        declared(lambda octets: parse_aid_uri(octets.decode("latin-1")), line.encode("latin-1"))


_HTTP_WORDS = (
    b"POST ",
    b" HTTP/1.1\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"Host: a\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n",
    b"X-Admin-From: //se-id/eid/89001012012341234012345678901224\r\n",
    b";//aa-id/aid/A000000559/1010FFFFFFFF8900000100",
    b"X-Admin-Resume: true\r\n",
    b"X-Admin-Script-Status: ok\r\n",
    b"Content-Type: application/vnd.globalplatform.card-content-mgt-response;version=1.0\r\n",
    b"0\r\n\r\n",
    b"3\r\nabc\r\n",
    b"?msg=",
    b";",
)
_ADMIN_WORDS = (
    b"\n\n",
    b"\n",
    b"X-Admin-Protocol:globalplatform-remote-admin/1.0",
    b"X-Admin-From:",
    b"//se-id/eid/",
    b";//aaid/aid/",
    b"//aid/A000000559/1010FFFFFFFF8900000100",
    b"X-Admin-Resume:true",
    b"X-Admin-Script-Status:security-error",
    b"?msg=E10A",
    b"&",
    b"/",
)

HARNESSES = (
    Harness(
        "psk_identity",
        check_identity,
        (*words("800102 8110 4F10 820101 830140"), b"800102", b"8110", b"4F10", b"820101", b"830140"),
        300,
    ),
    Harness(
        "tls_flight",
        check_flight,
        words("160303 01 10 0303 00A800AE 0100 0001000101 00230000 150303 0002 16"),
        600,
    ),
    Harness("http_exchange", check_http, _HTTP_WORDS),
    Harness("admin_request", check_admin, _ADMIN_WORDS, 600),
)
