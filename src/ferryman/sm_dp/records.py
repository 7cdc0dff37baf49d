"""What the SM-DP's procedures are given and may change."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ferryman.contracts.crypto import PackageElement
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import InputError
from ferryman.platform.destination import networks

MIN_SEGMENT = 16  # octets: shorter ones are more framing than profile
MAX_SEGMENT = 1007  # plain bytes of a profile in one SCP03t TLV of at most 1024 octets (SGP.02 4.1.3.3)


class DPSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that the SM-DP's procedures read."""

    smdp_id: str = "1.3.6.1.4.1.99999.10"
    smsr_id: str = "1.3.6.1.4.1.99999.20"  # of the SM-SR beside us; every other one is reached over SOAP
    tells_operators: bool = False  # hand notifications on to Operators by the SOAP gateway
    announces: bool = False  # tell the REST API of every step of an order; by itself where it runs beside us
    segment: int = MAX_SEGMENT
    segments_per_message: int = 8  # `86` TLVs in one ES3.SendData; the SM-SR cuts them for the bearer
    session_attempts: int = 5  # key establishments and SCP03t sessions tried when answers are lost
    # RequiredMemory = bytes that files, keys and applications need x factor + margin, because cards round up.
    memory_factor: float = 1.0
    memory_margin: int = 8192
    supported_versions: tuple[str, ...] = ("3.0", "3.1", "3.2")  # RemoteProvisioningVersion, first two numbers
    approved_platforms: tuple[str, ...] = ()  # PlatformType; empty = every type
    # Profile data after the delivery: False destroys the subscription's secrets and empties the journal.
    keep_delivered: bool = False
    hook_timeout: float = 10.0  # s for one call to an operator's system
    hook_ca_file: str = ""  # CAs of those systems (PEM, in the data directory); empty: the system's own
    # Networks that are not public and where hooks that were set over the REST API may lead, also by http.
    hook_networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not MIN_SEGMENT <= self.segment <= MAX_SEGMENT:
            raise InputError("sm_dp.segment", f"must be between {MIN_SEGMENT} and {MAX_SEGMENT}")
        if self.hook_timeout <= 0:
            raise InputError("sm_dp.hook_timeout", "must be more than 0 seconds")
        try:
            networks(self.hook_networks)
        except ValueError as problem:
            raise InputError("sm_dp.hook_networks", str(problem)) from None
        if self.segments_per_message < 1:
            raise InputError("sm_dp.segments_per_message", "must be at least 1")

    def foreign(self, smsr_id: str) -> str:
        """Empty when the SM-SR is our own, else its identifier: it is reached by the gateway."""
        return "" if smsr_id in ("", self.smsr_id) else smsr_id


class Package(msgspec.Struct, frozen=True):
    """A protected package, as it is sent."""

    external_authenticate: bytes
    segments: tuple[bytes, ...]
    elements: tuple[PackageElement, ...] = ()  # what they hold, by number and name


@dataclass(frozen=True, slots=True)
class Facts:
    """Loaded for each step; template (compiled), its memory and package only in the phases that need them."""

    settings: DPSettings
    template: bytes = b""
    template_memory: int = 0  # bytes on the card
    package: Package | None = None
    installed: frozenset[str] = frozenset()  # ICCIDs that we have installed on this card
    elsewhere: bool = False  # the Operator's profile that is asked for is one that we installed on another card


@dataclass(frozen=True, slots=True)
class Progress:
    """The order has reached a step."""

    order_id: str
    step: str


@dataclass(frozen=True, slots=True)
class StorePackage:
    """Keep the protected package until the card has it."""

    order_id: str
    package: Package
    profile_bytes: int


@dataclass(frozen=True, slots=True)
class FinishOrder:
    """The order has ended; its package is destroyed. `installed` tells whether the subscription is used up."""

    order_id: str
    iccid: str
    status: ExecutionStatus
    isdp_aid: bytes
    installed: bool
    pe_statuses: tuple[str, ...]
    call_name: str = ""  # of the attempt; empty: the order


@dataclass(frozen=True, slots=True)
class ProfileGone:
    """The profile was deleted from the card on the Operator's word; its subscription stays used up."""

    eid: str
    iccid: str


@dataclass(frozen=True, slots=True)
class KeepHandedKeys:
    """The ISD-P's keys, ciphered for the Operator."""

    order_id: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class HoldBegun:
    """The order holds until `until` (s since 1970); whoever is to be asked is asked under the name `call_id`."""

    order_id: str
    call_id: str
    procedure_id: str
    hold: str
    until: float


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """The order holds no more; nobody is asked under this name again."""

    order_id: str
    call_id: str
    outcome: str  # released | refused | expired | cancelled


type Change = Progress | StorePackage | FinishOrder | ProfileGone | KeepHandedKeys | HoldBegun | HoldEnded
