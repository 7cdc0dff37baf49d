"""Keys agreed with others: transport keys, OPs and TOPs, OpenPGP keys. They are stored, and never given back."""

from __future__ import annotations

from ferryman.contracts import crypto, envelopes
from ferryman.rest_api import bodies_keys, rights
from ferryman.rest_api.endpoint import NO_CONTENT, Absent, Endpoint, Request
from ferryman.rest_api.kept import kept


async def import_transport_key(r: Request) -> None:
    question = crypto.ImportTransportKey(eum_id=r.body.name, key=r.body.key)
    await r.ask.crypto_server(r.who.party, question, crypto.Stored)


async def show_openpgp_key(r: Request) -> envelopes.OpenPGPKey:
    if r.tenant and r.query.name:  # with whom others correspond is not a tenant's to know
        raise Absent("OpenPGP key", r.query.name)
    question = envelopes.ShowOpenPGPKey(name=r.query.name)
    return await r.ask.crypto_server(r.who.party, question, envelopes.OpenPGPKey)


@kept
async def make_openpgp_key(r: Request) -> envelopes.OpenPGPKey:
    question = envelopes.MakeOpenPGPKey(user_id=r.body.user_id, renew=r.body.renew)
    return await r.ask.crypto_server(r.who.party, question, envelopes.OpenPGPKey, r.call_id)


async def import_openpgp_key(r: Request) -> envelopes.OpenPGPKey:
    question = envelopes.ImportOpenPGPKey(data=r.body.content, name=r.body.name)
    return await r.ask.crypto_server(r.who.party, question, envelopes.OpenPGPKey)


_E = Endpoint
ENDPOINTS = (
    _E("PUT", "/transport-keys", rights.AGREED_WRITE, "Store a key agreed with a card maker or an operator",
       import_transport_key, None, NO_CONTENT, body=bodies_keys.NewTransportKey,
       example={"name": "1.3.6.1.4.1.99999.1", "key": "AAECAwQFBgcICQoLDA0ODw=="}),
    _E("GET", "/openpgp-keys", rights.OPENPGP_READ, "Our public OpenPGP key, for who sends us files; or another's",
       show_openpgp_key, envelopes.OpenPGPKey, query=bodies_keys.OpenPGPQuery),
    _E("POST", "/openpgp-keys", rights.AGREED_WRITE, "Make our OpenPGP key if there is none, or a new one",
       make_openpgp_key, envelopes.OpenPGPKey, body=bodies_keys.NewOpenPGPKey, once=True,
       example={"user_id": "Ferryman <ferryman@example.org>"}),
    _E("PUT", "/openpgp-keys", rights.AGREED_WRITE, "Store a correspondent's public OpenPGP key",
       import_openpgp_key, envelopes.OpenPGPKey, body=bodies_keys.CorrespondentKey,
       example={"name": "hlr", "content": "mDMEZ0AAAA=="}),
)  # fmt: skip
