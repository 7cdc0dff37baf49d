# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import BatchFilled, EUICCFilter, NewRow
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.batches import BatchRowView, BatchView
from ferryman.contracts.eis import PolicyRule

LIST_BATCHES: Operation[Page[BatchView]] = Operation(
    "list_batches",
    "GET",
    "/batches",
    Page[BatchView],
    defaults={
        "after": "",
        "limit": 50,
        "state": "",
        "kind": "",
        "profile_type": "",
        "asked_by": "",
        "since": 0.0,
        "until": 0.0,
    },
)
CREATE_BATCH: Operation[BatchView] = Operation(
    "create_batch",
    "POST",
    "/batches",
    BatchView,
    once=True,
    defaults={
        "enable": True,
        "validity": 86_400.0,
        "pol2": (),
        "imsi": "",
        "msisdn": "",
        "pol1": None,
        "connectivity": None,
        "keys": "keep",
        "keys_under": "",
        "hold": None,
        "delete_token": False,
        "profile_type": "",
        "in_flight": 200,
        "where": None,
    },
)
SHOW_BATCH: Operation[BatchView] = Operation("show_batch", "GET", "/batches/{batch}", BatchView)
LIST_ROWS: Operation[Page[BatchRowView]] = Operation(
    "list_rows",
    "GET",
    "/batches/{batch}/rows",
    Page[BatchRowView],
    defaults={"after": "", "limit": 50, "state": ""},
)
ADD_ROWS: Operation[BatchView] = Operation("add_rows", "POST", "/batches/{batch}/rows", BatchView)
FILL_BATCH: Operation[BatchFilled] = Operation(
    "fill_batch", "POST", "/batches/{batch}/fill", BatchFilled, defaults={"after": ""}
)
CHANGE_BATCH: Operation[BatchView] = Operation(
    "change_batch", "POST", "/batches/{batch}/changes", BatchView, defaults={"in_flight": 200}
)


