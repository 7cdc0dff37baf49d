"""Where a security domain of a card is addressed: its TAR (SGP.02 Annex E and H, ETSI TS 101 220).

The EIS may list TARs of the ISD-R and, in its signed part, of the ECASD; the first one counts. An AID without any
stands for its own bytes 13 to 15, and those of an ISD-P always do: the SM-SR has chosen its AID.
"""

from __future__ import annotations

from ferryman.codec import eis_xml, ids
from ferryman.errors import PeerError
from ferryman.sm_sr.euicc_type import Effective
from ferryman.sm_sr.records import EUICC


def tar_of(card: EUICC, aid: bytes, effective: Effective) -> bytes:
    """TAR of secured packets to this security domain, three bytes; PeerError when its AID is too short for one."""
    listed: tuple[bytes, ...] = ()
    if aid == ids.ISDR_AID:
        listed = isdr_tars(card, effective)
    elif card.by_aid(aid) is None and aid == (domain := _ecasd(card)).aid:
        listed = domain.tars
    return listed[0] if listed else ids.AID(aid).tar


def isdr_tars(card: EUICC, effective: Effective) -> tuple[bytes, ...]:
    """What the eUICC type or the card says of the ISD-R, else its EIS; empty when nobody says anything."""
    if effective.isdr_tar:
        return (bytes.fromhex(effective.isdr_tar),)
    return card.isdr.tars if card.isdr is not None else ()


def own_tars(card: EUICC, effective: Effective) -> frozenset[bytes]:
    """TARs that no ISD-P may have: those of ISD-R and ECASD."""
    fixed = (ids.ISDR_TAR, ids.AID(ids.ECASD_AID).tar)
    return frozenset((*fixed, *isdr_tars(card, effective), *_ecasd(card).tars))


def is_there(card: EUICC, aid: bytes) -> bool:
    """Whether the card has this security domain: ISD-R, ECASD or one of its ISD-Ps."""
    return aid == ids.ISDR_AID or card.by_aid(aid) is not None or (bool(aid) and aid == _ecasd(card).aid)


def _ecasd(card: EUICC) -> eis_xml.Domain:
    try:
        return eis_xml.parse_signed_info(card.signed_info).ecasd
    except PeerError:
        # What cannot be read tells of no other TAR; that it is the EUM's word was checked when the card came.
        return eis_xml.Domain(aid=ids.ECASD_AID)
