"""Functions of v4 as we propose them (`sgp02-interfaces.md` 2.8): their elements, Actions and types, ours alone.

No XML of theirs was ever seen. They stand in a namespace of their own, so that the real ones can take their place
by changing this file and `contracts/v4.py`; a peer whose record does not have the switch never meets them.
"""

from __future__ import annotations

from ferryman.contracts import v4
from ferryman.contracts.message import Body
from ferryman.soap_gateway.esm.fields import Field, Group
from ferryman.soap_gateway.esm.functions import (
    CARD_ANSWER,
    COMPLETED,
    EID_FIELD,
    EIS_OPTIONAL,
    EUICC,
    ICCID_FIELD,
    ICCIDS,
    MNO_FIELD,
    PLATFORM,
    PROFILES,
    SMSR,
    Function,
    Message,
    Shape,
    Style,
    register,
)
from ferryman.soap_gateway.esm.groups import PROPERTIES
from ferryman.soap_gateway.esm.simple import OID, STRING100, Simple, choice, enumeration

EXTENSION = "urn:ferryman:esim-messaging:4:proposal"

OPERATION = Simple("PlmaOperationType", choice(*v4.OPERATIONS), str, "xs:string", enumeration(*v4.OPERATIONS))
NOTIFICATION = Simple(
    "NotificationNameType", choice(*v4.NOTIFICATIONS), str, "xs:string", enumeration(*v4.NOTIFICATIONS)
)
_TYPE = Field("ProfileType", "profile_type", STRING100)
_TYPE_OPTIONAL = Field("ProfileType", "profile_type", STRING100, low=0)
_OWNER = Field("Mno-id", "owner", OID, low=0)
PLMA = Group(
    "PlmaType",
    (
        *(_OWNER, Field("M2M-SP-id", "m2m_sp", OID), _TYPE),
        Field("Operation", "operations", OPERATION, low=0, many=True),
        Field("Notification", "notifications", NOTIFICATION, low=0, many=True),
    ),
    v4.PLMA,
)
ONC = Group("OncType", (_OWNER, _TYPE, Field("Discarded", "discarded", NOTIFICATION, low=0, many=True)), v4.ONC)
_PLMAS = Field("Plma", "plmas", PLMA, low=0, many=True)


def _function(
    interface: str,
    name: str,
    group: str,
    style: Style,
    request: type[Body],
    fields: tuple[Field, ...],
    response: type[Body] | None = None,
    answer: tuple[Field, ...] = (),
) -> Function:
    if response is None:
        return Function(
            interface, name, group, style, Message(f"{interface}-{name}", Shape.NOTIFICATION, request, fields),
            space=EXTENSION,
        )  # fmt: skip
    return Function(
        interface,
        name,
        group,
        style,
        Message(f"{interface}-{name}Request", Shape.REQUEST, request, fields),
        Message(f"{interface}-{name}Response", Shape.RESPONSE, response, answer),
        space=EXTENSION,
    )


_SYNC, _ASYNC, _NOTE = Style.SYNC, Style.ASYNC, Style.NOTIFICATION
_CHANGED = (EID_FIELD, ICCID_FIELD, COMPLETED)
_CHANGED_OF = (EID_FIELD, ICCID_FIELD, MNO_FIELD, COMPLETED)
_INSTALLED = (EID_FIELD, ICCID_FIELD, _TYPE_OPTIONAL, COMPLETED)
_INSTALLED_OF = (EID_FIELD, ICCID_FIELD, MNO_FIELD, _TYPE_OPTIONAL, COMPLETED)
_NAMES = "SetFallBackAttribute"

