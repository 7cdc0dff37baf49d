"""Every function and notification of ES1, ES2, ES3, ES4 and ES7: elements, values, Actions (SGP.02 5.2 to 5.6).

The tables are the one place that knows the order of elements and their spelling; schema, WSDL, reader and writer
are made from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ferryman.codec.eis_xml import RPS
from ferryman.contracts import es1, es2, es3, es4, es7
from ferryman.contracts.message import Body
from ferryman.soap_gateway.esm.fields import Field
from ferryman.soap_gateway.esm.groups import ADDRESS, EID_OF_EIS, EIS_TYPE, EXECUTION_STATUS, POL2
from ferryman.soap_gateway.esm.simple import (
    AID,
    BOOLEAN,
    BYTE,
    DATE_TIME,
    ECC_LENGTH,
    EID,
    HEX,
    ICCID,
    INTEGER,
    KEYSET_VERSION,
    OID,
    POSITIVE,
    STRING,
)

NAMESPACE = RPS
OLD_NAMESPACE = "http://namespaces.gsma.org/esim-messaging/1"
ACTIONS = "http://gsma.com/"


class Style(StrEnum):
    """Message exchange pattern (Annex B; `sgp02-interfaces.md` 6.3)."""

    SYNC = "synchronous"
    ASYNC = "asynchronous"
    NOTIFICATION = "notification"


class Shape(StrEnum):
    """What a message begins with: BaseRequestType, BaseResponseType or nothing."""

    REQUEST = "BaseRequestType"
    RESPONSE = "BaseResponseType"
    NOTIFICATION = "BaseNotificationType"


@dataclass(frozen=True, slots=True)
class Message:
    """One element that can stand in a SOAP body."""

    element: str
    shape: Shape
    body: type[Body]
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """One function: who calls whom follows from its interface (`contracts.peers`)."""

    interface: str
    name: str
    group: str
    style: Style
    request: Message
    response: Message | None = None
    action_name: str = ""  # where the Action is spelled otherwise than the element

    @property
    def qualified(self) -> str:
        """As rights and logs name it: ES4.EnableProfile."""
        return f"{self.interface}.{self.name}"

    @property
    def action(self) -> str:
        """wsa:Action of the request or notification."""
        suffix = "Request" if self.style is Style.SYNC else ""
        return f"{ACTIONS}{self.interface}/{self.group}/{self.interface}-{self.action_name or self.name}{suffix}"

    @property
    def response_action(self) -> str:
        """wsa:Action of the response: of the callback when the function is asynchronous."""
        name = f"{self.interface}-{self.action_name or self.name}"
        if self.style is Style.SYNC:
            return f"{ACTIONS}{self.interface}/{self.group}/{name}Response"
        return f"{ACTIONS}{self.interface}/{self.group}CallBack/{name}"


BASE_REQUEST = (
    Field("FunctionCallIdentifier", "call_id", STRING),
    Field("ValidityPeriod", "validity", POSITIVE, low=0),
)
BASE_RESPONSE = (
    Field("ProcessingStart", "started", DATE_TIME, low=0),
    Field("ProcessingEnd", "ended", DATE_TIME, low=0),
    Field("AcceptableValidityPeriod", "acceptable_validity", POSITIVE, low=0),
    Field("FunctionExecutionStatus", "status", EXECUTION_STATUS),
)

_EID = Field("Eid", "eid", EID)
_ICCID = Field("Iccid", "iccid", ICCID)
_ICCIDS = Field("Iccid", "iccids", ICCID, low=0, many=True)
_SMSR = Field("Smsr-id", "smsr_id", OID)
_SMSR_ODD = Field("SmSr-id", "smsr_id", OID)  # so spelled in DownloadProfile and EnableProfile of ES2
_POL2 = Field("pol2", "pol2", POL2)
_POL2_OPTIONAL = Field("pol2", "pol2", POL2, low=0, always=True)
_NEW_ADDRESS = Field("newSubscriptionAddress", "", ADDRESS, flat=True)
_MNO = Field("Mno-id", "owner", OID)
_MORE = Field("MoreToDo", "more_to_do", BOOLEAN, low=0)
_EIS = Field("Eis", "eis", EIS_TYPE)
_EIS_OPTIONAL = Field("Eis", "eis", EIS_TYPE, low=0)
_CARD_ANSWER = Field("EuiccResponseData", "euicc_response", HEX, low=0)
_COMPLETED = Field("CompletionTimestamp", "completed", DATE_TIME, other={"completionTimestamp": DATE_TIME})
_COMPLETED_LOWER = Field("completionTimestamp", "completed", DATE_TIME, other={"CompletionTimestamp": DATE_TIME})


def _module(interface: str) -> Any:
    return {"ES1": es1, "ES2": es2, "ES3": es3, "ES4": es4, "ES7": es7}[interface]


def _body(interface: str, name: str) -> type[Body]:
    found: type[Body] = getattr(_module(interface), f"{interface}{name}")
    return found


def _function(
    interface: str,
    name: str,
    group: str,
    style: Style,
    request: tuple[Field, ...],
    response: tuple[Field, ...] = (),
    *,
    action_name: str = "",
) -> Function:
    if style is Style.NOTIFICATION:
        message = Message(f"{interface}-{name}", Shape.NOTIFICATION, _body(interface, name), request)
        return Function(interface, name, group, style, message)
    return Function(
        interface,
        name,
        group,
        style,
        Message(f"{interface}-{name}Request", Shape.REQUEST, _body(interface, name), request),
        Message(f"{interface}-{name}Response", Shape.RESPONSE, _body(interface, f"{name}Response"), response),
        action_name,
    )


_PROFILES, _PLATFORM, _EUICC, _DATA = (
    "ProfileManagement",
    "PlatformManagement",
    "eUICCManagement",
    "DataPreparation",
)
_SYNC, _ASYNC, _NOTE = Style.SYNC, Style.ASYNC, Style.NOTIFICATION
_CHANGED = (_EID, _ICCID, _COMPLETED)
_CHANGED_OF = (_EID, _ICCID, _MNO, _COMPLETED)

FUNCTIONS: tuple[Function, ...] = (
    _function("ES1", "RegisterEIS", _EUICC, _SYNC, (_EIS,)),
    _function("ES2", "GetEIS", _DATA, _SYNC, (_EID, _SMSR), (_EIS_OPTIONAL,)),
    _function(
        "ES2",
        "DownloadProfile",
        _PROFILES,
        _ASYNC,
        (
            *(_EID, _SMSR_ODD, Field("ProfileType", "profile_type", STRING, low=0)),
            *(Field("Iccid", "iccid", ICCID, low=0), Field("EnableProfile", "enable", BOOLEAN)),
        ),
        (Field("Iccid", "iccid", ICCID, low=0),),
    ),
    _function("ES2", "UpdatePolicyRules", _PROFILES, _SYNC, (_EID, _ICCID, _SMSR, _POL2_OPTIONAL)),
    _function("ES2", "UpdateSubscriptionAddress", _PROFILES, _SYNC, (_EID, _SMSR, _ICCID, _NEW_ADDRESS)),
    _function("ES2", "EnableProfile", _PLATFORM, _ASYNC, (_EID, _SMSR_ODD, _ICCID)),
    _function("ES2", "DisableProfile", _PLATFORM, _ASYNC, (_EID, _SMSR, _ICCID)),
    _function("ES2", "DeleteProfile", _PLATFORM, _ASYNC, (_EID, _ICCID, _SMSR)),
    _function("ES2", "HandleProfileDisabledNotification", _PLATFORM, _NOTE, _CHANGED),
    _function("ES2", "HandleProfileEnabledNotification", _PLATFORM, _NOTE, _CHANGED),
    _function("ES2", "HandleProfileDeletedNotification", _PLATFORM, _NOTE, _CHANGED),
    _function("ES2", "HandleSMSRChangeNotification", _EUICC, _NOTE, (_EIS, _COMPLETED)),
    _function("ES3", "GetEIS", _PROFILES, _SYNC, (_EID,), (_EIS_OPTIONAL,)),
    _function("ES3", "AuditEIS", _PROFILES, _ASYNC, (_EID, _ICCIDS), (_EIS_OPTIONAL,)),
    _function(
        "ES3",
        "CreateISDP",
        _PROFILES,
        _ASYNC,
        (_EID, _ICCID, _MNO, Field("RequiredMemory", "required_memory", INTEGER), _MORE),
        (Field("Isd-p-aid", "isdp_aid", AID, low=0), _CARD_ANSWER),
    ),
    _function(
        "ES3",
        "SendData",
        _PROFILES,
        _ASYNC,
        (_EID, Field("Sd-aid", "sd_aid", AID), Field("Data", "data", HEX), _MORE),
        (_CARD_ANSWER,),
    ),
    _function(
        "ES3",
        "ProfileDownloadCompleted",
        _PROFILES,
        _SYNC,
        (
            *(_EID, _ICCID, Field("ProfileType", "profile_type", STRING, low=0)),
            *(Field("SubscriptionAddress", "", ADDRESS, low=0, flat=True), _POL2_OPTIONAL),
        ),
        action_name="ProfileDownloadedCompleted",
    ),
    _function("ES3", "UpdatePolicyRules", _PROFILES, _SYNC, (_EID, _ICCID, _POL2_OPTIONAL)),
    _function("ES3", "UpdateSubscriptionAddress", _PROFILES, _SYNC, (_EID, _ICCID, _NEW_ADDRESS)),
    _function("ES3", "EnableProfile", _PLATFORM, _ASYNC, (_EID, _ICCID), (_CARD_ANSWER,)),
    _function("ES3", "DisableProfile", _PLATFORM, _ASYNC, (_EID, _ICCID), (_CARD_ANSWER,)),
    _function("ES3", "DeleteISDP", _PLATFORM, _ASYNC, (_EID, _ICCID), (_CARD_ANSWER,)),
    _function(
        "ES3",
        "UpdateConnectivityParameters",
        _PLATFORM,
        _ASYNC,
        (_EID, _ICCID, Field("ConnectivityParameters", "parameters", HEX)),
        (_CARD_ANSWER,),
    ),
    _function("ES3", "HandleProfileDisabledNotification", _PLATFORM, _NOTE, _CHANGED_OF),
    _function("ES3", "HandleProfileEnabledNotification", _PLATFORM, _NOTE, _CHANGED_OF),
    _function("ES3", "HandleProfileDeletedNotification", _PLATFORM, _NOTE, _CHANGED_OF),
    _function("ES3", "HandleSMSRChangeNotification", _PLATFORM, _NOTE, (_EIS, _MNO, _COMPLETED_LOWER)),
    _function("ES4", "GetEIS", _PROFILES, _SYNC, (_EID,), (_EIS_OPTIONAL,)),
    _function("ES4", "AuditEIS", _PROFILES, _ASYNC, (_EID, _ICCIDS), (_EIS_OPTIONAL,)),
    _function("ES4", "UpdatePolicyRules", _PROFILES, _SYNC, (_EID, _ICCID, _POL2)),
    _function("ES4", "UpdateSubscriptionAddress", _PROFILES, _SYNC, (_EID, _ICCID, _NEW_ADDRESS)),
    _function("ES4", "EnableProfile", _PLATFORM, _ASYNC, (_EID, _ICCID), (_CARD_ANSWER,)),
    _function("ES4", "DisableProfile", _PLATFORM, _ASYNC, (_EID, _ICCID), (_CARD_ANSWER,)),
    _function("ES4", "DeleteProfile", _PLATFORM, _ASYNC, (_EID, _ICCID), (_CARD_ANSWER,)),
    _function("ES4", "PrepareSMSRChange", _EUICC, _ASYNC, (_EID, Field("CurrentSMSRid", "current_smsr_id", OID))),
    _function("ES4", "SMSRChange", _EUICC, _ASYNC, (_EID, Field("Target-Smsr-id", "target_smsr_id", OID))),
    _function("ES4", "HandleProfileDisabledNotification", _PLATFORM, _NOTE, _CHANGED),
    _function("ES4", "HandleProfileEnabledNotification", _PLATFORM, _NOTE, _CHANGED),
    _function("ES4", "HandleProfileDeletedNotification", _PLATFORM, _NOTE, _CHANGED),
    _function("ES4", "HandleSMSRChangeNotification", _EUICC, _NOTE, (_EIS, _COMPLETED)),
    _function("ES7", "HandoverEUICC", _EUICC, _ASYNC, (_EIS,)),
    _function(
        "ES7",
        "AuthenticateSMSR",
        _EUICC,
        _ASYNC,
        (Field("Eid", "eid", EID, other={"Eis": EID_OF_EIS}), Field("SmsrCertificate", "certificate", HEX)),
        (Field("RandomChallenge", "random_challenge", HEX, low=0),),
    ),
    _function(
        "ES7",
        "CreateAdditionalKeySet",
        _EUICC,
        _ASYNC,
        (
            _EID,
            Field("KeyVersionNumber", "key_version", KEYSET_VERSION),
            Field("InitialSequenceCounter", "initial_counter", INTEGER),
            Field("ECCKeyLength", "key_length", ECC_LENGTH),
            Field("ScenarioParameter", "scenario", BYTE),
            Field("HostId", "host_id", HEX),
            Field("EphemeralPublicKey", "ephemeral_public_key", HEX),
            Field("Signature", "signature", HEX),
        ),
        (Field("DerivationRandom", "derivation_random", HEX, low=0), Field("Receipt", "receipt", HEX, low=0)),
    ),
    _function("ES7", "HandleSMSRChangeNotification", _EUICC, _NOTE, (_EIS, _COMPLETED)),
)

INTERFACES = ("ES1", "ES2", "ES3", "ES4", "ES7")
BY_ELEMENT: dict[str, tuple[Function, Message]] = {}
BY_BODY: dict[type[Body], tuple[Function, Message]] = {}
BY_NAME: dict[str, Function] = {}
for _each in FUNCTIONS:
    BY_NAME[_each.qualified] = _each
    for _message in (_each.request, _each.response):
        if _message is not None:
            BY_ELEMENT[_message.element] = (_each, _message)
            BY_BODY[_message.body] = (_each, _message)


def is_action_of(action: str, function: Function) -> bool:
    """Whether a wsa:Action names this function: by its last segment, without group, suffix and case.

    Peers misspell groups and mix the suffixes (`sgp02-interfaces.md` 2.7 and 8.2); the body element decides.
    """
    last = action.rstrip("/").rpartition("/")[2].lower()
    for suffix in ("request", "response"):
        last = last.removesuffix(suffix)
    names = {function.name, function.action_name} - {""}
    return last in {f"{function.interface}-{name}".lower() for name in names}
