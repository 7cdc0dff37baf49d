"""SCP03t: protected download of a Profile in TLVs 84, 85, 86 (SGP.02 v3.2 4.1.3.3; `sgp02-euicc.md` 5.8).

The card challenge is pseudo-random, so the whole download can be made before the card is online.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from ferryman.codec import tlv
from ferryman.errors import PeerError
from ferryman.secure import scp03
from ferryman.secure.kdf import cmac
from ferryman.secure.scp03 import (
    BLOCK,
    CHALLENGE_BYTES,
    LEVEL_FULL,
    MAC_BYTES,
    InitializeResponse,
    SessionKeys,
    StaticKeys,
    command_icv,
    pad,
    predict_card_challenge,
    unpad,
)

__all__ = [
    "MAX_SEGMENT",
    "CounterMovedError",
    "ProtectedPackage",
    "SCP03tError",
    "SessionKeys",
    "StaticKeys",
    "authenticate",
    "check_authenticate_response",
    "check_initialize_response",
    "predict_card_challenge",
    "protect",
    "protect_segments",
    "unprotect_response",
]

# `86 82 xx xx` + 1008 bytes of ciphertext + MAC = 1020; a card need not take more than 1024 bytes.
MAX_SEGMENT = 1007
_INITIALIZE, _AUTHENTICATE, _SEGMENT = 0x84, 0x85, 0x86
_KEY_ID = 0x00
_CLAUSE = "SGP.02 3.2 4.1.3.3"

ERROR_NAMES = {0x01: "length or structure wrong", 0x02: "security error", 0x03: "keyset not found"}
_ERROR_TAGS = {0x9F44: _INITIALIZE, 0x9F45: _AUTHENTICATE, 0x9F46: _SEGMENT}


class SCP03tError(PeerError):
    """The card answered `9F44`, `9F45` or `9F46`: `tag` and its one-byte `code`."""

    def __init__(self, tag: int, code: int) -> None:
        self.tag = tag
        self.code = code
        name = ERROR_NAMES.get(code, f"code {code:02X}")
        super().__init__(f"card refused: {name}", field=f"{tag:04X}", clause=_CLAUSE)


class CounterMovedError(PeerError):
    """The card's own, authenticated answer has another sequence counter than the package was made for."""

    def __init__(self, sequence_counter: int) -> None:
        self.sequence_counter = sequence_counter
        super().__init__(f"sequence counter is {sequence_counter}: protect anew", field="84", clause=_CLAUSE)


@dataclass(frozen=True, slots=True)
class ProtectedPackage:
    """A whole download: the objects 84 and 85 and every 86, in order, for the script template."""

    initialize_update: bytes
    external_authenticate: bytes
    segments: tuple[bytes, ...]


