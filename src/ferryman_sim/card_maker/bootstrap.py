"""TCA interoperable profile package (format 2.3): the bootstrap profile that every card is made with.

A full profile with one USIM, Milenage and an MNO-SD; only differences from the file templates are carried.
Tags and field order: `profile-package.md` 1 to 4; identity encodings: 6 there.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferryman_sim.card_maker import der

TEMPLATE_ARC = "2.23.143.1.2"
TEMPLATE_MF, TEMPLATE_USIM = 1, 4
USIM_AID = bytes.fromhex("A0000000871002FF33FF018900000100")
USIM_FILE_ID = bytes.fromhex("7FD0")
MNO_SD_LOAD_FILE = bytes.fromhex("A0000001515350")
MNO_SD_CLASS = bytes.fromhex("A000000151535041")
MNO_SD_INSTANCE = bytes.fromhex("A000000151000000")
# 10 short messages, 12 SMS parameters, 19 service provider name, 28 SMS-PP data download, 85 EPS mobility
# information
USIM_SERVICES = (10, 12, 19, 28, 85)
UST_SIZE = 14  # bytes, as the template's EF UST
MILENAGE = 1


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription; `repr` shows no key."""

    iccid: str
    imsi: str
    msisdn: str
    ki: bytes
    opc: bytes
    sd_keys: tuple[bytes, bytes, bytes]
    puks: tuple[str, str]
    adm: str

    def __repr__(self) -> str:
        return f"Subscription(iccid={self.iccid!r}, imsi={self.imsi!r}, msisdn={self.msisdn!r})"


def swapped(digits: str) -> bytes:
    """Nibble-swapped BCD, padded F at the end."""
    even = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join(even[i + 1] + even[i] for i in range(0, len(even), 2)))


def header_iccid(iccid: str) -> bytes:
    """The header's ICCID: plain digit order, 10 bytes, padded F."""
    return bytes.fromhex(iccid.ljust(20, "F"))


def ef_iccid(iccid: str) -> bytes:
    """EF ICCID: nibble-swapped, 10 bytes."""
    return swapped(iccid.ljust(20, "F"))


def ef_imsi(imsi: str) -> bytes:
    """EF IMSI, 9 bytes: length, parity nibble with the first digit, the rest swapped (TS 31.102 4.2.2)."""
    odd = len(imsi) % 2
    body = swapped(("9" if odd else "1") + imsi)
    return (bytes([len(body)]) + body).ljust(9, b"\xff")


def ef_acc(imsi: str) -> bytes:
    """EF ACC: the bit of the IMSI's last digit (TS 31.102 4.2.15)."""
    return (1 << int(imsi[-1])).to_bytes(2, "big")


