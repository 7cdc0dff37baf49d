"""ES5 commands to the ISD-R as C-APDUs (SGP.02 v3.2 4.1.1, bytes in `sgp02-euicc.md` 3, 4.4, 5.1, 9.2).

Every function gives the bytes of one short C-APDU with CLA 80: the transport protects it. The answers are
read by `parse_` functions, the key establishment is in `isdr_keys`; both are offered from here too.
"""

from __future__ import annotations

from collections.abc import Sequence

from ferryman.codec import sms_address as address
from ferryman.codec import tlv
from ferryman.codec.apdu import MAX_LE, CommandAPDU
from ferryman.codec.ids import ISDP_LOADFILE_AID, ISDP_MODULE_AID
from ferryman.codec.isdr_answers import (
    CardResources,
    ISDPStatus,
    Notification,
    parse_card_resources,
    parse_confirmation,
    parse_ecasd_data,
    parse_key_versions,
    parse_notification,
    parse_random_challenge,
    parse_receipt,
    parse_status,
)
from ferryman.codec.isdr_keys import (
    KeyComponent,
    install_for_personalization,
    key_parameters_a6,
    put_keys,
    signature_input,
    store_certificate,
    store_key_parameters,
)

__all__ = [
    "AUDIT_TAGS",
    "CardResources",
    "ISDPStatus",
    "KeyComponent",
    "Notification",
    "confirm_notification",
    "connectivity_parameters",
    "create_isdp",
    "delete_profile",
    "disable_profile",
    "enable_profile",
    "finalise_isdr_handover",
    "get_card_resources",
    "get_ecasd_data",
    "get_key_information",
    "get_status",
    "install_for_personalization",
    "key_parameters_a6",
    "master_delete",
    "master_delete_token_input",
    "parse_card_resources",
    "parse_confirmation",
    "parse_ecasd_data",
    "parse_key_versions",
    "parse_notification",
    "parse_random_challenge",
    "parse_receipt",
    "parse_status",
    "put_keys",
    "set_fallback",
    "signature_input",
    "store_certificate",
    "store_connectivity_parameters",
    "store_key_parameters",
    "update_connectivity_parameters",
    "update_smsr_addressing",
]

# Security Domain; Trusted Path and Authorized Management (GlobalPlatform Card Specification 11.1.2).
ISDP_PRIVILEGES = bytes.fromhex("80C000")
# SCP03 with option i=70: pseudo-random card challenge, R-MAC and R-ENC.
SCP03_PARAMETERS = bytes.fromhex("C90481020370")
# AID, life-cycle state, attributes, granted and remaining memory: all an audit can learn about an ISD-P.
AUDIT_TAGS = (0x4F, 0x9F70, 0x53, 0x8F, 0x91)
MAX_MEMORY = 0xFFFFFFFF  # four bytes in tag 83

_INS_INSTALL, _INS_STORE_DATA, _INS_DELETE = 0xE6, 0xE2, 0xE4
_INS_GET_STATUS, _INS_GET_DATA = 0xF2, 0xCA
_P1_LAST_DGI, _P1_LAST_DGI_RESPONSE = 0x88, 0x89
_P2_DELETE_RELATED = 0x40


def _command(ins: int, p1: int, p2: int, data: bytes = b"") -> bytes:
    return CommandAPDU(0x80, ins, p1, p2, data, MAX_LE).encode()


def _lv(value: bytes) -> bytes:
    return bytes((len(value),)) + value


def _tag_bytes(tag: int) -> bytes:
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8))


def create_isdp(isdp_aid: bytes, memory: int = 0) -> bytes:
    """CreateISDP (3.2): INSTALL [for install and make selectable]; `memory` bytes as quota, 0 for none."""
    if not 0 <= memory <= MAX_MEMORY:
        raise ValueError(f"memory {memory} is not in 0..{MAX_MEMORY}")
    parameters = SCP03_PARAMETERS
    if memory:
        parameters += tlv.encode(0xEF, tlv.encode(0x83, memory.to_bytes(4)))
    fields = (ISDP_LOADFILE_AID, ISDP_MODULE_AID, isdp_aid, ISDP_PRIVILEGES, parameters, b"")
    return _command(_INS_INSTALL, 0x0C, 0x00, b"".join(map(_lv, fields)))


def _store_data(dgi: int, value: bytes, *, p1: int = _P1_LAST_DGI) -> bytes:
    return _command(_INS_STORE_DATA, p1, 0x00, tlv.encode_dgi(dgi, value))


def enable_profile(aid: bytes) -> bytes:
    """EnableProfile (3.3). 9000 only means the change has begun; a notification ends it."""
    return _store_data(0x3A03, tlv.encode(0x4F, aid))


def disable_profile(aid: bytes) -> bytes:
    """DisableProfile (3.4)."""
    return _store_data(0x3A04, tlv.encode(0x4F, aid))


def set_fallback(aid: bytes) -> bytes:
    """SetFallbackAttribute (3.5)."""
    return _store_data(0x3A05, tlv.encode(0x4F, aid))


def delete_profile(aid: bytes) -> bytes:
    """DeleteProfile (3.6): the ISD-P with its content."""
    return _command(_INS_DELETE, 0x00, _P2_DELETE_RELATED, tlv.encode(0x4F, aid))


