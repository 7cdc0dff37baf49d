"""node-smpp as an SMSC for tests: an SMPP stack of other people, in another language, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "interop" / "node"
PATIENCE = 60.0  # seconds for another process on a busy machine
INSTALL_PATIENCE = 90.0  # seconds


@pytest.fixture(scope="module")
def node() -> str:
    """The node executable, with the package beside the script; skips when either is not to be had."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None:
        pytest.skip("node is not installed")
    if not (FOLDER / "node_modules" / "smpp").is_dir():
        if npm is None:
            pytest.skip("npm is not installed and the package smpp is missing")
        command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        try:
            done = subprocess.run(command, cwd=FOLDER, capture_output=True, timeout=INSTALL_PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("npm install took too long")
        if done.returncode:
            pytest.skip("the npm package smpp could not be installed")
    return program


class NodeSMSC:
    """The running script: `tell` commands it, `event` waits for something it reports."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of this name; others before it are dropped."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                line = await self._process.stdout.readline()
                assert line, "the SMSC has ended"
                event: dict[str, Any] = json.loads(line)
                if event["event"] == name:
                    return event

    async def kill(self) -> list[dict[str, Any]]:
        """End the process without a word to anybody; what it had reported and nobody has asked for yet."""
        assert self._process.stdout is not None
        self._process.kill()
        left = await self._process.stdout.read()
        await self._process.wait()
        return [json.loads(line) for line in left.splitlines() if line.endswith(b"}")]

    def tell(self, op: str, **fields: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")


@asynccontextmanager
async def smsc(node: str) -> AsyncIterator[NodeSMSC]:
    process = await asyncio.create_subprocess_exec(
        node, "smsc.js", "smsr", "pw8chars", cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        running = NodeSMSC(process)
        running.port = (await running.event("listening"))["port"]
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
