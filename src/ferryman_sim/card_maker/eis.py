"""SGP.02 clauses 5.1.1.3 and 5.2.1: EIS documents and the delivery file of ES1-RegisterEIS requests.

Content: `sgp02-interfaces.md` 4.1 to 4.4; signature over EumSignedInfo: 4.2 there (one Reference without URI,
exclusive canonicalisation, ECDSA with SHA-256 as r || s, XML-DSig 4 and RFC 4051 2.3.6).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from Cryptodome.Cipher import AES
from lxml import etree

from ferryman_sim.card_maker.authority import Authority
from ferryman_sim.card_maker.cards import (
    ECASD_AID,
    ISDR_AID,
    PROFILE_TYPE,
    SPARE_TYPE,
    STATE_ENABLED,
    Card,
    Keyset,
    Loaded,
    kcv,
)
from ferryman_sim.card_maker.seeded import sign_raw
from ferryman_sim.profile import install

RPS = "http://namespaces.gsma.org/esim-messaging/3"
DS = "http://www.w3.org/2000/09/xmldsig#"
DELIVERY = "urn:ferryman:eis-delivery:1"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
LOAD_FILE_AID = "A0000005591010FFFFFFFF8900000D00"
MODULE_AID = "A0000005591010FFFFFFFF8900000E00"
ECASD_KEYSET_VERSION = 0x74  # CA keyset (sgp02-interfaces.md 4.3)
ECASD_KEY_INDEX = 1


@dataclass(frozen=True, slots=True)
class EisPlan:
    """What all EIS of a delivery have in common; a platform of None is that of the card's personality."""

    smsr_id: str
    mno_id: str
    ci_id: str
    production: datetime
    platform_type: str | None
    platform_version: str | None
    remote_provisioning_version: str
    http_supported: bool
    spare_smdp_id: str | None = None


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{RPS}}}{name}")
    element.text = text
    return element


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def request(card: Card, plan: EisPlan, eum: Authority, transport_key: bytes, call_id: str) -> etree._Element:
    """One unsigned ES1-RegisterEISRequest; `sign` completes it."""
    root = etree.Element(f"{{{RPS}}}ES1-RegisterEISRequest", nsmap={"rps": RPS, "ds": DS})
    _add(root, "FunctionCallIdentifier", call_id)
    eis = _add(root, "Eis")
    _signed_info(eis, card, plan, eum)
    _add(eis, "EumSignature")
    # What a Profile takes on the card, which is not the length of its package: EIS and card must agree.
    sizes = [install(each.package, free_memory=card.plan.nvm).memory for each in card.profiles]
    _add(eis, "RemainingMemory", str(max(0, card.plan.nvm - sum(sizes))))
    _add(eis, "AvailableMemoryForProfiles", str(card.plan.nvm))
    _add(eis, "Smsr-id", plan.smsr_id)
    for loaded, allocated in zip(card.profiles, sizes, strict=True):
        _profile(eis, loaded, plan, allocated)
    _isdr(eis, card, transport_key)
    return root


def _signed_info(eis: etree._Element, card: Card, plan: EisPlan, eum: Authority) -> None:
    info = _add(eis, "EumSignedInfo")
    _add(info, "Eid", card.eid)
    _add(info, "Eum-id", eum.oid)
    _add(info, "ProductionDate", _timestamp(plan.production))
    _add(info, "PlatformType", plan.platform_type or card.personality.platform_type)
    _add(info, "PlatformVersion", plan.platform_version or card.personality.platform_version)
    _add(info, "Isd-p-loadfile-aid", LOAD_FILE_AID)
    _add(info, "Isd-p-module-aid", MODULE_AID)
    ecasd = _domain(info, "Ecasd", ECASD_AID, "ECASD", card)
    keyset = _add(ecasd, "Keyset")
    _add(keyset, "Version", str(ECASD_KEYSET_VERSION))
    _add(keyset, "Type", "CA")
    certificate = _add(keyset, "Certificate")
    _add(certificate, "Index", str(ECASD_KEY_INDEX))
    _add(certificate, "CaId", plan.ci_id)
    _add(certificate, "Value", card.ecasd_certificate.hex().upper())
    capabilities = _add(info, "EuiccCapabilities")
    _add(capabilities, "CattpSupport", "false")
    _add(capabilities, "HttpSupport", str(plan.http_supported).lower())
    if plan.http_supported:
        _add(capabilities, "HttpVersion", "1.1.3")
    _add(capabilities, "SecurePacketVersion", card.personality.secure_packet_version)
    _add(capabilities, "RemoteProvisioningVersion", plan.remote_provisioning_version)


