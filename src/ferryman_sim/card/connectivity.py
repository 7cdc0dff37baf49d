"""Connectivity parameters of a Profile: 3A07 of ES8 and ES6, and the Profile header (SGP.02 4.1.3.4, 4.1.2.2)."""

from __future__ import annotations

from ferryman_sim.card.addressing import read_address
from ferryman_sim.card.tlv import BadTLV, as_map, read_all

SMS, CAT_TP, HTTPS = 0xA0, 0xA1, 0xA2
SMSC_ADDRESS = 0x06
BEARER_TAGS = frozenset({0x35, 0x47, 0x0D})
"""Bearer description, network access name, login and password (the last two share a tag)."""


def check_connectivity(value: bytes, *, cat_tp: bool = True) -> None:
    """Check the structure before it is stored; `cat_tp`: the card takes CAT_TP parameters. Raises BadTLV."""
    fields = as_map(value)
    if CAT_TP in fields and not cat_tp:
        raise BadTLV("CAT_TP")
    if not fields or not fields.keys() <= {SMS, CAT_TP, HTTPS}:
        raise BadTLV("connectivity parameters")
    if SMS in fields:
        smsc_address(value)
    for tag in fields.keys() & {CAT_TP, HTTPS}:
        if any(item.tag not in BEARER_TAGS for item in read_all(fields[tag])):
            raise BadTLV("bearer parameters")


def smsc_address(value: bytes | None) -> str | None:
    """The SMSC of the SMS parameters, `+` and digits; None when there is none. Raises BadTLV."""
    sms = as_map(value or b"").get(SMS)
    if sms is None:
        return None
    address = as_map(sms).get(SMSC_ADDRESS)
    if address is None:
        raise BadTLV("SMSC address")
    return read_address(address, digit_count=False)
