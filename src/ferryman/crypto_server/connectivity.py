"""ES8.UpdateConnectivityParameters under the SCP03 keys of an ISD-P (SGP.02 3.14; `sgp02-euicc.md` 5.10, 6.2)."""

from __future__ import annotations

import msgspec

from ferryman.codec import isdr
from ferryman.contracts import codes, crypto
from ferryman.contracts.es8 import ConfirmConnectivity, ConnectivityProtected, ProtectConnectivity
from ferryman.contracts.message import Header
from ferryman.crypto_server import isdp_session
from ferryman.crypto_server.profile_keys import Keyset, keyset_ref
from ferryman.crypto_server.vault import Vault
from ferryman.errors import PeerError, Refused
from ferryman.platform.mailbox import Mailbox, Tx


class ConnectivityCommands:
    """Wraps the command for one session and verifies what the card answered to it."""

    def __init__(self, mailbox: Mailbox, vault: Vault) -> None:
        self._mailbox = mailbox
        self._vault = vault

    async def protect(self, _header: Header, body: ProtectConnectivity) -> ConnectivityProtected:
        """The commands of the session. Raises Refused when we, or the card, have not the keys."""
        keyset = await self._keyset(body)
        return ConnectivityProtected(apdus=isdp_session.wrapped(keyset, body, _commands(body)))

    async def confirm(self, header: Header, body: ConfirmConnectivity) -> crypto.Stored:
        """The answers good, that to STORE DATA authentic. Raises Refused."""
        protected = body.protected
        keyset = await self._keyset(protected)
        try:
            isdp_session.verified(keyset, protected, _commands(protected), body.answers)
        except PeerError as problem:
            sentence = f"connectivity parameters: {problem}"
            raise Refused(*codes.ISDP_ERROR, sentence, identifier=protected.eid) from None

        def unit(tx: Tx) -> None:
            tx.audit(
                actor=header.requester,
                action="UpdateConnectivityParameters",
                eid=protected.eid,
                object=protected.isdp_aid.hex().upper(),
                outcome="done",
            )

        await self._mailbox.transact(unit)
        return crypto.Stored()

    async def _keyset(self, body: ProtectConnectivity) -> Keyset:
        ref = keyset_ref(body.eid, body.isdp_aid)
        stored = await self._mailbox.store.read(lambda c: self._vault.get(c, ref))
        if stored is None:
            aid = body.isdp_aid.hex().upper()
            sentence = "no key set of this ISD-P: another SM-DP has it, or the order had it destroyed"
            raise Refused(*codes.ISDP_ERROR, sentence, identifier=aid)
        return msgspec.msgpack.decode(stored, type=Keyset)


def _commands(body: ProtectConnectivity) -> list[bytes]:
    return [isdr.store_connectivity_parameters(body.parameters)]
