"""What has happened to eUICCs, profiles and orders, told to the REST API: it keeps it for those it concerns.

The events of profiles mirror the notifications of ES2 and ES4 (SGP.02 3.2 to 3.16), but are told of one's own
operations too: a webhook or a stream is read by other systems than the one that asked.
"""

from __future__ import annotations

from enum import StrEnum

from ferryman.contracts.message import Body, Codec
from ferryman.contracts.status import ExecutionStatus


class EventKind(StrEnum):
    """What kind of thing happened."""

    PROFILE_ENABLED = "profile.enabled"
    PROFILE_DISABLED = "profile.disabled"
    PROFILE_DELETED = "profile.deleted"
    SMSR_CHANGED = "euicc.smsr-changed"
    OPERATION_ENDED = "operation.ended"
    ORDER_STEP = "order.step"
    ORDER_DONE = "order.done"
    ORDER_FAILED = "order.failed"


class Happened(Body, frozen=True, kw_only=True, tag=True):
    """One event. `owner` is the Operator it is for, `at` in seconds since 1970.

    `subject` names the order or the operation; `word` is the step of an order, the function of an operation, or
    the SM-SR that now has the eUICC.
    """

    kind: EventKind
    owner: str
    eid: str
    at: float
    iccid: str = ""
    subject: str = ""
    word: str = ""
    status: ExecutionStatus | None = None


TO_REST_API: tuple[type[Body], ...] = (Happened,)
INCOMING: Codec[Happened] = Codec(Happened)