def ef_ust(services: tuple[int, ...]) -> bytes:
    """EF UST: service n is bit (n-1) mod 8 of byte (n-1) div 8 (TS 31.102 4.2.8)."""
    table = bytearray(UST_SIZE)
    for service in services:
        table[(service - 1) // 8] |= 1 << (service - 1) % 8
    return bytes(table)


def package(subscription: Subscription, profile_type: str) -> bytes:
    """The package: a concatenation of profile elements, header first, end last."""
    return b"".join(
        (
            _header(subscription, profile_type),
            _mf(subscription, 1),
            _puks(subscription, 2),
            _pins(3, _pin(1, b"0000", puk=1, attributes=6), _adm(subscription)),
            _usim(subscription, 4),
            _pins(5, _pin(129, b"0000", puk=129, attributes=7)),
            _aka(subscription, 6),
            _security_domain(subscription, 7),
            der.tlv(0xAA, _pe_header(8)),
        )
    )


def _pe_header(identification: int) -> bytes:
    return der.tlv(0xA0, der.tlv(0x80), der.tlv(0x81, der.integer_content(identification)))


def _template(number: int) -> bytes:
    return der.tlv(0x81, der.oid_content(f"{TEMPLATE_ARC}.{number}"))


def _header(subscription: Subscription, profile_type: str) -> bytes:
    templates = (der.oid(f"{TEMPLATE_ARC}.{n}") for n in (TEMPLATE_MF, TEMPLATE_USIM))
    return der.tlv(
        0xA0,
        der.tlv(0x80, b"\x02"),
        der.tlv(0x81, b"\x03"),
        der.tlv(0x82, profile_type.encode()),
        der.tlv(0x83, header_iccid(subscription.iccid)),
        der.tlv(0xA5, der.tlv(0x81), der.tlv(0x84)),
        der.tlv(0xA6, *templates),
    )


def _file(field: int, fcp: bytes, content: bytes = b"") -> bytes:
    """One File: a descriptor and, where given, content from the start."""
    return der.tlv(field, der.tlv(0xA1, fcp), der.tlv(0x83, content) if content else b"")


def _transparent(size: int) -> bytes:
    return der.tlv(0x80, size.to_bytes(max(1, (size.bit_length() + 7) // 8), "big"))


def _records(length: int, count: int) -> bytes:
    return der.tlv(0x82, bytes.fromhex("422100") + bytes([length])) + _transparent(length * count)


def _arr(*rules: str) -> tuple[bytes, bytes]:
    """Descriptor TLVs and content of an EF ARR: rules of TS 102 221 9.2.4, one a record, padded FF."""
    raw = [bytes.fromhex(rule) for rule in rules]
    size = max(len(rule) for rule in raw)
    return _records(size, len(raw)), b"".join(rule.ljust(size, b"\xff") for rule in raw)


def _mf(subscription: Subscription, identification: int) -> bytes:
    application = der.tlv(0x61, der.tlv(0x4F, USIM_AID), der.tlv(0x50, b"USIM"))
    arr_fcp, arr = _arr(
        "800101900080015AA40683010A950108",  # read always, else ADM1
        "800101A406830101950108" + "800102A406830101950108" + "800158A40683010A950108",  # read, update with PIN1
    )
    return der.tlv(
        0xB0,
        _pe_header(identification),
        _template(TEMPLATE_MF),
        _file(0xA2, der.tlv(0x8B, bytes.fromhex("2F0601")) + der.tlv(0xC6, bytes.fromhex("010A"))),
        _file(0xA4, der.tlv(0x8B, bytes.fromhex("2F0601")), ef_iccid(subscription.iccid)),
        _file(0xA5, _order(der.tlv(0x8B, bytes.fromhex("2F0601")), _records(len(application), 1)), application),
        _file(0xA6, _order(der.tlv(0x8B, bytes.fromhex("2F0601")), arr_fcp), arr),
    )


def _order(security: bytes, sizing: bytes) -> bytes:
    """Fcp fields in schema order: file descriptor (82), security attributes (8B), size (80)."""
    if sizing[0] != 0x82:
        return security + sizing
    end = 2 + sizing[1]
    return sizing[:end] + security + sizing[end:]


def _usim(subscription: Subscription, identification: int) -> bytes:
    arr_fcp, arr = _arr(
        "800101900080015AA40683010A950108",
        "800101A406830101950108" + "800102A406830101950108" + "800158A40683010A950108",
        "800101A40683010195010880015AA40683010A950108",  # read with PIN1, else ADM1
    )
    adf = (
        der.tlv(0x83, USIM_FILE_ID)
        + der.tlv(0x84, USIM_AID)
        + der.tlv(0x8B, bytes.fromhex("2F0601"))
        + der.tlv(0xC6, bytes.fromhex("81010A"))
    )
    public, secret = der.tlv(0x8B, bytes.fromhex("6F0601")), der.tlv(0x8B, bytes.fromhex("6F0603"))
    emergency = bytes.fromhex("11F2FF") + b"\x00"
    return der.tlv(
        0xB3,
        _pe_header(identification),
        _template(TEMPLATE_USIM),
        _file(0xA2, adf),
        _file(0xA3, secret, ef_imsi(subscription.imsi)),
        _file(0xA4, _order(public, arr_fcp), arr),
        _file(0xA8, secret + _transparent(UST_SIZE), ef_ust(USIM_SERVICES)),
        _file(0xAD, public, b"\x00" + b"bootstrap".ljust(16, b"\xff")),
        _file(0xAE, secret, b"\x00"),
        _file(0xB2, secret, ef_acc(subscription.imsi)),
        _file(0xB5, public, bytes.fromhex("00000002")),
        _file(0xB6, _order(public, _records(len(emergency), 1)), emergency),
    )


def _puks(subscription: Subscription, identification: int) -> bytes:
    codes = (
        der.sequence(der.tlv(0x80, der.integer_content(reference)), der.tlv(0x81, puk.encode()))
        for reference, puk in zip((1, 129), subscription.puks, strict=True)
    )
    return der.tlv(0xA3, _pe_header(identification), der.tlv(0xA1, *codes))


def _pin(reference: int, value: bytes, puk: int, attributes: int) -> bytes:
    default = 7  # a component equal to its DEFAULT is left out in DER
    return der.sequence(
        der.tlv(0x80, der.integer_content(reference)),
        der.tlv(0x81, value.ljust(8, b"\xff")),
        der.tlv(0x82, der.integer_content(puk)),
        b"" if attributes == default else der.tlv(0x83, der.integer_content(attributes)),
    )


def _adm(subscription: Subscription) -> bytes:
    return der.sequence(
        der.tlv(0x80, der.integer_content(10)),
        der.tlv(0x81, subscription.adm.encode()),
        der.tlv(0x83, der.integer_content(3)),
        der.tlv(0x84, der.integer_content(0xAA)),
    )


def _pins(identification: int, *pins: bytes) -> bytes:
    return der.tlv(0xA2, _pe_header(identification), der.tlv(0xA1, der.tlv(0xA0, *pins)))


def _aka(subscription: Subscription, identification: int) -> bytes:
    parameters = der.tlv(
        0xA1,
        der.tlv(0x80, bytes([MILENAGE])),
        der.tlv(0x81, b"\x00"),
        der.tlv(0x82, subscription.ki),
        der.tlv(0x83, subscription.opc),
    )
    return der.tlv(0xA4, _pe_header(identification), der.tlv(0xA1, parameters))


def _security_domain(subscription: Subscription, identification: int) -> bytes:
    instance = der.tlv(
        0xA1,
        der.tlv(0x4F, MNO_SD_LOAD_FILE),
        der.tlv(0x4F, MNO_SD_CLASS),
        der.tlv(0x4F, MNO_SD_INSTANCE),
        der.tlv(0x82, bytes.fromhex("82DC00")),
        der.tlv(0x83, b"\x0f"),
        der.tlv(0xC9, bytes.fromhex("810280008201F08301F08701F0")),
    )
    usages = (0x18, 0x14, 0x48)  # KIc, KID, DEK
    keys = (
        der.sequence(
            der.tlv(0x95, bytes([usage])),
            der.tlv(0x82, bytes([index])),
            der.tlv(0x83, b"\x01"),
            der.sequence(der.sequence(der.tlv(0x80, b"\x88"), der.tlv(0x86, key))),
        )
        for index, (usage, key) in enumerate(zip(usages, subscription.sd_keys, strict=True), start=1)
    )
    return der.tlv(0xA6, _pe_header(identification), instance, der.tlv(0xA2, *keys))
