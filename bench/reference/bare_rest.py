"""What the REST API is measured against: Starlette alone, with a JSON answer, and with a bare insert."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def answering(path: str, body: Any) -> Starlette:
    """GET of `path` is answered with this, written as JSON each time."""

    async def show(request: Request) -> Response:
        del request
        return JSONResponse(body)

    return Starlette(routes=[Route(path, show, methods=["GET"])])


def inserting(path: str, database: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Starlette:
    """POST to `path` puts the request into a table, durably, and is answered with what `answer` makes of it."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE placed (key TEXT PRIMARY KEY, eid TEXT, profile_type TEXT, body TEXT)")

    async def place(request: Request) -> Response:
        body = await request.json()
        row = (request.headers["idempotency-key"], body["eid"], body["profile_type"], json.dumps(body))
        connection.execute("INSERT INTO placed VALUES (?, ?, ?, ?)", row)
        return JSONResponse(answer(body), 201)

    return Starlette(routes=[Route(path, place, methods=["POST"])])


def rows(database: Path) -> int:
    """Orders in the table."""
    with sqlite3.connect(database) as connection:
        return int(connection.execute("SELECT count(*) FROM placed").fetchone()[0])
