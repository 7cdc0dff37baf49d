"""Registering cards: ES1.RegisterEIS and a card maker's delivery file take the same way (SGP.02 3.9, 5.2.1).

Signature and certificate are verified, every key is unwrapped and its KCV checked, before anything is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from ferryman.codec import eis_xml
from ferryman.codec.isdr_keys import SCP80_VERSIONS, SCP81_VERSIONS
from ferryman.contracts import codes, crypto
from ferryman.contracts.eis import AuditRecord, KeysetInfo, PolicyRule, Property, SecurityDomain
from ferryman.contracts.message import Header
from ferryman.contracts.status import ExecutionStatus, Status, failed, from_refusal
from ferryman.errors import PeerError, Refused
from ferryman.platform.clock import Clock
from ferryman.platform.crypto_client import CryptoClient
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_sr import eis_store, trail
from ferryman.sm_sr.records import EUICC, ISDP
from ferryman.sm_sr.settings import SRSettings

ACTION = "RegisterEIS"


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one card of a delivery: `status` None when it is registered; `new` unless it was before."""

    number: int
    eid: str
    new: bool = False
    status: ExecutionStatus | None = None


class Registrar:
    """Takes EISs into the repository."""

    def __init__(self, *, mailbox: Mailbox, crypto: CryptoClient, clock: Clock, settings: SRSettings) -> None:
        self._mailbox = mailbox
        self._crypto = crypto
        self._clock = clock
        self._settings = settings

    async def whole(self, header: Header, xml: bytes) -> list[Row]:
        """Every card of a delivery or none; raises PeerError or Refused."""
        deliveries = eis_xml.parse_delivery(xml)
        _refuse_doubles(deliveries)
        fresh = [await self._is_new(header, delivery) for delivery in deliveries]
        new = [delivery for delivery, is_new in zip(deliveries, fresh, strict=True) if is_new]
        await self._take(header, new)
        return [
            Row(number, delivery.signed.eid, is_new)
            for number, (delivery, is_new) in enumerate(zip(deliveries, fresh, strict=True), start=1)
        ]

    async def one_of(self, header: Header, xml: bytes, *, eid: str, eum_id: str) -> Row:
        """The one card of an ES1 request, which must be what the request says; raises PeerError or Refused."""
        deliveries = eis_xml.parse_delivery(xml)
        if len(deliveries) != 1:
            raise PeerError("holds more than one EIS", field="ES1-RegisterEISRequest", clause="SGP.02 5.2.1")
        signed = deliveries[0].signed
        if (signed.eid, signed.eum_id) != (eid, eum_id):
            sentence = "EID or Eum-id of the request is not that of the signed part"
            raise Refused(*codes.EUM_SIGNATURE, sentence, identifier=eid)
        if (await self._mailbox.store.read(_loader(eid))) is not None:
            if await self._mailbox.store.read(lambda c: self._registered_by(c, header, eid)):
                return Row(1, eid)  # our answer to the very same call was lost
            sentence = "an eUICC with this EID is registered already"
            raise Refused(*codes.EID_IN_USE, sentence, identifier=eid)
        return (await self.whole(header, xml))[0]

    def _registered_by(self, connection: Connection, header: Header, eid: str) -> bool:
        table = self._mailbox.tables.audit
        statement = select(table.c.seq).where(
            table.c.eid == eid,
            table.c.action == ACTION,
            table.c.actor == header.requester,
            table.c.detail == _call(header),
        )
        return connection.execute(statement).first() is not None

    async def each(self, header: Header, xml: bytes) -> list[Row]:
        """Every card for itself: one that is refused keeps no other out. Raises PeerError for no delivery."""
        return [await self._one(header, number, found) for number, found in enumerate(eis_xml.split(xml), start=1)]

    async def _one(self, header: Header, number: int, found: eis_xml.Delivery | PeerError) -> Row:
        if isinstance(found, PeerError):
            return Row(number, "", status=failed(*codes.FORMAT_INVALID, str(found)))
        eid = found.signed.eid
        try:
            _refuse_doubles([found])
            new = await self._is_new(header, found)
            await self._take(header, [found] if new else [])
        except Refused as refusal:
            return Row(number, eid, status=from_refusal(refusal))
        except PeerError as problem:
            return Row(number, eid, status=failed(*codes.FORMAT_INVALID, str(problem), eid))
        return Row(number, eid, new)

    async def _is_new(self, header: Header, delivery: eis_xml.Delivery) -> bool:
        """False when the very same card is registered; raises Refused when it may not be."""
        eid = delivery.signed.eid
        stored = await self._mailbox.store.read(_loader(eid))
        if stored is None:
            await self._refuse_known_iccids(delivery)
            await self._verify(header, delivery)
            return True
        if stored.signed_info == delivery.signed_xml:
            return False
        raise Refused(*codes.EID_IN_USE, "an eUICC with this EID is registered already", identifier=eid)

    async def _take(self, header: Header, new: Sequence[eis_xml.Delivery]) -> None:
        # Every card's keys are checked before the first is stored: a delivery is taken whole or not at all.
        for delivery in new:
            await self._crypto.ask(_of_card(header, delivery.signed.eid), _keysets(delivery, check_only=True))
        # Keys first: a card without keys would be lost, keys without a card are only unused.
        for delivery in new:
            await self._crypto.ask(_of_card(header, delivery.signed.eid), _keysets(delivery))
        cards = [(self._card(delivery), delivery.trail) for delivery in new]

        def unit(tx: Tx) -> None:
            for card, traces in cards:
                eis_store.register(tx.connection, card, tx.now)
                for trace in traces:
                    trail.enter(tx.connection, _record(card.eid, trace))
                tx.audit(
                    actor=header.requester,
                    action=ACTION,
                    eid=card.eid,
                    object=card.eum_id,
                    outcome="done",
                    detail=_call(header),
                )

        if cards:
            await self._mailbox.transact(unit, long=True)

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
        scp80 = next(k for k in delivery.keysets if k.version in SCP80_VERSIONS)
        scp81 = next((k.version for k in delivery.keysets if k.version in SCP81_VERSIONS), 0)
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
            last_audit=delivery.last_audit,
            isdr=_domain(delivery),
            properties=tuple(Property(key, value) for key, value in delivery.properties),
        )


