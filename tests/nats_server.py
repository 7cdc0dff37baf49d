"""A real nats-server for tests, with the configuration and credentials that `ferryman nats-config` writes."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import nkeys
import pytest

from ferryman.platform.bus_settings import BusSettings
from ferryman.platform.clock import system_entropy
from ferryman.platform.nats_credentials import PROVISIONER, load, make
from ferryman.platform.nats_layout import server_configuration
from ferryman.platform.nats_link import NatsLink
from ferryman.platform.nats_streams import make_streams
from rig import free_port

READY = 20.0  # seconds


def find_server() -> str:
    """The program of this environment or of the machine; skips the test when there is none."""
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if found is None:
        pytest.skip("nats-server is not installed")
    return found


class NatsServer:
    """One server that can be killed and started again on the same store."""

    def __init__(
        self, folder: Path, *, spy: bool = False, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        self._program = find_server()
        self.folder = folder
        self.credentials = folder / "credentials"
        self.port = free_port()
        self.made = make(self.credentials, system_entropy)
        self.configuration = folder / "nats-server.conf"
        text = server_configuration(
            self.made,
            listen=f"127.0.0.1:{self.port}",
            store=folder / "store",
            certificate=certificate,
            key=key,
        )
        # Somebody who has taken over the broker: may read and say everything.
        self.spy = nkeys.encode_seed(system_entropy(32), nkeys.PREFIX_BYTE_USER).decode() if spy else ""
        if spy:
            user = nkeys.from_seed(self.spy.encode()).public_key.decode()
            text = text.replace("    users: [\n", f"    users: [\n      {{ nkey: {user} }}\n")
        self.configuration.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> BusSettings:
        """For a role's connection."""
        return BusSettings(kind="nats", url=f"nats://127.0.0.1:{self.port}", credentials=str(self.credentials))

    async def start(self) -> None:
        """Start and wait until it listens."""
        self._start()
        async with asyncio.timeout(READY):
            while not await self._listens():
                await asyncio.sleep(0.02)

    def _start(self) -> None:
        with (self.folder / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self.configuration)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "nats.log").read_text()
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            return True
        return False

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def provision(self) -> int:
        """Make the streams."""
        link = NatsLink(self.settings, load(self.credentials, PROVISIONER))
        link.start()
        try:
            return await make_streams(link)
        finally:
            await link.stop()
