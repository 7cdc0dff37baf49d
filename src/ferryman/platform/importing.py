"""Carries a subscription file to CryptoServer and SM-DP, run by run, so that memory does not grow with the file.

What an import is called follows from the file and from how it is read: after an interruption the same command
goes on where both roles are, and the file that was imported before changes nothing. Nothing of it can be ordered
before all of it is stored; a row that cannot be taken leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Protocol

import msgspec

from ferryman.contracts import codes, envelopes, imports
from ferryman.contracts.imports import FINISHED, RUNNING, KeyRange, RowProblem
from ferryman.contracts.message import Body
from ferryman.errors import InputError, Refused
from ferryman.profile.subscriptions.heading import MAX_HEADING

RUN_BYTES = 1 << 20  # of a file in one question: some three thousand rows, less than half a second
RANGE_RUN = 2_000  # subscriptions of a range in one question
HASH_BYTES = 1 << 20
DROPPING = "dropping"
FORM = b"ferryman import 2\0"  # part of the name: another way to cut runs gets another


class Ask(Protocol):
    """An operator's calls."""

    owner: str

    async def crypto(self, body: Body) -> Body: ...

    async def sm_dp(self, body: Body) -> Body: ...


class ImportDone(msgspec.Struct, frozen=True):
    """What became of an import: rows that are new, that were there before, that were refused (dry run only)."""

    import_id: str
    new: int
    known: int
    refused: int = 0
    dry_run: bool = False


class ReportLine(msgspec.Struct, frozen=True):
    """What becomes of one row: `outcome` new, known or refused; no secret."""

    line: int
    iccid: str
    outcome: str
    column: str = ""
    rule: str = ""


class _Run(msgspec.Struct, frozen=True):
    number: int
    line: int
    data: bytes
    done: int  # bytes of the file up to its end


type _Question = imports.ImportChunk | imports.GenerateChunk | envelopes.ImportEnvelopeRun
type Report = Callable[[ReportLine], None]
type Progress = Callable[[int, int, int], None]  # rows, bytes, bytes of all


