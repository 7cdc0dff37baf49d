"""The view of a card that its type, its maker and its own record give together."""

from __future__ import annotations

import pytest

from ferryman.errors import InputError
from ferryman.sm_sr.euicc_type import REFUSE, Effective, TypeKey, default, effective, merged
from ferryman.sm_sr.records import Facts
from ferryman.sm_sr.settings import SRSettings


def test_nothing_said_is_what_the_settings_say() -> None:
    settings = SRSettings(transport="sms", spi="1201", script_limit=700, check_sequence=False)
    found = effective(settings)
    assert found == default(settings)
    assert (found.transport, found.spi, found.script_limit, found.check_sequence) == ("sms", "1201", 700, False)
    assert Facts(settings=settings, euicc=None).effective == found


def test_the_narrower_layer_wins_field_by_field() -> None:
    found = effective(
        SRSettings(spi="1639"),
        [{"spi": "1601", "segment": 500}, {"segment": 800, "check_sequence": False}, {"sms_attempts": 9}],
    )
    assert (found.spi, found.segment, found.check_sequence, found.sms_attempts) == ("1601", 800, False, 9)


def test_facts_prefer_the_card_s_own_view() -> None:
    own = Effective(transports=("sms", "https"), delete_enabled=REFUSE)
    assert Facts(settings=SRSettings(), euicc=None, type=own).effective is own
    assert own.transport == "sms"


def test_without_https_what_is_left_goes_by_sms() -> None:
    assert effective(SRSettings(transport="https"), https_possible=False).transports == ("sms",)
    both = effective(SRSettings(), [{"transports": ["https", "sms"]}], https_possible=False)
    assert both.transports == ("sms",)


def test_a_type_inherits_from_the_wider_ones() -> None:
    assert TypeKey("1.2", "p", "1.0.0").widening() == (
        TypeKey("1.2"),
        TypeKey("1.2", "p"),
        TypeKey("1.2", "p", "1.0.0"),
    )
    assert TypeKey("1.2", "p").widening() == (TypeKey("1.2"), TypeKey("1.2", "p"))
    assert TypeKey("1.2", "", "1.0.0").widening() == (TypeKey("1.2"),)


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"spi": "16"}, "spi"),
        ({"spi": "zz"}, "spi"),
        *(
            ({"spi": spi}, "spi")
            for spi in (
                *(
                    "0239",
                    "0639",
                    "0E39",
                    "1E39",
                ),  # no counter, one nobody compares, one without gaps
                *("1439", "1539", "1739"),  # no checksum, CRC, signature
                *("1600", "1602", "1603", "1605", "160D"),  # no answer, none to a success, CRC, signature
                *("9639", "1679", "16B9"),  # reserved bits
            )
        ),
        ({"transports": []}, "transports"),
        ({"transports": ["cat_tp"]}, "transports"),
        ({"transports": ["sms", "sms"]}, "transports"),
        ({"delete_enabled": "maybe"}, "delete_enabled"),
        ({"approval": "?"}, "approval"),
        ({"roll_back_names": "?"}, "roll_back_names"),
        ({"finalise_lists": "?"}, "finalise_lists"),
        ({"nothing_pending_sw": "9000"}, "nothing_pending_sw"),
        ({"nothing_pending_sw": "69"}, "nothing_pending_sw"),
        ({"nothing_pending_sw": "none"}, "nothing_pending_sw"),
        ({"script_limit": 10}, "script_limit"),
        ({"segment": 1008}, "segment"),
        ({"sms_attempts": 0}, "sms_attempts"),
        ({"trigger_attempts": 101}, "trigger_attempts"),
        ({"change_timeout": 0}, "change_timeout"),
        ({"sms_answer_timeout": 1e9}, "sms_answer_timeout"),
        ({"sms_attempts": "many"}, "eUICC type"),
    ],
)
def test_what_cannot_be_is_refused_by_name(layer: dict[str, object], field: str) -> None:
    with pytest.raises(InputError) as refused:
        merged(Effective(), layer)
    assert refused.value.field == field
