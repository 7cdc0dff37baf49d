"""State of the procedures that change which profile is enabled, or delete one (SGP.02 3.2 to 3.7)."""

from __future__ import annotations

import msgspec

from ferryman.contracts import es3, es4
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus
from ferryman.platform.procedure import Context, Reply
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.procedures.delivery import CardNotification
from ferryman.sm_sr.records import EUICC, ISDP
from ferryman.sm_sr.settings import SRSettings

type Enabling = es3.ES3EnableProfile | es4.ES4EnableProfile
type Disabling = es3.ES3DisableProfile | es4.ES4DisableProfile
type Deleting = es3.ES3DeleteISDP | es4.ES4DeleteProfile
type Request = Enabling | Disabling | Deleting

RESPONSES: dict[type[Body], type[Body]] = {
    es3.ES3EnableProfile: es3.ES3EnableProfileResponse,
    es3.ES3DisableProfile: es3.ES3DisableProfileResponse,
    es3.ES3DeleteISDP: es3.ES3DeleteISDPResponse,
    es4.ES4EnableProfile: es4.ES4EnableProfileResponse,
    es4.ES4DisableProfile: es4.ES4DisableProfileResponse,
    es4.ES4DeleteProfile: es4.ES4DeleteProfileResponse,
}

# Phases of a change: the command is out; the card has it and changes; we confirm; the card says what it is;
# it went back. Then, when a profile has to go: the deletion is out; the card says whether it is there.
COMMANDED, CHANGING, CONFIRMING, ASKING, RETURNING = "commanded", "changing", "confirming", "asking", "returning"
DELETING, LOOKING = "deleting", "looking"

ASK_LATER = "ask"  # timer: the card is silent, ask it
GRACE = "grace"  # timer: how long after the end of the call the card's last word is waited for
SW_OK, SW_POLICY, SW_NOT_FOUND = 0x9000, 0x69E1, 0x6A88
RECONFIRM_DELAY = 20.0  # s until a confirmation whose fate is not known is sent again
ASK_AGAIN = 30.0  # s until a question without answer is put again


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of one Enable, Disable or Delete.

    `target` is the ISD-P that is to be the enabled one, `previous` the one that is it now; both empty for a
    deletion that needs no change. `doomed` is the ISD-P that is deleted when the change is through.
    """

    request: Request
    requester: str
    phase: str = ""
    target: bytes = b""
    previous: bytes = b""
    sent: int = 0
    attempts: int = 0
    confirmed: CardNotification | None = None  # the change that we decided to confirm
    returned: CardNotification | None = None  # the roll-back or fall-back that the card has told
    asks: int = 0
    nothing_pending: bool = False  # the card said so: it is where it will stay
    replied: bool = False
    response: bytes = b""
    # Of a notification that may be a replay (cards without sequence numbers, numbers that are too old):
    begun: float = 0.0  # when the card had the command
    taken: bool = False  # the card has taken a confirmation of ours, of whatever waited for one
    unsure: bool = False  # a confirmation went out and nobody knows whether the card took it
    seen: float = 0.0  # the target was seen enabled first, with nothing pending
    refuted: bool = False  # one has been a replay
    gone: tuple[bytes, ...] = ()  # ISD-Ps that the card deleted when it took the confirmation
    doomed: bytes = b""
    deletions: int = 0  # DeleteProfile commands sent
    changed: bool = False  # the change is final

    @property
    def enables(self) -> bool:
        """EnableProfile."""
        return isinstance(self.request, es3.ES3EnableProfile | es4.ES4EnableProfile)

    @property
    def deletes(self) -> bool:
        """DeleteISDP or DeleteProfile: the deletion is the purpose, not a consequence."""
        return isinstance(self.request, es3.ES3DeleteISDP | es4.ES4DeleteProfile)

    @property
    def name(self) -> str:
        """Operation in the audit trail, with its OperationType (SGP.02 5.1.1.3.12)."""
        if self.enables:
            return "0200 EnableProfile"
        return "0400 DeleteISDP" if self.deletes else "0300 DisableProfile"


def command_id(state: State, context: Context) -> str:
    """Identifier of the command that was sent last."""
    return f"{context.procedure_id}/{state.sent}"


def answer(state: State, status: ExecutionStatus) -> Reply:
    """The function's response."""
    kind = RESPONSES[type(state.request)]
    return Reply(kind(status=status, euicc_response=state.response))


def card_of(context: Context) -> EUICC | None:
    """The card, None when it is not in the EIS any more."""
    card: EUICC | None = context.facts.euicc
    return card


def profile_of(aid: bytes, context: Context) -> ISDP | None:
    """An ISD-P of the card."""
    card = card_of(context)
    return card.by_aid(aid) if card is not None and aid else None


def settings_of(context: Context) -> SRSettings:
    """Settings."""
    settings: SRSettings = context.facts.settings
    return settings


def effective_of(context: Context) -> Effective:
    """What holds for this card."""
    effective: Effective = context.facts.effective
    return effective
