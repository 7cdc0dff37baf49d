"""What values of a profile package mean to a person (TS 102 221, TS 31.102, TS 31.103, GlobalPlatform 2.3).

Nothing here decides anything: what cannot be read has no meaning and is shown as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from ferryman.codec import tlv
from ferryman.codec.saip.elements import PIN_NAMES
from ferryman.codec.saip.types import Value
from ferryman.errors import PeerError

CODES = {1: "PIN1", 129: "PIN2", **{number: name.upper() for name, number in PIN_NAMES.items() if "adm" in name}}
_TEMPLATES = (
    "MF, CD, TELECOM, USIM, optional USIM, PHONEBOOK, GSM-ACCESS, ISIM, optional ISIM, CSIM, optional CSIM, EAP,"
    " 5GS, SAIP, SNPN, 5G ProSe, IoT, optional IoT, SSIM"
)
TEMPLATES = tuple(_TEMPLATES.split(", "))
TEMPLATE_ARC = "2.23.143.1.2."

KEY_TYPES = {0x80: "DES", 0x85: "TLS-PSK", 0x88: "AES"}
KEY_USES = {0x18: "encryption", 0x14: "MAC", 0x48: "key encryption", 0x3C: "PSK"}
KEY_VERSIONS = ((0x01, 0x0F, "SCP80"), (0x20, 0x2F, "SCP02"), (0x30, 0x3F, "SCP03"), (0x40, 0x4F, "SCP81"))
LIFE_CYCLES = {0x03: "INSTALLED", 0x07: "SELECTABLE", 0x0F: "PERSONALIZED"}
_PRIVILEGES = (
    "security domain, DAP verification, delegated management, card lock, card terminate, card reset,"
    " CVM management, mandated DAP verification, trusted path, authorized management, token management,"
    " global delete, global lock, global registry, final application, global service, receipt generation,"
    " ciphered load file data block, contactless activation, contactless self-activation"
)
PRIVILEGES = tuple(_PRIVILEGES.split(", "))
"""GlobalPlatform Card Specification 2.3, 11.1.2, from the first bit of the first byte."""

SECURITY_LEVELS = {0: "no integrity", 1: "redundancy check", 2: "cryptographic checksum", 3: "digital signature"}
COUNTERS = {0: "no counter", 1: "counter not checked", 2: "counter higher", 3: "counter one higher"}

ACCESS_MODES = ("read", "update", "write", "deactivate", "activate", "terminate", "delete")
"""Bits 1 to 7 of the access mode byte of an EF (TS 102 221 9.4.2); those of a DF mean creation and deletion."""

MAX_DEPTH = 8  # conditions inside conditions: cards know two, and a file may hold thousands

COMMANDS = {0xD4: "RESIZE FILE", 0x32: "INCREASE", 0xA4: "SELECT"}


def component_meaning(name: str, value: Value) -> str:
    """Meaning of one component, empty when there is none to add."""
    try:
        maker = _COMPONENTS.get(name)
        return maker(value) if maker is not None else ""
    except (PeerError, IndexError, TypeError, ValueError):
        return ""


def has_meaning(name: str) -> bool:
    """True for a file whose content can be read."""
    return name in _FILES


def file_meaning(name: str, content: bytes, record: int) -> list[str]:
    """Meaning of a file's content by its usual name: one line, or one for each record that is used."""
    maker = _FILES.get(name)
    if maker is None:
        return []
    pieces = [content[at : at + record] for at in range(0, len(content), record)] if record else [content]
    return [_read(maker, piece) for piece in pieces]


def _read(maker: Callable[[bytes], str], piece: bytes) -> str:
    try:
        return maker(piece) if piece.strip(b"\xff") else "unused"
    except (PeerError, IndexError, ValueError):
        return ""


# -- components --------------------------------------------------------------------------------------------


def _octet(value: Value) -> int:
    if isinstance(value, bytes) and len(value) == 1:
        return value[0]
    raise TypeError("not one byte")


def _template(value: Value) -> str:
    if not isinstance(value, str) or not value.startswith(TEMPLATE_ARC):
        return ""
    number, _, version = value.removeprefix(TEMPLATE_ARC).partition(".")
    name = TEMPLATES[int(number) - 1] if 1 <= int(number) <= len(TEMPLATES) else ""
    return f"{name} version {version}" if version else name


