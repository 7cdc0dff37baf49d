"""SCP80 over SMS into and out of the card: security checks in order, dispatch, proof of receipt (SGP.02 2.4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman_sim.card import scp80, script, sms
from ferryman_sim.card.actions import Action, DeliverReport, SendSMS
from ferryman_sim.card.addressing import ISD_R_AID
from ferryman_sim.card.admin_session import AdminSession
from ferryman_sim.card.core import CONFIRMATION, Core
from ferryman_sim.card.keysets import KeySet80
from ferryman_sim.card.mno_sd import MnoSd, enabled_mno_sd
from ferryman_sim.card.notification import next_reference
from ferryman_sim.card.runner import ScriptRunner
from ferryman_sim.card.session_trigger import TRIGGER_TAG, read_trigger
from ferryman_sim.card.tlv import BadTLV

MAX_DELIVER_REPORT = 128
"""Response data that fits an SMS-DELIVER-REPORT, bytes; a longer answer follows as SMS-SUBMIT."""


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A command packet that passed all checks."""

    header: scp80.Header
    keyset: KeySet80
    counter: int
    data: bytes
    target: bytes


class SmsChannel:
    """Receives short messages; `discards` tells a test why a packet got no answer."""

    def __init__(self, core: Core, runner: ScriptRunner, session: AdminSession) -> None:
        self._core = core
        self._runner = runner
        self._session = session
        self._parts = sms.Reassembler()
        self.discards: list[str] = []

    def reset(self) -> None:
        """UICC reset: messages in pieces are lost."""
        self._parts = sms.Reassembler()

    def receive(self, ud: bytes, oa: str) -> list[Action]:
        """One MT short message for the card."""
        try:
            packet = self._parts.add(oa, sms.read_part(ud))
            if packet is None:
                return []
            return self._packet(packet, oa)
        except (BadTLV, scp80.Discarded) as error:
            self.discards.append(str(error))
            return []

    # --- checks -----------------------------------------------------------------------------------

    def _packet(self, packet: bytes, oa: str) -> list[Action]:
        """Lengths, level, CHL, keys, CC, PCNTR, TAR, counter: in this order. Raises scp80.Discarded."""
        core = self._core
        if len(packet) > core.limit("sms_packet"):
            raise scp80.Discarded("longer than the buffer")
        header = scp80.read_header(packet)
        if not scp80.meets_level(header.spi1, int(core.quirk("minimum_spi1"), 16)):
            if core.quirk("level_por") and header.spi2 & scp80.SPI2_POR:
                return self._answer_level(header, packet, oa)
            raise scp80.Discarded("security level")
        scp80.check_header_length(header)
        scp80.check_key_bytes(header)
        owner = self._owner(header.tar)
        keyset = core.state.keyset80(header.kvn) if owner is None else owner.keyset(header.kvn)
        if keyset is None:
            raise scp80.Discarded("key version")
        opened = scp80.open_command(header, keyset.kic, keyset.kid)
        if CONFIRMATION in opened.data and core.fault("drop_confirmations"):
            raise scp80.Discarded("lost on its way by a fault switch")
        target = self._target(header.tar, owner)
        if target is None:
            return self._proof(header, keyset, opened.counter, scp80.STATUS_TAR_UNKNOWN, b"", oa)
        status = scp80.counter_status(header.spi1, opened.counter, keyset.counter)
        if status != scp80.STATUS_OK:
            if core.quirk("replay_silent"):
                raise scp80.Discarded("counter")
            return self._proof(header, keyset, opened.counter, status, b"", oa)
        self._store_counter(header, keyset, opened.counter, owner)
        if core.fault("no_memory"):
            return self._proof(header, keyset, opened.counter, scp80.STATUS_NO_MEMORY, b"", oa)
        return self._execute(_Accepted(header, keyset, opened.counter, opened.data, target), oa)

    def _owner(self, tar: bytes) -> MnoSd | None:
        """The MNO-SD whose keys protect packets to this TAR; None for the ISD-R's keys."""
        found = enabled_mno_sd(self._core.state)
        return found[0] if found is not None and tar in found[1] else None

    def _target(self, tar: bytes, owner: MnoSd | None) -> bytes | None:
        if owner is not None:
            return owner.aid
        candidates = [*self._core.reachable(), *(isdp.aid for isdp in self._core.state.isdps)]
        return next((aid for aid in candidates if self._core.tar(aid) == tar), None)

    def _store_counter(self, header: scp80.Header, keyset: KeySet80, counter: int, owner: MnoSd | None) -> None:
        """Stored before anything is executed, so that no packet can ever run twice."""
        if header.spi1 & scp80.SPI1_COUNTER & 0x10:
            keyset.counter = counter
            if owner is not None:
                owner.isdp.mno_counters[keyset.kvn] = counter
        if owner is None:
            self._core.state.active_kvn = keyset.kvn
        self._core.commit("counter")

    def _answer_level(self, header: scp80.Header, packet: bytes, oa: str) -> list[Action]:
        """The switched reading, an unprotected 0A; the counter is readable only in a packet in clear."""
        clear = not header.spi1 & scp80.SPI1_CIPHERED
        counter = int.from_bytes(packet[10:15]) if clear else 0
        response = scp80.seal_open_response(header.tar, counter, scp80.STATUS_LEVEL)
        return self._route(header.spi2, response, response, oa)

    # --- execution and answer ---------------------------------------------------------------------

    def _execute(self, packet: _Accepted, oa: str) -> list[Action]:
        actions: list[Action] = []
        answer = b""
        if packet.target == ISD_R_AID and packet.data[:1] == bytes([TRIGGER_TAG]):
            try:
                actions = self._session.trigger(read_trigger(packet.data, self._core.trigger_form()))
            except BadTLV:
                response = script.ResponseScript(definite=True)
                response.add_bad_format(script.BAD_LENGTH)
                answer = response.encode()
        else:
            answer = self._runner.run(packet.data, packet.target, "sms", packet.keyset.kvn)
        if self._core.fault("lost_answer"):
            return actions
        proof = self._proof(packet.header, packet.keyset, packet.counter, scp80.STATUS_OK, answer, oa)
        return [*proof, *actions]

    def _proof(
        self, header: scp80.Header, keyset: KeySet80, counter: int, status: int, data: bytes, oa: str
    ) -> list[Action]:
        if not scp80.wants_por(header.spi2, status):
            return []

        def seal(code: int, content: bytes) -> bytes:
            return scp80.seal_response(header.spi2, header.tar, counter, code, content, keyset.kic, keyset.kid)

        return self._route(header.spi2, seal(status, data), seal(scp80.STATUS_FOLLOWS, b""), oa)

    def _route(self, spi2: int, response: bytes, announcement: bytes, oa: str) -> list[Action]:
        """By SMS-SUBMIT or in the delivery report; one too long for a report is announced there and follows."""
        size = self._core.limit("sms_user_data")
        uds = sms.segment(response, sms.RESPONSE_ELEMENT, next_reference(self._core), size)
        if spi2 & scp80.SPI2_POR_SUBMIT or self._core.quirk("por_by_submit"):
            return [SendSMS(oa, uds)]
        if len(uds) == 1 and len(uds[0]) <= MAX_DELIVER_REPORT:
            return [DeliverReport(uds[0])]
        report = sms.segment(announcement, sms.RESPONSE_ELEMENT, 0)[0]
        return [DeliverReport(report), SendSMS(oa, uds)]
