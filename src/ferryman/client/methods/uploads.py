# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: uploads."""

from __future__ import annotations

from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import ReportRow, Upload
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender

UPLOAD_SUBSCRIPTIONS: Operation[Upload] = Operation(
    "upload_subscriptions",
    "POST",
    "/uploads",
    Upload,
    once=True,
    defaults={
        "mapping": "",
        "dry_run": False,
        "report": False,
        "openpgp": False,
        "signed_by": "",
        "generate": False,
        "algorithm": "milenage",
        "operator_key": "",
    },
)
GENERATE_SUBSCRIPTIONS: Operation[Upload] = Operation(
    "generate_subscriptions",
    "POST",
    "/ranges",
    Upload,
    once=True,
    defaults={"first_msisdn": "", "algorithm": "milenage", "key_bytes": 16, "operator_key": ""},
)
LIST_UPLOADS: Operation[Page[Upload]] = Operation(
    "list_uploads", "GET", "/uploads", Page[Upload], defaults={"after": "", "limit": 50}
)
SHOW_UPLOAD: Operation[Upload] = Operation("show_upload", "GET", "/uploads/{upload_id}", Upload)
SHOW_REPORT: Operation[Page[ReportRow]] = Operation(
    "show_report",
    "GET",
    "/uploads/{upload_id}/report",
    Page[ReportRow],
    defaults={"after": "", "limit": 50, "outcome": ""},
)


