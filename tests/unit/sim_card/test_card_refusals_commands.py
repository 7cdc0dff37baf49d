"""What the simulated eUICC refuses (SGP.02 v3.2 card reference, section 10): rows 14 to 31, commands."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman_sim.card import Card, Refresh
from sim_card_kit import Bench, image, installed, package, two_profiles
from sim_card_wire import ISDP1, ISDP2, ISDP3, H, confirm, create, delete, disable, enable, set_fallback, status


def changed(made: dict[str, Any], **isdps: dict[str, Any]) -> Bench:
    """A card whose dump was changed: i0 and i1 are fields of its ISD-Ps."""
    dump = Bench.of(made).card.dump()
    for name, fields in isdps.items():
        dump["isdps"][int(name[1:])].update(fields)
    return Bench(Card.load(dump, 0.0), counter=0x100)


def test_row_14_aid_in_use() -> None:
    assert Bench.of().run(create(ISDP1), create(ISDP1)) == [(b"\x00", 0x9000), (b"", 0x6985)]


@pytest.mark.parametrize(
    "apdu",
    [
        create(H("A0000005591010FFFFFFFF8900000F00")),
        create(H("A0000005591010FFFFFFFF8901000000")),
        create(H("A0000005591010FFFFFFFF8900001001")),
        create(H("A0000005591011FFFFFFFF8900001000")),
        create(ISDP1[:15]),
        create(ISDP1, privileges="80C001"),
        create(ISDP1, c9="C90481020360"),
        create(ISDP1, c9=""),
        create(ISDP1, c9="C90481020370CA00"),
        H("80E60C000310A00000"),
        H("80E60C0000"),
    ],
)
def test_row_15_create_with_bad_parameters(apdu: bytes) -> None:
    bench = Bench.of()
    assert bench.run(apdu) == [(b"", 0x6A80)]
    assert bench.card.profiles() == []


def test_row_15_unknown_load_file() -> None:
    apdu = create(ISDP1).replace(H("8900000D00"), H("8900000C00"))
    assert Bench.of().run(apdu) == [(b"", 0x6A88)]


def test_row_16_quota_above_free_memory() -> None:
    bench = Bench.of()
    assert bench.run(create(ISDP1, 400_001)) == [(b"", 0x6A84)]
    assert bench.run(create(ISDP1, 300_000), create(ISDP2, 100_001)) == [(b"\x00", 0x9000), (b"", 0x6A84)]
    assert bench.run(create(ISDP2, 100_000)) == [(b"\x00", 0x9000)]


def test_row_17_enable_unknown_aid() -> None:
    assert Bench.of(image(profiles=two_profiles())).run(enable(ISDP3)) == [(b"", 0x6A88)]


def test_row_18_enable_what_is_not_disabled() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    bench.run(create(ISDP3))
    assert bench.run(enable(ISDP3)) == [(b"", 0x6985)]
    assert bench.run(enable(ISDP1)) == [(b"", 0x6985)]


def test_row_19_enable_against_pol1() -> None:
    bench = Bench.of(image(profiles=two_profiles(pol1_first=5)))
    assert bench.run(enable(ISDP2)) == [(b"", 0x69E1)]
    assert [item["state"] for item in bench.card.profiles()] == [0x3F, 0x1F]


def test_row_20_disable_what_is_not_enabled_or_the_fallback_profile() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    assert bench.run(disable(ISDP2)) == [(b"", 0x6985)]
    assert bench.run(disable(ISDP3)) == [(b"", 0x6A88)]
    bench.run(set_fallback(ISDP1))
    assert bench.run(disable(ISDP1)) == [(b"", 0x6985)]


def test_row_21_disable_against_pol1() -> None:
    assert Bench.of(image(profiles=two_profiles(pol1_first=1))).run(disable(ISDP1)) == [(b"", 0x69E1)]


def test_row_22_delete_the_enabled_or_the_fallback_profile() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    assert bench.run(delete(ISDP1)) == [(b"", 0x6985)]
    assert bench.run(delete(ISDP2)) == [(b"", 0x6985)]


def test_row_23_delete_against_pol1() -> None:
    bench = Bench.of(image(profiles=two_profiles(pol1_second=2)))
    bench.run(set_fallback(ISDP1))
    assert bench.run(delete(ISDP2)) == [(b"", 0x69E1)]


def test_row_24_delete_and_get_status_of_an_unknown_aid() -> None:
    bench = Bench.of()
    assert bench.run(delete(ISDP1)) == [(b"", 0x6A88)]
    assert bench.run(status(ISDP1)) == [(b"", 0x6A88)]


TOKEN = H(
    "80E40040434F10A0000005591010FFFFFFFF8900001000B61D420549534450014509495344505344494E01"
    "5F200547534D41019301019E104D3BFD1F3DCF0981F38689CEBE5E04E400"
)
OWNER = {
    "token_key": "707172737475767778797A7B7C7D7E7F",
    "sin": "4953445001",
    "sdin": "495344505344494E01",
    "provider": "47534D4101",
}


def test_row_25_master_delete_of_the_enabled_or_the_fallback_profile() -> None:
    made = image(profiles=two_profiles())
    assert changed(made, i0=OWNER).run(TOKEN) == [(b"", 0x6985)]
    bench = changed(made, i0={**OWNER, "state": 0x1F, "fallback": True}, i1={"fallback": False})
    assert bench.run(TOKEN) == [(b"", 0x6985)]


def test_row_26_master_delete_with_a_wrong_token() -> None:
    made = image(profiles=two_profiles(pol1_first=2))
    states: dict[str, Any] = {"i1": {"state": 0x3F}}
    free = {**OWNER, "state": 0x1F}
    bad = TOKEN[:-2] + bytes([TOKEN[-2] ^ 1]) + TOKEN[-1:]
    assert changed(made, i0=free, **states).run(bad) == [(b"", 0x6982)]
    assert changed(made, i0={**free, "sin": "4953445002"}, **states).run(TOKEN) == [(b"", 0x6982)]
    assert changed(made, i0={**free, "token_key": None}, **states).run(TOKEN) == [(b"", 0x6A88)]
    bench = changed(made, i0=free, **states)
    assert bench.run(TOKEN) == [(b"\x00", 0x9000)]  # POL1 b2 does not stop a good token


def test_row_27_platform_management_while_a_change_is_not_confirmed() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    bench.run(enable(ISDP2))
    bench.card.attached(bench.now)
    refused = [
        create(ISDP3),
        enable(ISDP1),
        disable(ISDP2),
        set_fallback(ISDP1),
        delete(ISDP1),
        TOKEN,
        H("80E4000005F20301010300"),
        H("80E288000F3A070CA30A81080B913316325476F800"),
    ]
    for apdu in refused:
        assert bench.run(apdu) == [(b"", 0x6985)]
    assert bench.run(status(), H("80CAFF2100"))[1][1] == 0x9000
    sequence = bench.pending_sequence()
    assert sequence is not None
    assert bench.run(confirm(sequence)) == [(b"", 0x9000)]
    assert bench.run(create(ISDP3)) == [(b"\x00", 0x9000)]


def test_row_28_confirmation_with_another_number_or_nothing_pending() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    assert bench.run(confirm(1)) == [(b"", 0x6985)]
    bench.run(enable(ISDP2))
    bench.card.attached(bench.now)
    sequence = bench.pending_sequence()
    assert sequence is not None
    assert bench.run(confirm(sequence + 1)) == [(b"", 0x6A88)]
    assert bench.run(H("80E28900063A08034E0107")) == [(b"", 0x6A80)]
    assert bench.run(confirm(sequence)) == [(b"", 0x9000)]
    assert bench.run(confirm(sequence)) == [(b"", 0x6985)]


def test_row_29_set_fallback_of_an_unknown_or_empty_isdp() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    assert bench.run(set_fallback(ISDP3)) == [(b"", 0x6A88)]
    bench.run(create(ISDP3))
    assert bench.run(set_fallback(ISDP3)) == [(b"", 0x6985)]
    assert bench.run(set_fallback(ISDP2), set_fallback(ISDP1)) == [(b"", 0x9000), (b"", 0x9000)]
    assert [item["fallback"] for item in bench.card.profiles()] == [True, False, False]


def test_row_30_get_data_bf30_without_a_tag_list() -> None:
    bench = Bench.of()
    for apdu in ("80CABF3000", "80CABF30025C0000", "80CABF30024F0000"):
        assert bench.run(H(apdu)) == [(b"", 0x6A80)]


def test_row_31_get_data_of_an_unknown_tag() -> None:
    bench = Bench.of()
    assert bench.run(H("80CA9F7F00")) == [(b"", 0x6A88)]
    assert bench.run(H("80CABF30035C015B00")) == [(b"", 0x6A88)]


def test_pol1_of_the_fallback_profile_is_checked_on_the_disabled_one_too() -> None:
    profiles = [*two_profiles(), installed(ISDP3, package("89000000000000000033"))]
    bench = Bench.of(image(profiles=profiles))
    assert bench.run(enable(ISDP3)) == [(b"", 0x9000)]
    assert bench.after == [Refresh()]
