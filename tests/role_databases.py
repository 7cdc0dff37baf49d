"""A PostgreSQL as a deployment has it: TLS, and for each role a user with a password and a database of its own."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ferryman.contracts.routes import ROLES
from ferryman.platform.database_settings import DatabaseSettings
from parties import Party, make_party
from postgres import Server, find_binaries, running_server

PASSWORD = "of {role}"


@dataclass(frozen=True)
class RoleDatabases:
    """The server, and what a data directory needs to reach it."""

    server: Server
    party: Party

    async def create(self) -> None:
        """Users and databases of all roles."""
        for role in ROLES:
            name = f"ferryman_{role.replace('-', '_')}"
            await self.server.query(f"CREATE USER {name} PASSWORD '{PASSWORD.format(role=role)}'")
            await self.server.query(f"CREATE DATABASE {name} OWNER {name}")

    def equip(self, data: Path) -> None:
        """Put the files that the settings name into a data directory."""
        data.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.party.certificate_file, data / "database-ca.pem")
        for role in ROLES:
            (data / f"{role.replace('-', '_')}.password").write_text(PASSWORD.format(role=role) + "\n")

    def settings(self, port: int = 0, *, limit: float = 30.0) -> DatabaseSettings:
        """Section [database] of the settings, for a server behind `port`."""
        return DatabaseSettings(
            url=f"postgresql://ferryman_{{role}}@127.0.0.1:{port or self.server.port}/ferryman_{{role}}",
            password_file="{role}.password",
            ca_file="database-ca.pem",
            limit=limit,
        )


@contextlib.contextmanager
def role_databases() -> Iterator[RoleDatabases]:
    """For the time of the block; skips the test where PostgreSQL is not installed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (package postgresql-15)")
    with tempfile.TemporaryDirectory(prefix="ferryman-party-") as folder:
        party = make_party(Path(folder), "database")
        with running_server(binaries, party) as server:
            yield RoleDatabases(server, party)
