"""Bytes in hexadecimal with variables between them, as value notation and YAML have it: `8011{impi}FF`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ferryman.codec.saip.types import Mixed, Slot

_PIECES = re.compile(r"\{([^{}]*)\}|([^{}]+)")
_NAME = re.compile(r"[a-z][A-Za-z0-9_-]*")


class NotHex(Exception):
    """The text is not of this form; the argument says which rule it breaks and holds nothing of the text."""


def read_hex(text: str, variables: Mapping[str, Slot]) -> bytes | Slot | Mixed:
    """The bytes, one variable, or both. Blanks between digits are allowed. Raises NotHex."""
    compact = "".join(text.split())
    parts: list[bytes | Slot] = []
    end = 0
    for piece in _PIECES.finditer(compact):
        if piece.start() != end:
            break
        end = piece.end()
        parts.append(variable(piece[1], variables) if piece[2] is None else _digits(piece[2]))
    if end != len(compact):
        raise NotHex("a brace in a value in hexadecimal has no partner")
    if len(parts) == 1:
        return parts[0]
    constant = b"".join(part for part in parts if isinstance(part, bytes))
    return Mixed(tuple(parts)) if any(isinstance(part, Slot) for part in parts) else constant


def write_hex(value: bytes | Slot | Mixed) -> str:
    """The text of bytes with variables."""
    parts = value.parts if isinstance(value, Mixed) else (value,)
    return "".join(f"{{{part.name}}}" if isinstance(part, Slot) else part.hex().upper() for part in parts)


def variable(name: str, variables: Mapping[str, Slot]) -> Slot:
    """The slot of a declared name. Raises NotHex."""
    slot = variables.get(name)
    if slot is None:
        shown = name if _NAME.fullmatch(name) else "what stands in braces"
        raise NotHex(f"{shown} is not declared as a variable")
    return slot


def _digits(text: str) -> bytes:
    if len(text) % 2:
        raise NotHex("an odd number of hexadecimal digits")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise NotHex("something that is no hexadecimal digit in a value in hexadecimal") from None
