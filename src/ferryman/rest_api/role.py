"""The role rest-api: HTTP towards an operator's systems, calls towards SM-SR and SM-DP, keys of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from ferryman.contracts import codes, rest
from ferryman.contracts.message import Body, decode, encode
from ferryman.contracts.status import failed, from_refusal
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.rest_api.app import make_app
from ferryman.rest_api.asking import Asking
from ferryman.rest_api.keys import KeyBook
from ferryman.rest_api.settings import RESTSettings

BACKLOG = 256  # connections that wait to be taken
DRAIN = 5  # s that requests under way may take when we stop


class _Server(uvicorn.Server):
    """Signals are the business of the process, not of one role."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class RESTAPI:
    """Serves the API and answers the operator's tools about its keys."""

    def __init__(
        self, *, mailbox: Mailbox, calls: Calls, settings: RESTSettings, clock: Clock, entropy: Entropy
    ) -> None:
        self.mailbox = mailbox
        self._settings = settings
        self.keys = KeyBook(mailbox, clock, entropy)
        self.app = make_app(ask=Asking(calls, clock, entropy), keys=self.keys, settings=settings)
        self._server: _Server | None = None
        self._running: asyncio.Task[None] | None = None
        self.port = settings.port

    async def start(self) -> None:
        """Listen; raises InputError when the address is taken or the certificate cannot be read."""
        await self.mailbox.start()
        if self._settings.listen:
            await self._listen()

    async def _listen(self) -> None:
        settings = self._settings
        try:
            listening = socket.create_server((settings.host, settings.port), backlog=BACKLOG)
        except OSError as problem:
            raise InputError("rest.port", f"cannot listen on {settings.host}:{settings.port}: {problem}") from None
        config = uvicorn.Config(
            self.app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=settings.max_connections,
            timeout_keep_alive=int(settings.idle_timeout),
            timeout_graceful_shutdown=DRAIN,
            ssl_certfile=settings.certificate_file or None,
            ssl_keyfile=settings.key_file or None,
        )
        try:
            config.load()
        except OSError as problem:  # SSLError is one
            listening.close()
            raise InputError("rest.certificate_file", f"cannot be used: {problem}") from None
        self.port = listening.getsockname()[1]
        self._server = _Server(config)
        self._running = asyncio.get_running_loop().create_task(
            self._server.serve(sockets=[listening]), name="rest-api"
        )

    async def stop(self) -> None:
        """Stop; what was accepted is with the roles behind us."""
        if self._server is not None and self._running is not None:
            self._server.should_exit = True
            await asyncio.gather(self._running, return_exceptions=True)
        await self.mailbox.stop()

    async def receive(self, raw: bytes) -> None:
        """No role has anything to tell this one."""
        del raw
        raise PeerError("no message is for the REST API", field="type")

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
            case _:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function of the REST API")
