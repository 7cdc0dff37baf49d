"""The process that runs a script: one JSON line in, one JSON line out, under limits that it sets itself first.

It is given the script and questions, nothing else: no database, no key, no network, an empty environment.
Memory is limited by
the kernel; a script that takes more takes only this process with it.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any, BinaryIO

import msgspec

from ferryman.errors import InputError
from ferryman.workflow.question import Question
from ferryman.workflow.starlark import Script, inspect

MEMORY = 512 * 1024 * 1024  # octets of address space: interpreter and libraries take a fifth of it
DECISION_SECONDS = 0.25  # a decision takes a tenth of a millisecond; this is a script that has lost its way
FILES = 16


class Told(msgspec.Struct, frozen=True):
    """One line from the platform: a script to load, and to inspect for what is `installed`; or a question."""

    name: str = ""
    script: str | None = None
    installed: tuple[str, ...] | None = None
    question: Question | None = None


def main() -> None:
    """Serve standard input until it ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer each line."""
    decoder, script = msgspec.json.Decoder(Told), None
    for line in source:
        told = decoder.decode(line)
        answer: dict[str, Any]
        if told.script is not None:
            script, answer = _load(told.name, told.script, told.installed)
        else:
            answer = _decide(script, told.question)
        sink.write(msgspec.json.encode(answer) + b"\n")
        sink.flush()


def _load(name: str, text: str, installed: tuple[str, ...] | None) -> tuple[Script | None, dict[str, Any]]:
    findings = inspect(name, text, installed)
    told: dict[str, Any] = {"findings": findings}
    if any(one.severity == "error" for one in findings):
        return None, told
    return Script(name, text), told


def _decide(script: Script | None, question: Question | None) -> dict[str, Any]:
    if script is None or question is None:
        return {"error": "no script is loaded"}
    end = time.monotonic() + DECISION_SECONDS
    try:
        return {"plan": script.decide(question, cancelled=lambda: time.monotonic() > end)}
    except InputError as problem:
        return {"error": str(problem)}


if __name__ == "__main__":
    main()
