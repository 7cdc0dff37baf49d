# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import FleetCard
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.admin import EUICCDescription, EUICCType, Registered
from ferryman.contracts.operations import OperationView
from ferryman.contracts.peers import Peer, PeerTested

LIST_FLEET: Operation[Page[FleetCard]] = Operation(
    "list_fleet", "GET", "/fleet", Page[FleetCard], defaults={"after": "", "limit": 50, "by": "", "value": ""}
)
LIST_MAINTENANCE: Operation[Page[OperationView]] = Operation(
    "list_maintenance",
    "GET",
    "/fleet/maintenance",
    Page[OperationView],
    defaults={
        "after": "",
        "limit": 50,
        "requester": "",
        "eid": "",
        "function": "",
        "state": "",
        "failed_only": False,
        "since": 0.0,
        "until": 0.0,
    },
)
DESCRIBE_EUICC: Operation[EUICCDescription] = Operation("describe_euicc", "GET", "/fleet/{eid}", EUICCDescription)
REGISTER_EUICCS: Operation[Registered] = Operation(
    "register_euiccs", "POST", "/fleet", Registered, once=True, defaults={"each": False}
)
SET_DIFFERENCE: Operation[EUICCDescription] = Operation(
    "set_difference", "PUT", "/fleet/{eid}/difference", EUICCDescription, defaults={"says": None}
)
MAINTAIN_EUICC: Operation[OperationView] = Operation(
    "maintain_euicc",
    "POST",
    "/fleet/{eid}/maintenance",
    OperationView,
    once=True,
    defaults={"protocol": "", "sms": "", "host": "", "address": "", "port": 0, "uri": "", "validity": 86_400.0},
)
SHOW_MAINTENANCE: Operation[OperationView] = Operation(
    "show_maintenance", "GET", "/fleet/maintenance/{operation_id}", OperationView
)
SET_TAGS: Operation[EUICCDescription] = Operation("set_tags", "PUT", "/fleet/{eid}/tags", EUICCDescription)
LIST_EUICC_TYPES: Operation[Page[EUICCType]] = Operation(
    "list_euicc_types", "GET", "/euicc-types", Page[EUICCType], defaults={"after": "", "limit": 50}
)
SET_EUICC_TYPE: Operation[EUICCType] = Operation(
    "set_euicc_type",
    "PUT",
    "/euicc-types",
    EUICCType,
    defaults={"platform_type": "", "platform_version": "", "says": None},
)
LIST_PEERS: Operation[Page[Peer]] = Operation(
    "list_peers", "GET", "/peers", Page[Peer], defaults={"after": "", "limit": 50}
)
PUT_PEER: Operation[Peer] = Operation("put_peer", "POST", "/peers", Peer, once=True)
SHOW_PEER: Operation[Peer] = Operation("show_peer", "GET", "/peers/{name}", Peer)
REMOVE_PEER: Operation[Peer] = Operation("remove_peer", "DELETE", "/peers/{name}", Peer)
TEST_PEER: Operation[PeerTested] = Operation("test_peer", "POST", "/peers/{name}/test", PeerTested)