def _domain(
    parent: etree._Element, name: str, aid: str, role: str, card: Card, tar: bytes = b""
) -> etree._Element:
    domain = _add(parent, name)
    _add(domain, "Aid", aid)
    _add(domain, "Tar", tar.hex().upper() or aid[24:30])
    _add(domain, "Sin", card.plan.sin.hex().upper())
    _add(domain, "Sdin", card.plan.sdin.hex().upper())
    _add(domain, "Role", role)
    return domain


def _profile(eis: etree._Element, loaded: Loaded, plan: EisPlan, allocated: int) -> None:
    profile = _add(eis, "ProfileInfo")
    _add(profile, "Iccid", loaded.subscription.iccid)
    _add(profile, "Isd-p-aid", loaded.isdp_aid)
    _add(profile, "Mno-id", plan.mno_id)
    _add(profile, "FallbackAttribute", str(loaded.fallback).lower())
    address = _add(profile, "SubscriptionAddress")
    _add(address, "Imsi", loaded.subscription.imsi)
    _add(address, "Msisdn", loaded.subscription.msisdn)
    _add(profile, "State", "Enabled" if loaded.state == STATE_ENABLED else "Disabled")
    if plan.spare_smdp_id and not loaded.fallback:
        _add(profile, "Smdp-id", plan.spare_smdp_id)
    _add(profile, "ProfileType", PROFILE_TYPE if loaded.fallback else SPARE_TYPE)
    _add(profile, "AllocatedMemory", str(allocated))
    _add(profile, "pol2")


def _isdr(eis: etree._Element, card: Card, transport_key: bytes) -> None:
    domain = _domain(eis, "Isd-r", ISDR_AID, "ISD-R", card, card.plan.isd_r_tar)
    for keyset in (card.scp80, card.scp81):
        _keyset(domain, keyset, transport_key)


def _keyset(domain: etree._Element, keyset: Keyset, transport_key: bytes) -> None:
    element = _add(domain, "Keyset")
    _add(element, "Version", str(keyset.version))
    _add(element, "Type", keyset.kind)
    if keyset.counter is not None:
        _add(element, "Cntr", str(keyset.counter))
    for index, kind, clear in keyset.keys:
        key = _add(element, "Key")
        key.set("kcv", kcv(clear).hex().upper())
        _add(key, "Index", str(index))
        component = _add(key, "KeyComponents")
        component.set("type", f"{kind:02X}")
        component.set("value", wrap_key(transport_key, clear).hex().upper())


def wrap_key(transport_key: bytes, clear: bytes) -> bytes:
    """ES1 key protection: AES-ECB, PKCS#7 padding only where the key does not fill its last block."""
    rest = -len(clear) % AES.block_size
    return bytes(AES.new(transport_key, AES.MODE_ECB).encrypt(clear + bytes([rest]) * rest))


def canonical(element: etree._Element) -> bytes:
    """Exclusive canonical form without comments of `element` and what it holds."""
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def sign(message: etree._Element, eum: Authority) -> None:
    """Fill EumSignature of one request in place; EumSignedInfo has to be final, white space included."""
    info = message.find(f"{{{RPS}}}Eis/{{{RPS}}}EumSignedInfo")
    holder = message.find(f"{{{RPS}}}Eis/{{{RPS}}}EumSignature")
    if info is None or holder is None:
        raise ValueError("not an ES1-RegisterEISRequest")

    def child(parent: etree._Element, name: str, text: str | None = None, algorithm: str = "") -> etree._Element:
        element = etree.SubElement(parent, f"{{{DS}}}{name}")
        element.text = text
        if algorithm:
            element.set("Algorithm", algorithm)
        return element

    signed = child(holder, "SignedInfo")
    child(signed, "CanonicalizationMethod", algorithm=EXCLUSIVE_C14N)
    child(signed, "SignatureMethod", algorithm=ECDSA_SHA256)
    reference = child(signed, "Reference")
    child(child(reference, "Transforms"), "Transform", algorithm=EXCLUSIVE_C14N)
    child(reference, "DigestMethod", algorithm=SHA256)
    child(reference, "DigestValue", base64.b64encode(hashlib.sha256(canonical(info)).digest()).decode())
    child(holder, "SignatureValue", base64.b64encode(sign_raw(eum.key, canonical(signed))).decode())
    data = child(child(holder, "KeyInfo"), "X509Data")
    child(data, "X509Certificate", base64.b64encode(eum.certificate).decode())


def delivery(requests: Iterable[etree._Element]) -> bytes:
    """The delivery file: the requests, byte for byte as they were signed, below one root, one a line."""
    body = b"\n".join(etree.tostring(message) for message in requests)
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<EISDelivery xmlns="{DELIVERY}">\n'
    return head.encode() + body + b"\n</EISDelivery>\n"
