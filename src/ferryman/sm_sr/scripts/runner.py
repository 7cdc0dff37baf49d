"""Asks the active script, in its own process: started when needed, killed when it takes too long, started again.

Whatever goes wrong is one answer: `Refused`, upon which the built-in policy decides and an alarm is written.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Protocol

import msgspec
import structlog

from ferryman.contracts import codes
from ferryman.errors import InputError, Refused
from ferryman.workflow.plan import GiveUp, Plan, Send, Wait
from ferryman.workflow.question import Question
from ferryman.workflow.starlark import Finding, Script
from ferryman.workflow.starlark import inspect as inspect_script

PATIENCE = 5.0  # s for one line, the start of the process included; its own limit for a decision is far below
LINE = 1 << 20  # octets of one line
KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LANG")  # of the environment: no password is among them

log = structlog.get_logger("ferryman.sm_sr.scripts")


class Decider(Protocol):
    """Somebody who answers questions with the active script."""

    @property
    def active(self) -> bool:
        """Whether there is a script to ask."""

    async def use(self, name: str, text: str | None) -> None:
        """From now on this script; None for none."""

    async def inspect(self, name: str, text: str, installed: tuple[str, ...] | None = None) -> tuple[Finding, ...]:
        """What is wrong with a script, found where it would run."""

    async def decide(self, question: Question) -> Plan:
        """The plan; raises Refused when the script has none."""

    async def stop(self) -> None:
        """No more questions."""


class _Answer(msgspec.Struct, frozen=True):
    plan: Send | Wait | GiveUp | None = None
    error: str = ""
    findings: tuple[Finding, ...] = ()


class ChildDecider:
    """Runs the script in a process of its own."""

    def __init__(self) -> None:
        self._name = ""
        self._text: str | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._decoder = msgspec.json.Decoder(_Answer)

    @property
    def active(self) -> bool:
        """Whether there is a script to ask."""
        return self._text is not None

    async def use(self, name: str, text: str | None) -> None:
        """From now on this script; the process of the former one ends."""
        async with self._turn:
            await self._end()
            self._name, self._text = name, text

    async def inspect(self, name: str, text: str, installed: tuple[str, ...] | None = None) -> tuple[Finding, ...]:
        """What is wrong with a script, found in a process that ends with it; raises Refused when it broke that
        one."""
        other = ChildDecider()
        try:
            async with other._turn:
                return (await other._ask({"name": name, "script": text, "installed": installed})).findings
        finally:
            await other.stop()

    async def decide(self, question: Question) -> Plan:
        """The plan of the script; raises Refused."""
        async with self._turn:
            if self._text is None:
                raise Refused(*codes.PROVIDER_ERROR, "no script is active")
            if self._process is None:
                await self._ask({"name": self._name, "script": self._text})
            answer = await self._ask({"question": question})
        if answer.plan is None:
            raise Refused(*codes.PROVIDER_ERROR, answer.error)
        return answer.plan

    async def stop(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _ask(self, line: object) -> _Answer:
        try:
            async with asyncio.timeout(PATIENCE):
                process = self._process or await self._start()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(msgspec.json.encode(line) + b"\n")
                await process.stdin.drain()
                answer = await process.stdout.readline()
            if not answer:
                raise ConnectionError("the process of the script ended")
            return self._decoder.decode(answer)
        except (TimeoutError, OSError, ValueError, msgspec.MsgspecError) as problem:
            # Killed, not asked again: what it did wrong it would do again, and the next question starts afresh.
            await self._end()
            reason = "takes too long" if isinstance(problem, TimeoutError) else str(problem)
            log.error("transport script", reason=reason)
            raise Refused(*codes.PROVIDER_ERROR, f"the script {reason}") from None

    async def _start(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ferryman.sm_sr.scripts.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=LINE,
            env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
        )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


class LocalDecider:
    """Runs the script in this process: for a script that is trusted, and where nothing else may be started."""

    def __init__(self) -> None:
        self._script: Script | None = None

    @property
    def active(self) -> bool:
        """Whether there is a script to ask."""
        return self._script is not None

    async def use(self, name: str, text: str | None) -> None:
        """From now on this script; raises InputError when it is none."""
        self._script = Script(name, text) if text is not None else None

    async def inspect(self, name: str, text: str, installed: tuple[str, ...] | None = None) -> tuple[Finding, ...]:
        """What is wrong with a script."""
        return inspect_script(name, text, installed)

    async def decide(self, question: Question) -> Plan:
        """The plan of the script; raises Refused."""
        if self._script is None:
            raise Refused(*codes.PROVIDER_ERROR, "no script is active")
        try:
            return self._script.decide(question)
        except InputError as problem:
            raise Refused(*codes.PROVIDER_ERROR, str(problem)) from None

    async def stop(self) -> None:
        """Nothing to end."""
