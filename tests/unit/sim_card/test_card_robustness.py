"""Any bytes at the simulated eUICC: it answers by the rules or stays silent, and its memory stays whole."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman_sim.card import Card
from ferryman_sim.card.session_trigger import read_trigger
from ferryman_sim.card.tlv import BadTLV, as_map, ber_length, read_all, read_dgi, read_length, tlv
from sim_card_host import REFERENCE_KEYS, Host
from sim_card_kit import Bench, entropy_of, image, two_profiles
from sim_card_wire import (
    CERT_DP,
    ISDP1,
    ISDP2,
    ISDR,
    SERVER,
    H,
    certificate_command,
    commands,
    create,
    delete,
    enable,
    for_personalization,
    key_command,
    key_parameters,
    status,
)

SEEDS = [
    commands(create(ISDP1)),
    commands(status(), definite=False),
    commands(enable(ISDP2), delete(ISDP1)),
    commands(for_personalization(ISDP1), certificate_command(CERT_DP), chaining=1),
    commands(key_command(key_parameters()), definite=False),
    H(
        "81358333841E35010339020578470908696E7465726E65743C03021F9A3E0521C000020189118A093139322E302E322E318C042F61646D"
    ),
    commands(H("80D800812F40851110FA46D82069582520ABAE96EE3392F7E003F2A8DF")),
    commands(H("80E288000F3A070CA30A81080B913316325476F800")),
]
EMPTY = Bench.of().card.dump()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good script with some bytes changed, cut or put in."""
    body = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(body) - 1)))
        kind = draw(st.integers(0, 2))
        if kind == 0 and body:
            body[at] = draw(st.integers(0, 255))
        elif kind == 1:
            del body[at : at + draw(st.integers(1, 5))]
        else:
            body[at:at] = draw(st.binary(max_size=4))
    return bytes(body)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=160))
def test_any_user_data_is_survived_in_silence(ud: bytes) -> None:
    card = Card.load(EMPTY, 0.0)
    assert card.sms_pp(ud, SERVER, 1.0) == []
    assert card.dump() == EMPTY


@settings(max_examples=200, deadline=None)
@given(mutated(), st.sampled_from([ISDR, ISDP1, None]))
def test_any_script_gets_a_response_script_and_leaves_a_card_that_loads(body: bytes, target: bytes | None) -> None:
    card = Card.load(EMPTY, 0.0, entropy=entropy_of())
    card.https_script(None, commands(create(ISDP1)), 1.0)
    result = card.https_script(target, body, 2.0)
    assert result.status == "ok"
    assert result.body is not None
    assert result.body[0] in (0xAB, 0xAF)
    dump = json.loads(json.dumps(card.dump()))
    assert Card.load(dump, 3.0).dump() == dump


@settings(max_examples=100, deadline=None)
@given(mutated())
def test_any_authentic_packet_is_answered_once(body: bytes) -> None:
    bench = Bench(Card.load(EMPTY, 0.0, entropy=entropy_of()), counter=0x100)
    packet = bench.packet(body)
    first = bench.send(packet)
    assert bench.open_por(first[0])[:2] == (bench.counter, 0)
    executed = len(bench.card.log)
    again = bench.send(packet)
    assert bench.open_por(again[0])[1] == 2
    assert len(bench.card.log) == executed


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1200), st.integers(0, 7))
def test_no_flipped_bit_of_a_packet_is_accepted(at: int, bit: int) -> None:
    bench = Bench(Card.load(EMPTY, 0.0), counter=0x100)
    packet = bytearray(bench.packet(commands(create(ISDP1))))
    packet[at % len(packet)] ^= 1 << bit
    bench.send(bytes(packet))
    assert bench.card.log == EMPTY["log"]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1200), st.integers(0, 7))
def test_no_flipped_bit_of_a_segment_is_accepted(at: int, bit: int) -> None:
    enc, mac_key, dek = REFERENCE_KEYS
    keyset = {"kvn": 0x30, "enc": enc.hex(), "mac": mac_key.hex(), "dek": dek.hex(), "sequence": 0}
    card = Card.load(EMPTY, 0.0)
    card.https_script(None, commands(create(ISDP1)), 1.0)
    dump = card.dump()
    dump["isdps"][0].update(keysets=[keyset], state=0x0F)
    card, host = Card.load(dump, 0.0), Host(*REFERENCE_KEYS)
    card.https_script(ISDP1, b"\xae\x80" + host.initialize_tlv() + host.authenticate_tlv() + b"\x00\x00", 1.0)
    segment = bytearray(host.segment(b"\xa0\x40" + bytes(20)))
    segment[at % len(segment)] ^= 1 << bit
    result = card.https_script(ISDP1, b"\xae\x80" + segment + b"\x00\x00", 1.0)
    assert result.body != H("AF8086000000")


@given(st.binary(max_size=60))
def test_readers_raise_bad_tlv_and_nothing_else(data: bytes) -> None:
    for reader in (read_all, as_map, read_dgi, read_trigger):
        try:
            reader(data)
        except BadTLV:
            continue


@given(st.integers(0, 70_000))
def test_lengths_come_back(length: int) -> None:
    assert read_length(ber_length(length), 0) == (length, len(ber_length(length)))
    assert read_all(tlv(0x7F21, bytes(length % 300)))[0].tag == 0x7F21


def test_dump_is_a_snapshot_and_comes_back_whole() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    dump = bench.card.dump()
    kept = json.dumps(dump)
    bench.run(enable(ISDP2))
    assert json.dumps(dump) == kept
    assert Card.load(json.loads(kept), 0.0).dump() == dump
