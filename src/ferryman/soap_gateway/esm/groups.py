"""Structures that functions share: status, policy rules, addresses, EIS (SGP.02 5.1, Annexes A and E)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lxml import etree
from msgspec.structs import replace

from ferryman.codec import eis_xml
from ferryman.contracts.eis import (
    EIS,
    AuditRecord,
    KeysetInfo,
    PolicyRule,
    ProfileInfo,
    ProfileState,
    Property,
    SecurityDomain,
)
from ferryman.contracts.status import ExecutionStatus, Status
from ferryman.errors import PeerError
from ferryman.soap_gateway.esm.fields import (
    BodyError,
    Field,
    Group,
    element,
    local_name,
    namespace,
    read_sequence,
    write_sequence,
)
from ferryman.soap_gateway.esm.simple import (
    AID,
    BOOLEAN,
    DATE_TIME,
    EID,
    HEX,
    HEX16,
    ICCID,
    IMSI,
    KEYSET_USE,
    KEYSET_VERSION,
    MSISDN,
    NUMBER,
    OID,
    OPERATION,
    POL2_ACTION,
    POL2_QUALIFICATION,
    POL2_SUBJECT,
    SD_ROLE,
    STATE,
    STATUS,
    STRING,
    STRING100,
    TAR,
    Simple,
    escape,
)

ISDR_AID = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
MAX_RAW = 512 * 1024  # octets of a signed part; a real one has 5,000

STATUS_CODE = (
    Field("Subject", "subject", OID),
    Field("Reason", "reason", OID),
    Field("SubjectIdentifier", "identifier", STRING, low=0),
    Field("Message", "message", STRING, low=0),
)


@dataclass(frozen=True, slots=True)
class _Flat:
    """A structure whose values are fields of its parent."""

    name: str
    fields: tuple[Field, ...]

    @property
    def reference(self) -> str:
        """How an element of the schema names this type."""
        return f"rps:{self.name}"

    def read_element(self, element: etree._Element) -> dict[str, Any]:
        """The values by key; raises BodyError."""
        return read_sequence(element, self.fields, local_name(element))

    def write_content(self, value: Any) -> str:
        """The elements, from the fields of the parent."""
        return write_sequence(value, self.fields)


ADDRESS = _Flat(
    "SubscriptionAddressType", (Field("Imsi", "imsi", IMSI, low=0), Field("Msisdn", "msisdn", MSISDN, low=0))
)
STATUS_CODE_DATA = _Flat("StatusCodeDataType", STATUS_CODE)


class _ExecutionStatus:
    """FunctionExecutionStatus (5.1.5)."""

    name = "ExecutionStatusType"
    reference = "rps:ExecutionStatusType"
    fields = (Field("Status", "status", STATUS), Field("StatusCodeData", "", STATUS_CODE_DATA, low=0, flat=True))

    def read_element(self, element: etree._Element) -> ExecutionStatus:
        """The status; raises BodyError."""
        values = read_sequence(element, self.fields, local_name(element))
        return ExecutionStatus(**{**values, "status": Status(values["status"])})

    def write_content(self, value: ExecutionStatus) -> str:
        """Status, and the codes unless there is none."""
        data = element("StatusCodeData", write_sequence(value, STATUS_CODE)) if value.subject else ""
        return element("Status", value.status.value) + data


EXECUTION_STATUS = _ExecutionStatus()

RULE = Group(
    "POL2RuleType",
    (
        Field("Subject", "subject", POL2_SUBJECT),
        Field("Action", "action", POL2_ACTION),
        Field("Qualification", "qualification", POL2_QUALIFICATION),
    ),
    PolicyRule,
)


class _Rules:
    """POL2: rules in their order."""

    name = "POL2Type"
    reference = "rps:POL2Type"
    fields = (Field("Rule", "rules", RULE, low=0, many=True),)

    def read_element(self, element: etree._Element) -> tuple[PolicyRule, ...]:
        """The rules; raises BodyError."""
        found: tuple[PolicyRule, ...] = read_sequence(element, self.fields, local_name(element)).get("rules", ())
        return found

    def write_content(self, value: tuple[PolicyRule, ...]) -> str:
        """The rules."""
        return "".join(element("Rule", RULE.write_content(rule)) for rule in value)


POL2 = _Rules()

# State comes as text; the contract has an enumeration of the same words.
PROFILE_INFO = Group(
    "ProfileInfoType",
    (
        Field("Iccid", "iccid", ICCID),
        Field("Isd-p-aid", "isdp_aid", AID),
        Field("Mno-id", "owner", OID),
        Field("FallbackAttribute", "fallback", BOOLEAN, lenient=True),
        Field("SubscriptionAddress", "", ADDRESS, flat=True, lenient=True),
        Field(
            "State",
            "state",
            Simple(STATE.name, lambda text: ProfileState(STATE.read(text)), str, STATE.base, STATE.facets),
            lenient=True,
        ),
        Field("Smdp-id", "smdp_id", OID, low=0),
        Field("ProfileType", "profile_type", STRING100, low=0),
        Field("AllocatedMemory", "allocated_memory", NUMBER, lenient=True),
        Field("FreeMemory", "free_memory", NUMBER, low=0),
        Field("pol2", "pol2", POL2, lenient=True),
    ),
    lambda **values: ProfileInfo(**{"state": ProfileState.DISABLED, **values}),
)


class _Ignored:
    """Keys and certificates of an ISD-R: no caller may see them, and none is taken over."""

    reference = ""

    def read_element(self, element: etree._Element) -> None:
        """Nothing of it is kept."""
        del element

    def write_content(self, value: object) -> str:
        """Never written."""
        del value
        return ""


_IGNORED = _Ignored()
_ROLE_ISDR = Simple(SD_ROLE.name, SD_ROLE.read, lambda _: "ISD-R", SD_ROLE.base, SD_ROLE.facets)
KEYSET = Group(
    "KeysetType",
    (
        Field("Version", "version", KEYSET_VERSION),
        Field("Type", "type", KEYSET_USE, low=0),
        Field("Cntr", "counter", NUMBER, low=0),
        Field("Key", "", _IGNORED, low=0, many=True, other={"Certificate": _IGNORED}),
    ),
    KeysetInfo,
)
ISDR = Group(
    "SecurityDomainType",
    (
        Field("Aid", "aid", AID),
        Field("Tar", "tars", TAR, low=0, many=True),
        Field("Sin", "sin", HEX16),
        Field("Sdin", "sdin", HEX16),
        Field("Role", "", _ROLE_ISDR),
        Field("Keyset", "keysets", KEYSET, many=True, lenient=True),
    ),
    SecurityDomain,
)
# What stands for an ISD-R that a caller may not see (`sgp02-interfaces.md` 4.6): schema-valid, and tells nothing.
HIDDEN_ISDR = SecurityDomain(aid=ISDR_AID, keysets=(KeysetInfo(version=1),))

RECORD = Group(
    "AuditTrailRecordType",
    (
        Field("Eid", "eid", EID),
        Field("Smsr-id", "smsr_id", OID),
        Field("OperationDate", "at", DATE_TIME),
        Field("OperationType", "operation", OPERATION),
        Field("RequesterId", "requester", OID, low=0),
        Field("OperationExecutionStatus", "status", EXECUTION_STATUS, low=0),
        Field("Isd-p-aid", "isdp_aid", AID, low=0),
        Field("Iccid", "iccid", ICCID, low=0),
        Field("Imei", "imei", HEX, low=0),
        Field("Meid", "meid", HEX, low=0),
    ),
    AuditRecord,
)


class _Trail:
    """AuditTrail: records in their order."""

    reference = "rps:AuditTrailType"
    name = "AuditTrailType"
    fields = (Field("Record", "records", RECORD, low=0, many=True),)

    def read_element(self, element: etree._Element) -> tuple[AuditRecord, ...]:
        """The records; raises BodyError."""
        found: tuple[AuditRecord, ...] = read_sequence(element, self.fields).get("records", ())
        return found

    def write_content(self, value: tuple[AuditRecord, ...]) -> str:
        """The records."""
        return "".join(element("Record", RECORD.write_content(record)) for record in value)


class _Properties:
    """AdditionalProperties: attributes of empty elements."""

    reference = "rps:AdditionalPropertiesType"

    def read_element(self, element: etree._Element) -> tuple[Property, ...]:
        """The properties; raises BodyError."""
        found = []
        if (element.text or "").strip():
            raise BodyError("has text between elements", field="AdditionalProperties")
        for child in element:
            key, value = child.get("key", ""), child.get("value")
            text = (child.text or "") + (child.tail or "").strip()
            if local_name(child) != "Property" or not key or value is None or text or len(child):
                raise BodyError(
                    "is no property with key and value", field=f"AdditionalProperties/{local_name(child)}"
                )
            found.append(Property(key, value))
        return tuple(found)

    def write_content(self, value: tuple[Property, ...]) -> str:
        """The properties."""
        return "".join(f"<Property key={_quoted(one.key)} value={_quoted(one.value)}/>" for one in value)


def _quoted(text: str) -> str:
    return '"' + escape(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;") + '"'


class _Raw:
    """A part that somebody has signed: its canonical octets, which stand alone and are never written anew."""

    def __init__(self, name: str, reference: str) -> None:
        self.name = name
        self.reference = reference

    def read_element(self, element: etree._Element) -> bytes:
        """The exclusive canonical form; raises BodyError."""
        try:
            found = eis_xml.canonical(element, self.name)
        except PeerError as problem:
            raise BodyError(problem.reason, field=self.name) from None
        if len(found) > MAX_RAW:
            raise BodyError(f"has more than {MAX_RAW} octets", field=self.name)
        return found

    def write_content(self, value: bytes) -> str:
        """The element as it was received."""
        return value.decode("utf-8")


class _Signature(_Raw):
    """EumSignature, which peers send under several names."""

    def write_content(self, value: bytes) -> str:
        """The signature under `rps:EumSignature`; its children stay the octets that were received."""
        text = value.decode("utf-8")
        if text.startswith(("<EumSignature", "<rps:EumSignature")):
            return text
        root = etree.fromstring(value)
        if namespace(root) == eis_xml.RPS:
            return text
        children = "".join(etree.tostring(child, method="c14n", exclusive=True).decode("utf-8") for child in root)
        return f'<EumSignature xmlns="{eis_xml.RPS}">{children}</EumSignature>'


PROPERTIES = _Properties()
_SPACES = (eis_xml.RPS, eis_xml.OLD_RPS)
# In a message of another namespace the signed parts stay in the one that they were signed in.
EIS_FIELDS = (
    Field(
        "EumSignedInfo",
        "signed_info",
        _Raw("EumSignedInfo", "rps:EumSignedInfoType"),
        other={f"{{{space}}}EumSignedInfo": _Raw("EumSignedInfo", "") for space in _SPACES},
        whole=True,
    ),
    Field(
        "EumSignature",
        "signature",
        _Signature("EumSignature", "rps:EumSignatureType"),
        other={
            **{f"{{{space}}}EumSignature": _Raw("EumSignature", "") for space in _SPACES},
            f"{{{eis_xml.DS}}}EumSignature": _Raw("EumSignature", ""),
            f"{{{eis_xml.DS}}}Signature": _Raw("EumSignature", ""),
        },
        lenient=True,
        whole=True,
    ),
    Field("RemainingMemory", "remaining_memory", NUMBER, lenient=True),
    Field("AvailableMemoryForProfiles", "available_memory", NUMBER, lenient=True),
    Field("LastAuditDate", "last_audit", DATE_TIME, low=0),
    Field("Smsr-id", "smsr_id", OID, lenient=True),
    Field("ProfileInfo", "profiles", PROFILE_INFO, low=0, many=True),
    Field("Isd-r", "isdr", ISDR, lenient=True),
    Field("AuditTrail", "audit_trail", _Trail(), low=0),
    Field("AdditionalProperties", "properties", PROPERTIES, low=0),
)
_BEFORE, _BETWEEN, _AFTER = EIS_FIELDS[:7], EIS_FIELDS[7], EIS_FIELDS[8:]


class _EIS:
    """The EIS; the signed parts are octets, everything of them that is used is read from those (Annex E)."""

    name = "EISType"
    reference = "rps:EISType"
    fields = EIS_FIELDS

    def read_element(self, element: etree._Element) -> EIS:
        """The EIS; raises BodyError."""
        values = read_sequence(element, EIS_FIELDS, "Eis")
        try:
            signed = eis_xml.parse_signed_info(values["signed_info"])
        except PeerError as problem:
            raise BodyError(problem.reason, field=f"Eis/EumSignedInfo/{problem.field}") from None
        base: dict[str, Any] = {"remaining_memory": 0, "available_memory": 0, "smsr_id": ""}
        return EIS(
            **(base | values),
            eid=signed.eid,
            eum_id=signed.eum_id,
            platform_type=signed.platform_type,
            platform_version=signed.platform_version,
            remote_provisioning_version=signed.remote_provisioning_version,
            http_support=signed.http_support,
            cattp_support=signed.cattp_support,
        )

    def write_content(self, value: EIS) -> str:
        """Signed parts as they were received, the rest from the fields; an ISD-R that tells nothing when none."""
        return "".join(
            (
                write_sequence(value, _BEFORE),
                element(_BETWEEN.name, ISDR.write_content(_with_a_keyset(value.isdr or HIDDEN_ISDR))),
                write_sequence(value, _AFTER),
            )
        )


class _EIDOfEIS:
    """ES7.AuthenticateSMSR of peers that send the EIS where the function has an EID: only its EID is used."""

    reference = "rps:EISType"

    def read_element(self, element: etree._Element) -> str:
        """The EID; raises BodyError."""
        found = EIS_TYPE.read_element(element)
        return found.eid


def _with_a_keyset(domain: SecurityDomain) -> SecurityDomain:
    """The schema demands a Keyset even where there is none to tell of, as in a handover."""
    return domain if domain.keysets else replace(domain, keysets=HIDDEN_ISDR.keysets)


EIS_TYPE = _EIS()
EID_OF_EIS = _EIDOfEIS()
