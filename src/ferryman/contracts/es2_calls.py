"""Calls that an operator's own tools start and look at: of ES2, of ES2 from v4 on, and one that ES2 lacks."""

from __future__ import annotations

from ferryman.contracts import es2
from ferryman.contracts.eis import EIS
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus


class ES2AuditEIS(Body, frozen=True, kw_only=True, tag=True):
    """Have the card asked (ES3.AuditEIS, 5.4.2); no ICCID means all profiles of the Operator."""

    eid: str
    smsr_id: str
    iccids: tuple[str, ...] = ()


class ES2AuditEISResponse(Body, frozen=True, kw_only=True, tag=True):
    """The EIS behind the audit."""

    status: ExecutionStatus
    eis: EIS | None = None


class ES2SetFallBackAttribute(Body, frozen=True, kw_only=True, tag=True):
    """The attribute moves to this profile, by way of ES3."""

    eid: str
    smsr_id: str
    iccid: str


class ES2SetFallBackAttributeResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class UpdateConnectivityParameters(Body, frozen=True, kw_only=True, tag=True):
    """New connectivity parameters for a profile, over ES8 (SGP.02 3.14); ES2 has no such function.

    `parameters` is a run of the objects A0 (SMS), A1 (CAT_TP) and A2 (HTTPS) (`sgp02-euicc.md` 6.2).
    """

    eid: str
    smsr_id: str
    iccid: str
    parameters: bytes


class UpdateConnectivityParametersResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


type ES2Call = (
    es2.ES2GetEIS
    | ES2AuditEIS
    | ES2SetFallBackAttribute
    | es2.ES2UpdatePolicyRules
    | es2.ES2UpdateSubscriptionAddress
    | es2.ES2EnableProfile
    | es2.ES2DisableProfile
    | es2.ES2DeleteProfile
    | UpdateConnectivityParameters
)
CALLS: tuple[type[Body], ...] = (
    es2.ES2GetEIS,
    ES2AuditEIS,
    ES2SetFallBackAttribute,
    es2.ES2UpdatePolicyRules,
    es2.ES2UpdateSubscriptionAddress,
    es2.ES2EnableProfile,
    es2.ES2DisableProfile,
    es2.ES2DeleteProfile,
    UpdateConnectivityParameters,
)


class StartES2(Body, frozen=True, kw_only=True, tag=True):
    """Start a call in the name of `owner` (Mno-id); `validity` in seconds; an empty Smsr-id is our own SM-SR."""

    owner: str
    call: ES2Call
    validity: float = 86_400.0


class ShowES2(Body, frozen=True, kw_only=True, tag=True):
    """One call of this owner."""

    owner: str
    call_id: str


class ES2View(Body, frozen=True, kw_only=True, tag=True):
    """State of a call: running or done, and then its result."""

    call_id: str
    name: str
    state: str
    status: ExecutionStatus | None = None
    eis: EIS | None = None


REQUESTS: tuple[type[Body], ...] = (StartES2, ShowES2)