class Uploads(Sender):
    """Methods that block."""

    def upload_subscriptions(
        self,
        *,
        profile_type: str,
        content: bytes,
        mapping: str = "",
        dry_run: bool = False,
        report: bool = False,
        openpgp: bool = False,
        signed_by: str = "",
        generate: bool = False,
        algorithm: Literal["milenage", "tuak", "test", "xor"] = "milenage",
        operator_key: str = "",
        idempotency_key: str = "",
    ) -> Upload:
        """Import subscriptions from a file, whole or not at all.

        A file of subscriptions: CSV, or a card maker's .inp or .out (base64), for a profile type. `mapping` (YAML,
        as of `ferryman subscription import --mapping`) declares format, columns, their spelling and transport
        keys; nothing is guessed. A dry run goes through the whole file and keeps nothing; what becomes of each row
        is reported then, and with `report` of an import, too. With `openpgp` the file is in an envelope for our
        OpenPGP key, with `signed_by` one that the correspondent of that name has signed. With `generate` the file
        is an input file (.inp) that says how many from which ICCID and IMSI on, and the server makes the keys: for
        `algorithm`, with the OP or TOP named `operator_key` or an OPc for each. Needs the right `stock:write`.
        """
        return self._send(
            UPLOAD_SUBSCRIPTIONS.call(
                body={
                    "profile_type": profile_type,
                    "content": content,
                    "mapping": mapping,
                    "dry_run": dry_run,
                    "report": report,
                    "openpgp": openpgp,
                    "signed_by": signed_by,
                    "generate": generate,
                    "algorithm": algorithm,
                    "operator_key": operator_key,
                },
                idempotency_key=idempotency_key,
            )
        )

    def generate_subscriptions(
        self,
        *,
        profile_type: str,
        first_iccid: str,
        first_imsi: str,
        count: int,
        first_msisdn: str = "",
        algorithm: Literal["milenage", "tuak", "test", "xor"] = "milenage",
        key_bytes: int = 16,
        operator_key: str = "",
        idempotency_key: str = "",
    ) -> Upload:
        """Make subscriptions of a range, whole or not at all; an upload, too.

        Subscriptions of a range: the server makes Ki, OPc, codes and OTA keys for a profile type. `first_iccid`
        has 18 digits, or 19 with the check digit; `operator_key` names the OP or TOP, without it each subscription
        has an OPc or TOPc of its own. The same range again changes nothing. Needs the right `stock:write`.
        """
        return self._send(
            GENERATE_SUBSCRIPTIONS.call(
                body={
                    "profile_type": profile_type,
                    "first_iccid": first_iccid,
                    "first_imsi": first_imsi,
                    "first_msisdn": first_msisdn,
                    "count": count,
                    "algorithm": algorithm,
                    "key_bytes": key_bytes,
                    "operator_key": operator_key,
                },
                idempotency_key=idempotency_key,
            )
        )

    def list_uploads(self, *, after: str = "", page_size: int = 50) -> Pages[Upload]:
        """Uploads of the last 30 days, the newest first.

        Needs the right `stock:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_UPLOADS.call(query={"after": after, "limit": page_size}))

    def show_upload(self, upload_id: str) -> Upload:
        """How far an upload is, or what became of it.

        Needs the right `stock:read`.
        """
        return self._send(SHOW_UPLOAD.call(upload_id))

    def show_report(
        self,
        upload_id: str,
        *,
        after: str = "",
        page_size: int = 50,
        outcome: Literal["", "new", "known", "refused"] = "",
    ) -> Pages[ReportRow]:
        """Every row of a dry run or reported import.

        Rows with one outcome, or all. Needs the right `stock:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            SHOW_REPORT.call(upload_id, query={"after": after, "limit": page_size, "outcome": outcome})
        )


class AsyncUploads(AsyncSender):
    """Methods that are awaited."""

    async def upload_subscriptions(
        self,
        *,
        profile_type: str,
        content: bytes,
        mapping: str = "",
        dry_run: bool = False,
        report: bool = False,
        openpgp: bool = False,
        signed_by: str = "",
        generate: bool = False,
        algorithm: Literal["milenage", "tuak", "test", "xor"] = "milenage",
        operator_key: str = "",
        idempotency_key: str = "",
    ) -> Upload:
        """Import subscriptions from a file, whole or not at all.

        A file of subscriptions: CSV, or a card maker's .inp or .out (base64), for a profile type. `mapping` (YAML,
        as of `ferryman subscription import --mapping`) declares format, columns, their spelling and transport
        keys; nothing is guessed. A dry run goes through the whole file and keeps nothing; what becomes of each row
        is reported then, and with `report` of an import, too. With `openpgp` the file is in an envelope for our
        OpenPGP key, with `signed_by` one that the correspondent of that name has signed. With `generate` the file
        is an input file (.inp) that says how many from which ICCID and IMSI on, and the server makes the keys: for
        `algorithm`, with the OP or TOP named `operator_key` or an OPc for each. Needs the right `stock:write`.
        """
        return await self._send(
            UPLOAD_SUBSCRIPTIONS.call(
                body={
                    "profile_type": profile_type,
                    "content": content,
                    "mapping": mapping,
                    "dry_run": dry_run,
                    "report": report,
                    "openpgp": openpgp,
                    "signed_by": signed_by,
                    "generate": generate,
                    "algorithm": algorithm,
                    "operator_key": operator_key,
                },
                idempotency_key=idempotency_key,
            )
        )

    async def generate_subscriptions(
        self,
        *,
        profile_type: str,
        first_iccid: str,
        first_imsi: str,
        count: int,
        first_msisdn: str = "",
        algorithm: Literal["milenage", "tuak", "test", "xor"] = "milenage",
        key_bytes: int = 16,
        operator_key: str = "",
        idempotency_key: str = "",
    ) -> Upload:
        """Make subscriptions of a range, whole or not at all; an upload, too.

        Subscriptions of a range: the server makes Ki, OPc, codes and OTA keys for a profile type. `first_iccid`
        has 18 digits, or 19 with the check digit; `operator_key` names the OP or TOP, without it each subscription
        has an OPc or TOPc of its own. The same range again changes nothing. Needs the right `stock:write`.
        """
        return await self._send(
            GENERATE_SUBSCRIPTIONS.call(
                body={
                    "profile_type": profile_type,
                    "first_iccid": first_iccid,
                    "first_imsi": first_imsi,
                    "first_msisdn": first_msisdn,
                    "count": count,
                    "algorithm": algorithm,
                    "key_bytes": key_bytes,
                    "operator_key": operator_key,
                },
                idempotency_key=idempotency_key,
            )
        )

    def list_uploads(self, *, after: str = "", page_size: int = 50) -> AsyncPages[Upload]:
        """Uploads of the last 30 days, the newest first.

        Needs the right `stock:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_UPLOADS.call(query={"after": after, "limit": page_size}))

    async def show_upload(self, upload_id: str) -> Upload:
        """How far an upload is, or what became of it.

        Needs the right `stock:read`.
        """
        return await self._send(SHOW_UPLOAD.call(upload_id))

    def show_report(
        self,
        upload_id: str,
        *,
        after: str = "",
        page_size: int = 50,
        outcome: Literal["", "new", "known", "refused"] = "",
    ) -> AsyncPages[ReportRow]:
        """Every row of a dry run or reported import.

        Rows with one outcome, or all. Needs the right `stock:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            SHOW_REPORT.call(upload_id, query={"after": after, "limit": page_size, "outcome": outcome})
        )
