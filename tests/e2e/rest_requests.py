"""One request for each route of the REST API that goes well: the object that it names, and its body."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Good:
    """Names in the path by their place, and the body; `query` begins with a question mark."""

    names: dict[str, str] = field(default_factory=dict)
    body: Any = None
    query: str = ""


def absent(name: str, value: str) -> str:
    """The name of an object of the same kind that nobody has."""
    if name == "eid":
        return "89033023000000000000000000000070"
    return "0" * len(value) if value.strip("0") else "1" * len(value)
