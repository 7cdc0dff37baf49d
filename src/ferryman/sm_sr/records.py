"""What the SM-SR's procedures know of a card, and the changes they may make to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ferryman.contracts.eis import (
    EIS,
    AuditRecord,
    PolicyRule,
    ProfileInfo,
    ProfileState,
    Property,
    SecurityDomain,
)
from ferryman.sm_sr.euicc_type import Effective, default
from ferryman.sm_sr.settings import SRSettings as SRSettings

IN_CREATION = "InCreation"  # ES5.CreateISDP was not answered yet; not visible to anybody (SGP.02 3.1.1)
CREATED = ProfileState.CREATED.value
DISABLED = ProfileState.DISABLED.value
ENABLED = ProfileState.ENABLED.value

# Life-cycle state of an ISD-P on the card (tag 9F70) to the State of the EIS.
STATE_OF_CARD = {0x03: CREATED, 0x07: CREATED, 0x0F: CREATED, 0x1F: DISABLED, 0x3F: ENABLED}


class ISDP(msgspec.Struct, frozen=True, kw_only=True):
    """One ISD-P of a card."""

    aid: bytes
    iccid: str
    owner: str
    smdp_id: str
    state: str
    fallback: bool = False
    imsi: str = ""
    msisdn: str = ""
    profile_type: str = ""
    allocated_memory: int = 0
    free_memory: int | None = None
    pol2: tuple[PolicyRule, ...] = ()

    def info(self) -> ProfileInfo:
        """As ProfileInfo of the EIS."""
        return ProfileInfo(
            iccid=self.iccid,
            isdp_aid=self.aid,
            owner=self.owner,
            state=ProfileState(self.state),
            fallback=self.fallback,
            imsi=self.imsi,
            msisdn=self.msisdn,
            smdp_id=self.smdp_id,
            profile_type=self.profile_type,
            allocated_memory=self.allocated_memory,
            free_memory=self.free_memory,
            pol2=self.pol2,
        )


class EUICC(msgspec.Struct, frozen=True, kw_only=True):
    """One card with all its ISD-Ps, whoever owns them.

    `differs` is what it says otherwise than its eUICC type; `card_free_nvm` and `card_free_ram` are bytes as the
    card reported them last. `imei` and `meid` as the device told them, in hexadecimal.
    """

    eid: str
    eum_id: str
    platform_type: str
    platform_version: str
    rpv: str
    http_support: bool
    cattp_support: bool
    smsr_id: str
    remaining_memory: int
    available_memory: int
    scp80_version: int
    scp80_counter: int
    scp81_version: int
    signed_info: bytes
    signature: bytes
    profiles: tuple[ISDP, ...] = ()
    imei: str = ""
    meid: str = ""
    last_audit: float | None = None
    isdr: SecurityDomain | None = None
    properties: tuple[Property, ...] = ()
    differs: dict[str, Any] = {}
    card_free_nvm: int | None = None
    card_free_ram: int | None = None

    @property
    def https_possible(self) -> bool:
        """Whether it has a key set for HTTPS; that says more than HttpSupport, which some deliveries get wrong."""
        return self.scp81_version != 0

    def by_iccid(self, iccid: str) -> ISDP | None:
        """The ISD-P with this ICCID."""
        return next((p for p in self.profiles if p.iccid == iccid), None)

    def by_aid(self, aid: bytes) -> ISDP | None:
        """The ISD-P with this AID."""
        return next((p for p in self.profiles if p.aid == aid), None)

    @property
    def enabled(self) -> ISDP | None:
        """The ISD-P that is Enabled."""
        return next((p for p in self.profiles if p.state == ENABLED), None)

    def visible(self, profiles: tuple[ISDP, ...]) -> EIS:
        """The EIS with these profiles; the signed part is given whole (docs/divergences.md)."""
        return EIS(
            eid=self.eid,
            eum_id=self.eum_id,
            platform_type=self.platform_type,
            platform_version=self.platform_version,
            remote_provisioning_version=self.rpv,
            http_support=self.http_support,
            cattp_support=self.cattp_support,
            remaining_memory=self.remaining_memory,
            available_memory=self.available_memory,
            smsr_id=self.smsr_id,
            profiles=tuple(p.info() for p in profiles if p.state != IN_CREATION),
            signed_info=self.signed_info,
            signature=self.signature,
            properties=self.properties,
        )


@dataclass(frozen=True, slots=True)
class Links:
    """Who can be reached: Operators on ES4, SM-DPs on ES3, SM-SRs that cards may be handed to and taken from."""

    operators: frozenset[str] = frozenset()
    smdps: frozenset[str] = frozenset()
    smsrs: frozenset[str] = frozenset()
    m2m_sps: frozenset[str] = frozenset()
    v4: frozenset[str] = frozenset()  # of all of them, who speaks the functions of v4


@dataclass(frozen=True, slots=True)
class Facts:
    """What is loaded for each step: settings, the card, what its type says, and who holds its EID."""

    settings: SRSettings
    euicc: EUICC | None
    holder: str = ""
    holder_kind: str = ""
    elsewhere: ISDP | None = None  # the ISD-P with the ICCID asked for, when it is on another card
    prepared: Prepare | None = None  # the eUICC may be taken over
    trail: tuple[AuditRecord, ...] = ()  # of the card, for a handover
    own_smdps: frozenset[str] = frozenset()
    links: Links = Links()  # for a change of SM-SR
    granted: frozenset[str] = frozenset()  # ICCIDs that the requester may do this with by authorisation (PLMA)
    type: Effective | None = None  # of the card; None: what the settings say
    waiting: bool = False  # for the channel: an entry of the card's queue is due or on its way
    begun: bool = False  # for the channel, while a change goes on: one is on its way
    scripted: bool = False  # a script of the deployment is active: it is asked, not the built-in policy

    @property
    def effective(self) -> Effective:
        """What holds for this card: settings, eUICC type, the card itself."""
        return self.type if self.type is not None else default(self.settings)


# -- changes (applied by eis_store.apply in the step's transaction) ------------------------------------------


@dataclass(frozen=True, slots=True)
class AddISDP:
    """A new ISD-P."""

    isdp: ISDP


@dataclass(frozen=True, slots=True)
class SetState:
    """State of an ISD-P."""

    aid: bytes
    state: str


@dataclass(frozen=True, slots=True)
class SetFallback:
    """Fall-back attribute of an ISD-P."""

    aid: bytes
    fallback: bool


@dataclass(frozen=True, slots=True)
class SetAllocatedMemory:
    """AllocatedMemory of an ISD-P, in bytes, as the card has it."""

    aid: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """PrepareSMSRChange: `current_smsr` may hand the card over until `expires` (s since 1970)."""

    current_smsr: str
    initiator: str
    expires: float


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The commit point of an SM-SR change: the card is ours."""

    card: EUICC
    trail: tuple[AuditRecord, ...]


