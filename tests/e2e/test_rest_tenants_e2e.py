"""Role x tenant x route on a real card: what is one's own succeeds, what is another's is not there (404)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
from typing import Any

import pytest
from sqlalchemy import update

from e2e import checks
from e2e.bench import Bench, bench, pause
from e2e.rest_requests import Good, absent
from ferryman.cli.operator import Operator
from ferryman.contracts import crypto, envelopes
from ferryman.contracts.rest import KeyRole
from ferryman.contracts.roles import SM_SR
from ferryman.profile.demo_template import demo_template
from ferryman.rest_api.endpoint import Endpoint
from ferryman.rest_api.endpoints import ENDPOINTS
from ferryman.rest_api.settings import RESTSettings
from ferryman.secure import openpgp
from ferryman.sm_sr import role as role_of_sm_sr
from ferryman.sm_sr.schema import isdp
from ferryman.sm_sr.scripts.runner import LocalDecider
from openpgp_keys import our_key, sender
from rest_matrix import PLATFORM, allowed
from rest_world import OTHER, Answer, RestWorld
from rig import OWNER
from virtual_loop import virtual

REST = RESTSettings(listen=False, rate_per_address=0, rate_per_key=0)
TOKEN = {"token": base64.b64encode(bytes(16)).decode(), "sin": "AA==", "sdin": "AA==", "provider": "AA=="}
SCRIPT = 'def decide(q):\n    return send("sms")\n'
OCTETS = base64.b64encode(bytes(32)).decode()
RANGE = {
    "profile_type": "demo",
    "first_iccid": "898821100000090000",
    "first_imsi": "001010000900000",
    "count": 3,
}
ENABLED = 0x3F  # as the card says it
OWN_NAMES = {
    "eid",
    "order_id",
    "operation_id",
    "entry",
    "user_id",
    "key_id",
    "approval_id",
    "import_id",
    "profile_type",
    "webhook_id",
    "campaign",
    "batch",
    "upload_id",
    "call_id",
}
OF_STAFF = {"user_id", "key_id"}  # which the platform's own staff sees for every tenant
ROUTES = [endpoint for endpoint in ENDPOINTS if endpoint.area != "session"]  # whose objects are one's own alone


class Client:
    """One key."""

    def __init__(self, world: RestWorld, token: str) -> None:
        self.world = world
        self.token = token
        self.count = 0

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        self.count += 1
        headers.setdefault("idempotency-key", f"{self.token[:20]}-{self.count}")
        return await self.world.ask(method, path, self.token, body, headers=headers)

    async def until(self, path: str, state: str) -> Any:
        for number in range(3000):
            found = await self.ask("GET", path)
            assert found.status == 200, found.body
            if found.json["state"] == state:
                return found.json
            await asyncio.sleep(pause(number))
        raise AssertionError(path)


async def client(world: RestWorld, role: KeyRole, tenant: str) -> Client:
    return Client(world, await world.token(role, tenant))


def path_of(endpoint: Endpoint, good: Good, **instead: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda m: instead.get(m[1], good.names.get(m[1], "1")), endpoint.path) + good.query


async def requests(b: Bench, own: Client) -> dict[str, Good]:
    """Objects of the owner, made over REST, and a good request for each route."""
    made = await own.ask("POST", "/orders", {"eid": b.eid, "profile_type": "demo", "enable": False})
    assert made.status == 201, made.body
    order = await own.until(f"/orders/{made.json['order_id']}", "done")
    assert order["status"]["status"] == "EXECUTED_SUCCESS", order
    iccid = order["iccid"]
    waiting = await own.ask("POST", f"/euiccs/{b.eid}/queue", {"function": "audit", "hold": True})
    assert waiting.status == 201, waiting.body
    started = await own.ask("POST", f"/euiccs/{b.eid}/operations", {"function": "enable", "iccid": iccid})
    assert started.status == 202, started.body
    done = await own.until(f"/operations/{started.json['call_id']}", "done")
    assert done["status"]["status"] == "EXECUTED_SUCCESS", done
    (profile,) = (p for p in b.world.status(b.eid)["profiles"] if p["iccid"] == iccid)
    assert profile["state"] == ENABLED
    user = await own.ask("POST", "/users", {"name": "ada", "role": "operator"})
    key = await own.ask("POST", "/api-keys", {"name": "billing", "role": "auditor"})
    raw = {"data": "gPICAAIPAA==", "reason": "for a test of ours"}
    asked = await own.ask("POST", f"/euiccs/{b.eid}/raw-scripts", raw)
    assert (user.status, key.status, asked.status) == (201, 201, 202)
    approval = {"approval_id": asked.json["approval_id"]}
    person = {"user_id": user.json["account"]["user_id"]}
    token = {"key_id": key.json["key"]["key_id"]}
    batch = {"import_id": (await own.ask("GET", "/imports")).json["items"][0]["import_id"]}
    # Of a type that this test does not bring about: nobody is called.
    hook = {"url": "https://hooks.example.org/", "types": ["euicc.smsr-changed"]}
    hooks = [{"webhook_id": (await own.ask("POST", "/webhooks", hook)).json["id"]} for _ in range(2)]
    content = base64.b64encode(b"ICCID,IMSI,KI,OPC\n").decode()
    file = {"profile_type": "demo", "content": content, "dry_run": True}
    sent = await own.ask("POST", "/uploads", file)
    upload = {"upload_id": sent.json["upload_id"]}
    await own.until(f"/uploads/{upload['upload_id']}", "failed")
    call = {"function": "get-eis", "eid": b.eid}
    asked_by_es2 = await own.ask("POST", "/es2-calls", call)
    assert asked_by_es2.status == 202, asked_by_es2.body
    spring = {"name": "spring", "function": "audit", "hold": True}
    meters = {"name": "meters", "profile_type": "demo"}
    assert (await own.ask("POST", "/campaigns", spring)).status == 201
    assert (await own.ask("POST", "/batches", meters)).status == 201
    machine = Operator(b.platform.installation.bus, OWNER)
    await machine.crypto(crypto.ImportTransportKey(eum_id="hlr", key=bytes(16)))
    await machine.crypto(envelopes.ImportOpenPGPKey(data=our_key()))
    pilots = {"name": "pilots", "profile_type": "demo", "where": {}}
    assert (await own.ask("POST", "/batches", pilots)).status == 201
    card = {"eid": b.eid}
    entry = {**card, "entry": waiting.json["entry"]}
    placed = {"order_id": made.json["order_id"]}
    return {
        "list_euiccs": Good(),
        "show_euicc": Good(card),
        "show_history": Good(card),
        "dry_run": Good(card, {"function": "DisableProfile", "iccid": iccid}),
        "list_euicc_types": Good(),
        "start_operation": Good(card, {"function": "audit"}),
        "show_operation": Good({"operation_id": started.json["call_id"]}),
        "list_queue": Good(card),
        "add_to_queue": Good(card, {"function": "audit", "hold": True}),
        "show_entry": Good(entry),
        "change_entry": Good(entry, {"action": "move", "priority": 1}),
        "list_profile_types": Good(),
        "list_orders": Good(),
        "create_order": Good({}, {"eid": b.eid, "profile_type": "demo", "enable": False}),
        "show_order": Good(placed),
        "cancel_order": Good(placed),
        "retry_order": Good(placed, {}),
        "list_scripts": Good(),
        "activate_script": Good({}, {"name": "a.star", "text": "no good"}),
        "roll_back_script": Good({}, {"version": 0}),
        "list_decisions": Good(),
        "list_users": Good(),
        "add_user": Good({}, {"name": "grace", "role": "operator"}),
        "show_user": Good(person),
        "change_user": Good(person, {"action": "enable"}),
        "ask_for_role": Good(person, {"role": "auditor"}),
        "list_keys": Good(),
        "add_key": Good({}, {"name": "more", "role": "auditor"}),
        "show_key": Good(token),
        "revoke_key": Good(token),
        "ask_for_raw_script": Good(card, raw),
        "list_fleet": Good(),
        "describe_euicc": Good(card),
        "set_tags": Good(card, {"tags": ["pilot"]}),
        "set_euicc_type": Good({}, {"eum_id": b.world.batch["eum"]["oid"], "says": {}}),
        "list_peers": Good(),
        "put_peer": Good({}, {"name": "x", "kind": "operator", "oid": "1.2.3"}),
        "show_peer": Good({"name": "x"}),
        "remove_peer": Good({"name": "x"}),
        "test_peer": Good({"name": "x"}),
        "list_audit": Good(query="?source=sm-dp"),
        "show_statistics": Good(),
        "list_alarms": Good(),
        "list_operations": Good(),
        "show_journal": Good({"operation_id": started.json["call_id"]}),
        "import_template": Good({}, {"name": "other", "package": base64.b64encode(demo_template()).decode()}),
        "show_profile_type": Good({"profile_type": "demo"}),
        "set_low_water": Good({"profile_type": "demo"}, {"low_water": 1}),
        "check_script": Good({}, {"name": "a.star", "text": "no good"}),
        "try_script": Good({}, {"name": "a.star", "text": SCRIPT, "questions": []}),
        "list_approvals": Good(),
        "list_imports": Good(),
        "show_import": Good(batch),
        "list_subscriptions": Good(batch),
        "ask_for_deletion": Good(batch),
        "start_es2_call": Good({}, {**call, "eid": "89001012012341234012345678901224"}),
        "show_es2_call": Good({"call_id": asked_by_es2.json["call_id"]}),
        "upload_subscriptions": Good({}, file),
        "list_uploads": Good(),
        "generate_subscriptions": Good({}, RANGE),
        "export_keys": Good(batch, query="?under=hlr"),
        "export_sealed": Good(batch, {"recipient": "nobody"}),
        "import_transport_key": Good({}, {"name": "1.2.3", "key": OCTETS}),
        "import_hook_key": Good({}, {"name": "own", "key": OCTETS}),
        "show_openpgp_key": Good(),
        "make_openpgp_key": Good({}, {"user_id": "Ferryman <dp@example.org>"}),
        "import_openpgp_key": Good(
            {}, {"name": "maker", "content": base64.b64encode(openpgp.public_of(sender())).decode()}
        ),
        "make_signing_key": Good({}, {"curve": "brainpoolP256r1"}),
        "list_certificates": Good(),
        "import_certificate": Good({}, {"certificate": OCTETS}),
        "import_eum_certificate": Good({}, {"content": OCTETS}),
        "import_revocation_list": Good({}, {"content": OCTETS}),
        "register_euiccs": Good({}, {"xml": OCTETS}),
        "set_difference": Good(card, {"says": {}}),
        "maintain_euicc": Good(card, {"function": "rotate-keys", "protocol": "scp80"}),
        "list_maintenance": Good(),
        "show_maintenance": Good({"operation_id": "another's"}),
        "show_upload": Good(upload),
        "show_report": Good(upload),
        "list_hooks": Good(),
        "set_hook": Good({}, {}),
        "remove_hook": Good(),
        "make_hook_key": Good({}, {"name": "hlr"}),
        "release_order": Good(placed, {}),
        "refuse_order": Good(placed, {}),
        "list_campaigns": Good(),
        "count_campaign": Good({}, {"function": "audit"}),
        "create_campaign": Good({}, {**spring, "name": "summer"}),
        "show_campaign": Good({"campaign": "spring"}),
        "change_campaign": Good({"campaign": "spring"}, {"action": "pause"}),
        "list_batches": Good(),
        "create_batch": Good({}, {**meters, "name": "others"}),
        "show_batch": Good({"batch": "meters"}),
        "list_rows": Good({"batch": "meters"}),
        "add_rows": Good({"batch": "meters"}, {"first": 0, "rows": [{"eid": b.eid}]}),
        "fill_batch": Good({"batch": "pilots"}, {}),
        "list_campaign_entries": Good({"campaign": "spring"}),
        "issue_delete_token": Good(placed),
        "master_delete": Good(card, {"iccid": iccid, **TOKEN}),
        "change_batch": Good({"batch": "meters"}, {"action": "limit", "in_flight": 3}),
        "list_events": Good(),
        "stream_events": Good(),
        "list_webhooks": Good(),
        "create_webhook": Good({}, hook),
        "show_webhook": Good(hooks[0]),
        "change_webhook": Good(hooks[0], {"action": "resume"}),
        "delete_webhook": Good(hooks[1]),
        "list_deliveries": Good(hooks[0]),
        "replay_webhook": Good(hooks[0], {}),
        "show_approval": Good(approval),
        "approve": Good(approval),
        "reject": Good(approval),
    }


# What a good request is answered with where its object does not allow it: an order that has ended, no script.
# Nor does an API key decide about an approval.
# There is no gateway here that has peers.
OTHERWISE = {
    **{key: {403} for key in ("approve", "reject", "cancel_order", "retry_order")},
    **{key: {403} for key in ("release_order", "refuse_order")},
    "issue_delete_token": {409},  # no token key was loaded
    **{
        key: {503} for key in ("list_peers", "put_peer", "show_peer", "remove_peer", "test_peer")
    },  # no gateway here
    "activate_script": {400},
    "upload_subscriptions": {202, 409},  # one at a time
    "generate_subscriptions": {202, 409},
    "export_sealed": {409},  # nobody is known by that name
    **{key: {400} for key in ("import_certificate", "import_eum_certificate", "import_revocation_list")},
    "register_euiccs": {400},
    "show_maintenance": {404},  # who began it sees it
    "delete_webhook": {204, 404},  # each role deletes the same one
    "remove_hook": {204, 404},
}


@virtual
async def test_every_role_tenant_and_route_on_a_real_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role_of_sm_sr, "ChildDecider", LocalDecider)  # no process on a virtual clock
    async with bench("sms", subscribers=40, rest=REST) as b:
        world = RestWorld(b.platform.installation)
        good = await requests(b, await client(world, KeyRole.ADMIN, OWNER))
        assert set(good) == {endpoint.name for endpoint in ROUTES}
        cells = 0
        for role, tenant in itertools.product(KeyRole, (OWNER, OTHER, "")):
            asking = await client(world, role, tenant)
            for endpoint in ROUTES:
                one = good[endpoint.name]
                answer = await asking.ask(endpoint.method, path_of(endpoint, one), numbered(one.body, cells))
                cell = (role, tenant, endpoint.name, answer.status, answer.body)
                if not allowed(role, tenant, endpoint):
                    assert answer.status == 403, cell
                elif not sees(tenant, endpoint, one):
                    assert answer.status == 404, cell
                    nothing = {name: absent(name, value) for name, value in one.names.items()}
                    other = await asking.ask(endpoint.method, path_of(endpoint, one, **nothing), one.body)
                    assert unnamed(answer, one.names) == unnamed(other, nothing), cell
                elif tenant != OTHER:
                    assert answer.status in OTHERWISE.get(endpoint.name, {endpoint.status}), cell
                else:
                    assert answer.status not in (403, 500), cell
                    assert b.eid.encode() not in answer.body or endpoint.name == "create_order", cell
                cells += 1
        assert cells == len(KeyRole) * 3 * len(ROUTES)


def numbered(body: Any, number: int) -> Any:
    """The body with a name that nobody has used."""
    return {**body, "name": f"{body['name']} {number}"} if body and "role" in body and "name" in body else body


def sees(tenant: str, endpoint: Endpoint, one: Good) -> bool:
    named = OWN_NAMES & set(one.names)
    return endpoint.area in PLATFORM or not named or tenant == OWNER or (not tenant and named <= OF_STAFF)


def unnamed(answer: Answer, names: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """The answer without the names that were asked for and the number of the request."""
    body = answer.body
    for value in names.values():
        body = body.replace(value.encode(), b"NAME")
    heads = {
        name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")
    }
    return answer.status, heads, body


@virtual
async def test_a_profile_of_somebody_else_on_ones_own_card_is_not_there() -> None:
    """Two operators have a profile on the card; neither learns the other's ICCID, by no function."""
    async with bench("sms", rest=REST) as b:
        world = RestWorld(b.platform.installation)
        own = await client(world, KeyRole.ADMIN, OWNER)
        made = await own.ask("POST", "/orders", {"eid": b.eid, "profile_type": "demo", "enable": False})
        await own.until(f"/orders/{made.json['order_id']}", "done")
        card = await checks.eis(b, b.eid)
        theirs, ours = sorted(card.profiles, key=lambda p: p.state, reverse=True)
        (mailbox,) = (m for m in b.platform.installation.mailboxes if m.role == SM_SR)
        given = update(isdp).where(isdp.c.iccid == theirs.iccid).values(owner=OTHER)
        await mailbox.transact(lambda tx: tx.connection.execute(given))
        other = await client(world, KeyRole.ADMIN, OTHER)
        for asking, iccid, foreign in ((own, ours.iccid, theirs.iccid), (other, theirs.iccid, ours.iccid)):
            for path, body in (
                ("dry-runs", {"function": "EnableProfile"}),
                ("operations", {"function": "enable"}),
                ("queue", {"function": "enable"}),
            ):
                url = f"/euiccs/{b.eid}/{path}"
                seen = await asking.ask("POST", url, {**body, "iccid": foreign})
                nothing = absent("iccid", foreign)
                unseen = await asking.ask("POST", url, {**body, "iccid": nothing})
                assert seen.status == 404
                assert unnamed(seen, {"": foreign}) == unnamed(unseen, {"": nothing})
            for function in ("EnableProfile", "DisableProfile", "DeleteProfile", "UpdatePolicyRules"):
                told = await asking.ask(
                    "POST", f"/euiccs/{b.eid}/dry-runs", {"function": function, "iccid": iccid}
                )
                assert told.status == 200
                assert foreign.encode() not in told.body, told.body
            for path in ("", "/history", "/queue"):
                shown = await asking.ask("GET", f"/euiccs/{b.eid}{path}")
                assert foreign.encode() not in shown.body
        enabling = await own.ask(
            "POST", f"/euiccs/{b.eid}/dry-runs", {"function": "EnableProfile", "iccid": ours.iccid}
        )
        assert enabling.json["status"]["status"] == "EXECUTED_SUCCESS"
        assert b"(another's) becomes Disabled" in enabling.body
