"""Checks at the end of a package, when everything that can be referred to exists (profile-package.md 2.2, 3.1)."""

from __future__ import annotations

from .build import Build
from .composition import check_credentials
from .filesystem import Directory, FileMissing, FileSystem, Link
from .outcome import Abort, Status
from .pins import GLOBAL_REFERENCES, LOCAL_REFERENCES, PinSet

ALWAYS = 0x00
"""Key reference 0 names no PIN."""


def check_complete(build: Build) -> None:
    """Raises Abort: no MF, an application without keys, a PIN or PUK that is missing, a link to nowhere."""
    tree = build.tree(0)
    for naa in build.naas:
        check_credentials(naa)
    _check_puks(build)
    _check_shared(build)
    for node in tree.walk():
        if isinstance(node, Link):
            _check_link(tree, node)
        elif isinstance(node, Directory):
            _check_pins(build, node)


def _check_link(tree: FileSystem, link: Link) -> None:
    try:
        tree.select(link.target)
    except FileMissing:
        raise Abort(Status.BAD_VALUES, f"link {link.file_id:04X} leads nowhere") from None


def _check_puks(build: Build) -> None:
    for pins in build.pins.values():
        for pin in pins.pins.values():
            if pin.puk is not None and pin.puk not in build.puks:
                raise Abort(Status.PIN_CODE_MISSING, f"PUK {pin.puk}", information=pin.puk)


def _check_shared(build: Build) -> None:
    for pins in build.pins.values():
        if pins.shared is not None and not build.pins.get(pins.shared, PinSet({})).pins:
            raise Abort(Status.PIN_CODE_MISSING, "shared PINs of a directory without PINs")


def _check_pins(build: Build, directory: Directory) -> None:
    for reference in directory.pin_status:
        if reference == ALWAYS:
            continue
        if reference in GLOBAL_REFERENCES:
            defined = _defined(build, ())
        elif reference in LOCAL_REFERENCES:
            defined = _nearest(build, directory)
        else:
            raise Abort(Status.BAD_VALUES, f"key reference {reference}")
        if reference not in defined:
            raise Abort(Status.PIN_CODE_MISSING, f"PIN {reference}", information=reference)


def _defined(build: Build, path: tuple[int, ...]) -> frozenset[int]:
    pins = build.pins.get(path)
    if pins is None:
        return frozenset()
    if pins.shared is not None:
        return frozenset(build.pins[pins.shared].pins)
    return frozenset(pins.pins)


def _nearest(build: Build, directory: Directory) -> frozenset[int]:
    """Local PINs of the directory, or of the closest one above it that has any."""
    here: Directory | None = directory
    while here is not None and here.parent is not None:
        if here.path() in build.pins:
            return _defined(build, here.path())
        here = here.parent
    return frozenset()
