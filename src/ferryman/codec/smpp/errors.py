"""What can be wrong with a received SMPP PDU, SMPP v3.4 clauses 3.2 and 5.1.3.

Each error carries the command_status that tells the peer. A `FramingError` means that the place of the
next PDU is lost: the connection has to be closed. Every other one spoils a single PDU only.
"""

from __future__ import annotations

from ferryman.errors import PeerError

_INVALID_COMMAND_LENGTH = 0x02
_INVALID_COMMAND_ID = 0x03


class SMPPError(PeerError):
    """A received PDU that breaks the rules; `status` is the command_status to answer with."""

    status: int = _INVALID_COMMAND_LENGTH

    def __init__(self, reason: str, *, field: str = "", clause: str = "", status: int | None = None) -> None:
        super().__init__(reason, field=field, clause=clause)
        if status is not None:
            self.status = status


class UnknownCommand(SMPPError):
    """A command_id that SMPP v3.4 does not have: answered by generic_nack, the session goes on."""

    status = _INVALID_COMMAND_ID


class FramingError(SMPPError):
    """A command_length that cannot be: the stream is lost and the connection must be closed."""
