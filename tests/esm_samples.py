"""One message of every kind, made from the contract types and not from the mapping tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lxml import etree

from ferryman.contracts import es1, es2, es3, es4, es7
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
from ferryman.contracts.message import Body
from ferryman.contracts.status import SUCCESS, ExecutionStatus, Status, failed, warning
from shared_data import shared

EID = "89001012012341234012345678901224"
ICCID = "8988101000000000014"
MNO, DP, SR, SR2 = (f"1.3.6.1.4.1.99999.{number}" for number in (30, 10, 20, 21))
AID = bytes.fromhex("A0000005591010FFFFFFFF8900001300")
AT = 1_736_500_000.0
RPS = "http://namespaces.gsma.org/esim-messaging/3"


def reference_schema() -> etree.XMLSchema:
    """The schema of the reference, read by libxml2."""
    return etree.XMLSchema(etree.parse(str(shared("reference/sgp02-messaging.xsd"))))


def reference_xml() -> list[str]:
    """Every XML example of the reference."""
    text = Path(shared("reference/sgp02-interfaces.md")).read_text()
    return re.findall(r"```xml\n(.*?)```", text, re.DOTALL)


def signed_parts() -> tuple[bytes, bytes]:
    """EumSignedInfo and EumSignature of the reference's EIS, canonical."""
    document = next(text for text in reference_xml() if text.startswith("<Eis"))
    root = etree.fromstring(document.encode())
    first, second = root[0], root[1]
    return tuple(etree.tostring(part, method="c14n", exclusive=True) for part in (first, second))  # type: ignore[return-value]


def rules(*actions: str) -> tuple[PolicyRule, ...]:
    return tuple(PolicyRule(action, "Not-Allowed") for action in actions)


def profile(number: int) -> ProfileInfo:
    return ProfileInfo(
        iccid=f"898810100000000{number:04d}",
        isdp_aid=AID[:-3] + number.to_bytes(2) + b"\0",
        owner=MNO,
        state=ProfileState.ENABLED if number == 0 else ProfileState.DISABLED,
        fallback=number == 0,
        imsi="001010000000001",
        msisdn="882360000000001",
        smdp_id=DP,
        profile_type="m2m <&> type",
        allocated_memory=65_536,
        free_memory=0,
        pol2=rules("DELETE"),
    )


def eis(profiles: int = 3) -> EIS:
    """An EIS with everything in it."""
    signed, signature = signed_parts()
    return EIS(
        eid=EID,
        eum_id="1.3.6.1.4.1.99999.40",
        platform_type="demo-card",
        platform_version="1.0.0",
        remote_provisioning_version="3.2.0",
        http_support=True,
        cattp_support=False,
        remaining_memory=300_000,
        available_memory=400_000,
        smsr_id=SR,
        profiles=tuple(profile(number) for number in range(profiles)),
        signed_info=signed,
        signature=signature,
        last_audit=AT,
        isdr=SecurityDomain(
            aid=bytes.fromhex("A0000005591010FFFFFFFF8900000100"),
            sin=b"\x42\x01",
            sdin=b"\x45\0\0\1",
            tars=(b"\0\0\1",),
            keysets=(KeysetInfo(version=1, type="SCP80", counter=0), KeysetInfo(version=64, type="SCP81")),
        ),
        audit_trail=(
            AuditRecord(eid=EID, smsr_id=SR, at=AT, operation=1, imei=b"\x08\x3a", iccid=ICCID),
            AuditRecord(
                eid=EID,
                smsr_id=SR,
                at=AT,
                operation=0x0200,
                requester=MNO,
                isdp_aid=AID,
                status=failed("8.2.2", "3.8", "POL1", ICCID),
            ),
        ),
        properties=(Property("colour", 'green "& blue'),),
    )


def _address() -> dict[str, Any]:
    return {"imsi": "001010000000001", "msisdn": "882360000000001"}


def messages() -> list[Body]:
    """At least one of every kind, a success and a failure of responses that differ."""
    platform = {"eid": EID, "iccid": ICCID}
    via_dp = {**platform, "smsr_id": SR}
    document = etree.fromstring(next(text for text in reference_xml() if text.startswith("<Eis")).encode())
    request = etree.Element(f"{{{RPS}}}ES1-RegisterEISRequest", nsmap={None: RPS})
    etree.SubElement(request, f"{{{RPS}}}FunctionCallIdentifier").text = "call-1"
    request.append(document)
    xml = etree.tostring(request, method="c14n", exclusive=True)
    made: list[Body] = [
        es1.ES1RegisterEIS(eid=EID, eum_id="1.3.6.1.4.1.99999.40", xml=xml),
        es2.ES2GetEIS(eid=EID, smsr_id=SR),
        es2.ES2DownloadProfile(eid=EID, smsr_id=SR, profile_type="m2m", enable=True),
        es2.ES2DownloadProfile(eid=EID, smsr_id=SR, iccid=ICCID),
        es2.ES2UpdatePolicyRules(**via_dp, pol2=rules("DELETE", "DISABLE")),
        es2.ES2UpdatePolicyRules(**via_dp),
        es2.ES2UpdateSubscriptionAddress(**via_dp, **_address()),
        es2.ES2EnableProfile(**via_dp),
        es2.ES2DisableProfile(**via_dp),
        es2.ES2DeleteProfile(**via_dp),
        es3.ES3GetEIS(eid=EID),
        es3.ES3AuditEIS(eid=EID, iccids=(ICCID, "8988101000000000022")),
        es3.ES3CreateISDP(**platform, owner=MNO, required_memory=65_536, more_to_do=True),
        es3.ES3SendData(eid=EID, sd_aid=AID, data=bytes(range(256)) * 8),
        es3.ES3ProfileDownloadCompleted(**platform, profile_type="m2m", **_address(), pol2=rules("DELETE")),
        es3.ES3ProfileDownloadCompleted(**platform),
        es3.ES3UpdatePolicyRules(**platform),
        es3.ES3UpdateSubscriptionAddress(**platform, msisdn="882360000000001"),
        es3.ES3EnableProfile(**platform),
        es3.ES3DisableProfile(**platform),
        es3.ES3DeleteISDP(**platform),
        es3.ES3UpdateConnectivityParameters(**platform, parameters=b"\x22\x01\x00"),
        es4.ES4GetEIS(eid=EID),
        es4.ES4AuditEIS(eid=EID),
        es4.ES4UpdatePolicyRules(**platform, pol2=rules("DISABLE")),
        es4.ES4UpdateSubscriptionAddress(**platform, imsi="001010000000001"),
        es4.ES4EnableProfile(**platform),
        es4.ES4DisableProfile(**platform),
        es4.ES4DeleteProfile(**platform),
        es4.ES4PrepareSMSRChange(eid=EID, current_smsr_id=SR),
        es4.ES4SMSRChange(eid=EID, target_smsr_id=SR2),
        es7.ES7HandoverEUICC(eis=eis()),
        es7.ES7AuthenticateSMSR(eid=EID, certificate=b"\x7f\x21\x00"),
        es7.ES7CreateAdditionalKeySet(
            eid=EID, key_version=2, initial_counter=0, key_length="ECC-256", scenario=8, host_id=b"",
            ephemeral_public_key=b"\x04" + bytes(64), signature=bytes(64),
        ),
    ]  # fmt: skip
    made += _responses()
    made += _notifications()
    return made


