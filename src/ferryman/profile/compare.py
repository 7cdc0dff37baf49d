"""What differs between two profile packages, component by component, with secrets left out (TCA format)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ferryman.codec.saip.package import Package, ProfileElement
from ferryman.codec.saip.types import Mixed, Slot, Value
from ferryman.profile.inspect import SECRET_COMPONENTS, SECRET_FILE_IDS, SECRET_FILES, plain_text

ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that differs: `old` or `new` is None where the package has nothing there."""

    place: str
    old: str | None
    new: str | None


def differences(old: Package, new: Package) -> list[Difference]:
    """Every place that differs, in the order of `old`; elements are matched by name and by their turn."""
    left, right = _numbered(old), _numbered(new)
    found: list[Difference] = []
    if old.version != new.version:
        found.append(Difference("version", _dotted(old), _dotted(new)))
    for place in [*left, *(place for place in right if place not in left)]:
        if place not in right:
            found.append(Difference(place, "present", None))
        elif place not in left:
            found.append(Difference(place, None, "present"))
        else:
            found += _elements(place, left[place], right[place])
    shared = [place for place in left if place in right]
    if shared != [place for place in right if place in left]:
        found.append(Difference("package", "order of elements", "another order"))
    return found


def _dotted(package: Package) -> str:
    return ".".join(str(number) for number in package.version)


def _numbered(package: Package) -> dict[str, ProfileElement]:
    """Elements by a name that tells repeated ones apart: `rfm`, `rfm[2]`."""
    turns: Counter[str] = Counter()
    named: dict[str, ProfileElement] = {}
    for element in package.elements:
        turns[element.name] += 1
        turn = turns[element.name]
        named[element.name if turn == 1 else f"{element.name}[{turn}]"] = element
    return named


def _elements(place: str, old: ProfileElement, new: ProfileElement) -> Iterator[Difference]:
    yield from _values(place, old.fields, new.fields, secret=False)
    if old.opaque != new.opaque:
        yield _leaf(f"{place}.opaque", old.opaque, new.opaque, secret=True)


def _values(place: str, old: Value, new: Value, *, secret: bool) -> Iterator[Difference]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            hidden = secret or name in SECRET_COMPONENTS or name in SECRET_FILES
            yield from _pair(f"{place}.{name}", old.get(name, ABSENT), new.get(name, ABSENT), hidden)
    elif isinstance(old, list) and isinstance(new, list):
        secret = secret or _creates_secret_file(old) or _creates_secret_file(new)
        for index in range(max(len(old), len(new))):
            left, right = (items[index] if index < len(items) else ABSENT for items in (old, new))
            yield from _pair(f"{place}[{index}]", left, right, secret)
    elif isinstance(old, tuple) and isinstance(new, tuple) and old[0] == new[0]:
        yield from _values(f"{place}.{old[0]}", old[1], new[1], secret=secret or old[0] in SECRET_COMPONENTS)
    else:
        yield _leaf(place, old, new, secret=secret)


def _pair(place: str, old: Any, new: Any, secret: bool) -> Iterator[Difference]:
    if old is ABSENT or new is ABSENT:
        yield _leaf(place, old, new, secret=secret)
    else:
        yield from _values(place, old, new, secret=secret)


def _creates_secret_file(commands: list[Value]) -> bool:
    """True for a list of generic file management that creates a file with keys in it."""
    created = (item[1] for item in commands if isinstance(item, tuple) and item[0] == "createFCP")
    return any(isinstance(fcp, dict) and fcp.get("fileID") in SECRET_FILE_IDS for fcp in created)


def _leaf(place: str, old: Any, new: Any, *, secret: bool) -> Difference:
    return Difference(place, _shown(old, secret), _shown(new, secret))


def _shown(value: Any, secret: bool) -> str | None:
    if value is ABSENT:
        return None
    if isinstance(value, dict | list | tuple):
        return "present"
    if secret and not isinstance(value, Slot | Mixed):
        return f"{len(value)} bytes, hidden" if isinstance(value, bytes) else "hidden"
    return plain_text(value)