def _master_delete_body(aid: bytes, sin: bytes, sdin: bytes, provider: bytes, token_id: bytes) -> bytes:
    template = (
        tlv.encode(0x42, sin) + tlv.encode(0x45, sdin) + tlv.encode(0x5F20, provider) + tlv.encode(0x93, token_id)
    )
    return tlv.encode(0x4F, aid) + tlv.encode(0xB6, template)


def master_delete_token_input(
    aid: bytes, *, sin: bytes, sdin: bytes, provider: bytes, token_id: bytes = b"\x01"
) -> bytes:
    """The bytes under the delete token (3.7): P1 P2, length of the two objects, the objects."""
    return bytes((0x00, _P2_DELETE_RELATED)) + _lv(_master_delete_body(aid, sin, sdin, provider, token_id))


def master_delete(
    aid: bytes, *, token: bytes, sin: bytes, sdin: bytes, provider: bytes, token_id: bytes = b"\x01"
) -> bytes:
    """MasterDelete (3.7) with the 16-byte `token` over `master_delete_token_input`."""
    body = _master_delete_body(aid, sin, sdin, provider, token_id)
    return _command(_INS_DELETE, 0x00, _P2_DELETE_RELATED, body + tlv.encode(0x9E, token))


def get_status(aid: bytes | None = None, tags: Sequence[int] = AUDIT_TAGS, *, following: bool = False) -> bytes:
    """GET STATUS (3.8) of one ISD-P or of all (`aid` None); `following` asks on after status word 6310."""
    data = tlv.encode(0x4F, aid or b"")
    if tags:
        data += tlv.encode(0x5C, b"".join(map(_tag_bytes, tags)))
    return _command(_INS_GET_STATUS, 0x40, 0x03 if following else 0x02, data)


def get_card_resources() -> bytes:
    """GET DATA FF21 (3.8): extended card resources."""
    return _command(_INS_GET_DATA, 0xFF, 0x21)


def get_key_information() -> bytes:
    """GET DATA 00E0: key information template (GlobalPlatform Card Specification 2.2.1, 11.3.3.1)."""
    return _command(_INS_GET_DATA, 0x00, 0xE0)


def get_ecasd_data(tag: int) -> bytes:
    """GET DATA BF30 (3.8): object `tag` of the ECASD: 0x7F21 certificate, 0x66 recognition data, 0x5A EID."""
    return _command(_INS_GET_DATA, 0xBF, 0x30, tlv.encode(0x5C, _tag_bytes(tag)))


def update_smsr_addressing(sms_address: str | None = None, *, https: bytes | None = None) -> bytes:
    """UpdateSMSRAddressingParameters (3.9): what is None stays as it is on the card.

    `sms_address` is a number as `+33612345678`; `https` the objects 84, 85, 86, 89 of the session
    parameters (`ota_script.build_session_parameters`). InputError for a wrong number, ValueError for none.
    """
    data = b""
    if sms_address is not None:
        data += tlv.encode(0xA3, tlv.encode(0x81, address.encode_counted(sms_address)))
    if https is not None:
        data += tlv.encode(0xA5, https)
    if not data:
        raise ValueError("no parameter to update")
    return _store_data(0x3A07, data)


def connectivity_parameters(
    smsc_address: str | None = None, *, cat_tp: bytes | None = None, https: bytes | None = None
) -> bytes:
    """Connectivity parameters (6.2): SMSC as `+33612345678`, bearer objects for CAT_TP and HTTPS.

    InputError for a wrong number, ValueError for nothing at all.
    """
    data = b""
    if smsc_address is not None:
        data += tlv.encode(0xA0, tlv.encode(0x06, address.encode_uncounted(smsc_address)))
    if cat_tp is not None:
        data += tlv.encode(0xA1, cat_tp)
    if https is not None:
        data += tlv.encode(0xA2, https)
    if not data:
        raise ValueError("no parameter to update")
    return data


def store_connectivity_parameters(parameters: bytes) -> bytes:
    """UpdateConnectivityParameters (6.2), the plain form; ES8 wraps it in SCP03 to the ISD-P."""
    return _store_data(0x3A07, parameters)


def update_connectivity_parameters(
    smsc_address: str | None = None, *, cat_tp: bytes | None = None, https: bytes | None = None
) -> bytes:
    """`store_connectivity_parameters` of `connectivity_parameters`."""
    return store_connectivity_parameters(connectivity_parameters(smsc_address, cat_tp=cat_tp, https=https))


def confirm_notification(sequence: int) -> bytes:
    """HandleNotificationConfirmation (4.4) for notification `sequence` (0 to 65535)."""
    return _store_data(0x3A08, tlv.encode(0x4E, sequence.to_bytes(2)), p1=_P1_LAST_DGI_RESPONSE)


def finalise_isdr_handover(listed: Sequence[tuple[int, int, int]]) -> bytes:
    """FinaliseISDRhandover (9.2): DELETE [key] with ranges (key version, first id, last id).

    Those listed are kept, or on some cards are the ones that go. ValueError for no range: it would lock the ISD-R.
    """
    if not listed:
        raise ValueError("a handover that keeps no key would lock the ISD-R")
    return _command(_INS_DELETE, 0x00, 0x00, b"".join(tlv.encode(0xF2, bytes(item)) for item in listed))
