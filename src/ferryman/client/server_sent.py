"""HTML Living Standard 9.2 (server-sent events): octets of a stream in, events and the place to go on from out."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.client.errors import AnswerNotUnderstood

MAX_LINE = 256 * 1024  # octets: an event of ours has some hundred
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as it came."""

    event: str
    data: str


class ServerSentEvents:
    """The parser; `last_id` outlives a connection, all else begins again with `restart`."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self.retry = 0.0  # s that the server asks to wait before coming again; 0 = it did not say
        self.restart()

    def restart(self) -> None:
        """A new connection; an event that its blank line did not end is none (9.2.6)."""
        self._rest = b""
        self._begun = False
        self._after_cr = False
        self._new_id = self.last_id
        self._event = ""
        self._data: list[str] = []

    def feed(self, octets: bytes) -> list[Sent]:
        """Events that are complete now. Raises AnswerNotUnderstood for a line that does not end."""
        if self._after_cr and octets:  # the LF of a CRLF that came in two pieces
            octets = octets.removeprefix(b"\n")
            self._after_cr = False
        text = self._rest + octets
        if not self._begun:
            if len(text) < len(_BOM) and _BOM.startswith(text):
                self._rest = text
                return []
            text = text.removeprefix(_BOM)
            self._begun = True
        self._after_cr = text.endswith(b"\r")
        lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE:
            raise AnswerNotUnderstood(f"a line has more than {MAX_LINE} octets", field="event stream")
        found: list[Sent] = []
        for line in lines:
            if line:
                self._take(line.decode("utf-8", "replace"))
            elif (event := self._dispatch()) is not None:
                found.append(event)
        return found

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._new_id = value
            case "retry" if value.isascii() and value.isdecimal():
                self.retry = int(value[:9]) / 1000
            case _:
                pass  # a comment, or a field of another time

    def _dispatch(self) -> Sent | None:
        self.last_id = self._new_id
        event, data = self._event, self._data
        self._event, self._data = "", []
        return Sent(event or "message", "\n".join(data)) if data else None
