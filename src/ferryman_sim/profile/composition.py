"""Order of profile elements and what a package must hold (profile-package.md 4)."""

from __future__ import annotations

from .build import Application3G, Build
from .elements import PARENT_APPLICATION
from .outcome import Abort, Status, Unsupported

FILE_ELEMENTS = frozenset(PARENT_APPLICATION) | frozenset(
    ("mf", "cd", "telecom", "usim", "isim", "csim", "eap", "iot", "genericFileManagement")
)
ONCE = frozenset(("mf", "iot", "pukCodes", "cd", "telecom"))
NAAS = frozenset(("usim", "isim", "csim"))
IOT_ONLY = frozenset(("iot", "opt-iot"))
FULL_ONLY = frozenset(("mf",))
AUTHENTICATED = frozenset(("usim", "isim"))
"""Applications that need an akaParameter element; a CSIM has cdmaParameter instead, and may go without."""


class Composition:
    """Which elements came so far; answers whether the next one may come now."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._seen: list[str] = []
        self._identifications: set[int] = set()
        self._skipped: set[str] = set()
        self._lost_directory = False
        self._lost_naa: str | None = None
        self._pin_contexts: set[tuple[int, ...]] = set()

    def admit(self, name: str, identification: int | None) -> None:
        """Check order rules. Raises Abort (invalid request format), Unsupported below a skipped element."""
        if identification is not None:
            if identification in self._identifications:
                raise _order(f"identification {identification} twice")
            self._identifications.add(identification)
        if name == "header" or (name in ONCE and name in self._seen):
            raise _order(f"second {name}")
        if name in (FULL_ONLY if self._build.header.iot else IOT_ONLY):
            raise _order(f"{name} in this kind of profile")
        self._check_owner(name)
        self._check_place(name)
        self._seen.append(name)

    def skipped(self, name: str) -> None:
        """An element that this card could not do and left out; what belongs to it cannot be done either."""
        self._skipped.add(name)
        if name in FILE_ELEMENTS:
            self._lost_directory = True
        if name in NAAS:
            self._lost_naa = name

    def _check_owner(self, name: str) -> None:
        """Elements that would land in an older directory because theirs was left out."""
        lost = self._lost_naa is not None and (
            name in ("akaParameter", "cdmaParameter") or PARENT_APPLICATION.get(name) == self._lost_naa
        )
        if lost or (name == "pinCodes" and self._lost_directory):
            raise Unsupported(Status.PE_NOT_SUPPORTED, f"{name} of an element that was left out")
        if name in FILE_ELEMENTS:
            self._lost_directory = False
        if name in NAAS:
            self._lost_naa = None

    def _check_place(self, name: str) -> None:
        if name in FILE_ELEMENTS - {"mf", "iot", "genericFileManagement"}:
            self._build.tree(0)
        if name in ("mf", "iot") and self._build.files is not None:
            raise _order("MF made twice")
        if name == "pukCodes":
            self._check_puk()
        elif name in NAAS:
            self._close_naa(name)
        elif name in PARENT_APPLICATION:
            self._take_option(name)
        elif name in ("akaParameter", "cdmaParameter"):
            self._check_credentials(name)
        elif name in ("rfm", "application") and not self._build.domains:
            self._missing("securityDomain", name)
        elif name == "eap" and not self._build.naas:
            self._missing("usim", name)

    def _check_puk(self) -> None:
        before = self._seen[-1:]
        if self._build.header.iot:
            if before:
                raise _order("pukCodes not right after the header")
        elif self._build.files is None or before not in (["mf"], ["genericFileManagement"]):
            raise _order("pukCodes not right after the MF")

    def _close_naa(self, name: str) -> None:
        if self._build.naas:
            check_credentials(self._build.naas[-1])
        if self._build.last_naa(name) is not None and f"multiple-{name}" in self._build.limits.services:
            raise Unsupported(Status.FEATURE_NOT_SUPPORTED, f"second {name}")

    def _take_option(self, name: str) -> None:
        parent = PARENT_APPLICATION[name]
        naa = self._build.last_naa(parent)
        if naa is None:
            self._missing(parent, name)
        elif name in naa.options:
            raise _order(f"second {name} for one {parent}")
        else:
            naa.options.add(name)

    def _check_credentials(self, name: str) -> None:
        naa = self._build.naas[-1] if self._build.naas else None
        if naa is None:
            self._missing("usim", name)
            return
        wanted = "cdmaParameter" if naa.kind == "csim" else "akaParameter"
        if name != wanted or naa.authenticator is not None or naa.cdma is not None:
            raise _order(f"{name} has no application to go to")

    def _missing(self, needed: str, name: str) -> None:
        if needed in self._skipped:
            raise Unsupported(Status.PE_NOT_SUPPORTED, f"{name} needs {needed}, which was left out")
        raise _order(f"{name} before {needed}")

    def admit_pins(self, path: tuple[int, ...]) -> None:
        """One pinCodes element a context. Raises Abort (invalid request format)."""
        if path in self._pin_contexts:
            raise _order("second pinCodes for one directory")
        self._pin_contexts.add(path)


def check_credentials(naa: Application3G) -> None:
    """Raises Abort (invalid request format) when an application has no authentication parameters."""
    if naa.kind in AUTHENTICATED and naa.authenticator is None:
        raise _order(f"{naa.kind} without akaParameter")


def _order(reason: str) -> Abort:
    return Abort(Status.INVALID_REQUEST_FORMAT, reason)
