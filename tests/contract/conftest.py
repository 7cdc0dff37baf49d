"""Each implementation of the store in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends import Backend
from postgres import Server, new_database


@pytest.fixture(params=["sqlite-threaded", "sqlite-inline", "postgres"])
def store_kind(request: pytest.FixtureRequest) -> str:
    """Names the implementation; a test may narrow it by parametrising this fixture itself."""
    kind: str = request.param
    return kind


@pytest.fixture
def store_address(store_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is."""
    if store_kind != "postgres":
        return str(tmp_path / "role.db")
    server: Server = request.getfixturevalue("postgres")
    return new_database(server)


@pytest.fixture
async def backend(store_kind: str, store_address: str) -> AsyncIterator[Backend]:
    """Opens stores on that database."""
    made = Backend(store_kind, store_address)
    yield made
    await made.close()
