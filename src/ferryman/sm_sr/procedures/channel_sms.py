"""The SMS half of a card's channel: SCP80 packets, proofs of receipt, repeats (TS 102 225, TS 31.115).

One packet is in flight at a time. A packet without answer is sent again byte for byte: a card that has run it
answers 02 (counter low), which proves execution without telling the result.
"""

from __future__ import annotations

from ferryman.codec import admin_trigger, ids, ota_script, tlv
from ferryman.contracts import es5
from ferryman.contracts.crypto import SCP80Wrap
from ferryman.errors import PeerError
from ferryman.sm_sr import targets
from ferryman.sm_sr.procedures import channel_notification
from ferryman.sm_sr.procedures.channel_state import WAIT, Channel, Effects, Flight, Pending
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, entry_delivered
from ferryman.sm_sr.procedures.structs import replace
from ferryman.sm_sr.records import EUICC
from ferryman.workflow.plan import Packaging, Trigger
from ferryman.workflow.question import Moment

TIMER = "sms"
WRAP = "wrap"

C_APDU = 0x22

SMS_PACKET = 122  # octets of one short message's packet at this security level (SGP.02 2.4.3, TS 31.115)
COUNTER_JUMP = 0x1000  # far more than the packets a lost day could have used, far less than 2^40 allows
MAX_COUNTER = 0xFF_FFFF_FFFE  # the highest value blocks the key set for ever (status 04)
RETRY_SPACING = 1.5  # each repeat waits this much longer: a congested SMSC gets fewer, not more

CHAIN_FIRST, CHAIN_MORE, CHAIN_LAST = 0x01, 0x02, 0x03


def pump(state: Channel, effects: Effects) -> Channel:
    """Put the next packet in flight when none is; a command goes before a trigger, which is repeated anyway."""
    while state.flight is None and state.sms_queue:
        command, rest = state.sms_queue[0], state.sms_queue[1:]
        state = _prepare(replace(state, sms_queue=rest), command, effects)
    if state.flight is None and state.trigger_wanted:
        state = _prepare(replace(state, trigger_wanted=False), None, effects)
    return state


def make_way(state: Channel, command: Command, effects: Effects) -> Channel:
    """The card is under another number now: what is in flight to the former one will not be answered in time.

    A card waits for the confirmation of its new Profile for minutes only, as long as a packet is repeated.
    """
    flight = state.flight
    if flight is None or not command.destination or command.destination == flight.destination:
        return state
    if flight.command is None:
        return replace(land(state, effects), trigger_wanted=True)
    return _give_up(state, flight, effects, "the card is under another number")


def _destination(state: Channel, command: Command | None, card: EUICC | None) -> str:
    """A trigger goes where the command goes that it is for."""
    waiting = (command,) if command is not None else (state.inflight, *state.https_queue)
    named = next((c.destination for c in waiting if c is not None and c.destination), "")
    if named or card is None or card.enabled is None:
        return named
    return card.enabled.msisdn


def _prepare(state: Channel, command: Command | None, effects: Effects) -> Channel:
    card = effects.euicc
    destination = _destination(state, command, card)
    if card is None or not destination:
        if command is not None:
            detail = "no subscription address to send to"
            outcome = Outcome(command_id=command.id, kind=OutcomeKind.UNREACHABLE, detail=detail)
            effects.outcome(command.owner, outcome)
        return state
    counter = max(state.counter, card.scp80_counter) + 1
    if counter > MAX_COUNTER:
        effects.audit("SCP80", "alarm", "the counter of the key set is used up; renew the keys")
        if command is not None:
            outcome = Outcome(command_id=command.id, kind=OutcomeKind.UNREACHABLE, detail="SCP80 counter used up")
            effects.outcome(command.owner, outcome)
        return state
    if command is None:
        data, compact = _trigger(state, effects), False
    else:
        state, chaining = _chain(state, command)
        compact = chaining is None and _is_compact(command)
        data = _script(command, chaining, compact=compact)
    tar = targets.tar_of(card, command.target_aid if command is not None else ids.ISDR_AID, effects.effective)
    version = (command.key_version if command is not None else 0) or card.scp80_version
    effects.ask(
        WRAP,
        SCP80Wrap(
            eid=card.eid,
            key_version=version,
            spi=bytes.fromhex(effects.effective.spi),
            tar=tar,
            counter=counter,
            data=data,
        ),
    )
    plan = command.plan if command is not None else None
    limit = plan.attempts if plan is not None else 0
    flight = Flight(
        command=command,
        counter=counter,
        destination=destination,
        tar=tar,
        limit=limit,
        compact=compact,
        key_version=version,
    )
    return replace(state, counter=counter, flight=flight)


