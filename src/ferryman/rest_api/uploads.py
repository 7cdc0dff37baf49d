"""Files of subscriptions that tenants upload: carried to CryptoServer and SM-DP behind the request.

The content holds keys. It is in memory until it has been carried, and stored nowhere; what is stored of an upload
is how far it is, and of a dry run a line for each row. A process that ends leaves it interrupted: the roles behind
know how far they are, and the same file again goes on there.
"""

from __future__ import annotations

import asyncio
import io
from typing import Any

import structlog
from sqlalchemy import Row, delete, insert, select, update

from ferryman.contracts import codes
from ferryman.contracts.imports import KeyRange
from ferryman.errors import FerrymanError, Refused, Unavailable
from ferryman.platform.importing import ImportDone, Importer, ReportLine
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.profile.subscriptions import read_input_variables
from ferryman.rest_api.asking import Asking, Roles
from ferryman.rest_api.bodies_stock import NewRange, NewUpload, Report, ReportRow, Upload
from ferryman.rest_api.endpoint import Absent
from ferryman.rest_api.principal import Principal
from ferryman.rest_api.schema import upload, upload_row

ID_DIGITS = 16  # of the call identifier
MAX_RUNNING = 4  # uploads whose content is in memory at once
KEEP = 30 * 86_400.0  # s that an upload and its report can be looked at
LINES = 2_000  # of a report in one commit: some ten milliseconds of the writer
RUNNING, DONE, FAILED, INTERRUPTED = "running", "done", "failed", "interrupted"
AGAIN = "interrupted: upload the file again under another Idempotency-Key, or this one; it goes on where it was"
NOTED = 0.5  # s between two notes of how far it is

log = structlog.get_logger("ferryman.rest_api.uploads")


