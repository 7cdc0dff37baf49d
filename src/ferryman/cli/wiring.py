"""Puts the roles of one installation together in one process: the only place that picks real adapters.

Each role gets a database file of its own; they meet only at the bus and at the call port, as bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ferryman.cli.broker import Way, open_broker
from ferryman.cli.databases import AnyStore, open_database
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
from ferryman.crypto_server import schema as crypto_schema
from ferryman.crypto_server.role import CryptoServer
from ferryman.crypto_server.vault import Vault, open_key_file
from ferryman.errors import InputError, Unavailable
from ferryman.platform.bus import Handler, InProcessBus
from ferryman.platform.bus_settings import NATS, BusSettings
from ferryman.platform.clock import Clock, Entropy, LoopClock, system_entropy
from ferryman.platform.database_settings import DatabaseSettings
from ferryman.platform.engine import Engine
from ferryman.platform.journal_settings import JournalSettings
from ferryman.platform.mailbox import Mailbox
from ferryman.platform.migrate import upgrade
from ferryman.platform.retention import OwnSweep, RetentionSettings, Sweeper
from ferryman.platform.schema import PlatformTables
from ferryman.platform.store import CommitHook
from ferryman.rest_api.settings import RESTSettings
from ferryman.sm_dp import schema as dp_schema
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_dp.role import SMDP
from ferryman.sm_sr import schema as sr_schema
from ferryman.sm_sr.queue.retention import sweep as sweep_queue
from ferryman.sm_sr.records import SRSettings
from ferryman.sm_sr.role import SMSR
from ferryman.soap_gateway import schema as soap_schema
from ferryman.soap_gateway.role import SOAPGateway
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.transport_https import schema as https_schema
from ferryman.transport_https.role import TransportHTTPS
from ferryman.transport_https.session import HTTPSSettings
from ferryman.transport_sms import schema as sms_schema
from ferryman.transport_sms.role import TransportSMS
from ferryman.transport_sms.settings import SMPPSettings
from ferryman.workflow.plan import Transport

if TYPE_CHECKING:
    from ferryman.platform.nats_bus import NatsBus
    from ferryman.rest_api.role import RESTAPI

VAULT_KEY = "vault.key"
REST_KEY = "rest-api.key"  # of the secrets of accounts; no key of a card
OWN_SWEEPS: dict[str, OwnSweep] = {SM_SR: sweep_queue}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What one installation is made of; a transport without settings is not installed."""

    data: Path
    sm_sr: SRSettings = field(default_factory=SRSettings)
    sm_dp: DPSettings = field(default_factory=DPSettings)
    smpp: SMPPSettings | tuple[SMPPSettings, ...] | None = None
    https: HTTPSSettings | None = None
    soap: SOAPSettings | None = None
    rest: RESTSettings | None = None
    roles: frozenset[str] = frozenset(ROLES)  # those of this process; the others are reached over the bus
    bus: BusSettings = field(default_factory=BusSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    threaded: bool = True
    on_commit: CommitHook | None = None  # for the crash tests, as is the next
    before_commit: CommitHook | None = None


def installed(configuration: Configuration) -> tuple[str, ...]:
    """Transports with a module; one in a process of its own is believed to be there."""
    sms = configuration.smpp is not None or TRANSPORT_SMS not in configuration.roles
    https = configuration.https is not None or TRANSPORT_HTTPS not in configuration.roles
    there = {Transport.SMS: sms, Transport.HTTPS_PUSH: sms and https, Transport.HTTPS_PULL: https}
    return tuple(name for name in configuration.sm_sr.installed if there[Transport(name)])


class Installation:
    """All roles of one data directory."""

    def __init__(
        self, configuration: Configuration, *, clock: Clock | None = None, entropy: Entropy | None = None
    ) -> None:
        self.configuration = configuration
        self.bus = InProcessBus()
        self._broker: dict[str, NatsBus] = {}
        self._clock = clock
        self._entropy: Entropy = entropy or system_entropy
        self.stores: list[AnyStore] = []
        self.mailboxes: list[Mailbox] = []
        self.commits: dict[str, int] = {}  # by role, of this run
        self.is_started = False
        self.is_lost = asyncio.Event()  # another process has taken over a database of ours: this one must end
        self._stops: list[Callable[[], Awaitable[None]]] = []
        self.https_port = 0
        self.engines: dict[str, Engine] = {}  # by role
        self.sms: TransportSMS | None = None
        self.https: TransportHTTPS | None = None
        self.soap: SOAPGateway | None = None
        self.rest: RESTAPI | None = None

    async def start(self) -> None:
        """Open the databases and start every role; the transports last, when somebody is there to answer.

        What a start that fails (or is given up) has opened is closed again.
        """
        self.clock = self._clock or LoopClock()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        self.is_started = True

    async def _start(self) -> None:
        configuration = self.configuration
        configuration.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._connect()
        if CRYPTO_SERVER in configuration.roles:
            await self._start_crypto()
        if SM_SR in configuration.roles:
            await self._start_sm_sr()
        if SM_DP in configuration.roles:
            await self._start_sm_dp()
        await self._start_transports()
        await self._start_gateway()
        await self._start_rest()
        for remote in self._broker.values():
            await remote.listen()

    @property
    def broker(self) -> tuple[NatsBus, ...]:
        """Connections to the broker, one for each role; none in process."""
        return tuple(self._broker.values())

    async def _start_transports(self) -> None:
        configuration = self.configuration
        if configuration.smpp is not None and TRANSPORT_SMS in configuration.roles:
            self.sms = TransportSMS(
                mailbox=await self._mailbox(TRANSPORT_SMS, sms_schema.PLATFORM),
                settings=configuration.smpp,
                clock=self.clock,
                entropy=self._entropy,
            )
            self._register(TRANSPORT_SMS, self.sms.receive)
            await self._run(self.sms.start, self.sms.stop)
        if configuration.https is not None and TRANSPORT_HTTPS in configuration.roles:
            self.https = TransportHTTPS(
                mailbox=await self._mailbox(TRANSPORT_HTTPS, https_schema.PLATFORM),
                calls=self._way(TRANSPORT_HTTPS),
                settings=configuration.https,
                clock=self.clock,
                entropy=self._entropy,
            )
            self._register(TRANSPORT_HTTPS, self.https.receive)
            await self._run(self.https.start, self.https.stop)
            self.https_port = self.https.server.port

    async def _start_gateway(self) -> None:
        configuration = self.configuration
        if configuration.soap is None or SOAP_GATEWAY not in configuration.roles:
            return
        self.soap = SOAPGateway(
            mailbox=await self._mailbox(SOAP_GATEWAY, soap_schema.PLATFORM),
            calls=self._way(SOAP_GATEWAY),
            settings=configuration.soap,
            clock=self.clock,
            entropy=self._entropy,
            smsr_id=configuration.sm_sr.smsr_id,
            smdp_id=configuration.sm_dp.smdp_id,
            password=self._password,
        )
        self._register(SOAP_GATEWAY, self.soap.receive)
        self._serve(SOAP_GATEWAY, self.soap.serve)
        await self._run(self.soap.start, self.soap.stop)

    async def _start_rest(self) -> None:
        settings = self.configuration.rest
        if settings is None or REST_API not in self.configuration.roles:
            return
        try:  # the web server is loaded by those alone who want one
            from ferryman.rest_api.role import RESTAPI
        except ImportError:
            raise InputError("rest", "needs the packages of ferryman[web]") from None
        from ferryman.rest_api import schema as rest_schema

        self.rest = RESTAPI(
            mailbox=await self._mailbox(REST_API, rest_schema.PLATFORM),
            calls=self._way(REST_API),
            settings=settings,
            clock=self.clock,
            entropy=self._entropy,
            key=open_key_file(self.configuration.data / REST_KEY, self._entropy),
            threaded=self.configuration.threaded,
        )
        self._register(REST_API, self.rest.receive)
        self._serve(REST_API, self.rest.serve)
        await self._run(self.rest.start, self.rest.stop)

    def _password(self, file: str) -> bytes:
        """The password of a peer, from its file in the data directory."""
        try:
            return (self.configuration.data / file).read_bytes().strip()
        except OSError:
            raise Unavailable(f"password file {file}") from None

    async def _start_crypto(self) -> None:
        key = open_key_file(self.configuration.data / VAULT_KEY, self._entropy)
        crypto = CryptoServer(
            mailbox=await self._mailbox(CRYPTO_SERVER, crypto_schema.PLATFORM),
            vault=Vault(key, self._entropy),
            entropy=self._entropy,
        )
        self._serve(CRYPTO_SERVER, crypto.serve)
        await self._run(crypto.start, crypto.stop)

    async def _start_sm_sr(self) -> None:
        configuration = self.configuration
        smsr = SMSR(
            mailbox=await self._mailbox(SM_SR, sr_schema.PLATFORM),
            calls=self._way(SM_SR),
            settings=msgspec.structs.replace(
                configuration.sm_sr,
                installed=installed(configuration),
                announces=configuration.sm_sr.announces or configuration.rest is not None,
            ),
            clock=self.clock,
            entropy=self._entropy,
            smdps=frozenset({configuration.sm_dp.smdp_id}),
            record_steps=self.configuration.journal.steps,
        )
        self.engines[SM_SR] = smsr.engine
        self._register(SM_SR, smsr.receive)
        self._serve(SM_SR, smsr.serve)
        await self._run(smsr.start, smsr.stop)

    async def _start_sm_dp(self) -> None:
        configuration = self.configuration
        settings = msgspec.structs.replace(
            configuration.sm_dp,
            smsr_id=configuration.sm_sr.smsr_id,
            tells_operators=configuration.sm_dp.tells_operators or configuration.soap is not None,
            announces=configuration.sm_dp.announces or configuration.rest is not None,
        )
        smdp = SMDP(
            mailbox=await self._mailbox(SM_DP, dp_schema.PLATFORM),
            calls=self._way(SM_DP),
            settings=settings,
            clock=self.clock,
            entropy=self._entropy,
            record_steps=self.configuration.journal.steps,
        )
        self.engines[SM_DP] = smdp.engine
        self._register(SM_DP, smdp.receive)
        self._serve(SM_DP, smdp.serve)
        await self._run(smdp.start, smdp.stop)

    # -- the way to the other roles -----------------------------------------------------------------------------

    async def _connect(self) -> None:
        """One connection to the broker for each role, under the role's own name; none in process."""
        configuration = self.configuration
        if configuration.bus.kind != NATS:
            return
        for role in sorted(configuration.roles):
            self._broker[role] = open_broker(
                configuration.bus,
                role,
                clock=self.clock,
                entropy=self._entropy,
                local=self.bus,
                local_roles=configuration.roles,
            )
        for remote in self._broker.values():
            await remote.start()

    def _way(self, role: str) -> Way:
        return self._broker.get(role, self.bus)

    def _register(self, role: str, handler: Handler) -> None:
        self.bus.register(role, handler)
        if role in self._broker:
            self._broker[role].register(handler)

    def _serve(self, role: str, server: Callable[[str, bytes], Awaitable[bytes]]) -> None:
        self.bus.serve(role, server)
        if role in self._broker:
            self._broker[role].serve(server)

    async def _mailbox(self, role: str, tables: PlatformTables) -> Mailbox:
        configuration = self.configuration
        store = await open_database(
            configuration.database,
            role,
            configuration.data,
            threaded=configuration.threaded,
            on_lost=self.is_lost.set,
            on_commit=self._counted(role),
            before_commit=configuration.before_commit,
        )
        self.stores.append(store)
        await upgrade(store, role)
        mailbox = Mailbox(role=role, store=store, tables=tables, bus=self._way(role), clock=self.clock)
        self.mailboxes.append(mailbox)
        sweeper = Sweeper(mailbox, configuration.retention, OWN_SWEEPS.get(role))
        await self._run(sweeper.start, sweeper.stop)
        return mailbox

    def _counted(self, role: str) -> CommitHook:
        """Counts the commits of a role, in front of the hook of the crash tests."""
        hook = self.configuration.on_commit
        self.commits[role] = 0

        def count(number: int) -> bool:
            self.commits[role] += 1
            return hook is not None and hook(number)

        return count

    async def _run(self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._stops.append(stop)  # a part whose start fails has begun, too
        await start()

    async def stop(self) -> None:
        """Stop in reverse order; what was accepted is in the databases."""
        self.is_started = False
        await asyncio.gather(*(remote.drain() for remote in self._broker.values()))
        for stop in reversed(self._stops):
            await stop()
        self._stops.clear()
        await asyncio.gather(*(remote.stop() for remote in self._broker.values()))
        self._broker.clear()
        self.mailboxes.clear()
        self.engines.clear()
        await asyncio.gather(*(store.close() for store in self.stores))
        self.stores.clear()
