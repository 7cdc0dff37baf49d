"""Token keys of ISD-Ps for Master Delete, and the tokens made with them (SGP.02 3.10; `sgp02-euicc.md` 3.7)."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from ferryman.codec import isdr, isdr_keys, tlv
from ferryman.codec.apdu import CommandAPDU
from ferryman.contracts import codes, crypto
from ferryman.contracts.message import Header
from ferryman.crypto_server import isdp_session
from ferryman.crypto_server.profile_keys import Keyset, keyset_ref
from ferryman.crypto_server.vault import Vault
from ferryman.errors import PeerError, Refused
from ferryman.platform.clock import Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.secure import kcv
from ferryman.secure.kdf import cmac

KEY_VERSION = 0x70  # of the token verification key (`sgp02-euicc.md` 2.2)
KEY_BYTES = 16
IDENTITIES = 0x0070  # DGI
LAST_NUMBER = 0xFFFF_FFFF  # of a token: four octets
REPEATABLE = 16  # calls of an ISD-P whose repeat finds its token again; nobody asks for many
BELOW_KEYSETS = "isdp/%/token"  # as SQL LIKE has it: every reference of `token_ref`


class TokenKey(msgspec.Struct):
    """A token key as sealed in the vault, and what its tokens cover; `issued` so far, `loaded` on the card.

    `calls` are the last ones (requester and call identifier) with the numbers that they were given.
    """

    key: bytes
    sin: bytes
    sdin: bytes
    provider: bytes
    issued: int = 0
    loaded: bool = False
    calls: tuple[tuple[str, str, int], ...] = ()

    def __repr__(self) -> str:
        return "TokenKey(***)"


def token_ref(eid: str, aid: bytes) -> str:
    """Reference of an ISD-P's token key: below its key set, so that it is destroyed with that."""
    return f"{keyset_ref(eid, aid)}/token"


class TokenKeys:
    """Functions on token keys."""

    def __init__(self, mailbox: Mailbox, vault: Vault, entropy: Entropy) -> None:
        self._mailbox = mailbox
        self._vault = vault
        self._entropy = entropy

    async def load(self, _header: Header, body: crypto.LoadTokenKey) -> crypto.TokenKeyWrapped:
        """The commands that put the key on the card; made once for an ISD-P, wrapped for this session."""
        fresh = TokenKey(self._entropy(KEY_BYTES), body.sin, body.sdin, body.provider)
        ref = token_ref(body.eid, body.isdp_aid)

        def unit(tx: Tx) -> tuple[Keyset, TokenKey]:
            keyset = self._keyset(tx.connection, body)
            known = self._known(tx.connection, ref)
            if known is None or (known.sin, known.sdin, known.provider) != (body.sin, body.sdin, body.provider):
                known = fresh
                self._put(tx, ref, fresh)
            return keyset, known

        keyset, token = await self._mailbox.transact(unit)
        apdus = isdp_session.wrapped(keyset, body, _commands(keyset, token, body))
        return crypto.TokenKeyWrapped(apdus=apdus)

    async def confirm(self, header: Header, body: crypto.ConfirmTokenKey) -> crypto.Stored:
        """Verify the answers to these commands; from here on tokens can be issued. Raises Refused."""
        load = body.load
        ref = token_ref(load.eid, load.isdp_aid)

        def unit(tx: Tx) -> None:
            token = self._known(tx.connection, ref)
            if token is None:
                raise Refused(*codes.PROVIDER_ERROR, "no token key was made for this ISD-P")
            try:
                keyset = self._keyset(tx.connection, load)
                answer = isdp_session.verified(keyset, load, _commands(keyset, token, load), body.answers)
                if answer != kcv.put_keys_answer(KEY_VERSION, [token.key]):
                    raise PeerError("another key version or check value", field="PUT KEY")
            except PeerError as problem:
                raise Refused(*codes.ISDP_ERROR, f"token key: {problem}", identifier=load.eid) from None
            self._put(tx, ref, msgspec.structs.replace(token, loaded=True))
            aid = load.isdp_aid.hex().upper()
            tx.audit(actor=header.requester, action="LoadTokenKey", eid=load.eid, object=aid, outcome="done")

        await self._mailbox.transact(unit)
        return crypto.Stored()

    async def issue(self, header: Header, body: crypto.IssueDeleteToken) -> crypto.DeleteTokenIssued:
        """A token with the next number, audited; the same call again finds the same token.

        Raises Refused when the card has no token key of ours.
        """
        ref = token_ref(body.eid, body.isdp_aid)
        call = (header.requester, header.function_call_id)

        def unit(tx: Tx) -> tuple[TokenKey, bytes]:
            token = self._known(tx.connection, ref)
            if token is None or not token.loaded:
                raise Refused(*codes.ISDP_ERROR, "no token key was loaded into this ISD-P", identifier=body.eid)
            for requester, call_id, given in token.calls:
                if (requester, call_id) == call:
                    return token, _token_id(given)
            if token.issued >= LAST_NUMBER:
                raise Refused(*codes.ISDP_ERROR, "every token number of this ISD-P is used", identifier=body.eid)
            number = token.issued + 1
            calls = (*token.calls, (*call, number))[-REPEATABLE:]
            token = msgspec.structs.replace(token, issued=number, calls=calls)
            self._put(tx, ref, token)
            tx.audit(
                actor=header.requester,
                action="IssueDeleteToken",
                eid=body.eid,
                object=body.isdp_aid.hex().upper(),
                outcome="done",
                detail=f"number {number}",
            )
            return token, _token_id(number)

        token, number = await self._mailbox.transact(unit)
        covered = isdr.master_delete_token_input(
            body.isdp_aid, sin=token.sin, sdin=token.sdin, provider=token.provider, token_id=number
        )
        return crypto.DeleteTokenIssued(
            token=cmac(token.key, covered),
            sin=token.sin,
            sdin=token.sdin,
            provider=token.provider,
            token_id=number,
        )

    def _keyset(self, connection: Connection, body: crypto.LoadTokenKey) -> Keyset:
        stored = self._vault.get(connection, keyset_ref(body.eid, body.isdp_aid))
        if stored is None:
            raise Refused(*codes.ISDP_ERROR, "no key set of this ISD-P", identifier=body.isdp_aid.hex().upper())
        return msgspec.msgpack.decode(stored, type=Keyset)

    def _known(self, connection: Connection, ref: str) -> TokenKey | None:
        stored = self._vault.get(connection, ref)
        return None if stored is None else msgspec.msgpack.decode(stored, type=TokenKey)

    def _put(self, tx: Tx, ref: str, token: TokenKey) -> None:
        self._vault.put(tx.connection, [(ref, msgspec.msgpack.encode(token))], tx.now)


def _token_id(number: int) -> bytes:
    """Tag 93: one octet as long as it suffices."""
    return number.to_bytes(1 if number <= 0xFF else 4)


def _commands(keyset: Keyset, token: TokenKey, body: crypto.LoadTokenKey) -> list[bytes]:
    identities = ((0x42, token.sin), (0x45, token.sdin), (0x5F20, token.provider))
    stores = [
        CommandAPDU(0x80, 0xE2, 0x88, 0x00, tlv.encode_dgi(IDENTITIES, tlv.encode(tag, value))).encode()
        for tag, value in identities
    ]
    replaced = KEY_VERSION if body.replace else 0
    return [*stores, isdr_keys.put_keys(KEY_VERSION, [kcv.wrap_key(keyset.dek, token.key)], replace=replaced)]
