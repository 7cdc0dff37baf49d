"""Compiled profile templates (TCA profile package format; design of the profile-package reference, 8.4).

A package is compiled once: everything a subscription does not change is already DER, slots are holes in
it, and only a TLV with a value of variable length below it computes its length when rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ferryman.codec.saip.der import encode_length
from ferryman.codec.saip.encoder import Node, Part
from ferryman.codec.saip.package import Package, build
from ferryman.codec.saip.tree import as_choice, as_number, as_record
from ferryman.codec.saip.types import Mixed, Slot
from ferryman.errors import InputError
from ferryman.profile import overrides, stored
from ferryman.profile.automatic import automatic_variables
from ferryman.profile.definition import is_definition, read_definition
from ferryman.profile.derivations import Datum
from ferryman.profile.documents import form_of, load_yaml, read_package
from ferryman.profile.memory import required_memory
from ferryman.profile.places import Algorithm, mnc_digits, place_slots
from ferryman.profile.variables import Variable, evaluate, fields, needed

KEPT_TEMPLATES = 64
"""Compiled templates kept in memory in the CryptoServer; one has the size of its package."""


@dataclass(frozen=True, slots=True)
class TemplateSlot:
    """A value the template needs: its name, whether it is secret, and its size in bytes."""

    name: str
    secret: bool
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A template ready for rendering.

    `slots` are in the order of `variables`, which are what they are made from. `profile_type` is the header's
    (empty when absent or a variable), `version` that of the package format. `mnc_length` is what EF AD says (2
    or 3 digits). `memory` are the bytes of an ISD-P that the profile needs, `algorithms` those (algorithmID) whose
    key is a variable. `notes` tell an operator what
    personalisation leaves as it was. `own` holds POL1 and connectivity parameters of the package itself.
    `parts` hold the package and are not shown.
    """

    parts: tuple[Part, ...] = field(repr=False)
    slots: tuple[TemplateSlot, ...]
    profile_type: str
    version: tuple[int, int]
    mnc_length: int
    notes: tuple[str, ...]
    variables: tuple[Variable, ...] = ()
    own: Mapping[str, bytes | None] = field(default_factory=dict)
    memory: int = 0
    algorithms: tuple[int, ...] = ()

    def personalise(
        self,
        given: Mapping[str, Datum],
        *,
        pol1: bytes | None = None,
        connectivity: bytes | None = None,
    ) -> bytes:
        """The personalised package as DER, from the values of the fields (texts, or bytes of secret ones).

        `pol1` and `connectivity` (the order's) replace those of the template; empty ones take them away, None
        leaves them. Raises InputError naming a field without a value or with one that does not fit.
        """
        return self.render(evaluate(self.variables, given), pol1=pol1, connectivity=connectivity)

    def render(
        self,
        values: Mapping[str, bytes],
        *,
        pol1: bytes | None = None,
        connectivity: bytes | None = None,
    ) -> bytes:
        """The personalised package as DER, from the bytes of its slots; values of other slots are ignored.

        Raises InputError naming a slot without a value or with one of the wrong size.
        """
        for slot in self.slots:
            value = values.get(slot.name)
            if value is None:
                raise InputError(slot.name, "the template needs it, the subscription does not have it")
            if not slot.minimum <= len(value) <= slot.maximum:
                raise InputError(slot.name, f"{len(value)} bytes, the template takes {_size(slot)}")
        chosen = overrides.chosen(self.own, pol1=pol1, connectivity=connectivity)
        return _render(self.parts, {**values, **chosen})

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Slots for which `names` has no value."""
        given = frozenset(names)
        return tuple(slot.name for slot in self.slots if slot.name not in given)

    @property
    def fields(self) -> tuple[Variable, ...]:
        """What has to come from outside, in order: an import file must have it, or the platform knows it."""
        return fields(self.variables)

    @property
    def demands(self) -> stored.Demands:
        """What it asks of the values of an import file."""
        return stored.Demands(self.variables, self.algorithms)

    @property
    def secret_names(self) -> frozenset[str]:
        """Names of the secret slots."""
        return frozenset(slot.name for slot in self.slots if slot.secret)

    @property
    def public_names(self) -> frozenset[str]:
        """Names of the slots that are not secret."""
        return frozenset(slot.name for slot in self.slots if not slot.secret)

    def to_bytes(self) -> bytes:
        """The stored form (MessagePack). It holds the package's own fixed keys, if it has any."""
        slots = tuple(Slot(slot.name, slot.minimum, slot.maximum) for slot in self.slots)
        variables = {one.name: one for one in self.variables}
        return stored.write(
            stored.Content(
                self.parts,
                slots,
                self.profile_type,
                self.version,
                self.mnc_length,
                self.notes,
                variables,
                self.own,
                self.memory,
                self.algorithms,
            )
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> CompiledTemplate:
        """Reads the stored form. Raises InputError when it is damaged or of another form."""
        return _read(content)


@lru_cache(KEPT_TEMPLATES)
def _read(octets: bytes) -> CompiledTemplate:
    return _of_content(stored.read(octets))


def _of_content(content: stored.Content) -> CompiledTemplate:
    return CompiledTemplate(
        parts=content.parts,
        slots=tuple(
            TemplateSlot(slot.name, content.variables[slot.name].secret, slot.minimum, slot.maximum)
            for slot in content.slots
        ),
        profile_type=content.profile_type,
        version=content.version,
        mnc_length=content.mnc_length,
        notes=content.notes,
        variables=tuple(content.variables.values()),
        own=content.own,
        memory=content.memory,
        algorithms=content.algorithms,
    )


def compile_template(source: bytes, *, algorithm: Algorithm = "milenage") -> CompiledTemplate:
    """Compiles a template in a file of any form.

    A definition (`definition`) says itself where its variables stand. In a package without one the places of a
    subscription are found by their meaning (`places`): `milenage`, `tuak128` and `tuak256` set every akaParameter
    to that algorithm and make the header ask for it, `as-is` keeps algorithms; the operator's OTA keys become
    AES-128. Raises PeerError for DER that is not a package of a known version and InputError naming what is
    wrong: a place that a package lacks, a variable undeclared or unused.
    """
    return compile_tree(with_slots(source, algorithm=algorithm))


@dataclass(frozen=True, slots=True)
class TemplateTree:
    """A package with slots in place of a subscription's values, what they are made from, and notes on the rest."""

    package: Package
    variables: Mapping[str, Variable]
    notes: tuple[str, ...] = ()


def with_slots(source: bytes, *, algorithm: Algorithm = "milenage") -> TemplateTree:
    """The tree that `compile_template` compiles. Raises like it."""
    if form_of(source) == "yaml" and is_definition(document := load_yaml(_text(source))):
        found = read_definition(document)
        return TemplateTree(found.package, found.variables)
    package = read_package(source)
    mapping = place_slots(package, algorithm)
    return TemplateTree(package, automatic_variables(mapping.slots.values()), tuple(mapping.notes))


def compile_tree(tree: TemplateTree) -> CompiledTemplate:
    """Compiles a tree. Raises InputError for a variable that does not fit its place, or that is not used."""
    package = tree.package
    profile_type = package.header.get("profileType", "")
    memory = required_memory(package)
    mnc_length = mnc_digits(package)
    own = overrides.open_header(package.header)
    parts = tuple(build(package))
    found = {slot.name: slot for slot in _slots(parts)}
    slots = {name: found[name] for name in tree.variables if name in found}
    unused = tree.variables.keys() - needed(tree.variables, slots).keys()
    if unused:
        raise InputError(f"variable {min(unused)}", "is declared and used nowhere")
    content = stored.Content(
        parts=parts,
        slots=tuple(slots.values()),
        profile_type=profile_type if isinstance(profile_type, str) else "",
        version=package.version,
        mnc_length=mnc_length,
        notes=tree.notes,
        variables=dict(tree.variables),
        own=own,
        memory=memory,
        algorithms=_algorithms(package),
    )
    return _of_content(content)


def _algorithms(package: Package) -> tuple[int, ...]:
    """Algorithms of the akaParameters whose key comes from a subscription."""
    found: set[int] = set()
    for element in package.named("akaParameter"):
        kind, value = as_choice(element.fields["algoConfiguration"])
        parameter = as_record(value) if kind == "algoParameter" else {}
        if isinstance(parameter.get("key"), Slot | Mixed):
            found.add(as_number(parameter["algorithmID"]))
    return tuple(sorted(found))


def _text(source: bytes) -> str:
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("template", "is neither a profile package in DER nor UTF-8 text") from None


def _slots(parts: Iterable[Part]) -> Iterator[Slot]:
    for part in parts:
        if isinstance(part, Slot):
            yield part
        elif isinstance(part, Node):
            yield from _slots(part.parts)


def _size(slot: TemplateSlot) -> str:
    return str(slot.minimum) if slot.minimum == slot.maximum else f"{slot.minimum} to {slot.maximum}"


def _render(parts: tuple[Part, ...], values: Mapping[str, bytes]) -> bytes:
    chunks: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            chunks.append(part)
        elif isinstance(part, Slot):
            chunks.append(values[part.name])
        else:
            body = _render(part.parts, values)
            chunks += (part.tag, encode_length(len(body)), body)
    return b"".join(chunks)
