# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: deletions."""

from __future__ import annotations

from ferryman.client.calls import Operation
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.operations import OperationView
from ferryman.contracts.orders import DeleteToken

ISSUE_DELETE_TOKEN: Operation[DeleteToken] = Operation(
    "issue_delete_token", "POST", "/orders/{order_id}/delete-tokens", DeleteToken, once=True
)
MASTER_DELETE: Operation[OperationView] = Operation(
    "master_delete",
    "POST",
    "/euiccs/{eid}/master-deletes",
    OperationView,
    once=True,
    defaults={
        "order_id": "",
        "token": b"",
        "sin": b"",
        "sdin": b"",
        "provider": b"",
        "token_id": b"\x01",
        "validity": 86_400.0,
    },
)


class Deletions(Sender):
    """Methods that block."""

    def issue_delete_token(self, order_id: str, *, idempotency_key: str = "") -> DeleteToken:
        """A token for the Master Delete of the profile that an order with `delete_token` has installed.

        Needs the right `master-delete:write`.
        """
        return self._send(ISSUE_DELETE_TOKEN.call(order_id, idempotency_key=idempotency_key))

    def master_delete(
        self,
        eid: str,
        *,
        iccid: str,
        order_id: str = "",
        token: bytes = b"",
        sin: bytes = b"",
        sdin: bytes = b"",
        provider: bytes = b"",
        token_id: bytes = b"\x01",
        validity: float = 86_400.0,
        idempotency_key: str = "",
    ) -> OperationView:
        """Delete an orphaned profile against its policy, with a token of its SM-DP (SGP.02 3.10).

        Which profile; the `token` of its SM-DP with what it covers, or the order of ours that installed it. `sin`,
        `sdin`, `provider` and `token_id` are tags 42, 45, 5F20 and 93. Octets are base64. Needs the right
        `master-delete:write`.
        `iccid`: ICCID, decimal digits.
        `validity`: Seconds from now.
        """
        return self._send(
            MASTER_DELETE.call(
                eid,
                body={
                    "iccid": iccid,
                    "order_id": order_id,
                    "token": token,
                    "sin": sin,
                    "sdin": sdin,
                    "provider": provider,
                    "token_id": token_id,
                    "validity": validity,
                },
                idempotency_key=idempotency_key,
            )
        )


class AsyncDeletions(AsyncSender):
    """Methods that are awaited."""

    async def issue_delete_token(self, order_id: str, *, idempotency_key: str = "") -> DeleteToken:
        """A token for the Master Delete of the profile that an order with `delete_token` has installed.

        Needs the right `master-delete:write`.
        """
        return await self._send(ISSUE_DELETE_TOKEN.call(order_id, idempotency_key=idempotency_key))

    async def master_delete(
        self,
        eid: str,
        *,
        iccid: str,
        order_id: str = "",
        token: bytes = b"",
        sin: bytes = b"",
        sdin: bytes = b"",
        provider: bytes = b"",
        token_id: bytes = b"\x01",
        validity: float = 86_400.0,
        idempotency_key: str = "",
    ) -> OperationView:
        """Delete an orphaned profile against its policy, with a token of its SM-DP (SGP.02 3.10).

        Which profile; the `token` of its SM-DP with what it covers, or the order of ours that installed it. `sin`,
        `sdin`, `provider` and `token_id` are tags 42, 45, 5F20 and 93. Octets are base64. Needs the right
        `master-delete:write`.
        `iccid`: ICCID, decimal digits.
        `validity`: Seconds from now.
        """
        return await self._send(
            MASTER_DELETE.call(
                eid,
                body={
                    "iccid": iccid,
                    "order_id": order_id,
                    "token": token,
                    "sin": sin,
                    "sdin": sdin,
                    "provider": provider,
                    "token_id": token_id,
                    "validity": validity,
                },
                idempotency_key=idempotency_key,
            )
        )
