"""Each implementation of the store in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backends import Backend
from ferryman.platform import nats_bus, nats_layout
from nats_server import NatsServer
from postgres import Server, drop_database, new_database


@pytest.fixture(params=["sqlite-threaded", "sqlite-inline", "postgres"])
def store_kind(request: pytest.FixtureRequest) -> str:
    """Names the implementation; a test may narrow it by parametrising this fixture itself."""
    kind: str = request.param
    return kind


@pytest.fixture
def store_address(store_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty database is, for the time of the test."""
    if store_kind != "postgres":
        yield str(tmp_path / "role.db")
        return
    server: Server = request.getfixturevalue("postgres")
    address = new_database(server)
    yield address
    drop_database(server, address)


@pytest.fixture
async def backend(store_kind: str, store_address: str) -> AsyncIterator[Backend]:
    """Opens stores on that database."""
    made = Backend(store_kind, store_address)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A real nats-server with its streams, once per session (and worker); silent receivers are given up soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nats_layout, "ACK_WAIT", 1.0)
        patch.setattr(nats_bus, "BEAT", 0.3)
        server = NatsServer(tmp_path_factory.mktemp("nats"), spy=True)

        async def start() -> None:
            await server.start()
            await server.provision()

        asyncio.run(start())
        yield server
        server.kill()
