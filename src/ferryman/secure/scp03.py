"""SCP03 (GlobalPlatform Amendment D, option i=70): session keys, cryptograms and the host's end in APDU mode."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from ferryman.codec.apdu import MAX_DATA, MAX_LE, CommandAPDU, ResponseAPDU, carried_out, warned
from ferryman.errors import PeerError
from ferryman.secure.kdf import cmac, sp800_108

CHALLENGE_BYTES = 8
CRYPTOGRAM_BYTES = 8
MAC_BYTES = 8
BLOCK = 16
COUNTER_BYTES = 3
INITIALIZE_RESPONSE_BYTES = 32
_OPTION_PSEUDO_RANDOM = 0x10

C_MAC, C_ENC, R_MAC, R_ENC = 0x01, 0x02, 0x10, 0x20
LEVEL_FULL = C_MAC | C_ENC | R_MAC | R_ENC
_LEVELS = (0x01, 0x03, 0x11, 0x13, 0x33)

_CARD_CRYPTOGRAM, _HOST_CRYPTOGRAM, _CARD_CHALLENGE = 0x00, 0x01, 0x02
_S_ENC, _S_MAC, _S_RMAC = 0x04, 0x06, 0x07
_SECURE_CLASS = 0x04
_INS_INITIALIZE, _INS_AUTHENTICATE = 0x50, 0x82
_CLAUSE = "GlobalPlatform Amendment D"


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """ENC and MAC of a keyset, 16, 24 or 32 bytes each; not shown in text."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Session keys, as long as the static keys; not shown in text."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    rmac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InitializeResponse:
    """Answer to INITIALIZE UPDATE; `sequence_counter` is None when the challenge is not pseudo-random."""

    diversification: bytes
    key_version: int
    option: int
    card_challenge: bytes
    card_cryptogram: bytes
    sequence_counter: int | None


def session_keys(static: StaticKeys, host_challenge: bytes, card_challenge: bytes) -> SessionKeys:
    """S-ENC, S-MAC, S-RMAC (6.2.1) from the static keys and both challenges."""
    context = host_challenge + card_challenge
    return SessionKeys(
        sp800_108(static.enc, _S_ENC, context, len(static.enc) * 8),
        sp800_108(static.mac, _S_MAC, context, len(static.mac) * 8),
        sp800_108(static.mac, _S_RMAC, context, len(static.mac) * 8),
    )


def predict_card_challenge(k_enc: bytes, sequence_counter: int, aid: bytes) -> bytes:
    """The pseudo-random card challenge (6.2.2.1) for the value of the counter the card will answer with."""
    context = sequence_counter.to_bytes(COUNTER_BYTES) + aid
    return sp800_108(k_enc, _CARD_CHALLENGE, context, CHALLENGE_BYTES * 8)


