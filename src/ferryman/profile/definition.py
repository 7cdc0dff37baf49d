"""Template definitions: declarations of variables with the package they stand in, in one YAML document.

```yaml
variables:
  iccid: {type: digits, length: 19..20}
  iccid_ef: {derive: iccid_ef(iccid)}
  ki: {type: hex, length: 16, secret: true, source: KI}
package: ...      # value notation as text, or the list of the YAML form, or DER in hexadecimal
map:              # for a package without references
  mf.ef-iccid.content: "{iccid_ef}"
  akaParameter[usim].key: "{ki}"
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferryman.codec.saip.package import Package
from ferryman.codec.saip.placeholders import NotHex, read_hex
from ferryman.codec.saip.plain import from_plain
from ferryman.codec.saip.types import Slot
from ferryman.errors import InputError
from ferryman.profile.documents import dump_yaml, form_of, load_yaml, read_package
from ferryman.profile.paths import put
from ferryman.profile.variables import Variable, declared

_KEYS = frozenset(("variables", "package", "map", "edition"))
_DER_IN_HEX = re.compile(r"\s*A0[0-9A-Fa-f\s]*")


@dataclass(frozen=True, slots=True)
class Definition:
    """A package with slots for its variables, and their declarations."""

    package: Package
    variables: dict[str, Variable]


def is_definition(document: Any) -> bool:
    """True when a YAML document is a definition, not a package alone."""
    return isinstance(document, dict) and "variables" in document


def read_definition(document: Any) -> Definition:
    """The definition in a YAML document. Raises InputError, or PeerError for broken DER, naming the place."""
    if not is_definition(document) or not all(key in _KEYS for key in document):
        raise InputError("definition", f"must be a map of {', '.join(sorted(_KEYS))}")
    variables = declared(document["variables"])
    slots = {name: Slot(name, one.minimum, one.maximum, one.kind == "tlv") for name, one in variables.items()}
    package = _package(document.get("package"), slots, str(document.get("edition", "")))
    places = document.get("map", {})
    if not isinstance(places, dict):
        raise InputError("map", "must be a map of paths")
    for path, value in places.items():
        put(package, str(path), _value(str(path), value, slots))
    return Definition(package, variables)


def combined(package: bytes, declarations: bytes, edition: str = "") -> bytes:
    """One definition from a package file and a file with `variables` and, as needed, `map`. Raises InputError."""
    try:
        document = load_yaml(declarations.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError("variables", "is not UTF-8 text") from None
    if not is_definition(document) or "package" in document:
        raise InputError("variables", "must be a map with variables and map, without a package")
    form = form_of(package)
    if form == "der":
        content: Any = package.hex().upper()
    else:
        try:
            text = package.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError("package", "is neither DER nor UTF-8 text") from None
        content = text if form == "asn1" else load_yaml(text)
    whole = document | {"package": content}
    return dump_yaml(whole | {"edition": edition} if edition else whole).encode()


def _package(content: Any, slots: Mapping[str, Slot], edition: str) -> Package:
    if isinstance(content, list):
        return from_plain(content, variables=slots, edition=edition)
    if not isinstance(content, str):
        raise InputError("package", "must be value notation, DER in hexadecimal, or a list of profile elements")
    if not _DER_IN_HEX.fullmatch(content):
        return read_package(content.encode(), variables=slots, edition=edition)
    try:
        return read_package(bytes.fromhex(content), edition=edition)
    except ValueError:
        raise InputError("package", "has an odd number of hexadecimal digits") from None


def _value(path: str, value: Any, slots: Mapping[str, Slot]) -> Any:
    if not isinstance(value, str):
        raise InputError(path, "must be set to hexadecimal text with variables in braces")
    try:
        return read_hex(value, slots)
    except NotHex as problem:
        raise InputError(path, str(problem)) from None
