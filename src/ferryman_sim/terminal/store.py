"""Where the cards' non-volatile memory is kept between power cuts and between processes.

A state holds keys: its files are readable by their owner only. A file is replaced in one step, so a killed
process leaves the old state or the new one. No fsync: the simulator survives its own death, not the
machine's.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

SECRET_MODE = 0o600


class StoreError(ValueError):
    """A stored state cannot be read; the text names the file."""


class Store(Protocol):
    """States by EID."""

    def load(self, eid: str) -> dict[str, Any] | None:
        """The last state saved, None when there is none. Raises StoreError."""

    def save(self, eid: str, state: dict[str, Any]) -> None:
        """Keep `state`; it replaces the former one at once or not at all."""


class MemoryStore:
    """States that live as long as the process."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def load(self, eid: str) -> dict[str, Any] | None:
        """The last state saved."""
        text = self._states.get(eid)
        if text is None:
            return None
        state: dict[str, Any] = json.loads(text)
        return state

    def save(self, eid: str, state: dict[str, Any]) -> None:
        """Keep a copy."""
        self._states[eid] = json.dumps(state)


class FileStore:
    """One file for each card in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._saved: dict[str, str] = {}

    def load(self, eid: str) -> dict[str, Any] | None:
        """The last state saved, by this process or one before. Raises StoreError."""
        path = self._folder / f"{eid}.json"
        try:
            state = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: {type(error).__name__}") from error
        if not isinstance(state, dict):
            raise StoreError(f"{path}: not a card state")
        return state

    def save(self, eid: str, state: dict[str, Any]) -> None:
        """Replace the card's file; nothing is written when nothing has changed."""
        text = json.dumps(state)
        if self._saved.get(eid) == text:
            return
        temporary = self._folder / f".{eid}.new"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, SECRET_MODE), "w") as handle:
            handle.write(text)
        temporary.replace(self._folder / f"{eid}.json")
        self._saved[eid] = text
