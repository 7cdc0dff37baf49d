"""Functions that SGP.02 has from v4 on, as we propose them (`sgp02-interfaces.md` 2.8): PLMA, ONC, the attributes.

That they exist and what they are for is known, their XML is not: fields and names are ours, stand here and in
`soap_gateway/esm/extension.py` alone, and are spoken only with peers whose record says so.
"""

from __future__ import annotations

import msgspec

from ferryman.contracts.eis import Property
from ferryman.contracts.es2_calls import ES2AuditEIS as ES2AuditEIS
from ferryman.contracts.es2_calls import ES2AuditEISResponse as ES2AuditEISResponse
from ferryman.contracts.es2_calls import ES2SetFallBackAttribute as ES2SetFallBackAttribute
from ferryman.contracts.es2_calls import ES2SetFallBackAttributeResponse as ES2SetFallBackAttributeResponse
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus

# What a PLMA can allow an M2M SP; management of POL2 is not among it.
GET_EIS, AUDIT_EIS = "GetEIS", "AuditEIS"
ENABLE, DISABLE, DELETE, SET_FALLBACK = "EnableProfile", "DisableProfile", "DeleteProfile", "SetFallBackAttribute"
OPERATIONS = (GET_EIS, AUDIT_EIS, ENABLE, DISABLE, DELETE, SET_FALLBACK)
# What an ONC can discard, and a PLMA let an M2M SP hear.
NOTIFICATIONS = (
    "HandleProfileEnabledNotification",
    "HandleProfileDisabledNotification",
    "HandleProfileDeletedNotification",
    "HandleProfileDownloadedNotification",
    "HandleProfilePOL2UpdatedNotification",
    "HandleFallBackAttributeSetNotification",
    "HandleFallBackAttributeUnsetNotification",
)


class PLMA(msgspec.Struct, frozen=True, kw_only=True):
    """Profile lifecycle management authorisation: what an M2M SP may do with profiles of one owner and type.

    Without operations and notifications it is withdrawn.
    """

    owner: str = ""
    m2m_sp: str
    profile_type: str
    operations: tuple[str, ...] = ()
    notifications: tuple[str, ...] = ()


class ONC(msgspec.Struct, frozen=True, kw_only=True):
    """Operator notifications configuration: what the owner is not told of profiles of one type."""

    owner: str = ""
    profile_type: str
    discarded: tuple[str, ...] = ()


class ES1UpdateEISAdditionalProperties(Body, frozen=True, kw_only=True, tag=True):
    """Replaces the AdditionalProperties of the EUM's own eUICC."""

    eid: str
    properties: tuple[Property, ...]


class ES1UpdateEISAdditionalPropertiesResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES4ASetPLMA(Body, frozen=True, kw_only=True, tag=True):
    """Each replaces the one for the same M2M SP and profile type."""

    plmas: tuple[PLMA, ...]


class ES4ASetPLMAResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES4AGetPLMA(Body, frozen=True, kw_only=True, tag=True):
    """Those that the Operator has given; both fields limit them."""

    m2m_sp: str = ""
    profile_type: str = ""


class ES4AGetPLMAResponse(Body, frozen=True, kw_only=True, tag=True):
    """Found ones."""

    status: ExecutionStatus
    plmas: tuple[PLMA, ...] = ()


class ES4GetPLMA(Body, frozen=True, kw_only=True, tag=True):
    """Those that an M2M SP has been given; the profile type limits them."""

    profile_type: str = ""


class ES4GetPLMAResponse(Body, frozen=True, kw_only=True, tag=True):
    """Found ones."""

    status: ExecutionStatus
    plmas: tuple[PLMA, ...] = ()


class ES4ASetONC(Body, frozen=True, kw_only=True, tag=True):
    """Replaces the one for this profile type; one that discards nothing is withdrawn."""

    onc: ONC


class ES4ASetONCResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response."""

    status: ExecutionStatus


class ES4AGetONC(Body, frozen=True, kw_only=True, tag=True):
    """Those of the Operator; the profile type limits them."""

    profile_type: str = ""


class ES4AGetONCResponse(Body, frozen=True, kw_only=True, tag=True):
    """Found ones."""

    status: ExecutionStatus
    oncs: tuple[ONC, ...] = ()


class ES3SetFallBackAttribute(Body, frozen=True, kw_only=True, tag=True):
    """The attribute moves to this profile (ES5.SetFallbackAttribute)."""

    eid: str
    iccid: str


class ES3SetFallBackAttributeResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response with the card's answer."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES4SetFallBackAttribute(Body, frozen=True, kw_only=True, tag=True):
    """As on ES3."""

    eid: str
    iccid: str


class ES4SetFallBackAttributeResponse(Body, frozen=True, kw_only=True, tag=True):
    """Base response with the card's answer."""

    status: ExecutionStatus
    euicc_response: bytes = b""


class ES4HandleProfileDownloadedNotification(Body, frozen=True, kw_only=True, tag=True):
    """A profile has been installed; `completed` in seconds since 1970, as in every notification."""

    eid: str
    iccid: str
    profile_type: str = ""
    completed: float


