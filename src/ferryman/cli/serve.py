"""`ferryman serve`: some roles in a process of their own, the others reached over the broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from ferryman.cli import output
from ferryman.cli.commands import DATA
from ferryman.cli.control import SOCKET, ControlServer, DataLock
from ferryman.cli.maintenance import Maintenance
from ferryman.cli.settings import Settings, load
from ferryman.cli.up import Stopped, end, say_ready, start, stop_signal, with_options
from ferryman.cli.watch import watched
from ferryman.cli.wiring import Installation
from ferryman.contracts.maintenance import MAINTENANCE
from ferryman.contracts.roles import (
    CRYPTO_SERVER,
    REST_API,
    SM_DP,
    SM_SR,
    SOAP_GATEWAY,
    TRANSPORT_HTTPS,
    TRANSPORT_SMS,
)
from ferryman.contracts.routes import ROLES
from ferryman.errors import InputError
from ferryman.platform.bus_settings import NATS
from ferryman.platform.log import configure
from ferryman.transport_sms.settings import accounts_of

CORE = "core"
INSIDE = frozenset({SM_DP, SM_SR, CRYPTO_SERVER})  # what the operator's tools speak to
SERVICES: dict[str, frozenset[str]] = {CORE: INSIDE, **{role: frozenset({role}) for role in ROLES}}


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, roles: frozenset[str], stop: asyncio.Event
) -> AsyncIterator[tuple[Installation, dict[str, str]]]:
    """The roles, running, and every address they listen on or speak to; raises Stopped."""
    data = settings.data
    with DataLock(data):
        installation = Installation(replace(settings.configuration(), roles=roles, bus=settings.bus))
        installation.bus.serve(MAINTENANCE, Maintenance(installation).serve)
        control = ControlServer(data, installation.bus.call)
        async with watched(settings.metrics, installation) as seen:
            try:
                await start(installation, stop)
                addresses = {"bus": settings.bus.url} | seen
                await control.start()
                addresses["control"] = str(data / SOCKET)
                if installation.https is not None and settings.https is not None:
                    addresses["https"] = f"{settings.https.host}:{installation.https_port}"
                if installation.soap is not None and settings.soap is not None:
                    addresses["soap"] = installation.soap.ours.url
                if installation.rest is not None and settings.rest is not None:
                    addresses["rest"] = f"{settings.rest.host}:{installation.rest.port}"
                if installation.sms is not None and settings.smpp is not None:
                    addresses["smsc"] = ", ".join(f"{one.host}:{one.port}" for one in accounts_of(settings.smpp))
                yield installation, addresses
            finally:
                await control.stop()
                await installation.stop()


async def serve(
    service: str,
    *,
    data: Path = DATA,
    https: str | None = None,
    workers: int | None = None,
    smsc: str | None = None,
    json: bool = False,
) -> int:
    """Run one service until SIGTERM; needs `[bus] kind = "nats"` in the settings of its data directory.

    Parameters
    ----------
    service
        "core" (SM-DP, SM-SR and CryptoServer), or one of "sm-dp", "sm-sr", "crypto-server", "transport-sms",
        "transport-https", "soap-gateway", "rest-api".
    data
        Data directory of this service alone; its `ferryman.toml` holds the settings.
    https
        HOST:PORT where eUICCs connect; overrides the setting, port 0 takes a free one.
    workers
        So many processes take the connections of eUICCs on the one port; overrides the setting.
    smsc
        SYSTEM_ID@HOST:PORT of the SMSC, its password in the environment as FERRYMAN_SMPP_PASSWORD; overrides
        the setting.
    """
    roles = SERVICES.get(service)
    if roles is None:
        raise InputError("SERVICE", f"must be one of {', '.join(SERVICES)}")
    settings = with_options(load(data), https=https, workers=workers, smsc=smsc)
    if settings.bus.kind != NATS:
        raise InputError(
            "bus.kind", f'must be "{NATS}": a service of its own needs a broker (or use `ferryman up`)'
        )
    if TRANSPORT_SMS in roles and settings.smpp is None:
        raise InputError("smpp", "is needed for transport-sms: give the section or --smsc")
    if TRANSPORT_HTTPS in roles and settings.https is None:
        raise InputError("https", "is needed for transport-https: give the section or --https")
    if SOAP_GATEWAY in roles and settings.soap is None:
        raise InputError("soap", "is needed for soap-gateway: give the section")
    if REST_API in roles and settings.rest is None:
        raise InputError("rest", "is needed for rest-api: give the section")
    configure(settings.log_level, settings.log_format)
    stop = stop_signal()
    with contextlib.suppress(Stopped):
        async with serving(_of_roles(settings, roles), roles, stop) as (installation, addresses):
            say_ready(addresses, json=json)
            await end(installation, stop)
    return output.DONE


def _of_roles(settings: Settings, roles: frozenset[str]) -> Settings:
    """A process knows only what its roles need."""
    return replace(
        settings,
        smpp=settings.smpp if TRANSPORT_SMS in roles else None,
        https=settings.https if TRANSPORT_HTTPS in roles else None,
        soap=settings.soap if SOAP_GATEWAY in roles else None,
        rest=settings.rest if REST_API in roles else None,
    )
