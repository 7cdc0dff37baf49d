"""ES2, Operator to SM-DP: SGP.02 5.3. `smsr_id` names the SM-SR that manages the eUICC."""

from __future__ import annotations

from ferryman.contracts.eis import EIS, PolicyRule
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus


class ES2GetEIS(Body, frozen=True, kw_only=True, tag=True):
    """ES2.GetEIS (5.3.1)."""

    eid: str
    smsr_id: str


class ES2GetEISResponse(Body, frozen=True, kw_only=True, tag=True):
    """The EIS limited to what the Operator may see."""

    status: ExecutionStatus
    eis: EIS | None = None


class ES2DownloadProfile(Body, frozen=True, kw_only=True, tag=True):
    """ES2.DownloadProfile (5.3.2): one of `profile_type` and `iccid` at least."""

    eid: str
    smsr_id: str
    profile_type: str = ""
    iccid: str = ""
    enable: bool = False


class ES2DownloadProfileResponse(Body, frozen=True, kw_only=True, tag=True):
    """The ICCID that was taken."""

    status: ExecutionStatus
    iccid: str = ""


class ES2UpdatePolicyRules(Body, frozen=True, kw_only=True, tag=True):
    """ES2.UpdatePolicyRules (5.3.3): replaces POL2 whole; none means no rules."""

    eid: str
    iccid: str
    smsr_id: str
    pol2: tuple[PolicyRule, ...] = ()


class ES2UpdatePolicyRulesResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES2UpdateSubscriptionAddress(Body, frozen=True, kw_only=True, tag=True):
    """ES2.UpdateSubscriptionAddress (5.3.4)."""

    eid: str
    smsr_id: str
    iccid: str
    imsi: str = ""
    msisdn: str = ""


class ES2UpdateSubscriptionAddressResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES2EnableProfile(Body, frozen=True, kw_only=True, tag=True):
    """ES2.EnableProfile (5.3.5)."""

    eid: str
    smsr_id: str
    iccid: str


class ES2EnableProfileResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES2DisableProfile(Body, frozen=True, kw_only=True, tag=True):
    """ES2.DisableProfile (5.3.6)."""

    eid: str
    smsr_id: str
    iccid: str


class ES2DisableProfileResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES2DeleteProfile(Body, frozen=True, kw_only=True, tag=True):
    """ES2.DeleteProfile (5.3.7)."""

    eid: str
    iccid: str
    smsr_id: str


class ES2DeleteProfileResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES2HandleProfileEnabledNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.3.8; `completed` in seconds since 1970, as in every notification."""

    eid: str
    iccid: str
    completed: float


class ES2HandleProfileDisabledNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.3.9."""

    eid: str
    iccid: str
    completed: float


class ES2HandleProfileDeletedNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.3.10."""

    eid: str
    iccid: str
    completed: float


class ES2HandleSMSRChangeNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.3.11: the SM-SR that manages the eUICC now stands in the EIS."""

    eis: EIS
    completed: float


REQUESTS: tuple[type[Body], ...] = (
    ES2GetEIS,
    ES2DownloadProfile,
    ES2UpdatePolicyRules,
    ES2UpdateSubscriptionAddress,
    ES2EnableProfile,
    ES2DisableProfile,
    ES2DeleteProfile,
)
RESPONSES: tuple[type[Body], ...] = (
    ES2GetEISResponse,
    ES2DownloadProfileResponse,
    ES2UpdatePolicyRulesResponse,
    ES2UpdateSubscriptionAddressResponse,
    ES2EnableProfileResponse,
    ES2DisableProfileResponse,
    ES2DeleteProfileResponse,
)
NOTIFICATIONS: tuple[type[Body], ...] = (
    ES2HandleProfileEnabledNotification,
    ES2HandleProfileDisabledNotification,
    ES2HandleProfileDeletedNotification,
    ES2HandleSMSRChangeNotification,
)
