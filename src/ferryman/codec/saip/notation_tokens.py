"""Words of ASN.1 value notation (X.680 clause 12): comments and line ends of any kind go, places stay.

Beyond X.680 an hstring may hold `{name}`: the bytes of a variable between constant ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ferryman.errors import InputError

MAX_NOTATION_CHARACTERS = 8 << 20
"""Characters of one text; the largest published package takes 95,000, a package of 1 MiB about four million."""

_WORDS = re.compile(
    r"(?P<space>[\s\ufeff]+)"
    r"|(?P<line>--.*?(?:--|(?=[\r\n])|\Z))"
    r"|(?P<block>/\*)"
    r"|(?P<hex>'(?P<digits>[^']*)'H)"
    r"|(?P<text>\"(?P<characters>(?:[^\"]|\"\")*)\")"
    r"|(?P<name>[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*(?:_[A-Za-z0-9]+)*)"
    r"|(?P<number>[0-9]+)"
    r"|(?P<mark>::=|[{}(),:])"
)
_BLOCK_ENDS = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Word:
    """One word: `kind` is hex, text, name, number, mark or end, `content` without its quotes, `line` from 1."""

    kind: str
    content: str
    line: int

    @property
    def shown(self) -> str:
        """The word in an error; what stands in quotes may be secret and is not shown."""
        match self.kind:
            case "hex":
                return "a value in hexadecimal"
            case "text":
                return "a text"
            case "end":
                return "the end"
            case _:
                return repr(self.content)


def words(text: str) -> list[Word]:
    """All words and a last one of kind `end`. Raises InputError naming the line of what fits nowhere."""
    if len(text) > MAX_NOTATION_CHARACTERS:
        raise InputError("value notation", f"has more than {MAX_NOTATION_CHARACTERS} characters")
    return list(_words(text))


def _words(text: str) -> Iterator[Word]:
    at, line = 0, 1
    while at < len(text):
        found = _WORDS.match(text, at)
        if found is None:
            raise InputError(f"line {line}", f"{text[at]!r} is not value notation")
        kind, end = found.lastgroup or "", found.end()
        match kind:
            case "block":
                end = _end_of_block(text, end, line)
            case "hex":
                yield Word("hex", found["digits"], line)
            case "text":
                yield Word("text", found["characters"].replace('""', '"'), line)
            case "name" | "number" | "mark":
                yield Word(kind, found[0], line)
        line += _line_ends(text, at, end)
        at = end
    yield Word("end", "", line)


def _line_ends(text: str, start: int, end: int) -> int:
    piece = text[start:end]
    return piece.count("\n") + piece.count("\r") - piece.count("\r\n")


def _end_of_block(text: str, at: int, line: int) -> int:
    """Where a comment in `/* */` ends; comments nest (X.680 12.6.4)."""
    depth = 1
    while depth:
        found = _BLOCK_ENDS.search(text, at)
        if found is None:
            raise InputError(f"line {line}", "a comment begins here and does not end")
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return at
