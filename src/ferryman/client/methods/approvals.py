# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: approvals."""

from __future__ import annotations

from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import Approval
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender

ASK_FOR_RAW_SCRIPT: Operation[Approval] = Operation(
    "ask_for_raw_script",
    "POST",
    "/euiccs/{eid}/raw-scripts",
    Approval,
    once=True,
    defaults={"sd_aid": b"", "validity": 604_800.0},
)
LIST_APPROVALS: Operation[Page[Approval]] = Operation(
    "list_approvals", "GET", "/approvals", Page[Approval], defaults={"after": "", "limit": 50, "state": ""}
)
SHOW_APPROVAL: Operation[Approval] = Operation("show_approval", "GET", "/approvals/{approval_id}", Approval)
APPROVE: Operation[Approval] = Operation("approve", "POST", "/approvals/{approval_id}/approve", Approval)
REJECT: Operation[Approval] = Operation("reject", "POST", "/approvals/{approval_id}/reject", Approval)


class Approvals(Sender):
    """Methods that block."""

    def ask_for_raw_script(
        self,
        eid: str,
        *,
        data: bytes,
        reason: str,
        sd_aid: bytes = b"",
        validity: float = 604_800.0,
        idempotency_key: str = "",
    ) -> Approval:
        """Ask for a raw script; a second person approves.

        Command TLVs for a security domain of the card (as in ES3.SendData), and why they are needed. Needs the
        right `raw-script:write`.
        `validity`: Seconds from now.
        """
        return self._send(
            ASK_FOR_RAW_SCRIPT.call(
                eid,
                body={"data": data, "reason": reason, "sd_aid": sd_aid, "validity": validity},
                idempotency_key=idempotency_key,
            )
        )

    def list_approvals(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal["", "waiting", "expired", "rejected", "approved", "done", "failed"] = "",
    ) -> Pages[Approval]:
        """What a second person must approve, the newest first.

        Which approvals. Needs the right `approval:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_APPROVALS.call(query={"after": after, "limit": page_size, "state": state}))

    def show_approval(self, approval_id: str) -> Approval:
        """One request for approval.

        Needs the right `approval:read`.
        """
        return self._send(SHOW_APPROVAL.call(approval_id))

    def approve(self, approval_id: str, *, if_match: str = "") -> Approval:
        """Approve: it is carried out, once.

        Needs the right `approval:decide`.
        """
        return self._send(APPROVE.call(approval_id, if_match=if_match))

    def reject(self, approval_id: str, *, if_match: str = "") -> Approval:
        """Reject.

        Needs the right `approval:decide`.
        """
        return self._send(REJECT.call(approval_id, if_match=if_match))


class AsyncApprovals(AsyncSender):
    """Methods that are awaited."""

    async def ask_for_raw_script(
        self,
        eid: str,
        *,
        data: bytes,
        reason: str,
        sd_aid: bytes = b"",
        validity: float = 604_800.0,
        idempotency_key: str = "",
    ) -> Approval:
        """Ask for a raw script; a second person approves.

        Command TLVs for a security domain of the card (as in ES3.SendData), and why they are needed. Needs the
        right `raw-script:write`.
        `validity`: Seconds from now.
        """
        return await self._send(
            ASK_FOR_RAW_SCRIPT.call(
                eid,
                body={"data": data, "reason": reason, "sd_aid": sd_aid, "validity": validity},
                idempotency_key=idempotency_key,
            )
        )

    def list_approvals(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal["", "waiting", "expired", "rejected", "approved", "done", "failed"] = "",
    ) -> AsyncPages[Approval]:
        """What a second person must approve, the newest first.

        Which approvals. Needs the right `approval:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_APPROVALS.call(query={"after": after, "limit": page_size, "state": state}))

    async def show_approval(self, approval_id: str) -> Approval:
        """One request for approval.

        Needs the right `approval:read`.
        """
        return await self._send(SHOW_APPROVAL.call(approval_id))

    async def approve(self, approval_id: str, *, if_match: str = "") -> Approval:
        """Approve: it is carried out, once.

        Needs the right `approval:decide`.
        """
        return await self._send(APPROVE.call(approval_id, if_match=if_match))

    async def reject(self, approval_id: str, *, if_match: str = "") -> Approval:
        """Reject.

        Needs the right `approval:decide`.
        """
        return await self._send(REJECT.call(approval_id, if_match=if_match))
