"""The operator's end of SCP80 over SMS (ETSI TS 102 225 5, 3GPP TS 31.115): command packets and their proofs.

AES only, as the MNO-SD's keys are; commands go with SPI 1639.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from Cryptodome.Cipher import AES
from Cryptodome.Hash import CMAC

SPI = bytes.fromhex("1639")
"""Checksum, ciphering and a counter that must rise; PoR always, with both, by SMS-SUBMIT."""

CHECK = 8
"""Bytes of the checksum."""

RESPONSE_HEADER = bytes.fromhex("027100")
"""The user data header under the checksum of a response."""

HEADER = 6
"""RPL 2, RHL 1, TAR 3: what is never ciphered in a response."""


class BadPacket(ValueError):
    """Not an authentic response to the command."""


@dataclass(frozen=True, slots=True)
class OtaKeys:
    """One SCP80 key set of an MNO-SD; `repr` shows no key."""

    kvn: int
    kic: bytes = field(repr=False)
    kid: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof of receipt: counter of the command, status (TS 102 225 table 5) and response data."""

    counter: int
    status: int
    data: bytes


def _cmac(key: bytes, data: bytes) -> bytes:
    return CMAC.new(key, msg=data, ciphermod=AES).digest()[:CHECK]


def seal(keys: OtaKeys, tar: bytes, counter: int, data: bytes) -> bytes:
    """A command packet from CPL on."""
    padding = -(6 + CHECK + len(data)) % AES.block_size
    body = data + bytes(padding)
    size = 13 + CHECK
    clear = (1 + size + len(body)).to_bytes(2) + bytes([size]) + SPI + bytes([keys.kvn << 4 | 2] * 2) + tar
    head = counter.to_bytes(5) + bytes([padding])
    secured = head + _cmac(keys.kid, clear + head + body) + body
    return clear + AES.new(keys.kic, AES.MODE_CBC, iv=bytes(16)).encrypt(secured)


def open_proof(keys: OtaKeys, tar: bytes, packet: bytes) -> Proof:
    """Decipher and verify a response packet. Raises BadPacket."""
    ciphered = packet[HEADER:]
    if len(packet) < HEADER or int.from_bytes(packet[:2]) != len(packet) - 2:
        raise BadPacket("length of the packet")
    if packet[2] != 10 + CHECK or packet[3:6] != tar or not ciphered or len(ciphered) % AES.block_size:
        raise BadPacket("header of the packet")
    plain = AES.new(keys.kic, AES.MODE_CBC, iv=bytes(16)).decrypt(ciphered)
    head, check, body = plain[:7], plain[7 : 7 + CHECK], plain[7 + CHECK :]
    if not hmac.compare_digest(_cmac(keys.kid, RESPONSE_HEADER + packet[:HEADER] + head + body), check):
        raise BadPacket("checksum")
    if head[5] > len(body):
        raise BadPacket("padding counter")
    return Proof(int.from_bytes(head[:5]), head[6], body[: len(body) - head[5]])