def authenticate(session: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> tuple[bytes, bytes]:
    """The object 85 and the chaining value behind it (16 bytes); level 33 is the only one of SCP03t."""
    body = bytes((LEVEL_FULL,)) + scp03.host_cryptogram(session, host_challenge, card_challenge)
    header = bytes((_AUTHENTICATE, len(body) + MAC_BYTES))
    chain = cmac(session.mac, bytes(BLOCK) + header + body)
    return header + body + chain[:MAC_BYTES], chain


def _icvs(s_enc: bytes, count: int) -> bytes:
    # All ICVs in one call: they are the counter blocks 1..count under ECB.
    encryptor = Cipher(AES(s_enc), ECB()).encryptor()  # noqa: S305
    counters = b"".join(number.to_bytes(BLOCK) for number in range(1, count + 1))
    return encryptor.update(counters) + encryptor.finalize()


def protect_segments(session: SessionKeys, chain: bytes, plain: Sequence[bytes]) -> tuple[bytes, ...]:
    """The objects 86 for the plain segments; `chain` is the chaining value behind the 85."""
    icvs = _icvs(session.enc, len(plain))
    keyed = CMAC(AES(session.mac))
    algorithm = AES(session.enc)
    segments: list[bytes] = []
    for number, data in enumerate(plain):
        encryptor = Cipher(algorithm, CBC(icvs[number * BLOCK : (number + 1) * BLOCK])).encryptor()
        ciphered = encryptor.update(pad(data)) + encryptor.finalize()
        header = b"\x86" + tlv.encode_length(len(ciphered) + MAC_BYTES)
        mac = keyed.copy()
        mac.update(chain + header + ciphered)
        chain = mac.finalize()
        segments.append(header + ciphered + chain[:MAC_BYTES])
    return tuple(segments)


def _chain_behind(session: SessionKeys, chain: bytes, segments: Sequence[bytes]) -> bytes:
    """The chaining value behind the last of `segments`, made again from what was sent."""
    keyed = CMAC(AES(session.mac))
    for segment in segments:
        mac = keyed.copy()
        mac.update(chain + segment[:-MAC_BYTES])
        chain = mac.finalize()
    return chain


def protect(
    keys: StaticKeys,
    *,
    key_version: int,
    host_challenge: bytes,
    sequence_counter: int,
    isdp_aid: bytes,
    plaintext: bytes,
    segment: int = MAX_SEGMENT,
) -> ProtectedPackage:
    """Protect a profile package for the session that the card will open with `sequence_counter`.

    `host_challenge` is 8 random bytes, `segment` the plain bytes per 86 (at most 1007). ValueError else.
    """
    if len(host_challenge) != CHALLENGE_BYTES:
        raise ValueError("host challenge of 8 bytes expected")
    if not 1 <= segment <= MAX_SEGMENT:
        raise ValueError(f"segment of {segment} bytes is not in 1..{MAX_SEGMENT}")
    challenge = predict_card_challenge(keys.enc, sequence_counter, isdp_aid)
    session = scp03.session_keys(keys, host_challenge, challenge)
    external_authenticate, chain = authenticate(session, host_challenge, challenge)
    plain = [plaintext[at : at + segment] for at in range(0, len(plaintext), segment)]
    initialize = tlv.encode(_INITIALIZE, bytes((key_version, _KEY_ID)) + host_challenge)
    return ProtectedPackage(initialize, external_authenticate, protect_segments(session, chain, plain))


def _value(answer: bytes, tag: int) -> bytes:
    item, end = tlv.read(answer, 0, clause=_CLAUSE)
    if end != len(answer):
        raise PeerError("more than one object", field=f"{item.tag:02X}", clause=_CLAUSE)
    if item.tag in _ERROR_TAGS:
        if len(item.value) != 1:
            raise PeerError("error code of one byte expected", field=f"{item.tag:04X}", clause=_CLAUSE)
        raise SCP03tError(item.tag, item.value[0])
    if item.tag != tag:
        raise PeerError(f"tag {item.tag:02X} where {tag:02X} is expected", field="answer", clause=_CLAUSE)
    return item.value


def check_initialize_response(
    keys: StaticKeys,
    *,
    host_challenge: bytes,
    isdp_aid: bytes,
    response_84: bytes,
    sequence_counter: int | None = None,
) -> InitializeResponse:
    """The answer to 84 with challenge and cryptogram verified.

    With the predicted `sequence_counter`, another one in the answer is a CounterMovedError: no fault of the card,
    a session came between. SCP03tError for `9F44`, PeerError for everything else.
    """
    answer = scp03.parse_initialize_response(_value(response_84, _INITIALIZE))
    if answer.sequence_counter is None:
        raise PeerError("no sequence counter", field="84", clause=_CLAUSE)
    challenge = predict_card_challenge(keys.enc, answer.sequence_counter, isdp_aid)
    if not hmac.compare_digest(challenge, answer.card_challenge):
        raise PeerError("card challenge is wrong", field="84", clause=_CLAUSE)
    session = scp03.session_keys(keys, host_challenge, challenge)
    scp03.check_card_cryptogram(session, host_challenge, challenge, answer.card_cryptogram)
    if sequence_counter is not None and sequence_counter != answer.sequence_counter:
        raise CounterMovedError(answer.sequence_counter)
    return answer


def check_authenticate_response(response_85: bytes) -> None:
    """The answer to 85 must be empty; SCP03tError for `9F45`."""
    if _value(response_85, _AUTHENTICATE):
        raise PeerError("answer is not empty", field="85", clause=_CLAUSE)


def unprotect_response(
    keys: StaticKeys,
    *,
    host_challenge: bytes,
    sequence_counter: int,
    isdp_aid: bytes,
    segments: Sequence[bytes],
    index: int,
    response_86: bytes,
) -> bytes:
    """Plain answer to segment `index` (from 0) of the protected `segments` that were sent.

    b"" for `86 00` and for an R-MAC alone, else the deciphered data after the R-MAC check. SCP03tError for `9F46`,
    PeerError for a wrong R-MAC or padding.
    """
    value = _value(response_86, _SEGMENT)
    if not value:
        return b""
    challenge = predict_card_challenge(keys.enc, sequence_counter, isdp_aid)
    session = scp03.session_keys(keys, host_challenge, challenge)
    ciphered, mac = value[:-MAC_BYTES], value[-MAC_BYTES:]
    if len(mac) < MAC_BYTES or len(ciphered) % BLOCK:
        raise PeerError("ciphered data are no whole blocks", field="86", clause=_CLAUSE)
    _, chain = authenticate(session, host_challenge, challenge)
    chain = _chain_behind(session, chain, segments[: index + 1])
    header = response_86[: -len(value)]  # as sent: a length may be in a longer form
    expected = cmac(session.rmac, chain + header + ciphered)[:MAC_BYTES]
    if not hmac.compare_digest(expected, mac):
        raise PeerError("R-MAC is wrong", field="86", clause=_CLAUSE)
    icv = command_icv(session.enc, index + 1, response=True)
    decryptor = Cipher(AES(session.enc), CBC(icv)).decryptor()
    return unpad(decryptor.update(ciphered) + decryptor.finalize()) if ciphered else b""
