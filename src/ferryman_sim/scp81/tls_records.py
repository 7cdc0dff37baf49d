"""TLS 1.2 record protection with AES-128 (RFC 5246 6.2.3, RFC 5288, RFC 7366)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from enum import IntEnum

from Cryptodome.Cipher import AES

from .tls_keys import DirectionKeys, Suite

VERSION = b"\x03\x03"
HEADER = 5
BLOCK = 16
TAG = 16
EXPLICIT_NONCE = 8
MAX_PLAINTEXT = 1 << 14
MAX_EXPANSION = 2048
"""Bytes that protection may add to a record (RFC 5246 6.2.3)."""


class Alert(IntEnum):
    """Alert descriptions (RFC 5246 7.2, RFC 4279, RFC 6066)."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    RECORD_OVERFLOW = 22
    HANDSHAKE_FAILURE = 40
    ILLEGAL_PARAMETER = 47
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    PROTOCOL_VERSION = 70
    INTERNAL_ERROR = 80
    NO_RENEGOTIATION = 100
    UNSUPPORTED_EXTENSION = 110
    UNKNOWN_PSK_IDENTITY = 115


class TlsFailure(Exception):
    """The session is over. alert: description number; sent: True when we sent it, False when the server did."""

    def __init__(self, reason: str, alert: int, *, sent: bool = True) -> None:
        super().__init__(f"{reason} (alert {alert} {'sent' if sent else 'received'})")
        self.alert = alert
        self.sent = sent


def _bad_record() -> TlsFailure:
    return TlsFailure("record does not verify", Alert.BAD_RECORD_MAC)


class Protection:
    """Keys and sequence number of one direction."""

    def __init__(self, suite: Suite, keys: DirectionKeys, *, encrypt_then_mac: bool = False) -> None:
        self._suite = suite
        self._keys = keys
        self._encrypt_then_mac = encrypt_then_mac and not suite.aead
        self._sequence = 0
        self._first_nonce = 0

    def _header(self, kind: int, length: int) -> bytes:
        """Additional data under a MAC or tag: sequence number, type, version, length."""
        return self._sequence.to_bytes(8) + bytes([kind]) + VERSION + length.to_bytes(2)

    def _mac(self, kind: int, data: bytes) -> bytes:
        return hmac.digest(self._keys.mac, self._header(kind, len(data)) + data, "sha256")

    def protect(self, kind: int, plaintext: bytes, entropy: Callable[[int], bytes]) -> bytes:
        """Payload of a record. entropy gives the IV (CBC, 16 bytes) or the first explicit nonce (GCM, 8 bytes)."""
        if self._suite.aead:
            payload = self._protect_gcm(kind, plaintext, entropy)
        else:
            payload = self._protect_cbc(kind, plaintext, entropy(BLOCK))
        self._sequence += 1
        return payload

    def _protect_gcm(self, kind: int, plaintext: bytes, entropy: Callable[[int], bytes]) -> bytes:
        if self._sequence == 0:
            self._first_nonce = int.from_bytes(entropy(EXPLICIT_NONCE))
        number = (self._first_nonce + self._sequence) % (1 << 64)  # counts on: never the same twice
        explicit = number.to_bytes(EXPLICIT_NONCE)
        cipher = AES.new(self._keys.key, AES.MODE_GCM, nonce=self._keys.nonce + explicit, mac_len=TAG)
        cipher.update(self._header(kind, len(plaintext)))
        data, tag = cipher.encrypt_and_digest(plaintext)
        return explicit + data + tag

    def _protect_cbc(self, kind: int, plaintext: bytes, iv: bytes) -> bytes:
        body = plaintext if self._encrypt_then_mac else plaintext + self._mac(kind, plaintext)
        padding = BLOCK - 1 - len(body) % BLOCK
        body += bytes([padding]) * (padding + 1)
        sealed = iv + AES.new(self._keys.key, AES.MODE_CBC, iv).encrypt(body)
        return sealed + self._mac(kind, sealed) if self._encrypt_then_mac else sealed

    def unprotect(self, kind: int, payload: bytes) -> bytes:
        """Plaintext of a record. Raises TlsFailure (bad_record_mac) whatever is wrong with it."""
        plaintext = self._open_gcm(kind, payload) if self._suite.aead else self._open_cbc(kind, payload)
        self._sequence += 1
        return plaintext

    def _open_gcm(self, kind: int, payload: bytes) -> bytes:
        size = len(payload) - EXPLICIT_NONCE - TAG
        if size < 0:
            raise _bad_record()
        nonce = self._keys.nonce + payload[:EXPLICIT_NONCE]
        cipher = AES.new(self._keys.key, AES.MODE_GCM, nonce=nonce, mac_len=TAG)
        cipher.update(self._header(kind, size))
        try:
            return cipher.decrypt_and_verify(payload[EXPLICIT_NONCE:-TAG], payload[-TAG:])
        except ValueError:
            raise _bad_record() from None

    def _open_cbc(self, kind: int, payload: bytes) -> bytes:
        size = self._suite.mac_key
        if self._encrypt_then_mac:
            if len(payload) < size or not hmac.compare_digest(self._mac(kind, payload[:-size]), payload[-size:]):
                raise _bad_record()
            payload = payload[:-size]
        least = BLOCK if self._encrypt_then_mac else size + 1
        if len(payload) % BLOCK or len(payload) - BLOCK < least:
            raise _bad_record()
        body = AES.new(self._keys.key, AES.MODE_CBC, payload[:BLOCK]).decrypt(payload[BLOCK:])
        padding = body[-1]
        overhead = 0 if self._encrypt_then_mac else size
        fits = len(body) >= padding + 1 + overhead
        # Wrong padding still costs a MAC over the whole record: both errors look and take the same.
        padding = padding if fits else 0
        good = hmac.compare_digest(body[-padding - 1 :], bytes([body[-1]]) * (padding + 1)) and fits
        content = body[: len(body) - padding - 1]
        if self._encrypt_then_mac:
            if not good:
                raise _bad_record()
            return content
        content, mac = content[:-size], content[-size:]
        if not hmac.compare_digest(self._mac(kind, content), mac) or not good:
            raise _bad_record()
        return content
