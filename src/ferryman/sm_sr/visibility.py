"""Who sees what of an EIS: SGP.02 Annex E, as `sgp02-interfaces.md` 4.6 has it (pure).

The signed part and its signature are whole for everybody: nothing in them is secret, and cut they would prove
nothing. Keys are in no view. An ISD-P in creation is in no view.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec.structs import replace

from ferryman.contracts.eis import EIS, AuditRecord, KeysetInfo, ProfileInfo, SecurityDomain
from ferryman.sm_sr.records import EUICC, IN_CREATION, ISDP


class Viewer(StrEnum):
    """For what the view is."""

    SM_DP = "GetEIS of an SM-DP"
    SM_DP_AUDIT = "AuditEIS of an SM-DP"
    OPERATOR = "GetEIS or AuditEIS of an Operator"
    HANDOVER = "HandoverEUICC"
    CHANGE = "HandleSMSRChangeNotification"
    CONSOLE = "the platform's own staff"


def view(
    card: EUICC,
    viewer: Viewer,
    party: str = "",
    *,
    trail: tuple[AuditRecord, ...] = (),
    iccids: tuple[str, ...] = (),
    granted: frozenset[str] = frozenset(),
) -> EIS:
    """The EIS for one party (its OID; ignored for HANDOVER and CONSOLE).

    `iccids` limits the profiles further, as AuditEIS may ask; empty means no limit. `granted` are profiles that
    the party sees by authorisation of their owners.
    """
    there = (p for p in card.profiles if p.state != IN_CREATION)
    profiles = tuple(p for p in there if p.iccid in granted or _sees(p, viewer, party))
    if iccids:
        profiles = tuple(p for p in profiles if p.iccid in iccids)
    seen = EIS(
        eid=card.eid,
        eum_id=card.eum_id,
        platform_type=card.platform_type,
        platform_version=card.platform_version,
        remote_provisioning_version=card.rpv,
        http_support=card.http_support,
        cattp_support=card.cattp_support,
        remaining_memory=card.remaining_memory,
        available_memory=card.available_memory,
        smsr_id=card.smsr_id,
        profiles=tuple(p.info() for p in profiles),
        signed_info=card.signed_info,
        signature=card.signature,
        last_audit=card.last_audit,
        properties=card.properties,
    )
    match viewer:
        case Viewer.SM_DP:
            return replace(seen, last_audit=None)
        case Viewer.SM_DP_AUDIT | Viewer.OPERATOR:
            return seen
        case Viewer.HANDOVER:
            return replace(seen, isdr=_without_keysets(card.isdr), audit_trail=trail)
        case Viewer.CONSOLE:
            return replace(seen, isdr=_with_versions(card), audit_trail=trail)
        case Viewer.CHANGE:
            short = tuple(_named(p) for p in seen.profiles)
            # The signed part goes with its signature, which the schema demands; nothing in either is secret.
            return replace(seen, profiles=short, last_audit=None, remaining_memory=0, available_memory=0)


def _sees(profile: ISDP, viewer: Viewer, party: str) -> bool:
    match viewer:
        case Viewer.SM_DP | Viewer.SM_DP_AUDIT:
            return bool(party) and profile.smdp_id == party
        case Viewer.OPERATOR | Viewer.CHANGE:
            return bool(party) and profile.owner == party
        case Viewer.HANDOVER | Viewer.CONSOLE:
            return True


def _named(profile: ProfileInfo) -> ProfileInfo:
    """Iccid, Isd-p-aid, Mno-id, Smdp-id and ProfileType: what a new SM-SR tells of a profile."""
    return ProfileInfo(
        iccid=profile.iccid,
        isdp_aid=profile.isdp_aid,
        owner=profile.owner,
        state=profile.state,
        smdp_id=profile.smdp_id,
        profile_type=profile.profile_type,
    )


def _without_keysets(domain: SecurityDomain | None) -> SecurityDomain | None:
    return None if domain is None else replace(domain, keysets=())


def _with_versions(card: EUICC) -> SecurityDomain | None:
    if card.isdr is None:
        return None
    versions = [KeysetInfo(version=card.scp80_version, type="SCP80", counter=card.scp80_counter)]
    if card.scp81_version:
        versions.append(KeysetInfo(version=card.scp81_version, type="SCP81"))
    return card.isdr if card.isdr.keysets else replace(card.isdr, keysets=tuple(versions))
