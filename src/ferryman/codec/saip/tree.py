"""Typed access to decoded values (the value model of `types`).

What the schema guarantees about a decoded tree is not visible to a type checker; these functions say it
once. A TypeError from here is a defect of ours, not of a package.
"""

from __future__ import annotations

from ferryman.codec.saip.types import Value


def as_record(value: Value) -> dict[str, Value]:
    """The components of a SEQUENCE."""
    if not isinstance(value, dict):
        raise TypeError("not the value of a SEQUENCE")
    return value


def as_list(value: Value) -> list[Value]:
    """The items of a SEQUENCE OF."""
    if not isinstance(value, list):
        raise TypeError("not the value of a SEQUENCE OF")
    return value


def as_choice(value: Value) -> tuple[str, Value]:
    """Name and value of a CHOICE."""
    if not isinstance(value, tuple):
        raise TypeError("not the value of a CHOICE")
    return value


def as_bytes(value: Value) -> bytes:
    """The content of an OCTET STRING without slots."""
    if not isinstance(value, bytes):
        raise TypeError("not the value of an OCTET STRING")
    return value


def as_number(value: Value) -> int:
    """The value of an INTEGER."""
    if not isinstance(value, int):
        raise TypeError("not the value of an INTEGER")
    return value


def choices(value: Value) -> list[tuple[str, Value]]:
    """The items of a SEQUENCE OF CHOICE, such as the entries of a File."""
    return [as_choice(item) for item in as_list(value)]
