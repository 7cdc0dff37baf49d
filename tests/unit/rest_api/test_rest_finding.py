"""The short way to an endpoint leads where Starlette's router leads, for every route and for what is no route."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from ferryman.rest_api.endpoints import ENDPOINTS
from ferryman.rest_api.finding import Finder
from ferryman.rest_api.openapi import PREFIX


async def _nobody(_: Request) -> Response:
    raise NotImplementedError


ROUTES = [(one.name, Route(PREFIX + one.path, _nobody, methods=[one.method])) for one in ENDPOINTS]
FINDER = Finder((route, method, name) for name, route in ROUTES for method in sorted(route.methods or ()))
PATHS = sorted({PREFIX + one.path for one in ENDPOINTS})
NAMED = {path.partition("{")[0] for path in PATHS if "{" in path}
# Words that stand where another route has a name.
WORDS = sorted({path.removeprefix(one).split("/")[0] for path in PATHS for one in NAMED if path.startswith(one)})
WORDS = [word for word in WORDS if "{" not in word]


def _by_router(scope: dict[str, object]) -> tuple[str, dict[str, object]] | None:
    for name, route in ROUTES:
        match, found = route.matches(scope)
        if match is Match.FULL:
            return name, found["path_params"]
    return None


def _scope(path: str, method: str) -> dict[str, object]:
    return {"type": "http", "path": path, "method": method}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_every_route_is_found_as_by_the_router(method: str) -> None:
    found = 0
    assert WORDS
    for path in PATHS:
        # A name in its place may be any word, also one that another route has there.
        for word in ("x1", "a\nb", "", *WORDS):
            named = "/".join(word if "{" in one else one for one in path.split("/"))
            for asked in (named, f"{named}/"):
                expected = _by_router(_scope(asked, method))
                assert FINDER.find(_scope(asked, method)) == expected, asked
                found += expected is not None
    assert found
    assert all(FINDER.find(_scope(path, "OPTIONS")) is None for path in PATHS)


def test_another_root_and_another_protocol_are_left_to_the_router() -> None:
    path = PREFIX + "/orders"
    assert FINDER.find(_scope(path, "GET")) is not None
    assert FINDER.find(_scope(path, "GET") | {"root_path": "/api"}) is None
    assert FINDER.find(_scope(path, "GET") | {"type": "websocket"}) is None
    assert FINDER.find({"type": "lifespan"}) is None


@pytest.mark.parametrize("path", ["/{a}/v1/orders", "/api/v1/files/{path:path}"])
def test_a_pattern_that_it_cannot_place_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be found"):
        Finder([(Route(path, _nobody), "GET", "name")])
