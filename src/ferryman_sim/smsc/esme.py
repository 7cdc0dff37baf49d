"""One ESME's connection: bytes to and from the session state, requests to the centre, deliver_sm with a
window.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.accounts import Account
from ferryman_sim.smsc.pdu import Fields, Pdu
from ferryman_sim.smsc.session import Answer, BindRequest, Closed, Request, Session

BIND_SECONDS = 30.0  # session_init_timer: an unbound connection is closed after this
RESPONSE_SECONDS = 30.0  # response_timer of our own requests
ENQUIRE_SECONDS = 60.0  # enquire_link_timer: silence after which we ask
READ_SIZE = 65_536
GARBAGE = bytes.fromhex("00000011000000050000000000000063ff")  # a deliver_sm of one byte, for ESME tests


class Centre(Protocol):
    """What a connection needs of the centre."""

    system_id: str
    window: int

    def log_in(self, bind: Pdu) -> Account | int:
        """The account, or the status that refuses the bind."""

    async def request(self, account: Account, pdu: Pdu) -> Pdu | None:
        """The answer to submit_sm, data_sm, query_sm or cancel_sm; None to stay silent."""


class EsmeConnection:
    """Serves one TCP connection until it ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, centre: Centre) -> None:
        self._reader = reader
        self._writer = writer
        self._centre = centre
        self._session = Session()
        self._account: Account | None = None
        self._window = asyncio.Semaphore(centre.window)
        self._answers: dict[int, asyncio.Future[Pdu]] = {}
        self._requests: asyncio.Queue[Pdu] = asyncio.Queue()
        self._heard = False

    @property
    def account(self) -> Account | None:
        """The account once bound."""
        return self._account

    @property
    def state(self) -> str:
        """The session's state, for status answers."""
        return self._session.state.value

    async def run(self) -> None:
        """Until unbind, end of connection or close()."""
        helpers = [asyncio.create_task(self._work()), asyncio.create_task(self._keep_alive())]
        try:
            async with asyncio.timeout(BIND_SECONDS) as patience:
                while data := await self._reader.read(READ_SIZE):
                    self._heard = True
                    if not self._received(data):
                        break
                    if self._account is not None:
                        patience.reschedule(None)
        except (ConnectionError, TimeoutError):
            # The ESME broke off or never bound; nothing is left to say to it.
            return
        finally:
            self.close()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    def close(self) -> None:
        """Drop the connection; what waits for answers fails."""
        if self._account is not None:
            self._account.remove(self)
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("ESME connection closed"))
        self._answers.clear()
        self._writer.close()

    def send_garbage(self) -> None:
        """Send a PDU whose body is broken."""
        self._writer.write(GARBAGE)

    def _flush(self) -> None:
        output = self._session.take_output()
        if output and not self._writer.is_closing():
            self._writer.write(output)

    def _received(self, data: bytes) -> bool:
        """False when the session is over."""
        for event in self._session.receive(data):
            match event:
                case BindRequest(pdu):
                    self._bind(pdu)
                case Request(pdu):
                    self._requests.put_nowait(pdu)
                case Answer(pdu):
                    waiting = self._answers.get(pdu.sequence)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(pdu)
                case Closed():
                    self._flush()
                    return False
        self._flush()
        return True

    def _bind(self, bind: Pdu) -> None:
        found = self._centre.log_in(bind)
        if isinstance(found, int):
            self._session.refuse_bind(bind, found)
            return
        self._account = found
        self._session.accept_bind(bind, self._centre.system_id)
        self._flush()
        if self._session.receives:
            found.add(self)

    async def _work(self) -> None:
        while True:
            pdu = await self._requests.get()
            if self._account is not None:
                answer = await self._centre.request(self._account, pdu)
                if answer is not None:
                    self._session.send(answer)
                    self._flush()
                    await self._writer.drain()

    async def _keep_alive(self) -> None:
        while True:
            self._heard = False
            await asyncio.sleep(ENQUIRE_SECONDS)
            if self._heard or self._account is None:
                continue
            try:
                await self._ask("enquire_link", {}, ())
            except (ConnectionError, TimeoutError):
                self._writer.close()
                return

    async def _ask(self, command: str, fields: Fields, tlvs: tuple[tuple[int, bytes], ...]) -> Pdu:
        if self._writer.is_closing():
            raise ConnectionResetError("ESME connection closed")
        sequence = self._session.request(command, fields, tlvs)
        waiting: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._answers[sequence] = waiting
        self._flush()
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                return await waiting
        finally:
            self._answers.pop(sequence, None)

    async def deliver(self, fields: Fields, tlvs: tuple[tuple[int, bytes], ...]) -> int:
        """One deliver_sm within the window; the status of its answer. Raises ConnectionError, TimeoutError."""
        async with self._window:
            answer = await self._ask("deliver_sm", fields, tlvs)
        return answer.status if answer.command == "deliver_sm_resp" else smpp.SYSTEM_ERROR
