"""Places in a package by name: where a variable of a DER template goes (`akaParameter[usim].key`).

A path begins with a profile element: `usim`, `rfm[2]` (the second one), `akaParameter[usim]` (the one that belongs
to that application), `rfm[#28]` (by identification). Then components: a CHOICE and its alternative may be named or
left out, an item of a list is `[2]` or `[keyReference=pinAppl1]`. A file ends with `content` or, for
some bytes of it, `content[4:6]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ferryman.codec.saip.elements import ALGORITHM_NAMES, PIN_NAMES, PUK_NAMES
from ferryman.codec.saip.package import Package, ProfileElement
from ferryman.codec.saip.tree import as_list, as_record, choices
from ferryman.codec.saip.types import Mixed, Slot, Value
from ferryman.errors import InputError
from ferryman.profile.files import content_of, descriptor, replaced

MAX_STEPS = 16

CONTENT = "content"
APPLICATIONS = ("usim", "isim", "csim", "iot")
_STEP = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)((?:\[[^\[\]]*\])*)")
_SELECTOR = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")
_NUMBERS = {**ALGORITHM_NAMES, **PUK_NAMES, **PIN_NAMES}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a name and its selectors."""

    name: str
    selectors: tuple[str, ...]


def put(package: Package, path: str, value: bytes | Slot | Mixed) -> None:
    """Puts a value where the path says, in place. Raises InputError naming the path and the step that fails."""
    first, *rest = _steps(path)
    element = _element(package, first, path)
    if not rest:
        raise InputError(path, "names a profile element, not a component of it")
    _descend(element.fields, rest, value, path)


def _steps(path: str) -> list[Step]:
    steps: list[Step] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or len(steps) == MAX_STEPS:
            break
        steps.append(Step(found[1], tuple(_SELECTOR.findall(found[2]))))
        at = found.end()
        if at < len(path) and path[at] == ".":
            at += 1
    if at < len(path) or not steps or path.endswith("."):
        raise InputError(path[:80], "is not a path")
    return steps


def _element(package: Package, step: Step, path: str) -> ProfileElement:
    found = list(package.named(step.name))
    if step.selectors[1:]:
        raise InputError(path, "has more than one selector behind a profile element")
    selector = step.selectors[0] if step.selectors else ""
    if selector in APPLICATIONS:
        found = [each for each in found if _application_of(package, each) == selector]
    elif selector.startswith("#"):
        found = [each for each in found if str(each.identification) == selector[1:]]
    elif selector.isdigit():
        found = found[int(selector) - 1 : int(selector)] if int(selector) else []
    elif selector:
        raise InputError(path, f"[{selector}] is no selector of a profile element")
    if len(found) != 1:
        raise InputError(path, f"{len(found)} profile elements {step.name} are meant, one must be")
    if found[0].opaque is not None:
        raise InputError(path, "is in a profile element that this version has no type for")
    return found[0]


def _application_of(package: Package, wanted: ProfileElement) -> str:
    """Name of the application element that stands before `wanted`."""
    last = ""
    for element in package.elements:
        if element is wanted:
            break
        if element.name in APPLICATIONS:
            last = element.name
    return last


def _descend(fields: dict[str, Value], steps: list[Step], value: bytes | Slot | Mixed, path: str) -> None:
    """Follows the steps below a SEQUENCE to the component that is set."""
    step, *rest = steps
    if step.name not in fields:
        _through_choice(fields, steps, value, path)
        return
    below = fields[step.name]
    if step.selectors:
        below = _selected(below, step, path)
    if rest and rest[0].name == CONTENT and len(rest) == 1 and isinstance(below, list):
        fields[step.name] = _written(below, rest[0], value, path)
        return
    if not rest and not step.selectors:
        if not isinstance(below, bytes | str | Slot | Mixed):
            raise InputError(path, "is not a component with bytes or text")
        fields[step.name] = value
        return
    while isinstance(below, tuple):  # a CHOICE: its alternative may be named or left out
        if rest and rest[0].name == below[0]:
            if not rest[0].selectors and len(rest) > 1:
                rest = rest[1:]
            else:
                break
        below = below[1]
    if not isinstance(below, dict) or not rest:
        raise InputError(path, f"ends or goes on in the wrong way behind {step.name}")
    _descend(below, rest, value, path)


def _through_choice(fields: dict[str, Value], steps: list[Step], value: bytes | Slot | Mixed, path: str) -> None:
    """Follows a step that names an alternative, or a component of what a CHOICE chose, or a new component."""
    step, *rest = steps
    for item in fields.values():
        if not isinstance(item, tuple) or not isinstance(item[1], dict):
            continue
        if step.name in item[1]:
            _descend(item[1], steps, value, path)
            return
        if step.name == item[0] and rest:
            _descend(item[1], rest, value, path)
            return
    if rest or step.selectors:
        raise InputError(path, f"{step.name} is not there")
    fields[step.name] = value


def _selected(value: Value, step: Step, path: str) -> Value:
    for selector in step.selectors:
        while isinstance(value, tuple):
            value = value[1]
        if not isinstance(value, list):
            raise InputError(path, f"{step.name} is not a list")
        if selector.isdigit():
            found = value[int(selector) - 1 : int(selector)] if int(selector) else []
        else:
            found = [item for item in value if _matches(item, selector, path)]
        if len(found) != 1:
            raise InputError(path, f"[{selector}] means {len(found)} items of {step.name}, it must mean one")
        value = found[0]
    return value


def _matches(item: Value, selector: str, path: str) -> bool:
    """Whether an item has all the components that `name=value, name=value` wants."""
    for condition in selector.split(","):
        name, equals, wanted = (word.strip() for word in condition.partition("="))
        if not equals:
            raise InputError(path, f"[{selector}] is neither a number nor name=value")
        actual = as_record(item).get(name) if isinstance(item, dict) else None
        if isinstance(actual, bytes):
            matches = actual.hex().upper() == wanted.upper()
        else:
            matches = isinstance(actual, int) and str(actual) == str(_NUMBERS.get(wanted, wanted))
        if not matches:
            return False
    return True


def _written(file: list[Value], step: Step, value: bytes | Slot | Mixed, path: str) -> list[Value]:
    """The File with new content, whole or from one byte to another."""
    if not step.selectors:
        return replaced(file, value, _longest(value), path)
    found = _RANGE.fullmatch(step.selectors[0])
    start, end = (int(found[1]), int(found[2])) if found else (1, 0)
    if start > end or step.selectors[1:]:
        raise InputError(path, "a part of a file is written as content[from:to]")
    entries = choices(as_list(file))
    descriptor(entries, path)
    if any(isinstance(item, Slot | Mixed) for _, item in entries):
        raise InputError(path, "goes to a file that has a variable already; write both in one content")
    if _longest(value) != end - start or _shortest(value) != end - start:
        raise InputError(path, f"has room for exactly {end - start} bytes")
    content = content_of(entries).ljust(end, b"\xff")
    middle = value.parts if isinstance(value, Mixed) else (value,)
    return replaced(file, Mixed((content[:start], *middle, content[end:])), len(content), path)


def _longest(value: bytes | Slot | Mixed) -> int:
    parts = value.parts if isinstance(value, Mixed) else (value,)
    return sum(len(part) if isinstance(part, bytes) else part.maximum for part in parts)


def _shortest(value: bytes | Slot | Mixed) -> int:
    parts = value.parts if isinstance(value, Mixed) else (value,)
    return sum(len(part) if isinstance(part, bytes) else part.minimum for part in parts)
