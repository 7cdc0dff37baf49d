"""What operators and card makers ask of the SM-SR outside ES3: registering and looking at cards."""

from __future__ import annotations

from collections.abc import Callable

from ferryman.codec import eis_xml
from ferryman.contracts import admin, codes, crypto, workflow
from ferryman.contracts.eis import EIS, PolicyRule
from ferryman.contracts.message import Body, Header, decode, encode
from ferryman.contracts.status import failed, from_refusal
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.clock import Clock
from ferryman.platform.crypto_client import CryptoClient
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr import eis_store
from ferryman.sm_sr.records import EUICC, ISDP, SRSettings
from ferryman.sm_sr.scripts.desk import ScriptDesk

MAX_PAGE = 1000


class Admin:
    """Answers the calls of `contracts.admin` that are the SM-SR's."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        crypto: CryptoClient,
        clock: Clock,
        settings: SRSettings,
        scripts: ScriptDesk,
    ) -> None:
        self._scripts = scripts
        self._mailbox = mailbox
        self._crypto = crypto
        self._clock = clock
        self._settings = settings

    async def serve(self, caller: str, raw: bytes) -> bytes:
        """One call; a refusal is an answer."""
        header, body = decode(raw, admin.SM_SR_CODEC)
        try:
            answer = await self._answer(header, body)
        except Refused as refusal:
            answer = admin.AdminRefused(status=from_refusal(refusal))
        except (PeerError, InputError) as problem:
            answer = admin.AdminRefused(status=failed(*codes.FORMAT_INVALID, str(problem)))
        del caller
        return encode(header, answer)

    async def _answer(self, header: Header, body: Body) -> Body:
        match body:
            case _ if isinstance(body, workflow.ASKED):
                return await self._scripts.answer(header, body)
            case admin.RegisterEIS():
                return await self._register(header, body)
            case admin.ListEUICCs():
                return await self._list(body)
            case admin.ShowEUICC():
                return admin.EUICCPage(euiccs=(await self._show(body.owner, body.eid),))
            case _:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function of the SM-SR")

    # -- ES1.RegisterEIS ----------------------------------------------------------------------------------

    async def _register(self, header: Header, body: admin.RegisterEIS) -> admin.Registered:
        deliveries = eis_xml.parse_delivery(body.xml)
        _refuse_doubles(deliveries)
        new: list[eis_xml.Delivery] = []
        known: list[str] = []
        for delivery in deliveries:
            eid = delivery.signed.eid
            stored = await self._mailbox.store.read(_loader(eid))
            if stored is None:
                await self._refuse_known_iccids(delivery)
                await self._verify(header, delivery)
                new.append(delivery)
            elif stored.signed_info == delivery.signed_xml:
                known.append(eid)
            else:
                raise Refused(*codes.EID_IN_USE, "an eUICC with this EID is registered already", identifier=eid)
        # Every card's keys are checked before the first is stored: a delivery is taken whole or not at all.
        for delivery in new:
            await self._crypto.ask(_of_card(header, delivery.signed.eid), _keysets(delivery, check_only=True))
        # Keys first: a card without keys would be lost, keys without a card are only unused.
        for delivery in new:
            await self._crypto.ask(_of_card(header, delivery.signed.eid), _keysets(delivery))
        cards = [self._card(delivery) for delivery in new]

        def unit(tx: Tx) -> None:
            for card in cards:
                eis_store.register(tx.connection, card, tx.now)
                tx.audit(
                    actor=header.requester, action="RegisterEIS", eid=card.eid, object=card.eum_id, outcome="done"
                )

        await self._mailbox.transact(unit)
        return admin.Registered(new=tuple(card.eid for card in cards), known=tuple(known))

    async def _refuse_known_iccids(self, delivery: eis_xml.Delivery) -> None:
        for profile in delivery.profiles:
            statement = _iccid_finder(profile.iccid)
            if await self._mailbox.store.read(statement) is not None:
                sentence = "the ICCID is on another registered eUICC"
                raise Refused(*codes.ICCID_IN_USE, sentence, identifier=profile.iccid)

    async def _verify(self, header: Header, delivery: eis_xml.Delivery) -> None:
        signed = delivery.signed
        question = crypto.VerifyEUICC(
            eid=signed.eid,
            eum_id=signed.eum_id,
            signed_info=delivery.signed_xml,
            signature=delivery.signature_xml,
            now=self._clock.now(),
        )
        await self._crypto.ask(_of_card(header, signed.eid), question)

    def _card(self, delivery: eis_xml.Delivery) -> EUICC:
        signed = delivery.signed
        scp80 = next(k for k in delivery.keysets if k.version in eis_xml.KEY_VERSIONS_SCP80)
        scp81 = next((k.version for k in delivery.keysets if k.version in eis_xml.KEY_VERSIONS_SCP81), 0)
        return EUICC(
            eid=signed.eid,
            eum_id=signed.eum_id,
            platform_type=signed.platform_type,
            platform_version=signed.platform_version,
            rpv=signed.remote_provisioning_version,
            http_support=signed.http_support,
            cattp_support=signed.cattp_support,
            smsr_id=self._settings.smsr_id,
            remaining_memory=delivery.remaining_memory,
            available_memory=delivery.available_memory,
            scp80_version=scp80.version,
            scp80_counter=scp80.counter,
            scp81_version=scp81,
            signed_info=delivery.signed_xml,
            signature=delivery.signature_xml,
            profiles=tuple(_isdp(p) for p in delivery.profiles),
        )

    # -- looking ------------------------------------------------------------------------------------------

    async def _list(self, body: admin.ListEUICCs) -> admin.EUICCPage:
        limit = max(1, min(body.limit, MAX_PAGE))
        eids = await self._mailbox.store.read(lambda c: eis_store.eids(c, after=body.after, limit=limit))
        return admin.EUICCPage(euiccs=tuple([await self._show(body.owner, eid) for eid in eids]))

    async def _show(self, owner: str, eid: str) -> EIS:
        card = await self._mailbox.store.read(_loader(eid))
        if card is None:
            raise Refused(*codes.EID_UNKNOWN, f"no eUICC with EID {eid} is registered here", identifier=eid)
        return card.visible(tuple(p for p in card.profiles if p.owner == owner))


def _loader(eid: str) -> Callable[..., EUICC | None]:
    return lambda connection: eis_store.load(connection, eid)


def _iccid_finder(iccid: str) -> Callable[..., str | None]:
    return lambda connection: eis_store.eid_of_iccid(connection, iccid)


def _of_card(header: Header, eid: str) -> Header:
    return Header(
        message_id=f"{header.message_id}/{eid}",
        sender=header.sender,
        requester=header.requester,
        function_call_id=header.function_call_id,
        deadline=header.deadline,
        eid=eid,
    )


def _refuse_doubles(deliveries: list[eis_xml.Delivery]) -> None:
    seen: set[str] = set()
    iccids: set[str] = set()
    for delivery in deliveries:
        eid = delivery.signed.eid
        if eid in seen:
            raise Refused(*codes.EID_IN_USE, "the EID stands twice in the delivery", identifier=eid)
        seen.add(eid)
        for profile in delivery.profiles:
            if profile.iccid in iccids:
                sentence = "the ICCID stands twice in the delivery"
                raise Refused(*codes.ICCID_IN_USE, sentence, identifier=profile.iccid)
            iccids.add(profile.iccid)
        if len({profile.isdp_aid for profile in delivery.profiles}) < len(delivery.profiles):
            raise PeerError("two profiles have the same ISD-P", field=f"EID {eid}, ProfileInfo")
        keys = [(keyset.version, key.index) for keyset in delivery.keysets for key in keyset.keys]
        if len(set(keys)) < len(keys):
            raise PeerError("a key is given twice", field=f"EID {eid}, Isd-r", clause="SGP.02 5.2.1")
        if not any(k.version in eis_xml.KEY_VERSIONS_SCP80 for k in delivery.keysets):
            raise PeerError("no SCP80 key set", field=f"EID {eid}, Isd-r", clause="SGP.02 2.4.3")
        if sum(p.state == "Enabled" for p in delivery.profiles) > 1:
            raise PeerError("more than one profile is Enabled", field=f"EID {eid}, ProfileInfo")
        if delivery.profiles and sum(p.fallback for p in delivery.profiles) != 1:
            raise PeerError("not exactly one profile has the fall-back attribute", field=f"EID {eid}, ProfileInfo")


def _keysets(delivery: eis_xml.Delivery, *, check_only: bool = False) -> crypto.UnwrapKeysets:
    return crypto.UnwrapKeysets(
        check_only=check_only,
        eum_id=delivery.signed.eum_id,
        eid=delivery.signed.eid,
        keysets=tuple(
            crypto.WrappedKeyset(
                k.version, tuple(crypto.WrappedKey(key.index, key.key_type, key.value, key.kcv) for key in k.keys)
            )
            for k in delivery.keysets
        ),
    )


def _isdp(profile: eis_xml.Profile) -> ISDP:
    return ISDP(
        aid=profile.isdp_aid,
        iccid=profile.iccid,
        owner=profile.owner,
        smdp_id=profile.smdp_id,
        state=profile.state,
        fallback=profile.fallback,
        imsi=profile.imsi,
        msisdn=profile.msisdn,
        profile_type=profile.profile_type,
        allocated_memory=profile.allocated_memory,
        pol2=tuple(PolicyRule(r.action, r.qualification, r.subject) for r in profile.pol2),
    )
