"""SMPP: one PDU (SMPP v3.4 clause 4), and a stream into the ESME's session (clauses 2.2 and 2.7)."""

from __future__ import annotations

from collections.abc import Iterable

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.errors import FramingError
from ferryman.codec.smpp.events import Event
from ferryman.codec.smpp.framer import Framer
from ferryman.codec.smpp.pdu import MAX_PDU, MIN_PDU, decode, encode
from ferryman.codec.smpp.receipt import message_id_forms, parse_receipt
from ferryman.codec.smpp.session import ESMESession, SessionLimits, State
from ferryman.codec.smpp.user_data import as_deliver, user_data
from ferryman.errors import InputError, PeerError
from fuzz.engine import Harness
from fuzz.promises import cuts, declared, same

_COMMANDS = tuple(number.to_bytes(4) for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 0xB, 0x15, 0x21, 0x102, 0x103))
WORDS = (
    *_COMMANDS,
    *(bytes((0x80,)) + command[1:] for command in (*_COMMANDS, bytes(4))),
    *(bytes.fromhex(tag) for tag in ("0424", "0427", "001E", "0423", "020C", "020E", "020F", "0210", "1400")),
    b"id:17 sub:001 dlvrd:001 submit date:2611220900 done date:2611220901 stat:DELIVRD err:000 text:",
    b" stat:UNDELIV ",
    b"\0",
    b"\x04",
    b"\x40",
)


def check_pdu(data: bytes) -> None:
    """As it is, and with command_length made right, which most changes to a PDU break."""
    _one_pdu(data)
    if MIN_PDU <= len(data) <= MAX_PDU:
        _one_pdu(len(data).to_bytes(4) + data[4:])


def _one_pdu(data: bytes) -> None:
    pdu = declared(decode, data)
    if pdu is None:
        return
    try:
        octets = encode(pdu)
    except InputError:
        # Long texts are read in responses and never built; see ferryman.codec.smpp.layout.
        if data[4] & 0x80:
            return
        raise
    same(octets, data, "encoded again")
    if isinstance(pdu, m.DataSM):
        pdu = as_deliver(pdu)
    if isinstance(pdu, m.DeliverSM):
        receipt = parse_receipt(pdu)
        for form in message_id_forms(receipt.message_id or ""):
            same(type(form), str, "a form of an id")
        try:
            user_data(pdu)
        except PeerError:
            return


def _run(pieces: Iterable[bytes], bound: bool) -> tuple[list[Event], bytes, State]:
    session = ESMESession(SessionLimits(window=4), 0.0)
    session.bind(m.BindTransceiver(system_id="smsr", password="pw"), 0.0)
    if bound:
        session.receive(encode(m.BindTransceiverResp(sequence=1)), 0.0)
        for _ in range(3):
            session.request(m.SubmitSM(), 0.0)
    session.data_to_send()
    events: list[Event] = []
    for piece in pieces:
        events += session.receive(piece, 0.0)
    return events, session.data_to_send(), session.state


def _framed(pieces: Iterable[bytes]) -> tuple[list[bytes], bool, int]:
    framer = Framer()
    found: list[bytes] = []
    for piece in pieces:
        try:
            found.extend(framer.feed(piece))
        except FramingError:
            return found, True, framer.held
        if framer.held > MAX_PDU:
            raise AssertionError(f"{framer.held} octets held")
    return found, False, framer.held


def check_stream(data: bytes) -> None:
    """Before and after the bind: the same events, answers and state however the stream is cut."""
    whole, *others = (list(pieces) for pieces in cuts(data))
    for bound in (False, True):
        result = _run(whole, bound)
        for pieces in others:
            same(_run(pieces, bound), result, f"a stream in {len(pieces)} pieces")
    # `held` differs once the stream is lost: what is left over depends on where it was cut.
    found, lost, held = _framed(whole)
    for pieces in others:
        same(_framed(pieces), (found, lost, held), "PDUs of a cut stream")


HARNESSES = (
    Harness("smpp_pdu", check_pdu, WORDS),
    Harness("smpp_stream", check_stream, WORDS, 512),
)
