"""ES3, SM-DP to SM-SR: SGP.02 5.4. `Mno-id` is called owner, as everywhere in Ferryman."""

from __future__ import annotations

from ferryman.contracts.eis import EIS, PolicyRule
from ferryman.contracts.message import Body, Codec
from ferryman.contracts.status import ExecutionStatus


class ES3GetEIS(Body, frozen=True, kw_only=True, tag=True):
    """ES3.GetEIS (5.4.1)."""

    eid: str


class ES3GetEISResponse(Body, frozen=True, kw_only=True, tag=True):
    """The EIS limited to what the requester may see."""

    status: ExecutionStatus
    eis: EIS | None = None


class ES3AuditEIS(Body, frozen=True, kw_only=True, tag=True):
    """ES3.AuditEIS (5.4.2): the card is asked, the EIS corrected; no ICCID means all of the requester's."""

    eid: str
    iccids: tuple[str, ...] = ()


class ES3AuditEISResponse(Body, frozen=True, kw_only=True, tag=True):
    """The EIS after the audit."""

    status: ExecutionStatus
    eis: EIS | None = None


class ES3CreateISDP(Body, frozen=True, kw_only=True, tag=True):
    """ES3.CreateISDP (5.4.3); required_memory in bytes, 0 = no quota."""

    eid: str
    iccid: str
    owner: str
    required_memory: int
    more_to_do: bool = False


class ES3CreateISDPResponse(Body, frozen=True, kw_only=True, tag=True):
    """The AID given to the ISD-P, present on success."""

    status: ExecutionStatus
    isdp_aid: bytes = b""
    euicc_response: bytes = b""


class ES3SendData(Body, frozen=True, kw_only=True, tag=True):
    """ES3.SendData (5.4.4): a run of `22` C-APDU or `84`..`88` SCP03t TLVs for one security domain."""

    eid: str
    sd_aid: bytes
    data: bytes
    more_to_do: bool = False


class ES3SendDataResponse(Body, frozen=True, kw_only=True, tag=True):
    """Response TLVs in order, without the scripting template."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES3ProfileDownloadCompleted(Body, frozen=True, kw_only=True, tag=True):
    """ES3.ProfileDownloadCompleted (5.4.5)."""

    eid: str
    iccid: str
    profile_type: str = ""
    imsi: str = ""
    msisdn: str = ""
    pol2: tuple[PolicyRule, ...] = ()


class ES3ProfileDownloadCompletedResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES3EnableProfile(Body, frozen=True, kw_only=True, tag=True):
    """ES3.EnableProfile (5.4.8)."""

    eid: str
    iccid: str


class ES3EnableProfileResponse(Body, frozen=True, kw_only=True, tag=True):
    """Sent when the card's notification has been confirmed, or the change failed or expired."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES3DeleteISDP(Body, frozen=True, kw_only=True, tag=True):
    """ES3.DeleteISDP (5.4.10)."""

    eid: str
    iccid: str


class ES3DeleteISDPResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response with the card's answer."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES3UpdatePolicyRules(Body, frozen=True, kw_only=True, tag=True):
    """ES3.UpdatePolicyRules (5.4.6): replaces POL2 whole; none means no rules."""

    eid: str
    iccid: str
    pol2: tuple[PolicyRule, ...] = ()


class ES3UpdatePolicyRulesResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES3UpdateSubscriptionAddress(Body, frozen=True, kw_only=True, tag=True):
    """ES3.UpdateSubscriptionAddress (5.4.7)."""

    eid: str
    iccid: str
    imsi: str = ""
    msisdn: str = ""


class ES3UpdateSubscriptionAddressResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES3DisableProfile(Body, frozen=True, kw_only=True, tag=True):
    """ES3.DisableProfile (5.4.9)."""

    eid: str
    iccid: str


class ES3DisableProfileResponse(Body, frozen=True, kw_only=True, tag=True):
    """As for EnableProfile."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES3UpdateConnectivityParameters(Body, frozen=True, kw_only=True, tag=True):
    """ES3.UpdateConnectivityParameters (5.4.11); `parameters` protected by the SM-DP, passed on unchanged."""

    eid: str
    iccid: str
    parameters: bytes


class ES3UpdateConnectivityParametersResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response with the card's answer."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES3HandleProfileEnabledNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.4.12, SM-SR to SM-DP; `completed` in seconds since 1970, as in every notification."""

    eid: str
    iccid: str
    owner: str
    completed: float


class ES3HandleProfileDisabledNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.4.13."""

    eid: str
    iccid: str
    owner: str
    completed: float


class ES3HandleProfileDeletedNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.4.14."""

    eid: str
    iccid: str
    owner: str
    completed: float


class ES3HandleSMSRChangeNotification(Body, frozen=True, kw_only=True, tag=True):
    """5.4.15, sent by the new SM-SR."""

    eis: EIS
    owner: str
    completed: float


type ES3Request = (
    ES3GetEIS
    | ES3AuditEIS
    | ES3CreateISDP
    | ES3SendData
    | ES3ProfileDownloadCompleted
    | ES3EnableProfile
    | ES3DisableProfile
    | ES3UpdatePolicyRules
    | ES3UpdateSubscriptionAddress
    | ES3UpdateConnectivityParameters
    | ES3DeleteISDP
)
type ES3Response = (
    ES3GetEISResponse
    | ES3AuditEISResponse
    | ES3CreateISDPResponse
    | ES3SendDataResponse
    | ES3ProfileDownloadCompletedResponse
    | ES3EnableProfileResponse
    | ES3DisableProfileResponse
    | ES3UpdatePolicyRulesResponse
    | ES3UpdateSubscriptionAddressResponse
    | ES3UpdateConnectivityParametersResponse
    | ES3DeleteISDPResponse
)

REQUESTS: tuple[type[Body], ...] = (
    ES3GetEIS,
    ES3AuditEIS,
    ES3CreateISDP,
    ES3SendData,
    ES3ProfileDownloadCompleted,
    ES3EnableProfile,
    ES3DisableProfile,
    ES3UpdatePolicyRules,
    ES3UpdateSubscriptionAddress,
    ES3UpdateConnectivityParameters,
    ES3DeleteISDP,
)
RESPONSES: tuple[type[Body], ...] = (
    ES3GetEISResponse,
    ES3AuditEISResponse,
    ES3CreateISDPResponse,
    ES3SendDataResponse,
    ES3ProfileDownloadCompletedResponse,
    ES3EnableProfileResponse,
    ES3DisableProfileResponse,
    ES3UpdatePolicyRulesResponse,
    ES3UpdateSubscriptionAddressResponse,
    ES3UpdateConnectivityParametersResponse,
    ES3DeleteISDPResponse,
)

NOTIFICATIONS: tuple[type[Body], ...] = (
    ES3HandleProfileEnabledNotification,
    ES3HandleProfileDisabledNotification,
    ES3HandleProfileDeletedNotification,
    ES3HandleSMSRChangeNotification,
)
RESPONSE_CODEC: Codec[Body] = Codec(*RESPONSES)
