"""Result of a function, SGP.02 5.1.5 and 5.1.6: execution status with subject and reason codes."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ferryman.errors import Refused


class Status(StrEnum):
    """FunctionExecutionStatus as spelled in messages."""

    SUCCESS = "EXECUTED_SUCCESS"
    WARNING = "EXECUTED_WITHWARNING"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


class ExecutionStatus(msgspec.Struct, frozen=True):
    """Status, and for anything but success the subject, reason, what it is about and a sentence.

    `acceptable_validity` is AcceptableValidityPeriod in seconds, given only when the one asked for was too long.
    """

    status: Status
    subject: str = ""
    reason: str = ""
    identifier: str = ""
    message: str = ""
    acceptable_validity: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the function had its effect (success or warning)."""
        return self.status in (Status.SUCCESS, Status.WARNING)

    @property
    def code(self) -> str:
        """`subject/reason`, or an empty string."""
        return f"{self.subject}/{self.reason}" if self.subject else ""


SUCCESS = ExecutionStatus(Status.SUCCESS)


def failed(subject: str, reason: str, message: str, identifier: str = "") -> ExecutionStatus:
    """FAILED with its codes."""
    return ExecutionStatus(Status.FAILED, subject, reason, identifier, message)


def expired(message: str) -> ExecutionStatus:
    """EXPIRED: the validity period ran out (1.6/5.3)."""
    return ExecutionStatus(Status.EXPIRED, "1.6", "5.3", "", message)


def warning(subject: str, reason: str, message: str, identifier: str = "") -> ExecutionStatus:
    """EXECUTED_WITHWARNING: done, and the codes say what was not perfect."""
    return ExecutionStatus(Status.WARNING, subject, reason, identifier, message)


def from_refusal(refusal: Refused) -> ExecutionStatus:
    """The status that a refusal becomes on an interface."""
    return failed(refusal.subject, refusal.reason, refusal.message, refusal.identifier)
