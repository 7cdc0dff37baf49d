"""Key establishment commands of ISD-P and ISD-R, scenario #3 (SGP.02 v3.2 4.1.3.1, 4.1.1.9; Amendment E).

Byte layouts in `sgp02-euicc.md` 5.1 to 5.4, 8.4 and 9.1; nothing here knows a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ferryman.codec import tlv
from ferryman.codec.apdu import MAX_LE, CommandAPDU

POINT_BYTES = 65  # 04 || X || Y on a 256-bit curve
SIGNATURE_BYTES = 64  # r || s on a 256-bit curve

KEY_TYPE_AES = 0x88
KEY_TYPE_PSK_TLS = 0x85
KEY_BYTES = 16
USAGE_SECURE_CHANNEL = 0x10  # three secure channel keys; 5C would be one base key

# Parameter byte of `90`: b1 delete existing keys, b2 use DR, b3 identities, b4 certificate verified.
SCENARIO_ISDP = 0x09
# An ISD-R keeps its keys: deleting would take away the keyset of the session in use.
SCENARIO_ISDR = 0x08
SCENARIO_IDENTITIES = 0x04

SCP80_VERSIONS, SCP81_VERSIONS = range(0x01, 0x10), range(0x40, 0x50)  # of an ISD-R (SGP.02 2.2.2)
_ISDP_KEY_VERSIONS = range(0x30, 0x40)
_COUNTER_BYTES_SCP03 = 3
_COUNTER_BYTES_SCP80 = 5


@dataclass(frozen=True, slots=True)
class KeyComponent:
    """One key of a PUT KEY: type code, value encrypted under the keyset's DEK, 3-byte key check value."""

    key_type: int
    encrypted: bytes
    kcv: bytes


def _command(ins: int, p1: int, p2: int, data: bytes) -> bytes:
    return CommandAPDU(0x80, ins, p1, p2, data, MAX_LE).encode()


def install_for_personalization(aid: bytes) -> bytes:
    """INSTALL [for personalization] (5.1) of the ISD-P `aid`; the following STORE DATA go to it."""
    return _command(0xE6, 0x20, 0x00, b"\x00\x00" + bytes((len(aid),)) + aid + b"\x00\x00\x00")


def store_certificate(cert_7f21: bytes) -> bytes:
    """First STORE DATA (5.1, 9.1) with the whole `7F21` object of the server's certificate."""
    return _command(0xE2, 0x09, 0x00, tlv.encode_dgi(0x3A01, cert_7f21))


def key_parameters_a6(
    key_version: int,
    *,
    scenario: int | None = None,
    usage: int = USAGE_SECURE_CHANNEL,
    initial_counter: int = 0,
    key_access: int | None = None,
    key_length: int = KEY_BYTES,
    first_key_id: int = 1,
    sdin: bytes | None = None,
    host_id: bytes | None = None,
) -> bytes:
    """The `A6` object (5.4). Both ends sign and MAC it, so its bytes matter.

    `scenario` is the parameter byte; None chooses 09 for key versions 30-3F (ISD-P), 08 else (ISD-R).
    `initial_counter` 0 is coded as an empty `91`. ValueError when identities and bit 3 do not go together.
    """
    of_isdp = key_version in _ISDP_KEY_VERSIONS
    if scenario is None:
        scenario = SCENARIO_ISDP if of_isdp else SCENARIO_ISDR
    if bool(scenario & SCENARIO_IDENTITIES) != (sdin is not None and host_id is not None):
        raise ValueError("SDIN and Host ID go with bit 3 of the parameter byte")
    counter = b""
    if initial_counter:
        counter = initial_counter.to_bytes(_COUNTER_BYTES_SCP03 if of_isdp else _COUNTER_BYTES_SCP80)
    content = tlv.encode(0x90, bytes((0x03, scenario))) + tlv.encode(0x95, bytes((usage,)))
    if key_access is not None:
        content += tlv.encode(0x96, bytes((key_access,)))
    content += (
        tlv.encode(0x80, bytes((KEY_TYPE_AES,)))
        + tlv.encode(0x81, bytes((key_length,)))
        + tlv.encode(0x82, bytes((first_key_id,)))
        + tlv.encode(0x83, bytes((key_version,)))
        + tlv.encode(0x91, counter)
    )
    if sdin is not None and host_id is not None:
        content += tlv.encode(0x45, sdin) + tlv.encode(0x84, host_id)
    return tlv.encode(0xA6, content)


def _signed_part(a6: bytes, epk: bytes) -> bytes:
    if len(epk) != POINT_BYTES:
        raise ValueError(f"ephemeral key of {len(epk)} bytes, {POINT_BYTES} expected")
    return tlv.encode_dgi(0x3A02, a6) + tlv.encode(0x7F49, epk)


def signature_input(a6: bytes, epk: bytes, rc: bytes) -> bytes:
    """The bytes under the parameter signature (5.4): DGI 3A02, ephemeral key, DGI 0085."""
    return _signed_part(a6, epk) + tlv.encode_dgi(0x0085, rc)


def store_key_parameters(a6: bytes, epk: bytes, signature: bytes) -> bytes:
    """Second STORE DATA (5.1, 9.1); `epk` is `04||X||Y`, `signature` r||s of exactly 64 bytes."""
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"signature of {len(signature)} bytes, {SIGNATURE_BYTES} expected")
    return _command(0xE2, 0x89, 0x01, _signed_part(a6, epk) + tlv.encode(0x5F37, signature))


def put_keys(key_version: int, keys: Sequence[KeyComponent], *, first_key_id: int = 1, replace: int = 0) -> bytes:
    """PUT KEY (8.4) of a keyset or a single key; `replace` is the version to replace, 0 for a new keyset."""
    data = bytes((key_version,)) + b"".join(key_field(key) for key in keys)
    multiple = 0x80 if len(keys) > 1 else 0x00
    return _command(0xD8, replace, multiple | first_key_id, data)


def key_field(key: KeyComponent) -> bytes:
    """Type, length, length of the key, encrypted key, length of the KCV, KCV (Amendment D 7.2)."""
    body = bytes((KEY_BYTES,)) + key.encrypted
    return bytes((key.key_type, len(body))) + body + bytes((len(key.kcv),)) + key.kcv
