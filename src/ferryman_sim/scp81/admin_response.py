"""Answers of the administration server, read strictly (sgp02-euicc.md 8.5; RFC 9112)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from .admin_request import PROTOCOL

COMMAND_TYPE = "application/vnd.globalplatform.card-content-mgt;version=1.0"
MAX_HEAD = 4096
"""Bytes of status line and headers; a card has little memory for them."""

MAX_BODY = 65536
"""Bytes of one script; real cards take far less."""

MAX_CHUNK_LINE = 64
"""Bytes of a chunk size line with its extensions."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\t\x20-\x7e]*")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e\t]*?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\x20-\x7e\t]*)?")
_URI = re.compile(r"/[\x21-\x7e]*")
_TARGET = re.compile(r"//aid/([0-9A-Fa-f]{10})/((?:[0-9A-Fa-f]{2}){0,11})")


class BadResponse(Exception):
    """The server broke HTTP or the administration protocol; the card ends TLS."""


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """A complete answer. script: None with 204 and errors. target: AID, None = the default target."""

    status: int
    next_uri: str | None
    target: bytes | None
    script: bytes | None


class _Step(Enum):
    HEAD = auto()
    FIXED = auto()
    CHUNK_SIZE = auto()
    CHUNK_DATA = auto()
    CHUNK_END = auto()
    TRAILER = auto()
    DONE = auto()


class ResponseParser:
    """One answer from bytes as they come."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._step = _Step.HEAD
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._left = 0

    def feed(self, data: bytes) -> ServerAnswer | None:
        """The answer when it is complete. Raises BadResponse, also for bytes behind its end."""
        self._data += data
        while self._advance():
            pass
        if self._step is not _Step.DONE:
            return None
        if self._data:
            raise BadResponse("bytes behind the answer")
        return self._answer()

    def eof(self) -> None:
        """The server ended the connection. Raises BadResponse inside an answer."""
        if self._data or self._step is not _Step.HEAD:
            raise BadResponse("connection closed inside an answer")

    def _advance(self) -> bool:
        """One step; False when more bytes are needed or nothing is left to do."""
        match self._step:
            case _Step.HEAD:
                return self._read_head()
            case _Step.FIXED | _Step.CHUNK_DATA:
                return self._read_content()
            case _Step.CHUNK_SIZE:
                return self._read_chunk_size()
            case _Step.CHUNK_END:
                return self._read_chunk_end()
            case _Step.TRAILER:
                return self._read_trailer()
            case _Step.DONE:
                return False

    def _line(self, limit: int) -> bytes | None:
        end = self._data.find(b"\r\n")
        if end > limit or (end < 0 and len(self._data) > limit):
            raise BadResponse("line too long")
        if end < 0:
            return None
        line = bytes(self._data[:end])
        del self._data[: end + 2]
        return line

    def _read_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end > MAX_HEAD or (end < 0 and len(self._data) > MAX_HEAD):
            raise BadResponse("head too long")
        if end < 0:
            return False
        first, *lines = bytes(self._data[:end]).split(b"\r\n")
        del self._data[: end + 4]
        status = _STATUS_LINE.fullmatch(first)
        if status is None or status[1].startswith(b"1"):
            raise BadResponse("status line")
        self._status = int(status[1])
        for line in lines:
            header = _HEADER.fullmatch(line)
            if header is None:
                raise BadResponse("header line")
            name = header[1].decode().lower()
            if name in self._headers:
                raise BadResponse(f"header {name} twice")
            self._headers[name] = header[2].decode()
        self._step = self._framing()
        return True

    def _framing(self) -> _Step:
        coding, length = self._headers.get("transfer-encoding"), self._headers.get("content-length")
        if self._status == 204 and (coding is not None or length not in (None, "0")):
            raise BadResponse("204 with a body")
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise BadResponse("transfer encoding")
            return _Step.CHUNK_SIZE
        if length is None:
            if self._status == 200:
                raise BadResponse("200 without length")
            return _Step.DONE
        if not length.isascii() or not length.isdecimal() or len(length) > 8 or int(length) > MAX_BODY:
            raise BadResponse("content length")
        self._left = int(length)
        return _Step.FIXED if self._left else _Step.DONE

    def _read_content(self) -> bool:
        piece = self._data[: self._left]
        self._body += piece
        del self._data[: len(piece)]
        self._left -= len(piece)
        if self._left:
            return False
        self._step = _Step.DONE if self._step is _Step.FIXED else _Step.CHUNK_END
        return True

    def _read_chunk_size(self) -> bool:
        line = self._line(MAX_CHUNK_LINE)
        if line is None:
            return False
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise BadResponse("chunk size")
        self._left = int(size[1], 16)
        if self._left + len(self._body) > MAX_BODY:
            raise BadResponse("body too long")
        self._step = _Step.CHUNK_DATA if self._left else _Step.TRAILER
        return True

    def _read_chunk_end(self) -> bool:
        if len(self._data) < 2:
            return False
        if self._data[:2] != b"\r\n":
            raise BadResponse("chunk longer than its size")
        del self._data[:2]
        self._step = _Step.CHUNK_SIZE
        return True

    def _read_trailer(self) -> bool:
        line = self._line(MAX_HEAD)
        if line is None:
            return False
        if not line:
            self._step = _Step.DONE
        elif _HEADER.fullmatch(line) is None:
            raise BadResponse("trailer line")
        return True

    def _answer(self) -> ServerAnswer:
        if self._status not in (200, 204):
            return ServerAnswer(self._status, None, None, None)
        if self._headers.get("x-admin-protocol") != PROTOCOL:
            raise BadResponse("X-Admin-Protocol")
        next_uri = self._headers.get("x-admin-next-uri")
        if next_uri is not None and _URI.fullmatch(next_uri) is None:
            raise BadResponse("X-Admin-Next-URI")
        if self._status == 204:
            return ServerAnswer(204, next_uri, None, None)
        if self._headers.get("content-type", "").replace("; ", ";").lower() != COMMAND_TYPE:
            raise BadResponse("Content-Type")
        if not self._body:
            raise BadResponse("no script")
        return ServerAnswer(200, next_uri, self._target(), bytes(self._body))

    def _target(self) -> bytes | None:
        text = self._headers.get("x-admin-targeted-application")
        if text is None:
            return None
        found = _TARGET.fullmatch(text)
        if found is None:
            raise BadResponse("X-Admin-Targeted-Application")
        return bytes.fromhex(found[1] + found[2])
