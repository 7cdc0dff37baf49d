"""Commands for a card and what became of them: the words between a procedure and the card's channel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from ferryman.codec import ota_script
from ferryman.codec.apdu import SW_OK, ResponseAPDU, warned
from ferryman.codec.isdr_answers import Notification
from ferryman.codec.tlv import TLV
from ferryman.errors import PeerError
from ferryman.platform.procedure import Signal
from ferryman.workflow.plan import Send, Transport
from ferryman.workflow.question import Attempt

R_APDU = 0x23
BAD_FORMAT = 0x90
SW_MORE = 0x6310  # of GET STATUS: more data can be asked for
SEQUENCES = 0x10000  # sequence numbers of notifications have two bytes and wrap
SCP03T_ERRORS = (0x9F44, 0x9F45, 0x9F46)


class CardNotification(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated notification of the card and the transport to confirm it on.

    `repeat`: the card had our confirmation of it before (same type, sequence and AID). `stale`: its sequence
    number is not newer than the last confirmed one, so that outside a change it is a replay. `replayable`: nobody
    can tell by looking at it whether the card says so now or said so once; the card has to be asked.
    """

    type: int
    sequence: int
    aid: bytes
    imei: bytes
    via: str
    originator: str = ""
    repeat: bool = False
    stale: bool = False
    replayable: bool = False

    def same_as(self, other: CardNotification | None) -> bool:
        """Whether both are one notification; the sequence alone is no key (SGP.02 4.1.1.11)."""
        if other is None:
            return False
        return (self.type, self.sequence, self.aid) == (other.type, other.sequence, other.aid)

    def older_than(self, other: CardNotification | None) -> bool:
        """Whether it was sent before `other`; sequence numbers count round, some cards never count."""
        return other is not None and (self.sequence - other.sequence) % SEQUENCES >= SEQUENCES // 2

    def answered_with(self, other: CardNotification | None) -> bool:
        """Whether one confirmation, to the same place, answers both: of cards that do not count."""
        return other is not None and (self.sequence, self.aid) == (other.sequence, other.aid) and other.replayable


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One script for the card.

    `tlvs` are command TLVs (`22` C-APDU or SCP03t), `chain` says that a following script belongs to the same
    card session (script chaining, TS 102 226 5.4.1.2). `destination` overrides the subscription address.
    `confirms` is the notification that the script confirms: it goes the way the notification came. For every other
    command `transport` is what is preferred, and its plan decides. `plan`, `history`, `since` (first seen) and
    `at` (sent last) are notes of the channel. `key_version` is the key set to use, 0 = the card's: an SMS packet
    is under it, an HTTPS session must have been opened under it. `only` are the transports that may carry it, when
    its content fits no other; empty: whatever the plan says.
    """

    id: str
    owner: str
    tlvs: tuple[bytes, ...]
    target_aid: bytes
    transport: str
    more_to_do: bool = False
    chain: bool = False
    destination: str = ""
    confirms: CardNotification | None = None
    key_version: int = 0
    only: tuple[Transport, ...] = ()
    plan: Send | None = None
    history: tuple[Attempt, ...] = ()
    again: int = 0  # times it was put back after a lost session
    since: float = 0.0
    at: float = 0.0


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """Forget a command that was not sent yet."""

    command_id: str


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """The card was reset after this command: nobody waits for its answer any more."""

    command_id: str


class OutcomeKind(StrEnum):
    """What is known about a command."""

    ANSWERED = "answered"
    REJECTED = "rejected"  # the card refused the packet or the target: nothing was executed
    UNREACHABLE = "unreachable"  # it never left us or never reached the card: nothing was executed
    UNKNOWN = "unknown"  # it may have been executed: ask the card before acting again


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of one command; `script` is the response script when it was answered.

    `session_key`: it was not given out, because the card's session is under this key set and not that asked for.
    """

    command_id: str
    kind: OutcomeKind
    script: bytes = b""
    detail: str = ""
    session_key: int = 0


@dataclass(frozen=True, slots=True)
class EntryDelivered:
    """The card was given a command of this entry of its queue."""

    entry: str


ENTRY = "/queue:"  # in the identifier of a procedure that an entry started, before the entry's own


def entry_delivered(command: Command) -> tuple[EntryDelivered, ...]:
    """The change to an entry that a delivered command means; none for other commands."""
    _, found, entry = command.owner.partition(ENTRY)
    return (EntryDelivered(entry),) if found else ()


def channel_id(eid: str) -> str:
    """Identifier of the channel procedure of a card."""
    return f"channel/{eid}"


def deliver(command: Command, eid: str, initial: msgspec.Struct) -> Signal:
    """The effect that hands a command to the card's channel."""
    return Signal(channel_id(eid), command, kind="channel", initial=initial)


def cancel(command_id: str, eid: str) -> Signal:
    """The effect that withdraws a command not sent yet."""
    return Signal(channel_id(eid), Cancel(command_id=command_id))


def settled(command_id: str, eid: str) -> Signal:
    """The effect that ends the waiting for an answer."""
    return Signal(channel_id(eid), Settled(command_id=command_id))


def notification(found: Notification, *, via: str, originator: str = "") -> CardNotification:
    """The value that procedures see of a parsed notification."""
    return CardNotification(
        type=found.type,
        sequence=found.sequence,
        aid=found.aid or b"",
        imei=found.imei or b"",
        via=via,
        originator=originator,
    )


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A response script read: its TLVs joined, and the first thing in it that is an error.

    `apdus` are data and status word of each R-APDU, every normal ending as 9000.
    """

    response: bytes
    apdus: tuple[tuple[bytes, int], ...]
    error_sw: int = 0
    error_tlv: int = 0
    error_value: int = 0

    @property
    def ok(self) -> bool:
        """No error status word, SCP03t error or bad format."""
        return not self.error_sw and not self.error_tlv


def read(script: bytes) -> Answer:
    """Read a response script (TS 102 226 5.4.2); raises PeerError when it is not one."""
    parsed = ota_script.parse_response_script(script)
    apdus: list[tuple[bytes, int]] = []
    error_sw = error_tlv = error_value = 0
    for item in parsed.tlvs:
        if item.tag == R_APDU:
            answer = ResponseAPDU.parse(item.value)
            apdus.append((answer.data, SW_OK if answer.ok else answer.sw))
            if not (answer.ok or warned(answer.sw) or error_sw):
                error_sw = answer.sw
        elif item.tag in SCP03T_ERRORS or item.tag == BAD_FORMAT:
            error_tlv, error_value = item.tag, int.from_bytes(item.value)
    if parsed.chaining_error is not None and not error_tlv:
        error_tlv, error_value = 0x83, parsed.chaining_error
    return Answer(
        response=b"".join(_raw(item) for item in parsed.tlvs),
        apdus=tuple(apdus),
        error_sw=error_sw,
        error_tlv=error_tlv,
        error_value=error_value,
    )


def single(outcome: Outcome) -> tuple[bytes, int]:
    """Data and status word of a script with one C-APDU.

    PeerError when there is no R-APDU, and for a warning: what the card has done then, its state has to tell.
    """
    answer = read(outcome.script)
    if not answer.apdus:
        raise PeerError("no R-APDU in the response script", field="response script", clause="TS 102 226 5.4.2")
    data, sw = answer.apdus[-1]
    if warned(sw) and sw != SW_MORE:
        raise PeerError(f"a warning, {sw:04X}", field="R-APDU", clause="ISO/IEC 7816-4 5.1.3")
    return data, sw


def _raw(item: TLV) -> bytes:
    return item.raw