class Platform(Sender):
    """Methods that block."""

    def list_fleet(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        by: Literal["", "eid", "iccid", "isdp_aid", "msisdn", "imei", "tag", "owner"] = "",
        value: str = "",
    ) -> Pages[FleetCard]:
        """All eUICCs of the platform, by EID.

        Which eUICCs: all, or those found by `value`. Needs the right `fleet:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_FLEET.call(query={"after": after, "limit": page_size, "by": by, "value": value}))

    def list_maintenance(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        requester: str = "",
        eid: str = "",
        function: Literal[
            "",
            "enable",
            "disable",
            "delete",
            "audit",
            "set-fallback",
            "update-policy-rules",
            "update-subscription-address",
            "master-delete",
            "rotate-keys",
            "update-addressing",
        ] = "",
        state: Literal["", "running", "done"] = "",
        failed_only: bool = False,
        since: float = 0.0,
        until: float = 0.0,
    ) -> Pages[OperationView]:
        """Operations that you began so, or a tenant's, newest first.

        Which operations on eUICCs of the platform: on one, of one function, running or done, or those that failed.
        `requester` is a tenant (Mno-id), or of the staff `staff/key/...` and `staff/account/...` as audit trails
        name them; empty: what you began yourself. Begun at `since` or later and before `until`. A page may have
        few entries, or none, while there is a `next`. Needs the right `fleet:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        `since`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        `until`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        """
        return self._pages(
            LIST_MAINTENANCE.call(
                query={
                    "after": after,
                    "limit": page_size,
                    "requester": requester,
                    "eid": eid,
                    "function": function,
                    "state": state,
                    "failed_only": failed_only,
                    "since": since,
                    "until": until,
                }
            )
        )

    def describe_euicc(self, eid: str) -> EUICCDescription:
        """One eUICC with all that is known of it.

        Needs the right `fleet:read`.
        """
        return self._send(DESCRIBE_EUICC.call(eid))

    def register_euiccs(self, *, xml: bytes, each: bool = False, idempotency_key: str = "") -> Registered:
        """Register the eUICCs of a card maker's delivery (ES1.RegisterEIS).

        A card maker's delivery (XML, base64): all cards or none, or with `each` every card for itself. Needs the
        right `fleet:write`.
        """
        return self._send(REGISTER_EUICCS.call(body={"xml": xml, "each": each}, idempotency_key=idempotency_key))

    def set_difference(
        self, eid: str, *, says: dict[str, Any] | None = None, if_match: str = ""
    ) -> EUICCDescription:
        """Replace what an eUICC says otherwise than its type.

        What this eUICC says otherwise than its type; nothing: it is as its type again. Needs the right
        `fleet:write`.
        """
        return self._send(SET_DIFFERENCE.call(eid, body={"says": says}, if_match=if_match))

    def maintain_euicc(
        self,
        eid: str,
        *,
        function: Literal["rotate-keys", "update-addressing"],
        protocol: Literal["", "scp80", "scp81"] = "",
        sms: str = "",
        host: str = "",
        address: str = "",
        port: int = 0,
        uri: str = "",
        validity: float = 86_400.0,
        idempotency_key: str = "",
    ) -> OperationView:
        """New ISD-R keys, or where the SM-SR is.

        New keys for the ISD-R (rotate-keys, of `protocol`), or where its SM-SR is (update-addressing). What is
        empty of the addressing stays as it is: the number for short messages (`sms`), host, IP address, TCP port
        (0) and URI of HTTPS. Needs the right `fleet:write`.
        `validity`: Seconds from now.
        """
        return self._send(
            MAINTAIN_EUICC.call(
                eid,
                body={
                    "function": function,
                    "protocol": protocol,
                    "sms": sms,
                    "host": host,
                    "address": address,
                    "port": port,
                    "uri": uri,
                    "validity": validity,
                },
                idempotency_key=idempotency_key,
            )
        )

    def show_maintenance(self, operation_id: str) -> OperationView:
        """State of an operation that you began so.

        Needs the right `fleet:read`.
        """
        return self._send(SHOW_MAINTENANCE.call(operation_id))

    def set_tags(self, eid: str, *, tags: Sequence[str], if_match: str = "") -> EUICCDescription:
        """Replace the tags of an eUICC.

        All tags that it is to have. Needs the right `fleet:write`.
        """
        return self._send(SET_TAGS.call(eid, body={"tags": tags}, if_match=if_match))

    def list_euicc_types(self, *, after: str = "", page_size: int = 50) -> Pages[EUICCType]:
        """eUICC types.

        Needs the right `type:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_EUICC_TYPES.call(query={"after": after, "limit": page_size}))

    def set_euicc_type(
        self,
        *,
        eum_id: str,
        platform_type: str = "",
        platform_version: str = "",
        says: dict[str, Any] | None = None,
    ) -> EUICCType:
        """Replace what an eUICC type says.

        What a kind of eUICC says; empty platform and version stand for all. Without `says` it is forgotten. Needs
        the right `fleet:write`.
        """
        return self._send(
            SET_EUICC_TYPE.call(
                body={
                    "eum_id": eum_id,
                    "platform_type": platform_type,
                    "platform_version": platform_version,
                    "says": says,
                }
            )
        )

    def list_peers(self, *, after: str = "", page_size: int = 50) -> Pages[Peer]:
        """Other parties that speak with us in SOAP, by name.

        Needs the right `peer:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_PEERS.call(query={"after": after, "limit": page_size}))

    def put_peer(self, *, peer: Peer, idempotency_key: str = "") -> Peer:
        """Add a peer, or replace the one with this OID and kind.

        Needs the right `peer:write`.
        """
        return self._send(PUT_PEER.call(body=peer, idempotency_key=idempotency_key))

    def show_peer(self, name: str) -> Peer:
        """One peer.

        Needs the right `peer:read`.
        """
        return self._send(SHOW_PEER.call(name))

    def remove_peer(self, name: str, *, if_match: str = "") -> Peer:
        """Forget a peer.

        Needs the right `peer:write`.
        """
        return self._send(REMOVE_PEER.call(name, if_match=if_match))

    def test_peer(self, name: str) -> PeerTested:
        """Try TLS, addressing and a harmless call.

        Needs the right `peer:write`.
        """
        return self._send(TEST_PEER.call(name))


class AsyncPlatform(AsyncSender):
    """Methods that are awaited."""

    def list_fleet(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        by: Literal["", "eid", "iccid", "isdp_aid", "msisdn", "imei", "tag", "owner"] = "",
        value: str = "",
    ) -> AsyncPages[FleetCard]:
        """All eUICCs of the platform, by EID.

        Which eUICCs: all, or those found by `value`. Needs the right `fleet:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_FLEET.call(query={"after": after, "limit": page_size, "by": by, "value": value}))

    def list_maintenance(
        self,
        *,
        after: str = "",
        page_size: int = 50,
        requester: str = "",
        eid: str = "",
        function: Literal[
            "",
            "enable",
            "disable",
            "delete",
            "audit",
            "set-fallback",
            "update-policy-rules",
            "update-subscription-address",
            "master-delete",
            "rotate-keys",
            "update-addressing",
        ] = "",
        state: Literal["", "running", "done"] = "",
        failed_only: bool = False,
        since: float = 0.0,
        until: float = 0.0,
    ) -> AsyncPages[OperationView]:
        """Operations that you began so, or a tenant's, newest first.

        Which operations on eUICCs of the platform: on one, of one function, running or done, or those that failed.
        `requester` is a tenant (Mno-id), or of the staff `staff/key/...` and `staff/account/...` as audit trails
        name them; empty: what you began yourself. Begun at `since` or later and before `until`. A page may have
        few entries, or none, while there is a `next`. Needs the right `fleet:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        `since`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        `until`: Seconds since 1970: `since` and later, before `until`; 0: whenever.
        """
        return self._pages(
            LIST_MAINTENANCE.call(
                query={
                    "after": after,
                    "limit": page_size,
                    "requester": requester,
                    "eid": eid,
                    "function": function,
                    "state": state,
                    "failed_only": failed_only,
                    "since": since,
                    "until": until,
                }
            )
        )

    async def describe_euicc(self, eid: str) -> EUICCDescription:
        """One eUICC with all that is known of it.

        Needs the right `fleet:read`.
        """
        return await self._send(DESCRIBE_EUICC.call(eid))

    async def register_euiccs(self, *, xml: bytes, each: bool = False, idempotency_key: str = "") -> Registered:
        """Register the eUICCs of a card maker's delivery (ES1.RegisterEIS).

        A card maker's delivery (XML, base64): all cards or none, or with `each` every card for itself. Needs the
        right `fleet:write`.
        """
        return await self._send(
            REGISTER_EUICCS.call(body={"xml": xml, "each": each}, idempotency_key=idempotency_key)
        )

    async def set_difference(
        self, eid: str, *, says: dict[str, Any] | None = None, if_match: str = ""
    ) -> EUICCDescription:
        """Replace what an eUICC says otherwise than its type.

        What this eUICC says otherwise than its type; nothing: it is as its type again. Needs the right
        `fleet:write`.
        """
        return await self._send(SET_DIFFERENCE.call(eid, body={"says": says}, if_match=if_match))

    async def maintain_euicc(
        self,
        eid: str,
        *,
        function: Literal["rotate-keys", "update-addressing"],
        protocol: Literal["", "scp80", "scp81"] = "",
        sms: str = "",
        host: str = "",
        address: str = "",
        port: int = 0,
        uri: str = "",
        validity: float = 86_400.0,
        idempotency_key: str = "",
    ) -> OperationView:
        """New ISD-R keys, or where the SM-SR is.

        New keys for the ISD-R (rotate-keys, of `protocol`), or where its SM-SR is (update-addressing). What is
        empty of the addressing stays as it is: the number for short messages (`sms`), host, IP address, TCP port
        (0) and URI of HTTPS. Needs the right `fleet:write`.
        `validity`: Seconds from now.
        """
        return await self._send(
            MAINTAIN_EUICC.call(
                eid,
                body={
                    "function": function,
                    "protocol": protocol,
                    "sms": sms,
                    "host": host,
                    "address": address,
                    "port": port,
                    "uri": uri,
                    "validity": validity,
                },
                idempotency_key=idempotency_key,
            )
        )

    async def show_maintenance(self, operation_id: str) -> OperationView:
        """State of an operation that you began so.

        Needs the right `fleet:read`.
        """
        return await self._send(SHOW_MAINTENANCE.call(operation_id))

    async def set_tags(self, eid: str, *, tags: Sequence[str], if_match: str = "") -> EUICCDescription:
        """Replace the tags of an eUICC.

        All tags that it is to have. Needs the right `fleet:write`.
        """
        return await self._send(SET_TAGS.call(eid, body={"tags": tags}, if_match=if_match))

    def list_euicc_types(self, *, after: str = "", page_size: int = 50) -> AsyncPages[EUICCType]:
        """eUICC types.

        Needs the right `type:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_EUICC_TYPES.call(query={"after": after, "limit": page_size}))

    async def set_euicc_type(
        self,
        *,
        eum_id: str,
        platform_type: str = "",
        platform_version: str = "",
        says: dict[str, Any] | None = None,
    ) -> EUICCType:
        """Replace what an eUICC type says.

        What a kind of eUICC says; empty platform and version stand for all. Without `says` it is forgotten. Needs
        the right `fleet:write`.
        """
        return await self._send(
            SET_EUICC_TYPE.call(
                body={
                    "eum_id": eum_id,
                    "platform_type": platform_type,
                    "platform_version": platform_version,
                    "says": says,
                }
            )
        )

    def list_peers(self, *, after: str = "", page_size: int = 50) -> AsyncPages[Peer]:
        """Other parties that speak with us in SOAP, by name.

        Needs the right `peer:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_PEERS.call(query={"after": after, "limit": page_size}))

    async def put_peer(self, *, peer: Peer, idempotency_key: str = "") -> Peer:
        """Add a peer, or replace the one with this OID and kind.

        Needs the right `peer:write`.
        """
        return await self._send(PUT_PEER.call(body=peer, idempotency_key=idempotency_key))

    async def show_peer(self, name: str) -> Peer:
        """One peer.

        Needs the right `peer:read`.
        """
        return await self._send(SHOW_PEER.call(name))

    async def remove_peer(self, name: str, *, if_match: str = "") -> Peer:
        """Forget a peer.

        Needs the right `peer:write`.
        """
        return await self._send(REMOVE_PEER.call(name, if_match=if_match))

    async def test_peer(self, name: str) -> PeerTested:
        """Try TLS, addressing and a harmless call.

        Needs the right `peer:write`.
        """
        return await self._send(TEST_PEER.call(name))
