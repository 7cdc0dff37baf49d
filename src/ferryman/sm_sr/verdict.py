"""The words of a policy decision: what is asked, what it is decided on, what follows (SGP.02 5.4; pure)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.status import ExecutionStatus
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.records import EUICC, ISDP


class Function(StrEnum):
    """What is asked for; ES3.DeleteISDP and ES4.DeleteProfile are one thing."""

    CREATE = "CreateISDP"
    ENABLE = "EnableProfile"
    DISABLE = "DisableProfile"
    DELETE = "DeleteProfile"
    MASTER_DELETE = "MasterDelete"
    UPDATE_POLICY = "UpdatePolicyRules"
    UPDATE_ADDRESS = "UpdateSubscriptionAddress"
    SET_FALLBACK = "SetFallbackAttribute"
    CONNECTIVITY = "UpdateConnectivityParameters"
    AUDIT = "AuditEIS"


@dataclass(frozen=True, slots=True)
class Question:
    """One function with the input that decides; sizes in bytes."""

    function: Function
    requester: str
    iccid: str = ""
    required_memory: int = 0
    pol2: tuple[PolicyRule, ...] = ()
    imsi: str = ""
    msisdn: str = ""
    iccids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """What the decision is taken on: the card, what holds for it, and the ICCID when another card has it.

    `granted` are ICCIDs of the card that their owners have opened to the requester for this function (PLMA).
    """

    card: EUICC | None
    effective: Effective
    elsewhere: ISDP | None = None
    granted: frozenset[str] = frozenset()


class Deed(StrEnum):
    """What follows from an allowed function, in the words of ES5 and of the EIS."""

    CREATE = "ES5.CreateISDP"
    ENABLE = "ES5.EnableProfile"
    DISABLE = "ES5.DisableProfile"
    DELETE = "ES5.DeleteProfile"
    AUTO_DELETE = "ES5.DeleteProfile by POL2"
    MASTER_DELETE = "ES5.MasterDelete"
    SET_FALLBACK = "ES5.SetFallbackAttribute"
    CONNECTIVITY = "ES8.UpdateConnectivityParameters"
    AUDIT = "ES5.eUICCCapabilityAudit"
    EIS = "EIS"


@dataclass(frozen=True, slots=True)
class Action:
    """One deed, and the profile that it is done to."""

    deed: Deed
    iccid: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Refused, or the target and what is done in order; `because` gives each rule that was looked at."""

    target: ISDP | None = None
    refusal: ExecutionStatus | None = None
    actions: tuple[Action, ...] = ()
    because: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether it may be done."""
        return self.refusal is None


type Decision = Verdict  # the same thing; procedures look at `target` and `refusal`
