"""Finding the endpoint of a request without trying one route after the other.

What is found here is what Starlette's router would find: the same patterns, tried in the same order, but only
those of as many segments and the same first words. Everything else (a path that is not there, a wrong method, a
slash too many) is left to that router.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from typing import Any

from starlette.routing import Route

FIXED = 3  # segments that tell most paths apart: /api/v1/orders

type Place = tuple[str, int, tuple[str, ...]]  # method, number of segments, the first of them


class Finder[H]:
    """Handlers by method and path. Raises ValueError for a route whose pattern spans segments."""

    def __init__(self, routes: Iterable[tuple[Route, str, H]]) -> None:
        self._places: dict[Place, list[tuple[re.Pattern[str], H]]] = {}
        for route, method, handler in routes:
            segments = route.path.split("/")[1:]
            if any("{" in one for one in segments[:FIXED]) or ":" in route.path:
                raise ValueError(f"{route.path} cannot be found by its first {FIXED} segments")
            place = (method, len(segments), tuple(segments[:FIXED]))
            self._places.setdefault(place, []).append((route.path_regex, handler))

    def find(self, scope: MutableMapping[str, Any]) -> tuple[H, dict[str, str]] | None:
        """Handler and path parameters; None for whatever the router is to judge."""
        if scope["type"] != "http" or scope.get("root_path"):
            return None
        path: str = scope["path"]
        segments = path.split("/")[1:]
        for pattern, handler in self._places.get((scope["method"], len(segments), tuple(segments[:FIXED])), ()):
            if (match := pattern.match(path)) is not None:
                return handler, match.groupdict()
        return None
