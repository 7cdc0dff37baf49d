"""The process that opens or seals one OpenPGP envelope, under limits that it sets itself first.

It is given one task on standard input (length, header, then the content to the end) and gives one answer: `OK` and
the content, or `NO` and the reason. Nothing is written before an envelope's integrity and signature are proved. It
has no database, no network, no vault key; what a hostile envelope can take is this process with the keys of
envelopes, and memory up to the limit (a small envelope can be a large file when it is opened).
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from ferryman.errors import InputError, PeerError
from ferryman.secure import openpgp

MEMORY = 2 << 30  # octets of address space: six to eight times the content of the largest envelope
SECONDS = 600  # of the processor: five megabytes a second at least
FILES = 16
OK, NO = b"\x00", b"\x01"
LENGTH_BYTES = 4
PIECE = 1 << 20  # octets in one write


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Open with `secrets` (`signer`: who must have signed), or seal for `recipient`, signed with the first one."""

    secrets: tuple[bytes, ...]
    signer: bytes | None = None
    recipient: bytes | None = None
    name: str = ""
    now: float
    memory: int = MEMORY

    def __repr__(self) -> str:
        return "Task(***)"


def main() -> None:
    """Do the task on standard input."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer, limit)


def limit(memory: int) -> None:
    """From here on no more than so many octets of address space."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def serve(source: BinaryIO, sink: BinaryIO, limit: Callable[[int], None]) -> None:
    """One task, one answer; `limit` is called before the first octet of the envelope is looked at."""
    length = int.from_bytes(source.read(LENGTH_BYTES))
    task = msgspec.msgpack.decode(source.read(length), type=Task)
    limit(task.memory)
    try:
        done = _done(task, source.read())
    except (PeerError, InputError) as problem:
        sink.write(NO + str(problem).encode())
    else:
        sink.write(OK)
        for at in range(0, len(done), PIECE):
            sink.write(done[at : at + PIECE])
    sink.flush()


def _done(task: Task, content: bytes) -> bytes:
    if task.recipient is not None:
        return openpgp.seal_message(content, task.recipient, task.secrets[0], task.now, name=task.name)
    return openpgp.open_message(content, task.secrets, task.signer, task.now)


if __name__ == "__main__":
    main()