@dataclass(frozen=True, slots=True)
class HandOver:
    """The card is managed by another SM-SR; only a note stays."""

    smsr_id: str


@dataclass(frozen=True, slots=True)
class UseKeyset:
    """From now on commands go under this key version of the ISD-R (SCP80 or SCP81 by its number)."""

    version: int


@dataclass(frozen=True, slots=True)
class HoldKeyset:
    """The card holds this key set of the ISD-R, too; which ones are in use stays as it is."""

    version: int


@dataclass(frozen=True, slots=True)
class RemoveISDP:
    """The ISD-P is gone from the card; `freed` goes back to RemainingMemory."""

    aid: bytes
    freed: int = 0


@dataclass(frozen=True, slots=True)
class TakeMemory:
    """RemainingMemory less what was granted."""

    size: int


@dataclass(frozen=True, slots=True)
class CompleteISDP:
    """ProfileDownloadCompleted: state Disabled with the fields given."""

    aid: bytes
    profile_type: str
    imsi: str
    msisdn: str
    pol2: tuple[PolicyRule, ...]


@dataclass(frozen=True, slots=True)
class Audited:
    """Result of asking the card: RemainingMemory when it said so."""

    remaining_memory: int | None


@dataclass(frozen=True, slots=True)
class Contacted:
    """The device told its IMEI."""

    imei: str


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """POL2 of an ISD-P, replaced whole."""

    aid: bytes
    pol2: tuple[PolicyRule, ...]


@dataclass(frozen=True, slots=True)
class SetAddress:
    """Subscription address of an ISD-P; an empty part is left as it is."""

    aid: bytes
    imsi: str
    msisdn: str


@dataclass(frozen=True, slots=True)
class CardMemory:
    """Bytes that the card reported as free; None = not told."""

    free_nvm: int | None
    free_ram: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """What passed between us and the card in one step: packets, scripts, POSTs, outcomes of commands."""

    transport: str = ""  # by which the card spoke, empty when it did not
    counts: tuple[tuple[str, int], ...] = ()  # name of a column of `contact`, number
    reachable: bool | None = None  # what the step proves, None = nothing


type Change = (
    AddISDP
    | SetState
    | SetFallback
    | SetAllocatedMemory
    | UseKeyset
    | HoldKeyset
    | RemoveISDP
    | TakeMemory
    | CompleteISDP
    | Audited
    | Contacted
    | SetPolicy
    | SetAddress
    | CardMemory
    | Counted
)

type Handing = Prepare | TakeOver | HandOver  # written by handover_store
