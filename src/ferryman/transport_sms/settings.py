"""Settings of SMPP accounts: where they are, what they serve, how they bind.

One account is one `SMPPSettings`; several stand side by side under different names. How a packet is put into
PDUs is in `form`. Defaults are those of 3GPP TS 31.115 clause 4 and TS 23.040 for (U)SIM data download: PID 7F,
DCS F6, user data header. SMSCs that map DCS by account want 02 or 04 instead; some networks carry less than
140 octets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.pdu import encode
from ferryman.codec.smpp.session import Bind, Request, SessionLimits
from ferryman.codec.smpp.times import relative_time
from ferryman.errors import InputError
from ferryman.transport_sms import form
from ferryman.transport_sms.form import Concatenation, Form, Submission

MAX_WINDOW: Final = 1_000  # requests without answer: beyond this a window only hides a slow SMSC
MAX_UD: Final = 140  # octets of TP-UD, TS 23.040 clause 9.2.3.24
MIN_UD: Final = 16  # octets: a concatenation header of 8 and something to carry
MAX_BINDS: Final = 16  # of one account: operators allow a handful
MAX_ACCOUNTS: Final = 64  # each costs at least a connection and a task
MAX_WEIGHT: Final = 1_000
VERSION_33: Final = 0x33  # the oldest interface: no transceiver, no optional parameters
MAX_VERSION: Final = 0x50
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")


class BindMode(StrEnum):
    """What to ask for: one of the three binds, or a transmitter and a receiver that make one account."""

    TRANSCEIVER = "transceiver"
    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"
    PAIR = "pair"


@dataclass(frozen=True, slots=True, kw_only=True)
class SMPPSettings:
    """One account at one SMSC. Times in seconds. Raises InputError for values that cannot work.

    `source_*` is the address that the cards' answers come back to. `max_ud` is octets of user data in one
    message, header included. `registered_delivery` goes on the last segment of a packet. `validity` 0 leaves
    the SMSC's own. `max_rate` is messages a second agreed with the operator for all binds together, 0 for no
    limit. `binds` is the number of connections (of pairs in mode `pair`); `receiver_port` is where the
    receivers of a pair bind, 0 for the same port.

    `prefixes` are the beginnings of the numbers this account serves, none for every number; among accounts
    with equally long ones `weight` says how much each takes, 0 only when no other can. A submission that the
    account has not taken within `failover_after` goes to the next one. `interface_version` is what the bind
    says: 0x33 keeps to SMPP v3.3. `tls_*_file` are PEM files; without `tls_ca_file` the system's authorities
    count. The certificate must be for `tls_name`, or else for `host`.
    """

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    name: str = "smpp"
    prefixes: tuple[str, ...] = ()
    weight: int = 1
    failover_after: float = 30.0
    system_type: str = ""
    bind_mode: BindMode = BindMode.TRANSCEIVER
    binds: int = 1
    receiver_port: int = 0
    interface_version: int = m.INTERFACE_VERSION
    tls: bool = False
    tls_ca_file: str = ""
    tls_certificate_file: str = ""
    tls_key_file: str = ""
    tls_name: str = ""
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
    submission: Submission = Submission.SUBMIT_SM
    payload_parameter: bool = False
    concatenation: Concatenation = Concatenation.UDH

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError("smpp.name", "is 1 to 40 letters, digits, dots, dashes and underscores")
        if not all(prefix.isascii() and prefix.isdecimal() and len(prefix) <= 20 for prefix in self.prefixes):
            raise InputError("smpp.prefixes", "are digits, as numbers begin without a plus")
        _within("smpp.port", self.port, 1, 65_535)
        _within("smpp.receiver_port", self.receiver_port, 0, 65_535)
        _within("smpp.weight", self.weight, 0, MAX_WEIGHT)
        _within("smpp.binds", self.binds, 1, MAX_BINDS)
        _within("smpp.failover_after", self.failover_after, 0, 86_400)
        _within("smpp.interface_version", self.interface_version, VERSION_33, MAX_VERSION)
        self._check_combinations()
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

    def _check_combinations(self) -> None:
        if self.interface_version == VERSION_33:
            if self.bind_mode == BindMode.TRANSCEIVER:
                raise InputError("smpp.bind_mode", "SMPP v3.3 has no transceiver: use pair")
            if self.form != Form():
                raise InputError("smpp.interface_version", "SMPP v3.3 has neither data_sm nor optional parameters")
        if self.receiver_port and self.bind_mode != BindMode.PAIR:
            raise InputError("smpp.receiver_port", "is for bind_mode pair")
        if bool(self.tls_certificate_file) != bool(self.tls_key_file):
            raise InputError("smpp.tls_key_file", "goes together with tls_certificate_file")
        if not self.tls and (self.tls_ca_file or self.tls_certificate_file or self.tls_name):
            raise InputError("smpp.tls", "must be true when a tls_ setting is given")

    @property
    def form(self) -> Form:
        """How packets are put into PDUs."""
        return Form(self.submission, self.payload_parameter, self.concatenation)

    @property
    def sends(self) -> bool:
        """Whether messages can be submitted on this account."""
        return self.bind_mode != BindMode.RECEIVER

    def connections(self) -> list[SMPPSettings]:
        """The settings of each connection of this account."""
        if self.bind_mode != BindMode.PAIR:
            return [self] * self.binds
        return [self.as_transmitter(), self.as_receiver()] * self.binds

    def as_transmitter(self) -> SMPPSettings:
        """The sending half of a pair."""
        return replace(self, bind_mode=BindMode.TRANSMITTER, receiver_port=0)

    def as_receiver(self) -> SMPPSettings:
        """The receiving half of a pair."""
        return replace(self, bind_mode=BindMode.RECEIVER, port=self.receiver_port or self.port, receiver_port=0)

    def bind(self) -> Bind:
        """The bind request of one connection of this account."""
        kinds: dict[BindMode, type[Bind]] = {
            BindMode.TRANSCEIVER: m.BindTransceiver,
            BindMode.TRANSMITTER: m.BindTransmitter,
            BindMode.RECEIVER: m.BindReceiver,
            BindMode.PAIR: m.BindTransmitter,
        }
        return kinds[self.bind_mode](
            system_id=self.system_id,
            password=self.password,
            system_type=self.system_type,
            address_range=self.address_range,
            interface_version=self.interface_version,
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

    def request(
        self, destination: str, user_data: bytes, *, last: bool, validity: int, parameters: bool = True
    ) -> Request:
        """What `submit` says, in the account's form. Without `parameters` (a v3.3 peer) always a plain
        submit_sm; the borders between the parts of a packet are the same in every form."""
        plain = self.submit(destination, user_data, last=last, validity=validity)
        return form.apply(self.form, plain, validity) if parameters and self.form != Form() else plain


def accounts_of(settings: SMPPSettings | Sequence[SMPPSettings]) -> tuple[SMPPSettings, ...]:
    """One account or several as a tuple. Raises InputError when two have one name or none can send."""
    accounts = (settings,) if isinstance(settings, SMPPSettings) else tuple(settings)
    if not 1 <= len(accounts) <= MAX_ACCOUNTS:
        raise InputError("smpp.accounts", f"are 1 to {MAX_ACCOUNTS}")
    if len({one.name for one in accounts}) < len(accounts):
        raise InputError("smpp.accounts", "need a name each, no two the same")
    return accounts


def _within(field_name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(field_name, f"is {low:g} to {high:g}")
