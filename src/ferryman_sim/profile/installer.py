"""Interpreter of interoperable profile packages on the eUICC (profile-package.md 1-5, sgp02-euicc.md 5.9).

A package is a chain of profile elements. They are carried out one by one as their bytes arrive; the first thing
that is wrong ends the installation, and then nothing of the Profile remains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .applications import PERSONALIZED, parse_application, parse_rfm, parse_security_domain
from .authentication import Authenticator, parse_aka, parse_sequences, skip_mapping_rest
from .build import Build
from .completion import check_complete
from .composition import Composition
from .der import Fields, MalformedDer, Tlv, UnknownField, header_length, read
from .elements import GenericFiles, create_template_files
from .header import OFFSET_SINCE, CardLimits, parse_header, peek_version
from .outcome import Abort, InstallOutcome, PEStatus, Status, Unsupported, encode_response
from .pins import PIN_MEMORY, parse_pin_codes, parse_puk_codes
from .profile import profile_of
from .service_tables import clear_lacking
from .templates import ELEMENTS, Version

MAX_ELEMENT = 1 << 20
"""Bytes of one profile element; more than any card's memory."""

MAX_IDENTIFICATION = 32767
AKA_MEMORY = 256
"""Bytes charged for keys, constants and 32 sequence numbers of one application."""


class Installation:
    """One download in progress. Feed package bytes as they come; an outcome ends it."""

    def __init__(self, *, free_memory: int, limits: Mapping[str, Any] | None = None) -> None:
        """free_memory: bytes. limits: see CardLimits. Raises ValueError for unknown limits."""
        self._limits = CardLimits.of(limits)
        self._free = free_memory
        self._buffer = bytearray()
        self._build: Build | None = None
        self._composition: Composition | None = None
        self._warnings: list[PEStatus] = []
        self._version: Version | None = None
        self._outcome: InstallOutcome | None = None

    def feed(self, data: bytes) -> InstallOutcome | None:
        """Carry out every element that is complete; the outcome once PE-End is done or something is wrong."""
        if self._outcome is not None:
            raise ValueError("the installation is over")
        self._buffer += data
        while True:
            try:
                element = self._next_element()
            except MalformedDer as error:
                return self._abort(Status.INVALID_REQUEST_FORMAT, None, 0, None, str(error))
            outcome = None if element is None else self._run(element)
            if element is None or outcome is not None:
                return outcome

    def end(self) -> InstallOutcome:
        """No more bytes will come: the outcome, an abort when PE-End is missing."""
        if self._outcome is not None:
            return self._outcome
        return self._abort(Status.INVALID_REQUEST_FORMAT, None, 0, None, "package ends before PE-End")

    def _next_element(self) -> Tlv | None:
        head = header_length(self._buffer, 0)
        if head is None:
            return None
        _, size, length = head
        if length > MAX_ELEMENT:
            raise MalformedDer("profile element too long", 0)
        if len(self._buffer) < size + length:
            return None
        element = read(bytes(self._buffer[: size + length]), 0)
        del self._buffer[: size + length]
        return element

    def _run(self, element: Tlv) -> InstallOutcome | None:
        identification: int | None = None
        mandated = True
        try:
            if self._build is None:
                self._start(element)
                return None
            fields = Fields(element)
            mandated, identification = _parse_element_header(fields)
            return self._carry_out(self._build, element, fields, identification)
        except MalformedDer as error:
            return self._abort(Status.INVALID_REQUEST_FORMAT, identification, error.offset, None, str(error))
        except UnknownField as error:
            return self._abort(Status.INVALID_PARAMETER, identification, error.offset, None, str(error))
        except Abort as error:
            return self._abort(error.status, identification, error.offset, error.information, str(error))
        except Unsupported as error:
            if mandated:
                return self._abort(error.status, identification, error.offset, error.information, str(error))
            self._warnings.append(PEStatus(error.status, identification, error.information))
            if self._composition is not None and element.tag in ELEMENTS:
                self._composition.skipped(ELEMENTS[element.tag].name)
            return None

    def _start(self, element: Tlv) -> None:
        if element.tag != 0xA0:
            raise Abort(Status.INVALID_REQUEST_FORMAT, "no header at the beginning")
        self._version = peek_version(element)
        self._build = Build(parse_header(element, self._limits), self._limits, self._free)
        self._composition = Composition(self._build)

    def _carry_out(
        self, build: Build, element: Tlv, fields: Fields, identification: int | None
    ) -> InstallOutcome | None:
        composition = self._composition
        kind = ELEMENTS.get(element.tag)
        if kind is None or composition is None:
            raise Unsupported(Status.PE_NOT_SUPPORTED, f"unknown element {element.tag:X}")
        composition.admit(kind.name, identification)
        if kind.since > build.header.version or kind.name in build.limits.elements:
            raise Unsupported(Status.PE_NOT_SUPPORTED, f"element {kind.name}")
        if kind.name == "end":
            return self._finish(fields, build)
        if kind.template:
            create_template_files(fields, kind, build, identification, element.offset)
        elif kind.name in _HANDLERS:
            _HANDLERS[kind.name](fields, build, composition)
        else:
            raise Unsupported(Status.PE_NOT_SUPPORTED, f"element {kind.name}")
        return None

    def _finish(self, fields: Fields, build: Build) -> InstallOutcome:
        fields.finish()
        check_complete(build)
        if self._buffer:
            raise Abort(Status.INVALID_REQUEST_FORMAT, "bytes after PE-End")
        clear_lacking(build)
        statuses = (*self._warnings, PEStatus(Status.OK))
        self._outcome = InstallOutcome(
            encode_response(statuses, aborted=False), profile_of(build), build.used, statuses
        )
        return self._outcome

    def _abort(
        self, status: Status, identification: int | None, offset: int, information: int | None, reason: str
    ) -> InstallOutcome:
        known = self._version is None or self._version >= OFFSET_SINCE
        last = PEStatus(status, identification, information, offset if known else None)
        statuses = (*self._warnings, last)
        self._build = None
        self._buffer.clear()
        self._outcome = InstallOutcome(encode_response(statuses, aborted=True), None, 0, statuses, reason)
        return self._outcome


