"""The CryptoServer as a role: one function for each question of the crypto contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from ferryman.contracts import codes, crypto, envelopes, es8, eum_trust, imports
from ferryman.contracts.message import Body, Header, decode, encode
from ferryman.contracts.status import failed, from_refusal
from ferryman.crypto_server import card_keysets, handover_keys, hook_keys, keys_at_rest, profile_keys, trust
from ferryman.crypto_server.connectivity import ConnectivityCommands
from ferryman.crypto_server.envelopes import Envelopes
from ferryman.crypto_server.eum_trust import EUMTrust
from ferryman.crypto_server.openpgp_keys import OpenPGPKeys
from ferryman.crypto_server.rights import ALLOWED
from ferryman.crypto_server.subscriptions import Subscriptions
from ferryman.crypto_server.token_keys import TokenKeys
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.clock import Entropy
from ferryman.platform.mailbox import Mailbox, Tx

log = structlog.get_logger("ferryman.crypto")


class CryptoServer:
    """One CryptoServer with its vault."""

    def __init__(self, *, mailbox: Mailbox, vault: Vault, entropy: Entropy) -> None:
        self._mailbox = mailbox
        self._vault = vault
        card = keys_at_rest.CardKeys(mailbox, vault)
        subscriptions = Subscriptions(mailbox, vault, entropy)
        tokens = TokenKeys(mailbox, vault, entropy)
        correspondence = OpenPGPKeys(mailbox, vault)
        post = Envelopes(mailbox, vault, correspondence, subscriptions.clear_lines)
        profile = profile_keys.ProfileKeys(mailbox, vault, entropy, subscriptions)
        keysets = card_keysets.CardKeysets(mailbox, vault, entropy)
        handover = handover_keys.HandoverKeys(mailbox, vault)
        hooks = hook_keys.HookKeys(mailbox, vault)
        connectivity = ConnectivityCommands(mailbox, vault)
        makers = EUMTrust(mailbox)
        anchors = trust.Trust(mailbox, vault, entropy)
        self._functions: dict[type[Body], Callable[[Header, Any], Awaitable[Body]]] = {
            crypto.ImportTransportKey: card.import_transport_key,
            crypto.UnwrapKeysets: card.unwrap_keysets,
            imports.OpenImport: subscriptions.open,
            imports.ImportChunk: subscriptions.chunk,
            imports.GenerateChunk: subscriptions.generate,
            imports.CloseImport: subscriptions.close,
            imports.ExportSubscriptions: subscriptions.export,
            envelopes.MakeOpenPGPKey: correspondence.make,
            envelopes.ImportOpenPGPKey: correspondence.take,
            envelopes.ShowOpenPGPKey: correspondence.show,
            envelopes.BeginEnvelope: post.begin,
            envelopes.EnvelopePart: post.part,
            envelopes.OpenEnvelope: post.open,
            envelopes.ImportEnvelopeRun: subscriptions.envelope_run,
            envelopes.StageExport: post.stage,
            envelopes.SealEnvelope: post.seal,
            envelopes.ReadEnvelope: post.read,
            envelopes.DropEnvelope: post.drop,
            crypto.GetPSK: card.get_psk,
            crypto.DestroyKeys: card.destroy,
            crypto.MakeKeyset: keysets.make,
            crypto.WrapKeyset: keysets.wrap,
            crypto.TakeKeyset: keysets.take,
            crypto.VerifySMSRCertificate: handover.verify_certificate,
            crypto.DeriveISDRKeyset: handover.derive,
            crypto.DropCardKeys: handover.drop,
            crypto.SCP80Wrap: card.wrap,
            crypto.SCP80OpenResponse: card.open_response,
            crypto.SCP80OpenCommand: card.open_command,
            crypto.ImportTrustAnchor: anchors.import_anchor,
            eum_trust.ImportEUMCertificate: makers.import_certificate,
            eum_trust.ImportRevocationList: makers.import_list,
            eum_trust.ListTrust: makers.list,
            eum_trust.DropTrust: makers.drop,
            crypto.MakeSigningKey: anchors.make_signing_key,
            crypto.ImportCertificate: anchors.import_certificate,
            crypto.VerifyEUICC: anchors.verify_euicc,
            crypto.SignKeyParameters: profile.sign_key_parameters,
            crypto.DeriveKeyset: profile.derive_keyset,
            crypto.OpenSCP03t: profile.open_session,
            crypto.ProtectProfile: profile.protect_profile,
            crypto.OpenProfileResult: profile.open_result,
            crypto.HandOverKeyset: profile.hand_over,
            crypto.LoadTokenKey: tokens.load,
            crypto.ConfirmTokenKey: tokens.confirm,
            crypto.IssueDeleteToken: tokens.issue,
            es8.ProtectConnectivity: connectivity.protect,
            es8.ConfirmConnectivity: connectivity.confirm,
            crypto.ImportHookKey: hooks.store,
            crypto.SignHookCall: hooks.sign,
        }

    async def start(self) -> None:
        """Check that the vault key is this database's."""

        def unit(tx: Tx) -> None:
            self._vault.check(tx.connection, tx.now)

        await self._mailbox.transact(unit)

    async def stop(self) -> None:
        """Nothing runs on its own here."""

    async def serve(self, caller: str, raw: bytes) -> bytes:
        """One question of role `caller`; a refusal is an answer, and says no more than its code."""
        said, body = decode(raw, crypto.REQUEST_CODEC)
        header = msgspec.structs.replace(said, sender=caller)  # whom the bus knows, whatever the message says
        try:
            answer = await self._answer(caller, header, body)
        except Refused as refusal:
            answer = crypto.CryptoRefused(status=from_refusal(refusal))
        except (PeerError, InputError) as problem:
            # Of the codecs' messages only field and rule travel; they hold no key bytes.
            answer = crypto.CryptoRefused(status=failed(*codes.FORMAT_INVALID, str(problem)))
        return encode(header, answer)

    async def _answer(self, caller: str, header: Header, body: Body) -> Body:
        kind = type(body)
        if caller not in ALLOWED.get(kind, frozenset()):
            await self._refuse(caller, header, kind.__name__)
        return await self._functions[kind](header, body)

    async def _refuse(self, caller: str, header: Header, function: str) -> None:
        log.warning("not allowed", caller=caller, function=function)

        def unit(tx: Tx) -> None:
            tx.audit(actor=caller, action=function, eid=header.eid, outcome="not allowed")

        await self._mailbox.transact(unit)
        raise Refused(*codes.FUNCTION_NOT_ALLOWED, f"{caller} may not ask {function}")
