# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: euiccs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.admin import DryRunResult
from ferryman.contracts.eis import EIS, AuditRecord, PolicyRule

LIST_EUICCS: Operation[Page[EIS]] = Operation(
    "list_euiccs", "GET", "/euiccs", Page[EIS], defaults={"after": "", "limit": 50, "by": "", "value": ""}
)
SHOW_EUICC: Operation[EIS] = Operation("show_euicc", "GET", "/euiccs/{eid}", EIS)
SHOW_HISTORY: Operation[Page[AuditRecord]] = Operation(
    "show_history", "GET", "/euiccs/{eid}/history", Page[AuditRecord], defaults={"after": "", "limit": 50}
)
DRY_RUN: Operation[DryRunResult] = Operation(
    "dry_run", "POST", "/euiccs/{eid}/dry-runs", DryRunResult, defaults={"pol2": (), "imsi": "", "msisdn": ""}
)


class Euiccs(Sender):
    """Methods that block."""

    def list_euiccs(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        by: Literal["", "eid", "iccid", "msisdn", "imei", "tag"] = "",
        value: str = "",
    ) -> Pages[EIS]:
        """eUICCs with a profile of yours, by EID.

        Which of your eUICCs: all, or those found by `value`. Needs the right `euicc:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_EUICCS.call(query={"after": after, "limit": page_size, "by": by, "value": value}))

    def show_euicc(self, eid: str) -> EIS:
        """One eUICC with your profiles.

        Needs the right `euicc:read`.
        """
        return self._send(SHOW_EUICC.call(eid))

    def show_history(self, eid: str, *, after: str = "", page_size: int = 50) -> Pages[AuditRecord]:
        """Audit trail of an eUICC (SGP.02 Annex E).

        Needs the right `euicc:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(SHOW_HISTORY.call(eid, query={"after": after, "limit": page_size}))

    def dry_run(
        self,
        eid: str,
        *,
        function: Literal[
            "EnableProfile", "DisableProfile", "DeleteProfile", "UpdatePolicyRules", "UpdateSubscriptionAddress"
        ],
        iccid: str,
        pol2: Sequence[PolicyRule] = (),
        imsi: str = "",
        msisdn: str = "",
    ) -> DryRunResult:
        """What would happen, and why; nothing does.

        What would be asked; `function` as in SGP.02. Needs the right `euicc:read`.
        `iccid`: ICCID, decimal digits.
        """
        return self._send(
            DRY_RUN.call(
                eid, body={"function": function, "iccid": iccid, "pol2": pol2, "imsi": imsi, "msisdn": msisdn}
            )
        )


class AsyncEuiccs(AsyncSender):
    """Methods that are awaited."""

    def list_euiccs(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        by: Literal["", "eid", "iccid", "msisdn", "imei", "tag"] = "",
        value: str = "",
    ) -> AsyncPages[EIS]:
        """eUICCs with a profile of yours, by EID.

        Which of your eUICCs: all, or those found by `value`. Needs the right `euicc:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_EUICCS.call(query={"after": after, "limit": page_size, "by": by, "value": value}))

    async def show_euicc(self, eid: str) -> EIS:
        """One eUICC with your profiles.

        Needs the right `euicc:read`.
        """
        return await self._send(SHOW_EUICC.call(eid))

    def show_history(self, eid: str, *, after: str = "", page_size: int = 50) -> AsyncPages[AuditRecord]:
        """Audit trail of an eUICC (SGP.02 Annex E).

        Needs the right `euicc:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(SHOW_HISTORY.call(eid, query={"after": after, "limit": page_size}))

    async def dry_run(
        self,
        eid: str,
        *,
        function: Literal[
            "EnableProfile", "DisableProfile", "DeleteProfile", "UpdatePolicyRules", "UpdateSubscriptionAddress"
        ],
        iccid: str,
        pol2: Sequence[PolicyRule] = (),
        imsi: str = "",
        msisdn: str = "",
    ) -> DryRunResult:
        """What would happen, and why; nothing does.

        What would be asked; `function` as in SGP.02. Needs the right `euicc:read`.
        `iccid`: ICCID, decimal digits.
        """
        return await self._send(
            DRY_RUN.call(
                eid, body={"function": function, "iccid": iccid, "pol2": pol2, "imsi": imsi, "msisdn": msisdn}
            )
        )
