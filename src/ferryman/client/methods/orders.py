# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.admin import TemplateImported
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.orders import OrderView, StockView

LIST_PROFILE_TYPES: Operation[Page[StockView]] = Operation(
    "list_profile_types", "GET", "/profile-types", Page[StockView], defaults={"after": "", "limit": 50}
)
SHOW_PROFILE_TYPE: Operation[StockView] = Operation(
    "show_profile_type", "GET", "/profile-types/{profile_type}", StockView
)
SET_LOW_WATER: Operation[StockView] = Operation(
    "set_low_water", "PUT", "/profile-types/{profile_type}/low-water", StockView
)
IMPORT_TEMPLATE: Operation[TemplateImported] = Operation(
    "import_template", "POST", "/templates", TemplateImported, once=True, defaults={"algorithm": "milenage"}
)
LIST_ORDERS: Operation[Page[OrderView]] = Operation(
    "list_orders", "GET", "/orders", Page[OrderView], defaults={"after": "", "limit": 50, "eid": "", "state": ""}
)
CREATE_ORDER: Operation[OrderView] = Operation(
    "create_order",
    "POST",
    "/orders",
    OrderView,
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
        "iccid": "",
        "profile_type": "",
    },
)
SHOW_ORDER: Operation[OrderView] = Operation("show_order", "GET", "/orders/{order_id}", OrderView)
CANCEL_ORDER: Operation[OrderView] = Operation("cancel_order", "POST", "/orders/{order_id}/cancel", OrderView)
RETRY_ORDER: Operation[OrderView] = Operation(
    "retry_order", "POST", "/orders/{order_id}/retry", OrderView, once=True, defaults={"validity": 86_400.0}
)


