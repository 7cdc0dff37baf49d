"""What is the platform's own: all eUICCs and their types, peers."""

from __future__ import annotations

import msgspec

from ferryman.contracts import admin, operations, peers
from ferryman.rest_api import bodies, bodies_platform, rights
from ferryman.rest_api.endpoint import ACCEPTED, CREATED, Absent, Endpoint, Request, or_absent, page
from ferryman.rest_api.kept import kept

# -- the fleet ----------------------------------------------------------------------------------------------------


async def list_fleet(r: Request) -> bodies_platform.FleetList:
    question: admin.ListEUICCs | admin.FindEUICCs
    given = r.query
    if given.by:
        question = admin.FindEUICCs(owner="", by=given.by, value=given.value, after=given.after, limit=given.limit)
    else:
        question = admin.ListEUICCs(owner="", after=given.after, limit=given.limit)
    found = (await r.ask.sm_sr(r.who.party, question, admin.EUICCPage)).euiccs
    items = tuple(
        bodies_platform.FleetCard(
            eid=card.eid,
            eum_id=card.eum_id,
            platform_type=card.platform_type,
            platform_version=card.platform_version,
            smsr_id=card.smsr_id,
        )
        for card in found
    )
    return bodies_platform.FleetList(items=items, next=items[-1].eid if len(items) == given.limit else "")


async def describe_euicc(r: Request) -> admin.EUICCDescription:
    return await r.ask.sm_sr(r.who.party, admin.DescribeEUICC(eid=r.path["eid"]), admin.EUICCDescription)


async def set_tags(r: Request) -> admin.EUICCDescription:
    question = admin.SetTags(eid=r.path["eid"], tags=r.body.tags)
    await r.ask.sm_sr(r.who.party, question, admin.Changed)
    return await describe_euicc(r)


async def register_euiccs(r: Request) -> admin.Registered:
    question = admin.RegisterEIS(xml=r.body.xml, each=r.body.each)
    return await r.ask.sm_sr(r.who.party, question, admin.Registered, r.call_id)


async def set_difference(r: Request) -> admin.EUICCDescription:
    await r.ask.sm_sr(r.who.party, admin.SetDifference(eid=r.path["eid"], says=r.body.says), admin.Changed)
    return await describe_euicc(r)


async def maintain_euicc(r: Request) -> operations.OperationView:
    eid, given = r.path["eid"], r.body
    asked: operations.Operation
    if given.function == "rotate-keys":
        asked = operations.RotateKeyset(eid=eid, protocol=given.protocol)
    else:
        asked = operations.UpdateSMSRAddressing(
            eid=eid,
            sms_address=given.sms,
            host=given.host,
            address=given.address,
            port=given.port,
            uri=given.uri,
        )
    question = operations.StartOperation(owner=r.who.party, operation=asked, validity=given.validity)
    return await r.ask.sm_sr(r.who.party, question, operations.OperationView, r.call_id)


async def list_maintenance(r: Request) -> bodies.OperationList:
    given = msgspec.structs.asdict(r.query)
    question = operations.ListOperations(owner=given.pop("requester") or r.who.party, **given)
    found = await r.ask.sm_sr(r.who.party, question, operations.OperationPage)
    return bodies.OperationList(items=found.operations, next=found.next)


async def show_maintenance(r: Request) -> operations.OperationView:
    name = r.path["operation_id"]
    question = operations.ShowOperation(owner=r.who.party, call_id=name)
    return await or_absent(r.ask.sm_sr(r.who.party, question, operations.OperationView), "operation", name)


async def list_euicc_types(r: Request) -> bodies_platform.TypeList:
    items, more = page(await _types(r), _type_name, r.query.after, r.query.limit)
    return bodies_platform.TypeList(items=items, next=more)


async def set_euicc_type(r: Request) -> admin.EUICCType:
    given = r.body
    key = (given.eum_id, given.platform_type, given.platform_version)
    question = admin.SetType(eum_id=key[0], platform_type=key[1], platform_version=key[2], says=given.says)
    await r.ask.sm_sr(r.who.party, question, admin.Changed)
    for one in await _types(r):
        if (one.eum_id, one.platform_type, one.platform_version) == key:
            return one
    return admin.EUICCType(
        eum_id=key[0], platform_type=key[1], platform_version=key[2]
    )  # it says nothing any more


async def _types(r: Request) -> tuple[admin.EUICCType, ...]:
    return (await r.ask.sm_sr(r.who.party, admin.ListTypes(), admin.TypePage)).types


def _type_name(one: admin.EUICCType) -> str:
    return f"{one.eum_id}:{one.platform_type}:{one.platform_version}"[: bodies.MAX_CURSOR]


# -- peers --------------------------------------------------------------------------------------------------------


