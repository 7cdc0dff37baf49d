"""eUICCs and their types: finding, showing, audit trail, dry runs."""

from __future__ import annotations

from ferryman.contracts import admin
from ferryman.contracts.eis import EIS
from ferryman.contracts.message import Body
from ferryman.rest_api import bodies, rights
from ferryman.rest_api.endpoint import Endpoint, Request, page


async def list_euiccs(r: Request) -> bodies.EUICCList:
    question = admin.FindEUICCs(
        owner=r.tenant, by="owner", value=r.tenant, after=r.query.after, limit=r.query.limit
    )
    found = (await r.ask.sm_sr(r.tenant, question, admin.EUICCPage)).euiccs
    return bodies.EUICCList(items=found, next=found[-1].eid if len(found) == r.query.limit else "")


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


async def list_euicc_types(r: Request) -> bodies.TypeList:
    found = (await r.ask.sm_sr(r.who.party, admin.ListTypes(), admin.TypePage)).types
    items, more = page(found, _type_name, r.query.after, r.query.limit)
    return bodies.TypeList(items=items, next=more)


def _type_name(one: admin.EUICCType) -> str:
    return f"{one.eum_id}:{one.platform_type}:{one.platform_version}"[: bodies.MAX_CURSOR]


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/euiccs", rights.EUICC_READ, "eUICCs with a profile of yours, by EID", list_euiccs,
       bodies.EUICCList, query=bodies.PageQuery),
    _E("GET", "/euiccs/{eid}", rights.EUICC_READ, "One eUICC with your profiles", show_euicc, EIS),
    _E("GET", "/euiccs/{eid}/history", rights.EUICC_READ, "Audit trail of an eUICC (SGP.02 Annex E)", show_history,
       bodies.HistoryList, query=bodies.NumberQuery),
    _E("POST", "/euiccs/{eid}/dry-runs", rights.EUICC_READ, "What would happen, and why; nothing does", dry_run,
       admin.DryRunResult, body=bodies.NewDryRun,
       example={"function": "EnableProfile", "iccid": "8988211000000000011"}),
    _E("GET", "/euicc-types", rights.TYPE_READ, "eUICC types", list_euicc_types, bodies.TypeList,
       query=bodies.PageQuery),
)  # fmt: skip