class Importer:
    """One import. `report` gets a line for each row, `progress` a call for each run."""

    def __init__(self, ask: Ask, *, report: Report | None = None, progress: Progress | None = None) -> None:
        self._ask = ask
        self._report = report
        self._progress = progress
        self._rows = 0
        self._refused = 0

    async def file(
        self,
        stream: BinaryIO,
        profile_type: str,
        *,
        mapping: str = "",
        dry_run: bool = False,
    ) -> ImportDone:
        """Import a file; raises Refused for the first row that cannot be taken, with nothing left behind.

        `dry_run` goes through the whole file, reports every row, and leaves nothing behind either.
        """
        import_id, size = _named(stream, (self._ask.owner, profile_type, mapping, "dry" if dry_run else ""))
        stream.seek(0)
        head = stream.read(2 * MAX_HEADING)
        begin = imports.OpenImport(owner=self._ask.owner, import_id=import_id, head=head, mapping=mapping)
        opened, registered = await self._open(begin, profile_type)
        if registered.state != FINISHED and opened.state == RUNNING:
            first = min(opened.chunks, registered.chunks)
            runs = (run for run in _runs(stream, opened.offset, opened.lines) if run.number >= first)
            try:
                await self._carry(
                    import_id,
                    ((self._file_run(import_id, run, lenient=dry_run), run.done) for run in runs),
                    size,
                    lenient=dry_run,
                )
            except InputError:
                await self._drop(import_id)
                raise
        return await self._close(import_id, opened, registered, dry_run=dry_run)

    async def envelope(
        self,
        stream: BinaryIO,
        profile_type: str,
        *,
        mapping: str = "",
        signer: str = "",
        dry_run: bool = False,
    ) -> ImportDone:
        """Import a file in an OpenPGP envelope, which the CryptoServer opens; raises Refused as `file` does.

        With `signer` it must be signed by the key of that name.
        """
        owner = self._ask.owner
        parts = (owner, profile_type, mapping, signer, "dry" if dry_run else "", "openpgp")
        import_id, size = _named(stream, parts)
        begin = imports.OpenImport(owner=owner, import_id=import_id, mapping=mapping, envelope=True)
        registered = await self._registered(begin, profile_type)
        if registered.state == FINISHED:
            return ImportDone(import_id, 0, registered.new + registered.known)
        try:
            runs = await self._hand_over(stream, size, import_id, signer)
        except Refused:
            await self._drop(import_id)
            raise
        opened, registered = await self._open(begin, profile_type)
        if opened.state == RUNNING:
            first = min(opened.chunks, registered.chunks)
            questions = (
                envelopes.ImportEnvelopeRun(owner=owner, import_id=import_id, number=number, lenient=dry_run)
                for number in range(first, runs)
            )
            asked = ((question, question.number + 1) for question in questions)
            await self._carry(import_id, asked, runs, lenient=dry_run)
        return await self._close(import_id, opened, registered, dry_run=dry_run)

    async def _hand_over(self, stream: BinaryIO, size: int, import_id: str, signer: str) -> int:
        """The envelope to the CryptoServer, as far as it has not got it, and its opening; how many runs it has."""
        owner = self._ask.owner
        state = await self._envelope(envelopes.BeginEnvelope(owner=owner, envelope_id=import_id, signer=signer))
        if state.state == envelopes.RECEIVING:
            stream.seek(0)
            for number, data in enumerate(iter(lambda: stream.read(RUN_BYTES), b"")):
                if number >= state.parts:
                    part = envelopes.EnvelopePart(owner=owner, envelope_id=import_id, number=number, data=data)
                    await self._envelope(part)
                self._show(stream.tell(), size)
            state = await self._envelope(envelopes.OpenEnvelope(owner=owner, envelope_id=import_id))
        return state.runs

    async def _envelope(self, body: Body) -> envelopes.EnvelopeState:
        answer = await self._ask.crypto(body)
        if not isinstance(answer, envelopes.EnvelopeState):
            raise TypeError("unexpected answer of the CryptoServer")
        return answer

    async def range(self, wanted: KeyRange, profile_type: str) -> ImportDone:
        """Have the keys of a range made."""
        recipe = msgspec.json.encode(wanted).decode()
        import_id = _digest((self._ask.owner, profile_type, "range", recipe))
        begin = imports.OpenImport(owner=self._ask.owner, import_id=import_id, range=wanted)
        opened, registered = await self._open(begin, profile_type)
        if registered.state != FINISHED and opened.state == RUNNING:
            first = min(opened.chunks, registered.chunks)
            questions = (
                imports.GenerateChunk(
                    owner=self._ask.owner,
                    import_id=import_id,
                    number=number,
                    start=number * RANGE_RUN,
                    count=RANGE_RUN,
                )
                for number in range(first, -(-wanted.count // RANGE_RUN))
            )
            asked = ((question, question.start) for question in questions)
            await self._carry(import_id, asked, wanted.count, lenient=False)
        return await self._close(import_id, opened, registered, dry_run=False)

    # -- both roles -------------------------------------------------------------------------------------------

    async def _open(
        self, begin: imports.OpenImport, profile_type: str
    ) -> tuple[imports.ImportOpened, imports.RegistrationOpened]:
        """Where both roles are; what an earlier run left half dropped is dropped first."""
        import_id = begin.import_id
        registered = await self._registered(begin, profile_type)
        begin = msgspec.structs.replace(
            begin, needs=registered.needs, wants=registered.wants, demands=registered.demands
        )
        try:
            opened = await self._ask.crypto(begin)
        except Refused:
            if registered.state != FINISHED:
                await self._drop(import_id)
            raise
        if not isinstance(opened, imports.ImportOpened):
            raise TypeError("unexpected answer of the CryptoServer")
        if DROPPING in (opened.state, registered.state):
            await self._drop(import_id)
            return await self._open(begin, profile_type)
        return opened, registered

    async def _registered(self, begin: imports.OpenImport, profile_type: str) -> imports.RegistrationOpened:
        """Where the SM-DP is."""
        registration = imports.OpenRegistration(
            owner=begin.owner, profile_type=profile_type, import_id=begin.import_id
        )
        registered = await self._ask.sm_dp(registration)
        if not isinstance(registered, imports.RegistrationOpened):
            raise TypeError("unexpected answer of the SM-DP")
        return registered

    def _file_run(self, import_id: str, run: _Run, *, lenient: bool) -> imports.ImportChunk:
        return imports.ImportChunk(
            owner=self._ask.owner,
            import_id=import_id,
            number=run.number,
            line=run.line,
            data=run.data,
            lenient=lenient,
        )

    async def _carry(
        self, import_id: str, asked: Iterable[tuple[_Question, int]], whole: int, *, lenient: bool
    ) -> None:
        """All runs to both roles; each with how far the import is when it is done.

        Of each run the secrets go first, so that what can be ordered can be personalised. While the SM-DP has a
        run, the CryptoServer has the next one already; a problem is dealt with when both have answered.
        """
        former: tuple[imports.ChunkImported, asyncio.Task[imports.ChunkRegistered], int] | None = None
        for question, done in asked:
            sealing = asyncio.create_task(self._seal(question))
            try:
                if former is not None:
                    await self._settle(import_id, former, sealing, whole, lenient=lenient)
                    former = None
                sealed = await sealing
            finally:
                await asyncio.wait({sealing})
            await self._judge(import_id, sealed.problems, lenient=lenient)
            former = (sealed, asyncio.create_task(self._register(question, sealed, lenient=lenient)), done)
        if former is not None:
            await self._settle(import_id, former, None, whole, lenient=lenient)

    async def _settle(
        self,
        import_id: str,
        former: tuple[imports.ChunkImported, asyncio.Task[imports.ChunkRegistered], int],
        following: asyncio.Task[imports.ChunkImported] | None,
        whole: int,
        *,
        lenient: bool,
    ) -> None:
        """What the SM-DP said of a run; nothing else is out when its problems drop the import."""
        sealed, registering, done = former
        await asyncio.wait({registering, *([following] if following is not None else [])})
        if following is not None:
            following.exception()  # looked at here too: an earlier run's problem comes first
        registered = registering.result()
        await self._judge(import_id, registered.problems, lenient=lenient)
        self._rows += len(sealed.rows) - len(registered.problems)
        self._refused += len({problem.line for problem in (*sealed.problems, *registered.problems)})
        if self._report is not None:
            self._report_run(self._report, sealed, registered)
        self._show(done, whole)

    async def _seal(self, question: _Question) -> imports.ChunkImported:
        sealed = await self._ask.crypto(question)
        if not isinstance(sealed, imports.ChunkImported):
            raise TypeError("unexpected answer of the CryptoServer")
        return sealed

    async def _register(
        self, question: _Question, sealed: imports.ChunkImported, *, lenient: bool
    ) -> imports.ChunkRegistered:
        registered = await self._ask.sm_dp(
            imports.RegisterChunk(
                owner=self._ask.owner,
                import_id=question.import_id,
                number=question.number,
                rows=sealed.rows,
                lines=sealed.lines,
                lenient=lenient,
            )
        )
        if not isinstance(registered, imports.ChunkRegistered):
            raise TypeError("unexpected answer of the SM-DP")
        return registered

    async def _judge(self, import_id: str, problems: tuple[RowProblem, ...], *, lenient: bool) -> None:
        if not problems or lenient:
            return
        await self._drop(import_id)
        first = problems[0]
        more = f" (and {len(problems) - 1} more; a dry run names all)" if len(problems) > 1 else ""
        code = codes.ICCID_IN_USE if first.in_use else codes.FORMAT_INVALID
        raise Refused(*code, f"{first.sentence}{more}")

    async def _close(
        self,
        import_id: str,
        opened: imports.ImportOpened,
        registered: imports.RegistrationOpened,
        *,
        dry_run: bool,
    ) -> ImportDone:
        owner = self._ask.owner
        if registered.state == FINISHED:
            return ImportDone(import_id, 0, registered.new + registered.known)
        if opened.state == RUNNING:
            await self._check_count(import_id, opened, dry_run=dry_run)
        if dry_run:
            done = await self._drop(import_id)
            return ImportDone("", done.new, done.known, self._refused, dry_run=True)  # nothing has that name
        await self._ask.crypto(imports.CloseImport(owner=owner, import_id=import_id, keep=True))
        closed = await self._ask.sm_dp(imports.CloseRegistration(owner=owner, import_id=import_id, keep=True))
        if not isinstance(closed, imports.RegistrationClosed):
            raise TypeError("unexpected answer of the SM-DP")
        return ImportDone(import_id, closed.new, closed.known)

    async def _check_count(self, import_id: str, opened: imports.ImportOpened, *, dry_run: bool) -> None:
        """All rows are there, as many as a header says, and at least one."""
        again = await self._ask.sm_dp(imports.ListImports(owner=self._ask.owner))
        views = again.imports if isinstance(again, imports.ImportPage) else ()
        rows = next((view.rows + view.known for view in views if view.import_id == import_id), 0)
        problem = ""
        if rows + self._refused == 0:
            problem = "has no subscription"
        elif opened.quantity and rows + self._refused != opened.quantity:
            problem = f"has {rows + self._refused} rows, its header says {opened.quantity}"
        if problem:
            await self._drop(import_id)
            raise Refused(*codes.FORMAT_INVALID, f"subscription file: {problem}")
        del dry_run

    async def _drop(self, import_id: str) -> imports.RegistrationClosed:
        """Leave nothing behind; the secrets go first."""
        owner = self._ask.owner
        while True:
            dropped = await self._ask.crypto(imports.CloseImport(owner=owner, import_id=import_id, keep=False))
            if not isinstance(dropped, imports.ImportClosed) or not dropped.left:
                break
        first: imports.RegistrationClosed | None = None
        while True:
            closed = await self._ask.sm_dp(imports.CloseRegistration(owner=owner, import_id=import_id, keep=False))
            if not isinstance(closed, imports.RegistrationClosed):
                raise TypeError("unexpected answer of the SM-DP")
            first = first or closed
            if not closed.left:
                return first

    # -- telling ----------------------------------------------------------------------------------------------

    def _show(self, done: int, whole: int) -> None:
        if self._progress is not None:
            self._progress(self._rows, done, whole)

    def _report_run(
        self, report: Report, sealed: imports.ChunkImported, registered: imports.ChunkRegistered
    ) -> None:
        iccids = dict(zip(sealed.lines, (row.iccid for row in sealed.rows), strict=True))
        known = set(registered.known)
        problems = {problem.line: problem for problem in (*registered.problems, *sealed.problems)}
        for line in sorted(iccids.keys() | problems.keys()):
            problem = problems.get(line)
            if problem is not None:
                report(ReportLine(line, iccids.get(line, ""), "refused", problem.column, problem.rule))
            else:
                report(ReportLine(line, iccids[line], "known" if line in known else "new"))


def _named(stream: BinaryIO, parts: tuple[str, ...]) -> tuple[str, int]:
    """Name of the import and size of the file."""
    digest = hashlib.sha256(FORM)
    for part in parts:
        digest.update(part.encode() + b"\0")
    size = 0
    while piece := stream.read(HASH_BYTES):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256(FORM + b"\0".join(part.encode() for part in parts)).hexdigest()


def _runs(stream: BinaryIO, offset: int, lines: int) -> Iterator[_Run]:
    """Whole lines behind the heading, about RUN_BYTES at a time, always cut at the same places."""
    stream.seek(offset)
    line, done, number, rest = lines + 1, offset, 0, b""
    while True:
        piece = stream.read(RUN_BYTES)
        data = rest + piece
        cut = data.rfind(b"\n") + 1 if piece else len(data)
        if not cut and len(data) > RUN_BYTES:
            raise InputError(f"line {line}", f"has more than {RUN_BYTES} bytes")
        data, rest = data[:cut], data[cut:]
        if data:
            done += len(data)
            yield _Run(number, line, data, done)
            number += 1
            line += data.count(b"\n")
        if not piece:
            return
