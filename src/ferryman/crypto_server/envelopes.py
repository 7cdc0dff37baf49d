"""OpenPGP envelopes of import files and of files for the HLR: in and out in parts, opened and sealed as a whole.

What comes out of an envelope is in clear only in the process that opens it and, a run at a time, here; where it
waits it is sealed by the vault. Nothing of an envelope is imported before its integrity and its signature are
proved, and one that fails leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

from sqlalchemy import Connection

from ferryman.contracts import codes, envelopes
from ferryman.contracts.envelopes import OPENED, RECEIVING, SEALED, STAGING, EnvelopeState
from ferryman.contracts.imports import SubscriptionPublic
from ferryman.contracts.message import Header
from ferryman.crypto_server import envelope_process, envelope_rows
from ferryman.crypto_server.envelope_child import Task
from ferryman.crypto_server.envelope_rows import PART, RUN, Envelope
from ferryman.crypto_server.openpgp_keys import OpenPGPKeys
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.platform.mailbox import Mailbox, Tx

RUN_BYTES = 512 << 10  # of rows in one run; no line may be longer
SEALED_PART = 1 << 20  # bytes of a sealed envelope in one answer
FILE_NAME = "subscriptions.csv"  # in the envelope of an export
EXPORT_HEADING = b"ICCID,IMSI,MSISDN,ALGORITHM,KI,OPC\r\n"

type ClearLines = Callable[[Connection, str, Sequence[SubscriptionPublic]], bytes]
"""Lines of an export with Ki and OPc in clear: connection, owner, rows."""


class Envelopes:
    """Functions on envelopes."""

    def __init__(self, mailbox: Mailbox, vault: Vault, keys: OpenPGPKeys, clear: ClearLines) -> None:
        self._mailbox = mailbox
        self._vault = vault
        self._keys = keys
        self._clear = clear
        self._turn = asyncio.Lock()  # one is opened or sealed at a time: each may take much memory

    # -- in ---------------------------------------------------------------------------------------------------

    async def begin(self, _header: Header, body: envelopes.BeginEnvelope) -> EnvelopeState:
        """Begin an envelope, or say how far it is."""

        def unit(tx: Tx) -> EnvelopeState:
            found = envelope_rows.find(tx.connection, body.owner, body.envelope_id)
            if found is None:
                self._keys.own(tx.connection)
                if body.signer:
                    self._keys.public(tx.connection, body.signer)
                args = (body.owner, body.envelope_id, RECEIVING, body.signer, tx.now)
                found = envelope_rows.create(tx.connection, *args)
            return found.view

        return await self._mailbox.transact(unit)

    async def part(self, _header: Header, body: envelopes.EnvelopePart) -> EnvelopeState:
        """Store one part."""

        def unit(tx: Tx) -> EnvelopeState:
            found = envelope_rows.require(tx.connection, body.owner, body.envelope_id, RECEIVING)
            return envelope_rows.add_part(tx.connection, found, body.number, body.data).view

        return await self._mailbox.transact(unit, long=True)

    async def open(self, header: Header, body: envelopes.OpenEnvelope) -> EnvelopeState:
        """Open it. Raises Refused when it cannot be trusted, with nothing left of it."""
        async with self._turn:
            found = await self._found(body.owner, body.envelope_id, RECEIVING, OPENED)
            if found.state == OPENED:
                return found.view
            try:
                runs = await self._opened(found)
            except (Refused, InputError) as problem:
                reason = str(problem)
                await self._mailbox.transact(lambda tx: self._refuse(tx, header, found, reason), long=True)
                raise

        def unit(tx: Tx) -> EnvelopeState:
            envelope_rows.clear(tx.connection, found.envelope_id, PART)
            detail = f"signed by {found.signer}" if found.signer else "no signature asked for"
            tx.audit(
                actor=header.requester,
                action="OpenEnvelope",
                object=found.envelope_id,
                outcome="done",
                detail=detail,
            )
            return envelope_rows.advance(tx.connection, found, state=OPENED, runs=runs).view

        return await self._mailbox.transact(unit, long=True)

    async def _opened(self, found: Envelope) -> int:
        """Store what is in the envelope, run by run; how many runs."""

        def facts(tx: Tx) -> Task:
            envelope_rows.clear(tx.connection, found.envelope_id, RUN)
            secrets = self._keys.secrets(tx.connection)
            signer = self._keys.public(tx.connection, found.signer) if found.signer else None
            return Task(secrets=secrets, signer=signer, now=tx.now)

        task = await self._mailbox.transact(facts, long=True)
        line, number, rest = 1, 0, b""
        async with aclosing(envelope_process.run(task, self._parts(found))) as pieces:
            async for piece in pieces:
                rest += piece
                while len(rest) > RUN_BYTES:
                    cut = rest.rfind(b"\n", 0, RUN_BYTES) + 1
                    if not cut:
                        raise InputError(f"line {line}", f"has more than {RUN_BYTES} bytes")
                    await self._keep(found.envelope_id, number, line, rest[:cut])
                    line += rest.count(b"\n", 0, cut)
                    number, rest = number + 1, rest[cut:]
        if rest:
            await self._keep(found.envelope_id, number, line, rest)
            number += 1
        return number

    async def _keep(self, envelope_id: str, number: int, line: int, data: bytes) -> None:
        args = (envelope_id, number, line, data)
        await self._mailbox.transact(
            lambda tx: envelope_rows.add_run(tx.connection, self._vault, *args), long=True
        )

    def _refuse(self, tx: Tx, header: Header, found: Envelope, reason: str) -> None:
        envelope_rows.drop(tx.connection, found.envelope_id)
        tx.audit(
            actor=header.requester,
            action="OpenEnvelope",
            object=found.envelope_id,
            outcome="refused",
            detail=reason,
        )

    # -- out --------------------------------------------------------------------------------------------------

    async def stage(self, _header: Header, body: envelopes.StageExport) -> EnvelopeState:
        """Keep one run of a file that goes out."""

        def unit(tx: Tx) -> EnvelopeState:
            found = envelope_rows.find(tx.connection, body.owner, body.envelope_id)
            if found is None:
                args = (body.owner, body.envelope_id, STAGING, "", tx.now)
                found = envelope_rows.create(tx.connection, *args)
            if found.state != STAGING or body.number > found.runs:
                raise Refused(*codes.PROVIDER_ERROR, "the export is another; begin it again")
            if body.number < found.runs:
                return found.view
            lines = self._clear(tx.connection, body.owner, body.rows)
            if found.size + len(lines) > envelope_rows.MAX_ENVELOPE:
                raise InputError("export", f"has more than {envelope_rows.MAX_ENVELOPE >> 20} MiB")
            args_run = (tx.connection, self._vault, found.envelope_id, body.number, 0, lines)
            envelope_rows.add_run(*args_run)
            size = found.size + len(lines)
            return envelope_rows.advance(tx.connection, found, state=STAGING, runs=found.runs + 1, size=size).view

        return await self._mailbox.transact(unit, long=True)

    async def seal(self, header: Header, body: envelopes.SealEnvelope) -> EnvelopeState:
        """Seal what was staged."""
        async with self._turn:
            found = await self._found(body.owner, body.envelope_id, STAGING, SEALED)
            if found.state == SEALED:
                return found.view

            def facts(tx: Tx) -> Task:
                envelope_rows.clear(tx.connection, found.envelope_id, PART)
                own = self._keys.own(tx.connection)
                recipient = self._keys.recipient(tx.connection, body.recipient)
                return Task(secrets=(own,), recipient=recipient, name=FILE_NAME, now=tx.now)

            task = await self._mailbox.transact(facts, long=True)
            parts, size, rest = 0, 0, b""
            async with aclosing(envelope_process.run(task, self._runs(found))) as pieces:
                async for piece in pieces:
                    rest += piece
                    while len(rest) >= SEALED_PART:
                        await self._keep_part(found.envelope_id, parts, rest[:SEALED_PART])
                        parts, size, rest = parts + 1, size + SEALED_PART, rest[SEALED_PART:]
            if rest:
                await self._keep_part(found.envelope_id, parts, rest)
                parts, size = parts + 1, size + len(rest)

        def unit(tx: Tx) -> EnvelopeState:
            envelope_rows.clear(tx.connection, found.envelope_id, RUN)
            detail = f"for {body.recipient}"
            tx.audit(
                actor=header.requester,
                action="SealEnvelope",
                object=found.envelope_id,
                outcome="done",
                detail=detail,
            )
            return envelope_rows.advance(tx.connection, found, state=SEALED, parts=parts, size=size).view

        return await self._mailbox.transact(unit, long=True)

    async def _keep_part(self, envelope_id: str, number: int, data: bytes) -> None:
        args = (envelope_id, number, data)
        await self._mailbox.transact(lambda tx: envelope_rows.put_part(tx.connection, *args), long=True)

    async def read(self, _header: Header, body: envelopes.ReadEnvelope) -> envelopes.EnvelopeData:
        """One part of a sealed envelope."""

        def unit(connection: Connection) -> bytes:
            found = envelope_rows.require(connection, body.owner, body.envelope_id, SEALED)
            return envelope_rows.part_of(connection, found.envelope_id, body.number)

        return envelopes.EnvelopeData(data=await self._mailbox.store.read(unit))

    async def drop(self, _header: Header, body: envelopes.DropEnvelope) -> EnvelopeState:
        """Delete it; a repeat is harmless."""

        def unit(tx: Tx) -> None:
            if envelope_rows.find(tx.connection, body.owner, body.envelope_id) is not None:
                envelope_rows.drop(tx.connection, body.envelope_id)

        await self._mailbox.transact(unit, long=True)
        return EnvelopeState(state="", parts=0, runs=0)

    # -- pieces -----------------------------------------------------------------------------------------------

    async def _found(self, owner: str, envelope_id: str, *states: str) -> Envelope:
        return await self._mailbox.store.read(
            lambda connection: envelope_rows.require(connection, owner, envelope_id, *states)
        )

    async def _parts(self, found: Envelope) -> AsyncIterator[bytes]:
        for number in range(found.parts):
            yield await self._mailbox.store.read(self._reads_part(found.envelope_id, number))

    def _reads_part(self, envelope_id: str, number: int) -> Callable[[Connection], bytes]:
        return lambda connection: envelope_rows.part_of(connection, envelope_id, number)

    async def _runs(self, found: Envelope) -> AsyncIterator[bytes]:
        yield EXPORT_HEADING
        for number in range(found.runs):
            yield await self._mailbox.store.read(self._reads_run(found.envelope_id, number))

    def _reads_run(self, envelope_id: str, number: int) -> Callable[[Connection], bytes]:
        return lambda connection: envelope_rows.run_of(connection, self._vault, envelope_id, number)[1]
