"""Settings of one SMPP account and how secured packets travel over it.

Defaults are those of 3GPP TS 31.115 clause 4 and TS 23.040 for (U)SIM data download: PID 7F, DCS F6, user
data header. SMSCs that map DCS by account want 02 or 04 instead; some networks carry less than 140 octets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.pdu import encode
from ferryman.codec.smpp.session import Bind, SessionLimits
from ferryman.codec.smpp.times import relative_time
from ferryman.errors import InputError

MAX_WINDOW: Final = 1_000  # requests without answer: beyond this a window only hides a slow SMSC
MAX_UD: Final = 140  # octets of TP-UD, TS 23.040 clause 9.2.3.24
MIN_UD: Final = 16  # octets: a concatenation header of 8 and something to carry


class BindMode(StrEnum):
    """Which of the three binds to ask for."""

    TRANSCEIVER = "transceiver"
    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"


@dataclass(frozen=True, slots=True, kw_only=True)
class SMPPSettings:
    """One account at one SMSC. Times in seconds. Raises InputError for values that cannot work.

    `source_*` is the address that the cards' answers come back to. `max_ud` is octets of user data in one
    message, header included. `registered_delivery` goes on the last segment of a packet. `validity` 0 leaves
    the SMSC's own. `max_rate` is messages a second agreed with the operator, 0 for no limit.
    """

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    bind_mode: BindMode = BindMode.TRANSCEIVER
    address_range: str = ""
    source_ton: int = 1
    source_npi: int = 1
    source_addr: str = ""
    destination_ton: int = 1
    destination_npi: int = 1
    service_type: str = ""
    window: int = 10
    max_rate: float = 0.0
    enquire_interval: float = 30.0
    response_timeout: float = 30.0
    connect_timeout: float = 10.0
    reconnect_min: float = 1.0
    reconnect_max: float = 60.0
    refused_wait: float = 300.0
    max_ud: int = MAX_UD
    esm_class: int = 0x40
    protocol_id: int = 0x7F
    data_coding: int = 0xF6
    registered_delivery: int = 1
    validity: int = 0

    def __post_init__(self) -> None:
        _within("smpp.port", self.port, 1, 65_535)
        _within("smpp.window", self.window, 1, MAX_WINDOW)
        _within("smpp.max_ud", self.max_ud, MIN_UD, MAX_UD)
        _within("smpp.max_rate", self.max_rate, 0, 1e6)
        for name in ("enquire_interval", "response_timeout", "connect_timeout", "reconnect_min", "refused_wait"):
            _within(f"smpp.{name}", getattr(self, name), 0.001, 86_400)
        _within("smpp.reconnect_max", self.reconnect_max, self.reconnect_min, 86_400)
        if not self.host:
            raise InputError("smpp.host", "must not be empty")
        encode(self.bind())
        encode(m.SubmitSM(service_type=self.service_type, source_addr=self.source_addr))
        if self.validity:
            relative_time(self.validity)

    def bind(self) -> Bind:
        """The bind request of this account."""
        kinds: dict[BindMode, type[Bind]] = {
            BindMode.TRANSCEIVER: m.BindTransceiver,
            BindMode.TRANSMITTER: m.BindTransmitter,
            BindMode.RECEIVER: m.BindReceiver,
        }
        return kinds[self.bind_mode](
            system_id=self.system_id,
            password=self.password,
            system_type=self.system_type,
            address_range=self.address_range,
        )

    def limits(self) -> SessionLimits:
        """The limits of a session of this account."""
        return SessionLimits(self.window, self.enquire_interval, self.response_timeout)

    def submit(self, destination: str, user_data: bytes, *, last: bool, validity: int | None = None) -> m.SubmitSM:
        """The submit_sm for one segment: `user_data` with its header, `destination` an E.164 number.

        A receipt is asked for with the last segment only. `validity` in seconds overrides the setting; keep
        it shorter than the time the sender waits. Raises InputError when the segment is longer than `max_ud`.
        """
        if len(user_data) > self.max_ud:
            raise InputError("user data", f"has at most {self.max_ud} octets on this account")
        seconds = self.validity if validity is None else validity
        return m.SubmitSM(
            service_type=self.service_type,
            source_addr_ton=self.source_ton,
            source_addr_npi=self.source_npi,
            source_addr=self.source_addr,
            dest_addr_ton=self.destination_ton,
            dest_addr_npi=self.destination_npi,
            destination_addr=destination,
            esm_class=self.esm_class,
            protocol_id=self.protocol_id,
            validity_period=relative_time(seconds) if seconds else "",
            registered_delivery=self.registered_delivery if last else 0,
            data_coding=self.data_coding,
            short_message=user_data,
        )


def _within(field_name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(field_name, f"is {low:g} to {high:g}")
