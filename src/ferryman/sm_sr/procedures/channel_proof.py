"""What the card says to a packet that was sent by SMS: proofs of receipt, answers, notifications (TS 102 225 5.2).

Only what the CryptoServer has checked counts. A refusal is asked about: whoever decides may send another packet,
go another way, wait, or end it.
"""

from __future__ import annotations

from ferryman.codec import ota_script, tlv
from ferryman.codec.ota_packet import peek_response
from ferryman.contracts import crypto, es5
from ferryman.errors import PeerError
from ferryman.sm_sr.procedures import channel_sms
from ferryman.sm_sr.procedures.channel_state import Channel, Effects, Flight, Pending
from ferryman.sm_sr.procedures.delivery import R_APDU, Command, OutcomeKind
from ferryman.sm_sr.procedures.structs import replace
from ferryman.workflow.question import Moment

OPEN = "open"
NOTIFICATION = "notification"

KIND_COMMAND = 0x70  # user data header element: a command packet, from a card its notification
KIND_RESPONSE = 0x71

POR_OK = 0x00
POR_COUNTER_LOW = 0x02
POR_MORE_TIME = 0x08
POR_FOLLOWS = (0x0B, 0x0C)
POR_BEFORE_COUNTER = (0x01, 0x05, 0x09, 0x0A)  # of checks that come before the counter (SGP.02 2.4.3)

MAX_REFUSALS = 10  # by the card, until a script is no longer asked: each costs a short message and a counter


def received(state: Channel, body: es5.SMSReceived, effects: Effects) -> Channel:
    """A packet from the card: its check is the CryptoServer's."""
    eid = effects.context.eid
    if body.kind == KIND_COMMAND:
        effects.ask(NOTIFICATION, crypto.SCP80OpenCommand(eid=eid, packet=body.packet))
        return state
    if state.flight is None or effects.euicc is None or _answers_another(body.packet, state.flight.tar):
        return state  # an answer that nobody waits for (a repeat by the SMSC)
    effects.ask(
        OPEN,
        crypto.SCP80OpenResponse(
            eid=eid,
            # The EIS may have gone on to other keys since the packet was sent.
            key_version=state.flight.key_version or effects.euicc.scp80_version,
            spi=bytes.fromhex(effects.effective.spi),
            tar=state.flight.tar,
            packet=body.packet,
        ),
    )
    return state


def _answers_another(packet: bytes, tar: bytes) -> bool:
    """Whether a response names another target than the packet in flight; a bad one the CryptoServer refuses."""
    try:
        return peek_response(packet).tar != tar
    except PeerError:
        return False


def opened(state: Channel, response: crypto.SCP80Response, effects: Effects) -> tuple[Channel, Pending | None]:
    """A proof of receipt whose check was right; when it says no, what it is to be asked about."""
    flight = state.flight
    if flight is None or response.counter != flight.counter:
        return state, None
    status = response.status
    if status in POR_FOLLOWS or status == POR_MORE_TIME:
        effects.timer(channel_sms.TIMER, channel_sms.patience(flight, effects))
        return state, None
    if flight.command is None or status in (POR_OK, POR_COUNTER_LOW):
        return _proved(state, flight, flight.command, response, effects), None
    # An earlier copy may have been executed before the card came to refuse this one, unless every copy is refused.
    certain = flight.attempt == 1 or status in POR_BEFORE_COUNTER
    detail = f"proof of receipt {status:02X}"
    if not _may_be_asked(state, flight.command):
        kind = OutcomeKind.REJECTED if certain else OutcomeKind.UNKNOWN
        return channel_sms.end(state, effects, kind, detail=detail), None
    pending = Pending(command=flight.command, moment=Moment.POR, detail=detail)
    if certain:  # another packet, with a counter of its own, may go any way
        return channel_sms.land(state, effects), replace(pending, refused=True)
    # It came to the card, whatever the SMSC said of it.
    state = replace(state, flight=replace(flight, doubt=max(1, flight.doubt)))
    return state, replace(pending, doubt=True, aloft=True)


def _may_be_asked(state: Channel, command: Command) -> bool:
    """What belongs to a card session, or to a chain of scripts, ends with it; and no card is asked for ever."""
    if command.confirms is not None or state.bound is not None:
        return False
    if command.chain or command.target_aid in state.chains:
        return False
    return sum(one.moment == Moment.POR for one in command.history) < MAX_REFUSALS


def _proved(
    state: Channel, flight: Flight, command: Command | None, response: crypto.SCP80Response, effects: Effects
) -> Channel:
    """The card has executed the packet, or another one with its counter."""
    status = response.status
    if command is None:
        # Refused for its counter: the next trigger, when no session comes, gets past the card's.
        return channel_sms.land(channel_sms.jump(state) if status == POR_COUNTER_LOW else state, effects)
    if status == POR_OK:
        if not response.data:
            # Taken and executed; what came of it is not in it, as in a POST without body.
            detail = "a proof of receipt without an answer"
            return channel_sms.end(state, effects, OutcomeKind.UNKNOWN, detail=detail)
        script = _expanded(response.data) if flight.compact else response.data
        return channel_sms.end(state, effects, OutcomeKind.ANSWERED, script=script)
    if status == POR_COUNTER_LOW and flight.attempt > 1:
        return channel_sms.end(
            channel_sms.jump(state), effects, OutcomeKind.UNKNOWN, detail="executed, its answer was lost"
        )
    # First attempt: the SMSC repeated it and the answer is on its way, or our counter is behind the card's.
    return replace(state, flight=replace(flight, counter_low=True))


def _expanded(data: bytes) -> bytes:
    """A compact answer in the words of an expanded one: to one command, the last answer is the answer.

    A card that takes no compact scripts after all answers with an expanded one, which says so.
    """
    try:
        answer = ota_script.parse_compact_response(data)
    except PeerError:
        return data  # nobody can read it; its owner asks the card
    if answer.executed > 1:
        return data
    told = tlv.encode(R_APDU, answer.data + answer.sw.to_bytes(2))
    return tlv.encode(0xAB, tlv.encode(0x80, bytes((answer.executed,))) + told)