def card_cryptogram(keys: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> bytes:
    """Card cryptogram (6.2.2.2), 8 bytes."""
    return sp800_108(keys.mac, _CARD_CRYPTOGRAM, host_challenge + card_challenge, CRYPTOGRAM_BYTES * 8)


def host_cryptogram(keys: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> bytes:
    """Host cryptogram (6.2.2.3), 8 bytes."""
    return sp800_108(keys.mac, _HOST_CRYPTOGRAM, host_challenge + card_challenge, CRYPTOGRAM_BYTES * 8)


def parse_initialize_response(data: bytes) -> InitializeResponse:
    """The 32 (29 without counter) bytes of the answer; PeerError when it is no SCP03 answer."""
    if len(data) not in (INITIALIZE_RESPONSE_BYTES, INITIALIZE_RESPONSE_BYTES - COUNTER_BYTES):
        raise PeerError(f"{len(data)} bytes", field="INITIALIZE UPDATE", clause=_CLAUSE)
    if data[11] != 0x03:
        raise PeerError(f"protocol {data[11]:02X} is not SCP03", field="INITIALIZE UPDATE", clause=_CLAUSE)
    has_counter = len(data) == INITIALIZE_RESPONSE_BYTES
    if bool(data[12] & _OPTION_PSEUDO_RANDOM) != has_counter:
        raise PeerError(
            f"option {data[12]:02X} and length {len(data)} do not agree",
            field="INITIALIZE UPDATE",
            clause=_CLAUSE,
        )
    return InitializeResponse(
        data[:10],
        data[10],
        data[12],
        data[13:21],
        data[21:29],
        int.from_bytes(data[29:]) if has_counter else None,
    )


def check_card_cryptogram(
    keys: SessionKeys, host_challenge: bytes, card_challenge: bytes, received: bytes
) -> None:
    """PeerError when the card does not have the keys."""
    if not hmac.compare_digest(card_cryptogram(keys, host_challenge, card_challenge), received):
        raise PeerError("card cryptogram is wrong", field="INITIALIZE UPDATE", clause=_CLAUSE)


def pad(data: bytes) -> bytes:
    """`80` and zero bytes up to a whole block."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)


def unpad(data: bytes) -> bytes:
    """Take `80 00..` off; PeerError when there is none in the last block."""
    stripped = data.rstrip(b"\x00")
    if not stripped.endswith(b"\x80") or len(data) - len(stripped) >= BLOCK:
        raise PeerError("padding is wrong", field="data", clause=_CLAUSE)
    return stripped[:-1]


def command_icv(s_enc: bytes, counter: int, *, response: bool = False) -> bytes:
    """ICV of command number `counter`, or of the response to it (first byte 80)."""
    block = counter.to_bytes(BLOCK)
    if response:
        block = b"\x80" + block[1:]
    # Encryption of a single counter block is how Amendment D makes its ICV.
    encryptor = Cipher(AES(s_enc), ECB()).encryptor()  # noqa: S305
    return encryptor.update(block) + encryptor.finalize()


def initialize_update(key_version: int, host_challenge: bytes) -> bytes:
    """INITIALIZE UPDATE as C-APDU; `key_version` 0 leaves the choice to the card."""
    return CommandAPDU(0x80, _INS_INITIALIZE, key_version, 0x00, host_challenge, MAX_LE).encode()


class SecureChannel:
    """The host's end of an APDU-mode session after INITIALIZE UPDATE; one command at a time.

    Order: `external_authenticate()` once, then for every command `wrap` and, with its answer, `unwrap`. Keys stay
    inside. A PeerError of `unwrap` means that the session must not be used any more.
    """

    __slots__ = ("_chain", "_counter", "_host", "_keys", "_level")

    def __init__(
        self, static: StaticKeys, *, host_challenge: bytes, card_challenge: bytes, level: int = LEVEL_FULL
    ) -> None:
        if level not in _LEVELS:
            raise ValueError(f"security level {level:02X}")
        self._keys = session_keys(static, host_challenge, card_challenge)
        self._host = host_cryptogram(self._keys, host_challenge, card_challenge)
        self._level = level
        self._chain = bytes(BLOCK)
        self._counter = 0

    @classmethod
    def open(
        cls,
        static: StaticKeys,
        *,
        host_challenge: bytes,
        response: bytes,
        aid: bytes | None = None,
        level: int = LEVEL_FULL,
    ) -> SecureChannel:
        """From the answer to INITIALIZE UPDATE, whose cryptogram is checked; with `aid` also the challenge.

        PeerError when the card has other keys or the challenge is not the one of its counter.
        """
        answer = parse_initialize_response(response)
        if aid is not None and answer.sequence_counter is not None:
            expected = predict_card_challenge(static.enc, answer.sequence_counter, aid)
            if not hmac.compare_digest(expected, answer.card_challenge):
                raise PeerError("card challenge is wrong", field="INITIALIZE UPDATE", clause=_CLAUSE)
        channel = cls(static, host_challenge=host_challenge, card_challenge=answer.card_challenge, level=level)
        check_card_cryptogram(channel._keys, host_challenge, answer.card_challenge, answer.card_cryptogram)
        return channel

    def _mac(self, header: bytes, data: bytes) -> bytes:
        self._chain = cmac(self._keys.mac, self._chain + header + data)
        return self._chain[:MAC_BYTES]

    def external_authenticate(self) -> bytes:
        """EXTERNAL AUTHENTICATE as C-APDU without Le; the MAC chain starts here."""
        self._chain = bytes(BLOCK)
        self._counter = 0
        header = bytes((0x80 | _SECURE_CLASS, _INS_AUTHENTICATE, self._level, 0x00, CRYPTOGRAM_BYTES + MAC_BYTES))
        return header + self._host + self._mac(header, self._host)

    def wrap(self, apdu: bytes) -> bytes:
        """Protect a plain C-APDU; its Le stays. ValueError when the protected data do not fit."""
        command = CommandAPDU.parse(apdu)
        self._counter += 1
        data = command.data
        if self._level & C_ENC and data:
            icv = command_icv(self._keys.enc, self._counter)
            encryptor = Cipher(AES(self._keys.enc), CBC(icv)).encryptor()
            data = encryptor.update(pad(data)) + encryptor.finalize()
        if len(data) + MAC_BYTES > MAX_DATA:
            raise ValueError(f"{len(command.data)} bytes of data do not fit a protected command")
        cla = command.cla & 0xF0 | _SECURE_CLASS
        header = bytes((cla, command.ins, command.p1, command.p2, len(data) + MAC_BYTES))
        mac = self._mac(header, data)
        return CommandAPDU(cla, command.ins, command.p1, command.p2, data + mac, command.le).encode()

    def unwrap(self, response: ResponseAPDU) -> ResponseAPDU:
        """Check and open the answer to the last wrapped command.

        An error status carries neither data nor R-MAC and is given back as it is: it is not authenticated.
        """
        if not self._level & R_MAC or not _protected_status(response.sw):
            return response
        if len(response.data) < MAC_BYTES:
            raise PeerError("R-MAC missing", field="R-APDU", clause=_CLAUSE)
        data, mac = response.data[:-MAC_BYTES], response.data[-MAC_BYTES:]
        expected = cmac(self._keys.rmac, self._chain + data + response.sw.to_bytes(2))[:MAC_BYTES]
        if not hmac.compare_digest(expected, mac):
            raise PeerError("R-MAC is wrong", field="R-APDU", clause=_CLAUSE)
        if self._level & R_ENC and data:
            if len(data) % BLOCK:
                raise PeerError("ciphered data are no whole blocks", field="R-APDU", clause=_CLAUSE)
            icv = command_icv(self._keys.enc, self._counter, response=True)
            decryptor = Cipher(AES(self._keys.enc), CBC(icv)).decryptor()
            data = unpad(decryptor.update(data) + decryptor.finalize())
        return ResponseAPDU(data, response.sw)


def _protected_status(sw: int) -> bool:
    # Normal endings and warnings carry an R-MAC, errors do not (6.2.5).
    return carried_out(sw) or warned(sw)
