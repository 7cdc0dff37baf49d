"""The EIS in XML, as ES1.RegisterEIS carries it (SGP.02 5.2, Annex A schema; `sgp02-interfaces.md` 4).

A card maker's delivery is one document with an `ES1-RegisterEISRequest` for each card. The signed part is kept
as canonical bytes of its own, cut out with its namespaces, and every field of it is read from those bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from ferryman.codec.ids import EID, ICCID
from ferryman.errors import PeerError

RPS = "http://namespaces.gsma.org/esim-messaging/3"
OLD_RPS = "http://namespaces.gsma.org/esim-messaging/1"
DS = "http://www.w3.org/2000/09/xmldsig#"
SIGNED = frozenset(("EumSignedInfo", "EumSignature", "Signature"))
_CLAUSE = "SGP.02 5.2.1"

MAX_DELIVERY = 64 * 1024 * 1024  # octets; some 10,000 cards of 5 kB, more come in several files
MAX_NAME = 200  # characters of an identifier; the schema gives OIDs no limit


@dataclass(frozen=True, slots=True)
class Key:
    """One key as delivered: encrypted under the transport key, with the KCV of the clear key."""

    index: int
    key_type: int
    value: bytes
    kcv: bytes


@dataclass(frozen=True, slots=True)
class Keyset:
    """A key set of the ISD-R; `counter` is that of SCP80."""

    version: int
    counter: int
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A POL2 rule."""

    subject: str
    action: str
    qualification: str


@dataclass(frozen=True, slots=True)
class Profile:
    """ProfileInfo."""

    iccid: str
    isdp_aid: bytes
    owner: str
    fallback: bool
    imsi: str
    msisdn: str
    state: str
    smdp_id: str
    profile_type: str
    allocated_memory: int
    pol2: tuple[Rule, ...]
    free_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    """ISD-R or ECASD: AID, TARs, SIN and SDIN; empty where the EIS does not say."""

    aid: bytes = b""
    tars: tuple[bytes, ...] = ()
    sin: bytes = b""
    sdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Trace:
    """A record of the audit trail that comes with the eUICC; `status` as subject, reason, execution status."""

    smsr_id: str
    at: float
    operation: int
    requester: str = ""
    status: tuple[str, str, str] | None = None
    isdp_aid: bytes = b""
    iccid: str = ""
    imei: bytes = b""
    meid: bytes = b""


