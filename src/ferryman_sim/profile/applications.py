"""Security domains with their keys, applications and remote file management (profile-package.md 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .der import Fields, Tlv, UnknownField
from .outcome import Abort, Status, Unsupported

PERSONALIZED = 0x0F
DEFAULT_LIFE_CYCLE = 0x07
KEY_TYPE_DES, KEY_TYPE_PSK, KEY_TYPE_AES = 0x80, 0x85, 0x88

_KEY_LENGTHS: dict[int, tuple[int, int]] = {
    KEY_TYPE_DES: (8, 24),
    KEY_TYPE_PSK: (16, 64),
    KEY_TYPE_AES: (16, 32),
}
"""Bytes, lowest and highest, of the key types this card has."""

KEY_MEMORY = 12
"""Bytes charged for a key besides its value."""

INSTANCE_MEMORY = 64
"""Bytes charged for an application's registry entry."""


@dataclass(frozen=True, slots=True, repr=False)
class SdKey:
    """One key component of a security domain. kvn, kid: version and identifier; kind: key type byte."""

    kvn: int
    kid: int
    kind: int
    value: bytes
    usage: bytes
    access: int
    counter: bytes | None
    mac_length: int

    def dump(self) -> list[Any]:
        """JSON form; holds the key."""
        counter = None if self.counter is None else self.counter.hex()
        return [
            *(self.kvn, self.kid, self.kind, self.value.hex(), self.usage.hex(), self.access),
            *(counter, self.mac_length),
        ]

    @classmethod
    def load(cls, row: list[Any]) -> SdKey:
        """From `dump`."""
        counter = None if row[6] is None else bytes.fromhex(row[6])
        return cls(row[0], row[1], row[2], bytes.fromhex(row[3]), bytes.fromhex(row[4]), row[5], counter, row[7])


@dataclass(frozen=True, slots=True)
class Instance:
    """ApplicationInstance. toolkit: UICC toolkit field (TS 102 226 8.2.1.3.2.2) or empty."""

    package: bytes
    module: bytes
    aid: bytes
    domain: bytes | None
    privileges: bytes
    life_cycle: int
    parameters: bytes
    toolkit: bytes
    store_data: tuple[bytes, ...]

    def tars(self) -> tuple[bytes, ...]:
        """Toolkit application references (3 bytes each) of the toolkit field; empty when it has none."""
        field = self.toolkit
        if len(field) < 4:
            return ()
        at = 4 + 2 * field[3] + 1  # priority, timers, text length, menu entries (2 bytes each), channels
        if at >= len(field):
            return ()
        at += 1 + field[at]  # minimum security level
        if at >= len(field) or at + 1 + field[at] > len(field) or field[at] % 3:
            return ()
        return tuple(field[pos : pos + 3] for pos in range(at + 1, at + 1 + field[at], 3))

    def dump(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "package": self.package.hex(),
            "module": self.module.hex(),
            "aid": self.aid.hex(),
            "domain": None if self.domain is None else self.domain.hex(),
            "privileges": self.privileges.hex(),
            "life_cycle": self.life_cycle,
            "parameters": self.parameters.hex(),
            "toolkit": self.toolkit.hex(),
            "store_data": [item.hex() for item in self.store_data],
        }

    @classmethod
    def load(cls, image: dict[str, Any]) -> Instance:
        """From `dump`."""
        names = ("package", "module", "aid", "privileges", "parameters", "toolkit")
        octets = {name: bytes.fromhex(image[name]) for name in names}
        return cls(
            **octets,
            domain=None if image["domain"] is None else bytes.fromhex(image["domain"]),
            life_cycle=image["life_cycle"],
            store_data=tuple(map(bytes.fromhex, image["store_data"])),
        )


@dataclass(frozen=True, slots=True)
class SecurityDomain:
    """A security domain of the Profile; the first one is the MNO-SD."""

    instance: Instance
    keys: tuple[SdKey, ...]
    perso_data: tuple[bytes, ...]

    @property
    def memory(self) -> int:
        """Bytes reserved."""
        keys = sum(len(key.value) + KEY_MEMORY for key in self.keys)
        return INSTANCE_MEMORY + keys + sum(map(len, self.perso_data))


@dataclass(frozen=True, slots=True)
class Application:
    """A loaded package (code size in bytes; the code is not run here) and its instances."""

    package: bytes | None
    code_size: int
    instances: tuple[Instance, ...]

    @property
    def memory(self) -> int:
        """Bytes reserved."""
        stored = sum(len(data) for instance in self.instances for data in instance.store_data)
        return self.code_size + INSTANCE_MEMORY * len(self.instances) + stored


@dataclass(frozen=True, slots=True)
class RemoteFileManagement:
    """An RFM application. adf: AID of the ADF it may reach."""

    aid: bytes
    domain: bytes | None
    tars: tuple[bytes, ...]
    security_level: int
    adf: bytes | None


def parse_security_domain(body: Fields, lacking: frozenset[int], *, first: bool) -> SecurityDomain:
    """securityDomain after its header. Raises MalformedDer, UnknownField, Abort, Unsupported (key type)."""
    instance_item = body.required(0xA1)
    instance = parse_instance(instance_item)
    key_list, perso = body.optional(0xA2), body.optional(0xA3)
    open_perso, cat_tp = body.optional(0xA4), body.optional(0xA5)
    body.finish()
    if first and instance.domain is not None:
        raise Abort(Status.BAD_VALUES, "MNO-SD extradited", instance_item.offset)
    extra = open_perso or cat_tp
    if extra is not None and not first:
        raise Abort(Status.BAD_VALUES, "parameters that only the MNO-SD may have", extra.offset)
    if cat_tp is not None:
        fields = Fields(cat_tp)
        fields.required(0x80).integer()
        fields.required(0x81).integer()
        fields.finish()
    return SecurityDomain(
        instance,
        _parse_keys(key_list, lacking) if key_list else (),
        _octet_strings(perso) if perso else (),
    )


