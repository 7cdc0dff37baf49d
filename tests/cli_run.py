"""The command line in this process: its exit status and what it said on both streams."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from ferryman.cli.main import main


@dataclass(frozen=True)
class Said:
    """Exit status, standard output and standard error of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


def ferryman(*words: object) -> Said:
    """Run one command."""
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with _own_logging(), streams[0], streams[1], pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return Said(caught.value.code if isinstance(caught.value.code, int) else 1, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _own_logging() -> Iterator[None]:
    """A command sets logging up for its process; here the process goes on."""
    structure, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers = []
    try:
        yield
    finally:
        structlog.configure(**structure)
        root.handlers = handlers
        root.setLevel(level)


def one_sentence(said: Said) -> str:
    """The error of a command: one line that starts with our name, no traceback."""
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("ferryman: ")
    return lines[0].removeprefix("ferryman: ")
