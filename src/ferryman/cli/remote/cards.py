"""Cards, operations, queues, campaigns and transport scripts of a platform elsewhere."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from ferryman.cli.remote.table import PAGE, cannot, carries, first, size
from ferryman.client import AsyncClient
from ferryman.client.methods.answers import Campaign
from ferryman.contracts import admin, es2, es2_calls, es4, operations, queue, workflow
from ferryman.contracts.message import Body

FINDABLE = ("eid", "iccid", "msisdn", "imei", "tag")  # by all others only the platform's own staff finds
RAW = "raw"
DRY_RUNS = (  # what an owner of profiles may ask
    *("EnableProfile", "DisableProfile", "DeleteProfile"),
    *("UpdatePolicyRules", "UpdateSubscriptionAddress"),
)


@carries(admin.ListEUICCs)
async def list_euiccs(client: AsyncClient, asked: admin.ListEUICCs, _: str) -> Body:
    found = await first(client.list_euiccs(after=asked.after, page_size=size(asked.limit)), asked.limit)
    return admin.EUICCPage(euiccs=found)


@carries(admin.FindEUICCs)
async def find_euiccs(client: AsyncClient, asked: admin.FindEUICCs, _: str) -> Body:
    if asked.by not in FINDABLE:
        fleet = client.list_fleet(
            by=cast(Any, asked.by), value=asked.value, after=asked.after, page_size=size(asked.limit)
        )
        cards = await first(fleet, asked.limit)
        return admin.EUICCPage(euiccs=tuple([(await client.describe_euicc(card.eid)).eis for card in cards]))
    pages = client.list_euiccs(
        by=cast(Any, asked.by), value=asked.value, after=asked.after, page_size=size(asked.limit)
    )
    return admin.EUICCPage(euiccs=await first(pages, asked.limit))


@carries(admin.ShowEUICC)
async def show_euicc(client: AsyncClient, asked: admin.ShowEUICC, _: str) -> Body:
    return admin.EUICCPage(euiccs=(await client.show_euicc(asked.eid),))


@carries(admin.DescribeEUICC)
async def describe_euicc(client: AsyncClient, asked: admin.DescribeEUICC, _: str) -> Body:
    return await client.describe_euicc(asked.eid)


@carries(admin.SetTags)
async def set_tags(client: AsyncClient, asked: admin.SetTags, _: str) -> Body:
    await client.set_tags(asked.eid, tags=asked.tags)
    return admin.Changed()


@carries(admin.ListTypes)
async def list_types(client: AsyncClient, asked: admin.ListTypes, _: str) -> Body:
    del asked
    return admin.TypePage(types=await first(client.list_euicc_types(page_size=PAGE), 0))


@carries(admin.SetType)
async def set_type(client: AsyncClient, asked: admin.SetType, _: str) -> Body:
    await client.set_euicc_type(
        eum_id=asked.eum_id,
        platform_type=asked.platform_type,
        platform_version=asked.platform_version,
        says=asked.says,
    )
    return admin.Changed()


@carries(admin.ShowHistory)
async def show_history(client: AsyncClient, asked: admin.ShowHistory, _: str) -> Body:
    after = str(asked.after) if asked.after else ""
    page = await client.show_history(asked.eid, after=after, page_size=size(asked.limit)).page()
    return admin.HistoryPage(records=page.items, after=int(page.next or 0))


@carries(admin.DryRun)
async def dry_run(client: AsyncClient, asked: admin.DryRun, _: str) -> Body:
    if asked.required_memory:
        raise cannot("a dry run with --required-memory")
    if asked.function not in DRY_RUNS:
        raise cannot(f"a dry run of {asked.function}, which is none of a profile's owner")
    return await client.dry_run(
        asked.eid,
        function=cast(Any, asked.function),
        iccid=asked.iccid,
        pol2=asked.pol2,
        imsi=asked.imsi,
        msisdn=asked.msisdn,
    )


# -- operations ---------------------------------------------------------------------------------------------------


@carries(operations.StartOperation)
async def start_operation(client: AsyncClient, asked: operations.StartOperation, call_id: str) -> Body:
    what = asked.operation
    given: dict[str, Any]
    if isinstance(what, operations.RotateKeyset | operations.UpdateSMSRAddressing):
        return await _maintain(client, what, asked.validity, call_id)
    match what:
        case es4.ES4EnableProfile():
            given = {"function": "enable", "iccid": what.iccid}
        case es4.ES4DisableProfile():
            given = {"function": "disable", "iccid": what.iccid}
        case es4.ES4DeleteProfile():
            given = {"function": "delete", "iccid": what.iccid}
        case operations.SetFallbackAttribute():
            given = {"function": "set-fallback", "iccid": what.iccid}
        case es4.ES4AuditEIS():
            given = {"function": "audit", "iccids": what.iccids}
        case operations.MasterDelete():
            covered = msgspec.structs.asdict(what)
            eid = covered.pop("eid")
            return await client.master_delete(eid, validity=asked.validity, idempotency_key=call_id, **covered)
        case _:
            raise cannot(type(what).__name__)
    return await client.start_operation(what.eid, validity=asked.validity, idempotency_key=call_id, **given)


async def _maintain(
    client: AsyncClient,
    what: operations.RotateKeyset | operations.UpdateSMSRAddressing,
    validity: float,
    call_id: str,
) -> Body:
    """What the platform's own staff does with an eUICC."""
    if isinstance(what, operations.RotateKeyset):
        return await client.maintain_euicc(
            what.eid,
            function="rotate-keys",
            protocol=cast(Any, what.protocol),
            validity=validity,
            idempotency_key=call_id,
        )
    return await client.maintain_euicc(
        what.eid,
        function="update-addressing",
        sms=what.sms_address,
        host=what.host,
        address=what.address,
        port=what.port,
        uri=what.uri,
        validity=validity,
        idempotency_key=call_id,
    )


