"""Asking the card for the state of an ISD-P (SGP.02 ES5.eUICCCapabilityAudit): the end of `unknown`."""

from __future__ import annotations

from ferryman.codec import ids, isdr, ota_script
from ferryman.codec.isdr_answers import ISDPStatus, parse_status
from ferryman.errors import PeerError
from ferryman.sm_sr.procedures.delivery import Command, Outcome, single

SW_NOT_FOUND = 0x6A88
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
    return next((found for found in parse_status(data) if found.aid == aid), None)
