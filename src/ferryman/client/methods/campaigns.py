# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: campaigns."""

from __future__ import annotations

from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import Campaign, CampaignSize
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.queue import EntryView

LIST_CAMPAIGNS: Operation[Page[Campaign]] = Operation(
    "list_campaigns", "GET", "/campaigns", Page[Campaign], defaults={"after": "", "limit": 50}
)
CREATE_CAMPAIGN: Operation[Campaign] = Operation(
    "create_campaign",
    "POST",
    "/campaigns",
    Campaign,
    once=True,
    defaults={
        "priority": 0,
        "not_before": 0.0,
        "validity": 604_800.0,
        "hold": False,
        "iccid": "",
        "profile_type": "",
        "eum_id": "",
        "platform_type": "",
        "platform_version": "",
        "tag": "",
    },
)
COUNT_CAMPAIGN: Operation[CampaignSize] = Operation(
    "count_campaign",
    "POST",
    "/campaigns/count",
    CampaignSize,
    defaults={
        "priority": 0,
        "not_before": 0.0,
        "validity": 604_800.0,
        "hold": False,
        "iccid": "",
        "profile_type": "",
        "eum_id": "",
        "platform_type": "",
        "platform_version": "",
        "tag": "",
    },
)
SHOW_CAMPAIGN: Operation[Campaign] = Operation("show_campaign", "GET", "/campaigns/{campaign}", Campaign)
LIST_CAMPAIGN_ENTRIES: Operation[Page[EntryView]] = Operation(
    "list_campaign_entries",
    "GET",
    "/campaigns/{campaign}/entries",
    Page[EntryView],
    defaults={"after": "", "limit": 50, "state": ""},
)
CHANGE_CAMPAIGN: Operation[Campaign] = Operation(
    "change_campaign", "POST", "/campaigns/{campaign}/changes", Campaign
)


