"""Transport scripts of the platform: versions, activation, roll-back, decisions."""

from __future__ import annotations

from ferryman.contracts import workflow
from ferryman.contracts.message import Body
from ferryman.rest_api import bodies, bodies_platform, rights
from ferryman.rest_api.endpoint import CREATED, Endpoint, Request, page
from ferryman.rest_api.kept import kept


async def list_scripts(r: Request) -> bodies_platform.ScriptList:
    found = (await r.ask.sm_sr(r.who.party, workflow.ListScripts(), workflow.ScriptPage)).scripts
    items, more = page(found, lambda one: str(one.version), r.query.after, r.query.limit)
    return bodies_platform.ScriptList(items=items, next=more)


async def check_script(r: Request) -> workflow.ScriptChecked:
    question = workflow.CheckScript(name=r.body.name, text=r.body.text)
    return await r.ask.sm_sr(r.who.party, question, workflow.ScriptChecked)


async def try_script(r: Request) -> workflow.ScriptTried:
    question = workflow.TryScript(name=r.body.name, text=r.body.text, questions=r.body.questions)
    return await r.ask.sm_sr(r.who.party, question, workflow.ScriptTried)


@kept
async def activate_script(r: Request) -> Body:
    question = workflow.ActivateScript(name=r.body.name, text=r.body.text)
    return await r.ask.sm_sr(r.who.party, question, workflow.ScriptActivated, r.call_id)


@kept
async def roll_back_script(r: Request) -> Body:
    question = workflow.RollBackScript(version=r.body.version)
    return await r.ask.sm_sr(r.who.party, question, workflow.ScriptActivated, r.call_id)


async def list_decisions(r: Request) -> bodies_platform.DecisionList:
    before = int(r.query.after or 0)
    question = workflow.ListDecisions(eid=r.query.eid, limit=r.query.limit, before=before)
    found = (await r.ask.sm_sr(r.who.party, question, workflow.DecisionPage)).decisions
    return bodies_platform.DecisionList(
        items=found, next=str(found[-1].number) if len(found) == r.query.limit else ""
    )


_SCRIPT = {
    "name": "by size",
    "text": 'def decide(q):\n    if q["operation"]["size"] > 400:\n        return send("https-push")\n'
    '    return send("sms")\n',
}
_QUESTION = {  # as one of GET /scripts/decisions, which has more in it
    "moment": "start", "now": 1_795_003_200, "installed": ["sms", "https-push"],
    "operation": {
        "id": "enable/4711", "name": "EnableProfile", "size": 40, "commands": 1, "asks": False,
        "more_to_do": False, "since": 1_795_003_200,
    },
    "card": {
        "eid": "89001012012341234012345678901224", "eum_id": "1.3.6.1.4.1.99999.1", "platform_type": "sim",
        "platform_version": "1", "http_support": True, "has_address": True, "profiles": 2, "enabled_owner":
        "1.3.6.1.4.1.99999.10", "enabled_type": "demo", "remaining_memory": 100_000, "session_open": False,
        "transports": ["sms"],
    },
    "doubt": False,
}  # fmt: skip
_E = Endpoint
ENDPOINTS = (
    _E("GET", "/scripts", rights.SCRIPT_READ, "Versions of the transport script", list_scripts,
       bodies_platform.ScriptList,
       query=bodies.PageQuery),
    _E("POST", "/scripts", rights.SCRIPT_WRITE, "Activate a transport script", activate_script,
       workflow.ScriptActivated, CREATED, body=bodies_platform.NewScript, once=True, example=_SCRIPT),
    _E("POST", "/scripts/check", rights.SCRIPT_READ, "What would be said of a script if it were activated",
       check_script, workflow.ScriptChecked, body=bodies_platform.NewScript, example=_SCRIPT),
    _E("POST", "/scripts/try", rights.SCRIPT_READ, "What a script says to questions; nothing comes of it",
       try_script, workflow.ScriptTried, body=bodies_platform.ScriptTrial,
       example={**_SCRIPT, "questions": [_QUESTION]}),
    _E("POST", "/scripts/rollback", rights.SCRIPT_WRITE, "Go back to a version", roll_back_script,
       workflow.ScriptActivated, body=bodies_platform.RollBack, once=True, example={"version": 0}),
    _E("GET", "/scripts/decisions", rights.SCRIPT_READ, "The last decisions of the script", list_decisions,
       bodies_platform.DecisionList, query=bodies_platform.DecisionQuery),
)  # fmt: skip
