"""Files and ranges of subscriptions to a platform elsewhere, and files for an HLR from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, BinaryIO, cast

from ferryman.cli.remote.table import PAGE
from ferryman.client import AsyncClient
from ferryman.client.methods.answers import Upload
from ferryman.contracts.imports import KeyRange
from ferryman.errors import FerrymanError
from ferryman.platform.exporting import ExportedRow
from ferryman.platform.importing import ImportDone, Progress, Report, ReportLine

LOOK = 0.3  # s between two looks at how far an import is
WHOLE = 1_000  # parts in which progress is told
RUNNING, DONE = "running", "done"


class NotImported(FerrymanError):
    """Why a file was not imported, in the platform's words."""


class RemoteImporter:
    """An import that the platform carries out, and goes on with when the command ends."""

    def __init__(self, client: AsyncClient, report: Report | None, progress: Progress | None) -> None:
        self._client = client
        self._report = report
        self._progress = progress

    async def file(
        self, stream: BinaryIO, profile_type: str, *, mapping: str = "", dry_run: bool = False
    ) -> ImportDone:
        """Import a file; raises NotImported, ClientError."""
        return await self._sent(stream, profile_type=profile_type, mapping=mapping, dry_run=dry_run)

    async def envelope(
        self, stream: BinaryIO, profile_type: str, *, mapping: str = "", signer: str = "", dry_run: bool = False
    ) -> ImportDone:
        """Import a file in an OpenPGP envelope; raises NotImported, ClientError."""
        return await self._sent(
            stream, profile_type=profile_type, mapping=mapping, signed_by=signer, dry_run=dry_run, openpgp=True
        )

    async def range(self, wanted: KeyRange, profile_type: str) -> ImportDone:
        """Have the keys of a range made; raises NotImported, ClientError."""
        begun = await self._client.generate_subscriptions(
            profile_type=profile_type,
            first_iccid=wanted.iccid,
            first_imsi=wanted.imsi,
            first_msisdn=wanted.msisdn,
            count=wanted.count,
            algorithm=cast(Any, wanted.algorithm),
            key_bytes=wanted.key_bytes,
            operator_key=wanted.operator_key,
        )
        return await self._ended(begun)

    async def _sent(self, stream: BinaryIO, **given: Any) -> ImportDone:
        content = await asyncio.to_thread(stream.read)
        begun = await self._client.upload_subscriptions(content=content, report=self._report is not None, **given)
        return await self._ended(begun)

    async def _ended(self, upload: Upload) -> ImportDone:
        while upload.state == RUNNING:
            if self._progress is not None:
                self._progress(upload.rows, int(upload.progress * WHOLE), WHOLE)
            await asyncio.sleep(LOOK)
            upload = await self._client.show_upload(upload.upload_id)
        if upload.state != DONE:
            raise NotImported(upload.problem)
        if self._report is not None:
            async for row in self._client.show_report(upload.upload_id, page_size=PAGE):
                self._report(ReportLine(row.line, row.iccid, row.outcome, row.column, row.rule))
        return ImportDone(upload.import_id, upload.new, upload.known, upload.refused, upload.dry_run)


class RemoteExporter:
    """What a platform elsewhere gives out, encrypted."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def values(self, import_id: str, key: str, cipher: str) -> AsyncIterator[ExportedRow]:
        """Subscriptions of an import with Ki and OPc under the key of that name; raises ClientError."""
        pages = self._client.export_keys(import_id, under=key, cipher=cast(Any, cipher), page_size=PAGE)
        async for one in pages:
            yield ExportedRow(one.iccid, one.imsi, one.msisdn, one.algorithm, one.ki, one.opc)

    async def sealed(self, import_id: str, recipient: str) -> tuple[int, bytes]:
        """An import in one envelope: how many rows, the envelope; raises ClientError."""
        made = await self._client.export_sealed(import_id, recipient=recipient)
        return made.rows, made.content
