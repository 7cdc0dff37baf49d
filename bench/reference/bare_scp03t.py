"""SCP03t by hand: AES-CBC and CMAC for each segment, session keys by plain CMAC calls, nothing else."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC


def _cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()


def _derive(key: bytes, constant: int, bits: int, context: bytes) -> bytes:
    return _cmac(key, bytes(11) + bytes((constant, 0)) + bits.to_bytes(2) + b"\x01" + context)


def protect(
    enc: bytes, mac: bytes, version: int, host: bytes, counter: int, aid: bytes, plain: bytes, segment: int
) -> list[bytes]:
    """The objects 84, 85 and every 86 for keys of 16 bytes."""
    card = _derive(enc, 0x02, 64, counter.to_bytes(3) + aid)[:8]
    s_enc = _derive(enc, 0x04, 128, host + card)
    s_mac = _derive(mac, 0x06, 128, host + card)
    body = b"\x33" + _derive(s_mac, 0x01, 64, host + card)[:8]
    chain = _cmac(s_mac, bytes(16) + b"\x85\x11" + body)
    objects = [b"\x84\x0a" + bytes((version, 0)) + host, b"\x85\x11" + body + chain[:8]]
    parts = [plain[at : at + segment] for at in range(0, len(plain), segment)]
    counters = b"".join(number.to_bytes(16) for number in range(1, len(parts) + 1))
    icvs = Cipher(AES(s_enc), ECB()).encryptor().update(counters)  # noqa: S305 - the ICVs of SCP03
    keyed = CMAC(AES(s_mac))
    cipher_key = AES(s_enc)
    for number, part in enumerate(parts):
        padded = part + b"\x80" + bytes(-(len(part) + 1) % 16)
        ciphered = Cipher(cipher_key, CBC(icvs[16 * number : 16 * number + 16])).encryptor().update(padded)
        length = len(ciphered) + 8
        if length < 0x80:
            header = bytes((0x86, length))
        elif length < 0x100:
            header = bytes((0x86, 0x81, length))
        else:
            header = b"\x86\x82" + length.to_bytes(2)
        check = keyed.copy()
        check.update(chain + header + ciphered)
        chain = check.finalize()
        objects.append(header + ciphered + chain[:8])
    return objects
