"""State of one installation between its profile elements."""

from __future__ import annotations

from dataclasses import dataclass, field

from .applications import Application, RemoteFileManagement, SecurityDomain
from .authentication import Authenticator
from .filesystem import Directory, FileSystem
from .header import CardLimits, ProfileHeader
from .outcome import Abort, Status
from .pins import PinSet, Puk


@dataclass(slots=True)
class Application3G:
    """A network access application: usim, isim or csim, its ADF, its credentials and the options seen so far."""

    kind: str
    directory: Directory
    element: int | None
    authenticator: Authenticator | None = None
    cdma: bytes | None = None
    options: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Build:
    """Everything made so far. used, free: bytes of non-volatile memory."""

    header: ProfileHeader
    limits: CardLimits
    free: int
    used: int = 0
    files: FileSystem | None = None
    naas: list[Application3G] = field(default_factory=list)
    context: Directory | None = None
    pins: dict[tuple[int, ...], PinSet] = field(default_factory=dict)
    puks: dict[int, Puk] = field(default_factory=dict)
    domains: list[SecurityDomain] = field(default_factory=list)
    applications: list[Application] = field(default_factory=list)
    rfm: list[RemoteFileManagement] = field(default_factory=list)

    def charge(self, size: int, offset: int) -> None:
        """Account for memory. Raises Abort (not enough memory)."""
        self.used += size
        if self.used > self.free:
            raise Abort(Status.NOT_ENOUGH_MEMORY, f"{self.used} bytes wanted, {self.free} free", offset)

    def tree(self, offset: int) -> FileSystem:
        """The file system. Raises Abort (invalid request format) before the MF exists."""
        if self.files is None:
            raise Abort(Status.INVALID_REQUEST_FORMAT, "no MF yet", offset)
        return self.files

    def last_naa(self, kind: str) -> Application3G | None:
        """The latest network access application of a kind."""
        return next((naa for naa in reversed(self.naas) if naa.kind == kind), None)
