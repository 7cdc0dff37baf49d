"""One message of every kind of our proposal for v4, made from the contract types."""

from __future__ import annotations

import esm_samples
from esm_samples import AT, EID, ICCID, MNO, SR
from ferryman.contracts import v4
from ferryman.contracts.eis import Property
from ferryman.contracts.message import Body
from ferryman.contracts.status import SUCCESS, failed

SP = "1.3.6.1.4.1.99999.60"
PLMA = v4.PLMA(
    owner=MNO, m2m_sp=SP, profile_type="m2m <&> type", operations=v4.OPERATIONS, notifications=v4.NOTIFICATIONS
)
ONC = v4.ONC(profile_type="m2m", discarded=v4.NOTIFICATIONS[:2])
NO = failed("8.1.1", "3.9", "no eUICC with this EID", EID)
_CHANGED = {"eid": EID, "iccid": ICCID, "completed": AT}


def messages() -> list[Body]:
    card = {"eid": EID, "iccid": ICCID}
    return [
        v4.ES1UpdateEISAdditionalProperties(eid=EID, properties=(Property("colour", 'r"ed'), Property("b", ""))),
        v4.ES1UpdateEISAdditionalPropertiesResponse(status=SUCCESS),
        v4.ES2AuditEIS(eid=EID, smsr_id=SR, iccids=(ICCID,)),
        v4.ES2AuditEISResponse(status=NO),
        v4.ES2AuditEISResponse(status=SUCCESS, eis=esm_samples.eis()),
        v4.ES2SetFallBackAttribute(smsr_id=SR, **card),
        v4.ES2SetFallBackAttributeResponse(status=SUCCESS),
        v4.ES3SetFallBackAttribute(**card),
        v4.ES3SetFallBackAttributeResponse(status=SUCCESS, euicc_response=b"\x90\x00"),
        v4.ES4SetFallBackAttribute(**card),
        v4.ES4SetFallBackAttributeResponse(status=NO),
        v4.ES4GetPLMA(profile_type="m2m"),
        v4.ES4GetPLMAResponse(status=SUCCESS, plmas=(PLMA,)),
        v4.ES4ASetPLMA(plmas=(PLMA, v4.PLMA(m2m_sp=SP, profile_type="x"))),
        v4.ES4ASetPLMAResponse(status=SUCCESS),
        v4.ES4AGetPLMA(m2m_sp=SP),
        v4.ES4AGetPLMAResponse(status=SUCCESS, plmas=(PLMA, PLMA)),
        v4.ES4ASetONC(onc=ONC),
        v4.ES4ASetONCResponse(status=NO),
        v4.ES4AGetONC(),
        v4.ES4AGetONCResponse(status=SUCCESS, oncs=(ONC,)),
        v4.ES4HandleProfileDownloadedNotification(profile_type="m2m", **_CHANGED),  # type: ignore[arg-type]
        v4.ES4HandleProfilePOL2UpdatedNotification(**_CHANGED),  # type: ignore[arg-type]
        v4.ES4HandleFallBackAttributeSetNotification(**_CHANGED),  # type: ignore[arg-type]
        v4.ES4HandleFallBackAttributeUnsetNotification(**_CHANGED),  # type: ignore[arg-type]
        v4.ES4HandlePLMAChangedNotification(plma=PLMA, completed=AT),
        v4.ES3HandleProfileDownloadedNotification(owner=MNO, profile_type="m2m", **_CHANGED),  # type: ignore[arg-type]
        v4.ES3HandleProfilePOL2UpdatedNotification(owner=MNO, **_CHANGED),  # type: ignore[arg-type]
        v4.ES3HandleFallBackAttributeSetNotification(owner=MNO, **_CHANGED),  # type: ignore[arg-type]
        v4.ES3HandleFallBackAttributeUnsetNotification(owner=MNO, **_CHANGED),  # type: ignore[arg-type]
        v4.ES2HandleProfileDownloadedNotification(profile_type="m2m", **_CHANGED),  # type: ignore[arg-type]
        v4.ES2HandleProfilePOL2UpdatedNotification(**_CHANGED),  # type: ignore[arg-type]
        v4.ES2HandleFallBackAttributeSetNotification(**_CHANGED),  # type: ignore[arg-type]
        v4.ES2HandleFallBackAttributeUnsetNotification(**_CHANGED),  # type: ignore[arg-type]
    ]
