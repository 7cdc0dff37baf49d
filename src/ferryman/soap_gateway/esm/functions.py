"""Every function and notification of ES1, ES2, ES3, ES4 and ES7: elements, values, Actions (SGP.02 5.2 to 5.6).

The tables are the one place that knows the order of elements and their spelling; schema, WSDL, reader and writer
are made from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ferryman.codec.eis_xml import OLD_RPS, RPS
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
OLD_NAMESPACE = OLD_RPS
NO_AID = "0000000000"  # the shortest that the schema takes, and no ISD-P's
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
    space: str = ""  # namespace of a function that is not one of the base set

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

EID_FIELD = Field("Eid", "eid", EID)
ICCID_FIELD = Field("Iccid", "iccid", ICCID)
ICCIDS = Field("Iccid", "iccids", ICCID, low=0, many=True)
SMSR = Field("Smsr-id", "smsr_id", OID)
_SMSR_ODD = Field("SmSr-id", "smsr_id", OID)  # so spelled in DownloadProfile and EnableProfile of ES2
_POL2 = Field("pol2", "pol2", POL2)
_POL2_OPTIONAL = Field("pol2", "pol2", POL2, low=0, always=True)
_NEW_ADDRESS = Field("newSubscriptionAddress", "", ADDRESS, flat=True)
MNO_FIELD = Field("Mno-id", "owner", OID)
_MORE = Field("MoreToDo", "more_to_do", BOOLEAN, low=0)
_EIS = Field("Eis", "eis", EIS_TYPE)
EIS_OPTIONAL = Field("Eis", "eis", EIS_TYPE, low=0)
CARD_ANSWER = Field("EuiccResponseData", "euicc_response", HEX, low=0)
COMPLETED = Field("CompletionTimestamp", "completed", DATE_TIME, other={"completionTimestamp": DATE_TIME})
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


PROFILES, PLATFORM, EUICC, _DATA = (
    "ProfileManagement",
    "PlatformManagement",
    "eUICCManagement",
    "DataPreparation",
)
_SYNC, _ASYNC, _NOTE = Style.SYNC, Style.ASYNC, Style.NOTIFICATION
_CHANGED = (EID_FIELD, ICCID_FIELD, COMPLETED)
_CHANGED_OF = (EID_FIELD, ICCID_FIELD, MNO_FIELD, COMPLETED)

FUNCTIONS: tuple[Function, ...] = (
    _function("ES1", "RegisterEIS", EUICC, _SYNC, (_EIS,)),
    _function("ES2", "GetEIS", _DATA, _SYNC, (EID_FIELD, SMSR), (EIS_OPTIONAL,)),
    _function(
        "ES2",
        "DownloadProfile",
        PROFILES,
        _ASYNC,
        (
            *(EID_FIELD, _SMSR_ODD, Field("ProfileType", "profile_type", STRING, low=0)),
            *(Field("Iccid", "iccid", ICCID, low=0), Field("EnableProfile", "enable", BOOLEAN)),
        ),
        (Field("Iccid", "iccid", ICCID, low=0),),
    ),
    _function("ES2", "UpdatePolicyRules", PROFILES, _SYNC, (EID_FIELD, ICCID_FIELD, SMSR, _POL2_OPTIONAL)),
    _function("ES2", "UpdateSubscriptionAddress", PROFILES, _SYNC, (EID_FIELD, SMSR, ICCID_FIELD, _NEW_ADDRESS)),
    _function("ES2", "EnableProfile", PLATFORM, _ASYNC, (EID_FIELD, _SMSR_ODD, ICCID_FIELD)),
    _function("ES2", "DisableProfile", PLATFORM, _ASYNC, (EID_FIELD, SMSR, ICCID_FIELD)),
    _function("ES2", "DeleteProfile", PLATFORM, _ASYNC, (EID_FIELD, ICCID_FIELD, SMSR)),
    _function("ES2", "HandleProfileDisabledNotification", PLATFORM, _NOTE, _CHANGED),
    _function("ES2", "HandleProfileEnabledNotification", PLATFORM, _NOTE, _CHANGED),
    _function("ES2", "HandleProfileDeletedNotification", PLATFORM, _NOTE, _CHANGED),
    _function("ES2", "HandleSMSRChangeNotification", EUICC, _NOTE, (_EIS, COMPLETED)),
    _function("ES3", "GetEIS", PROFILES, _SYNC, (EID_FIELD,), (EIS_OPTIONAL,)),
    _function("ES3", "AuditEIS", PROFILES, _ASYNC, (EID_FIELD, ICCIDS), (EIS_OPTIONAL,)),
    _function(
        "ES3",
        "CreateISDP",
        PROFILES,
        _ASYNC,
        (EID_FIELD, ICCID_FIELD, MNO_FIELD, Field("RequiredMemory", "required_memory", INTEGER), _MORE),
        (Field("Isd-p-aid", "isdp_aid", AID, low=0, filler=NO_AID), CARD_ANSWER),
    ),
    _function(
        "ES3",
        "SendData",
        PROFILES,
        _ASYNC,
        (EID_FIELD, Field("Sd-aid", "sd_aid", AID), Field("Data", "data", HEX), _MORE),
        (CARD_ANSWER,),
    ),
    _function(
        "ES3",
        "ProfileDownloadCompleted",
        PROFILES,
        _SYNC,
        (
            *(EID_FIELD, ICCID_FIELD, Field("ProfileType", "profile_type", STRING, low=0)),
            *(Field("SubscriptionAddress", "", ADDRESS, low=0, flat=True), _POL2_OPTIONAL),
        ),
        action_name="ProfileDownloadedCompleted",
    ),
    _function("ES3", "UpdatePolicyRules", PROFILES, _SYNC, (EID_FIELD, ICCID_FIELD, _POL2_OPTIONAL)),
    _function("ES3", "UpdateSubscriptionAddress", PROFILES, _SYNC, (EID_FIELD, ICCID_FIELD, _NEW_ADDRESS)),
    _function("ES3", "EnableProfile", PLATFORM, _ASYNC, (EID_FIELD, ICCID_FIELD), (CARD_ANSWER,)),
    _function("ES3", "DisableProfile", PLATFORM, _ASYNC, (EID_FIELD, ICCID_FIELD), (CARD_ANSWER,)),
    _function("ES3", "DeleteISDP", PLATFORM, _ASYNC, (EID_FIELD, ICCID_FIELD), (CARD_ANSWER,)),
    _function(
        "ES3",
        "UpdateConnectivityParameters",
        PLATFORM,
        _ASYNC,
        (EID_FIELD, ICCID_FIELD, Field("ConnectivityParameters", "parameters", HEX)),
        (CARD_ANSWER,),
    ),
    _function("ES3", "HandleProfileDisabledNotification", PLATFORM, _NOTE, _CHANGED_OF),
    _function("ES3", "HandleProfileEnabledNotification", PLATFORM, _NOTE, _CHANGED_OF),
    _function("ES3", "HandleProfileDeletedNotification", PLATFORM, _NOTE, _CHANGED_OF),
    _function("ES3", "HandleSMSRChangeNotification", PLATFORM, _NOTE, (_EIS, MNO_FIELD, _COMPLETED_LOWER)),
    _function("ES4", "GetEIS", PROFILES, _SYNC, (EID_FIELD,), (EIS_OPTIONAL,)),
    _function("ES4", "AuditEIS", PROFILES, _ASYNC, (EID_FIELD, ICCIDS), (EIS_OPTIONAL,)),
    _function("ES4", "UpdatePolicyRules", PROFILES, _SYNC, (EID_FIELD, ICCID_FIELD, _POL2)),
    _function("ES4", "UpdateSubscriptionAddress", PROFILES, _SYNC, (EID_FIELD, ICCID_FIELD, _NEW_ADDRESS)),
    _function("ES4", "EnableProfile", PLATFORM, _ASYNC, (EID_FIELD, ICCID_FIELD), (CARD_ANSWER,)),
    _function("ES4", "DisableProfile", PLATFORM, _ASYNC, (EID_FIELD, ICCID_FIELD), (CARD_ANSWER,)),
    _function("ES4", "DeleteProfile", PLATFORM, _ASYNC, (EID_FIELD, ICCID_FIELD), (CARD_ANSWER,)),
    _function(
        "ES4", "PrepareSMSRChange", EUICC, _ASYNC, (EID_FIELD, Field("CurrentSMSRid", "current_smsr_id", OID))
    ),
    _function("ES4", "SMSRChange", EUICC, _ASYNC, (EID_FIELD, Field("Target-Smsr-id", "target_smsr_id", OID))),
    _function("ES4", "HandleProfileDisabledNotification", PLATFORM, _NOTE, _CHANGED),
    _function("ES4", "HandleProfileEnabledNotification", PLATFORM, _NOTE, _CHANGED),
    _function("ES4", "HandleProfileDeletedNotification", PLATFORM, _NOTE, _CHANGED),
    _function("ES4", "HandleSMSRChangeNotification", EUICC, _NOTE, (_EIS, COMPLETED)),
    _function("ES7", "HandoverEUICC", EUICC, _ASYNC, (_EIS,)),
    _function(
        "ES7",
        "AuthenticateSMSR",
        EUICC,
        _ASYNC,
        (Field("Eid", "eid", EID, other={"Eis": EID_OF_EIS}), Field("SmsrCertificate", "certificate", HEX)),
        (Field("RandomChallenge", "random_challenge", HEX, low=0, filler=""),),
    ),
    _function(
        "ES7",
        "CreateAdditionalKeySet",
        EUICC,
        _ASYNC,
        (
            EID_FIELD,
            Field("KeyVersionNumber", "key_version", KEYSET_VERSION),
            Field("InitialSequenceCounter", "initial_counter", INTEGER),
            Field("ECCKeyLength", "key_length", ECC_LENGTH),
            Field("ScenarioParameter", "scenario", BYTE),
            Field("HostId", "host_id", HEX),
            Field("EphemeralPublicKey", "ephemeral_public_key", HEX),
            Field("Signature", "signature", HEX),
        ),
        (
            Field("DerivationRandom", "derivation_random", HEX, low=0, filler=""),
            Field("Receipt", "receipt", HEX, low=0, filler=""),
        ),
    ),
    _function("ES7", "HandleSMSRChangeNotification", EUICC, _NOTE, (_EIS, COMPLETED)),
)

INTERFACES = ("ES1", "ES2", "ES3", "ES4", "ES7")  # of the base set
ROUTED = (*INTERFACES, "ES4A")
BY_ELEMENT: dict[str, tuple[Function, Message]] = {}
BY_BODY: dict[type[Body], tuple[Function, Message]] = {}
BY_NAME: dict[str, Function] = {}


def register(functions: tuple[Function, ...]) -> None:
    """Make functions known by name, element and body."""
    for each in functions:
        BY_NAME[each.qualified] = each
        for message in (each.request, each.response):
            if message is not None:
                BY_ELEMENT[message.element] = (each, message)
                BY_BODY[message.body] = (each, message)


register(FUNCTIONS)


def is_action_of(action: str, function: Function) -> bool:
    """Whether a wsa:Action names this function: by its last segment, without group, suffix and case.

    Peers misspell groups and mix the suffixes (`sgp02-interfaces.md` 2.7 and 8.2); the body element decides.
    """
    last = action.rstrip("/").rpartition("/")[2].lower()
    for suffix in ("request", "response"):
        last = last.removesuffix(suffix)
    names = {function.name, function.action_name} - {""}
    return last in {f"{function.interface}-{name}".lower() for name in names}
