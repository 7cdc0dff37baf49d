"""The role rest-api: HTTP towards an operator's systems, calls towards SM-SR and SM-DP, keys of its own."""

from __future__ import annotations

import asyncio
import socket

from ferryman.contracts import codes, events, rest
from ferryman.contracts.message import Body, decode, encode
from ferryman.contracts.status import failed, from_refusal
from ferryman.errors import InputError, Refused
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.rest_api.app import make_app
from ferryman.rest_api.seal import Seal
from ferryman.rest_api.server import Server, make_server
from ferryman.rest_api.services import make_services
from ferryman.rest_api.settings import RESTSettings
from ferryman.rest_api.watching import Watch

MAX_PAGE = 1000  # accounts in one answer
BACKLOG = 256  # connections that wait to be taken


class RESTAPI:
    """Serves the API and answers the operator's tools about its keys."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        calls: Calls,
        settings: RESTSettings,
        clock: Clock,
        entropy: Entropy,
        key: bytes,
        threaded: bool = True,
    ) -> None:
        self.mailbox = mailbox
        self._settings = settings
        self.watch = Watch(clock)
        self.services = make_services(
            mailbox=mailbox,
            settings=settings,
            clock=clock,
            entropy=entropy,
            calls=calls,
            seal=Seal(key, entropy),
            threaded=threaded,
        )
        self.keys = self.services.keys
        self.app = make_app(self.services, self.watch)
        self._server: Server | None = None
        self._running: asyncio.Task[None] | None = None
        self.port = settings.port

    async def start(self) -> None:
        """Listen; raises InputError when the address is taken or the certificate cannot be read."""
        await self.mailbox.start()
        await self.services.approvals.start()
        await self.services.events.start()
        await self.services.sender.start()
        await self.services.uploads.start()
        if self._settings.listen:
            await self._listen()

    async def _listen(self) -> None:
        settings = self._settings
        try:
            listening = socket.create_server((settings.host, settings.port), backlog=BACKLOG)
        except OSError as problem:
            raise InputError("rest.port", f"cannot listen on {settings.host}:{settings.port}: {problem}") from None
        try:
            self._server = make_server(self.app, settings)
        except InputError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        self._running = asyncio.get_running_loop().create_task(
            self._server.serve(sockets=[listening]), name="rest-api"
        )

    @property
    def ready(self) -> bool:
        """Whether requests are taken, where they are to be."""
        return not self._settings.listen or (self._running is not None and not self._running.done())

    async def stop(self) -> None:
        """Stop; what was accepted is with the roles behind us."""
        self.services.streams.close()
        if self._server is not None and self._running is not None:
            self._server.should_exit = True
            await asyncio.gather(self._running, return_exceptions=True)
        await self.services.uploads.stop()
        await self.services.sender.stop()
        await self.services.events.stop()
        await self.services.approvals.stop()
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """What happened, from SM-SR and SM-DP; returns after its commit."""
        header, happened = decode(raw, events.INCOMING)
        await self.services.events.enter(header, happened)

    async def serve(self, caller: str, raw: bytes) -> bytes:
        """One call of the operator's tools; a refusal is an answer."""
        header, question = decode(raw, rest.REQUEST_CODEC)
        try:
            answer = await self._answer(caller, question)
        except Refused as refusal:
            answer = rest.KeyRefused(status=from_refusal(refusal))
        except InputError as problem:
            answer = rest.KeyRefused(status=failed(*codes.FORMAT_INVALID, str(problem)))
        return encode(header, answer)

    async def _answer(self, caller: str, question: Body) -> Body:
        match question:
            case rest.AddKey():
                return await self.keys.add(question, caller)
            case rest.ListKeys():
                return rest.KeyPage(keys=await self.keys.all())
            case rest.RevokeKey():
                return await self.keys.revoke(question.key_id, caller)
            case rest.AddAccount():
                return await self.services.accounts.add(question, caller)
            case rest.ListAccounts():
                found = await self.services.accounts.page(
                    None, question.after, max(1, min(question.limit, MAX_PAGE))
                )
                return rest.AccountPage(accounts=found)
            case rest.ChangeAccount():
                return await self._change(question, caller)
            case _:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function of the REST API")

    async def _change(self, question: rest.ChangeAccount, caller: str) -> Body:
        accounts = self.services.accounts
        match question.action:
            case "recover":
                return await accounts.recover(question.user_id, caller)
            case "disable" | "enable":
                return await accounts.disable(question.user_id, caller, on=question.action == "disable")
            case _:
                raise InputError("action", "must be disable, enable or recover")
