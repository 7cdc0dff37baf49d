"""Order and composition of profile elements (reference 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ferryman.profile.lint.findings import WARNING, Spot, rule
from ferryman.profile.lint.view import APPLICATIONS, FILE_ELEMENTS, View

PARTS = {
    "usim": ("opt-usim", "phonebook", "gsm-access", "df-5gs", "df-saip", "df-snpn", "df-5gprose"),
    "isim": ("opt-isim",),
    "csim": ("opt-csim",),
}
"""Elements that belong to an application, each once for one of it."""

OWNERS = {part: owner for owner, parts in PARTS.items() for part in parts}
RESERVED = frozenset(f"rfu{number}" for number in range(1, 6))


def _names(view: View) -> list[str]:
    return [element.name for element in view.package.elements]


@rule("header-first", "4")
def _(view: View) -> Iterator[Spot]:
    """The profile header is the first element."""
    names = _names(view)
    if names and names[0] != "header":
        yield Spot(0, "", "stands where the profile header is due")


@rule("header-once", "4")
def _(view: View) -> Iterator[Spot]:
    """There is one profile header."""
    for index, name in enumerate(_names(view)):
        if index and name == "header" and "header" in _names(view)[:index]:
            yield Spot(index, "", "is a second profile header")


@rule("end-last", "4")
def _(view: View) -> Iterator[Spot]:
    """PE-End is the last element."""
    names = _names(view)
    if names and names[-1] != "end":
        yield Spot(len(names) - 1, "", "stands where PE-End is due")


@rule("end-once", "4")
def _(view: View) -> Iterator[Spot]:
    """There is one PE-End."""
    names = _names(view)
    for index, name in enumerate(names[:-1]):
        if name == "end" and names[-1] == "end":
            yield Spot(index, "", "is a PE-End before the last element")


@rule("identification-unique", "4")
def _(view: View) -> Iterator[Spot]:
    """PE identifications differ."""
    seen: set[int] = set()
    for index, element in enumerate(view.package.elements):
        number = element.identification
        if number is not None:
            if number in seen:
                yield Spot(index, "identification", f"{number} is used before")
            seen.add(number)


def _creates_mf(view: View, index: int) -> bool:
    """True for generic file management that creates the MF."""
    created = view.created.get(index, [])
    return view.package.elements[index].name == "genericFileManagement" and any(
        one.kind == "mf" for one in created
    )


@rule("mf-missing", "4")
def _(view: View) -> Iterator[Spot]:
    """A Full Profile creates the MF."""
    if not view.iot and "mf" not in _names(view) and not any(_creates_mf(view, at) for at in view.created):
        yield Spot(0, "", "has no iotOptions, and nothing creates the MF")


@rule("mf-first", "4")
def _(view: View) -> Iterator[Spot]:
    """The MF is created before every other file."""
    if view.iot:
        return
    makers = [at for at, name in enumerate(_names(view)) if name == "mf" or _creates_mf(view, at)]
    if not makers:
        return
    for index, element in enumerate(view.package.elements[: makers[0]]):
        if element.name in FILE_ELEMENTS or element.name == "genericFileManagement":
            yield Spot(index, "", "creates files before the MF")


@rule("mf-once", "4")
def _(view: View) -> Iterator[Spot]:
    """The MF is created once: by PE-MF or by generic file management, never both ways."""
    makers = [at for at, name in enumerate(_names(view)) if name == "mf" or _creates_mf(view, at)]
    for index in makers[1:]:
        yield Spot(index, "", "creates the MF again")


@rule("puk-once", "4")
def _(view: View) -> Iterator[Spot]:
    """PE-PUKCodes is there at most once."""
    for index in [at for at, name in enumerate(_names(view)) if name == "pukCodes"][1:]:
        yield Spot(index, "", "is a second PE-PUKCodes")


@rule("puk-position", "4")
def _(view: View) -> Iterator[Spot]:
    """PE-PUKCodes follows the MF, in an IoT Minimal Profile the header."""
    names = _names(view)
    if "pukCodes" not in names:
        return
    index = names.index("pukCodes")
    before = index - 1
    right = before >= 0 and (names[before] == ("header" if view.iot else "mf") or _creates_mf(view, before))
    if not right:
        yield Spot(index, "", f"does not follow {'the header' if view.iot else 'the MF'}")


def _at_most_once(name: str) -> None:
    @rule(f"{name}-once", "4", text=f"{name} is there at most once")
    def _(view: View) -> Iterator[Spot]:
        for index in [at for at, found in enumerate(_names(view)) if found == name][1:]:
            yield Spot(index, "", "is there a second time")


for _name in ("cd", "telecom", "iot", "opt-iot"):
    _at_most_once(_name)


@rule("part-has-application", "4")
def _(view: View) -> Iterator[Spot]:
    """Optional files, phone book, 5GS and so on follow the application that they belong to."""
    last = ""
    for index, name in enumerate(_names(view)):
        last = name if name in APPLICATIONS else last
        if name in OWNERS and last != OWNERS[name]:
            yield Spot(index, "", f"does not follow a {OWNERS[name].upper()}")


@rule("part-once", "4")
def _(view: View) -> Iterator[Spot]:
    """Each of these elements is there once for one application."""
    seen: Counter[tuple[int | None, str]] = Counter()
    for index, name in enumerate(_names(view)):
        if name in OWNERS:
            key = (view.application_before(index), name)
            seen[key] += 1
            if seen[key] == 2:
                yield Spot(index, "", "is there twice for one application")


def _many(name: str) -> None:
    @rule(f"multiple-{name}-service", "4", text=f"Two {name.upper()}s ask for multiple-{name}")
    def _(view: View) -> Iterator[Spot]:
        indexes = [at for at, found in enumerate(_names(view)) if found == name]
        if len(indexes) > 1 and f"multiple-{name}" not in view.services:
            yield Spot(indexes[1], "", f"is a second one, and multiple-{name} is no mandatory service")


for _name in ("usim", "isim", "csim"):
    _many(_name)


@rule("aka-position", "4")
def _(view: View) -> Iterator[Spot]:
    """PE-AKAParameter follows its application."""
    for index, _ in view.elements("akaParameter"):
        if view.application_before(index) is None:
            yield Spot(index, "", "follows no application")


@rule("aka-once", "4")
def _(view: View) -> Iterator[Spot]:
    """PE-AKAParameter is there once for one application."""
    seen: set[int] = set()
    for index, _ in view.elements("akaParameter"):
        owner = view.application_before(index)
        if owner is not None and owner in seen:
            yield Spot(index, "", "is a second one for the same application")
        seen |= {owner} if owner is not None else set()


@rule("aka-missing", "4", WARNING)
def _(view: View) -> Iterator[Spot]:
    """Every USIM and ISIM has its PE-AKAParameter."""
    served = {view.application_before(index) for index, _ in view.elements("akaParameter")}
    for index, _ in view.elements("usim", "isim", "iot"):
        if index not in served:
            yield Spot(index, "", "has no PE-AKAParameter")


@rule("cdma-position", "4")
def _(view: View) -> Iterator[Spot]:
    """PE-CDMAParameter follows a CSIM, once for each."""
    seen: set[int | None] = set()
    for index, _ in view.elements("cdmaParameter"):
        owner = view.application_before(index)
        if owner is None or view.package.elements[owner].name != "csim":
            yield Spot(index, "", "does not follow a CSIM")
        elif owner in seen:
            yield Spot(index, "", "is a second one for the same CSIM")
        seen.add(owner)


@rule("eap-position", "4")
def _(view: View) -> Iterator[Spot]:
    """PE-EAP follows the ADF that uses it."""
    for index, _ in view.elements("eap"):
        if view.application_before(index) is None:
            yield Spot(index, "", "follows no application")


@rule("eap-once", "4")
def _(view: View) -> Iterator[Spot]:
    """There is one PE-EAP for each method: their DFs differ."""
    seen: set[tuple[bytes, ...]] = set()
    for index, _ in view.elements("eap"):
        for file in view.created.get(index, []):
            if file.kind == "df" and file.path in seen and file.fcp.get("fileID"):
                yield Spot(index, file.name, "another PE-EAP of this application has the same DF")
            seen |= {file.path} if file.kind == "df" else set()


@rule("sd-first", "4")
def _(view: View) -> Iterator[Spot]:
    """A security domain stands before every RFM and application."""
    names = _names(view)
    first = names.index("securityDomain") if "securityDomain" in names else len(names)
    for index, name in enumerate(names[:first]):
        if name in ("rfm", "application"):
            yield Spot(index, "", "stands before the security domain of the operator")


@rule("iot-missing", "4")
def _(view: View) -> Iterator[Spot]:
    """A header with iotOptions has PE-IoT."""
    if view.iot and "iot" not in _names(view):
        yield Spot(0, "iotOptions", "there is no PE-IoT")


@rule("iot-without-options", "4")
def _(view: View) -> Iterator[Spot]:
    """PE-IoT and PE-OPT-IoT stand only under a header with iotOptions."""
    for index, name in enumerate(_names(view)):
        if name in ("iot", "opt-iot") and not view.iot:
            yield Spot(index, "", "stands in a Full Profile")


@rule("iot-with-mf", "4")
def _(view: View) -> Iterator[Spot]:
    """An IoT Minimal Profile has no PE-MF."""
    for index, name in enumerate(_names(view)):
        if view.iot and (name == "mf" or _creates_mf(view, index)):
            yield Spot(index, "", "stands in an IoT Minimal Profile")


@rule("opt-iot-position", "4")
def _(view: View) -> Iterator[Spot]:
    """PE-OPT-IoT follows PE-IoT."""
    names = _names(view)
    for index, name in enumerate(names):
        if view.iot and name == "opt-iot" and "iot" not in names[:index]:
            yield Spot(index, "", "does not follow PE-IoT")


@rule("element-unknown", "3.3", WARNING)
def _(view: View) -> Iterator[Spot]:
    """Proprietary content stands in nonStandard, not in unknown elements."""
    for index, element in enumerate(view.package.elements):
        if element.opaque is not None:
            yield Spot(index, "", "is not known to the version of the header")


@rule("element-reserved", "1.1", WARNING)
def _(view: View) -> Iterator[Spot]:
    """Reserved elements are not used."""
    for index, name in enumerate(_names(view)):
        if name in RESERVED:
            yield Spot(index, "", "is reserved for future use")