@carries(operations.ShowOperation)
async def show_operation(client: AsyncClient, asked: operations.ShowOperation, _: str) -> Body:
    if not (await client.show_session()).tenant:  # the platform's own staff: what is theirs is with the fleet
        return await client.show_maintenance(asked.call_id)
    return await client.show_operation(asked.call_id)


@carries(operations.ListOperations)
async def list_operations(client: AsyncClient, asked: operations.ListOperations, _: str) -> Body:
    given: dict[str, Any] = {
        "after": asked.after,
        "eid": asked.eid,
        "function": asked.function,
        "state": asked.state,
        "failed_only": asked.failed_only,
        "since": asked.since,
        "until": asked.until,
    }
    fetch = client.list_operations if (await client.show_session()).tenant else client.list_maintenance
    page = await fetch(page_size=size(asked.limit), **given).page()
    return operations.OperationPage(operations=page.items, next=page.next)


ES2 = {
    es2.ES2GetEIS: "get-eis",
    es2_calls.ES2AuditEIS: "audit",
    es2.ES2EnableProfile: "enable",
    es2.ES2DisableProfile: "disable",
    es2.ES2DeleteProfile: "delete",
    es2_calls.ES2SetFallBackAttribute: "set-fallback",
    es2.ES2UpdatePolicyRules: "update-policy-rules",
    es2.ES2UpdateSubscriptionAddress: "update-subscription-address",
    es2_calls.UpdateConnectivityParameters: "update-connectivity",
}


@carries(es2_calls.StartES2)
async def start_es2(client: AsyncClient, asked: es2_calls.StartES2, call_id: str) -> Body:
    given: dict[str, Any] = msgspec.structs.asdict(asked.call)
    return await client.start_es2_call(
        function=cast(Any, ES2[type(asked.call)]), validity=asked.validity, idempotency_key=call_id, **given
    )


@carries(es2_calls.ShowES2)
async def show_es2(client: AsyncClient, asked: es2_calls.ShowES2, _: str) -> Body:
    return await client.show_es2_call(asked.call_id)


# -- queues and campaigns -----------------------------------------------------------------------------------------


@carries(queue.QueueAdd)
async def add_to_queue(client: AsyncClient, asked: queue.QueueAdd, call_id: str) -> Body:
    return await client.add_to_queue(asked.eid, idempotency_key=asked.key or call_id, **_item(asked.item))


def _item(item: queue.QueueItem) -> dict[str, Any]:
    if item.function == RAW:
        raise cannot("a campaign of raw scripts: a second person approves one eUICC at a time")
    return {
        "function": item.function,
        "iccid": item.iccid,
        "priority": item.priority,
        "not_before": item.not_before,
        "validity": item.validity,
        "hold": item.hold,
    }