def install(package: bytes, *, free_memory: int, limits: Mapping[str, Any] | None = None) -> InstallOutcome:
    """Install a whole package. free_memory: bytes the Profile may use. limits: see `CardLimits`.

    Never raises for bad packages: the outcome says what was wrong, in the form the SM-DP gets it.
    """
    installation = Installation(free_memory=free_memory, limits=limits)
    outcome = installation.feed(package)
    return outcome if outcome is not None else installation.end()


def _parse_element_header(fields: Fields) -> tuple[bool, int | None]:
    """PE header [0]: (mandated, identification)."""
    inner = Fields(fields.required(0xA0))
    mandated = inner.optional(0x80)
    if mandated is not None and mandated.value:
        raise MalformedDer("NULL with content", mandated.offset)
    number = inner.optional(0x81)
    inner.finish()
    if number is not None and number.integer() > MAX_IDENTIFICATION:
        raise MalformedDer("identification", number.offset)
    return mandated is not None, number.integer() if number is not None else None


def _generic(fields: Fields, build: Build, _composition: Composition) -> None:
    GenericFiles(build).run(fields)


def _pins(fields: Fields, build: Build, composition: Composition) -> None:
    if build.context is None:
        raise Abort(Status.INVALID_REQUEST_FORMAT, "pinCodes without directory")
    path = build.context.path()
    composition.admit_pins(path)
    pins, offset = parse_pin_codes(fields, master=not path)
    build.pins[path] = pins
    build.charge(PIN_MEMORY * len(pins.pins), offset)


def _puks(fields: Fields, build: Build, _composition: Composition) -> None:
    build.puks = parse_puk_codes(fields)
    build.charge(PIN_MEMORY * len(build.puks), 0)


def _aka(fields: Fields, build: Build, _composition: Composition) -> None:
    parsed = parse_aka(fields)
    if isinstance(parsed, tuple):
        source, offset = parsed
        skip_mapping_rest(fields)
        shared = next((naa.authenticator for naa in build.naas[:-1] if naa.directory.aid == source), None)
        if shared is None:
            raise Abort(Status.BAD_VALUES, "mapping of an application without parameters", offset)
        build.naas[-1].authenticator = shared
        return
    build.naas[-1].authenticator = Authenticator(parsed, parse_sequences(fields))
    build.charge(AKA_MEMORY, 0)


CDMA_LENGTHS = ((0x81, 8, 8), (0x82, 16, 16), (0x83, 2, 32), (0x84, 3, 483), (0x85, 5, 957))
"""cdmaParameter: tag, lowest and highest length in bytes; the first two must be there."""


def _cdma(fields: Fields, build: Build, _composition: Composition) -> None:
    values: list[bytes] = []
    for tag, low, high in CDMA_LENGTHS:
        item = fields.required(tag) if tag <= 0x82 else fields.optional(tag)
        if item is not None:
            values.append(item.octets(low, high))
    fields.finish()
    build.naas[-1].cdma = b"".join(values)
    build.charge(sum(map(len, values)), 0)


def _security_domain(fields: Fields, build: Build, _composition: Composition) -> None:
    first = not build.domains
    domain = parse_security_domain(fields, build.limits.key_types, first=first)
    _check_new_aid(build, domain.instance.aid)
    _check_domain(build, domain.instance.domain)
    build.domains.append(domain)
    build.charge(domain.memory, 0)


def _application(fields: Fields, build: Build, _composition: Composition) -> None:
    application = parse_application(fields)
    for instance in application.instances:
        _check_new_aid(build, instance.aid)
        _check_domain(build, instance.domain)
    build.applications.append(application)
    build.charge(application.memory, 0)


def _rfm(fields: Fields, build: Build, _composition: Composition) -> None:
    rfm = parse_rfm(fields)
    _check_new_aid(build, rfm.aid)
    _check_domain(build, rfm.domain)
    if rfm.adf is not None and build.tree(0).application(rfm.adf) is None:
        raise Abort(Status.BAD_VALUES, "remote file management of an unknown ADF")
    build.rfm.append(rfm)
    build.charge(PIN_MEMORY, 0)


def _check_new_aid(build: Build, aid: bytes) -> None:
    used = {domain.instance.aid for domain in build.domains} | {each.aid for each in build.rfm}
    used |= {instance.aid for each in build.applications for instance in each.instances}
    if aid in used:
        raise Abort(Status.BAD_VALUES, f"AID {aid.hex()} used already")


def _check_domain(build: Build, aid: bytes | None) -> None:
    """A security domain named as owner must be here and PERSONALIZED."""
    if aid is None:
        return
    found = next((each for each in build.domains if each.instance.aid == aid), None)
    if found is None or found.instance.life_cycle != PERSONALIZED:
        raise Abort(Status.INVALID_PARAMETER, "security domain not personalized")


_Handler = Callable[[Fields, Build, Composition], None]
_HANDLERS: dict[str, _Handler] = {
    "genericFileManagement": _generic,
    "pinCodes": _pins,
    "pukCodes": _puks,
    "akaParameter": _aka,
    "cdmaParameter": _cdma,
    "securityDomain": _security_domain,
    "application": _application,
    "rfm": _rfm,
}
