"""Variables of a template where a card reads data objects (reference 8; TS 102 221, TS 31.102, TS 31.103)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ferryman.codec.saip.tree import as_list, as_record
from ferryman.codec.saip.types import Mixed, Slot, Value
from ferryman.profile.lint.findings import Spot, rule
from ferryman.profile.lint.objects import Layout, misplaced
from ferryman.profile.lint.rules_keys import instances
from ferryman.profile.lint.view import BER_TLV, File, View
from ferryman.profile.overrides import CONNECTIVITY
from ferryman.profile.template_files import FILE_IDS
from ferryman.profile.variables import RULE

SUCI_SCHEMES = 0xA0
"""Protection schemes of EF SUCI_Calc_Info: a plain list in a constructed object (TS 31.102 4.4.11.8)."""

_OBJECTS = (
    "ef-dir ef-arr ef-pbr ef-puri ef-psismsc"
    " ef-pnn ef-spdi ef-mmsicp ef-mmsucp ef-gbanl ef-nafkca ef-ncp-ip ef-uicciari ef-nasconfig ef-epsnsc"
    " ef-epdgid ef-epdgselection ef-epdgidem ef-epdgselectionem ef-imsconfigdata ef-xcapconfigdata"
    " ef-mudmidconfigdata"
    " ef-impi ef-impu ef-domain ef-pcscf ef-webrtcuri"
    " ef-5gs3gppnsc ef-5gsn3gppnsc ef-5gauthkeys ef-supinai ef-supi-nai ef-tn3gppsnn"
    " ef-suci-calc-info ef-suci-calc-info-usim"
)
OBJECT_FILES: Mapping[str, frozenset[int]] = MappingProxyType(
    {name: frozenset((SUCI_SCHEMES,) if "suci" in name else ()) for name in _OBJECTS.split()}
)
"""Files that hold data objects by their own definition, with constructed tags that have no objects inside. A file
of BER-TLV structure is one whatever it is called."""


@rule(RULE, "8", template=True)
def _(view: View) -> Iterator[Spot]:
    """A variable brings no data objects where a card reads them, unless it is declared to, and overruns none."""
    for index, place, parts, layout in _places(view):
        found = misplaced(parts, layout)
        if found is not None:
            name, sentence = found
            yield Spot(index, place, f"variable {name} {sentence}")


type _Place = tuple[int, str, list[bytes | Slot], Layout]


def _places(view: View) -> Iterator[_Place]:
    """Every place where data objects are read: element, component, what stands there, how it is read."""
    yield 0, CONNECTIVITY, _parts(view.header.get(CONNECTIVITY)), Layout()
    for file in view.files:
        yield from _of_file(view, file)
    for index, instance in instances(view):
        for command in as_list(instance.get("processData", [])):
            yield index, "processData", _parts(command), Layout("command")
    for index, element in view.elements("securityDomain"):
        parameters = as_record(element.fields["instance"]).get("applicationSpecificParametersC9")
        yield index, "applicationSpecificParametersC9", _parts(parameters), Layout()
        for grouping in as_list(element.fields.get("sdPersoData", [])):
            yield index, "sdPersoData", _parts(grouping), Layout("groupings")


def _of_file(view: View, file: File) -> Iterator[_Place]:
    name = _component(view, file)
    if name not in OBJECT_FILES and file.structure != BER_TLV:
        return
    record = file.record if file.structure != BER_TLV else 0
    layout = Layout("objects", record, OBJECT_FILES.get(name, frozenset()))
    written: list[bytes | Slot] = []
    for kind, value in file.entries:
        written += [b"\xff" * value] if kind == "fillFileOffset" and isinstance(value, int) else _parts(value)
    yield file.index, file.name, written, layout
    proprietary = as_record(file.fcp.get("proprietaryEFInfo", {}))
    for pattern in ("fillPattern", "repeatPattern"):
        yield file.index, file.name, _parts(proprietary.get(pattern)), layout


def _component(view: View, file: File) -> str:
    """What the format calls a file; one made by generic file management is known by directory and file ID."""
    if not file.generic:
        return file.name
    parent = view.tree.get(file.path[:-1])
    if parent is None or not file.path:
        return ""
    for element in (parent.element, f"opt-{parent.element}"):
        for name, number in FILE_IDS.get(element, {}).items():
            if number == file.path[-1]:
                return name
    return ""


def _parts(value: Value) -> list[bytes | Slot]:
    """Constant bytes and variables of an OCTET STRING."""
    match value:
        case Mixed():
            return list(value.parts)
        case bytes() | Slot():
            return [value]
        case _:
            return []