def value_of(item: bytes) -> bytes:
    """The C-APDU of a command TLV; PeerError when it is none."""
    return tlv.parse_one(item, C_APDU).value


def _is_compact(command: Command) -> bool:
    """Whether the plan says compact and the script can be: one C-APDU, whose answer is told whole (TS 102 226
    5.1)."""
    if command.plan is None or command.plan.packaging is not Packaging.COMPACT or len(command.tlvs) != 1:
        return False
    return command.tlvs[0][0] == C_APDU


def _script(command: Command, chaining: int | None, *, compact: bool) -> bytes:
    if compact:
        return ota_script.encode_compact([value_of(command.tlvs[0])])
    indefinite = command.plan is not None and command.plan.packaging is Packaging.INDEFINITE
    return ota_script.build_command_script(command.tlvs, indefinite=indefinite, chaining=chaining)


def _trigger(state: Channel, effects: Effects) -> bytes:
    settings = effects.settings
    plans = (c.plan for c in (state.inflight, *state.https_queue) if c is not None and c.plan is not None)
    wanted = next((plan.trigger for plan in plans if plan.trigger is not None), None) or Trigger()
    host = wanted.host or settings.trigger_host
    if not host and wanted == Trigger():
        return admin_trigger.build_trigger()  # 81 00: the card's stored parameters
    return admin_trigger.build_trigger(
        host=host or None,
        uri=wanted.uri or settings.trigger_uri or None,
        port=wanted.port or settings.trigger_port or None,
        ipv4=wanted.address or settings.trigger_address or None,
        apn=wanted.apn or None,
        retry_count=wanted.retry_count,
        retry_delay=wanted.retry_delay,
    )


def _chain(state: Channel, command: Command) -> tuple[Channel, int | None]:
    """Script chaining value of this script (TS 102 226 5.4.1.2); the state has the chain opened or closed."""
    aid = command.target_aid
    if aid not in state.chains:
        if not command.chain:
            return state, None
        return replace(state, chains=(*state.chains, aid)), CHAIN_FIRST
    if command.chain:
        return state, CHAIN_MORE
    return replace(state, chains=tuple(a for a in state.chains if a != aid)), CHAIN_LAST


def wrapped(state: Channel, packet: bytes, effects: Effects) -> Channel:
    """The CryptoServer secured the packet: send it."""
    if state.flight is None:
        return state
    return _send(state, replace(state.flight, packet=packet), effects)


def unwrappable(state: Channel, effects: Effects, detail: str) -> Channel:
    """The CryptoServer refused to secure the packet: it never left."""
    return end(state, effects, OutcomeKind.UNREACHABLE, detail=detail)


def _send(state: Channel, flight: Flight, effects: Effects) -> Channel:
    attempt = flight.attempt + 1
    sms_id = f"{effects.context.eid}/{flight.counter}/{attempt}"
    plan = flight.command.plan if flight.command is not None else None
    spacing = plan.spacing if plan is not None and plan.spacing else RETRY_SPACING
    wait = patience(flight, effects) * spacing ** (attempt - 1)
    effects.to_sms(
        es5.SubmitSMS(sms_id=sms_id, destination=flight.destination, packet=flight.packet, validity=wait)
    )
    effects.timer(TIMER, wait)
    return replace(state, flight=replace(flight, attempt=attempt, sms_id=sms_id, doubt=flight.doubt + 1))


def patience(flight: Flight, effects: Effects) -> float:
    parts = 1 + len(flight.packet) // SMS_PACKET
    plan = flight.command.plan if flight.command is not None else None
    timeout = (
        plan.answer_timeout if plan is not None and plan.answer_timeout else effects.effective.sms_answer_timeout
    )
    return timeout * (1 + 0.25 * (parts - 1))


def again(state: Channel, command: Command, effects: Effects) -> Channel:
    """The plan says to go on: the packet in flight once more, as often as the plan says now."""
    flight = state.flight
    if flight is None or flight.command is None or flight.command.id != command.id:
        return state
    more = (command.plan.attempts if command.plan is not None else 0) or effects.effective.sms_attempts
    return _send(state, replace(flight, command=command, limit=flight.attempt + more), effects)


def hold(state: Channel, effects: Effects) -> Channel:
    """The plan says to wait: the packet stays the one in flight, its answer may still come."""
    effects.no_timer(TIMER)
    return state


def give_up(state: Channel, effects: Effects, detail: str) -> Channel:
    """The plan says that it is enough."""
    flight = state.flight
    return _give_up(state, flight, effects, detail) if flight is not None else state


def leave(state: Channel, effects: Effects) -> Channel:
    """The command goes on another way; this packet will not be sent again."""
    return land(state, effects)


