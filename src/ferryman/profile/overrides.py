"""POL1 and connectivity parameters of the profile header, which an order may set (SGP.02 3.12; TCA format, 8.2).

Both are OPTIONAL components of the header. In a compiled template each is a slot for its whole TLV.
"""

from __future__ import annotations

from collections.abc import Mapping

from ferryman.codec import tlv
from ferryman.codec.saip.der import encode_tlv
from ferryman.codec.saip.types import Slot, Value, Whole
from ferryman.errors import InputError, PeerError

POL1, CONNECTIVITY = "pol", "connectivityParameters"
COMPONENTS: Mapping[str, bytes] = {POL1: b"\x84", CONNECTIVITY: b"\x87"}
"""Header components and their tags."""

MAX_CONNECTIVITY_BYTES = 236
"""Of connectivity parameters: they also have to fit one STORE DATA later (SGP.02 4.1.3), under SCP03. Of its 255
octets 8 are the MAC and 240 the whole blocks that are left; those end with an octet of padding at least, and begin
with DGI 3A07 and its length."""

POL1_RULES = 0x07
"""Bits of POL1: disabling not allowed, deletion not allowed, deletion after disabling."""

CONNECTIVITY_TAGS = frozenset((0xA0, 0xA1, 0xA2))
"""SMS, CAT_TP and HTTPS parameters."""


_SLOTS = {name: Slot(f"header.{name}", 0, MAX_CONNECTIVITY_BYTES + 3) for name in COMPONENTS}
"""For the whole TLV; no declared variable can have such a name."""


def slot(component: str) -> Slot | None:
    """The slot of a header component that an order may set, None for another component."""
    return _SLOTS.get(component)


def open_header(header: dict[str, Value]) -> dict[str, bytes | None]:
    """Puts the slots into a profile header, in place; gives the TLVs that stood there, empty for none.

    None is for a component that the template makes from a variable, which no order replaces.
    """
    own: dict[str, bytes | None] = {}
    for component in COMPONENTS:
        value = header.get(component, b"")
        if isinstance(value, bytes):
            own[component] = encode_tlv(COMPONENTS[component], value) if component in header else b""
            header[component] = Whole(_SLOTS[component])
        else:
            own[component] = None
    return own


def chosen(own: Mapping[str, bytes | None], *, pol1: bytes | None, connectivity: bytes | None) -> dict[str, bytes]:
    """Bytes of the slots: the order's value where it has one, else the template's own. Raises InputError."""
    if pol1 is not None:
        check_pol1(pol1)
    if connectivity is not None:
        check_connectivity(connectivity)
    found: dict[str, bytes] = {}
    for component, ordered in ((POL1, pol1), (CONNECTIVITY, connectivity)):
        standing = own.get(component, b"")
        if standing is None:
            if ordered is not None:
                raise InputError(component, "is made from a variable of the template, an order cannot replace it")
            continue
        if ordered:
            standing = encode_tlv(COMPONENTS[component], ordered)
        found[_SLOTS[component].name] = standing if ordered != b"" else b""
    return found


def check_pol1(value: bytes) -> None:
    """Raises InputError unless `value` is empty or one byte with bits of the three rules only."""
    if value and (len(value) != 1 or value[0] & ~POL1_RULES):
        raise InputError("pol1", "must be one byte of 00 to 07")


def check_connectivity(value: bytes) -> None:
    """Raises InputError unless `value` is empty or a run of A0, A1 and A2 objects, each at most once."""
    if len(value) > MAX_CONNECTIVITY_BYTES:
        raise InputError("connectivity parameters", f"have at most {MAX_CONNECTIVITY_BYTES} bytes")
    try:
        tags = [item.tag for item in tlv.parse(value)] if value else []
        for item in tlv.parse(value) if value else ():
            tlv.parse(item.value)
    except PeerError:
        raise InputError("connectivity parameters", "are not a run of TLVs") from None
    if len(set(tags)) != len(tags) or not CONNECTIVITY_TAGS.issuperset(tags):
        raise InputError("connectivity parameters", "have A0 (SMS), A1 (CAT_TP) and A2 (HTTPS), each at most once")
