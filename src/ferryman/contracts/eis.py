"""The eUICC Information Set as it travels between roles, SGP.02 Annex E and 5.2 to 5.6.

The part signed by the EUM stays the bytes that were received: `signed_info` and `signature` are XML as
delivered, and everything a role uses of them is read from exactly those bytes after verification.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ferryman.contracts.status import ExecutionStatus


class ProfileState(StrEnum):
    """State in ProfileInfo: Created (card 03, 07, 0F), Disabled (1F), Enabled (3F)."""

    CREATED = "Created"
    DISABLED = "Disabled"
    ENABLED = "Enabled"


class PolicyRule(msgspec.Struct, frozen=True):
    """One POL2 rule: action ENABLE, DISABLE or DELETE with Not-Allowed or Auto-Delete."""

    action: str
    qualification: str
    subject: str = "PROFILE"


class ProfileInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One ISD-P of the card; `owner` is Mno-id. Sizes in bytes."""

    iccid: str
    isdp_aid: bytes
    owner: str
    state: ProfileState
    fallback: bool = False
    imsi: str = ""
    msisdn: str = ""
    smdp_id: str = ""
    profile_type: str = ""
    allocated_memory: int = 0
    free_memory: int | None = None
    pol2: tuple[PolicyRule, ...] = ()


class KeysetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A key set without its keys: `type` as SCP80 or SCP81, empty when not said; `counter` is that of SCP80."""

    version: int
    type: str = ""
    counter: int | None = None


class SecurityDomain(msgspec.Struct, frozen=True, kw_only=True):
    """The ISD-R as a caller may see it (SecurityDomainType without keys)."""

    aid: bytes
    sin: bytes = b""
    sdin: bytes = b""
    tars: tuple[bytes, ...] = ()
    keysets: tuple[KeysetInfo, ...] = ()


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the audit trail; `at` in seconds since 1970, `operation` as in 5.1.1.3.12 (two octets)."""

    eid: str
    smsr_id: str
    at: float
    operation: int
    requester: str = ""
    status: ExecutionStatus | None = None
    isdp_aid: bytes = b""
    iccid: str = ""
    imei: bytes = b""
    meid: bytes = b""


class Property(msgspec.Struct, frozen=True):
    """One of AdditionalProperties."""

    key: str
    value: str


# A property of ours: plain octets in one SCP03t TLV, where the eUICC type asks for fewer than usual.
SEGMENT = "ferryman.scp03t-segment"


class EIS(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may see of one eUICC. Memory in bytes."""

    eid: str
    eum_id: str
    platform_type: str
    platform_version: str
    remote_provisioning_version: str
    http_support: bool
    cattp_support: bool
    remaining_memory: int
    available_memory: int
    smsr_id: str
    profiles: tuple[ProfileInfo, ...] = ()
    signed_info: bytes = b""
    signature: bytes = b""
    last_audit: float | None = None
    isdr: SecurityDomain | None = None
    audit_trail: tuple[AuditRecord, ...] | None = None
    properties: tuple[Property, ...] = ()