async def list_peers(r: Request) -> bodies_platform.PeerList:
    items, more = page(await _peers(r), lambda one: one.name, r.query.after, r.query.limit)
    return bodies_platform.PeerList(items=items, next=more)


@kept
async def put_peer(r: Request) -> peers.Peer:
    await r.ask.gateway(r.who.party, peers.PutPeer(peer=r.body), peers.Peers, r.call_id)
    return await _peer(r, r.body.name)


async def show_peer(r: Request) -> peers.Peer:
    return await _peer(r, r.path["name"])


async def remove_peer(r: Request) -> peers.Peer:
    found = await show_peer(r)
    await r.ask.gateway(r.who.party, peers.RemovePeer(name=found.name), peers.Peers)
    return found


async def test_peer(r: Request) -> peers.PeerTested:
    found = await show_peer(r)
    return await r.ask.gateway(r.who.party, peers.TestPeer(name=found.name), peers.PeerTested)


async def _peers(r: Request) -> tuple[peers.Peer, ...]:
    return (await r.ask.gateway(r.who.party, peers.ListPeers(), peers.Peers)).peers


async def _peer(r: Request, name: str) -> peers.Peer:
    for one in await _peers(r):
        if one.name == name:
            return one
    raise Absent("peer", name)


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/fleet", rights.FLEET_READ, "All eUICCs of the platform, by EID", list_fleet,
       bodies_platform.FleetList,
       query=bodies_platform.FleetQuery),
    _E("GET", "/fleet/maintenance", rights.FLEET_READ, "Operations that you began so, or a tenant's, newest first",
       list_maintenance, bodies.OperationList, query=bodies_platform.MaintenanceQuery),
    _E("GET", "/fleet/{eid}", rights.FLEET_READ, "One eUICC with all that is known of it", describe_euicc,
       admin.EUICCDescription),
    _E("POST", "/fleet", rights.FLEET_WRITE, "Register the eUICCs of a card maker's delivery (ES1.RegisterEIS)",
       register_euiccs, admin.Registered, body=bodies_platform.NewDelivery, once=True, large=True,
       example={"xml": "PGRlbGl2ZXJ5Lz4=", "each": True}),
    _E("PUT", "/fleet/{eid}/difference", rights.FLEET_WRITE, "Replace what an eUICC says otherwise than its type",
       set_difference, admin.EUICCDescription, body=bodies_platform.Difference, versioned=describe_euicc,
       example={"says": {"segment_size": 200}}),
    _E("POST", "/fleet/{eid}/maintenance", rights.FLEET_WRITE, "New ISD-R keys, or where the SM-SR is",
       maintain_euicc, operations.OperationView, ACCEPTED, body=bodies_platform.NewMaintenance, once=True,
       example={"function": "rotate-keys", "protocol": "scp80"}),
    _E("GET", "/fleet/maintenance/{operation_id}", rights.FLEET_READ, "State of an operation that you began so",
       show_maintenance, operations.OperationView),
    _E("PUT", "/fleet/{eid}/tags", rights.FLEET_WRITE, "Replace the tags of an eUICC", set_tags,
       admin.EUICCDescription, body=bodies_platform.NewTags, versioned=describe_euicc,
       example={"tags": ["pilot"]}),
    _E("GET", "/euicc-types", rights.TYPE_READ, "eUICC types", list_euicc_types, bodies_platform.TypeList,
       query=bodies.PageQuery),
    _E("PUT", "/euicc-types", rights.FLEET_WRITE, "Replace what an eUICC type says", set_euicc_type,
       admin.EUICCType, body=bodies_platform.NewType,
       example={"eum_id": "1.3.6.1.4.1.99999.1", "says": {"segment_size": 200}}),
    _E("GET", "/peers", rights.PEER_READ, "Other parties that speak with us in SOAP, by name", list_peers,
       bodies_platform.PeerList, query=bodies.PageQuery),
    _E("POST", "/peers", rights.PEER_WRITE, "Add a peer, or replace the one with this OID and kind", put_peer,
       peers.Peer, CREATED, body=peers.Peer, once=True,
       example={"name": "operator-a", "kind": "operator", "oid": "1.3.6.1.4.1.99999.30",
                "endpoints": {"ES4": "https://es4.operator-a.example/"}, "username": "operator-a",
                "password_file": "operator-a.password"}),
    _E("GET", "/peers/{name}", rights.PEER_READ, "One peer", show_peer, peers.Peer),
    _E("DELETE", "/peers/{name}", rights.PEER_WRITE, "Forget a peer", remove_peer, peers.Peer,
       versioned=show_peer),
    _E("POST", "/peers/{name}/test", rights.PEER_WRITE, "Try TLS, addressing and a harmless call", test_peer,
       peers.PeerTested),
)  # fmt: skip
