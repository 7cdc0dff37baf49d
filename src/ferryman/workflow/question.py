"""What is asked about a command, and all that may be known when it is answered. Times in s since 1970, sizes in
octets."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Moment(StrEnum):
    """Why it is asked."""

    START = "start"
    WAITED = "waited"  # a wait is over
    SILENCE = "silence"  # SMS: no proof of receipt
    REJECTED = "rejected"  # SMS: the SMSC refused every copy for good
    RECEIPT = "receipt"  # SMS: the SMSC tells what became of a copy; to send it by SMS is to go on as planned
    POR = "por"  # SMS: a proof of receipt that says no
    NO_SESSION = "no-session"  # HTTPS: the card did not come
    SESSION = "session"  # the card has opened a session while the command waits


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done for the command, and what came of it."""

    transport: str
    at: float
    ended: float
    moment: str
    detail: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """The command: the function it belongs to, how large its script is, and whether it only asks."""

    id: str
    name: str
    size: int
    commands: int
    asks: bool  # changes nothing on the card, so that it may run twice
    more_to_do: bool
    since: float


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What the EIS says of the card; no subscriber's identity is in it."""

    eid: str
    eum_id: str
    platform_type: str
    platform_version: str
    http_support: bool
    has_address: bool  # there is an MSISDN to send to
    profiles: int
    enabled_owner: str
    enabled_type: str
    remaining_memory: int
    session_open: bool
    compact: bool = False  # takes compact scripts over SMS beside expanded ones, as its type says
    transports: tuple[str, ...]  # in order of preference: the card's own, of its type, of the settings


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A moment in the life of a command. `doubt`: copies left us and may have been executed."""

    moment: Moment
    now: float
    doubt: bool
    operation: Operation
    card: Card
    history: tuple[Attempt, ...] = ()
    installed: tuple[str, ...] = ()
