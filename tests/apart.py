"""An installation apart: nats-server, core, transport-sms, transport-https, each a process on its own data."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferryman.cli.demo_world import SMSR_ADDRESS, SYSTEM_ID
from ferryman.platform.nats_credentials import PROVISIONER, SUFFIX
from nats_server import NatsServer

READY = 90.0  # seconds: cold start of an interpreter on a busy machine
STOP = 30.0

# Role names by service, for the credential files each data directory gets.
HOLDS = {
    "core": ("sm-dp", "sm-sr", "crypto-server"),
    "transport-sms": ("transport-sms",),
    "transport-https": ("transport-https",),
    "operator": ("operator",),
    "provisioner": (PROVISIONER,),
}


async def run(*arguments: str) -> dict[str, Any]:
    """A `ferryman` command to its end; its JSON answer."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ferryman.cli.main", *arguments, "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await asyncio.wait_for(process.communicate(), READY)
    assert process.returncode == 0, errors.decode()
    answer: dict[str, Any] = json.loads(out)
    return answer


@dataclass
class Service:
    """One `ferryman serve` process that can be killed and started again."""

    name: str
    data: Path
    process: asyncio.subprocess.Process | None = None
    ready: dict[str, str] = field(default_factory=dict)

    async def start(self) -> None:
        """Start and wait for the ready line."""
        with (self.data / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-m",
                    "ferryman.cli.main",
                    "serve",
                    self.name,
                    "--data",
                    str(self.data),
                    "--json",
                ),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "COVERAGE_PROCESS_START": ""},
            )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), READY)
        assert line, (self.data / "log").read_text()
        self.ready = json.loads(line)["ready"]

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process is None:
            return 0
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), STOP)


@dataclass
class Apart:
    """The whole layout in one folder, a subfolder for each process."""

    folder: Path
    smpp_port: int
    password: str
    https_port: int
    settings: str = ""  # more lines of [sm_sr]

    def __post_init__(self) -> None:
        (self.folder / "nats").mkdir(parents=True)
        self.nats = NatsServer(self.folder / "nats")
        for name in HOLDS:
            self._directory(name)
        self.core, self.sms, self.https = (
            Service(name, self.folder / name) for name in ("core", "transport-sms", "transport-https")
        )
        self.services = (self.core, self.sms, self.https)

    def _directory(self, name: str) -> None:
        data = self.folder / name
        (data / "credentials").mkdir(parents=True, mode=0o700)
        for role in HOLDS[name]:
            shutil.copy(self.nats.credentials / f"{role}{SUFFIX}", data / "credentials")
        text = f'[bus]\nkind = "nats"\nurl = "nats://127.0.0.1:{self.nats.port}"\n'
        text += '[log]\nlevel = "info"\n[metrics]\nport = 0\n'
        if name == "core":
            text += (
                '[sm_sr]\ntransport = "https"\ntrigger_host = "127.0.0.1"\ntrigger_address = "127.0.0.1"\n'
                f'trigger_port = {self.https_port}\ntrigger_uri = "/gsma/adminagent"\n{self.settings}'
            )
        elif name == "transport-sms":
            (data / "smpp.password").write_text(self.password)
            text += (
                f'[smpp]\nhost = "127.0.0.1"\nport = {self.smpp_port}\nsystem_id = "{SYSTEM_ID}"\n'
                f'password_file = "smpp.password"\nsource_addr = "{SMSR_ADDRESS}"\nwindow = 50\n'
            )
        elif name == "transport-https":
            text += f'[https]\nhost = "127.0.0.1"\nport = {self.https_port}\nworkers = 2\n'
        (data / "ferryman.toml").write_text(text)

    async def start(self) -> None:
        """Broker, streams, and all services."""
        await self.nats.start()
        await run("nats-streams", "--data", str(self.folder / "provisioner"))
        await asyncio.gather(*(service.start() for service in self.services))

    async def stop(self) -> list[int]:
        """Stop in order; the exit codes."""
        codes = [await service.stop() for service in reversed(self.services)]
        self.nats.kill()
        return codes

    async def abandon(self) -> None:
        """End whatever still runs."""
        for service in self.services:
            with contextlib.suppress(ProcessLookupError):
                await service.kill()
        self.nats.kill()

    def logs(self) -> str:
        """What the processes said, for a failed test."""
        return "\n".join(
            f"== {s.name}\n{(s.data / 'log').read_text()[-4000:]}"
            for s in self.services
            if (s.data / "log").exists()
        )
