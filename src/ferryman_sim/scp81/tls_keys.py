"""TLS 1.2 key schedule with pre-shared keys (RFC 5246 clauses 5, 6.3, 8.1; RFC 4279 clause 2; RFC 7627)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

MASTER_LENGTH = 48
VERIFY_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite with AES-128: bytes of MAC key, cipher key, and of the fixed part of the nonce (GCM)."""

    number: int
    name: str
    mac_key: int
    key: int
    fixed_nonce: int

    @property
    def aead(self) -> bool:
        """Authenticated encryption instead of a MAC of its own."""
        return self.mac_key == 0


PSK_AES128_GCM_SHA256 = Suite(0x00A8, "PSK-AES128-GCM-SHA256", 0, 16, 4)
PSK_AES128_CBC_SHA256 = Suite(0x00AE, "PSK-AES128-CBC-SHA256", 32, 16, 0)
SUITES = {suite.number: suite for suite in (PSK_AES128_CBC_SHA256, PSK_AES128_GCM_SHA256)}


@dataclass(frozen=True, slots=True, repr=False)
class DirectionKeys:
    """Keys of one direction; mac empty and nonce 4 bytes for GCM, nonce empty for CBC."""

    mac: bytes
    key: bytes
    nonce: bytes


def prf(secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """P_SHA256 of the labelled seed, `length` bytes."""
    seed = label + seed
    block, output = seed, b""
    while len(output) < length:
        block = hmac.digest(secret, block, "sha256")
        output += hmac.digest(secret, block + seed, "sha256")
    return output[:length]


def premaster_secret(psk: bytes) -> bytes:
    """RFC 4279 clause 2: as many zero bytes as the key has, then the key, each with a 2-byte length."""
    length = len(psk).to_bytes(2)
    return length + bytes(len(psk)) + length + psk


def master_secret(premaster: bytes, client_random: bytes, server_random: bytes) -> bytes:
    """48 bytes from the two 32-byte randoms."""
    return prf(premaster, b"master secret", client_random + server_random, MASTER_LENGTH)


def extended_master_secret(premaster: bytes, session_hash: bytes) -> bytes:
    """RFC 7627: bound to the handshake up to ClientKeyExchange (its SHA-256)."""
    return prf(premaster, b"extended master secret", session_hash, MASTER_LENGTH)


def key_block_length(suite: Suite) -> int:
    """Bytes of key material for both directions."""
    return 2 * (suite.mac_key + suite.key + suite.fixed_nonce)


def key_block(master: bytes, client_random: bytes, server_random: bytes, length: int) -> bytes:
    """Key material; note the order of the randoms."""
    return prf(master, b"key expansion", server_random + client_random, length)


def split_keys(suite: Suite, block: bytes) -> tuple[DirectionKeys, DirectionKeys]:
    """(client write, server write) keys."""
    parts: list[bytes] = []
    at = 0
    for size in (suite.mac_key, suite.key, suite.fixed_nonce):
        for _ in range(2):
            parts.append(block[at : at + size])
            at += size
    client = DirectionKeys(parts[0], parts[2], parts[4])
    return client, DirectionKeys(parts[1], parts[3], parts[5])


def verify_data(master: bytes, label: bytes, transcript: bytes) -> bytes:
    """Content of Finished: label is b"client finished" or b"server finished"."""
    return prf(master, label, hashlib.sha256(transcript).digest(), VERIFY_LENGTH)
