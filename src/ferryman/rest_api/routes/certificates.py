"""Our signing keys and certificates, card makers' certificates, revocation lists.

Which CIs are trusted, and what of this is taken back, is said at the platform's own machine.
"""

from __future__ import annotations

from ferryman.contracts import crypto, eum_trust
from ferryman.rest_api import bodies, bodies_keys, rights
from ferryman.rest_api.endpoint import NO_CONTENT, Endpoint, Request, page

CURVES = {"P-256": 0x00, "brainpoolP256r1": 0x03}  # key parameter references


async def make_signing_key(r: Request) -> bodies_keys.SigningKeyView:
    question = crypto.MakeSigningKey(role=r.body.role, curve=CURVES[r.body.curve])
    made = await r.ask.crypto_server(r.who.party, question, crypto.SigningKey)
    return bodies_keys.SigningKeyView(role=r.body.role, public_key_pem=made.public_key_pem.decode())


async def import_certificate(r: Request) -> None:
    question = crypto.ImportCertificate(role=r.body.role, certificate=r.body.certificate)
    await r.ask.crypto_server(r.who.party, question, crypto.Stored)


async def import_eum_certificate(r: Request) -> None:
    question = eum_trust.ImportEUMCertificate(data=r.body.content)
    await r.ask.crypto_server(r.who.party, question, crypto.Stored)


async def import_revocation_list(r: Request) -> None:
    question = eum_trust.ImportRevocationList(data=r.body.content)
    await r.ask.crypto_server(r.who.party, question, crypto.Stored)


async def list_certificates(r: Request) -> bodies_keys.TrustPage:
    found = await r.ask.crypto_server(r.who.party, eum_trust.ListTrust(), eum_trust.TrustList)
    items, more = page(found.items, _cursor, r.query.after, r.query.limit)
    return bodies_keys.TrustPage(items=items, next=more)


def _cursor(one: eum_trust.Trusted) -> str:
    return f"{one.kind}:{one.fingerprint}"


_E = Endpoint
ENDPOINTS = (
    _E("PUT", "/signing-keys", rights.TRUST_WRITE, "Our signing key, made if there is none: its public half",
       make_signing_key, bodies_keys.SigningKeyView, body=bodies_keys.NewSigningKey, example={"role": "dp"}),
    _E("GET", "/certificates", rights.TRUST_READ, "CIs, card makers' certificates and revocation lists",
       list_certificates, bodies_keys.TrustPage, query=bodies.PageQuery),
    _E("PUT", "/certificates/own", rights.TRUST_WRITE, "Our certificate, issued by a trusted CI for our key",
       import_certificate, None, NO_CONTENT, body=bodies_keys.OwnCertificate,
       example={"role": "dp", "certificate": "fyEC"}),
    _E("PUT", "/certificates/eum", rights.TRUST_WRITE, "Know a card maker's certificate under a trusted CI",
       import_eum_certificate, None, NO_CONTENT, body=bodies_keys.NewDocument, example={"content": "MIIB"}),
    _E("PUT", "/revocation-lists", rights.TRUST_WRITE, "Hold a trusted CI to its revocation list",
       import_revocation_list, None, NO_CONTENT, body=bodies_keys.NewDocument, large=True,
       example={"content": "MIIB"}),
)  # fmt: skip
