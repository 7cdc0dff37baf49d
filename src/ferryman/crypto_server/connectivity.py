"""ES8.UpdateConnectivityParameters under the SCP03 keys of an ISD-P (SGP.02 3.14; `sgp02-euicc.md` 5.10, 6.2)."""

from __future__ import annotations

import msgspec

from ferryman.codec import isdr
from ferryman.codec.apdu import ResponseAPDU
from ferryman.contracts import codes, crypto
from ferryman.contracts.es8 import ConfirmConnectivity, ConnectivityProtected, ProtectConnectivity
from ferryman.contracts.message import Header
from ferryman.crypto_server.profile_keys import Keyset, keyset_ref
from ferryman.crypto_server.vault import Vault
from ferryman.errors import PeerError, Refused
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.secure.scp03 import SecureChannel


class ConnectivityCommands:
    """Wraps the command for one session and verifies what the card answered to it."""

    def __init__(self, mailbox: Mailbox, vault: Vault) -> None:
        self._mailbox = mailbox
        self._vault = vault

    async def protect(self, _header: Header, body: ProtectConnectivity) -> ConnectivityProtected:
        """The commands of the session. Raises Refused when we, or the card, have not the keys."""
        keyset = await self._keyset(body)
        try:
            channel = _channel(keyset, body)
        except PeerError as problem:
            raise Refused(*codes.ISDP_ERROR, f"SCP03: {problem}", identifier=body.eid) from None
        return ConnectivityProtected(apdus=(channel.external_authenticate(), channel.wrap(_command(body))))

    async def confirm(self, header: Header, body: ConfirmConnectivity) -> crypto.Stored:
        """The answers good, that to STORE DATA authentic. Raises Refused."""
        protected = body.protected
        keyset = await self._keyset(protected)
        try:
            _check(keyset, body)
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


def _channel(keyset: Keyset, body: ProtectConnectivity) -> SecureChannel:
    return SecureChannel.open(
        keyset.static(),
        host_challenge=body.host_challenge,
        response=body.initialize_response,
        aid=body.isdp_aid,
    )


def _command(body: ProtectConnectivity) -> bytes:
    return isdr.store_connectivity_parameters(body.parameters)


def _check(keyset: Keyset, body: ConfirmConnectivity) -> None:
    """The answers good, that to STORE DATA authentic; PeerError else.

    The chain of the C-MACs is part of the R-MAC: the command is wrapped again.
    """
    channel = _channel(keyset, body.protected)
    channel.external_authenticate()
    answers = [ResponseAPDU.parse(each) for each in body.answers]
    if len(answers) == 2 and answers[0].ok:
        answers = answers[1:]  # to EXTERNAL AUTHENTICATE; the R-MAC of the other proves the session without it
    if len(answers) != 1:
        raise PeerError(f"{len(answers)} answers", field="R-APDU")
    (stored,) = answers
    channel.wrap(_command(body.protected))
    if not stored.ok:
        raise PeerError(f"the card answered {stored.sw:04X}", field="STORE DATA")
    channel.unwrap(stored)
