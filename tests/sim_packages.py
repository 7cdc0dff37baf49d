"""Small profile packages for tests of the simulated eUICC, written by hand from profile-package.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

USIM_AID = bytes.fromhex("A0000000871002FF49FF0589")
ISIM_AID = bytes.fromhex("A0000000871004FF49FF0589")
SD_AID = bytes.fromhex("A000000151000000")
K = bytes(range(16))
OPC = bytes(range(16, 32))


def tlv(tag: int, *parts: bytes) -> bytes:
    """One data object; tag as on the wire, e.g. 0xBF20."""
    value = b"".join(parts)
    head = tag.to_bytes((tag.bit_length() + 7) // 8)
    size = len(value)
    if size < 128:
        return head + bytes([size]) + value
    width = (size.bit_length() + 7) // 8
    return head + bytes([0x80 + width]) + size.to_bytes(width) + value


def oid(number: int, version: int | None = None) -> bytes:
    """Content of a template identifier 2.23.143.1.2.n[.m]."""
    return bytes.fromhex("67810F0102") + bytes([number]) + (b"" if version is None else bytes([version]))


def element(tag: int, *fields: bytes, number: int | None = None, mandated: bool = True) -> bytes:
    """A profile element with its header."""
    head = (b"\x80\x00" if mandated else b"") + (tlv(0x81, bytes([number])) if number is not None else b"")
    return tlv(tag, tlv(0xA0, head), *fields)


def header(
    version: tuple[int, int] = (2, 3),
    *,
    services: Iterable[int] = (0x81, 0x84),
    templates: Iterable[bytes] = (oid(1), oid(4)),
    pol: bytes | None = None,
    connectivity: bytes | None = None,
    extra: bytes = b"",
    iccid: bytes = bytes.fromhex("8999010000000000185F"),
) -> bytes:
    """ProfileHeader."""
    return tlv(
        0xA0,
        tlv(0x80, bytes([version[0]])),
        tlv(0x81, bytes([version[1]])),
        tlv(0x82, b"test"),
        tlv(0x83, iccid),
        b"" if pol is None else tlv(0x84, pol),
        tlv(0xA5, *(tlv(tag) for tag in services)),
        tlv(0xA6, *(tlv(0x06, template) for template in templates)),
        b"" if connectivity is None else tlv(0x87, connectivity),
        extra,
    )


@dataclass(frozen=True, slots=True)
class FcpFields:
    """Fcp content by field; None = left out."""

    descriptor: str | None = None
    file_id: str | None = None
    df_name: bytes | None = None
    life_cycle: str | None = None
    security: str | None = None
    size: str | None = None
    pin_status: str | None = None
    short_id: str | None = None
    proprietary: bytes | None = None
    link: str | None = None

    def encode(self, tag: int = 0xA1) -> bytes:
        """The Fcp in wire order."""
        rows = (
            (0x82, self.descriptor),
            (0x83, self.file_id),
            (0x84, self.df_name),
            (0x8A, self.life_cycle),
            (0x8B, self.security),
            (0x80, self.size),
            (0xC6, self.pin_status),
            (0x88, self.short_id),
            (0xA5, self.proprietary),
            (0xC7, self.link),
        )
        values = [(number, value) for number, value in rows if value is not None]
        parts = [tlv(number, bytes.fromhex(v) if isinstance(v, str) else v) for number, v in values]
        return tlv(tag, *parts)


def fcp(**values: str | bytes) -> bytes:
    """fileDescriptor of a File list."""
    return FcpFields(**values).encode()  # type: ignore[arg-type]


def content(text: str | bytes) -> bytes:
    """fillFileContent."""
    return tlv(0x83, bytes.fromhex(text) if isinstance(text, str) else text)


def skip(count: int) -> bytes:
    """fillFileOffset."""
    return tlv(0x82, count.to_bytes(count.bit_length() // 8 + 1))


DF = fcp(pin_status="010A")


def mf(*, changes: dict[int, bytes] | None = None, number: int = 1, extra: bytes = b"") -> bytes:
    """PE-MF; changes: File content by context number (2 = mf, 4 = ef-iccid ...), empty bytes leave it out."""
    files = {
        2: DF,
        4: content("989910000000000081F5"),
        5: fcp(descriptor="42210020", size="20") + content("61124F0CA0000000871002FF49FF0589"),
        6: fcp(descriptor="42210010", size="20") + content("800101900080"),
    }
    files |= changes or {}
    parts = [tlv(0xA0 + index, data) for index, data in sorted(files.items()) if data]
    return element(0xB0, tlv(0x81, oid(1)), *parts, extra, number=number)


ADF = fcp(file_id="7FD0", df_name=USIM_AID, pin_status="01810A")


def usim(
    *,
    changes: dict[int, bytes] | None = None,
    number: int = 4,
    template: bytes | None = None,
    mandated: bool = True,
) -> bytes:
    """PE-USIM; changes as in `mf` (2 = adf-usim, 3 = ef-imsi, 4 = ef-arr, 8 = ef-ust, 18 = ef-acc ...)."""
    files = {
        2: ADF,
        3: content("080910108967452301"),
        4: fcp(descriptor="42210010", size="10") + content("8001019000"),
        8: content("9EFF9D1DFF3E008341031001"),
        13: content("00"),
        14: content("00"),
        18: content("0001"),
        22: content("11F2FF00"),
    }
    files |= changes or {}
    parts = [tlv(0xA0 + index, data) for index, data in sorted(files.items()) if data]
    return element(0xB3, tlv(0x81, template or oid(4)), *parts, number=number, mandated=mandated)


def isim(*, number: int = 9, mandated: bool = True) -> bytes:
    """PE-ISIM."""
    files = (
        fcp(file_id="7FB0", df_name=ISIM_AID, pin_status="01810A"),
        fcp(size="20") + content("8003612E62"),
        fcp(descriptor="42210020", size="20") + content("8003612E62"),
        fcp(size="20") + content("8003612E62"),
        fcp(size="07") + content("01001000000000"),
        b"",
        fcp(descriptor="42210010", size="10") + content("8001019000"),
    )
    parts = [tlv(0xA2 + index, data) for index, data in enumerate(files) if data]
    return element(0xB5, tlv(0x81, oid(8)), *parts, number=number, mandated=mandated)


def pin(reference: int, puk: int | None = None, tries: int | None = None) -> bytes:
    """One pinconfig entry."""
    number = tlv(0x80, reference.to_bytes(reference.bit_length() // 8 + 1))
    unblock = b"" if puk is None else tlv(0x82, puk.to_bytes(puk.bit_length() // 8 + 1))
    counter = b"" if tries is None else tlv(0x84, tries.to_bytes(tries.bit_length() // 8 + 1))
    return tlv(0x30, number, tlv(0x81, b"1234\xff\xff\xff\xff"), unblock, counter)


def pins(*entries: bytes, number: int, mandated: bool = True) -> bytes:
    """PE-PINCodes."""
    return element(0xA2, tlv(0xA1, tlv(0xA0, *entries)), number=number, mandated=mandated)


def puks(*references: int, number: int = 2) -> bytes:
    """PE-PUKCodes."""
    entries = [
        tlv(0x30, tlv(0x80, reference.to_bytes(reference.bit_length() // 8 + 1)), tlv(0x81, b"12345678"))
        for reference in references
    ]
    return element(0xA3, tlv(0xA1, *entries), number=number)


def aka(
    algorithm: int = 1,
    *,
    key: bytes = K,
    opc: bytes = OPC,
    number: int = 6,
    extra: bytes = b"",
    rest: bytes = b"",
    mandated: bool = True,
) -> bytes:
    """PE-AKAParameter with an algorithm of its own."""
    inner = (tlv(0x80, bytes([algorithm])), tlv(0x81, b"\x00"), tlv(0x82, key), tlv(0x83, opc), extra)
    return element(0xA4, tlv(0xA1, tlv(0xA1, *inner)), rest, number=number, mandated=mandated)


def aka_mapping(source: bytes, *, number: int = 6) -> bytes:
    """PE-AKAParameter that uses another application's parameters."""
    return element(0xA4, tlv(0xA1, tlv(0xA0, tlv(0x80, b"\x00"), tlv(0x81, source))), number=number)


