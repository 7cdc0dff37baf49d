# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import FleetCard
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.admin import EUICCDescription, EUICCType
from ferryman.contracts.peers import Peer, PeerTested

LIST_FLEET: Operation[Page[FleetCard]] = Operation(
    "list_fleet", "GET", "/fleet", Page[FleetCard], defaults={"after": "", "limit": 50, "by": "", "value": ""}
)
DESCRIBE_EUICC: Operation[EUICCDescription] = Operation("describe_euicc", "GET", "/fleet/{eid}", EUICCDescription)
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
PUT_PEER: Operation[Peer] = Operation("put_peer", "POST", "/peers", Peer)
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

    def describe_euicc(self, eid: str) -> EUICCDescription:
        """One eUICC with all that is known of it.

        Needs the right `fleet:read`.
        """
        return self._send(DESCRIBE_EUICC.call(eid))

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

    def put_peer(self, *, peer: Peer) -> Peer:
        """Add a peer, or replace the one with this OID and kind.

        Needs the right `peer:write`.
        """
        return self._send(PUT_PEER.call(body=peer))

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

    async def describe_euicc(self, eid: str) -> EUICCDescription:
        """One eUICC with all that is known of it.

        Needs the right `fleet:read`.
        """
        return await self._send(DESCRIBE_EUICC.call(eid))

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

    async def put_peer(self, *, peer: Peer) -> Peer:
        """Add a peer, or replace the one with this OID and kind.

        Needs the right `peer:write`.
        """
        return await self._send(PUT_PEER.call(body=peer))

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