def silence(state: Channel, effects: Effects) -> tuple[Channel, Pending | None]:
    """No proof of receipt in time: the same packet again; after the last, what it is to be asked about."""
    flight = state.flight
    if flight is None:
        return state, None
    if flight.command is None and state.session:
        return land(state, effects), None  # the session that the trigger was for is there
    if flight.counter_low:
        # Repeating is of no use. Whether it ran, the card tells; the question gets past it with a higher counter.
        return end(jump(state), effects, OutcomeKind.UNKNOWN, detail="the card's counter is ahead"), None
    if flight.attempt < (flight.limit or effects.effective.sms_attempts):
        return _send(state, flight, effects), None
    if flight.command is None:
        return land(state, effects), None
    pending = Pending(
        command=flight.command,
        moment=Moment.SILENCE,
        doubt=flight.doubt > 0,
        aloft=True,
        detail="no proof of receipt",
    )
    return state, pending


def _give_up(state: Channel, flight: Flight, effects: Effects, detail: str) -> Channel:
    kind = OutcomeKind.UNKNOWN if flight.doubt else OutcomeKind.UNREACHABLE
    return end(state, effects, kind, detail=detail)


def rejected(state: Channel, body: es5.SMSRejected, effects: Effects) -> tuple[Channel, Pending | None]:
    """The SMSC refused the current attempt; when nothing of it left, it is asked how to go on."""
    flight = state.flight
    if flight is None or body.sms_id != flight.sms_id or not body.nothing_sent:
        return state, None  # the timer repeats the packet
    flight = replace(flight, doubt=flight.doubt - 1, sms_id="")
    state = replace(state, flight=flight)
    if flight.doubt or not body.permanent:
        return state, None
    if flight.command is None:
        return land(state, effects), None
    return state, Pending(command=flight.command, moment=Moment.REJECTED, aloft=True, detail=body.reason)


def receipt(state: Channel, body: es5.SMSReceipt, effects: Effects) -> tuple[Channel, Pending | None]:
    """The terminal took the packet, or the SMSC gave up: a hint for people and scripts; only the card's own answer
    counts."""
    flight = state.flight
    if flight is None or flight.command is None or body.sms_id != flight.sms_id:
        return state, None
    if body.delivered:
        for change in entry_delivered(flight.command):
            effects.apply(change)
    if flight.command.confirms is not None:
        return state, None
    # Also one that says "not delivered" proves nothing: copies of it may have come all the same.
    detail = f"receipt: {body.state}"
    return state, Pending(command=flight.command, moment=Moment.RECEIPT, doubt=True, aloft=True, detail=detail)


def go_on(state: Channel, command: Command, effects: Effects) -> Channel:
    """The plan says to go on with the packet in flight, with what the plan says now and no further copy yet."""
    flight, plan = state.flight, command.plan
    if flight is None or flight.command is None or flight.command.id != command.id or plan is None:
        return state
    limit = flight.attempt + plan.attempts if plan.attempts else flight.limit
    flight = replace(flight, command=command, limit=limit)
    if plan.answer_timeout:
        effects.timer(TIMER, patience(flight, effects))
    return replace(state, flight=flight)


def jump(state: Channel) -> Channel:
    """Move our counter ahead: gaps are allowed, a counter that is too low is not (TS 102 225 5.1.4)."""
    return replace(state, counter=state.counter + COUNTER_JUMP)


def settled(state: Channel, command_id: str, effects: Effects) -> Channel:
    """Nobody waits for the proof of receipt of the packet in flight: the card was reset after it."""
    flight = state.flight
    if flight is None or flight.command is None or flight.command.id != command_id:
        return state
    return land(state, effects)


def end(state: Channel, effects: Effects, kind: OutcomeKind, *, script: bytes = b"", detail: str = "") -> Channel:
    flight = state.flight
    if flight is not None and flight.command is not None:
        command = flight.command
        outcome = Outcome(command_id=command.id, kind=kind, script=script, detail=detail)
        effects.outcome(command.owner, outcome)
        state = channel_notification.note(state, command, outcome)
        if kind is not OutcomeKind.ANSWERED or _chain_lost(script):
            # The card drops a chain it cannot continue; the next script starts a new one.
            state = replace(state, chains=tuple(a for a in state.chains if a != command.target_aid))
    return land(state, effects)


def _chain_lost(script: bytes) -> bool:
    try:
        return ota_script.parse_response_script(script).chaining_error is not None
    except PeerError:
        return False  # nobody knows what the card did; its owner asks


def land(state: Channel, effects: Effects) -> Channel:
    effects.no_timer(TIMER)
    for one in state.pending:
        if one.aloft:
            effects.no_timer(WAIT + one.command.id)
    return replace(state, flight=None, pending=tuple(p for p in state.pending if not p.aloft))
