"""Transport scripts of the platform: versions, activation, roll-back, decisions."""

from __future__ import annotations

from ferryman.contracts import workflow
from ferryman.contracts.message import Body
from ferryman.rest_api import bodies, rights
from ferryman.rest_api.endpoint import CREATED, Endpoint, Request, page


async def list_scripts(r: Request) -> bodies.ScriptList:
    found = (await r.ask.sm_sr(r.who.party, workflow.ListScripts(), workflow.ScriptPage)).scripts
    items, more = page(found, lambda one: str(one.version), r.query.after, r.query.limit)
    return bodies.ScriptList(items=items, next=more)


async def activate_script(r: Request) -> Body:
    question = workflow.ActivateScript(name=r.body.name, text=r.body.text)
    return await r.ask.sm_sr(r.who.party, question, workflow.ScriptActivated)


async def roll_back_script(r: Request) -> Body:
    question = workflow.RollBackScript(version=r.body.version)
    return await r.ask.sm_sr(r.who.party, question, workflow.ScriptActivated)


async def list_decisions(r: Request) -> bodies.DecisionList:
    before = int(r.query.after or 0)
    question = workflow.ListDecisions(eid=r.query.eid, limit=r.query.limit, before=before)
    found = (await r.ask.sm_sr(r.who.party, question, workflow.DecisionPage)).decisions
    return bodies.DecisionList(items=found, next=str(found[-1].number) if len(found) == r.query.limit else "")


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/scripts", rights.SCRIPT_READ, "Versions of the transport script", list_scripts, bodies.ScriptList,
       query=bodies.PageQuery),
    _E("POST", "/scripts", rights.SCRIPT_WRITE, "Activate a transport script", activate_script,
       workflow.ScriptActivated, CREATED, body=bodies.NewScript),
    _E("POST", "/scripts/rollback", rights.SCRIPT_WRITE, "Go back to a version", roll_back_script,
       workflow.ScriptActivated, body=bodies.RollBack, example={"version": 0}),
    _E("GET", "/scripts/decisions", rights.SCRIPT_READ, "The last decisions of the script", list_decisions,
       bodies.DecisionList, query=bodies.DecisionQuery),
)  # fmt: skip
