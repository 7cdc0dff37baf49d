"""Campaigns: a command in the queue of each of many eUICCs, chosen by a filter.

A tenant's campaign means eUICCs with a profile of the tenant alone; how many others the platform has is not told.
"""

from __future__ import annotations

from ferryman.contracts import codes, queue
from ferryman.errors import Refused
from ferryman.rest_api import bodies, rights
from ferryman.rest_api import bodies_many as many
from ferryman.rest_api.endpoint import CREATED, Endpoint, Request, or_absent


async def list_campaigns(r: Request) -> many.CampaignPages:
    question = queue.CampaignList(owner=r.tenant, after=r.query.after, limit=r.query.limit)
    found = (await r.ask.sm_sr(r.tenant, question, queue.CampaignPage)).campaigns
    more = found[-1].campaign if len(found) == r.query.limit else ""
    return many.CampaignPages(items=tuple(map(_view, found)), next=more)


async def count_campaign(r: Request) -> many.CampaignSize:
    question = queue.CampaignCount(start=_start(r, "dry-run"))
    found = await r.ask.sm_sr(r.tenant, question, queue.CampaignFits)
    return many.CampaignSize(euiccs=found.euiccs)


async def create_campaign(r: Request) -> many.Campaign:
    return _view(await r.ask.sm_sr(r.tenant, _start(r, r.body.name), queue.CampaignView))


async def show_campaign(r: Request) -> many.Campaign:
    name = r.path["campaign"]
    question = queue.CampaignShow(owner=r.tenant, campaign=name)
    return _view(await or_absent(r.ask.sm_sr(r.tenant, question, queue.CampaignView), "campaign", name))


async def list_campaign_entries(r: Request) -> bodies.QueueList:
    name, q = r.path["campaign"], r.query
    state = queue.EntryState(q.state) if q.state else None
    question = queue.CampaignEntries(owner=r.tenant, campaign=name, state=state, after=q.after, limit=q.limit)
    found = (await or_absent(r.ask.sm_sr(r.tenant, question, queue.QueuePage), "campaign", name)).entries
    return bodies.QueueList(items=found, next=found[-1].eid if len(found) == q.limit else "")


async def change_campaign(r: Request) -> many.Campaign:
    found = await show_campaign(r)
    question = queue.CampaignChange(owner=r.tenant, campaign=found.campaign, action=r.body.action)
    return _view(await r.ask.sm_sr(r.tenant, question, queue.CampaignView))


def _start(r: Request, name: str) -> queue.CampaignStart:
    given: many.CampaignFilter = r.body
    if given.function != "audit" and not (given.iccid or given.profile_type):
        raise Refused(*codes.FORMAT_INVALID, f"profile_type: {given.function} needs it, or an ICCID")
    item = queue.QueueItem(
        function=given.function,
        iccid=given.iccid,
        priority=given.priority,
        not_before=given.not_before,
        validity=given.validity,
        hold=given.hold,
    )
    return queue.CampaignStart(
        owner=r.tenant,
        campaign=name,
        item=item,
        eum_id=given.eum_id,
        platform_type=given.platform_type,
        platform_version=given.platform_version,
        profile_type=given.profile_type,
        tag_name=given.tag,
        own_only=True,
    )


def _view(found: queue.CampaignView) -> many.Campaign:
    progress = 1.0
    if found.adding:
        progress = min(0.99, found.looked // max(1, found.total // 100) / 100)
    return many.Campaign(
        campaign=found.campaign,
        function=found.function,
        state=found.state,
        adding=found.adding,
        progress=progress,
        counts=found.counts,
        reason=found.reason,
        created=found.created,
        updated=found.updated,
    )


_EXAMPLE = {"function": "enable", "profile_type": "m2m-basic", "tag": "pilot", "validity": 604_800}
_E = Endpoint
ENDPOINTS = (
    _E("GET", "/campaigns", rights.CAMPAIGN_READ, "Campaigns with the counts of their entries", list_campaigns,
       many.CampaignPages, query=bodies.PageQuery),
    _E("POST", "/campaigns", rights.CAMPAIGN_WRITE, "A command for each of your eUICCs that fits", create_campaign,
       many.Campaign, CREATED, body=many.NewCampaign, once=True, example={"name": "spring", **_EXAMPLE}),
    _E("POST", "/campaigns/count", rights.CAMPAIGN_READ, "How many eUICCs would be meant; nothing is started",
       count_campaign, many.CampaignSize, body=many.CampaignFilter, example=_EXAMPLE),
    _E("GET", "/campaigns/{campaign}", rights.CAMPAIGN_READ, "How far a campaign is", show_campaign,
       many.Campaign),
    _E("GET", "/campaigns/{campaign}/entries", rights.CAMPAIGN_READ, "Entries of a campaign, by EID",
       list_campaign_entries, bodies.QueueList, query=many.EntryQuery),
    _E("POST", "/campaigns/{campaign}/changes", rights.CAMPAIGN_WRITE, "Pause, resume or cancel a campaign",
       change_campaign, many.Campaign, body=many.CampaignStep, versioned=show_campaign,
       example={"action": "pause"}),
)  # fmt: skip