class UploadBook:
    """The uploads of this installation; every method takes the tenant, and another one's are absent."""

    def __init__(self, mailbox: Mailbox, ask: Asking) -> None:
        self._mailbox = mailbox
        self._ask = ask
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}  # upload -> tenant, task

    async def start(self) -> None:
        """What an earlier run had under way has no content any more."""
        values = {"state": INTERRUPTED, "problem": AGAIN}
        statement = update(upload).where(upload.c.state == RUNNING).values(**values)
        await self._mailbox.transact(lambda tx: tx.connection.execute(statement) and None)

    async def stop(self) -> None:
        """What is under way stops between two questions; the next start says so."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def begin(self, who: Principal, asked: NewUpload | NewRange, call_id: str) -> Upload:
        """Start to carry a file; the same call again finds it, and starts it again when it had been interrupted.

        Raises Refused while another one of the tenant, or too many of others, are under way.
        """
        if isinstance(asked, NewUpload) and asked.generate and (asked.dry_run or asked.mapping or asked.sealed):
            raise Refused(*codes.FORMAT_INVALID, "generate: goes with no mapping and no envelope and is never dry")
        name = call_id[:ID_DIGITS]
        if name in self._running:
            return await self.show(who.tenant, name)
        if any(tenant == who.tenant for tenant, _ in self._running.values()):
            raise Refused(*codes.BUSY, "another upload of yours is under way")
        if len(self._running) >= MAX_RUNNING:
            raise Refused(*codes.BUSY, f"{MAX_RUNNING} uploads are under way")

        def unit(tx: Tx) -> bool:
            _forget(tx)
            state = tx.connection.execute(select(upload.c.state).where(upload.c.id == name)).scalar()
            if state in (DONE, FAILED):
                return False
            _enter(tx, name, who, asked)
            return True

        if await self._mailbox.transact(unit):
            task = asyncio.get_running_loop().create_task(self._carry(name, who, asked), name=f"upload {name}")
            self._running[name] = (who.tenant, task)
            task.add_done_callback(lambda _: self._running.pop(name, None) and None)
        return await self.show(who.tenant, name)

    async def _carry(self, name: str, who: Principal, asked: NewUpload | NewRange) -> None:
        """The import, and its end."""
        lines: list[ReportLine] = []
        progress: dict[str, Any] = {}

        def far(rows: int, done: int, whole: int) -> None:
            progress.update(rows=rows, progress=round(done / max(1, whole), 3))

        writing = asyncio.get_running_loop().create_task(self._write(name, lines, progress))
        report = lines.append if isinstance(asked, NewUpload) and (asked.dry_run or asked.report) else None
        importer = Importer(Roles(self._ask, who.tenant), report=report, progress=far)
        try:
            end = await _import(importer, asked)
        finally:
            writing.cancel()
            (written,) = await asyncio.gather(writing, return_exceptions=True)
        try:
            if isinstance(written, Unavailable):
                raise written
            await self._flush(name, lines, progress)
        except Unavailable:
            end = {"state": INTERRUPTED, "problem": AGAIN}

        def unit(tx: Tx) -> None:
            tx.connection.execute(update(upload).where(upload.c.id == name).values(updated=tx.now, **end))
            tx.audit(
                actor=who.actor, action="Upload", object=name, outcome=end["state"], detail=asked.profile_type
            )

        while True:
            try:
                await self._mailbox.transact(unit)
            except Unavailable as problem:
                await asyncio.sleep(problem.retry_after)
            else:
                break
        log.info("upload ended", upload=name, state=end["state"])

    async def _write(self, name: str, lines: list[ReportLine], progress: dict[str, Any]) -> None:
        """Write down how far it is, every now and then."""
        while True:
            await asyncio.sleep(NOTED)
            await self._flush(name, lines, progress)

    async def _flush(self, name: str, lines: list[ReportLine], progress: dict[str, Any]) -> None:
        while lines or progress:
            some, far = lines[:LINES], dict(progress)
            del lines[:LINES]
            progress.clear()
            rows = [
                {
                    "upload": name,
                    "line": one.line,
                    "iccid": one.iccid,
                    "outcome": one.outcome,
                    "column": one.column,
                    "rule": one.rule,
                }
                for one in some
            ]

            def unit(tx: Tx, rows: list[dict[str, Any]] = rows, far: dict[str, Any] = far) -> None:
                if rows:
                    tx.connection.execute(insert(upload_row), rows)
                if far:
                    tx.connection.execute(update(upload).where(upload.c.id == name).values(updated=tx.now, **far))

            await asyncio.shield(self._mailbox.transact(unit, long=True))

    # -- looking ------------------------------------------------------------------------------------------------

    async def show(self, tenant: str, name: str) -> Upload:
        """One; raises Absent."""
        statement = select(upload).where(upload.c.id == name, upload.c.tenant == tenant)
        row = await self._mailbox.store.read(lambda c: c.execute(statement).first())
        if row is None:
            raise Absent("upload", name)
        return _view(row)

    async def page(self, tenant: str, before: int, limit: int) -> tuple[tuple[int, Upload], ...]:
        """The last ones, each with its number; those older than `before` (0: the last)."""
        statement = select(upload).where(upload.c.tenant == tenant).order_by(upload.c.seq.desc()).limit(limit)
        if before:
            statement = statement.where(upload.c.seq < before)
        rows = await self._mailbox.store.read(lambda c: list(c.execute(statement)))
        return tuple((row.seq, _view(row)) for row in rows)

    async def report(self, tenant: str, name: str, *, outcome: str, after: int, limit: int) -> Report:
        """Rows of a dry run in the order of the file; raises Absent."""
        await self.show(tenant, name)
        c = upload_row.c
        statement = select(upload_row).where(c.upload == name, c.number > after).order_by(c.number).limit(limit)
        if outcome:
            statement = statement.where(c.outcome == outcome)
        rows = await self._mailbox.store.read(lambda connection: list(connection.execute(statement)))
        items = tuple(
            ReportRow(line=row.line, iccid=row.iccid, outcome=row.outcome, column=row.column, rule=row.rule)
            for row in rows
        )
        return Report(items=items, next=str(rows[-1].number) if len(rows) == limit else "")


def _enter(tx: Tx, name: str, who: Principal, asked: NewUpload | NewRange) -> None:
    """An upload that begins, again perhaps."""
    tx.connection.execute(delete(upload).where(upload.c.id == name))
    tx.connection.execute(delete(upload_row).where(upload_row.c.upload == name))
    tx.connection.execute(
        insert(upload).values(
            id=name,
            tenant=who.tenant,
            profile_type=asked.profile_type,
            dry_run=int(isinstance(asked, NewUpload) and asked.dry_run),
            state=RUNNING,
            progress=0.0,
            rows=0,
            new=0,
            known=0,
            refused=0,
            problem="",
            import_id="",
            created=tx.now,
            updated=tx.now,
        )
    )
    tx.audit(actor=who.actor, action="Upload", object=name, outcome=RUNNING, detail=asked.profile_type)


def _forget(tx: Tx) -> None:
    """Uploads that nobody looks at any more, with their reports."""
    old = select(upload.c.id).where(upload.c.updated < tx.now - KEEP, upload.c.state != RUNNING)
    tx.connection.execute(delete(upload_row).where(upload_row.c.upload.in_(old)))
    tx.connection.execute(delete(upload).where(upload.c.updated < tx.now - KEEP, upload.c.state != RUNNING))


async def _import(importer: Importer, asked: NewUpload | NewRange) -> dict[str, Any]:
    """How the import ended; raises nothing."""
    try:
        done = await _imported(importer, asked)
    except Unavailable as problem:
        return {"state": INTERRUPTED, "problem": f"{problem}; {AGAIN}"}
    except FerrymanError as problem:
        return {"state": FAILED, "problem": str(problem)}
    except Exception as problem:  # the outermost frame of this work: its row must not say "running" for ever
        log.error("upload failed", problem=type(problem).__name__)
        return {"state": FAILED, "problem": "this is a fault of the platform; it was written to its log"}
    return _done(done)


async def _imported(importer: Importer, asked: NewUpload | NewRange) -> ImportDone:
    kind = asked.profile_type
    if isinstance(asked, NewRange):
        return await importer.range(_whole_range(asked), kind)
    if asked.generate:
        return await importer.range(_range(asked), kind)
    content, dry = io.BytesIO(asked.content), asked.dry_run
    if asked.sealed:
        return await importer.envelope(content, kind, mapping=asked.mapping, signer=asked.signed_by, dry_run=dry)
    return await importer.file(content, kind, mapping=asked.mapping, dry_run=dry)


def _whole_range(asked: NewRange) -> KeyRange:
    return KeyRange(
        iccid=asked.first_iccid,
        imsi=asked.first_imsi,
        msisdn=asked.first_msisdn,
        count=asked.count,
        algorithm=asked.algorithm,
        key_bytes=asked.key_bytes,
        operator_key=asked.operator_key,
    )


def _range(asked: NewUpload) -> KeyRange:
    """What an input file orders; raises InputError."""
    found = read_input_variables(asked.content)
    return KeyRange(
        iccid=found.first_iccid,
        imsi=found.first_imsi,
        msisdn="",
        count=found.quantity,
        algorithm=asked.algorithm,
        operator_key=asked.operator_key,
    )


def _done(done: ImportDone) -> dict[str, Any]:
    return {
        "state": DONE,
        "progress": 1.0,
        "rows": done.new + done.known + done.refused,
        "new": done.new,
        "known": done.known,
        "refused": done.refused,
        "import_id": "" if done.dry_run else done.import_id,
    }


def _view(row: Row[Any]) -> Upload:
    return Upload(
        upload_id=row.id,
        profile_type=row.profile_type,
        dry_run=bool(row.dry_run),
        state=row.state,
        progress=row.progress,
        rows=row.rows,
        new=row.new,
        known=row.known,
        refused=row.refused,
        problem=row.problem,
        import_id=row.import_id,
        created=row.created,
        updated=row.updated,
    )