def _privileges(value: Value) -> str:
    if not isinstance(value, bytes):
        return ""
    bits = "".join(f"{byte:08b}" for byte in value)
    on = [name for name, bit in zip(PRIVILEGES, bits, strict=False) if bit == "1"]
    return ", ".join(on)


def _version(value: Value) -> str:
    number = _octet(value)
    return next((name for low, high, name in KEY_VERSIONS if low <= number <= high), "")


def _tries(value: Value) -> str:
    return f"{value & 15} of {value >> 4} tries left" if isinstance(value, int) else ""


def _attributes(value: Value) -> str:
    if not isinstance(value, int):
        return ""
    return "enabled" if value & 1 else "disabled"


def _security(value: Value) -> str:
    level = _octet(value)
    ciphering = "ciphering" if level & 4 else "no ciphering"
    return f"{SECURITY_LEVELS[level & 3]}, {ciphering}, {COUNTERS[level >> 3 & 3]}"


def _short_id(value: Value) -> str:
    return f"SFI {_octet(value) >> 3:02X}" if value else "no SFI"


def _toolkit(value: Value) -> str:
    """Toolkit application specific parameters (TS 102 226 8.2.1.3.2.2): the part that is not the menu."""
    if not isinstance(value, bytes):
        return ""
    entries = value[3]
    at = 4 + 2 * entries
    channels, level_size = value[at], value[at + 1]
    level = value[at + 2 : at + 2 + level_size]
    at += 2 + level_size
    tars = value[at + 1 : at + 1 + value[at]]
    listed = ", ".join(tars[here : here + 3].hex().upper() for here in range(0, len(tars), 3))
    found = f"priority {value[0]}, {value[1]} timers, {entries} menu entries, {channels} channels"
    if level_size >= 2 and level[0] == 1:
        found += f", minimum security level {level[1]:02X}"
    return f"{found}, TAR {listed}" if listed else found


def _install(value: Value) -> str:
    """Parameters of a security domain behind C9: secure channel protocols (81), and others by their tags."""
    if not isinstance(value, bytes):
        return ""
    words = []
    for item in tlv.parse(value):
        if item.tag == 0x81 and len(item.value) == 2:
            words.append(f"SCP{item.value[0]:02X} i={item.value[1]:02X}")
        else:
            words.append(f"{item.tag:02X} {item.value.hex().upper()}")
    return ", ".join(words)


def _iccid(value: Value) -> str:
    return value.hex().upper().rstrip("F") if isinstance(value, bytes) else ""


def _pol1(value: Value) -> str:
    rules = ("disabling not allowed", "deletion not allowed", "deletion after disabling")
    on = [rule for bit, rule in enumerate(rules) if _octet(value) >> bit & 1]
    return ", ".join(on) or "no rule"


_COMPONENTS: Mapping[str, Callable[[Value], str]] = {
    "templateID": _template,
    "applicationPrivileges": _privileges,
    "lifeCycleState": lambda value: LIFE_CYCLES.get(_octet(value), ""),
    "keyType": lambda value: KEY_TYPES.get(_octet(value), ""),
    "keyUsageQualifier": lambda value: KEY_USES.get(_octet(value), ""),
    "keyVersionNumber": _version,
    "maxNumOfAttemps-retryNumLeft": _tries,
    "pinAttributes": _attributes,
    "minimumSecurityLevel": _security,
    "shortEFID": _short_id,
    "uiccToolkitApplicationSpecificParametersField": _toolkit,
    "applicationSpecificParametersC9": _install,
    "iccid": _iccid,
    "pol": _pol1,
}


# -- files -------------------------------------------------------------------------------------------------


def _digits(content: bytes) -> str:
    return "".join(f"{byte & 15:X}{byte >> 4:X}" for byte in content)


def _imsi(content: bytes) -> str:
    return _digits(content[1 : 1 + content[0]])[1:].rstrip("F")


def _classes(content: bytes) -> str:
    bits = int.from_bytes(content[:2])
    return "access classes " + ", ".join(str(number) for number in range(16) if bits >> number & 1)


def _administrative(content: bytes) -> str:
    return f"MNC of {content[3] & 15} digits" if len(content) > 3 else ""


