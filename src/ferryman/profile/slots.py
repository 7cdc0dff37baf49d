"""Values of a subscription as they stand in a profile package (TS 102 221, TS 31.102 4.2, TS 31.103; reference 6).

A template has slots by these names; `derive_public` and `derive_secret` make their bytes from the columns
of a subscription. Secret are the authentication values, the access codes and the OTA keys.
"""

from __future__ import annotations

from ferryman.errors import InputError

SECRET_SLOTS = frozenset(("ki", "opc", "pin1", "puk1", "pin2", "puk2", "adm1", "kic", "kid", "kik"))
"""Slots whose values enter only where the package is encrypted; they are in no log, answer or stored template."""

PUBLIC_SLOTS = frozenset(("iccid_header", "iccid_ef", "imsi_ef", "imsi_digits", "acc", "msisdn_record"))

KEY_BYTES = 16
"""Ki, OPc and the AES keys of the operator's security domain."""

CODE_BYTES = 8
"""A PIN, PUK or ADM code on the wire (TS 102 221 9.5.1): digits in ASCII, filled up with FF."""

ICCID_BYTES = 10
IMSI_EF_BYTES = 9
ACC_BYTES = 2

MSISDN_BYTES = 14
"""The part of a record of EF MSISDN behind the alpha identifier (TS 31.102 4.2.26)."""

MAX_MSISDN_DIGITS = 15
"""ITU-T E.164; a record would hold 20."""

_SWAPPED = bytes(octet >> 4 | (octet & 0x0F) << 4 for octet in range(256))
"""Every octet with its nibbles exchanged."""

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def derive_public(iccid: str, imsi: str, msisdn: str = "") -> dict[str, bytes]:
    """Bytes of the public slots.

    `iccid` 18 to 20 digits (as they shall be on the card, check digit included), `imsi` 14 or 15 digits,
    `msisdn` up to 15 digits with or without a leading `+`, empty when there is none. Raises InputError.
    """
    require_digits("iccid", iccid, 18, 20)
    require_digits("imsi", imsi, 14, 15)
    return {
        "iccid_header": bytes.fromhex(iccid.ljust(2 * ICCID_BYTES, "F")),
        "iccid_ef": swapped_digits(iccid, ICCID_BYTES),
        "imsi_ef": imsi_file(imsi),
        "imsi_digits": imsi.encode("ascii"),
        "acc": access_class(imsi),
        "msisdn_record": msisdn_record(msisdn),
    }


def derive_secret(
    *,
    ki: bytes,
    opc: bytes,
    pin1: str,
    puk1: str,
    adm1: str,
    kic: bytes,
    kid: bytes,
    kik: bytes,
    pin2: str = "",
    puk2: str = "",
) -> dict[str, bytes]:
    """Bytes of the secret slots; PIN2 and PUK2 only when given.

    Keys have 16 bytes. PINs are 4 to 8 digits, PUKs 8 digits, ADM1 4 to 8 digits or 8 bytes in hex.
    Raises InputError naming the value and the rule, never its content.
    """
    keys = {"ki": ki, "opc": opc, "kic": kic, "kid": kid, "kik": kik}
    for name, key in keys.items():
        if len(key) != KEY_BYTES:
            raise InputError(name, f"must have {KEY_BYTES} bytes")
    codes = {"pin1": pin_code("pin1", pin1), "puk1": puk_code("puk1", puk1), "adm1": adm_code("adm1", adm1)}
    if pin2:
        codes["pin2"] = pin_code("pin2", pin2)
    if puk2:
        codes["puk2"] = puk_code("puk2", puk2)
    return keys | codes


def require_digits(name: str, text: str, minimum: int, maximum: int) -> None:
    """Refuses text that is not `minimum` to `maximum` decimal digits, without showing it."""
    if not (text.isascii() and text.isdigit()):
        raise InputError(name, "must consist of decimal digits")
    if not minimum <= len(text) <= maximum:
        amount = str(minimum) if minimum == maximum else f"{minimum} to {maximum}"
        raise InputError(name, f"must have {amount} digits, has {len(text)}")


def swapped_digits(digits: str, size: int) -> bytes:
    """Digits two to a byte, the first in the low nibble, filled up with F to `size` bytes."""
    return bytes.fromhex(digits.ljust(2 * size, "F")).translate(_SWAPPED)


def imsi_file(imsi: str) -> bytes:
    """EF IMSI (TS 31.102 4.2.2), 9 bytes: length 8, then parity nibble (9 odd, 1 even) and the digits swapped."""
    parity = "9" if len(imsi) % 2 else "1"
    return bytes((IMSI_EF_BYTES - 1,)) + swapped_digits(parity + imsi, IMSI_EF_BYTES - 1)


def access_class(imsi: str) -> bytes:
    """EF ACC (TS 31.102 4.2.15): one bit set, numbered by the last digit of the IMSI (TS 22.011)."""
    return (1 << int(imsi[-1])).to_bytes(ACC_BYTES, "big")


def msisdn_record(msisdn: str) -> bytes:
    """Number part of EF MSISDN, 14 bytes: length, TON/NPI, digits swapped, no extension; all FF without number."""
    if not msisdn:
        return b"\xff" * MSISDN_BYTES
    digits = msisdn.removeprefix("+")
    require_digits("msisdn", digits, 3, MAX_MSISDN_DIGITS)
    ton_npi = b"\x91" if msisdn.startswith("+") else b"\x81"
    used = 1 + (len(digits) + 1) // 2
    return bytes((used,)) + ton_npi + swapped_digits(digits, 10) + b"\xff\xff"


def pin_code(name: str, digits: str) -> bytes:
    """A PIN of 4 to 8 digits as 8 bytes."""
    require_digits(name, digits, 4, CODE_BYTES)
    return digits.encode("ascii").ljust(CODE_BYTES, b"\xff")


def puk_code(name: str, digits: str) -> bytes:
    """A PUK of exactly 8 digits as 8 bytes."""
    require_digits(name, digits, CODE_BYTES, CODE_BYTES)
    return digits.encode("ascii")


def adm_code(name: str, text: str) -> bytes:
    """An ADM code as 8 bytes: 16 hex digits are the bytes themselves, 4 to 8 decimal digits are ASCII."""
    if len(text) == 2 * CODE_BYTES and not set(text) - _HEX_DIGITS:
        return bytes.fromhex(text)
    if not (text.isascii() and text.isdigit() and 4 <= len(text) <= CODE_BYTES):
        raise InputError(name, "must be 4 to 8 digits or 16 hex digits")
    return text.encode("ascii").ljust(CODE_BYTES, b"\xff")