@dataclass(frozen=True, slots=True)
class SignedInfo:
    """Fields of EumSignedInfo."""

    eid: str
    eum_id: str
    platform_type: str
    platform_version: str
    cattp_support: bool
    http_support: bool
    remote_provisioning_version: str
    ecasd_certificates: tuple[bytes, ...]
    ecasd: Domain = Domain()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One card of a delivery. `signed_xml` and `signature_xml` are documents of their own."""

    signed: SignedInfo
    signed_xml: bytes
    signature_xml: bytes
    remaining_memory: int
    available_memory: int
    profiles: tuple[Profile, ...]
    keysets: tuple[Keyset, ...] = field(repr=False)
    isdr: Domain = Domain()
    last_audit: float | None = None
    trail: tuple[Trace, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()


def parse_document(data: bytes) -> etree._Element:
    """A document from outside: no DTD, no entities, no network, bounded; raises PeerError."""
    if len(data) > MAX_DELIVERY:
        raise PeerError(f"larger than {MAX_DELIVERY} octets", field="document")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=False,
        remove_pis=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as problem:
        raise PeerError(f"not well-formed XML: {problem.msg}", field="document") from None
    document: Any = root.getroottree().docinfo
    if document.doctype:
        raise PeerError("a document type declaration is not accepted", field="document")
    return root


def canonical(element: etree._Element, name: str) -> bytes:
    """The exclusive canonical form without comments, which stands alone; raises PeerError when there is none."""
    try:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    except etree.C14NError:
        # A namespace in scope is a relative URI: the recommendation gives such a document no canonical form.
        raise PeerError("has no canonical form", field=name, clause="Canonical XML 1.0, 1.3") from None


def parse_delivery(data: bytes) -> list[Delivery]:
    """Every card of a delivery document; raises PeerError naming card and field."""
    return [_card(_child(request, "Eis"), number) for number, request in enumerate(_requests(data), start=1)]


def _requests(data: bytes) -> list[etree._Element]:
    root = _modern(parse_document(data))
    requests = [root] if root.tag == _q("ES1-RegisterEISRequest") else root.findall(_q("ES1-RegisterEISRequest"))
    if not requests:
        raise PeerError("holds no ES1-RegisterEISRequest", field=str(root.tag), clause=_CLAUSE)
    return requests


def split(data: bytes) -> list[Delivery | PeerError]:
    """Each card of a delivery, or what is wrong with it; raises PeerError when the document is no delivery."""
    found: list[Delivery | PeerError] = []
    for number, request in enumerate(_requests(data), start=1):
        try:
            found.append(_card(_child(request, "Eis"), number))
        except PeerError as problem:
            found.append(problem)
    return found


def parse_signed_info(document: bytes) -> SignedInfo:
    """The fields of an EumSignedInfo document."""
    return _signed(_modern(parse_document(document), whole=True))


def _modern(root: etree._Element, *, whole: bool = False) -> etree._Element:
    """Elements of the older namespace under the usual one, but for what is signed: it stays what it was.

    `whole`: in a copy that only fields are read from, the signed part too.
    """
    if not whole and etree.QName(root).localname in SIGNED:
        return root
    if etree.QName(root).namespace == OLD_RPS:
        root.tag = _q(etree.QName(root).localname)
    for child in root.iterchildren(etree.Element):
        _modern(child, whole=whole)
    return root


def _card(eis: etree._Element, number: int) -> Delivery:
    try:
        return _eis(eis)
    except PeerError as problem:
        raise PeerError(problem.reason, field=f"card {number}, {problem.field}", clause=problem.clause) from None


def _eis(eis: etree._Element) -> Delivery:
    info = eis.find(f"{{{OLD_RPS}}}EumSignedInfo")
    if info is None:
        info = _child(eis, "EumSignedInfo")
    # Exclusive canonical form stands alone, whatever namespaces the document round it declared.
    signed_xml = canonical(info, "EumSignedInfo")
    security = _child(eis, "Isd-r")
    return Delivery(
        signed=parse_signed_info(signed_xml),
        signed_xml=signed_xml,
        signature_xml=canonical(_signature(eis), "EumSignature"),
        remaining_memory=_number(eis, "RemainingMemory"),
        available_memory=_number(eis, "AvailableMemoryForProfiles"),
        profiles=tuple(_profile(item) for item in eis.findall(_q("ProfileInfo"))),
        keysets=tuple(_keyset(item) for item in security.findall(_q("Keyset"))),
        isdr=_domain(security),
        last_audit=_time(eis, "LastAuditDate") if eis.find(_q("LastAuditDate")) is not None else None,
        trail=tuple(_trace(item) for item in eis.iterfind(f"{_q('AuditTrail')}/{_q('Record')}")),
        properties=tuple(
            _property(item) for item in eis.iterfind(f"{_q('AdditionalProperties')}/{_q('Property')}")
        ),
    )


def _domain(item: etree._Element) -> Domain:
    domain = etree.QName(item).localname

    def octets(name: str) -> bytes:
        found = item.findtext(_q(name))
        return _bytes(found.strip(), f"{domain}/{name}") if found is not None and found.strip() else b""

    return Domain(
        aid=octets("Aid"),
        tars=tuple(_hex(tar, f"{domain}/Tar", size=3) for tar in item.findall(_q("Tar"))),
        sin=octets("Sin"),
        sdin=octets("Sdin"),
    )


def _trace(item: etree._Element) -> Trace:
    status = item.find(_q("OperationExecutionStatus"))
    codes = item.find(f"{_q('OperationExecutionStatus')}/{_q('StatusCodeData')}")

    def octets(name: str) -> bytes:
        found = item.find(_q(name))
        return _hex(found, name) if found is not None else b""

    return Trace(
        smsr_id=_oid(item, "Smsr-id"),
        at=_time(item, "OperationDate"),
        operation=int.from_bytes(_hex(_child(item, "OperationType"), "OperationType", size=2)),
        requester=_optional(item, "RequesterId"),
        status=None
        if status is None
        else (_optional(codes, "Subject"), _optional(codes, "Reason"), _optional(status, "Status")),
        isdp_aid=octets("Isd-p-aid"),
        iccid=_optional(item, "Iccid"),
        imei=octets("Imei"),
        meid=octets("Meid"),
    )


def _property(item: etree._Element) -> tuple[str, str]:
    key, value = item.get("key") or "", item.get("value") or ""
    if not key or len(key) > MAX_NAME or len(value) > MAX_NAME:
        raise PeerError("key empty, or key or value too long", field="AdditionalProperties", clause=_CLAUSE)
    return key, value


def _time(parent: etree._Element, name: str) -> float:
    """Seconds since 1970 of an xs:dateTime; without a zone it is read as UTC."""
    text = _text(parent, name)
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise PeerError(f"{text!r} is no date and time", field=name, clause=_CLAUSE) from None


def _signature(eis: etree._Element) -> etree._Element:
    """`rps:EumSignature`, or one of the forms older peers send (docs/divergences.md)."""
    for tag in (_q("EumSignature"), f"{{{OLD_RPS}}}EumSignature", f"{{{DS}}}EumSignature", f"{{{DS}}}Signature"):
        found = eis.find(tag)
        if found is not None:
            return found
    raise PeerError("missing", field="EumSignature", clause=_CLAUSE)


def _signed(info: etree._Element) -> SignedInfo:
    if info.tag != _q("EumSignedInfo"):
        raise PeerError("is not EumSignedInfo", field=str(info.tag), clause=_CLAUSE)
    capabilities = _child(info, "EuiccCapabilities")
    eid = EID.parse(_text(info, "Eid"))
    if not eid.check_digits_ok:
        raise PeerError("the check digits of the EID are wrong", field="Eid", clause=_CLAUSE)
    ecasd = _child(info, "Ecasd")
    keysets = ecasd.findall(_q("Keyset"))
    # The CA key set holds CERT.ECASD.ECKA; where no set says its type, any certificate may be it.
    authority = [item for item in keysets if (item.findtext(_q("Type")) or "").strip() == "CA"]
    certificates = [
        _hex(value, "Certificate/Value")
        for item in authority or keysets
        for value in item.iterfind(f"{_q('Certificate')}/{_q('Value')}")
    ]
    return SignedInfo(
        eid=str(eid),
        eum_id=_oid(info, "Eum-id"),
        platform_type=_text(info, "PlatformType")[:100],
        platform_version=_text(info, "PlatformVersion")[:20],
        cattp_support=_boolean(capabilities, "CattpSupport"),
        http_support=_boolean(capabilities, "HttpSupport"),
        remote_provisioning_version=_text(capabilities, "RemoteProvisioningVersion")[:20],
        ecasd_certificates=tuple(certificates),
        ecasd=_domain(ecasd),
    )


def _profile(item: etree._Element) -> Profile:
    address = item.find(_q("SubscriptionAddress"))
    policy = item.find(_q("pol2"))
    state = _text(item, "State")
    if state not in ("Created", "Disabled", "Enabled"):
        raise PeerError(f"{state!r} is no state", field="ProfileInfo/State", clause=_CLAUSE)
    return Profile(
        iccid=str(ICCID.parse(_text(item, "Iccid"))),
        isdp_aid=_hex(_child(item, "Isd-p-aid"), "Isd-p-aid", size=16),
        owner=_oid(item, "Mno-id"),
        fallback=_boolean(item, "FallbackAttribute"),
        imsi=_optional(address, "Imsi"),
        msisdn=_optional(address, "Msisdn"),
        state=state,
        smdp_id=_optional(item, "Smdp-id"),
        profile_type=_optional(item, "ProfileType"),
        allocated_memory=_number(item, "AllocatedMemory"),
        pol2=tuple(
            Rule(_text(rule, "Subject"), _text(rule, "Action"), _text(rule, "Qualification"))
            for rule in (policy.findall(_q("Rule")) if policy is not None else [])
        ),
        free_memory=_number(item, "FreeMemory") if item.find(_q("FreeMemory")) is not None else None,
    )


def _keyset(item: etree._Element) -> Keyset:
    counter = item.find(_q("Cntr"))
    return Keyset(
        version=_number(item, "Version", high=127),
        counter=_number(item, "Cntr") if counter is not None else 0,
        keys=tuple(_key(key) for key in item.findall(_q("Key"))),
    )


def _key(item: etree._Element) -> Key:
    component = _child(item, "KeyComponents")
    return Key(
        index=_number(item, "Index", high=127),
        key_type=_bytes(component.get("type", ""), "KeyComponents/@type", size=1)[0],
        value=_bytes(component.get("value", ""), "KeyComponents/@value"),
        kcv=_bytes(item.get("kcv", ""), "Key/@kcv", size=3),
    )


# -- reading elements ----------------------------------------------------------------------------------------


def _q(name: str) -> str:
    return f"{{{RPS}}}{name}"


def _child(parent: etree._Element, name: str) -> etree._Element:
    found = parent.findall(_q(name))
    if len(found) != 1:
        rule = "missing" if not found else "given more than once"
        raise PeerError(rule, field=name, clause=_CLAUSE)
    return found[0]


def _text(parent: etree._Element, name: str) -> str:
    text = (_child(parent, name).text or "").strip()
    if not text or len(text) > MAX_NAME:
        raise PeerError("empty or too long", field=name, clause=_CLAUSE)
    return text


def _optional(parent: etree._Element | None, name: str) -> str:
    if parent is None or parent.find(_q(name)) is None:
        return ""
    return (parent.findtext(_q(name)) or "").strip()[:MAX_NAME]


def _oid(parent: etree._Element, name: str) -> str:
    text = _text(parent, name)
    if not text.isascii() or not all(part.isdigit() for part in text.split(".")):
        raise PeerError("is no object identifier", field=name, clause=_CLAUSE)
    return text


def _boolean(parent: etree._Element, name: str) -> bool:
    text = _text(parent, name)
    if text not in ("true", "false", "1", "0"):
        raise PeerError(f"{text!r} is no boolean", field=name, clause=_CLAUSE)
    return text in ("true", "1")


def _number(parent: etree._Element, name: str, *, high: int = 2**40) -> int:
    text = _text(parent, name)
    if not text.isascii() or not text.isdigit() or len(text) > 13 or int(text) > high:
        raise PeerError(f"is no number from 0 to {high}", field=name, clause=_CLAUSE)
    return int(text)


def _hex(item: etree._Element, name: str, *, size: int | None = None) -> bytes:
    return _bytes((item.text or "").strip(), name, size=size)


def _bytes(text: str, name: str, *, size: int | None = None) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if not value or (size is not None and len(value) != size):
        rule = "is not hexadecimal" if size is None else f"is not {size} octets in hexadecimal"
        raise PeerError(rule, field=name, clause=_CLAUSE)
    return value
