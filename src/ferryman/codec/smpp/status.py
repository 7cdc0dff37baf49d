"""command_status values and what an ESME does about each, SMPP v3.4 clause 5.1.3.

The standard says what a status means and leaves the reaction to the ESME; `classify` is our choice, in one
table. Statuses nobody defined (vendors use 400 to 4FF) count as transient: a caller's limit of attempts
ends the retries, while taking a busy SMSC's private status for a final refusal would lose a message.
"""

from __future__ import annotations

from enum import Enum, IntEnum, unique


@unique
class CommandStatus(IntEnum):
    """The statuses of SMPP v3.4; the standard's names without their ESME_R prefix, spelt out."""

    OK = 0x00
    INVALID_MESSAGE_LENGTH = 0x01
    INVALID_COMMAND_LENGTH = 0x02
    INVALID_COMMAND_ID = 0x03
    INVALID_BIND_STATE = 0x04
    ALREADY_BOUND = 0x05
    INVALID_PRIORITY = 0x06
    INVALID_REGISTERED_DELIVERY = 0x07
    SYSTEM_ERROR = 0x08
    INVALID_SOURCE_ADDRESS = 0x0A
    INVALID_DESTINATION_ADDRESS = 0x0B
    INVALID_MESSAGE_ID = 0x0C
    BIND_FAILED = 0x0D
    INVALID_PASSWORD = 0x0E
    INVALID_SYSTEM_ID = 0x0F
    CANCEL_FAILED = 0x11
    REPLACE_FAILED = 0x13
    MESSAGE_QUEUE_FULL = 0x14
    INVALID_SERVICE_TYPE = 0x15
    INVALID_NUMBER_OF_DESTINATIONS = 0x33
    INVALID_DISTRIBUTION_LIST_NAME = 0x34
    INVALID_DESTINATION_FLAG = 0x40
    INVALID_SUBMIT_WITH_REPLACE = 0x42
    INVALID_ESM_CLASS = 0x43
    CANNOT_SUBMIT_TO_LIST = 0x44
    SUBMIT_FAILED = 0x45
    INVALID_SOURCE_TON = 0x48
    INVALID_SOURCE_NPI = 0x49
    INVALID_DESTINATION_TON = 0x50
    INVALID_DESTINATION_NPI = 0x51
    INVALID_SYSTEM_TYPE = 0x53
    INVALID_REPLACE_IF_PRESENT = 0x54
    INVALID_NUMBER_OF_MESSAGES = 0x55
    THROTTLED = 0x58
    INVALID_SCHEDULE_TIME = 0x61
    INVALID_VALIDITY_PERIOD = 0x62
    INVALID_PREDEFINED_MESSAGE = 0x63
    RECEIVER_TEMPORARY_ERROR = 0x64
    RECEIVER_PERMANENT_ERROR = 0x65
    RECEIVER_REJECTED = 0x66
    QUERY_FAILED = 0x67
    INVALID_OPTIONAL_PART = 0xC0
    OPTIONAL_PARAMETER_NOT_ALLOWED = 0xC1
    INVALID_PARAMETER_LENGTH = 0xC2
    MISSING_OPTIONAL_PARAMETER = 0xC3
    INVALID_OPTIONAL_PARAMETER_VALUE = 0xC4
    DELIVERY_FAILURE = 0xFE
    UNKNOWN_ERROR = 0xFF


class Reaction(Enum):
    """What the ESME does when a request came back with a status."""

    ACCEPTED = "accepted"
    THROTTLE = "throttle"
    """Slow the whole bind down, then send again."""
    TRANSIENT = "transient"
    """Send again later with back-off, a limited number of times."""
    PERMANENT = "permanent"
    """This message will never be taken."""
    REBIND = "rebind"
    """The peer's idea of the session differs from ours: drop the connection and bind again."""
    CREDENTIALS = "credentials"
    """The account was refused: raise an alarm and try again only after minutes."""
    DEFECT = "defect"
    """We sent something the SMSC cannot parse: raise an alarm, never resend the same bytes."""


_REACTIONS: dict[int, Reaction] = {
    CommandStatus.OK: Reaction.ACCEPTED,
    CommandStatus.THROTTLED: Reaction.THROTTLE,
    CommandStatus.MESSAGE_QUEUE_FULL: Reaction.TRANSIENT,
    CommandStatus.SYSTEM_ERROR: Reaction.TRANSIENT,
    CommandStatus.UNKNOWN_ERROR: Reaction.TRANSIENT,
    CommandStatus.RECEIVER_TEMPORARY_ERROR: Reaction.TRANSIENT,
    CommandStatus.SUBMIT_FAILED: Reaction.TRANSIENT,
    CommandStatus.DELIVERY_FAILURE: Reaction.TRANSIENT,
    CommandStatus.INVALID_BIND_STATE: Reaction.REBIND,
    CommandStatus.ALREADY_BOUND: Reaction.REBIND,
    CommandStatus.BIND_FAILED: Reaction.CREDENTIALS,
    CommandStatus.INVALID_PASSWORD: Reaction.CREDENTIALS,
    CommandStatus.INVALID_SYSTEM_ID: Reaction.CREDENTIALS,
    CommandStatus.INVALID_SYSTEM_TYPE: Reaction.CREDENTIALS,
    CommandStatus.INVALID_MESSAGE_LENGTH: Reaction.DEFECT,
    CommandStatus.INVALID_COMMAND_LENGTH: Reaction.DEFECT,
    CommandStatus.INVALID_COMMAND_ID: Reaction.DEFECT,
    CommandStatus.INVALID_OPTIONAL_PART: Reaction.DEFECT,
    CommandStatus.OPTIONAL_PARAMETER_NOT_ALLOWED: Reaction.DEFECT,
    CommandStatus.INVALID_PARAMETER_LENGTH: Reaction.DEFECT,
    CommandStatus.MISSING_OPTIONAL_PARAMETER: Reaction.DEFECT,
    CommandStatus.INVALID_OPTIONAL_PARAMETER_VALUE: Reaction.DEFECT,
}
_DEFINED = frozenset(int(status) for status in CommandStatus)


def classify(status: int) -> Reaction:
    """The reaction to a command_status (0..FFFFFFFF) of a submit or bind response."""
    known = _REACTIONS.get(status)
    if known is not None:
        return known
    return Reaction.PERMANENT if status in _DEFINED else Reaction.TRANSIENT


def status_name(status: int) -> str:
    """A name for logs: the standard's meaning, or the number in hexadecimal."""
    return CommandStatus(status).name.lower() if status in _DEFINED else f"status {status:#x}"
