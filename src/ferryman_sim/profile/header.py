"""Profile header: version, services, templates and libraries the package asks for (profile-package.md 1.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .der import Fields, MalformedDer, Tlv, UnknownField, decode_oid
from .outcome import Abort, Status
from .templates import Version, dotted, template_number

SERVICES = (
    *("contactless", "usim", "isim", "csim", "milenage", "tuak128", "cave", "gba-usim", "gba-isim", "mbms"),
    *("eap", "javacard", "multos", "multiple-usim", "multiple-isim", "multiple-csim", "tuak256"),
    *("usim-test-algorithm", "ber-tlv", "dfLink", "cat-tp", "get-identity", "profile-a-x25519"),
    *("profile-b-p256", "suciCalculatorApi", "dns-resolution", "scp11ac"),
    *("scp11c-authorization-mechanism", "s16mode", "eaka"),
)
"""ServicesList in tag order, from context tag 0."""

LACKING_SERVICES = frozenset(
    ("contactless", "gba-usim", "gba-isim", "mbms", "multos", "suciCalculatorApi", "dns-resolution")
) | frozenset(("scp11ac", "scp11c-authorization-mechanism", "s16mode", "eaka"))
"""What this card cannot do. Applets are registered, not run, so javacard counts as present."""

VERSIONS: Mapping[int, int] = {2: 3, 3: 3}
"""Major format versions this card reads, each with its highest minor version."""

OFFSET_SINCE: Version = (2, 2)
"""First format version whose PEStatus has an offset."""

RUNTIME_SERVICES = frozenset(("javacard", "multos"))


@dataclass(frozen=True, slots=True)
class CardLimits:
    """What this card can do.

    From the `limits` mapping of `install`; keys, all optional: `versions` [[major, highest minor], ...],
    `lacking_services` [name, ...] (replaces the default list), `lacking_templates` [dotted OID, ...],
    `lacking_elements` [PE name, ...], `lacking_key_types` [number, ...], `libraries` {AID hex: version hex}.
    """

    versions: Mapping[int, int]
    services: frozenset[str]
    templates: frozenset[str]
    elements: frozenset[str]
    key_types: frozenset[int]
    libraries: Mapping[bytes, bytes]

    @classmethod
    def of(cls, limits: Mapping[str, Any] | None) -> CardLimits:
        """Read the mapping. Raises ValueError for unknown keys, so that a typing error is not a silent default."""
        given = dict(limits or {})
        result = cls(
            versions=dict(given.pop("versions", VERSIONS.items())),
            services=frozenset(given.pop("lacking_services", LACKING_SERVICES)),
            templates=frozenset(given.pop("lacking_templates", ())),
            elements=frozenset(given.pop("lacking_elements", ())),
            key_types=frozenset(given.pop("lacking_key_types", ())),
            libraries={
                bytes.fromhex(aid): bytes.fromhex(version) for aid, version in given.pop("libraries", {}).items()
            },
        )
        if given:
            raise ValueError(f"unknown limits: {', '.join(sorted(given))}")
        return result


@dataclass(frozen=True, slots=True)
class ProfileHeader:
    """Accepted header. iccid: 10 bytes in digit order. iot: an IoT Minimal Profile."""

    version: Version
    profile_type: str
    iccid: bytes
    pol1: int
    connectivity: bytes | None
    services: frozenset[str]
    templates: frozenset[str]
    iot: bool


def peek_version(element: Tlv) -> Version | None:
    """Version of a header element as far as it is readable, for the shape of error answers."""
    try:
        fields = Fields(element)
        return fields.required(0x80).integer(), fields.required(0x81).integer()
    except MalformedDer:
        return None


def parse_header(element: Tlv, limits: CardLimits) -> ProfileHeader:
    """Read the header and refuse what this card lacks. Raises MalformedDer, UnknownField, Abort."""
    fields = Fields(element)
    version = fields.required(0x80).integer(), fields.required(0x81).integer()
    if version[1] > limits.versions.get(version[0], -1):
        raise Abort(Status.UNSUPPORTED_PROFILE_VERSION, f"version {version}")
    profile_type = fields.optional(0x82)
    iccid = fields.required(0x83).octets(10)
    pol = fields.optional(0x84)
    services = _services(fields.required(0xA5), limits)
    templates = _templates(fields.required(0xA6), limits)
    connectivity = fields.optional(0x87)
    libraries = fields.optional(0xA8)
    if libraries is not None:
        _check_libraries(libraries, limits)
    iot = fields.optional(0xA9)
    fields.finish()
    if iot is not None:
        _check_iot(iot)
    return ProfileHeader(
        version=version,
        profile_type=_text(profile_type) if profile_type is not None else "",
        iccid=iccid,
        pol1=_pol1(pol) if pol is not None else 0,
        connectivity=_connectivity(connectivity) if connectivity is not None else None,
        services=services,
        templates=templates,
        iot=iot is not None,
    )


def _text(item: Tlv) -> str:
    try:
        return item.octets(1, 100).decode()
    except UnicodeDecodeError:
        raise MalformedDer("not UTF-8", item.body_offset) from None


def _pol1(item: Tlv) -> int:
    value = item.octets(1)[0]
    if value & ~0x07:
        raise Abort(Status.BAD_VALUES, "reserved bits of POL1", item.body_offset)
    return value


def _connectivity(item: Tlv) -> bytes:
    """SMS, CAT_TP and HTTPS parameters: A0, A1, A2 in this order, each at most once (sgp02-euicc.md 6.2)."""
    previous = 0x9F
    for child in item.children():
        if not previous < child.tag <= 0xA2:
            raise Abort(Status.BAD_VALUES, "connectivity parameters", child.offset)
        child.children()
        previous = child.tag
    return item.value


def _services(item: Tlv, limits: CardLimits) -> frozenset[str]:
    found: set[str] = set()
    previous = -1
    for child in item.children():
        index = child.tag - 0x80
        if not previous < index < len(SERVICES):
            raise Abort(Status.FEATURE_NOT_SUPPORTED, "unknown service", child.offset)
        if child.value:
            raise MalformedDer("NULL with content", child.offset)
        name = SERVICES[index]
        if name in limits.services:
            runtime = name in RUNTIME_SERVICES
            status = Status.RUNTIME_NOT_SUPPORTED if runtime else Status.FEATURE_NOT_SUPPORTED
            raise Abort(status, f"service {name}", child.offset)
        found.add(name)
        previous = index
    return frozenset(found)


def _templates(item: Tlv, limits: CardLimits) -> frozenset[str]:
    found: set[str] = set()
    for child in item.children():
        if child.tag != 0x06:
            raise UnknownField(child.offset)
        oid = decode_oid(child)
        if template_number(oid) is None or dotted(oid) in limits.templates:
            raise Abort(Status.TEMPLATE_NOT_SUPPORTED, f"template {dotted(oid)}", child.offset)
        found.add(dotted(oid))
    return frozenset(found)


def _check_libraries(item: Tlv, limits: CardLimits) -> None:
    wanted: Sequence[Tlv] = item.children()
    for child in wanted:
        if child.tag != 0x30:
            raise UnknownField(child.offset)
        fields = Fields(child)
        aid, version = fields.required(0x80).octets(5, 16), fields.required(0x81).octets(2)
        fields.finish()
        if limits.libraries.get(aid) != version:
            raise Abort(Status.LIB_NOT_SUPPORTED, f"library {aid.hex()}", child.offset)


def _check_iot(item: Tlv) -> None:
    fields = Fields(item)
    fields.required(0x80).octets(7, 11)
    fields.finish()
