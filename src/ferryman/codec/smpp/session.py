"""The ESME's side of an SMPP session, SMPP v3.4 clauses 2.2 (states), 2.7 (requests) and 2.9 (timers).

Knows no socket and no clock: octets and the time go in, events and octets come out. `now` is in seconds of
any clock that never goes back. Kept true at all times:

* every request that was sent ends in exactly one `Responded` or `Unanswered`;
* at most `window` requests are without an answer (enquire_link, bind and unbind are not counted);
* silence never means failure: a request without an answer is unanswered, no more.

After `Ended` nothing is reported any more; an unbound session still answers enquire_link.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.commands import RESPONSE_BIT, CommandID
from ferryman.codec.smpp.errors import FramingError, SMPPError
from ferryman.codec.smpp.events import (
    Alerted,
    BindRefused,
    Bound,
    Ended,
    Event,
    Malformed,
    Received,
    Responded,
    Unanswered,
)
from ferryman.codec.smpp.framer import Framer
from ferryman.codec.smpp.pdu import HEADER, MIN_PDU, decode, decode_message_id, encode, encode_answer
from ferryman.codec.smpp.status import CommandStatus
from ferryman.codec.smpp.tlv import Tag, find_tlv
from ferryman.errors import Unavailable

MAX_SEQUENCE: Final = 0x7FFFFFFF  # clause 5.1.4
MAX_CONGESTION: Final = 100  # of congestion_state, SMPP v5.0 clause 4.8.4.18: fully congested
MISSES_ALLOWED: Final = 2  # enquire_links without any sign of life before the link counts as dead

Request = m.SubmitSM | m.DataSM | m.SubmitMulti | m.QuerySM | m.CancelSM | m.ReplaceSM
Bind = m.BindTransceiver | m.BindTransmitter | m.BindReceiver


class State(Enum):
    """Clause 2.2, and CLOSED for a session whose connection is gone or must go."""

    OPEN = "open"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBOUND = "unbound"
    CLOSED = "closed"


_BOUND_BY: Final = {
    CommandID.BIND_TRANSMITTER: State.BOUND_TX,
    CommandID.BIND_RECEIVER: State.BOUND_RX,
    CommandID.BIND_TRANSCEIVER: State.BOUND_TRX,
}
_NAMES_A_MESSAGE: Final = frozenset({CommandID.SUBMIT_SM_RESP, CommandID.DATA_SM_RESP})
_CAN_SEND: Final = frozenset({State.BOUND_TX, State.BOUND_TRX})
_FROM_SMSC: Final[dict[State, frozenset[int]]] = {
    State.OPEN: frozenset({CommandID.OUTBIND, CommandID.ENQUIRE_LINK}),
    State.BOUND_TX: frozenset({CommandID.ENQUIRE_LINK, CommandID.UNBIND, CommandID.ALERT_NOTIFICATION}),
    State.BOUND_RX: frozenset(
        {CommandID.ENQUIRE_LINK, CommandID.UNBIND, CommandID.ALERT_NOTIFICATION}
        | {CommandID.DELIVER_SM, CommandID.DATA_SM}
    ),
    State.BOUND_TRX: frozenset(
        {CommandID.ENQUIRE_LINK, CommandID.UNBIND, CommandID.ALERT_NOTIFICATION}
        | {CommandID.DELIVER_SM, CommandID.DATA_SM}
    ),
    State.UNBOUND: frozenset({CommandID.ENQUIRE_LINK}),
    State.CLOSED: frozenset(),
}
"""The requests that the SMSC may make of us in each state; others get status 4."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """`window` requests without answer; times in seconds."""

    window: int = 10
    enquire_interval: float = 30.0
    response_timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class _Control:
    """A bind, unbind or enquire_link of ours that waits for its answer."""

    sequence: int
    command: CommandID
    deadline: float


class ESMESession:
    """One connection's protocol state, from the moment it is open. See the module's text."""

    def __init__(self, limits: SessionLimits, now: float) -> None:
        self.state = State.OPEN
        self._limits = limits
        self._framer = Framer()
        self._output: list[bytes] = []
        self._sequence = 0
        # sequence -> (command_id of the response, deadline); deadlines rise in the order of insertion.
        self._pending: dict[int, tuple[int, float]] = {}
        self._control: _Control | None = None
        self._enquiry: _Control | None = None
        self._misses = 0
        self._ended = False
        self._last_sign_of_life = now

    # --- what we ask for ---

    @property
    def free(self) -> int:
        """How many more requests the window takes now; 0 when the session cannot send any."""
        if self.state not in _CAN_SEND or self._control is not None:
            return 0
        return self._limits.window - len(self._pending)

    @property
    def outstanding(self) -> int:
        """Requests without an answer."""
        return len(self._pending)

    def bind(self, pdu: Bind, now: float) -> None:
        """Ask to be bound; `Bound`, `BindRefused` or `Ended` will tell. Only once, in state OPEN."""
        if self.state is not State.OPEN or self._control is not None:
            raise Unavailable("SMPP bind (already asked for)")
        self._control = self._send_control(pdu, now)

    def request(self, pdu: Request, now: float) -> int:
        """Send a request; gives the sequence number that its `Responded` or `Unanswered` will carry.

        Raises Unavailable when not bound for sending or the window is full, InputError when a field does
        not fit; nothing was sent then.
        """
        if self.free <= 0:
            raise Unavailable("SMPP window" if self.state in _CAN_SEND else "SMPP bind")
        sequence = self._next_sequence()
        self._output.append(encode(pdu, sequence))
        self._pending[sequence] = (pdu.COMMAND | RESPONSE_BIT, now + self._limits.response_timeout)
        return sequence

    def answer(self, pdu: m.DeliverSM | m.DataSM, status: int) -> None:
        """Answer a `Received` message. Does nothing when the connection has gone since."""
        if self.state is not State.CLOSED:
            self._output.append(encode_answer(pdu.COMMAND, status, pdu.sequence))

    def unbind(self, now: float) -> None:
        """Ask to leave; `Ended` follows. Requests still outstanding then are `Unanswered`."""
        if self.state in (State.UNBOUND, State.CLOSED):
            return
        if self.state is not State.OPEN and self._control is None:
            self._control = self._send_control(m.Unbind(), now)

    def data_to_send(self) -> bytes:
        """The octets to write now, in order; they are handed out once."""
        if not self._output:
            return b""
        octets = b"".join(self._output)
        self._output.clear()
        return octets

    # --- what happens to us ---

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take octets from the connection. Never raises on what a peer sends."""
        events: list[Event] = []
        try:
            for octets in self._framer.feed(data):
                self._last_sign_of_life = now
                self._enquiry = None
                self._misses = 0
                self._receive_pdu(octets, events)
        except FramingError as error:
            events.extend(self._end(str(error)))
        return events

    def timer(self, now: float) -> list[Event]:
        """Let time pass: call at (or after) `next_deadline`."""
        if self._ended:
            return []
        if self._control is not None and self._control.deadline <= now:
            return self._end(f"{self._control.command.name.lower()} was not answered")
        events: list[Event] = []
        while self._pending:
            sequence, (_, deadline) = next(iter(self._pending.items()))
            if deadline > now:
                break
            del self._pending[sequence]
            events.append(Unanswered(sequence, "no response in time"))
        self._watch_link(now, events)
        return events

    def next_deadline(self) -> float | None:
        """When `timer` has something to do next, if nothing else happens before."""
        if self._ended:
            return None
        deadlines = []
        if self.state is not State.OPEN:
            deadlines.append(self._idle_deadline())
        if self._control is not None:
            deadlines.append(self._control.deadline)
        if self._pending:
            deadlines.append(next(iter(self._pending.values()))[1])
        return min(deadlines, default=None)

    def connection_lost(self, reason: str) -> list[Event]:
        """The connection is gone: everything outstanding is `Unanswered`, then `Ended` unless it was."""
        return self._end(reason)

    # --- inside ---

    def _receive_pdu(self, octets: bytes, events: list[Event]) -> None:
        if self.state is State.CLOSED:
            return  # what came in the same read after the session's end
        _, command, status, sequence = HEADER.unpack_from(octets)
        if command & RESPONSE_BIT:
            self._receive_response(octets, command, status, sequence, events)
        elif command == CommandID.ENQUIRE_LINK and len(octets) == MIN_PDU:
            self._output.append(encode_answer(command, CommandStatus.OK, sequence))
        else:
            self._receive_request(octets, command, sequence, events)

    def _receive_request(self, octets: bytes, command: int, sequence: int, events: list[Event]) -> None:
        try:
            pdu = decode(octets)
        except SMPPError as error:
            self._refuse(Malformed(command, sequence, str(error)), error.status, events)
            return
        if command not in _FROM_SMSC[self.state]:
            reason = f"not a request for an ESME that is {self.state.value}"
            self._refuse(Malformed(command, sequence, reason), CommandStatus.INVALID_BIND_STATE, events)
        elif isinstance(pdu, m.DeliverSM | m.DataSM):
            events.append(Received(pdu))
        elif isinstance(pdu, m.AlertNotification):
            events.append(Alerted(pdu))
        elif isinstance(pdu, m.Unbind):
            self._output.append(encode_answer(command, CommandStatus.OK, sequence))
            events.extend(self._end("unbound by the SMSC", State.UNBOUND))
        elif isinstance(pdu, m.EnquireLink):
            self._output.append(encode_answer(command, CommandStatus.OK, sequence))
        # An outbind asks for the bind that we make anyway.

    def _refuse(self, refused: Malformed, status: int, events: list[Event]) -> None:
        self._output.append(encode_answer(refused.command, status, refused.sequence))
        if not self._ended:  # an unbound session still answers, but it has nothing to tell
            events.append(refused)

    def _receive_response(
        self, octets: bytes, command: int, status: int, sequence: int, events: list[Event]
    ) -> None:
        waiting = self._pending.get(sequence)
        nack = command == CommandID.GENERIC_NACK
        if waiting is not None and (nack or waiting[0] == command):
            del self._pending[sequence]
            events.append(self._responded(octets, status, sequence, nack, events))
            return
        control = self._control
        if control is not None and control.sequence == sequence:
            if not nack and control.command | RESPONSE_BIT != command:
                return
            self._finish_control(control, octets, status, nack, events)
        # Anything else answers nothing that we wait for (or no more): clause 2.7 gives it no meaning.

    def _responded(
        self, octets: bytes, status: int, sequence: int, nack: bool, events: list[Event]
    ) -> Responded | Unanswered:
        if nack:
            # A nack says that the request was not understood; without a status it says nothing at all.
            return Responded(sequence, status) if status else Unanswered(sequence, "nack without status")
        command = HEADER.unpack_from(octets)[1]
        try:
            if command in _NAMES_A_MESSAGE:
                message_id = decode_message_id(octets)
                # Parameters are rare here: without them the PDU ends with the NUL of its only text.
                more = len(octets) > MIN_PDU + len(message_id) + 1
                return Responded(sequence, status, message_id, congestion=_congestion(octets) if more else None)
            return Responded(sequence, status, response=decode(octets))
        except SMPPError as error:
            events.append(Malformed(command, sequence, str(error)))
            # A refusal is told by the header alone; a success is not believed without its message_id.
            return Responded(sequence, status) if status else Unanswered(sequence, "unreadable response")

    def _finish_control(
        self, control: _Control, octets: bytes, status: int, nack: bool, events: list[Event]
    ) -> None:
        self._control = None
        if control.command is CommandID.UNBIND:
            events.extend(self._end("unbound", State.UNBOUND))
            return
        if nack or status:
            events.append(BindRefused(status or CommandStatus.BIND_FAILED))
            events.extend(self._end("bind refused"))
            return
        try:
            response = decode(octets)
        except SMPPError as error:
            events.append(Malformed(control.command | RESPONSE_BIT, control.sequence, str(error)))
            events.extend(self._end("unreadable answer to the bind"))
            return
        version = find_tlv(response.tlvs, Tag.SC_INTERFACE_VERSION)
        self.state = _BOUND_BY[control.command]
        events.append(Bound(getattr(response, "system_id", ""), version[0] if version else None))

    def _watch_link(self, now: float, events: list[Event]) -> None:
        if self.state is State.OPEN or self._idle_deadline() > now:
            return
        if self._enquiry is not None:
            self._misses += 1
            if self._misses >= MISSES_ALLOWED:
                events.extend(self._end("no sign of life from the SMSC"))
                return
        self._enquiry = self._send_control(m.EnquireLink(), now)

    def _idle_deadline(self) -> float:
        if self._enquiry is not None:
            return self._enquiry.deadline
        return self._last_sign_of_life + self._limits.enquire_interval

    def _send_control(self, pdu: m.PDU, now: float) -> _Control:
        sequence = self._next_sequence()
        self._output.append(encode(pdu, sequence))
        return _Control(sequence, pdu.COMMAND, now + self._limits.response_timeout)

    def _next_sequence(self) -> int:
        while True:
            self._sequence = self._sequence % MAX_SEQUENCE + 1
            if self._sequence not in self._pending:
                return self._sequence

    def _end(self, reason: str, state: State = State.CLOSED) -> list[Event]:
        if self._ended:
            self.state = State.CLOSED
            return []
        self._ended = True
        events: list[Event] = [Unanswered(sequence, reason) for sequence in self._pending]
        self._pending.clear()
        self._control = self._enquiry = None
        self.state = state
        events.append(Ended(reason))
        return events


def _congestion(octets: bytes) -> int | None:
    """congestion_state of an answer that was found to be readable; a value that cannot be counts as unsaid."""
    value = find_tlv(decode(octets).tlvs, Tag.CONGESTION_STATE)
    return value[0] if value is not None and len(value) == 1 and value[0] <= MAX_CONGESTION else None