class Campaigns(Sender):
    """Methods that block."""

    def list_campaigns(self, *, after: str = "", page_size: int = 50) -> Pages[Campaign]:
        """Campaigns with the counts of their entries.

        Needs the right `campaign:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_CAMPAIGNS.call(query={"after": after, "limit": page_size}))

    def create_campaign(
        self,
        *,
        function: Literal["enable", "disable", "delete", "set-fallback", "audit"],
        name: str,
        priority: int = 0,
        not_before: float = 0.0,
        validity: float = 604_800.0,
        hold: bool = False,
        iccid: str = "",
        profile_type: str = "",
        eum_id: str = "",
        platform_type: str = "",
        platform_version: str = "",
        tag: str = "",
        idempotency_key: str = "",
    ) -> Campaign:
        """A command for each of your eUICCs that fits.

        A campaign; one of this name with the same content is the same one. Needs the right `campaign:write`.
        `validity`: Seconds from now.
        `iccid`: ICCID, or nothing.
        `name`: Yours to choose, once.
        """
        return self._send(
            CREATE_CAMPAIGN.call(
                body={
                    "priority": priority,
                    "not_before": not_before,
                    "validity": validity,
                    "hold": hold,
                    "function": function,
                    "iccid": iccid,
                    "profile_type": profile_type,
                    "eum_id": eum_id,
                    "platform_type": platform_type,
                    "platform_version": platform_version,
                    "tag": tag,
                    "name": name,
                },
                idempotency_key=idempotency_key,
            )
        )

    def count_campaign(
        self,
        *,
        function: Literal["enable", "disable", "delete", "set-fallback", "audit"],
        priority: int = 0,
        not_before: float = 0.0,
        validity: float = 604_800.0,
        hold: bool = False,
        iccid: str = "",
        profile_type: str = "",
        eum_id: str = "",
        platform_type: str = "",
        platform_version: str = "",
        tag: str = "",
    ) -> CampaignSize:
        """How many eUICCs would be meant; nothing is started.

        A command for each of your eUICCs that fits; empty filters fit all. For enable, disable and delete, `iccid`
        or `profile_type` says which profile is meant. Needs the right `campaign:read`.
        `validity`: Seconds from now.
        `iccid`: ICCID, or nothing.
        """
        return self._send(
            COUNT_CAMPAIGN.call(
                body={
                    "priority": priority,
                    "not_before": not_before,
                    "validity": validity,
                    "hold": hold,
                    "function": function,
                    "iccid": iccid,
                    "profile_type": profile_type,
                    "eum_id": eum_id,
                    "platform_type": platform_type,
                    "platform_version": platform_version,
                    "tag": tag,
                }
            )
        )

    def show_campaign(self, campaign: str) -> Campaign:
        """How far a campaign is.

        Needs the right `campaign:read`.
        """
        return self._send(SHOW_CAMPAIGN.call(campaign))

    def list_campaign_entries(
        self,
        campaign: str,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal[
            "", "queued", "held", "sent", "delivered", "answered", "failed", "expired", "cancelled"
        ] = "",
    ) -> Pages[EntryView]:
        """Entries of a campaign, by EID.

        Entries in one state (`failed`, `expired`: what went wrong), or all. Needs the right `campaign:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            LIST_CAMPAIGN_ENTRIES.call(campaign, query={"after": after, "limit": page_size, "state": state})
        )

    def change_campaign(
        self, campaign: str, *, action: Literal["pause", "resume", "cancel"], if_match: str = ""
    ) -> Campaign:
        """Pause, resume or cancel a campaign.

        Paused, nothing is added and no entry begins; cancelled, for good. What has begun goes on to its end. Needs
        the right `campaign:write`.
        """
        return self._send(CHANGE_CAMPAIGN.call(campaign, body={"action": action}, if_match=if_match))


class AsyncCampaigns(AsyncSender):
    """Methods that are awaited."""

    def list_campaigns(self, *, after: str = "", page_size: int = 50) -> AsyncPages[Campaign]:
        """Campaigns with the counts of their entries.

        Needs the right `campaign:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_CAMPAIGNS.call(query={"after": after, "limit": page_size}))

    async def create_campaign(
        self,
        *,
        function: Literal["enable", "disable", "delete", "set-fallback", "audit"],
        name: str,
        priority: int = 0,
        not_before: float = 0.0,
        validity: float = 604_800.0,
        hold: bool = False,
        iccid: str = "",
        profile_type: str = "",
        eum_id: str = "",
        platform_type: str = "",
        platform_version: str = "",
        tag: str = "",
        idempotency_key: str = "",
    ) -> Campaign:
        """A command for each of your eUICCs that fits.

        A campaign; one of this name with the same content is the same one. Needs the right `campaign:write`.
        `validity`: Seconds from now.
        `iccid`: ICCID, or nothing.
        `name`: Yours to choose, once.
        """
        return await self._send(
            CREATE_CAMPAIGN.call(
                body={
                    "priority": priority,
                    "not_before": not_before,
                    "validity": validity,
                    "hold": hold,
                    "function": function,
                    "iccid": iccid,
                    "profile_type": profile_type,
                    "eum_id": eum_id,
                    "platform_type": platform_type,
                    "platform_version": platform_version,
                    "tag": tag,
                    "name": name,
                },
                idempotency_key=idempotency_key,
            )
        )

    async def count_campaign(
        self,
        *,
        function: Literal["enable", "disable", "delete", "set-fallback", "audit"],
        priority: int = 0,
        not_before: float = 0.0,
        validity: float = 604_800.0,
        hold: bool = False,
        iccid: str = "",
        profile_type: str = "",
        eum_id: str = "",
        platform_type: str = "",
        platform_version: str = "",
        tag: str = "",
    ) -> CampaignSize:
        """How many eUICCs would be meant; nothing is started.

        A command for each of your eUICCs that fits; empty filters fit all. For enable, disable and delete, `iccid`
        or `profile_type` says which profile is meant. Needs the right `campaign:read`.
        `validity`: Seconds from now.
        `iccid`: ICCID, or nothing.
        """
        return await self._send(
            COUNT_CAMPAIGN.call(
                body={
                    "priority": priority,
                    "not_before": not_before,
                    "validity": validity,
                    "hold": hold,
                    "function": function,
                    "iccid": iccid,
                    "profile_type": profile_type,
                    "eum_id": eum_id,
                    "platform_type": platform_type,
                    "platform_version": platform_version,
                    "tag": tag,
                }
            )
        )

    async def show_campaign(self, campaign: str) -> Campaign:
        """How far a campaign is.

        Needs the right `campaign:read`.
        """
        return await self._send(SHOW_CAMPAIGN.call(campaign))

    def list_campaign_entries(
        self,
        campaign: str,
        *,
        after: str = "",
        page_size: int = 50,
        state: Literal[
            "", "queued", "held", "sent", "delivered", "answered", "failed", "expired", "cancelled"
        ] = "",
    ) -> AsyncPages[EntryView]:
        """Entries of a campaign, by EID.

        Entries in one state (`failed`, `expired`: what went wrong), or all. Needs the right `campaign:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(
            LIST_CAMPAIGN_ENTRIES.call(campaign, query={"after": after, "limit": page_size, "state": state})
        )

    async def change_campaign(
        self, campaign: str, *, action: Literal["pause", "resume", "cancel"], if_match: str = ""
    ) -> Campaign:
        """Pause, resume or cancel a campaign.

        Paused, nothing is added and no entry begins; cancelled, for good. What has begun goes on to its end. Needs
        the right `campaign:write`.
        """
        return await self._send(CHANGE_CAMPAIGN.call(campaign, body={"action": action}, if_match=if_match))
