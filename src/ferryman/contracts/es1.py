"""ES1, EUM to SM-SR: SGP.02 5.2."""

from __future__ import annotations

from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus


class ES1RegisterEIS(Body, frozen=True, kw_only=True, tag=True):
    """ES1.RegisterEIS (5.2.1): `xml` is the ES1-RegisterEISRequest as received, a document of its own.

    Bytes, because the EUM has signed a part of them; keys inside are under the transport key.
    """

    eid: str
    eum_id: str
    xml: bytes


class ES1RegisterEISResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


REQUESTS: tuple[type[Body], ...] = (ES1RegisterEIS,)
RESPONSES: tuple[type[Body], ...] = (ES1RegisterEISResponse,)