FUNCTIONS: tuple[Function, ...] = (
    _function(
        "ES1", "UpdateEISAdditionalProperties", EUICC, _SYNC,
        v4.ES1UpdateEISAdditionalProperties, (EID_FIELD, Field("AdditionalProperties", "properties", PROPERTIES)),
        v4.ES1UpdateEISAdditionalPropertiesResponse,
    ),
    _function(
        "ES2", "AuditEIS", PROFILES, _ASYNC, v4.ES2AuditEIS, (EID_FIELD, SMSR, ICCIDS),
        v4.ES2AuditEISResponse, (EIS_OPTIONAL,),
    ),
    _function(
        "ES2", _NAMES, PLATFORM, _ASYNC, v4.ES2SetFallBackAttribute, (EID_FIELD, SMSR, ICCID_FIELD),
        v4.ES2SetFallBackAttributeResponse,
    ),
    _function(
        "ES3", _NAMES, PLATFORM, _ASYNC, v4.ES3SetFallBackAttribute, (EID_FIELD, ICCID_FIELD),
        v4.ES3SetFallBackAttributeResponse, (CARD_ANSWER,),
    ),
    _function(
        "ES4", _NAMES, PLATFORM, _ASYNC, v4.ES4SetFallBackAttribute, (EID_FIELD, ICCID_FIELD),
        v4.ES4SetFallBackAttributeResponse, (CARD_ANSWER,),
    ),
    _function(
        "ES4", "GetPLMA", PROFILES, _SYNC, v4.ES4GetPLMA, (_TYPE_OPTIONAL,), v4.ES4GetPLMAResponse, (_PLMAS,),
    ),
    _function(
        "ES4A", "SetPLMA", PROFILES, _SYNC, v4.ES4ASetPLMA, (Field("Plma", "plmas", PLMA, many=True),),
        v4.ES4ASetPLMAResponse,
    ),
    _function(
        "ES4A", "GetPLMA", PROFILES, _SYNC, v4.ES4AGetPLMA,
        (Field("M2M-SP-id", "m2m_sp", OID, low=0), _TYPE_OPTIONAL), v4.ES4AGetPLMAResponse, (_PLMAS,),
    ),
    _function(
        "ES4A", "SetONC", PROFILES, _SYNC, v4.ES4ASetONC, (Field("Onc", "onc", ONC),), v4.ES4ASetONCResponse,
    ),
    _function(
        "ES4A", "GetONC", PROFILES, _SYNC, v4.ES4AGetONC, (_TYPE_OPTIONAL,), v4.ES4AGetONCResponse,
        (Field("Onc", "oncs", ONC, low=0, many=True),),
    ),
    _function(
        "ES4", "HandleProfileDownloadedNotification", PLATFORM, _NOTE, v4.ES4HandleProfileDownloadedNotification,
        _INSTALLED,
    ),
    _function(
        "ES4", "HandleProfilePOL2UpdatedNotification", PLATFORM, _NOTE,
        v4.ES4HandleProfilePOL2UpdatedNotification, _CHANGED,
    ),
    _function(
        "ES4", "HandleFallBackAttributeSetNotification", PLATFORM, _NOTE,
        v4.ES4HandleFallBackAttributeSetNotification, _CHANGED,
    ),
    _function(
        "ES4", "HandleFallBackAttributeUnsetNotification", PLATFORM, _NOTE,
        v4.ES4HandleFallBackAttributeUnsetNotification, _CHANGED,
    ),
    _function(
        "ES4", "HandlePLMAChangedNotification", PLATFORM, _NOTE, v4.ES4HandlePLMAChangedNotification,
        (Field("Plma", "plma", PLMA), COMPLETED),
    ),
    _function(
        "ES3", "HandleProfileDownloadedNotification", PLATFORM, _NOTE,
        v4.ES3HandleProfileDownloadedNotification, _INSTALLED_OF,
    ),
    _function(
        "ES3", "HandleProfilePOL2UpdatedNotification", PLATFORM, _NOTE,
        v4.ES3HandleProfilePOL2UpdatedNotification, _CHANGED_OF,
    ),
    _function(
        "ES3", "HandleFallBackAttributeSetNotification", PLATFORM, _NOTE,
        v4.ES3HandleFallBackAttributeSetNotification, _CHANGED_OF,
    ),
    _function(
        "ES3", "HandleFallBackAttributeUnsetNotification", PLATFORM, _NOTE,
        v4.ES3HandleFallBackAttributeUnsetNotification, _CHANGED_OF,
    ),
    _function(
        "ES2", "HandleProfileDownloadedNotification", PLATFORM, _NOTE,
        v4.ES2HandleProfileDownloadedNotification, _INSTALLED,
    ),
    _function(
        "ES2", "HandleProfilePOL2UpdatedNotification", PLATFORM, _NOTE,
        v4.ES2HandleProfilePOL2UpdatedNotification, _CHANGED,
    ),
    _function(
        "ES2", "HandleFallBackAttributeSetNotification", PLATFORM, _NOTE,
        v4.ES2HandleFallBackAttributeSetNotification, _CHANGED,
    ),
    _function(
        "ES2", "HandleFallBackAttributeUnsetNotification", PLATFORM, _NOTE,
        v4.ES2HandleFallBackAttributeUnsetNotification, _CHANGED,
    ),
)  # fmt: skip
register(FUNCTIONS)