class Batches(Sender):
    """Methods that block."""

    def list_batches(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal["", "filling", "running", "paused", "cancelling", "cancelled", "done"] = "",
        kind: Literal["", "rows", "filter"] = "",
        profile_type: str = "",
        asked_by: str = "",
        since: float = 0.0,
        until: float = 0.0,
    ) -> Pages[BatchView]:
        """Batches of orders, the newest first.

        Which batches: in one state, for one profile type, of one kind (`rows` as given, or those of a `filter`).
        `asked_by` names a person or key as a batch shows it. Made at `since` or later and before `until`. Needs
        the right `order:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `since`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        `until`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        """
        return self._pages(
            LIST_BATCHES.call(
                query={
                    "after": after,
                    "limit": page_size,
                    "state": state,
                    "kind": kind,
                    "profile_type": profile_type,
                    "asked_by": asked_by,
                    "since": since,
                    "until": until,
                }
            )
        )

    def create_batch(
        self,
        *,
        name: str,
        enable: bool = True,
        validity: float = 86_400.0,
        pol2: Sequence[PolicyRule] = (),
        imsi: str = "",
        msisdn: str = "",
        pol1: bytes | None = None,
        connectivity: bytes | None = None,
        keys: Literal["keep", "destroy", "hand-over"] = "keep",
        keys_under: str = "",
        hold: Sequence[Literal["before-download", "after-enable"]] | None = None,
        delete_token: bool = False,
        profile_type: str = "",
        in_flight: int = 200,
        where: EUICCFilter | None = None,
        idempotency_key: str = "",
    ) -> BatchView:
        """A batch of orders; its rows follow.

        What every order of the batch says. Its rows follow, then it is started. With `where` its rows are the
        eUICCs that fit, which POST /batches/{batch}/fill looks for. Needs the right `order:write`.
        `validity`: Seconds from now.
        `name`: Yours to choose, once.
        `in_flight`: Orders that run at once.
        """
        return self._send(
            CREATE_BATCH.call(
                body={
                    "enable": enable,
                    "validity": validity,
                    "pol2": pol2,
                    "imsi": imsi,
                    "msisdn": msisdn,
                    "pol1": pol1,
                    "connectivity": connectivity,
                    "keys": keys,
                    "keys_under": keys_under,
                    "hold": hold,
                    "delete_token": delete_token,
                    "name": name,
                    "profile_type": profile_type,
                    "in_flight": in_flight,
                    "where": where,
                },
                idempotency_key=idempotency_key,
            )
        )

    def show_batch(self, batch: str) -> BatchView:
        """How far a batch is.

        Needs the right `order:read`.
        """
        return self._send(SHOW_BATCH.call(batch))

    def list_rows(
        self,
        batch: str,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal["", "waiting", "running", "done", "failed", "refused", "cancelled"] = "",
    ) -> Pages[BatchRowView]:
        """Rows of a batch with their orders.

        Rows in one state, or all. Needs the right `order:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_ROWS.call(batch, query={"after": after, "limit": page_size, "state": state}))

    def add_rows(self, batch: str, *, first: int, rows: Sequence[NewRow]) -> BatchView:
        """Rows of a batch, up to 2,000 at a time; repeatable.

        Rows `first` and following, counted from 0; those that are there already are left as they are. Needs the
        right `order:write`.
        """
        return self._send(ADD_ROWS.call(batch, body={"first": first, "rows": rows}))

    def fill_batch(self, batch: str, *, after: str = "") -> BatchFilled:
        """Rows for your eUICCs that fit the filter of a batch, some at a time: again while there is a next.

        Where to go on: behind the eUICC `after`, or behind the last row if that is farther. Needs the right
        `order:write`.
        `after`: An EID, or nothing.
        """
        return self._send(FILL_BATCH.call(batch, body={"after": after}))

    def change_batch(
        self,
        batch: str,
        *,
        action: Literal["start", "pause", "resume", "cancel", "limit"],
        in_flight: int = 200,
        if_match: str = "",
    ) -> BatchView:
        """Start, pause, resume, cancel, or limit a batch.

        start behind the last row; limit gives it another `in_flight`; cancel ends orders not yet on their card.
        Needs the right `order:write`.
        `in_flight`: Orders that run at once.
        """
        return self._send(
            CHANGE_BATCH.call(batch, body={"action": action, "in_flight": in_flight}, if_match=if_match)
        )


class AsyncBatches(AsyncSender):
    """Methods that are awaited."""

    def list_batches(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal["", "filling", "running", "paused", "cancelling", "cancelled", "done"] = "",
        kind: Literal["", "rows", "filter"] = "",
        profile_type: str = "",
        asked_by: str = "",
        since: float = 0.0,
        until: float = 0.0,
    ) -> AsyncPages[BatchView]:
        """Batches of orders, the newest first.

        Which batches: in one state, for one profile type, of one kind (`rows` as given, or those of a `filter`).
        `asked_by` names a person or key as a batch shows it. Made at `since` or later and before `until`. Needs
        the right `order:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `since`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        `until`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        """
        return self._pages(
            LIST_BATCHES.call(
                query={
                    "after": after,
                    "limit": page_size,
                    "state": state,
                    "kind": kind,
                    "profile_type": profile_type,
                    "asked_by": asked_by,
                    "since": since,
                    "until": until,
                }
            )
        )

    async def create_batch(
        self,
        *,
        name: str,
        enable: bool = True,
        validity: float = 86_400.0,
        pol2: Sequence[PolicyRule] = (),
        imsi: str = "",
        msisdn: str = "",
        pol1: bytes | None = None,
        connectivity: bytes | None = None,
        keys: Literal["keep", "destroy", "hand-over"] = "keep",
        keys_under: str = "",
        hold: Sequence[Literal["before-download", "after-enable"]] | None = None,
        delete_token: bool = False,
        profile_type: str = "",
        in_flight: int = 200,
        where: EUICCFilter | None = None,
        idempotency_key: str = "",
    ) -> BatchView:
        """A batch of orders; its rows follow.

        What every order of the batch says. Its rows follow, then it is started. With `where` its rows are the
        eUICCs that fit, which POST /batches/{batch}/fill looks for. Needs the right `order:write`.
        `validity`: Seconds from now.
        `name`: Yours to choose, once.
        `in_flight`: Orders that run at once.
        """
        return await self._send(
            CREATE_BATCH.call(
                body={
                    "enable": enable,
                    "validity": validity,
                    "pol2": pol2,
                    "imsi": imsi,
                    "msisdn": msisdn,
                    "pol1": pol1,
                    "connectivity": connectivity,
                    "keys": keys,
                    "keys_under": keys_under,
                    "hold": hold,
                    "delete_token": delete_token,
                    "name": name,
                    "profile_type": profile_type,
                    "in_flight": in_flight,
                    "where": where,
                },
                idempotency_key=idempotency_key,
            )
        )

    async def show_batch(self, batch: str) -> BatchView:
        """How far a batch is.

        Needs the right `order:read`.
        """
        return await self._send(SHOW_BATCH.call(batch))

    def list_rows(
        self,
        batch: str,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal["", "waiting", "running", "done", "failed", "refused", "cancelled"] = "",
    ) -> AsyncPages[BatchRowView]:
        """Rows of a batch with their orders.

        Rows in one state, or all. Needs the right `order:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_ROWS.call(batch, query={"after": after, "limit": page_size, "state": state}))

    async def add_rows(self, batch: str, *, first: int, rows: Sequence[NewRow]) -> BatchView:
        """Rows of a batch, up to 2,000 at a time; repeatable.

        Rows `first` and following, counted from 0; those that are there already are left as they are. Needs the
        right `order:write`.
        """
        return await self._send(ADD_ROWS.call(batch, body={"first": first, "rows": rows}))

    async def fill_batch(self, batch: str, *, after: str = "") -> BatchFilled:
        """Rows for your eUICCs that fit the filter of a batch, some at a time: again while there is a next.

        Where to go on: behind the eUICC `after`, or behind the last row if that is farther. Needs the right
        `order:write`.
        `after`: An EID, or nothing.
        """
        return await self._send(FILL_BATCH.call(batch, body={"after": after}))

    async def change_batch(
        self,
        batch: str,
        *,
        action: Literal["start", "pause", "resume", "cancel", "limit"],
        in_flight: int = 200,
        if_match: str = "",
    ) -> BatchView:
        """Start, pause, resume, cancel, or limit a batch.

        start behind the last row; limit gives it another `in_flight`; cancel ends orders not yet on their card.
        Needs the right `order:write`.
        `in_flight`: Orders that run at once.
        """
        return await self._send(
            CHANGE_BATCH.call(batch, body={"action": action, "in_flight": in_flight}, if_match=if_match)
        )
