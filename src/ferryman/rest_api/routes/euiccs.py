"""eUICCs and their types: finding, showing, audit trail, dry runs."""

from __future__ import annotations

from ferryman.contracts import admin
from ferryman.contracts.eis import EIS
from ferryman.contracts.message import Body
from ferryman.rest_api import bodies, rights
from ferryman.rest_api.endpoint import Endpoint, Request


async def list_euiccs(r: Request) -> bodies.EUICCList:
    given = r.query
    by, value = (given.by, given.value) if given.by else ("owner", r.tenant)
    question = admin.FindEUICCs(owner=r.tenant, by=by, value=value, after=given.after, limit=given.limit)
    found = (await r.ask.sm_sr(r.tenant, question, admin.EUICCPage)).euiccs
    own = tuple(card for card in found if any(profile.owner == r.tenant for profile in card.profiles))
    return bodies.EUICCList(items=own, next=found[-1].eid if len(found) == given.limit else "")


async def show_euicc(r: Request) -> object:
    return await r.ask.card(r.tenant, r.path["eid"])


async def show_history(r: Request) -> bodies.HistoryList:
    await r.ask.card(r.tenant, r.path["eid"])
    after = int(r.query.after or 0)
    question = admin.ShowHistory(eid=r.path["eid"], owner=r.tenant, after=after, limit=r.query.limit)
    found = await r.ask.sm_sr(r.tenant, question, admin.HistoryPage)
    return bodies.HistoryList(items=found.records, next=str(found.after or ""))


async def dry_run(r: Request) -> Body:
    await r.ask.profile(r.tenant, r.path["eid"], r.body.iccid)
    question = admin.DryRun(
        function=r.body.function,
        eid=r.path["eid"],
        requester=r.tenant,
        iccid=r.body.iccid,
        pol2=r.body.pol2,
        imsi=r.body.imsi,
        msisdn=r.body.msisdn,
    )
    return await r.ask.sm_sr(r.tenant, question, admin.DryRunResult)


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/euiccs", rights.EUICC_READ, "eUICCs with a profile of yours, by EID", list_euiccs,
       bodies.EUICCList, query=bodies.EUICCQuery),
    _E("GET", "/euiccs/{eid}", rights.EUICC_READ, "One eUICC with your profiles", show_euicc, EIS),
    _E("GET", "/euiccs/{eid}/history", rights.EUICC_READ, "Audit trail of an eUICC (SGP.02 Annex E)", show_history,
       bodies.HistoryList, query=bodies.NumberQuery),
    _E("POST", "/euiccs/{eid}/dry-runs", rights.EUICC_READ, "What would happen, and why; nothing does", dry_run,
       admin.DryRunResult, body=bodies.NewDryRun,
       example={"function": "EnableProfile", "iccid": "8988211000000000011"}),
)  # fmt: skip
