"""Settings of the SM-SR; an eUICC type may say otherwise for its cards (`euicc_type.py`)."""

from __future__ import annotations

import msgspec

from ferryman.codec.ota_packet import SPI, Check, CounterMode, PoR
from ferryman.errors import InputError
from ferryman.workflow.plan import Transport

HTTPS = "https"  # the card is called by a trigger SMS
HTTPS_PULL = "https-pull"  # the card comes by itself
SMS = "sms"
TRANSPORTS = (HTTPS, HTTPS_PULL, SMS)
# The names that plans and scripts use.
PLANNED = {HTTPS: Transport.HTTPS_PUSH, HTTPS_PULL: Transport.HTTPS_PULL, SMS: Transport.SMS}


SPI_BYTES = 2
_SPI_RESERVED = bytes((0xE0, 0xC0))  # bits of each byte that are 0 (TS 102 225 5.1.1)


def check_spi(name: str, text: str) -> None:
    """Raise InputError for security parameters under which no command could be trusted or answered.

    A packet without answer is repeated byte for byte, so the card has to compare counters, and with "one higher" a
    lost packet would lock it out; an outcome is known by a proof of receipt alone; keys are AES (TS 102 225 5.1).
    """
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != SPI_BYTES:
        raise InputError(name, "must be two octets in hexadecimal")
    spi = SPI(value)
    if any(octet & reserved for octet, reserved in zip(value, _SPI_RESERVED, strict=True)):
        raise InputError(name, "must have its reserved bits at 0")
    if spi.check is not Check.CC or spi.counter_mode is not CounterMode.HIGHER:
        raise InputError(name, "must ask for a checksum (CC) and a counter that is higher, as 16 or 12 do")
    if spi.por is not PoR.ALWAYS or spi.por_check not in (Check.NONE, Check.CC):
        raise InputError(name, "must ask for a proof of receipt always, with a checksum or none, as 39 or 01 do")


class SRSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that the SM-SR's procedures read. Times in seconds, sizes in bytes."""

    smsr_id: str = "1.3.6.1.4.1.99999.20"
    transport: str = "https"  # carries commands when no type, card or script says otherwise
    installed: tuple[str, ...] = tuple(Transport)  # transports that plans may name; the rest has no module
    spi: str = "1639"
    sms_answer_timeout: float = 30.0  # per short message of the packet, until the PoR
    sms_attempts: int = 4
    https_session_timeout: float = 60.0  # from a trigger to the first POST
    https_answer_timeout: float = 90.0  # from a script to the POST with its answer
    trigger_attempts: int = 4
    pull_patience: float = 86_400.0  # a card that comes by itself and left in the middle, until `unknown`
    hold: float = 20.0  # how long a session stays open for an announced next command (MoreToDo)
    linger: float = 0.25  # the same without announcement
    script_limit: int = 1100  # command TLVs in one script; one SCP03t segment of 1020 bytes fits
    trigger_host: str = ""
    trigger_address: str = ""
    trigger_port: int = 0
    trigger_uri: str = ""
    agent_path: str = "/gsma/adminagent"
    card_attempts: int = 3  # a command whose outcome an audit has shown not to have happened is sent again
    check_sequence: bool = True  # refuse a notification older than the last confirmed one; False for cards without
    delete_enabled: str = "disable-first"  # DeleteProfile of an Enabled profile; or "refuse"
    # Parties beside the gateway's peers (`ferryman peer add`), which are known without being named here:
    operators: tuple[str, ...] = ()  # Mno-ids with an ES4 link of their own: told directly
    foreign_smdps: tuple[str, ...] = ()  # Smdp-ids that are told on ES3
    smsr_peers: tuple[str, ...] = ()  # Smsr-ids that cards may be handed to and taken from over ES7
    handover_timeout: float = 900.0  # for each answer of the other SM-SR while a card is handed over
    sms_address: str = ""  # our number, written to a card that is taken over; empty: it stays as it is on the card
    max_validity: float = 30 * 86_400.0  # longest ValidityPeriod; a longer one is refused with this as acceptable
    queue_sweep: float = 300.0  # at most between two looks for entries that other processes have added
    queue_window: int = 500  # entries on their way at once to eUICCs that are called
    raw_script_requesters: tuple[str, ...] = ()  # who may put raw scripts into a queue
    keep_delivered: bool = False  # profile data carried for an SM-DP stay in the journal, for its time
    announces: bool = False  # tell the REST API of all that happens; by itself where it runs beside us
    change_timeout: float = 600.0  # from EnableProfile to the card's notification, at most the validity period

    def __post_init__(self) -> None:
        if self.transport not in TRANSPORTS:
            raise InputError("sm_sr.transport", 'must be "https", "https-pull" or "sms"')
        if self.delete_enabled not in ("disable-first", "refuse"):
            raise InputError("sm_sr.delete_enabled", 'must be "disable-first" or "refuse"')
        check_spi("sm_sr.spi", self.spi)
        if self.max_validity <= 0:
            raise InputError("sm_sr.max_validity", "must be more than 0 seconds")
