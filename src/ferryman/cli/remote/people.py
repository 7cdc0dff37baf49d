"""API keys, accounts and peers of a platform elsewhere."""

from __future__ import annotations

from typing import Any, cast

from ferryman.cli.remote.table import PAGE, carries, first, size
from ferryman.client import AsyncClient
from ferryman.contracts import peers, rest
from ferryman.contracts.message import Body

RECOVER = "recover"


@carries(rest.AddKey)
async def add_key(client: AsyncClient, asked: rest.AddKey, call_id: str) -> Body:
    return await client.add_key(
        name=asked.name,
        role=asked.role,
        scopes=asked.scopes,
        days=asked.days,
        tenant=asked.tenant,
        idempotency_key=call_id,
    )


@carries(rest.ListKeys)
async def list_keys(client: AsyncClient, asked: rest.ListKeys, _: str) -> Body:
    del asked
    return rest.KeyPage(keys=await first(client.list_keys(page_size=PAGE), 0))


@carries(rest.RevokeKey)
async def revoke_key(client: AsyncClient, asked: rest.RevokeKey, _: str) -> Body:
    return await client.revoke_key(asked.key_id)


@carries(rest.AddAccount)
async def add_user(client: AsyncClient, asked: rest.AddAccount, call_id: str) -> Body:
    return await client.add_user(name=asked.name, role=asked.role, tenant=asked.tenant, idempotency_key=call_id)


@carries(rest.ListAccounts)
async def list_users(client: AsyncClient, asked: rest.ListAccounts, _: str) -> Body:
    found = await first(client.list_users(after=asked.after, page_size=size(asked.limit)), asked.limit)
    return rest.AccountPage(accounts=found)


@carries(rest.ChangeAccount)
async def change_user(client: AsyncClient, asked: rest.ChangeAccount, _: str) -> Body:
    done = await client.change_user(asked.user_id, action=cast(Any, asked.action))
    if asked.action == RECOVER:
        return rest.AccountAdded(account=done.account, password=done.password)
    return done.account


@carries(peers.PutPeer)
async def put_peer(client: AsyncClient, asked: peers.PutPeer, call_id: str) -> Body:
    await client.put_peer(peer=asked.peer, idempotency_key=call_id)
    return await list_peers(client, peers.ListPeers(), call_id)


@carries(peers.ListPeers)
async def list_peers(client: AsyncClient, asked: peers.ListPeers, _: str) -> Body:
    del asked
    return peers.Peers(peers=await first(client.list_peers(page_size=PAGE), 0))


@carries(peers.RemovePeer)
async def remove_peer(client: AsyncClient, asked: peers.RemovePeer, call_id: str) -> Body:
    await client.remove_peer(asked.name)
    return await list_peers(client, peers.ListPeers(), call_id)


@carries(peers.TestPeer)
async def try_peer(client: AsyncClient, asked: peers.TestPeer, _: str) -> Body:
    return await client.test_peer(asked.name)
