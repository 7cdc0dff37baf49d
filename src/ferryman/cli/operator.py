"""An operator's calls to SM-SR, SM-DP and CryptoServer, from wherever the command runs."""

from __future__ import annotations

import io
import re
import secrets
import time
from collections.abc import AsyncIterator
from typing import BinaryIO, Protocol

from ferryman.contracts import admin, crypto, maintenance, peers, rest
from ferryman.contracts.imports import KeyRange
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import CRYPTO_SERVER, OPERATOR, REST_API, SM_DP, SM_SR, SOAP_GATEWAY
from ferryman.errors import InputError, Refused
from ferryman.platform.bus import Calls
from ferryman.platform.exporting import ExportedRow, Exporter
from ferryman.platform.importing import ImportDone, Importer, Progress, Report

CALL_SECONDS = 600.0
_EID = re.compile(r"[0-9]{32}")


class Importing(Protocol):
    """Carries files and ranges of subscriptions to the platform; raises FerrymanError with nothing left behind."""

    async def file(
        self, stream: BinaryIO, profile_type: str, *, mapping: str = "", dry_run: bool = False
    ) -> ImportDone: ...

    async def envelope(
        self, stream: BinaryIO, profile_type: str, *, mapping: str = "", signer: str = "", dry_run: bool = False
    ) -> ImportDone: ...

    async def range(self, wanted: KeyRange, profile_type: str) -> ImportDone: ...


class Exporting(Protocol):
    """Takes files for an HLR, AuC or UDM out of the platform, their keys encrypted; raises FerrymanError."""

    def values(self, import_id: str, key: str, cipher: str) -> AsyncIterator[ExportedRow]: ...

    async def sealed(self, import_id: str, recipient: str) -> tuple[int, bytes]: ...


def check_eid(body: Body) -> None:
    """What a person gave for an EID reads as one, wherever the question goes; raises InputError."""
    about = getattr(body, "operation", None) or getattr(body, "call", None) or body
    eid = getattr(about, "eid", "")
    if eid and not _EID.fullmatch(eid):
        raise InputError("EID", "must be 32 decimal digits")


class Operator:
    """Typed calls in the name of one operator (Mno-id)."""

    def __init__(self, calls: Calls, owner: str) -> None:
        self._calls = calls
        self.owner = owner

    async def sm_sr(self, body: Body, *, call_id: str = "") -> Body:
        """Ask the SM-SR; raises Refused."""
        return await self._ask(SM_SR, body, admin.ANSWER_CODEC, call_id)

    async def sm_dp(self, body: Body, *, call_id: str = "") -> Body:
        """Ask the SM-DP; raises Refused."""
        return await self._ask(SM_DP, body, admin.ANSWER_CODEC, call_id)

    async def crypto(self, body: Body) -> Body:
        """Ask the CryptoServer; raises Refused."""
        return await self._ask(CRYPTO_SERVER, body, crypto.ANSWER_CODEC)

    async def gateway(self, body: Body) -> Body:
        """Ask the SOAP gateway; raises Refused."""
        return await self._ask(SOAP_GATEWAY, body, peers.ANSWER_CODEC)

    async def rest(self, body: Body) -> Body:
        """Ask the REST API for its keys; raises Refused."""
        return await self._ask(REST_API, body, rest.ANSWER_CODEC)

    async def process(self, body: Body) -> Body:
        """Ask about the running platform itself; raises Refused."""
        return await self._ask(maintenance.MAINTENANCE, body, maintenance.ANSWERS)

    def importer(self, *, report: Report | None = None, progress: Progress | None = None) -> Importing:
        """An import; `report` gets a line for each row, `progress` how far it is."""
        return Importer(self, report=report, progress=progress)

    def exporter(self) -> Exporting:
        """An export."""
        return Exporter(self)

    async def import_subscriptions(self, content: bytes, profile_type: str) -> ImportDone:
        """A subscription file to CryptoServer (secrets) and SM-DP (the rest), whole or nothing; raises Refused."""
        return await Importer(self).file(io.BytesIO(content), profile_type)

    async def _ask(self, role: str, body: Body, answers: Codec[Body], call_id: str = "") -> Body:
        check_eid(body)
        identifier = call_id or secrets.token_hex(8)
        header = Header(
            message_id=f"{OPERATOR}/{secrets.token_hex(8)}",
            sender=OPERATOR,
            requester=self.owner,
            function_call_id=identifier,
            deadline=time.time() + CALL_SECONDS,
            eid=getattr(body, "eid", ""),
        )
        _, answer = decode(await self._calls.call(role, OPERATOR, encode(header, body)), answers)
        if isinstance(answer, (admin.AdminRefused, crypto.CryptoRefused, peers.PeerRefused, rest.KeyRefused)):
            status = answer.status
            raise Refused(status.subject, status.reason, status.message, identifier=status.identifier)
        return answer
