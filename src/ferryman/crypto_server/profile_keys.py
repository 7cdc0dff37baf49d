"""Key establishment with an ISD-P and protection of its profile: everything of ES8 that needs a key."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from ferryman.codec import isdr_keys, tlv
from ferryman.codec.saip import package as saip_package
from ferryman.contracts import codes, crypto
from ferryman.contracts.message import Header
from ferryman.contracts.roles import SM_SR
from ferryman.crypto_server import origins
from ferryman.crypto_server.keys_at_rest import transport_ref
from ferryman.crypto_server.subscriptions import Subscriptions
from ferryman.crypto_server.trust import signing_ref
from ferryman.crypto_server.vault import Vault
from ferryman.errors import PeerError, Refused
from ferryman.platform.clock import Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.profile.slots import derive_public
from ferryman.profile.template import CompiledTemplate
from ferryman.secure import ecka, scp03t, transport_cipher
from ferryman.secure.ecka import Curve
from ferryman.secure.scp03 import StaticKeys

ENC, MAC, DEK = 0, 1, 2
SR = "sr"  # role of the SM-SR's signing key


class Keyset(msgspec.Struct):
    """An ISD-P's SCP03 key set as sealed in the vault."""

    enc: bytes
    mac: bytes
    dek: bytes

    def __repr__(self) -> str:
        return "Keyset(***)"

    def static(self) -> StaticKeys:
        """For the secure channel."""
        return StaticKeys(self.enc, self.mac)


class Exchange(msgspec.Struct):
    """One key agreement: our ephemeral key, and the challenge it was used for."""

    private: bytes
    challenge: bytes
    curve: int = Curve.P256

    def __repr__(self) -> str:
        return "Exchange(***)"

    def agree(self, peer: bytes) -> bytes:
        """The shared secret with a public key of the card; PeerError when that is not on our key's curve."""
        return ecka.shared_secret(self.private, peer, curve=Curve(self.curve))


def keyset_ref(eid: str, aid: bytes) -> str:
    """Reference of an ISD-P's key set."""
    return f"isdp/{eid}/{aid.hex().upper()}"


def exchange_ref(exchange: str) -> str:
    """Reference of an ephemeral key."""
    return f"exchange/{exchange}"


