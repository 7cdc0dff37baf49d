"""Which role may ask what: one table; anything not in it is refused and audited."""

from __future__ import annotations

from ferryman.contracts import crypto, envelopes, es8, eum_trust, imports
from ferryman.contracts.message import Body
from ferryman.contracts.roles import OPERATOR, REST_API, SM_DP, SM_SR, TRANSPORT_HTTPS

ALLOWED: dict[type[Body], frozenset[str]] = {
    crypto.ImportTrustAnchor: frozenset({OPERATOR}),
    eum_trust.DropTrust: frozenset({OPERATOR}),
    # An operator's own systems have files and agreed keys stored, and get secrets back only under keys that were
    # imported at the machine (`origins`). Whom we believe (CIs), and what of it is taken back, is said there.
    **dict.fromkeys(
        (
            *(crypto.ImportTransportKey, crypto.ImportCertificate),
            *(eum_trust.ImportEUMCertificate, eum_trust.ImportRevocationList, eum_trust.ListTrust),
        ),
        frozenset({OPERATOR, REST_API}),
    ),
    crypto.MakeSigningKey: frozenset({OPERATOR, REST_API, SM_DP, SM_SR}),
    **dict.fromkeys((*imports.CRYPTO_REQUESTS, *envelopes.REQUESTS), frozenset({OPERATOR, REST_API})),
    crypto.UnwrapKeysets: frozenset({SM_SR}),
    crypto.VerifyEUICC: frozenset({SM_SR, SM_DP}),
    crypto.MakeKeyset: frozenset({SM_SR}),
    crypto.WrapKeyset: frozenset({SM_SR}),
    crypto.TakeKeyset: frozenset({SM_SR}),
    crypto.VerifySMSRCertificate: frozenset({SM_SR}),
    crypto.DeriveISDRKeyset: frozenset({SM_SR}),
    crypto.DropCardKeys: frozenset({SM_SR}),
    crypto.SCP80Wrap: frozenset({SM_SR}),
    crypto.SCP80OpenResponse: frozenset({SM_SR}),
    crypto.SCP80OpenCommand: frozenset({SM_SR}),
    crypto.GetPSK: frozenset({TRANSPORT_HTTPS}),
    crypto.SignKeyParameters: frozenset({SM_DP, SM_SR}),
    crypto.DeriveKeyset: frozenset({SM_DP}),
    crypto.OpenSCP03t: frozenset({SM_DP}),
    crypto.ProtectProfile: frozenset({SM_DP}),
    crypto.OpenProfileResult: frozenset({SM_DP}),
    crypto.DestroyKeys: frozenset({SM_DP}),
    crypto.HandOverKeyset: frozenset({SM_DP}),
    crypto.LoadTokenKey: frozenset({SM_DP}),
    crypto.ConfirmTokenKey: frozenset({SM_DP}),
    crypto.IssueDeleteToken: frozenset({SM_DP}),
    **dict.fromkeys(es8.REQUESTS, frozenset({SM_DP})),
    crypto.ImportHookKey: frozenset({OPERATOR, REST_API}),
    crypto.SignHookCall: frozenset({SM_DP}),
}
