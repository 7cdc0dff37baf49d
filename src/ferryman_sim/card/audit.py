"""eUICCCapabilityAudit: GET STATUS and GET DATA of the ISD-R (SGP.02 4.1.1.6; GlobalPlatform 11.3, 11.4)."""

from __future__ import annotations

from ferryman_sim.card.addressing import ECASD_AID, ISD_R_AID
from ferryman_sim.card.apdu import (
    SW_CONDITIONS,
    SW_MORE_DATA,
    SW_NOT_FOUND,
    SW_OK,
    SW_WRONG_DATA,
    SW_WRONG_P1P2,
    Apdu,
    CommandError,
)
from ferryman_sim.card.context import Context
from ferryman_sim.card.core import Core
from ferryman_sim.card.put_key import KEY_BYTES, TYPE_AES, TYPE_PSK
from ferryman_sim.card.state import Isdp, State
from ferryman_sim.card.tlv import BadTLV, as_map, read_tag, tlv

STATUS_FIRST, STATUS_NEXT = 0x4002, 0x4003
ALL_TAGS = (0x4F, 0x9F70, 0x53, 0x8F, 0x91)
DEFAULT_TAGS = (0x4F, 0x9F70)
"""Tags of GET STATUS without a tag list; which ones belong here is open, these two are what a server needs."""

FALLBACK_ATTRIBUTE = 0x01

CARD_RESOURCES, APPLICATION_LIST, ECASD_DATA, KEY_INFORMATION = 0xFF21, 0x2F00, 0xBF30, 0x00E0

RECOGNITION_DATA = tlv(
    0x66,
    tlv(
        0x73,
        bytes.fromhex("06072A864886FC6B01")  # GlobalPlatform card recognition data
        + bytes.fromhex("600B06092A864886FC6B020202")  # card specification 2.2
        + bytes.fromhex("630906072A864886FC6B03")  # unique card identification
        + bytes.fromhex("640B06092A864886FC6B048000")  # SCP80
        + bytes.fromhex("640B06092A864886FC6B048100")  # SCP81
        + bytes.fromhex("640B06092A864886FC6B040370"),  # SCP03, i = 70
    ),
)


def get_status(core: Core, context: Context, apdu: Apdu) -> tuple[bytes, int]:
    """GET STATUS: one E3 per ISD-P; 6310 and P2 03 when the answer is longer than one R-APDU."""
    if apdu.p1p2 not in (STATUS_FIRST, STATUS_NEXT):
        raise CommandError(SW_WRONG_P1P2)
    aid, listed = _read_query(apdu.data)
    tags = (ALL_TAGS if core.quirk("status_all_tags") else DEFAULT_TAGS) if listed is None else listed
    left = context.status_left if core.quirk("status_next_in_dialogue") else core.status_left
    if apdu.p1p2 == STATUS_FIRST:
        found = [item for item in core.state.isdps if item.aid.startswith(aid)]
        if not found:
            raise CommandError(SW_NOT_FOUND)
        left[:] = [_status(core, item, tags) for item in found]
    elif not left:
        raise CommandError(SW_CONDITIONS)
    data = b""
    while left and len(data) + len(left[0]) <= core.limit("response_data"):
        data += left.pop(0)
    return data, SW_MORE_DATA if left else SW_OK


def _read_query(data: bytes) -> tuple[bytes, tuple[int, ...] | None]:
    try:
        fields = as_map(data)
    except BadTLV as error:
        raise CommandError(SW_WRONG_DATA) from error
    aid = fields.pop(0x4F, None)
    listed = fields.pop(0x5C, None)
    if aid is None or fields or len(aid) > 16:
        raise CommandError(SW_WRONG_DATA)
    return aid, None if listed is None else _read_tag_list(listed)


def _read_tag_list(listed: bytes) -> tuple[int, ...]:
    tags: list[int] = []
    at = 0
    while at < len(listed):
        try:
            tag, at = read_tag(listed, at)
        except BadTLV as error:
            raise CommandError(SW_WRONG_DATA) from error
        tags.append(tag)
    return tuple(tags)


def _status(core: Core, item: Isdp, tags: tuple[int, ...]) -> bytes:
    remaining = item.quota - item.used if item.quota else core.state.free_nvm()
    attributes = int(core.quirk("status_attribute_bits"), 16) | (FALLBACK_ATTRIBUTE if item.fallback else 0)
    values = {
        0x4F: item.aid,
        0x9F70: bytes([item.state]),
        0x53: bytes([attributes]),
        0x8F: item.reserved.to_bytes(4),
        0x91: max(0, remaining).to_bytes(4),
    }
    return tlv(0xE3, b"".join(tlv(tag, values[tag]) for tag in tags if tag in values))


def get_data(core: Core, apdu: Apdu) -> bytes:
    """GET DATA of the ISD-R: card resources, key sets, list of applications, data forwarded from the ECASD."""
    if apdu.p1p2 == CARD_RESOURCES:
        return _resources(core.state)
    if apdu.p1p2 == KEY_INFORMATION and not core.quirk("no_key_information"):
        return _key_information(core.state)
    if apdu.p1p2 == APPLICATION_LIST and not core.quirk("no_application_list"):
        aids = [ISD_R_AID, ECASD_AID, *(item.aid for item in core.state.isdps)]
        return tlv(APPLICATION_LIST, b"".join(tlv(0x61, tlv(0x4F, aid)) for aid in aids))
    if apdu.p1p2 != ECASD_DATA:
        raise CommandError(SW_NOT_FOUND)
    try:
        fields = as_map(apdu.data)
    except BadTLV as error:
        raise CommandError(SW_WRONG_DATA) from error
    if set(fields) != {0x5C} or not fields[0x5C]:
        raise CommandError(SW_WRONG_DATA)
    return tlv(ECASD_DATA, b"".join(ecasd_object(core.state, tag) for tag in _read_tag_list(fields[0x5C])))


def _key_information(state: State) -> bytes:
    """Key Information Template (GlobalPlatform 11.3.3.1): identifier, version, type and length of each key."""
    sets: list[tuple[int, tuple[int, ...]]] = [(item.kvn, (TYPE_AES,) * 3) for item in state.scp80]
    sets += [(item.kvn, (TYPE_PSK, TYPE_AES)) for item in state.scp81]
    parts = [
        tlv(0xC0, bytes([kid, kvn, kind, KEY_BYTES]))
        for kvn, kinds in sets
        for kid, kind in enumerate(kinds, start=1)
    ]
    return tlv(KEY_INFORMATION, b"".join(parts))


def ecasd_object(state: State, tag: int) -> bytes:
    """A data object of the ECASD: its certificate, the recognition data or the EID. Raises CommandError(6A88)."""
    if tag == 0x7F21:
        return state.ecasd.certificate
    if tag == 0x66:
        return RECOGNITION_DATA
    if tag == 0x5A:
        return tlv(0x5A, bytes.fromhex(state.eid))
    raise CommandError(SW_NOT_FOUND)


def _resources(state: State) -> bytes:
    ram = state.free_ram()
    volatile = ram.to_bytes(2 if ram <= 0xFFFF else 4)
    applications = 1 + len(state.isdps)
    content = tlv(0x81, bytes([applications])) + tlv(0x82, state.free_nvm().to_bytes(4)) + tlv(0x83, volatile)
    return tlv(CARD_RESOURCES, content)