def key(kid: int, kvn: int, kind: int = 0x88, data: bytes = K) -> bytes:
    """KeyObject."""
    component = tlv(0x30, tlv(0x80, bytes([kind])), tlv(0x86, data))
    return tlv(0x30, tlv(0x95, b"\x18"), tlv(0x82, bytes([kid])), tlv(0x83, bytes([kvn])), tlv(0x30, component))


def instance(aid: bytes = SD_AID, domain: bytes | None = None, life_cycle: int | None = 0x0F) -> tuple[bytes, ...]:
    """Fields of an ApplicationInstance."""
    return (
        tlv(0x4F, bytes.fromhex("A0000001515350")),
        tlv(0x4F, bytes.fromhex("A000000151535041")),
        tlv(0x4F, aid),
        b"" if domain is None else tlv(0x4F, domain),
        tlv(0x82, bytes.fromhex("82DC00")),
        b"" if life_cycle is None else tlv(0x83, bytes([life_cycle])),
        tlv(0xC9, bytes.fromhex("810280008201F0")),
        tlv(0xEA, tlv(0x80, bytes.fromhex("010000000002010206B2010000000000"))),
    )


def security_domain(
    *keys: bytes,
    number: int = 7,
    fields: tuple[bytes, ...] | None = None,
    extra: bytes = b"",
    mandated: bool = True,
) -> bytes:
    """PE-SecurityDomain."""
    listed = tlv(0xA2, *(keys or (key(1, 1), key(2, 1), key(3, 1))))
    return element(0xA6, tlv(0xA1, *(fields or instance())), listed, extra, number=number, mandated=mandated)


