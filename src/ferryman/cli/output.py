"""What a command prints: with --json exactly one JSON object on stdout, else text; progress goes to stderr."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

DONE, FAILED, USAGE = 0, 1, 2

progress = Console(stderr=True, highlight=False, soft_wrap=True)
MIN_WIDTH = 160  # an EID has 32 digits: narrower tables would cut it into pieces nobody can copy
_out = Console(highlight=False, width=max(MIN_WIDTH, shutil.get_terminal_size().columns))


def emit(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """One line of text on stdout."""
    _out.print(text, markup=False, soft_wrap=True)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table on stdout."""
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        shown.add_column(column, no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    _out.print(shown)


def fail(message: str, *, json: bool) -> None:
    """An error: one sentence on stderr, and with --json an object on stdout too."""
    if json:
        emit({"error": message})
    sys.stderr.write(f"ferryman: {message}\n")
