"""Declarations of the automatic mapping: what its slots are made from (`places` finds where they go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ferryman.codec.saip.types import Slot
from ferryman.profile.slots import SECRET_SLOTS
from ferryman.profile.variables import Variable, declared, needed

PUBLIC_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "iccid": {"type": "digits", "length": "18..20"},
    "imsi": {"type": "digits", "length": "14..15"},
    "msisdn": {"type": "text", "length": "0..16", "default": ""},
}
"""What the platform itself knows of a subscription."""

IMSI_TEXT = "imsi_digits"

DERIVED_SLOTS = {
    "iccid_header": "iccid_header(iccid)",
    "iccid_ef": "iccid_ef(iccid)",
    "imsi_ef": "imsi_ef(imsi)",
    IMSI_TEXT: "ascii(imsi)",
    "acc": "acc(imsi)",
    "msisdn_record": "msisdn(msisdn)",
}


def automatic_variables(slots: Iterable[Slot]) -> dict[str, Variable]:
    """Declarations of these slots: secret ones come as they stand in the package, the others are derived."""
    entries: dict[str, Any] = dict(PUBLIC_FIELDS)
    used = list(slots)
    for slot in used:
        if slot.name in SECRET_SLOTS:
            entries[slot.name] = {"type": "octets", "length": f"{slot.minimum}..{slot.maximum}", "secret": True}
        else:
            if slot.name == IMSI_TEXT:  # it stands in the middle of an identity whose length is fixed
                entries["imsi"] = {"type": "digits", "length": f"{slot.minimum}..{slot.maximum}"}
            entries[slot.name] = {"derive": DERIVED_SLOTS[slot.name]}
    return needed(declared(entries), (slot.name for slot in used))