def rfm(
    *,
    aid: str = "A00000055910100001",
    tars: tuple[str, ...] | None = ("B00120",),
    adf: bytes | None = None,
    number: int = 8,
) -> bytes:
    """PE-RFM."""
    listed = b"" if tars is None else tlv(0xA0, *(tlv(0x04, bytes.fromhex(tar)) for tar in tars))
    access = b"" if adf is None else tlv(0x30, tlv(0x80, adf), tlv(0x81, b"\x00"), tlv(0x82, b"\x00"))
    fields = (tlv(0x4F, bytes.fromhex(aid)), listed, tlv(0x81, b"\x02"), tlv(0x04, b"\x00") * 2, access)
    return element(0xA7, *fields, number=number)


def generic(*commands: bytes, number: int = 10) -> bytes:
    """PE-GenericFileManagement."""
    return element(0xA1, tlv(0xA1, tlv(0x30, *commands)), number=number)


def path(text: str) -> bytes:
    """filePath command."""
    return tlv(0x80, bytes.fromhex(text))


def create(**values: str | bytes) -> bytes:
    """createFCP command."""
    return FcpFields(**values).encode(0x62)  # type: ignore[arg-type]


def end(number: int = 31) -> bytes:
    """PE-End."""
    return element(0xAA, number=number)


@dataclass(frozen=True, slots=True)
class Package:
    """A minimal working package, part by part; `but` replaces parts."""

    header: bytes = field(default_factory=header)
    mf: bytes = field(default_factory=mf)
    puks: bytes = field(default_factory=lambda: puks(1, 129))
    pins: bytes = field(default_factory=lambda: pins(pin(1, 1), pin(10), number=3))
    before: bytes = b""
    usim: bytes = field(default_factory=usim)
    usim_pins: bytes = field(default_factory=lambda: pins(pin(129, 129), number=5))
    aka: bytes = field(default_factory=aka)
    domain: bytes = field(default_factory=security_domain)
    rfm: bytes = field(default_factory=rfm)
    after: bytes = b""
    end: bytes = field(default_factory=end)

    def but(self, **parts: bytes) -> Package:
        """A copy with other parts."""
        return replace(self, **parts)

    def __bytes__(self) -> bytes:
        parts = (self.header, self.mf, self.puks, self.pins, self.before, self.usim, self.usim_pins)
        return b"".join((*parts, self.aka, self.domain, self.rfm, self.after, self.end))
