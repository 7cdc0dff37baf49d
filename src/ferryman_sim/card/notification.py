"""Notifications of the eUICC to its SM-SR: content, transports, repetition (SGP.02 4.1.1.11)."""

from __future__ import annotations

from ferryman_sim.card import scp80, sms
from ferryman_sim.card.actions import Action, OpenHTTPS, SendSMS
from ferryman_sim.card.addressing import ISD_R_AID, imei_object, psk_identity
from ferryman_sim.card.core import Core
from ferryman_sim.card.keysets import KeySet80, KeySet81
from ferryman_sim.card.state import HTTPSConfig, Notification
from ferryman_sim.card.tlv import tlv

DECLARATION = 0x01
CHANGE_SUCCEEDED = 0x02
CHANGE_ROLLED_BACK = 0x03
AFTER_FALLBACK = 0x05

PSK_KEY_ID = 0x01
"""Key id of the PSK inside an SCP81 key set."""

HTTPS_DEFAULT_PORT = 443


class Notifier:
    """Sends the one pending notification; `send` is repeated by the caller's timer until it is confirmed."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waits = False  # RAM: the session that is open has to end before this turn can be taken

    def new(self, kind: int, aid: bytes) -> None:
        """A new notification with the next sequence number takes the place of any other."""
        state = self._core.state
        sequence = 0 if self._core.quirk("notification_sequence_zero") else state.next_sequence
        state.notification = Notification(kind, aid, sequence)
        state.next_sequence = (state.next_sequence + 1) & 0xFFFF

    def encode(self) -> bytes:
        """The E1 TLV of the pending notification; empty when nothing is pending."""
        core, pending = self._core, self._core.state.notification
        if pending is None:
            return b""
        content = tlv(0x4C, bytes.fromhex(core.state.eid)) + tlv(0x4D, bytes([pending.kind]))
        content += tlv(0x4E, pending.sequence.to_bytes(2))
        content += tlv(int(core.quirk("notification_aid_tag"), 16), pending.aid)
        imei = core.faults.get("imei", core.state.imei)
        if imei:
            content += tlv(int(core.quirk("notification_imei_tag"), 16), imei_object(imei))
        return tlv(0xE1, content)

    def send(self) -> list[Action]:
        """Send or repeat the pending notification over the next transport in turn.

        There is one session at a time: a turn of HTTPS that comes while another one is open is neither lost nor
        given to SMS, it waits for the end of that session (`session_closed`).
        """
        core, pending = self._core, self._core.state.notification
        self._waits = False
        if pending is None:
            return []
        ways = [way for way in core.limit("notification_transports") if self._usable(way)]
        way = ways[pending.attempts % len(ways)] if ways else ""
        if way == "https" and core.https_open:
            self._waits, pending.next_at = True, None
            return []
        pending.attempts += 1
        pending.next_at = core.now + core.limit("notification_interval")
        if not way:
            return []
        return [self._by_sms() if way == "sms" else self._by_https()]

    def session_closed(self) -> list[Action]:
        """The session that a notification had to wait for has ended."""
        return self.send() if self._waits else []

    def reset(self) -> None:
        """UICC reset: the next attach sends anew."""
        self._waits = False

    def _usable(self, way: str) -> bool:
        state = self._core.state
        if way == "sms":
            return bool(state.smsr_address) and self._keyset() is not None
        return state.https is not None and state.keyset81(None) is not None

    def _keyset(self) -> KeySet80 | None:
        """The key set the SM-SR used last, else the newest one."""
        state = self._core.state
        return state.keyset80(state.active_kvn) or (state.scp80[-1] if state.scp80 else None)

    def _by_sms(self) -> Action:
        core, keyset = self._core, self._keyset()
        if keyset is None:
            raise ValueError("no SCP80 keys")
        kic = core.quirk("notification_kic")
        packet = scp80.seal_notification(
            self.encode(), core.tar(ISD_R_AID), keyset.kvn, keyset.kid, None if kic is None else int(kic, 16)
        )
        reference = next_reference(core)
        uds = sms.segment(packet, sms.COMMAND_ELEMENT, reference, core.limit("sms_user_data"))
        return SendSMS(core.state.smsr_address, uds)

    def _by_https(self) -> Action:
        core = self._core
        keyset, https = core.state.keyset81(None), core.state.https
        if keyset is None or https is None:
            raise ValueError("no SCP81 keys or no HTTPS parameters")
        return open_session(core, keyset, https, notification=self.encode())


def next_reference(core: Core) -> int:
    """A concatenation reference that the last 255 messages did not have."""
    core.state.sms_reference = (core.state.sms_reference + 1) & 0xFF
    return core.state.sms_reference


def open_session(
    core: Core, keyset: KeySet81, https: HTTPSConfig, *, notification: bytes | None = None
) -> OpenHTTPS:
    """An administration session with these parameters and this key set."""
    host, _, port = https.host.rpartition(":")
    named = host if host and port.isdigit() else https.host
    return OpenHTTPS(
        host=https.address or named,
        port=https.port or HTTPS_DEFAULT_PORT,
        uri=https.uri,
        agent_id=https.agent_id,
        identity=psk_identity(core.state.eid, ISD_R_AID, PSK_KEY_ID, keyset.kvn),
        psk=keyset.psk,
        notification=notification,
        http_host=https.host,
    )
