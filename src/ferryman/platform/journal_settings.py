"""Section [journal] of the settings: what is kept of the work that procedures do."""

from __future__ import annotations

import msgspec


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`steps`: what each step was given is kept, so that `ferryman procedure replay` can take it again."""

    steps: bool = True
