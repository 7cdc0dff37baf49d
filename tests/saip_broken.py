"""For every rule of the validator a package that breaks it, made from packages that break none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ferryman.codec.saip import Package, ProfileElement, decode
from ferryman.codec.saip.schema import ELEMENT_TAGS
from ferryman.codec.saip.types import Mixed, Slot
from ferryman.profile.template import compile_template
from saip_samples import sample_values, ts48

type Change = Callable[[Package], Package | None]

H = bytes.fromhex


def full_profile() -> Package:
    """A published package with a sample subscription: USIM, CSIM, ISIM, RFM."""
    return decode(compile_template(ts48("TS48v7_SAIP2.3_BERTLV_SUCI")).render(sample_values()))


def iot_profile() -> Package:
    """An IoT Minimal Profile of format 3.3.1 with PUK, PE-IoT, PE-OPT-IoT and authentication."""
    aid, values = H("A0000000871002FFFFFFFF8900000000"), sample_values()
    elements = [
        pe(
            "header",
            None,
            **{
                "major-version": 3,
                "minor-version": 3,
                "profileType": "IoT",
                "iccid": values["iccid_header"],
                "eUICC-Mandatory-services": {"usim": None, "milenage": None},
                "eUICC-Mandatory-GFSTEList": ["2.23.143.1.2.17", "2.23.143.1.2.18"],
                "iotOptions": {"pix": aid[5:16]},
            },
        ),
        pe("pukCodes", 1, pukCodes=[{"keyReference": 1, "pukValue": b"12345678"}]),
        pe(
            "iot",
            2,
            templateID="2.23.143.1.2.17",
            **{
                "ef-imsi": [("fillFileContent", values["imsi_ef"])],
                "ef-acc": [("fillFileContent", values["acc"])],
            },
        ),
        pe("akaParameter", 3, algoConfiguration=("algoParameter", milenage())),
        pe("opt-iot", 4, templateID="2.23.143.1.2.18", **{"ef-ehplmn": [("fillFileContent", H("00F110"))]}),
        pe("end", 5),
    ]
    return Package((3, 3), tuple(elements))


def milenage() -> dict[str, Any]:
    return {"algorithmID": 1, "algorithmOptions": b"\x01", "key": bytes(range(16)), "opc": bytes(range(16))}


HEADERS = {
    "akaParameter": "aka-header",
    "pukCodes": "puk-Header",
    "pinCodes": "pin-Header",
    "securityDomain": "sd-Header",
    "application": "app-Header",
    "genericFileManagement": "gfm-header",
    "cdmaParameter": "cdma-header",
    "opt-iot": "optiot-header",
    "opt-isim": "optisim-header",
    "opt-csim": "optcsim-header",
}


def pe(name: str, number: int | None, /, **fields: Any) -> ProfileElement:
    """A profile element with its header; without `number` as it is."""
    head = {} if number is None else {HEADERS.get(name, f"{name}-header"): {"identification": number}}
    return ProfileElement(name, head | fields, None, ELEMENT_TAGS[name])


def put(package: Package, index: int, *elements: ProfileElement) -> Package:
    """The package with elements inserted."""
    found = list(package.elements)
    found[index:index] = elements
    return Package(package.version, tuple(found), package.edition)


def after(package: Package, name: str, *elements: ProfileElement, turn: int = -1) -> Package:
    """The package with elements behind the last one called `name`."""
    return put(package, where(package, name, turn) + 1, *elements)


def where(package: Package, name: str, turn: int = 0) -> int:
    return [at for at, element in enumerate(package.elements) if element.name == name][turn]


def without(package: Package, *names: str) -> Package:
    kept = tuple(element for element in package.elements if element.name not in names)
    return Package(package.version, kept, package.edition)


def moved(package: Package, name: str, to: int) -> Package:
    """The package with the first element of this name at another place."""
    element = package.elements[where(package, name)]
    rest = [each for each in package.elements if each is not element]
    rest.insert(to, element)
    return Package(package.version, tuple(rest))


def again(package: Package, name: str, turn: int = 0) -> ProfileElement:
    """A copy of an element with an identification of its own."""
    element = copy.deepcopy(package.elements[where(package, name, turn)])
    element.pe_header["identification"] = 9000
    return element


def fields(package: Package, name: str, turn: int = 0) -> dict[str, Any]:
    return package.elements[where(package, name, turn)].fields  # type: ignore[return-value]


def fcp(package: Package, name: str, file: str) -> dict[str, Any]:
    """The Fcp of a file, added when it has none."""
    entries = fields(package, name)[file]
    for kind, value in entries:
        if kind == "fileDescriptor":
            return value  # type: ignore[no-any-return]
    entries.insert(0, ("fileDescriptor", {}))
    return entries[0][1]  # type: ignore[no-any-return]


def content(package: Package, name: str, file: str, value: bytes | Slot | Mixed) -> None:
    """Sets the content of a file."""
    entries = fields(package, name)[file]
    kept = [entry for entry in entries if not entry[0].startswith("fill")]
    fields(package, name)[file] = [*kept, ("fillFileContent", value)]


def codes(package: Package, name: str, turn: int = 0) -> list[dict[str, Any]]:
    value = fields(package, name, turn)[name]
    return value[1] if isinstance(value, tuple) else value


def parameter(package: Package, turn: int = 0) -> dict[str, Any]:
    return fields(package, "akaParameter", turn)["algoConfiguration"][1]  # type: ignore[no-any-return]


def keys(package: Package) -> list[dict[str, Any]]:
    return fields(package, "securityDomain")["keyList"]  # type: ignore[no-any-return]


def generic(package: Package, *commands: tuple[str, Any]) -> Package:
    """The package with a PE-GenericFileManagement before its first security domain."""
    element = pe("genericFileManagement", 9100, fileManagementCMD=[list(commands)])
    return put(package, where(package, "securityDomain"), element)


EF = {
    "fileDescriptor": H("4121"),
    "fileID": H("6F99"),
    "securityAttributesReferenced": H("2F0601"),
    "efFileSize": H("10"),
}
DF = {
    "fileDescriptor": H("7821"),
    "fileID": H("5F99"),
    "securityAttributesReferenced": H("2F0601"),
    "pinStatusTemplateDO": H("010A"),
}
ADF = {**DF, "fileID": H("7F99"), "dfName": H("A000000087100299")}
LINK = {"fileID": H("6F98"), "securityAttributesReferenced": H("2F0601"), "linkPath": H("7FD06F07")}
MF = {**DF, "fileID": H("3F00")}


def creates(row: dict[str, Any], **change: Any) -> Change:
    """Generic creation of a file with these components changed; None takes one away."""

    def make(package: Package) -> Package:
        made = {name: value for name, value in {**row, **change}.items() if value is not None}
        return generic(package, ("filePath", b""), ("createFCP", made))

    return make


def stated(element: str, file: str, **change: Any) -> Change:
    """A template file with components of its Fcp changed; None takes one away."""

    def make(package: Package) -> None:
        target = fcp(package, element, file)
        for name, value in change.items():
            target.pop(name, None)
            if value is not None:
                target[name] = value

    return make


def sd(number: int, aid: bytes, **more: Any) -> ProfileElement:
    """A further security domain, PERSONALIZED."""
    instance = {
        "applicationLoadPackageAID": H("A0000001515350"),
        "classAID": H("A000000151535041"),
        "instanceAID": aid,
        "applicationPrivileges": H("808000"),
        "lifeCycleState": b"\x0f",
        "applicationSpecificParametersC9": b"",
    }
    return pe("securityDomain", number, instance=instance, **more)


def instance(aid: bytes, **more: Any) -> dict[str, Any]:
    return {
        "applicationLoadPackageAID": H("A000000099"),
        "classAID": H("A00000009901"),
        "instanceAID": aid,
        "applicationPrivileges": b"\x00",
        "applicationSpecificParametersC9": b"",
        **more,
    }


def applied(**more: Any) -> Change:
    """An application instance with these components, at the end."""

    def make(package: Package) -> Package:
        one = instance(H("A0000000990201"), **more)
        return put(package, len(package.elements) - 1, pe("application", 9300, instanceList=[one]))

    return make


def rfm(package: Package) -> dict[str, Any]:
    return fields(package, "rfm", 1)


def sets(*names: str, to: Any, turn: int = 0) -> Change:
    """Sets one component: element, then names below it."""

    def make(package: Package) -> None:
        place: Any = fields(package, names[0], turn)
        for name in names[1:-1]:
            place = place[name]
        place[names[-1]] = to

    return make


def code(element: str, turn: int, at: int, **change: Any) -> Change:
    """Changes one PIN or PUK."""

    def make(package: Package) -> None:
        codes(package, element, turn)[at].update({name.replace("_", "-"): value for name, value in change.items()})

    return make


def does(action: Callable[[Package], Any]) -> Change:
    """A change in place."""

    def make(package: Package) -> None:
        action(package)

    return make
