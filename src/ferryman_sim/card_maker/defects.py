"""Deliveries that an SM-SR has to refuse: what may be wrong with one card of a batch (`sgp02-interfaces.md`
2.2, 4.2).
"""

from __future__ import annotations

import base64
import enum

from lxml import etree

from ferryman_sim.card_maker.authority import Authority
from ferryman_sim.card_maker.eis import DS, RPS
from ferryman_sim.card_maker.seeded import sign_raw


class Defect(enum.Enum):
    """One thing wrong with a card's EIS; the values are the names for the command line."""

    EUM_SIGNATURE = "eum-signature"  # well-formed signature over something else
    EUM_INFO = "eum-info"  # EumSignedInfo changed after it was signed
    EUM_NOT_UNDER_CI = "eum-not-under-ci"  # EUM certificate signed by another key with the CI's name
    EUM_EXPIRED = "eum-expired"
    EUM_ID = "eum-id"  # Eum-id is not the one in the EUM certificate
    ECASD_NOT_UNDER_EUM = "ecasd-not-under-eum"  # ECASD certificate signed by another key
    ECASD_OTHER_EID = "ecasd-other-eid"
    ECASD_EXPIRED = "ecasd-expired"
    EID_CHECK_DIGITS = "eid-check-digits"
    KEY_CHECK_VALUE = "key-check-value"  # kcv of the first ISD-R key does not fit the key


def _find(message: etree._Element, *names: str) -> etree._Element:
    found = message.find("/".join(names))
    if found is None:
        raise ValueError("not an ES1-RegisterEISRequest")
    return found


def before_signing(message: etree._Element, defect: Defect) -> None:
    """Put the defects into `message` that the signature covers or that no signature covers."""
    eis, info = f"{{{RPS}}}Eis", f"{{{RPS}}}EumSignedInfo"
    if defect is Defect.EID_CHECK_DIGITS:
        element = _find(message, eis, info, f"{{{RPS}}}Eid")
        digits = str(element.text)
        element.text = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    elif defect is Defect.EUM_ID:
        element = _find(message, eis, info, f"{{{RPS}}}Eum-id")
        element.text = f"{element.text}.1"
    elif defect is Defect.KEY_CHECK_VALUE:
        key = _find(message, eis, f"{{{RPS}}}Isd-r", f"{{{RPS}}}Keyset", f"{{{RPS}}}Key")
        key.set("kcv", f"{int(key.get('kcv', '0'), 16) ^ 1:06X}")


def after_signing(message: etree._Element, defect: Defect, eum: Authority) -> None:
    """Put the defects into `message` that break the signature."""
    eis = f"{{{RPS}}}Eis"
    if defect is Defect.EUM_SIGNATURE:
        value = _find(message, eis, f"{{{RPS}}}EumSignature", f"{{{DS}}}SignatureValue")
        value.text = base64.b64encode(sign_raw(eum.key, b"something else")).decode()
    elif defect is Defect.EUM_INFO:
        element = _find(message, eis, f"{{{RPS}}}EumSignedInfo", f"{{{RPS}}}PlatformType")
        element.text = f"{element.text}x"
