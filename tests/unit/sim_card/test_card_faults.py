"""Fault switches, power cuts, operator commands and images of the simulated eUICC (SGP.02 v3.2, 4.1, 4.1.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferryman_sim.card import Card, OpenHTTPS, PowerCut, Refresh, SendSMS
from ferryman_sim.card.state import BadImage
from sim_card_events import changing, notified, states
from sim_card_kit import Bench, entropy_of, image, two_profiles
from sim_card_operator import OPERATOR, with_operator_keys
from sim_card_wire import (
    DEK,
    ISDP1,
    ISDP2,
    ISDR,
    KID,
    H,
    ber,
    cbc,
    commands,
    confirm,
    create,
    enable,
    status,
    store,
)

# --- faults ---------------------------------------------------------------------------------------


def test_lost_answer_executes_and_says_nothing() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    bench.card.faults["lost_answer"] = 1
    packet = bench.packet(commands(enable(ISDP2)))
    assert bench.send(packet) == [Refresh()]
    assert states(bench)["000011"] == 0x3F
    (action,) = bench.send(packet)
    assert bench.open_por(action)[1] == 2
    bench.card.faults["lost_answer"] = True
    result = bench.card.https_script(ISDR, commands(status(), definite=False), bench.now)
    assert (result.status, result.body) == ("lost", None)


def test_dropped_confirmations_never_reach_the_card() -> None:
    bench = changing()
    sequence = notified(bench.card.attached(bench.now))[1]
    bench.card.faults["drop_confirmations"] = 2
    assert bench.send(bench.packet(commands(confirm(sequence)))) == []
    assert bench.card.https_script(ISDR, commands(confirm(sequence)), bench.now).status == "lost"
    assert bench.run(confirm(sequence)) == [(b"", 0x9000)]


def test_wrong_receipt() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1))
    bench.card.faults["wrong_receipt"] = 1
    assert bench.establish() == H("86106F39A4B22EE21E20B08D4655197ABC60")


def test_reported_imei_is_a_switch() -> None:
    bench = changing()
    bench.card.faults["imei"] = "990000862471854"
    (action,) = bench.card.attached(bench.now)
    assert isinstance(action, SendSMS)
    assert action.uds[0].endswith(H("14089A09008026748145"))


def test_power_cut_at_every_step_never_runs_a_command_twice() -> None:
    """The SM-SR repeats an EnableProfile until it is answered; whatever step the power fails at, it runs once."""
    for step in range(6):
        bench = Bench.of(image(profiles=two_profiles()))
        saved: dict[str, Any] = bench.card.dump()

        def save(bench: Bench = bench) -> None:
            nonlocal saved
            saved = json.loads(json.dumps(bench.card.dump()))

        bench.card.on_commit = save
        bench.card.faults["power_cut"] = step
        packet = bench.packet(commands(enable(ISDP2)))
        try:
            actions = bench.send(packet)
        except PowerCut:
            actions = []
            bench.card = Card.load(saved, bench.now)
        bench.card.faults.clear()
        enables = [entry for entry in bench.card.log if entry["command"].startswith("EnableProfile")]
        assert len(enables) == (0 if step == 0 else 1)
        replies = [bench.open_por(action)[1] for action in bench.send(packet)[:1]]
        assert replies == [2]  # the same packet is a replay at whatever step the power went
        enables = [entry for entry in bench.card.log if entry["command"].startswith("EnableProfile")]
        assert len(enables) == (0 if step == 0 else 1)
        assert states(bench) == (
            {"000010": 0x3F, "000011": 0x1F} if step == 0 else {"000010": 0x1F, "000011": 0x3F}
        )
        if step:
            assert notified(bench.card.attached(bench.now))[::2] == (2, ISDP2)
        assert (actions == []) == (step <= 2)


def test_power_cut_by_name() -> None:
    bench = changing()
    bench.card.faults["power_cut"] = "notified"
    with pytest.raises(PowerCut):
        bench.card.attached(bench.now)
    sequence = bench.pending_sequence()
    bench.reload()
    assert notified(bench.card.attached(bench.now))[1] == sequence


def test_pending_change_and_counters_survive_a_power_cut() -> None:
    bench = changing()
    kind, sequence, _ = notified(bench.card.attached(bench.now))
    bench.card = Card.load(json.loads(json.dumps(bench.card.dump())), bench.now)
    assert bench.card.tick(bench.now + 1) == []
    assert notified(bench.card.attached(bench.now + 2))[:2] == (kind, sequence)
    (action,) = bench.send(bench.packet(commands(status()), counter=bench.counter))
    assert bench.open_por(action)[1] == 2
    assert bench.run(confirm(sequence)) == [(b"", 0x9000)]


def test_attach_that_never_comes_after_a_power_cut_rolls_back() -> None:
    bench = changing()
    bench.card.attached(bench.now)
    bench.reload()
    assert bench.card.next_timer() == bench.now + 180
    assert bench.card.tick(bench.now + 180) == [Refresh()]
    assert states(bench)["000010"] == 0x3F


# --- operator -------------------------------------------------------------------------------------


def test_operator_changes_pol1_of_the_enabled_profile() -> None:
    bench = with_operator_keys()
    assert bench.run(enable(ISDP2)) == [(b"", 0x69E1)]
    tar = H("B20100")
    update = commands(store("3A06", H("810104")))
    packet = bench.packet(update, tar=tar, keys=OPERATOR, kvn=2, counter=1)
    (action,) = bench.send(packet)
    assert bench.open_por(action, keys=OPERATOR, tar=tar) == (1, 0, H("AB0780010123029000"))
    (action,) = bench.send(packet)
    assert bench.open_por(action, keys=OPERATOR, tar=tar)[1] == 2
    assert bench.card.profiles()[0]["pol1"] == 4
    assert bench.send(bench.packet(update, tar=tar)) == []  # the SM-SR's keys open nothing here
    bad = bench.packet(commands(store("3A06", H("810108"))), tar=tar, keys=OPERATOR, kvn=2, counter=2)
    assert bench.open_por(bench.send(bad)[0], keys=OPERATOR, tar=tar)[2].endswith(H("6A80"))
    assert bench.run(enable(ISDP2)) == [(b"", 0x9000)]


def test_operator_changes_connectivity_parameters() -> None:
    bench = with_operator_keys()
    tar = H("B20100")
    body = commands(H("80E288000E3A070BA0090607913306896745F300"))
    (action,) = bench.send(bench.packet(body, tar=tar, keys=OPERATOR, kvn=2, counter=9))
    assert bench.open_por(action, keys=OPERATOR, tar=tar)[2] == H("AB0780010123029000")
    assert bench.card.smsc() == "+33609876543"


# --- keys and images ------------------------------------------------------------------------------


def test_addressing_over_https_and_new_session_key() -> None:
    bench = Bench.of()
    https = ber("84", H("3C030220FB3E0521CB007107")) + ber("89", ber("8A", b"sr2.example"), ber("8C", b"/agent"))
    assert bench.run(store("3A07", ber("A5", https))) == [(b"", 0x9000)]
    psk, dek = bytes(range(1, 17)), bytes(range(2, 18))
    body = b"\x41"
    for kind, key in ((0x85, psk), (0x88, dek)):
        check = cbc(key, b"\x01" * 16)[:3]
        body += bytes([kind, 0x11, 0x10]) + cbc(DEK, key) + b"\x03" + check
    assert bench.run(H("80D80081") + bytes([len(body)]) + body + b"\x00")[0][1] == 0x9000
    actions = bench.send(bench.packet(H("8100")))
    opened = actions[1]
    assert isinstance(opened, OpenHTTPS)
    assert (opened.host, opened.port, opened.http_host, opened.uri) == (
        "203.0.113.7",
        8443,
        "sr2.example",
        "/agent",
    )
    assert opened.psk == psk
    assert opened.identity.endswith("820101830141")


def test_bad_images_are_refused() -> None:
    good = image()
    for change in (
        {"eid": "1234"},
        {"isdr": {**good["isdr"], "aid": "A000"}},
        {"ecasd": {}},
        {"profiles": [{"isdp_aid": ISDP1.hex(), "state": 0x3F, "package": "00"}]},
        {"format": 99},
    ):
        with pytest.raises(BadImage):
            Card.load({**good, **change}, 0.0)
    profiles = two_profiles()
    profiles[1]["state"] = 0x3F
    with pytest.raises(BadImage):
        Card.load(image(profiles=profiles), 0.0)


def test_no_key_is_shown_by_repr() -> None:
    bench = Bench.of(entropy=entropy_of())
    text = repr(bench.card._core)  # the whole memory, where a slip would be
    for key in (KID, DEK):
        assert key.hex() not in text.lower()
        assert repr(key) not in text
