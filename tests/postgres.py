"""A real PostgreSQL for tests: one server a session, on loopback in a temporary directory; a database per test."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from parties import Party

START_ATTEMPTS = 3  # another program may take the port between our look and the start
MEMORY = Path("/dev/shm")
_numbers = itertools.count(1)


def find_binaries() -> Path | None:
    """Directory of initdb and pg_ctl, the newest version at hand; None when PostgreSQL is not installed."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True
    )
    if installed:
        return installed[0].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One running server; `url(database)` is for SQLAlchemy."""

    def __init__(self, binaries: Path, directory: Path, tls: Party | None = None) -> None:
        self._binaries = binaries
        self._tls = tls
        self.directory = directory
        self.port = 0
        # initdb refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            account = pwd.getpwnam(self._user)
            os.chown(directory, account.pw_uid, account.pw_gid)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._binaries / program), *arguments],
            check=True,
            user=self._user if os.geteuid() == 0 else None,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=120,
        )

    def start(self) -> None:
        """Make a cluster and start it; raises CalledProcessError when it does not come up."""
        cluster = str(self.directory / "cluster")
        self._run("initdb", "-D", cluster, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        tls = self._secure(directory=self.directory / "cluster") if self._tls is not None else ""
        for attempt in range(START_ATTEMPTS):
            self.port = _free_port()
            # No fsync: what survives a power cut is not what these tests ask.
            options = (
                f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.directory} -c fsync=off "
                f"-c shared_buffers=64MB -c max_connections=60 {tls}"
            )
            try:
                log = str(self.directory / "log")
                self._run("pg_ctl", "-D", cluster, "-w", "-t", "60", "-o", options, "-l", log, "start")
            except subprocess.CalledProcessError:
                if attempt + 1 == START_ATTEMPTS:
                    raise
            else:
                return

    def _secure(self, directory: Path) -> str:
        """TLS and a password for everybody but the superuser; returns options of the server."""
        assert self._tls is not None
        for source, name in ((self._tls.certificate_file, "server.crt"), (self._tls.key_file, "server.key")):
            shutil.copyfile(source, directory / name)
            (directory / name).chmod(0o600)
            shutil.chown(directory / name, self._user)
        (directory / "pg_hba.conf").write_text(
            "host all postgres 127.0.0.1/32 trust\nhostssl sameuser all 127.0.0.1/32 scram-sha-256\n"
        )
        return "-c ssl=on"

    def stop(self) -> None:
        """End the server at once."""
        self._run("pg_ctl", "-D", str(self.directory / "cluster"), "-w", "-m", "immediate", "stop")

    def url(self, database: str) -> str:
        """SQLAlchemy address of a database."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    async def query(self, statement: str, database: str = "postgres") -> None:
        """Run one statement on a connection of its own."""
        connection = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{self.port}/{database}")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        await self.query(f"CREATE DATABASE {name}")
        return self.url(name)

    async def drop_database(self, url: str) -> None:
        """Remove one made by `new_database`: hundreds of them would take gigabytes, and minutes at the end."""
        await self.query(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    async def drop_connections(self) -> None:
        """Cut every other connection, as a failing network or a restart would."""
        await self.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@contextlib.contextmanager
def running_server(binaries: Path, tls: Party | None = None) -> Iterator[Server]:
    """A server for the block; with `tls` users need a password and may open the database of their name."""
    # In memory where there is some: what survives a power cut is not what these tests ask.
    directory = Path(tempfile.mkdtemp(prefix="ferryman-pg-", dir=MEMORY if MEMORY.is_dir() else None))
    server = Server(binaries, directory, tls)
    try:
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def new_database(server: Server) -> str:
    """The same for a test without a running loop."""
    return asyncio.run(server.new_database())


def drop_database(server: Server, url: str) -> None:
    """The same for a test without a running loop."""
    asyncio.run(server.drop_database(url))
