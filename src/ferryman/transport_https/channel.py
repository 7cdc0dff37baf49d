"""What the HTTPS role and its worker processes say to each other, and how: frames over a socket pair.

A worker ends TLS and HTTP and holds nothing else; the role has the database, the bus and the keys. A frame is 4
octets length and MessagePack (no standard: both ends are one release of one program).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final, Self

import msgspec

from ferryman.codec.scp81_http import AdminRequest, AdminResponse
from ferryman.errors import FerrymanError, PeerError, Refused, Unavailable
from ferryman.transport_https.session import HTTPSSettings

MAX_FRAME: Final = 1024 * 1024  # octets: the body of a POST is at most 64 KiB, a script is shorter
_HEAD: Final = 4  # octets


class _Tagged(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Tagged by the name of its class."""


# -- from the role to a worker ---------------------------------------------------------------------------------


class Begin(_Tagged, frozen=True):
    """The first word: listen with these settings."""

    settings: HTTPSSettings


class KeyFound(_Tagged, frozen=True):
    """Answer to `KeyWanted`; no key and no `unavailable` means that there is none."""

    number: int
    key: bytes | None = None
    unavailable: str = ""
    retry_after: float = 0.0


class Answered(_Tagged, frozen=True):
    """Answer to `Posted`, or why there is none."""

    session_id: str
    response: AdminResponse | None = None
    failure: tuple[str, str, float] = ("", "", 0.0)  # name of the error, text, seconds to wait


class Disconnect(_Tagged, frozen=True):
    """End a session; `replaced` when the eUICC has connected to another worker."""

    session_id: str
    replaced: bool


class Drain(_Tagged, frozen=True):
    """Stop listening, let answers go out, and end after `grace` seconds at the latest."""

    grace: float


# -- from a worker to the role ---------------------------------------------------------------------------------


class Listening(_Tagged, frozen=True):
    """The worker takes connections."""


class KeyWanted(_Tagged, frozen=True):
    """A handshake needs the key of an identity."""

    number: int
    identity: bytes


class Opened(_Tagged, frozen=True):
    """An eUICC has proved its key."""

    session_id: str
    identity: bytes
    peer: str
    suite: str


class Posted(_Tagged, frozen=True):
    """A request of an eUICC."""

    session_id: str
    request: AdminRequest


class Closed(_Tagged, frozen=True):
    """A session is over; `reason` is a value of CloseReason."""

    session_id: str
    reason: str
    detail: str


class Alarmed(_Tagged, frozen=True):
    """A session named another eUICC."""

    session_id: str
    text: str


class TurnedAway(_Tagged, frozen=True):
    """A connection that never became a session."""

    peer: str
    identity: bytes
    reason: str


type ToWorker = Begin | KeyFound | Answered | Disconnect | Drain
type FromWorker = Listening | KeyWanted | Opened | Posted | Closed | Alarmed | TurnedAway

_encoder = msgspec.msgpack.Encoder()
TO_WORKER: Final[msgspec.msgpack.Decoder[ToWorker]] = msgspec.msgpack.Decoder(ToWorker.__value__)
FROM_WORKER: Final[msgspec.msgpack.Decoder[FromWorker]] = msgspec.msgpack.Decoder(FromWorker.__value__)


class Channel[In]:
    """One end of a socket pair."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decoder: msgspec.msgpack.Decoder[In]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = decoder

    @classmethod
    async def open(cls, sock: socket.socket, decoder: msgspec.msgpack.Decoder[In]) -> Self:
        """Take over one socket of the pair."""
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=MAX_FRAME)
        return cls(reader, writer, decoder)

    def say(self, message: ToWorker | FromWorker) -> None:
        """Queue a message; one to an end that is gone is lost with it."""
        if self._writer.is_closing():
            return
        body = _encoder.encode(message)
        self._writer.write(len(body).to_bytes(_HEAD) + body)

    async def send(self, message: ToWorker | FromWorker) -> None:
        """Queue a message and wait until the other end keeps up."""
        self.say(message)
        with contextlib.suppress(OSError):  # the reading side learns of it
            await self._writer.drain()

    async def hear(self) -> In | None:
        """The next message; None when the other end is gone."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_HEAD))
            if length > MAX_FRAME:
                raise PeerError(f"a frame of {length} octets", field="worker channel")
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError):
            return None
        except msgspec.MsgspecError as problem:
            raise PeerError(str(problem), field="worker channel") from None

    async def close(self) -> None:
        """Hang up once everything has left."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def failure_of(problem: FerrymanError) -> tuple[str, str, float]:
    """An error of the role in the form that travels; a `Refused` keeps its text only."""
    if isinstance(problem, Unavailable):
        return ("Unavailable", problem.what, problem.retry_after)
    return ("Refused" if isinstance(problem, Refused) else "PeerError", str(problem), 0.0)


def error_of(failure: tuple[str, str, float]) -> FerrymanError:
    """The error again, for the connection that answers the card."""
    name, text, wait = failure
    if name == "Unavailable":
        return Unavailable(text, retry_after=wait)
    if name == "Refused":
        return Refused("1.6", "1.2", text)
    return PeerError(text, field="request")