@carries(queue.QueueList)
async def list_queue(client: AsyncClient, asked: queue.QueueList, _: str) -> Body:
    pages = client.list_queue(asked.eid, open_only=asked.open_only, page_size=size(asked.limit))
    return queue.QueuePage(entries=await first(pages, asked.limit))


@carries(queue.QueueShow)
async def show_entry(client: AsyncClient, asked: queue.QueueShow, _: str) -> Body:
    return await client.show_entry(asked.eid, asked.entry)


@carries(queue.QueueChange)
async def change_entry(client: AsyncClient, asked: queue.QueueChange, _: str) -> Body:
    return await client.change_entry(
        asked.eid, asked.entry, action=cast(Any, asked.action), priority=asked.priority
    )


@carries(queue.CampaignStart)
async def create_campaign(client: AsyncClient, asked: queue.CampaignStart, call_id: str) -> Body:
    made = await client.create_campaign(
        name=asked.campaign,
        eum_id=asked.eum_id,
        platform_type=asked.platform_type,
        platform_version=asked.platform_version,
        profile_type=asked.profile_type,
        tag=asked.tag_name,
        idempotency_key=call_id,
        **_item(asked.item),
    )
    return campaign_view(made)


@carries(queue.CampaignList)
async def list_campaigns(client: AsyncClient, asked: queue.CampaignList, _: str) -> Body:
    found = await first(client.list_campaigns(after=asked.after, page_size=size(asked.limit)), asked.limit)
    return queue.CampaignPage(campaigns=tuple(map(campaign_view, found)))


@carries(queue.CampaignShow)
async def show_campaign(client: AsyncClient, asked: queue.CampaignShow, _: str) -> Body:
    return campaign_view(await client.show_campaign(asked.campaign))


@carries(queue.CampaignEntries)
async def list_campaign_entries(client: AsyncClient, asked: queue.CampaignEntries, _: str) -> Body:
    state = asked.state.value if asked.state is not None else ""
    pages = client.list_campaign_entries(
        asked.campaign, state=cast(Any, state), after=asked.after, page_size=size(asked.limit)
    )
    return queue.QueuePage(entries=await first(pages, asked.limit))


@carries(queue.CampaignChange)
async def change_campaign(client: AsyncClient, asked: queue.CampaignChange, _: str) -> Body:
    return campaign_view(await client.change_campaign(asked.campaign, action=cast(Any, asked.action)))


def campaign_view(found: Campaign) -> queue.CampaignView:
    """As the command line prints it; a tenant is not told how many eUICCs the platform has (`total` 0)."""
    return queue.CampaignView(
        campaign=found.campaign,
        function=found.function,
        state=found.state,
        adding=found.adding,
        reason=found.reason,
        counts=found.counts,
        looked=0,
        total=0,
        skipped=0,
        created=found.created,
        updated=found.updated,
    )


# -- transport scripts --------------------------------------------------------------------------------------------


@carries(workflow.CheckScript)
async def check_script(client: AsyncClient, asked: workflow.CheckScript, _: str) -> Body:
    return await client.check_script(name=asked.name, text=asked.text)


@carries(workflow.ActivateScript)
async def activate_script(client: AsyncClient, asked: workflow.ActivateScript, call_id: str) -> Body:
    return await client.activate_script(name=asked.name, text=asked.text, idempotency_key=call_id)


@carries(workflow.RollBackScript)
async def roll_back_script(client: AsyncClient, asked: workflow.RollBackScript, call_id: str) -> Body:
    return await client.roll_back_script(version=asked.version, idempotency_key=call_id)


@carries(workflow.ListScripts)
async def list_scripts(client: AsyncClient, asked: workflow.ListScripts, _: str) -> Body:
    del asked
    return workflow.ScriptPage(scripts=await first(client.list_scripts(page_size=PAGE), 0))


@carries(workflow.ListDecisions)
async def list_decisions(client: AsyncClient, asked: workflow.ListDecisions, _: str) -> Body:
    pages = client.list_decisions(eid=asked.eid, page_size=size(asked.limit))
    return workflow.DecisionPage(decisions=await first(pages, asked.limit))