class ES4HandleProfilePOL2UpdatedNotification(Body, frozen=True, kw_only=True, tag=True):
    """Somebody has changed POL2."""

    eid: str
    iccid: str
    completed: float


class ES4HandleFallBackAttributeSetNotification(Body, frozen=True, kw_only=True, tag=True):
    """The profile has got the attribute."""

    eid: str
    iccid: str
    completed: float


class ES4HandleFallBackAttributeUnsetNotification(Body, frozen=True, kw_only=True, tag=True):
    """The profile has lost it."""

    eid: str
    iccid: str
    completed: float


class ES4HandlePLMAChangedNotification(Body, frozen=True, kw_only=True, tag=True):
    """To the M2M SP: what he may do has changed."""

    plma: PLMA
    completed: float


class ES3HandleProfileDownloadedNotification(Body, frozen=True, kw_only=True, tag=True):
    """To the SM-DP of the profile, for the Operator `owner`: the profile has been installed."""

    eid: str
    iccid: str
    owner: str
    profile_type: str = ""
    completed: float


class ES3HandleProfilePOL2UpdatedNotification(Body, frozen=True, kw_only=True, tag=True):
    """To the SM-DP of the profile, for the Operator `owner`: POL2 has changed."""

    eid: str
    iccid: str
    owner: str
    completed: float


class ES3HandleFallBackAttributeSetNotification(Body, frozen=True, kw_only=True, tag=True):
    """To the SM-DP of the profile, for the Operator `owner`: the profile has got the attribute."""

    eid: str
    iccid: str
    owner: str
    completed: float


class ES3HandleFallBackAttributeUnsetNotification(Body, frozen=True, kw_only=True, tag=True):
    """To the SM-DP of the profile, for the Operator `owner`: the profile has lost it."""

    eid: str
    iccid: str
    owner: str
    completed: float


class ES2HandleProfileDownloadedNotification(Body, frozen=True, kw_only=True, tag=True):
    """The SM-DP hands on to the Operator: the profile has been installed."""

    eid: str
    iccid: str
    profile_type: str = ""
    completed: float


class ES2HandleProfilePOL2UpdatedNotification(Body, frozen=True, kw_only=True, tag=True):
    """The SM-DP hands on to the Operator: POL2 has changed."""

    eid: str
    iccid: str
    completed: float


class ES2HandleFallBackAttributeSetNotification(Body, frozen=True, kw_only=True, tag=True):
    """The SM-DP hands on to the Operator: the profile has got the attribute."""

    eid: str
    iccid: str
    completed: float


class ES2HandleFallBackAttributeUnsetNotification(Body, frozen=True, kw_only=True, tag=True):
    """The SM-DP hands on to the Operator: the profile has lost it."""

    eid: str
    iccid: str
    completed: float


ES3_REQUESTS: tuple[type[Body], ...] = (ES3SetFallBackAttribute,)
ES3_RESPONSES: tuple[type[Body], ...] = (ES3SetFallBackAttributeResponse,)
TO_SM_DP: tuple[type[Body], ...] = (ES2AuditEIS, ES2SetFallBackAttribute)
FROM_SM_DP: tuple[type[Body], ...] = (ES2AuditEISResponse, ES2SetFallBackAttributeResponse)
TO_SM_SR: tuple[type[Body], ...] = (
    ES1UpdateEISAdditionalProperties,
    ES4ASetPLMA,
    ES4AGetPLMA,
    ES4GetPLMA,
    ES4ASetONC,
    ES4AGetONC,
    ES3SetFallBackAttribute,
    ES4SetFallBackAttribute,
)
FROM_SM_SR: tuple[type[Body], ...] = (
    ES1UpdateEISAdditionalPropertiesResponse,
    ES4ASetPLMAResponse,
    ES4AGetPLMAResponse,
    ES4GetPLMAResponse,
    ES4ASetONCResponse,
    ES4AGetONCResponse,
    ES3SetFallBackAttributeResponse,
    ES4SetFallBackAttributeResponse,
)
ES3_NOTIFICATIONS: tuple[type[Body], ...] = (
    ES3HandleProfileDownloadedNotification,
    ES3HandleProfilePOL2UpdatedNotification,
    ES3HandleFallBackAttributeSetNotification,
    ES3HandleFallBackAttributeUnsetNotification,
)
ES2_NOTIFICATIONS: tuple[type[Body], ...] = (
    ES2HandleProfileDownloadedNotification,
    ES2HandleProfilePOL2UpdatedNotification,
    ES2HandleFallBackAttributeSetNotification,
    ES2HandleFallBackAttributeUnsetNotification,
)
TOLD: tuple[type[Body], ...] = (
    ES4HandleProfileDownloadedNotification,
    ES4HandleProfilePOL2UpdatedNotification,
    ES4HandleFallBackAttributeSetNotification,
    ES4HandleFallBackAttributeUnsetNotification,
    ES4HandlePLMAChangedNotification,
)
