"""A small ESME: binds as transceiver, submits, takes what is delivered (SMPP 3.4 clauses 2 and 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.pdu import FrameError, Framer, Pdu, PduError

ANSWER_SECONDS = 30.0  # response_timer
READ_SIZE = 65_536
INTERNATIONAL, E164 = 1, 1
PID_DATA_DOWNLOAD, DCS_CLASS_2 = 0x7F, 0xF6  # TS 23.040 9.2.3.9, TS 23.038 4


class EsmeError(ConnectionError):
    """The SMSC refused the bind or the message, or is gone."""


class Esme:
    """One bound session; `on_message(source digits, user data)` hears mobile-originated messages."""

    def __init__(self, system_id: str, password: str, on_message: Callable[[str, bytes], None]) -> None:
        self._log_in: smpp.Fields = {"system_id": system_id, "password": password, "interface_version": 0x34}
        self._on_message = on_message
        self._answers: dict[int, asyncio.Future[Pdu]] = {}
        self._sequence = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def bind(self, host: str, port: int) -> None:
        """Connect and bind. Raises OSError, of which EsmeError is one."""
        reader, self._writer = await asyncio.open_connection(host, port)
        self._reading = asyncio.get_running_loop().create_task(self._read(reader, self._writer))
        answer = await self._ask(Pdu("bind_transceiver", fields=self._log_in))
        if answer.status != smpp.OK:
            await self.close()
            raise EsmeError(f"bind refused with {answer.status:#x}")

    async def close(self) -> None:
        """Drop the connection."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()

    async def submit(self, source: str, destination: str, ud: bytes) -> None:
        """Submit one message with a user data header for the card. Raises EsmeError."""
        fields: smpp.Fields = {
            "source_addr_ton": INTERNATIONAL,
            "source_addr_npi": E164,
            "source_addr": source.removeprefix("+"),
            "dest_addr_ton": INTERNATIONAL,
            "dest_addr_npi": E164,
            "destination_addr": destination.removeprefix("+"),
            "esm_class": smpp.ESM_UDHI,
            "protocol_id": PID_DATA_DOWNLOAD,
            "data_coding": DCS_CLASS_2,
            "short_message": ud,
        }
        answer = await self._ask(Pdu("submit_sm", fields=fields))
        if answer.status != smpp.OK:
            raise EsmeError(f"submission refused with {answer.status:#x}")

    async def _ask(self, request: Pdu) -> Pdu:
        if self._writer is None or self._writer.is_closing():
            raise EsmeError("not connected")
        self._sequence += 1
        number = self._sequence
        waiting: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._answers[number] = waiting
        try:
            self._writer.write(smpp.encode(Pdu(request.command, smpp.OK, number, request.fields)))
            async with asyncio.timeout(ANSWER_SECONDS):
                return await waiting
        except TimeoutError as error:
            raise EsmeError("no answer") from error
        finally:
            del self._answers[number]

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer()
        try:
            while data := await reader.read(READ_SIZE):
                for frame in framer.feed(data):
                    self._received(smpp.decode(frame), writer)
        except (ConnectionError, FrameError, PduError):
            # Nothing more can come; whoever waits hears it below.
            pass
        finally:
            writer.close()
            for waiting in self._answers.values():
                if not waiting.done():
                    waiting.set_exception(EsmeError("connection closed"))

    def _received(self, pdu: Pdu, writer: asyncio.StreamWriter) -> None:
        if pdu.command.endswith("_resp") or pdu.command == "generic_nack":
            waiting = self._answers.get(pdu.sequence)
            if waiting is not None and not waiting.done():
                waiting.set_result(pdu)
            return
        if pdu.command == "deliver_sm" and not pdu.number("esm_class") & smpp.ESM_RECEIPT:
            self._on_message(pdu.text("source_addr").removeprefix("+"), pdu.octets("short_message"))
        if pdu.command in ("deliver_sm", "enquire_link", "unbind"):
            writer.write(smpp.encode(pdu.reply()))
