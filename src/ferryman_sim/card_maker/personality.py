"""Personalities: which reading a card takes where the notes on SGP.02 v3.2 are open, and what its EIS says of it.

`sgp02-euicc.md`, "Where these files disagree" and 11; the recorded card is the one of the traces there. A server
learns of a personality only by the platform in the signed part of the EIS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Personality:
    """Card quirks and limits (`ferryman_sim.card.core`, `ferryman_sim.scp81.Quirks`), and the facts of the EIS."""

    name: str
    platform_type: str
    platform_version: str
    secure_packet_version: str
    quirks: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)


REFERENCE: Final = Personality("reference", "ferryman-sim", "1.0.0", "9.0.0")
"""The default of each open point."""

RECORDED: Final = Personality(
    "recorded",
    "ferryman-sim-recorded",
    "0.9.0",
    "9.0.0",
    quirks={
        "notification_aid_tag": "4F",
        "notification_sequence_zero": True,
        "minimum_spi1": "12",  # its servers sent 1601 and, for triggers, 1201
        "por_by_submit": True,  # its servers asked with SPI2 01 and had the PoR all the same
        "constant_challenge": True,
        "aaid": True,
        "lower_case_headers": True,
        "suites": [0x00AE, 0x00A8, 0x00B0],
    },
    limits={"segment_tlv": 1052},
)
"""The card of the recorded logs: test firmware of a vendor, taken as it was."""

STRICT: Final = Personality(
    "strict",
    "ferryman-sim-strict",
    "2.0.0",
    "12.0.0",
    quirks={
        "notification_aid_tag": "AF",
        "notification_imei_tag": "94",
        "notification_kic": "12",
        "type03_failed_aid": True,
        "level_por": True,
        "replay_silent": True,
        "authority_key_required": True,
        "receipt_before_random": True,
        "finalise_deletes": True,
        "finalise_answers": True,
        "few_responses": True,
        "count_always": True,
        "status_all_tags": True,
        "status_next_in_dialogue": True,
        "no_application_list": True,
        "no_key_information": True,
        "nothing_pending_sw": "6A88",
        "wrong_sequence_sw": "6A80",
        "confirmation_empty_tag": True,
        "token_sw": "6A80",
        "role_sw": "6A80",
        "pending_sw": "6986",
        "status_attribute_bits": "02",
        "identities_refused": True,
        "level_code": 2,
        "cat_tp_refused": True,
        "session_in_order": True,
        "ecasd_hidden": True,
        "fallback_frozen": True,
        "pol1_tag": "84",
        "timer_bcd_only": True,
        "identity_text_only": True,
        "suites": [0x00A8],
        "chunk_size": 64,
        "bare_resume": True,
    },
    limits={
        "notification_transports": ["https", "sms"],
        "notification_tries": 4,
        "notification_interval": 45.0,
        "sms_user_data": 130,
    },
)
"""The other reading of each open point, or a refusal of what is not fully right."""

PERSONALITIES: Final = {each.name: each for each in (REFERENCE, RECORDED, STRICT)}