def _responses() -> list[Body]:
    no = failed("8.2.1", "3.9", "no such <profile>", ICCID)
    plain: list[Any] = [
        es1.ES1RegisterEISResponse,
        *(
            es2.ES2UpdatePolicyRulesResponse,
            es2.ES2UpdateSubscriptionAddressResponse,
            es2.ES2EnableProfileResponse,
        ),
        *(es2.ES2DisableProfileResponse, es2.ES2DeleteProfileResponse, es3.ES3UpdatePolicyRulesResponse),
        *(es3.ES3ProfileDownloadCompletedResponse, es3.ES3UpdateSubscriptionAddressResponse),
        *(es4.ES4UpdatePolicyRulesResponse, es4.ES4UpdateSubscriptionAddressResponse),
        *(es4.ES4PrepareSMSRChangeResponse, es4.ES4SMSRChangeResponse, es7.ES7HandoverEUICCResponse),
    ]
    of_card: list[Any] = [
        *(es3.ES3SendDataResponse, es3.ES3EnableProfileResponse, es3.ES3DisableProfileResponse),
        *(es3.ES3DeleteISDPResponse, es3.ES3UpdateConnectivityParametersResponse, es4.ES4EnableProfileResponse),
        *(es4.ES4DisableProfileResponse, es4.ES4DeleteProfileResponse),
    ]
    with_eis: list[Any] = [
        *(es2.ES2GetEISResponse, es3.ES3GetEISResponse, es3.ES3AuditEISResponse),
        *(es4.ES4GetEISResponse, es4.ES4AuditEISResponse),
    ]
    made: list[Body] = [kind(status=status) for kind in plain for status in (SUCCESS, no)]
    made += [kind(status=SUCCESS, euicc_response=b"\x23\x02\x90\x00") for kind in of_card]
    made += [kind(status=no) for kind in (*of_card, *with_eis)]
    made += [kind(status=SUCCESS, eis=eis(number)) for number, kind in enumerate(with_eis)]
    return [
        *made,
        es4.ES4EnableProfileResponse(
            status=ExecutionStatus(Status.FAILED, "1.6", "3.2", "", "too long", acceptable_validity=60.0)
        ),
        es2.ES2DownloadProfileResponse(status=warning("8.2.3", "3.8", "not enabled"), iccid=ICCID),
        es3.ES3CreateISDPResponse(status=SUCCESS, isdp_aid=AID, euicc_response=b"\x23\x02\x90\x00"),
        es3.ES3CreateISDPResponse(status=no),
        es7.ES7AuthenticateSMSRResponse(status=SUCCESS, random_challenge=bytes(16)),
        es7.ES7CreateAdditionalKeySetResponse(status=SUCCESS, derivation_random=bytes(16), receipt=bytes(16)),
        es7.ES7CreateAdditionalKeySetResponse(status=no),
    ]


def _notifications() -> list[Body]:
    changed = {"eid": EID, "iccid": ICCID, "completed": AT}
    return [
        es2.ES2HandleProfileEnabledNotification(**changed),
        es2.ES2HandleProfileDisabledNotification(**changed),
        es2.ES2HandleProfileDeletedNotification(**changed),
        es2.ES2HandleSMSRChangeNotification(eis=eis(1), completed=AT),
        es3.ES3HandleProfileEnabledNotification(**changed, owner=MNO),
        es3.ES3HandleProfileDisabledNotification(**changed, owner=MNO),
        es3.ES3HandleProfileDeletedNotification(**changed, owner=MNO),
        es3.ES3HandleSMSRChangeNotification(eis=eis(1), owner=MNO, completed=AT),
        es4.ES4HandleProfileEnabledNotification(**changed),
        es4.ES4HandleProfileDisabledNotification(**changed),
        es4.ES4HandleProfileDeletedNotification(**changed),
        es4.ES4HandleSMSRChangeNotification(eis=eis(0), completed=AT),
        es7.ES7HandleSMSRChangeNotification(eis=eis(0), completed=AT),
    ]