def _services(content: bytes) -> str:
    on = [str(8 * at + bit + 1) for at, byte in enumerate(content) for bit in range(8) if byte >> bit & 1]
    return "services " + ", ".join(on) if on else "no services"


def _name(content: bytes) -> str:
    return content[1:].rstrip(b"\xff").decode("ascii")


def _uri(content: bytes) -> str:
    return content[2 : 2 + content[1]].decode("utf-8") if content[0] == 0x80 else ""


def _plmns(content: bytes) -> str:
    return ", ".join(_plmn(content[at : at + 3]) for at in range(0, len(content) - 2, 3))


def _plmns_with_access(content: bytes) -> str:
    found = (content[at : at + 5] for at in range(0, len(content) - 4, 5))
    return ", ".join(f"{_plmn(one)} {one[3:].hex().upper()}" for one in found if one[:3] != b"\xff\xff\xff")


def _plmn(content: bytes) -> str:
    digits = _digits(content[:3])
    return f"{digits[:3]} {digits[4:6]}{digits[3].strip('F')}" if digits.strip("F") else "unused"


def _number(content: bytes) -> str:
    record = content[-14:]
    digits = _digits(record[2 : 1 + record[0]]).rstrip("F")
    return f"{'+' if record[1] == 0x91 else ''}{digits}"


def _emergency(content: bytes) -> str:
    return _digits(content[:3]).rstrip("F")


def _languages(content: bytes) -> str:
    return ", ".join(
        content[at : at + 2].decode("ascii") for at in range(0, len(content) - 1, 2) if content[at] != 0xFF
    )


def _application(content: bytes) -> str:
    inner = {item.tag: item.value for item in tlv.parse(content[2 : 2 + content[1]])}
    label = inner.get(0x50, b"").decode("ascii")
    return f"{inner.get(0x4F, b'').hex().upper()} {label}".strip()


@lru_cache(512)
def _access_rule(content: bytes) -> str:
    """A record of EF ARR in expanded format (TS 102 221 9.2.4): what is allowed to whom."""
    rules: list[str] = []
    for item in tlv.parse(content.rstrip(b"\xff")):
        if item.tag == 0x80:
            modes = [word for bit, word in enumerate(ACCESS_MODES) if item.value[0] >> bit & 1]
            rules.append("/".join(modes) or f"{item.value[0]:02X}")
        elif 0x81 <= item.tag <= 0x8F:
            rules.append(COMMANDS.get(item.value[-1], f"command {item.value.hex().upper()}"))
        elif rules:
            joint = ":" if ":" not in rules[-1] else " or"
            rules[-1] += f"{joint} {_condition(item, MAX_DEPTH)}"
    return "; ".join(rules)


def _condition(item: tlv.TLV, depth: int) -> str:
    match item.tag:
        case 0x90:
            return "always"
        case 0x97:
            return "never"
        case 0xA4:
            number = next((each.value[0] for each in tlv.parse(item.value) if each.tag == 0x83), None)
            return "no code" if number is None else CODES.get(number, f"code {number:02X}")
        case 0xA0 | 0xAF if depth:
            joint = " or " if item.tag == 0xA0 else " and "
            return joint.join(_condition(each, depth - 1) for each in tlv.parse(item.value))
        case _:
            return item.raw.hex().upper()


_FILES: Mapping[str, Callable[[bytes], str]] = {
    "ef-iccid": lambda content: _digits(content).rstrip("F"),
    "ef-pl": _languages,
    "ef-li": _languages,
    "ef-dir": _application,
    "ef-arr": _access_rule,
    "ef-imsi": _imsi,
    "ef-acc": _classes,
    "ef-ad": _administrative,
    "ef-ust": _services,
    "ef-ist": _services,
    "ef-est": _services,
    "ef-spn": _name,
    "ef-impi": _uri,
    "ef-impu": _uri,
    "ef-domain": _uri,
    "ef-ehplmn": _plmns,
    "ef-fplmn": _plmns,
    "ef-hplmnwact": _plmns_with_access,
    "ef-oplmnwact": _plmns_with_access,
    "ef-plmnwact": _plmns_with_access,
    "ef-msisdn": _number,
    "ef-ecc": _emergency,
}