class ProfileKeys:
    """Functions of the SM-DP's side of ES8 (SGP.02 4.1.3)."""

    def __init__(self, mailbox: Mailbox, vault: Vault, entropy: Entropy, subscriptions: Subscriptions) -> None:
        self._mailbox = mailbox
        self._vault = vault
        self._entropy = entropy
        self._subscriptions = subscriptions

    async def sign_key_parameters(
        self, header: Header, body: crypto.SignKeyParameters
    ) -> crypto.KeyParametersSigned:
        """Ephemeral key and signature over A6, ePK and challenge; one ephemeral key for one challenge."""
        if (header.sender == SM_SR) is not (body.role == SR):
            raise Refused(*codes.FUNCTION_NOT_ALLOWED, "each role signs with its own key")
        curve = ecka.curve_of(body.curve)
        private = ecka.ephemeral_private(self._entropy(ecka.ENTROPY_BYTES), curve=curve)
        fresh = Exchange(private, body.challenge, curve)
        ref = exchange_ref(body.exchange)

        def unit(tx: Tx) -> tuple[Exchange, bytes | None]:
            stored = self._vault.get(tx.connection, ref)
            exchange = msgspec.msgpack.decode(stored, type=Exchange) if stored is not None else fresh
            if stored is None or (exchange.challenge, exchange.curve) != (body.challenge, curve):
                exchange = fresh
                self._vault.put(tx.connection, [(ref, msgspec.msgpack.encode(fresh))], tx.now)
            return exchange, self._vault.get(tx.connection, signing_ref(body.role, curve))

        exchange, signer = await self._mailbox.transact(unit)
        if signer is None:
            sentence = f"no signing key of role {body.role}; make one with `ferryman certificate request`"
            raise Refused(*codes.PROVIDER_ERROR, sentence)
        point = ecka.public_key(exchange.private, curve=curve)
        message = isdr_keys.signature_input(body.a6, point, body.challenge)
        signature = ecka.sign(signer, message, curve=curve)
        return crypto.KeyParametersSigned(ephemeral_public_key=point, signature=signature)

    async def derive_keyset(self, header: Header, body: crypto.DeriveKeyset) -> crypto.Stored:
        """Derive, verify the receipt, store; the ephemeral key is destroyed with the same commit."""
        ref = exchange_ref(body.exchange)
        target = keyset_ref(body.eid, body.isdp_aid)

        def unit(tx: Tx) -> None:
            stored = self._vault.get(tx.connection, ref)
            if stored is None:
                if self._vault.get(tx.connection, target) is None:
                    raise Refused(*codes.PROVIDER_ERROR, "no key agreement under this name")
                return  # a repeat: derived and stored before
            shared = msgspec.msgpack.decode(stored, type=Exchange).agree(body.ecasd_public_key)
            random = body.derivation_random or None
            receipt_key, keys = ecka.derive_keyset(shared, dr=random)
            try:
                ecka.verify_receipt(receipt_key, body.a6, body.receipt, random)
            except PeerError as problem:
                raise Refused(*codes.ISDP_ERROR, f"key establishment: {problem}", identifier=body.eid) from None
            keyset = msgspec.msgpack.encode(Keyset(keys[ENC], keys[MAC], keys[DEK]))
            self._vault.put(tx.connection, [(target, keyset)], tx.now)
            self._vault.remove(tx.connection, ref)
            aid = body.isdp_aid.hex().upper()
            tx.audit(actor=header.requester, action="DeriveKeyset", eid=body.eid, object=aid, outcome="done")

        await self._mailbox.transact(unit)
        return crypto.Stored()

    async def open_session(self, _header: Header, body: crypto.OpenSCP03t) -> crypto.SCP03tOpened:
        """The `84` TLV: key version, key id 00, host challenge."""
        value = bytes((crypto.ISDP_KEY_VERSION, 0x00)) + body.host_challenge
        return crypto.SCP03tOpened(initialize_update=tlv.encode(0x84, value))

    async def protect_profile(self, header: Header, body: crypto.ProtectProfile) -> crypto.ProfileProtected:
        """Personalise and protect: the only place where profile bytes with keys in clear exist."""
        keyset = await self._keyset(body.eid, body.isdp_aid)
        counter = self._session(keyset, body.eid, body.isdp_aid, body.host_challenge, body.initialize_response)
        known = {"iccid": body.iccid, "imsi": body.imsi, "msisdn": body.msisdn}
        package = CompiledTemplate.from_bytes(body.template).personalise(
            {**await self._values(body), **known}, pol1=body.pol1, connectivity=body.connectivity
        )
        protected = scp03t.protect(
            keyset.static(),
            key_version=crypto.ISDP_KEY_VERSION,
            host_challenge=body.host_challenge,
            sequence_counter=counter,
            isdp_aid=body.isdp_aid,
            plaintext=package,
            segment=body.segment,
        )

        def unit(tx: Tx) -> None:
            tx.audit(
                actor=header.requester, action="ProtectProfile", eid=body.eid, object=body.iccid, outcome="done"
            )

        await self._mailbox.transact(unit)
        return crypto.ProfileProtected(
            external_authenticate=protected.external_authenticate,
            segments=protected.segments,
            profile_bytes=len(package),
            elements=tuple(
                crypto.PackageElement(
                    place.name,
                    -1 if place.identification is None else place.identification,
                    (place.end - 1) // body.segment,
                )
                for place in saip_package.contents(package)
            ),
        )

    async def _values(self, body: crypto.ProtectProfile) -> dict[str, bytes]:
        secrets = await self._subscriptions.secrets(body.iccid, body.imsi)
        return derive_public(body.iccid, body.imsi, body.msisdn) | secrets

    async def open_result(self, _header: Header, body: crypto.OpenProfileResult) -> crypto.ProfileResult:
        """The EUICCResponse of the last segment."""
        keyset = await self._keyset(body.eid, body.isdp_aid)
        counter = self._session(keyset, body.eid, body.isdp_aid, body.host_challenge, body.initialize_response)
        plain = scp03t.unprotect_response(
            keyset.static(),
            host_challenge=body.host_challenge,
            sequence_counter=counter,
            isdp_aid=body.isdp_aid,
            segments=body.segments,
            index=len(body.segments) - 1,
            response_86=body.response,
        )
        return crypto.ProfileResult(euicc_response=plain)

    async def hand_over(self, header: Header, body: crypto.HandOverKeyset) -> crypto.KeysetHandedOver:
        """An ISD-P's keys under the transport key of its Operator, audited."""
        ref = transport_ref(body.key)

        def agreed(connection: Connection) -> bytes | None:
            origins.require_of_the_machine(connection, self._vault, ref)
            return self._vault.get(connection, ref)

        transport = await self._mailbox.store.read(agreed)
        if transport is None:
            sentence = f"no transport key {body.key!r}; import it with `ferryman key import-operator`"
            raise Refused(*codes.PROVIDER_ERROR, sentence, identifier=body.key)
        keyset = await self._keyset(body.eid, body.isdp_aid)
        aid = body.isdp_aid.hex().upper()
        nonce = self._entropy(transport_cipher.NONCE_BYTES)
        bound = f"{body.eid},{aid}".encode()
        sealed = transport_cipher.seal(transport, nonce, keyset.enc + keyset.mac + keyset.dek, bound)

        def unit(tx: Tx) -> None:
            tx.audit(actor=header.requester, action="HandOverKeyset", eid=body.eid, object=aid, outcome="done")

        await self._mailbox.transact(unit)
        return crypto.KeysetHandedOver(sealed=sealed)

    def _session(self, keyset: Keyset, eid: str, aid: bytes, host_challenge: bytes, response: bytes) -> int:
        """Sequence counter of the session that the card opened, its cryptogram verified."""
        try:
            answer = scp03t.check_initialize_response(
                keyset.static(), host_challenge=host_challenge, isdp_aid=aid, response_84=response
            )
        except PeerError as problem:
            raise Refused(*codes.ISDP_ERROR, f"SCP03t: {problem}", identifier=eid) from None
        return answer.sequence_counter or 0

    async def _keyset(self, eid: str, aid: bytes) -> Keyset:
        stored = await self._read(keyset_ref(eid, aid))
        if stored is None:
            raise Refused(*codes.ISDP_ERROR, "no key set of this ISD-P", identifier=aid.hex().upper())
        return msgspec.msgpack.decode(stored, type=Keyset)

    async def _read(self, ref: str) -> bytes | None:
        def unit(connection: Connection) -> bytes | None:
            return self._vault.get(connection, ref)

        return await self._mailbox.store.read(unit)
