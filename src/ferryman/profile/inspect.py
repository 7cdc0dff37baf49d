"""A profile package for human eyes: elements, files by their usual names, secrets masked (TCA format).

`describe` gives a tree that can be written as JSON, `as_text` the same as indented lines. Beside a value stands
what it means. Masking goes by
component and file: whatever may hold a key or an access code is shown as its number of bytes only.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from ferryman.codec.saip.decoder import EXTENSION
from ferryman.codec.saip.elements import MILENAGE, TUAK, USIM_TEST_ALGORITHM
from ferryman.codec.saip.package import Package, ProfileElement
from ferryman.codec.saip.tree import as_choice, as_list, as_record, choices
from ferryman.codec.saip.types import Mixed, Slot, Value
from ferryman.profile.annotations import CODES, component_meaning, file_meaning, has_meaning
from ferryman.profile.files import content_of, record_length
from ferryman.profile.template_files import FILE_IDS

SHOWN_BYTES = 32
"""Bytes of one value shown in hex; a longer one is cut and its size given."""

_MASKED_COMPONENTS = (
    "key opc pinValue pukValue keyData authenticationKey ssd hrpdAccessAuthenticationData"
    " simpleIPAuthenticationData mobileIPAuthenticationData sdPersoData processData content loadBlockObject"
    " connectivityParameters"
)
SECRET_COMPONENTS = frozenset(_MASKED_COMPONENTS.split())
"""Components whose content is never shown; connectivity parameters may hold a login and password."""

_MASKED_FILES = (
    "ef-keys ef-keysPS ef-kc ef-kcgprs ef-epsnsc ef-5gs3gppnsc ef-5gsn3gppnsc ef-5gauthkeys"
    " ef-kausf-derivation ef-eapkeys ef-hiddenkey ef-hidden-key ef-gbabp ef-msk ef-muk ef-spc ef-3gcik"
)
SECRET_FILES = frozenset(_MASKED_FILES.split())
"""Files whose content is, or at run time becomes, a key or a code."""

SECRET_FILE_IDS = frozenset(bytes.fromhex(text) for text in ("6F08", "6F09", "6FC3", "6FD6", "6FD7"))
"""The same for files made by generic file management, which has no names: Keys, KeysPS, hidden key, GBA, MSK."""

ALGORITHMS = {MILENAGE: "milenage", TUAK: "tuak", USIM_TEST_ALGORITHM: "usim-test-algorithm"}
STRUCTURES = {0x41: "transparent", 0x42: "linear fixed", 0x46: "cyclic", 0x79: "BER-TLV", 0x78: "directory"}


class Line(TypedDict):
    """One line of the description: a name, what stands there, what that means, and what is below it."""

    name: str
    value: NotRequired[str]
    meaning: NotRequired[str]
    children: NotRequired[list[Line]]


def describe(package: Package) -> list[Line]:
    """The whole package, one line per profile element with its content below."""
    return [_element(element) for element in package.elements]


def as_text(lines: list[Line], indent: str = "") -> str:
    """The description as indented text, each line ended by a newline."""
    text = ""
    for line in lines:
        value = f": {line['value']}" if line.get("value") else ""
        meaning = f" ({line['meaning']})" if line.get("meaning") else ""
        text += f"{indent}{line['name']}{value}{meaning}\n" + as_text(line.get("children", []), indent + "  ")
    return text


def file_name(component: str) -> str:
    """The usual name of a file: `EF IMSI` for the component `ef-imsi`, `MF` for `mf`."""
    kind, _, rest = component.partition("-")
    return f"{kind.upper()} {rest.upper()}".strip()


def _element(element: ProfileElement) -> Line:
    about: list[str] = []
    if element.identification is not None:
        about.append(f"PE {element.identification}")
    if element.mandated:
        about.append("mandated")
    line: Line = {"name": element.name, "value": ", ".join(about)}
    children: list[Line] = []
    if element.opaque is not None:
        children.append({"name": "not decoded", "value": f"{len(element.opaque)} bytes"})
    for name, value in element.fields.items():
        if not name.lower().endswith("-header"):
            children.append(_component(element.name, name, value))
    if children:
        line["children"] = children
    return line


def _component(element: str, name: str, value: Value) -> Line:
    if name in SECRET_COMPONENTS:
        return {"name": name, "value": _masked(value)}
    if name == "mf" or name.startswith(("ef-", "df-", "adf-")):
        return _file(element, name, value)
    if name == "fileManagementCMD":
        return {"name": name, "children": [_command(item) for item in as_list(value)]}
    return _plain(element, name, value)


def _plain(element: str, name: str, value: Value) -> Line:
    if isinstance(value, dict):
        return {"name": name, "children": [_component(element, key, item) for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"name": name, "children": [_component(element, value[0], value[1])]}
    if isinstance(value, list):
        records = [_plain(element, f"{index + 1}", item) for index, item in enumerate(value)]
        simple = all("children" not in record and "meaning" not in record for record in records)
        if simple:
            return {"name": name, "value": ", ".join(record.get("value", "") for record in records)}
        return {"name": name, "children": records}
    line: Line = {"name": name, "value": _text(name, value)}
    if meaning := component_meaning(name, value):
        line["meaning"] = meaning
    return line


def _text(name: str, value: Value) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes not decoded" if name == EXTENSION else _hex(value)
    if isinstance(value, int) and name == "algorithmID":
        return ALGORITHMS.get(value, str(value))
    if isinstance(value, int) and name == "keyReference":
        return f"{value} ({CODES[value]})" if value in CODES else str(value)
    if isinstance(value, Slot | Mixed):
        return _slots(value)
    return "yes" if value is None else str(value)


def _hex(data: bytes) -> str:
    shown = data[:SHOWN_BYTES].hex().upper()
    return shown if len(data) <= SHOWN_BYTES else f"{shown}... ({len(data)} bytes)"


def _slots(value: Slot | Mixed) -> str:
    parts = value.parts if isinstance(value, Mixed) else (value,)
    return " ".join(f"<{part.name}>" if isinstance(part, Slot) else _hex(part) for part in parts)


def plain_text(value: Value) -> str:
    """A value that is not secret in one line; constructed ones are only said to be present."""
    if isinstance(value, dict | list | tuple):
        return "present"
    return _text("", value)


def _masked(value: Value) -> str:
    if isinstance(value, Slot | Mixed):
        return _slots(value)
    if isinstance(value, list):
        return f"{len(value)} values, hidden"
    return f"{len(value)} bytes, hidden" if isinstance(value, bytes) else "hidden"


def _file(element: str, name: str, value: Value) -> Line:
    """A File in one line of facts and, below it, its contents one by one."""
    entries = choices(value)
    fcps = [as_record(item) for kind, item in entries if kind in ("fileDescriptor", "createFCP")]
    default = FILE_IDS.get(element, {}).get(name, b"").hex().upper()
    line: Line = {"name": file_name(name), "value": _facts(fcps[0] if fcps else {}, default)}
    secret = name in SECRET_FILES
    children = [_entry(kind, item, secret) for kind, item in entries if kind not in ("fileDescriptor",)]
    for fcp in fcps:
        children += _patterns(fcp, secret)
    if not secret:
        children += _readings(name, entries, fcps)
    if children:
        line["children"] = children
    return line


def _readings(name: str, entries: list[tuple[str, Value]], fcps: list[dict[str, Value]]) -> list[Line]:
    """What the content means, by record; nothing for files with variables and for those made more than once."""
    if not has_meaning(name):
        return []
    written = [value for kind, value in entries if kind == "fillFileContent"]
    if not written or len(fcps) > 1 or not all(isinstance(value, bytes) for value in written):
        return []
    record = record_length(fcps[0]) if fcps else None
    found = file_meaning(name, content_of(entries), record or 0)
    if not record:
        return [{"name": "reads", "value": one} for one in found if one]
    return [{"name": f"record {number}", "value": one} for number, one in enumerate(found, start=1) if one]


def _facts(fcp: dict[str, Value], default_id: str) -> str:
    facts: list[str] = []
    identifier = fcp.get("fileID")
    facts.append(identifier.hex().upper() if isinstance(identifier, bytes) else default_id)
    kind = fcp.get("fileDescriptor")
    if isinstance(kind, bytes):
        facts.append(STRUCTURES.get(kind[0] & 0x7F, kind.hex().upper()))
        if len(kind) == 4:
            facts.append(f"records of {int.from_bytes(kind[2:], 'big')}")
    size = fcp.get("efFileSize")
    if isinstance(size, bytes):
        facts.append(f"{int.from_bytes(size, 'big')} bytes")
    for name, word in (("dfName", "AID"), ("securityAttributesReferenced", "ARR"), ("linkPath", "link to")):
        data = fcp.get(name)
        if isinstance(data, bytes):
            facts.append(f"{word} {data.hex().upper()}")
    return ", ".join(fact for fact in facts if fact)


def _patterns(fcp: dict[str, Value], secret: bool) -> list[Line]:
    proprietary = as_record(fcp.get("proprietaryEFInfo", {}))
    names = (name for name in ("fillPattern", "repeatPattern") if name in proprietary)
    return [_entry(name, proprietary[name], secret) for name in names]


def _entry(kind: str, value: Value, secret: bool) -> Line:
    words = {
        "doNotCreate": "not created",
        "fillFileOffset": "skip",
        "fillFileContent": "content",
        "fillPattern": "fill",
        "repeatPattern": "repeat",
        "filePath": "select",
    }
    name = words.get(kind, kind)
    if kind == "doNotCreate":
        return {"name": name}
    if kind == "filePath" and value == b"":
        return {"name": name, "value": "MF"}
    return {"name": name, "value": _masked(value) if secret else _text(kind, value)}


def _command(command: Value) -> Line:
    """One list of generic file management: selections, creations and contents in order."""
    children: list[Line] = []
    secret = False
    for kind, value in choices(command):
        if kind == "createFCP":
            fcp = as_record(value)
            secret = fcp.get("fileID") in SECRET_FILE_IDS
            children.append({"name": "create", "value": _facts(fcp, "")})
            children += _patterns(fcp, secret)
        else:
            children.append(_entry(kind, value, secret))
    return {"name": "commands", "children": children}


def algorithm_names(package: Package) -> tuple[str, ...]:
    """Names of the authentication algorithms of a package, in order of its akaParameter elements."""
    found: list[str] = []
    for element in package.named("akaParameter"):
        kind, value = as_choice(element.fields["algoConfiguration"])
        if kind == "algoParameter":
            found.append(_text("algorithmID", as_record(value)["algorithmID"]))
    return tuple(found)
