"""`ferryman up`: the whole platform in one process, until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec

from ferryman.cli import output
from ferryman.cli.commands import DATA
from ferryman.cli.control import SOCKET, ControlServer, DataLock
from ferryman.cli.maintenance import Maintenance
from ferryman.cli.settings import Settings, load
from ferryman.cli.watch import watched
from ferryman.cli.wiring import Installation
from ferryman.contracts.maintenance import MAINTENANCE
from ferryman.errors import InputError
from ferryman.platform.bus_settings import IN_PROCESS
from ferryman.platform.log import configure
from ferryman.platform.postgres_store import TakenOver
from ferryman.transport_https.session import HTTPSSettings
from ferryman.transport_sms.settings import SMPPSettings, accounts_of

STANDARD_HTTPS_PORT = 8443


class Stopped(Exception):
    """Told to stop before everything was there."""


@contextlib.asynccontextmanager
async def running(
    settings: Settings, stop: asyncio.Event | None = None
) -> AsyncIterator[tuple[Installation, dict[str, str]]]:
    """An installation with its control socket, and every address it listens on or speaks to; raises Stopped."""
    data = settings.data
    with DataLock(data):
        installation = Installation(settings.configuration())
        installation.bus.serve(MAINTENANCE, Maintenance(installation).serve)
        control = ControlServer(data, installation.bus.call)
        async with watched(settings.metrics, installation) as seen:
            try:
                await start(installation, stop or asyncio.Event())
                await control.start()
                addresses = {"control": str(data / SOCKET)} | seen
                if settings.https is not None:
                    addresses["https"] = f"{settings.https.host}:{installation.https_port}"
                if installation.soap is not None and settings.soap is not None:
                    addresses["soap"] = installation.soap.ours.url
                if installation.rest is not None and settings.rest is not None:
                    addresses["rest"] = f"{settings.rest.host}:{installation.rest.port}"
                if settings.smpp is not None:
                    addresses["smsc"] = ", ".join(f"{one.host}:{one.port}" for one in accounts_of(settings.smpp))
                yield installation, addresses
            finally:
                await control.stop()
                await installation.stop()


async def up(
    *,
    data: Path = DATA,
    transport: str | None = None,
    https: str | None = None,
    smsc: str | None = None,
    json: bool = False,
) -> int:
    """Run the platform: SM-DP, SM-SR, CryptoServer and the transports, until SIGTERM.

    Parameters
    ----------
    data
        Data directory; its `ferryman.toml` holds the settings.
    transport
        How commands are carried: "https", "https-pull" or "sms"; overrides the setting.
    https
        HOST:PORT where eUICCs connect; overrides the setting, port 0 takes a free one.
    smsc
        SYSTEM_ID@HOST:PORT of the SMSC, its password in the environment as FERRYMAN_SMPP_PASSWORD; overrides
        the setting.
    """
    settings = with_options(load(data), transport=transport, https=https, smsc=smsc)
    if settings.bus.kind != IN_PROCESS:
        raise InputError(
            "bus.kind", f"is {settings.bus.kind}: start the roles with `ferryman serve`, not with `up`"
        )
    configure(settings.log_level, settings.log_format)
    stop = stop_signal()
    with contextlib.suppress(Stopped):
        async with running(settings, stop) as (installation, addresses):
            say_ready(addresses, json=json)
            await end(installation, stop)
    return output.DONE


async def start(installation: Installation, stop: asyncio.Event) -> None:
    """Start, but not for ever: a broker may be away, a database another's. Raises Stopped."""
    tasks = (asyncio.create_task(installation.start()), asyncio.create_task(stop.wait()))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise Stopped
        await tasks[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def end(installation: Installation, stop: asyncio.Event) -> None:
    """Wait until it is to stop; raises Unavailable when another process has taken over its databases."""
    waits = [asyncio.create_task(event.wait()) for event in (stop, installation.is_lost)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    if installation.is_lost.is_set():
        raise TakenOver


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def say_ready(addresses: dict[str, str], *, json: bool) -> None:
    """The one line on stdout that says that everything listens."""
    if json:
        sys.stdout.write(msgspec.json.encode({"ready": addresses}).decode() + "\n")
    else:
        sys.stdout.write("ready " + " ".join(f"{name}={address}" for name, address in addresses.items()) + "\n")
    sys.stdout.flush()


def with_options(
    settings: Settings,
    *,
    transport: str | None = None,
    https: str | None = None,
    workers: int | None = None,
    smsc: str | None = None,
) -> Settings:
    """The settings of the file with what the command line says."""
    if transport is not None:
        settings = replace(settings, sm_sr=msgspec.structs.replace(settings.sm_sr, transport=transport))
        settings.sm_sr.__post_init__()
    if https is not None:
        host, port = _address(https, "--https")
        changed = replace(settings.https, host=host, port=port) if settings.https else HTTPSSettings(host, port)
        settings = replace(settings, https=changed)
    elif settings.https is None and settings.sm_sr.transport in ("https", "https-pull"):
        settings = replace(settings, https=HTTPSSettings("127.0.0.1", STANDARD_HTTPS_PORT))
    if workers is not None and settings.https is not None:
        settings = replace(settings, https=replace(settings.https, workers=workers))
    if smsc is not None:
        settings = replace(settings, smpp=_smpp(settings.smpp, smsc))
    return settings


def _smpp(known: SMPPSettings | tuple[SMPPSettings, ...] | None, text: str) -> SMPPSettings:
    if isinstance(known, tuple):
        raise InputError("--smsc", "is one account, and the settings have a list of them")
    system_id, _, address = text.rpartition("@")
    host, port = _address(address, "--smsc")
    password = os.environ.get("FERRYMAN_SMPP_PASSWORD")
    if known is not None:
        return replace(known, host=host, port=port, system_id=system_id or known.system_id)
    if not system_id or password is None:
        raise InputError("--smsc", "give SYSTEM_ID@HOST:PORT, and the password as FERRYMAN_SMPP_PASSWORD")
    return SMPPSettings(host=host, port=port, system_id=system_id, password=password)


def _address(text: str, name: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise InputError(name, "must be HOST:PORT")
    return host, int(port)