def _domain(delivery: eis_xml.Delivery) -> SecurityDomain | None:
    found = delivery.isdr
    if not found.aid:
        return None
    keysets = tuple(
        KeysetInfo(version=k.version, type=_type(k.version), counter=k.counter or None) for k in delivery.keysets
    )
    return SecurityDomain(aid=found.aid, sin=found.sin, sdin=found.sdin, tars=found.tars, keysets=keysets)


def _type(version: int) -> str:
    """Type of a key set by its version (GlobalPlatform Amendments A and B; SGP.02 2.4.3)."""
    if version in SCP80_VERSIONS:
        return "SCP80"
    return "SCP81" if version in SCP81_VERSIONS else ""


def _record(eid: str, trace: eis_xml.Trace) -> AuditRecord:
    status = None
    if trace.status is not None:
        subject, reason, text = trace.status
        known = text in Status.__members__.values()
        status = ExecutionStatus(Status(text) if known else Status.FAILED, subject, reason)
    return AuditRecord(
        eid=eid,
        smsr_id=trace.smsr_id,
        at=trace.at,
        operation=trace.operation,
        requester=trace.requester,
        status=status,
        isdp_aid=trace.isdp_aid,
        iccid=trace.iccid,
        imei=trace.imei,
        meid=trace.meid,
    )


def _call(header: Header) -> str:
    return f"call {header.function_call_id}"


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
        if not any(k.version in SCP80_VERSIONS for k in delivery.keysets):
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
        free_memory=profile.free_memory,
        pol2=tuple(PolicyRule(r.action, r.qualification, r.subject) for r in profile.pol2),
    )
