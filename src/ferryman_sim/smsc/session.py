"""SMPP 3.4 clause 2: the state of one ESME session, without sockets: what arrives, what is answered at once.

`receive` takes bytes and gives events for the centre; answers that need no centre are in `take_output`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.pdu import FrameError, Framer, Pdu, PduError

HIGHEST_SEQUENCE = 0x7FFFFFFF


class State(enum.Enum):
    """Session states (SMPP 3.4 2.2)."""

    OPEN = "open"
    TRANSMITTER = "bound_tx"
    RECEIVER = "bound_rx"
    TRANSCEIVER = "bound_trx"
    CLOSED = "closed"


BINDS = {
    "bind_transmitter": State.TRANSMITTER,
    "bind_receiver": State.RECEIVER,
    "bind_transceiver": State.TRANSCEIVER,
}
_SUBMITTING = (State.TRANSMITTER, State.TRANSCEIVER)
_RECEIVING = (State.RECEIVER, State.TRANSCEIVER)
_BOUND = (State.TRANSMITTER, State.RECEIVER, State.TRANSCEIVER)
_ALLOWED = {
    "submit_sm": _SUBMITTING,
    "data_sm": _SUBMITTING,
    "query_sm": _SUBMITTING,
    "cancel_sm": _SUBMITTING,
    "replace_sm": _SUBMITTING,
    "unbind": _BOUND,
}
_UNSUPPORTED = ("replace_sm", "deliver_sm", "outbind", "alert_notification")


@dataclass(frozen=True, slots=True)
class BindRequest:
    """An ESME asks to be bound; answer with `accept_bind` or `refuse_bind`."""

    pdu: Pdu


@dataclass(frozen=True, slots=True)
class Request:
    """submit_sm, data_sm, query_sm or cancel_sm of a bound ESME; answer with `send`."""

    pdu: Pdu


@dataclass(frozen=True, slots=True)
class Answer:
    """The ESME's response to a request of ours."""

    pdu: Pdu


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over; send what is in the output, then close the connection."""

    reason: str


type Event = BindRequest | Request | Answer | Closed


class Session:
    """One session's protocol state."""

    def __init__(self) -> None:
        self.state = State.OPEN
        self._framer = Framer()
        self._output = b""
        self._sequence = 0

    @property
    def receives(self) -> bool:
        """Whether deliver_sm may be sent."""
        return self.state in _RECEIVING

    def take_output(self) -> bytes:
        """Bytes to send, once."""
        output, self._output = self._output, b""
        return output

    def send(self, pdu: Pdu) -> None:
        """Queue a PDU."""
        self._output += smpp.encode(pdu)

    def request(self, command: str, fields: smpp.Fields, tlvs: tuple[tuple[int, bytes], ...] = ()) -> int:
        """Queue a request of ours; returns its sequence number."""
        self._sequence = self._sequence % HIGHEST_SEQUENCE + 1
        self.send(Pdu(command, sequence=self._sequence, fields=fields, tlvs=tlvs))
        return self._sequence

    def accept_bind(self, bind: Pdu, system_id: str) -> None:
        """Bind as asked."""
        self.state = BINDS[bind.command]
        tlvs = ((smpp.TLV_SC_INTERFACE_VERSION, b"\x34"),)
        self.send(Pdu(f"{bind.command}_resp", smpp.OK, bind.sequence, {"system_id": system_id}, tlvs))

    def refuse_bind(self, bind: Pdu, status: int) -> None:
        """Stay unbound."""
        self.send(bind.reply(status))

    def receive(self, data: bytes) -> list[Event]:
        """Events of the bytes that arrived; nothing after `Closed`."""
        events: list[Event] = []
        try:
            frames = self._framer.feed(data)
        except FrameError as error:
            self.state = State.CLOSED
            return [Closed(str(error))]
        for frame in frames:
            event = self._frame(frame)
            if event is not None:
                events.append(event)
            if self.state is State.CLOSED:
                break
        return events

    def _frame(self, frame: bytes) -> Event | None:
        try:
            return self._pdu(smpp.decode(frame))
        except PduError as error:
            self._refuse(error)
            return None

    def _refuse(self, error: PduError) -> None:
        """A broken request is answered with its status, a broken response with nothing (SMPP 3.4 4.3)."""
        if error.status == smpp.INVALID_COMMAND_ID:
            self.send(Pdu("generic_nack", error.status, error.sequence))
        elif not error.command_id & smpp.RESPONSE:
            name = next((n for n, (i, _) in smpp.BODIES.items() if i == error.command_id | smpp.RESPONSE), None)
            self.send(Pdu(name or "generic_nack", error.status, error.sequence, body_omitted=True))

    def _pdu(self, pdu: Pdu) -> Event | None:
        if pdu.command.endswith("_resp") or pdu.command == "generic_nack":
            return Answer(pdu)
        if pdu.command == "enquire_link":
            self.send(pdu.reply())
            return None
        if pdu.command in BINDS:
            if self.state is State.OPEN:
                return BindRequest(pdu)
            self.send(pdu.reply(smpp.ALREADY_BOUND))
            return None
        if pdu.command in _UNSUPPORTED:
            self.send(Pdu("generic_nack", smpp.INVALID_COMMAND_ID, pdu.sequence))
            return None
        if self.state not in _ALLOWED[pdu.command]:
            self.send(pdu.reply(smpp.INVALID_BIND_STATUS))
            return None
        if pdu.command == "unbind":
            self.send(pdu.reply())
            self.state = State.CLOSED
            return Closed("unbind")
        return Request(pdu)
