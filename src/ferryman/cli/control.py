"""The control socket of a running installation: calls of the operator's tools, as bytes, over a Unix socket.

The socket is in the data directory and only its owner may open it; that is the whole of its access control.
Framing: 4 octets length, then JSON with `dest` and the message.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ferryman.contracts.roles import OPERATOR
from ferryman.errors import InputError, PeerError, Unavailable

SOCKET = "control.sock"
LOCK = "lock"
MAX_NAME = 107  # octets of a Unix socket's name (unix(7))
MAX_MESSAGE = 256 * 1024 * 1024  # octets; a delivery or subscription file travels whole

type Server = Callable[[str, str, bytes], Awaitable[bytes]]


class _Question(msgspec.Struct, frozen=True):
    dest: str
    message: bytes


class _Reply(msgspec.Struct, frozen=True):
    message: bytes = b""
    unavailable: str = ""
    error: str = ""


class DataLock:
    """One process for each data directory: held as long as an installation runs."""

    def __init__(self, data: Path) -> None:
        self._path = data / LOCK
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise InputError(str(self._path.parent), "another ferryman process uses this data directory") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


class ControlServer:
    """Answers calls on the control socket."""

    def __init__(self, data: Path, server: Server) -> None:
        self._path = data / SOCKET
        self._server = server
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; an old socket of a killed process is replaced (the data lock says that it is dead)."""
        self._path.unlink(missing_ok=True)
        previous = os.umask(0o177)
        try:
            with _name_of(self._path) as name:
                self._listener = await asyncio.start_unix_server(self._serve, name)
        finally:
            os.umask(previous)

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                question = msgspec.json.decode(await _read(reader), type=_Question)
                writer.write(_frame(await self._answer(question)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (msgspec.DecodeError, PeerError) as problem:
            with contextlib.suppress(ConnectionError):
                writer.write(_frame(_Reply(error=str(problem))))
                await writer.drain()
        finally:
            writer.close()

    async def _answer(self, question: _Question) -> _Reply:
        try:
            return _Reply(message=await self._server(question.dest, OPERATOR, question.message))
        except Unavailable as problem:
            return _Reply(unavailable=problem.what)
        except PeerError as problem:
            return _Reply(error=str(problem))


class ControlClient:
    """Calls a running installation."""

    def __init__(self, data: Path) -> None:
        self._path = data / SOCKET

    async def ping(self) -> None:
        """Raises Unavailable when nothing runs there (a killed process leaves its socket behind)."""
        try:
            with _name_of(self._path) as name:
                _, writer = await asyncio.open_unix_connection(name)
        except OSError:
            raise Unavailable(f"a ferryman that runs on {self._path.parent}") from None
        writer.close()

    async def call(self, dest: str, caller: str, raw: bytes) -> bytes:
        """One call; raises Unavailable when nothing runs there or the role does not answer."""
        del caller
        try:
            with _name_of(self._path) as name:
                reader, writer = await asyncio.open_unix_connection(name)
        except OSError:
            raise Unavailable(f"a ferryman that runs on {self._path.parent}") from None
        try:
            writer.write(_frame(_Question(dest, raw)))
            await writer.drain()
            reply = msgspec.json.decode(await _read(reader), type=_Reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Unavailable("the running ferryman") from None
        finally:
            writer.close()
        if reply.unavailable:
            raise Unavailable(reply.unavailable)
        if reply.error:
            raise PeerError(reply.error, field="call")
        return reply.message


@contextlib.contextmanager
def _name_of(path: Path) -> Iterator[str]:
    """A name of the socket that the kernel takes, however long the path of the data directory is."""
    if len(os.fsencode(path)) <= MAX_NAME:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _frame(body: _Question | _Reply) -> bytes:
    raw = msgspec.json.encode(body)
    return len(raw).to_bytes(4) + raw


async def _read(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(4))
    if length > MAX_MESSAGE:
        raise PeerError(f"a message of {length} octets is too long", field="control socket")
    return await reader.readexactly(length)
