"""An SCP80 packet by hand: two `cryptography` calls with fresh keys and as little round them as Python allows.

Only what the row measures: AES-CBC with IV zero, AES-CMAC of 8 bytes, SMS form, a ciphered proof of receipt.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

ZERO_IV = CBC(bytes(16))


def wrap(kic: bytes, kid: bytes, fields: bytes, counter: int, data: bytes) -> bytes:
    """`fields` is SPI, KIc, KID, TAR (7 bytes)."""
    padding = -(14 + len(data)) % 16
    inner = counter.to_bytes(5) + bytes((padding,))
    padded = data + bytes(padding)
    header = (22 + len(padded)).to_bytes(2) + b"\x15" + fields
    mac = CMAC(AES(kid))
    mac.update(header + inner + padded)
    encryptor = Cipher(AES(kic), ZERO_IV).encryptor()
    return header + encryptor.update(inner + mac.finalize()[:8] + padded) + encryptor.finalize()


def unwrap(kic: bytes, kid: bytes, packet: bytes) -> tuple[bytes, int, int, bytes]:
    """TAR, counter, status and data of a response packet; ValueError when it is not genuine."""
    if int.from_bytes(packet[:2]) != len(packet) - 2 or packet[2] != 18 or (len(packet) - 6) % 16:
        raise ValueError("length")
    decryptor = Cipher(AES(kic), ZERO_IV).decryptor()
    body = decryptor.update(packet[6:]) + decryptor.finalize()
    mac = CMAC(AES(kid))
    mac.update(b"\x02\x71\x00" + packet[:6] + body[:7] + body[15:])
    if not hmac.compare_digest(mac.finalize()[:8], body[7:15]):
        raise ValueError("check value")
    padding = body[5]
    if padding > len(body) - 15:
        raise ValueError("padding counter")
    return packet[3:6], int.from_bytes(body[:5]), body[6], body[15 : len(body) - padding]
