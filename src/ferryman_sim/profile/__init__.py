"""Profile packages on the simulated eUICC: `install` makes a `Profile` out of package bytes.

`Installation` does the same with bytes as they arrive in SCP03t segments.
"""

from __future__ import annotations

from .applications import SdKey, SecurityDomain
from .authentication import AuthenticationRefused
from .filesystem import FileMissing
from .installer import Installation, install
from .outcome import InstallOutcome, PEStatus, Status
from .profile import Profile

__all__ = [
    "AuthenticationRefused",
    "FileMissing",
    "InstallOutcome",
    "Installation",
    "PEStatus",
    "Profile",
    "SdKey",
    "SecurityDomain",
    "Status",
    "install",
]
