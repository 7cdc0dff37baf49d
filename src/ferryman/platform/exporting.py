"""Takes files for an HLR, AuC or UDM out of the platform: public parts from the SM-DP, keys from the CryptoServer.

Keys leave encrypted one by one under an agreed key, or all together in an OpenPGP envelope that the CryptoServer
puts together; nothing of them is ever in clear here.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ferryman.contracts import envelopes, imports
from ferryman.contracts.imports import ExportedKeys, SubscriptionPublic
from ferryman.errors import InputError
from ferryman.platform.importing import Ask

PAGE = 1000  # subscriptions of one question


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """A subscription for the HLR, AuC or UDM; Ki and OPc are encrypted."""

    iccid: str
    imsi: str
    msisdn: str
    algorithm: str
    ki: bytes
    opc: bytes


class Exporter:
    """What leaves in the name of who asks. Raises Refused, InputError."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def page(
        self, import_id: str, after: str, limit: int = PAGE
    ) -> tuple[tuple[SubscriptionPublic, ...], str]:
        """Subscriptions of an import behind `after`, and where the next page begins; none at the end."""
        question = imports.ListSubscriptions(owner=self._ask.owner, import_id=import_id, after=after, limit=limit)
        found = await self._ask.sm_dp(question)
        if not isinstance(found, imports.SubscriptionPage):
            raise TypeError("unexpected answer of the SM-DP")
        return found.rows, found.after

    async def keys(self, rows: tuple[SubscriptionPublic, ...], key: str, cipher: str) -> tuple[ExportedKeys, ...]:
        """Ki and OPc of these subscriptions under the key of that name, in their order."""
        question = imports.ExportSubscriptions(owner=self._ask.owner, rows=rows, key=key, cipher=cipher)
        answer = await self._ask.crypto(question)
        if not isinstance(answer, imports.SubscriptionsExported):
            raise TypeError("unexpected answer of the CryptoServer")
        return answer.rows

    async def values(self, import_id: str, key: str, cipher: str) -> AsyncIterator[ExportedRow]:
        """Every subscription of an import with Ki and OPc under the key of that name."""
        after = ""
        while (page := await self.page(import_id, after))[0]:
            rows, after = page
            for row, sealed in zip(rows, await self.keys(rows, key, cipher), strict=True):
                yield ExportedRow(row.iccid, row.imsi, row.msisdn, sealed.algorithm, sealed.ki, sealed.opc)

    async def sealed(self, import_id: str, recipient: str, *, most: int = 0) -> tuple[int, bytes]:
        """Ki and OPc of an import in one envelope for `recipient`: how many rows, the envelope.

        `most`: octets that it may have; 0 is no limit.
        """
        owner, crypto = self._ask.owner, self._ask.crypto
        name = hashlib.sha256(f"ferryman export 1\0{owner}\0{import_id}\0{recipient}".encode()).hexdigest()
        await crypto(envelopes.ShowOpenPGPKey(name=recipient))  # before anything is put together for it
        drop = envelopes.DropEnvelope(owner=owner, envelope_id=name)
        await crypto(drop)  # what an interrupted export left
        try:
            count, number, after = 0, 0, ""
            while (page := await self.page(import_id, after))[0]:
                rows, after = page
                await crypto(envelopes.StageExport(owner=owner, envelope_id=name, number=number, rows=rows))
                count, number = count + len(rows), number + 1
            if not count:
                raise InputError(import_id, "has no subscription")
            sealed = await crypto(envelopes.SealEnvelope(owner=owner, envelope_id=name, recipient=recipient))
            if not isinstance(sealed, envelopes.EnvelopeState):
                raise TypeError("unexpected answer of the CryptoServer")
            if most and sealed.size > most:
                raise InputError(import_id, f"its envelope has more than {most >> 20} MiB")
            parts = [
                await crypto(envelopes.ReadEnvelope(owner=owner, envelope_id=name, number=each))
                for each in range(sealed.parts)
            ]
        finally:
            await crypto(drop)
        return count, b"".join(part.data for part in parts if isinstance(part, envelopes.EnvelopeData))
