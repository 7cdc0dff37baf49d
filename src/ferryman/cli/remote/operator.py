"""An operator's calls to a platform elsewhere: the same questions, put to its REST API."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from ferryman.cli.operator import Operator, check_eid
from ferryman.cli.remote import cards, keys, orders, people, watch
from ferryman.cli.remote.place import Place
from ferryman.cli.remote.stock import RemoteExporter, RemoteImporter
from ferryman.cli.remote.table import CARRIED, cannot
from ferryman.client import AsyncClient, ClientError, Patience
from ferryman.contracts.message import Body, Codec
from ferryman.errors import Unavailable
from ferryman.platform.importing import Progress, Report

PATIENCE = Patience(repeats=3, seconds=30.0)  # somebody sits and waits
MODULES = (cards, keys, orders, people, watch)  # what is in the table, by having been imported


class NoCalls:
    """There is no bus to a platform elsewhere."""

    async def call(self, dest: str, caller: str, raw: bytes) -> bytes:
        """Raises Unavailable, always."""
        raise Unavailable(dest)


class RemoteOperator(Operator):
    """Typed calls over the REST API; who asks is what the key says. Raises ClientError, InputError."""

    def __init__(self, client: AsyncClient, owner: str) -> None:
        super().__init__(NoCalls(), owner)
        self._client = client

    def importer(self, *, report: Report | None = None, progress: Progress | None = None) -> RemoteImporter:
        """An import that the platform carries out."""
        return RemoteImporter(self._client, report, progress)

    def exporter(self) -> RemoteExporter:
        """What the platform gives out."""
        return RemoteExporter(self._client)

    async def _ask(self, role: str, body: Body, answers: Codec[Body], call_id: str = "") -> Body:
        check_eid(body)
        carry = CARRIED.get(type(body))
        if carry is None:
            raise cannot(type(body).__name__)
        return await carry(self._client, body, call_id)


@contextlib.asynccontextmanager
async def client_at(place: Place) -> AsyncIterator[AsyncClient]:
    """A client of the platform at this place; a person is logged in meanwhile. Raises ClientError."""
    async with AsyncClient(place.url, place.key, ca_file=place.ca_file or None, patience=PATIENCE) as client:
        if not place.user:
            yield client
            return
        await client.log_in(name=place.user, password=place.password, code=place.code)
        try:
            yield client
        finally:
            with contextlib.suppress(ClientError):  # it ends by itself, and what was done is done
                await client.log_out()


@contextlib.asynccontextmanager
async def elsewhere(place: Place, owner: str) -> AsyncIterator[RemoteOperator]:
    """Calls to the platform at this place."""
    async with client_at(place) as client:
        yield RemoteOperator(client, owner)
