"""Identifiers in another party's call that the schema takes and nobody can have (SGP.02 Annex A, 5.3)."""

from __future__ import annotations

from ferryman.codec.ids import EID, ICCID
from ferryman.contracts import codes
from ferryman.errors import PeerError, Refused


def require_eid(text: str) -> None:
    """Raise Refused for what no eUICC is called: letters of hexBinary, or wrong check digits."""
    try:
        known = EID.parse(text).check_digits_ok
    except PeerError:
        known = False
    if not known:
        raise Refused(*codes.EID_UNKNOWN, "no eUICC can have this EID", identifier=text)


def require_iccid(text: str) -> None:
    """Raise Refused for what no profile is called: too few digits, or fillers between them."""
    try:
        ICCID.parse(text)
    except PeerError:
        raise Refused(*codes.ICCID_UNKNOWN, "no profile can have this ICCID", identifier=text) from None
