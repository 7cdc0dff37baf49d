"""ES4, Operator to SM-SR: SGP.02 5.5."""

from __future__ import annotations

from ferryman.contracts.eis import EIS, PolicyRule
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus


class ES4GetEIS(Body, frozen=True, kw_only=True, tag=True):
    """ES4.GetEIS (5.5.1)."""

    eid: str


class ES4GetEISResponse(Body, frozen=True, kw_only=True, tag=True):
    """The EIS limited to what the Operator may see."""

    status: ExecutionStatus
    eis: EIS | None = None


class ES4UpdatePolicyRules(Body, frozen=True, kw_only=True, tag=True):
    """ES4.UpdatePolicyRules (5.5.2): replaces POL2 whole."""

    eid: str
    iccid: str
    pol2: tuple[PolicyRule, ...] = ()


class ES4UpdatePolicyRulesResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES4UpdateSubscriptionAddress(Body, frozen=True, kw_only=True, tag=True):
    """ES4.UpdateSubscriptionAddress (5.5.3)."""

    eid: str
    iccid: str
    imsi: str = ""
    msisdn: str = ""


class ES4UpdateSubscriptionAddressResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES4AuditEIS(Body, frozen=True, kw_only=True, tag=True):
    """ES4.AuditEIS (5.5.4); no ICCID means all of the requester's."""

    eid: str
    iccids: tuple[str, ...] = ()


class ES4AuditEISResponse(Body, frozen=True, kw_only=True, tag=True):
    """The EIS after the audit."""

    status: ExecutionStatus
    eis: EIS | None = None


class ES4EnableProfile(Body, frozen=True, kw_only=True, tag=True):
    """ES4.EnableProfile (5.5.5)."""

    eid: str
    iccid: str


class ES4EnableProfileResponse(Body, frozen=True, kw_only=True, tag=True):
    """Sent when the card's notification has been confirmed, or the change failed or expired."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES4DisableProfile(Body, frozen=True, kw_only=True, tag=True):
    """ES4.DisableProfile (5.5.6)."""

    eid: str
    iccid: str


class ES4DisableProfileResponse(Body, frozen=True, kw_only=True, tag=True):
    """As for EnableProfile."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES4DeleteProfile(Body, frozen=True, kw_only=True, tag=True):
    """ES4.DeleteProfile (5.5.7)."""

    eid: str
    iccid: str


class ES4DeleteProfileResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response with the card's answer."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES4PrepareSMSRChange(Body, frozen=True, kw_only=True, tag=True):
    """ES4.PrepareSMSRChange (5.5.8), on the new SM-SR."""

    eid: str
    current_smsr_id: str


class ES4PrepareSMSRChangeResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES4SMSRChange(Body, frozen=True, kw_only=True, tag=True):
    """ES4.SMSRChange (5.5.9), on the current SM-SR."""

    eid: str
    target_smsr_id: str


class ES4SMSRChangeResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES4HandleProfileEnabledNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.5.10; `completed` in seconds since 1970, as in every notification."""

    eid: str
    iccid: str
    completed: float


class ES4HandleProfileDisabledNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.5.11."""

    eid: str
    iccid: str
    completed: float


class ES4HandleProfileDeletedNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.5.12."""

    eid: str
    iccid: str
    completed: float


class ES4HandleSMSRChangeNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.5.13, sent by the new SM-SR."""

    eis: EIS
    completed: float


REQUESTS: tuple[type[Body], ...] = (
    ES4GetEIS,
    ES4UpdatePolicyRules,
    ES4UpdateSubscriptionAddress,
    ES4AuditEIS,
    ES4EnableProfile,
    ES4DisableProfile,
    ES4DeleteProfile,
    ES4PrepareSMSRChange,
    ES4SMSRChange,
)
RESPONSES: tuple[type[Body], ...] = (
    ES4GetEISResponse,
    ES4UpdatePolicyRulesResponse,
    ES4UpdateSubscriptionAddressResponse,
    ES4AuditEISResponse,
    ES4EnableProfileResponse,
    ES4DisableProfileResponse,
    ES4DeleteProfileResponse,
    ES4PrepareSMSRChangeResponse,
    ES4SMSRChangeResponse,
)
NOTIFICATIONS: tuple[type[Body], ...] = (
    ES4HandleProfileEnabledNotification,
    ES4HandleProfileDisabledNotification,
    ES4HandleProfileDeletedNotification,
    ES4HandleSMSRChangeNotification,
)
