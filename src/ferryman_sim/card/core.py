"""What all parts of the card share: its memory, its settings, the log, and the points where memory is
committed.

No source clause: this is the card's operating system, not protocol. Settings and their defaults:

limits (numbers the EUM chooses): see `LIMITS`. quirks (alternative readings of the standard, all off):
`QUIRKS`. faults (set at run time by a test): `lost_answer`, `wrong_receipt`, `drop_confirmations` (True, or
a number of times), `drop_dialogue` (the RAM runs out before the next script, sessions and chains in it are
lost; a number of times), `no_memory` (the next SMS packet is answered with 07 and not executed; a number
of times), `no_network_after_enable` (True), `no_network_for` (list of ICCIDs), `imei` (text to report),
`power_cut` (a number of commit points to survive, or the name of one: the next of that name cuts the power).
`struck` counts, by name, how often a fault had its effect.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ferryman_sim.card.actions import PowerCut
from ferryman_sim.card.addressing import ECASD_AID, ISD_R_AID, tar_of
from ferryman_sim.card.session_trigger import Form
from ferryman_sim.card.state import State

LIMITS: Final[dict[str, Any]] = {
    "attach_timeout": 180.0,  # seconds from REFRESH until the attach counts as failed
    "attach_retry": 60.0,  # seconds between attach attempts when no other Profile is left to try
    "notification_tries": 3,  # times a notification is sent before the card draws its conclusion
    "notification_interval": 60.0,  # seconds between them
    "notification_transports": ["sms", "https"],  # tried in turn
    "https_retries": 3,  # new attempts after a session that broke, when no retry policy was given
    "https_retry_delay": 60,  # seconds before each
    "segment_tlv": 1024,  # bytes of the longest SCP03t 86 TLV taken
    "sms_user_data": 140,  # bytes of TP-User-Data of one short message sent
    "response_data": 256,  # bytes of R-APDU data before GET STATUS says that there is more
    "max_profiles": 16,  # ISD-Ps
    "sms_packet": 4096,  # bytes of the longest secured packet that is put together from short messages
    "https_script": 4096,  # bytes of the longest command script taken in an HTTPS session
}

QUIRKS: Final[dict[str, Any]] = {
    "notification_aid_tag": "2F",  # "4F" as the recorded card
    "notification_imei_tag": "14",  # "94" with the comprehension bit
    "notification_kic": None,  # hexadecimal KIc byte of the notification instead of version and 0
    "notification_sequence_zero": False,  # every notification has the sequence number 0000
    "type03_failed_aid": False,  # roll-back notification names the Profile that failed
    "minimum_spi1": "16",  # lowest security level of the ISD-R
    "level_por": False,  # unprotected PoR 0A instead of silence below the minimum level
    "replay_silent": False,  # silence instead of PoR 02, 03, 04
    "por_by_submit": False,  # PoR by SMS-SUBMIT whatever SPI2 says
    "ber_dgi_lengths": False,  # BER length after DGIs 3A01 and 3A02
    "authority_key_required": False,  # certificates need C9, the authority key identifier
    "constant_challenge": False,  # 00..0F as challenge of every key establishment
    "receipt_before_random": False,  # 86 before 85 in the answer with a derivation random
    "finalise_deletes": False,  # FinaliseISDRhandover deletes the listed keys instead of keeping them
    "finalise_answers": False,  # and answers 00 before 9000
    "keep_context_between_sms": False,  # sessions outlive a script without chaining
    "few_responses": False,  # response scripts leave out R-APDUs without data but the last
    "count_always": False,  # the number of executed commands also in the indefinite form
    "status_all_tags": False,  # GET STATUS without a tag list gives all objects instead of 4F and 9F70
    "status_next_in_dialogue": False,  # GET STATUS [next] only in the script or session of [first]
    "no_application_list": False,  # GET DATA 2F00 gives 6A88
    "no_key_information": False,  # GET DATA 00E0 gives 6A88
    "nothing_pending_sw": "6985",  # confirmation when no notification is pending
    "wrong_sequence_sw": "6A88",  # confirmation with another sequence number
    "confirmation_empty_tag": False,  # 80 00 instead of nothing when no Profile was deleted
    "token_sw": "6982",  # delete token wrong
    "role_sw": "6982",  # certificate of the other role
    "pending_sw": "6985",  # platform management while a change is unconfirmed
    "status_attribute_bits": "00",  # further bits set in 53 beside the Fall-back Attribute
    "identities_refused": False,  # 6A80 for Host ID, SIN and SDIN in a key establishment
    "level_code": 1,  # SCP03t error when the security level in 85 is not 33
    "cat_tp_refused": False,  # 6A80 for CAT_TP parameters, of the ISD-R and of a Profile
    "session_in_order": False,  # session parameters 84, 85, 86, 89 in another order are refused
    "ecasd_hidden": False,  # the ECASD has neither TAR nor AID for the SM-SR, its data come through the ISD-R
    "fallback_frozen": False,  # 69E1 for SetFallbackAttribute while POL1 forbids to disable the enabled Profile
    "pol1_tag": "81",  # tag of the POL1 byte inside 3A06
    "compact_scripts": False,  # bare C-APDUs over SMS (TS 102 226 5.1) instead of bad format 01
    "timer_bcd_only": False,  # a retry timer that is no BCD is refused instead of read as binary
    "identity_text_only": False,  # the PSK identity of a trigger is text only
    "isd_r_tar": "000001",  # another TAR than the AID's, as the EIS of the card says
}


CONFIRMATION: Final = bytes.fromhex("80E28900073A08044E02")
"""How a HandleNotificationConfirmation starts, for the fault that loses one on its way."""


@dataclass(slots=True)
class Core:
    """Shared by all security domains of one card; `now` is the time of the input being worked on, seconds."""

    state: State
    entropy: Callable[[int], bytes]
    now: float
    faults: dict[str, Any] = field(default_factory=dict)
    on_commit: Callable[[], None] | None = None
    steps: int = 0
    https_open: bool = False
    struck: Counter[str] = field(default_factory=Counter)
    status_left: list[bytes] = field(default_factory=list)
    """Answers of GET STATUS not fetched yet; RAM, until the next reset."""

    def limit(self, name: str) -> Any:
        """A limit of this card."""
        return self.state.limits.get(name, LIMITS[name])

    def quirk(self, name: str) -> Any:
        """A quirk of this card."""
        return self.state.quirks.get(name, QUIRKS[name])

    def fault(self, name: str) -> bool:
        """Whether a fault strikes now; a number counts down, True stays."""
        value = self.faults.get(name)
        if not isinstance(value, int) or value <= 0:
            return False
        if value is not True:
            self.faults[name] = value - 1
        self.struck[name] += 1
        return True

    def sw(self, name: str) -> int:
        """A status word among the quirks."""
        return int(str(self.quirk(name)), 16)

    def reachable(self) -> tuple[bytes, ...]:
        """AIDs beside the ISD-Ps that the SM-SR can address."""
        return (ISD_R_AID,) if self.quirk("ecasd_hidden") else (ISD_R_AID, ECASD_AID)

    def tar(self, aid: bytes) -> bytes:
        """TAR under which a security domain of the SM-SR's is addressed."""
        return bytes.fromhex(self.quirk("isd_r_tar")) if aid == ISD_R_AID else tar_of(aid)

    def trigger_form(self) -> Form:
        """Codings that this card takes in session parameters."""
        return Form(
            binary_timer=not self.quirk("timer_bcd_only"),
            binary_identity=not self.quirk("identity_text_only"),
            any_order=not self.quirk("session_in_order"),
        )

    def challenge(self, size: int) -> bytes:
        """Random bytes for a key establishment."""
        return bytes(range(size)) if self.quirk("constant_challenge") else self.entropy(size)

    def commit(self, name: str) -> None:
        """A point at which the memory is consistent: let the wrapper save it, then perhaps lose the power."""
        if self.on_commit is not None:
            self.on_commit()
        self.steps += 1
        planned = self.faults.get("power_cut")
        if planned is None or (isinstance(planned, str) and planned != name):
            return
        if isinstance(planned, int) and planned > 0:
            self.faults["power_cut"] = planned - 1
            return
        del self.faults["power_cut"]
        self.struck["power_cut"] += 1
        raise PowerCut(name)

    def log(self, via: str, target: bytes, command: str, header: bytes, data: bytes, sw: str) -> None:
        """Append one executed command; the data goes in as a hash, so that no key material gets into the log."""
        log = self.state.log
        log.append(
            {
                "n": len(log) + 1,
                "t": self.now,
                "via": via,
                "target": target.hex().upper(),
                "command": command,
                "header": header.hex().upper(),
                "data_sha256": hashlib.sha256(data).hexdigest(),
                "sw": sw,
            }
        )
