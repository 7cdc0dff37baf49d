"""Scripts in compact format as the card reads them, and buffers that are too small (TS 102 226 5.1)."""

from __future__ import annotations

import pytest

from ferryman_sim.card import compact
from ferryman_sim.card.apdu import CommandError
from sim_card_kit import Bench, image
from sim_card_wire import H

GET = H("80CAFF2100")
STORE = H("80E2890003010203")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (GET, [GET]),
        (STORE, [STORE]),
        (STORE + b"\x00", [STORE + b"\x00"]),
        (STORE + GET, [STORE, GET]),
        (GET + STORE + STORE, [GET, STORE, STORE]),
        (b"", []),
    ],
)
def test_commands_one_after_another(body: bytes, expected: list[bytes]) -> None:
    assert list(compact.commands(body)) == expected


@pytest.mark.parametrize("body", [H("80CAFF21"), H("80E28900030102"), GET + H("80E2")])
def test_a_string_that_cannot_be_read_on(body: bytes) -> None:
    with pytest.raises(CommandError, match="6700"):
        list(compact.commands(body))


def bench(**quirks: object) -> Bench:
    made = image()
    made["quirks"] = {**made.get("quirks", {}), **quirks}
    return Bench.of(made)


def test_the_answer_counts_and_tells_the_last_one() -> None:
    card = bench(compact_scripts=True)
    whole = card.script(GET + GET)
    assert whole[:3] == H("02 9000")
    assert whole[3:5] == H("FF21")
    stopped = card.script(GET + H("80CAEEEE00") + GET)
    assert stopped == H("02 6A88")
    assert card.script(GET + H("80CAFF")) == H("01 6700")


def test_a_card_of_another_type_refuses_it() -> None:
    card = bench()
    assert card.script(GET) == H("AB06 800100 900101")


def test_expanded_scripts_go_on_being_taken() -> None:
    card = bench(compact_scripts=True)
    assert card.script(H("AA07 2205") + GET)[:1] == b"\xab"


def test_a_packet_that_is_longer_than_the_buffer_comes_to_nothing() -> None:
    made = image()
    made["limits"] = {"sms_packet": 200, "https_script": 20}
    card = Bench.of(made)
    assert card.send(card.packet(GET * 40)) == []
    assert card.card.discards == ["longer than the buffer"]
    assert card.run(GET)[0][1] == 0x9000, "the counter was not used up"
    body = H("AE80") + (H("2205") + GET) * 3 + H("0000")
    assert card.https(body) == H("AF80 900102 0000")
    assert card.https(H("AE80 2205") + GET + H("0000"))[:3] == H("AF8023")