class Orders(Sender):
    """Methods that block."""

    def list_profile_types(self, *, after: str = "", page_size: int = 50) -> Pages[StockView]:
        """Profile types with their stock.

        Needs the right `order:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_PROFILE_TYPES.call(query={"after": after, "limit": page_size}))

    def show_profile_type(self, profile_type: str) -> StockView:
        """One profile type with its stock.

        Needs the right `order:read`.
        """
        return self._send(SHOW_PROFILE_TYPE.call(profile_type))

    def set_low_water(self, profile_type: str, *, low_water: int, if_match: str = "") -> StockView:
        """When its stock raises an alarm.

        Free subscriptions at which the stock raises an alarm; 0 = never. Needs the right `template:write`.
        """
        return self._send(SET_LOW_WATER.call(profile_type, body={"low_water": low_water}, if_match=if_match))

    def import_template(
        self,
        *,
        name: str,
        package: bytes,
        algorithm: Literal["milenage", "tuak128", "tuak256", "as-is"] = "milenage",
        idempotency_key: str = "",
    ) -> TemplateImported:
        """A profile package as template of a profile type.

        A profile package (DER, value notation or YAML, base64) as template of the profile type `name`. Needs the
        right `template:write`.
        """
        return self._send(
            IMPORT_TEMPLATE.call(
                body={"name": name, "package": package, "algorithm": algorithm}, idempotency_key=idempotency_key
            )
        )

    def list_orders(
        self, *, after: str = "", page_size: int = 50, eid: str = "", state: Literal["", "running", "done"] = ""
    ) -> Pages[OrderView]:
        """Orders, the oldest first.

        Which orders: of one eUICC, in one state. Needs the right `order:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        """
        return self._pages(
            LIST_ORDERS.call(query={"after": after, "limit": page_size, "eid": eid, "state": state})
        )

    def create_order(
        self,
        *,
        eid: str,
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
        iccid: str = "",
        profile_type: str = "",
        idempotency_key: str = "",
    ) -> OrderView:
        """Order the download of a profile (ES2.DownloadProfile).

        ES2.DownloadProfile: `iccid`, or `profile_type` to take the next free subscription of that type. Needs the
        right `order:write`.
        `validity`: Seconds from now.
        `eid`: EID, 32 decimal digits.
        `iccid`: ICCID, or nothing.
        """
        return self._send(
            CREATE_ORDER.call(
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
                    "eid": eid,
                    "iccid": iccid,
                    "profile_type": profile_type,
                },
                idempotency_key=idempotency_key,
            )
        )

    def show_order(self, order_id: str) -> OrderView:
        """One order with its steps.

        Needs the right `order:read`.
        """
        return self._send(SHOW_ORDER.call(order_id))

    def cancel_order(self, order_id: str, *, if_match: str = "") -> OrderView:
        """End an order that is not yet on the card.

        Needs the right `order:write`.
        """
        return self._send(CANCEL_ORDER.call(order_id, if_match=if_match))

    def retry_order(
        self, order_id: str, *, validity: float = 86_400.0, if_match: str = "", idempotency_key: str = ""
    ) -> OrderView:
        """Begin a failed order again.

        How long the new attempt may take. Needs the right `order:write`.
        `validity`: Seconds from now.
        """
        return self._send(
            RETRY_ORDER.call(
                order_id, body={"validity": validity}, if_match=if_match, idempotency_key=idempotency_key
            )
        )


class AsyncOrders(AsyncSender):
    """Methods that are awaited."""

    def list_profile_types(self, *, after: str = "", page_size: int = 50) -> AsyncPages[StockView]:
        """Profile types with their stock.

        Needs the right `order:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_PROFILE_TYPES.call(query={"after": after, "limit": page_size}))

    async def show_profile_type(self, profile_type: str) -> StockView:
        """One profile type with its stock.

        Needs the right `order:read`.
        """
        return await self._send(SHOW_PROFILE_TYPE.call(profile_type))

    async def set_low_water(self, profile_type: str, *, low_water: int, if_match: str = "") -> StockView:
        """When its stock raises an alarm.

        Free subscriptions at which the stock raises an alarm; 0 = never. Needs the right `template:write`.
        """
        return await self._send(SET_LOW_WATER.call(profile_type, body={"low_water": low_water}, if_match=if_match))

    async def import_template(
        self,
        *,
        name: str,
        package: bytes,
        algorithm: Literal["milenage", "tuak128", "tuak256", "as-is"] = "milenage",
        idempotency_key: str = "",
    ) -> TemplateImported:
        """A profile package as template of a profile type.

        A profile package (DER, value notation or YAML, base64) as template of the profile type `name`. Needs the
        right `template:write`.
        """
        return await self._send(
            IMPORT_TEMPLATE.call(
                body={"name": name, "package": package, "algorithm": algorithm}, idempotency_key=idempotency_key
            )
        )

    def list_orders(
        self, *, after: str = "", page_size: int = 50, eid: str = "", state: Literal["", "running", "done"] = ""
    ) -> AsyncPages[OrderView]:
        """Orders, the oldest first.

        Which orders: of one eUICC, in one state. Needs the right `order:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        """
        return self._pages(
            LIST_ORDERS.call(query={"after": after, "limit": page_size, "eid": eid, "state": state})
        )

    async def create_order(
        self,
        *,
        eid: str,
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
        iccid: str = "",
        profile_type: str = "",
        idempotency_key: str = "",
    ) -> OrderView:
        """Order the download of a profile (ES2.DownloadProfile).

        ES2.DownloadProfile: `iccid`, or `profile_type` to take the next free subscription of that type. Needs the
        right `order:write`.
        `validity`: Seconds from now.
        `eid`: EID, 32 decimal digits.
        `iccid`: ICCID, or nothing.
        """
        return await self._send(
            CREATE_ORDER.call(
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
                    "eid": eid,
                    "iccid": iccid,
                    "profile_type": profile_type,
                },
                idempotency_key=idempotency_key,
            )
        )

    async def show_order(self, order_id: str) -> OrderView:
        """One order with its steps.

        Needs the right `order:read`.
        """
        return await self._send(SHOW_ORDER.call(order_id))

    async def cancel_order(self, order_id: str, *, if_match: str = "") -> OrderView:
        """End an order that is not yet on the card.

        Needs the right `order:write`.
        """
        return await self._send(CANCEL_ORDER.call(order_id, if_match=if_match))

    async def retry_order(
        self, order_id: str, *, validity: float = 86_400.0, if_match: str = "", idempotency_key: str = ""
    ) -> OrderView:
        """Begin a failed order again.

        How long the new attempt may take. Needs the right `order:write`.
        `validity`: Seconds from now.
        """
        return await self._send(
            RETRY_ORDER.call(
                order_id, body={"validity": validity}, if_match=if_match, idempotency_key=idempotency_key
            )
        )