def _octet_strings(item: Tlv) -> tuple[bytes, ...]:
    for child in item.children():
        if child.tag != 0x04:
            raise UnknownField(child.offset)
    return tuple(child.value for child in item.children())


def _parse_keys(item: Tlv, lacking: frozenset[int]) -> tuple[SdKey, ...]:
    keys: list[SdKey] = []
    seen: set[tuple[int, int]] = set()
    for child in item.children():
        if child.tag != 0x30:
            raise UnknownField(child.offset)
        parsed = _parse_key(child, lacking)
        name = (parsed[0].kvn, parsed[0].kid)
        if name in seen or len({key.kind for key in parsed}) != len(parsed):
            raise Abort(Status.BAD_VALUES, "key given twice", child.offset)
        seen.add(name)
        keys.extend(parsed)
    return tuple(keys)


def _parse_key(item: Tlv, lacking: frozenset[int]) -> list[SdKey]:
    fields = Fields(item)
    usage = fields.required(0x95).octets(1, 2)
    access = fields.optional(0x96)
    kid = fields.required(0x82).octets(1)[0]
    kvn = fields.required(0x83).octets(1)[0]
    counter = fields.optional(0x85)
    components = fields.required(0x30)
    fields.finish()
    found: list[SdKey] = []
    for component in components.children():
        inner = Fields(component)
        kind = inner.required(0x80)
        data = inner.required(0x86)
        mac_length = inner.optional(0x87)
        inner.finish()
        number = kind.octets(1)[0]
        if number not in _KEY_LENGTHS or number in lacking:
            raise Unsupported(Status.FEATURE_NOT_SUPPORTED, f"key type {number:02X}", kind.offset)
        low, high = _KEY_LENGTHS[number]
        if not low <= len(data.value) <= high or (number != KEY_TYPE_PSK and len(data.value) % 8):
            raise Abort(Status.BAD_VALUES, "key length", data.offset)
        found.append(
            SdKey(
                kvn,
                kid,
                number,
                data.value,
                usage,
                access.octets(1)[0] if access else 0,
                counter.value if counter else None,
                mac_length.integer() if mac_length else 8,
            )
        )
    if not found:
        raise Abort(Status.BAD_VALUES, "key without component", components.offset)
    return found


def parse_instance(item: Tlv) -> Instance:
    """ApplicationInstance: its `4F` fields are told apart by position only. Raises MalformedDer, UnknownField."""
    fields = Fields(item)
    package, module, aid = (fields.required(0x4F).octets(5, 16) for _ in range(3))
    domain = fields.optional(0x4F)
    privileges = fields.required(0x82).octets(1, 3)
    life_cycle = fields.optional(0x83)
    parameters = fields.required(0xC9).value
    fields.optional(0xEF)  # system parameters: quotas and reserved sizes, which this card does not divide up
    uicc = fields.optional(0xEA)
    process_data = fields.optional(0x30)
    fields.optional(0xB0)  # control reference template of a later SCP11 keyset: nothing to keep for SGP.02
    fields.finish()
    return Instance(
        package,
        module,
        aid,
        domain.octets(5, 16) if domain else None,
        privileges,
        life_cycle.octets(1)[0] if life_cycle else DEFAULT_LIFE_CYCLE,
        parameters,
        _toolkit(uicc) if uicc else b"",
        _octet_strings(process_data) if process_data else (),
    )


def _toolkit(item: Tlv) -> bytes:
    fields = Fields(item)
    toolkit = fields.optional(0x80)
    fields.optional(0x81)
    fields.optional(0x82)
    fields.finish()
    return toolkit.value if toolkit else b""


def parse_application(body: Fields) -> Application:
    """application after its header. Raises MalformedDer, UnknownField."""
    load = body.optional(0xA1)
    listed = body.optional(0xA2)
    body.finish()
    package, size = _parse_load_package(load) if load else (None, 0)
    items = listed.children() if listed else []
    for item in items:
        if item.tag != 0x30:
            raise UnknownField(item.offset)
    return Application(package, size, tuple(parse_instance(item) for item in items))


def _parse_load_package(item: Tlv) -> tuple[bytes, int]:
    fields = Fields(item)
    aid = fields.required(0x4F).octets(5, 16)
    fields.optional(0x4F)
    for tag in (0xC6, 0xC7, 0xC8, 0xC1):
        fields.optional(tag)
    code = fields.required(0xC4)
    fields.finish()
    return aid, len(code.value)


def parse_rfm(body: Fields) -> RemoteFileManagement:
    """rfm after its header, which shares its tag with the TAR list. Raises MalformedDer, UnknownField, Abort."""
    aid_item = body.required(0x4F)
    aid = aid_item.octets(5, 16)
    domain = body.optional(0x4F)
    listed = body.optional(0xA0)
    level = body.required(0x81).octets(1)[0]
    body.required(0x04)
    body.required(0x04)
    access = body.optional(0x30)
    body.finish()
    adf = None
    if access is not None:
        fields = Fields(access)
        adf = fields.required(0x80).octets(5, 16)
        fields.required(0x81)
        fields.required(0x82)
        fields.finish()
    if listed is None and len(aid) < 15:
        raise Abort(Status.BAD_VALUES, "no TAR", aid_item.offset)
    tars = (aid[12:15],) if listed is None else _octet_strings(listed)
    if not tars or any(len(tar) != 3 for tar in tars):
        raise Abort(Status.BAD_VALUES, "TAR", aid_item.offset)
    return RemoteFileManagement(aid, domain.octets(5, 16) if domain else None, tars, level, adf)
