"""Asking the card for the state of an ISD-P (SGP.02 ES5.eUICCCapabilityAudit): the end of `unknown`."""

from __future__ import annotations

from collections.abc import Iterable

from ferryman.codec import ids, isdr, ota_script
from ferryman.codec.isdr_answers import ISDPStatus, parse_status
from ferryman.errors import PeerError
from ferryman.sm_sr.procedures.delivery import Command, Outcome, OutcomeKind, read, single

SW_OK, SW_NOT_FOUND = 0x9000, 0x6A88
CARD_ENABLED, CARD_DISABLED = 0x3F, 0x1F
ASK = "ask"  # timer: the card gave no answer, ask again
ASK_AGAIN = 30.0  # s


def ask_state(command_id: str, owner: str, aid: bytes, transport: str, destination: str = "") -> Command:
    """GET STATUS of one ISD-P."""
    return Command(
        id=command_id,
        owner=owner,
        tlvs=(ota_script.c_apdu(isdr.get_status(aid)),),
        target_aid=ids.ISDR_AID,
        transport=transport,
        destination=destination,
    )


def card_state(outcome: Outcome, aid: bytes) -> ISDPStatus | None:
    """The ISD-P as the card describes it, or None when the card has no such ISD-P.

    Raises PeerError when the answer says neither.
    """
    data, sw = single(outcome)
    if sw == SW_NOT_FOUND:
        return None
    if sw != 0x9000:
        raise PeerError(f"GET STATUS answered {sw:04X}", field="R-APDU", clause="SGP.02 ES5.eUICCCapabilityAudit")
    told = next((found for found in parse_status(data) if found.aid == aid), None)
    if told is None:  # taken for "no such ISD-P" it would have us forget one
        raise PeerError("neither the ISD-P nor 6A88", field="GET STATUS", clause="SGP.02 ES5.eUICCCapabilityAudit")
    return told


def states_told(apdus: Iterable[tuple[bytes, int]]) -> dict[bytes, int]:
    """Life-cycle states by AID in the answers to GET STATUS; the ones with an error say nothing.

    Raises PeerError when an answer is none to GET STATUS.
    """
    found = (one for data, sw in apdus if sw == SW_OK for one in parse_status(data))
    return {one.aid: one.state for one in found}


def apdus_of(outcome: Outcome) -> tuple[tuple[bytes, int], ...]:
    """What the card answered to each command of a script, as far as it got; raises PeerError."""
    return read(outcome.script).apdus if outcome.kind is OutcomeKind.ANSWERED else ()
