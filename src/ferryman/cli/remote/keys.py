"""Agreed keys, certificates and deliveries of card makers, for a platform elsewhere."""

from __future__ import annotations

from typing import Any, cast

from ferryman.cli.remote.table import PAGE, cannot, carries, first
from ferryman.client import AsyncClient
from ferryman.contracts import admin, crypto, envelopes, eum_trust
from ferryman.contracts.message import Body

CURVES = {0x00: "P-256", 0x03: "brainpoolP256r1"}  # by key parameter reference


@carries(crypto.ImportTransportKey)
async def import_transport_key(client: AsyncClient, asked: crypto.ImportTransportKey, _: str) -> Body:
    await client.import_transport_key(name=asked.eum_id, key=asked.key)
    return crypto.Stored()


@carries(crypto.ImportHookKey)
async def import_hook_key(client: AsyncClient, asked: crypto.ImportHookKey, _: str) -> Body:
    await client.import_hook_key(name=asked.name, key=asked.key)
    return crypto.Stored()


@carries(envelopes.MakeOpenPGPKey)
async def make_openpgp_key(client: AsyncClient, asked: envelopes.MakeOpenPGPKey, call_id: str) -> Body:
    return await client.make_openpgp_key(user_id=asked.user_id, renew=asked.renew, idempotency_key=call_id)


@carries(envelopes.ImportOpenPGPKey)
async def import_openpgp_key(client: AsyncClient, asked: envelopes.ImportOpenPGPKey, _: str) -> Body:
    if not asked.name:
        raise cannot("the import of our own OpenPGP key, which says who can read what is sent to us")
    return await client.import_openpgp_key(name=asked.name, content=asked.data)


@carries(envelopes.ShowOpenPGPKey)
async def show_openpgp_key(client: AsyncClient, asked: envelopes.ShowOpenPGPKey, _: str) -> Body:
    return await client.show_openpgp_key(name=asked.name)


# -- certificates -------------------------------------------------------------------------------------------------


@carries(crypto.MakeSigningKey)
async def make_signing_key(client: AsyncClient, asked: crypto.MakeSigningKey, _: str) -> Body:
    made = await client.make_signing_key(role=cast(Any, asked.role), curve=cast(Any, CURVES[asked.curve]))
    return crypto.SigningKey(public_key_pem=made.public_key_pem.encode())


@carries(crypto.ImportCertificate)
async def import_certificate(client: AsyncClient, asked: crypto.ImportCertificate, _: str) -> Body:
    await client.import_certificate(role=cast(Any, asked.role), certificate=asked.certificate)
    return crypto.Stored()


@carries(eum_trust.ImportEUMCertificate)
async def import_eum_certificate(client: AsyncClient, asked: eum_trust.ImportEUMCertificate, _: str) -> Body:
    await client.import_eum_certificate(content=asked.data)
    return crypto.Stored()


@carries(eum_trust.ImportRevocationList)
async def import_revocation_list(client: AsyncClient, asked: eum_trust.ImportRevocationList, _: str) -> Body:
    await client.import_revocation_list(content=asked.data)
    return crypto.Stored()


@carries(eum_trust.ListTrust)
async def list_certificates(client: AsyncClient, asked: eum_trust.ListTrust, _: str) -> Body:
    del asked
    return eum_trust.TrustList(items=await first(client.list_certificates(page_size=PAGE), 0))


# -- eUICCs -------------------------------------------------------------------------------------------------------


@carries(admin.RegisterEIS)
async def register_euiccs(client: AsyncClient, asked: admin.RegisterEIS, call_id: str) -> Body:
    return await client.register_euiccs(xml=asked.xml, each=asked.each, idempotency_key=call_id)


@carries(admin.SetDifference)
async def set_difference(client: AsyncClient, asked: admin.SetDifference, _: str) -> Body:
    await client.set_difference(asked.eid, says=asked.says)
    return admin.Changed()
