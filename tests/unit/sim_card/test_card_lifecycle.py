"""Profile changes of the simulated eUICC, from command to confirmation (SGP.02 v3.2, 3.2, 3.16, 4.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferryman_sim.card import Action, Card, OpenHTTPS, PowerCut, Refresh, SendSMS
from ferryman_sim.card.state import BadImage
from sim_card_kit import (
    CERT_DP,
    DEK,
    EID,
    ISDP1,
    ISDP2,
    ISDP3,
    ISDR,
    KID,
    REFERENCE_KEYS,
    SERVER,
    Bench,
    H,
    Host,
    ber,
    cbc,
    certificate_command,
    commands,
    confirm,
    create,
    delete,
    disable,
    enable,
    entropy_of,
    for_personalization,
    image,
    installed,
    key_command,
    key_parameters,
    mac,
    package,
    set_fallback,
    status,
    store,
    two_profiles,
)


def notified(actions: list[Action]) -> tuple[int, int, bytes]:
    """(type, sequence, ISD-P AID) of the notification in the last action; its packet is checked."""
    action = actions[-1]
    if isinstance(action, OpenHTTPS):
        assert action.notification is not None
        payload = action.notification
    else:
        assert isinstance(action, SendSMS)
        assert action.da == SERVER
        (ud,) = action.uds
        assert ud[:3] == H("027000")
        packet = ud[3:]
        assert packet[2:16] == H("1502001012000001000000000000")
        assert mac(KID, packet[:16] + packet[24:])[:8] == packet[16:24]
        payload = packet[24:]
    assert payload[:2] == H("E135")
    assert payload[2:20] == H("4C10") + H(EID)
    assert payload[20:22] == H("4D01")
    assert payload[23:25] == H("4E02")
    assert payload[27:29] == H("2F10")
    return payload[22], int.from_bytes(payload[25:27]), payload[29:45]


def states(bench: Bench) -> dict[str, int]:
    return {item["aid"][24:30]: item["state"] for item in bench.card.profiles()}


def changing(**pol1: int) -> Bench:
    """A card on which Profile 2 has just been enabled in place of Profile 1, not attached yet."""
    bench = Bench.of(image(profiles=two_profiles(**pol1)))
    assert bench.run(enable(ISDP2)) == [(b"", 0x9000)]
    assert bench.after == [Refresh()]
    return bench


def test_first_attachment_is_declared_once() -> None:
    bench = Bench.of(image(profiles=two_profiles()), declared=False)
    assert notified(bench.card.attached(5.0)) == (1, 1, ISDP1)
    assert bench.card.next_timer() == 65.0
    assert notified(bench.card.tick(65.0))[:2] == (1, 1)
    bench.now = 66.0
    assert bench.run(confirm(1)) == [(b"", 0x9000)]
    assert bench.card.next_timer() is None
    assert bench.card.attached(70.0) == []
    bench.reload()
    assert bench.card.attached(80.0) == []


def test_download_enable_notify_confirm_delete_over_both_bearers() -> None:
    bench = Bench.of(image(profiles=[installed(ISDP2, package("89000000000000000022"), 0x3F, fallback=True)]))
    bench.run(create(ISDP1, 60_000))
    bench.establish()
    made = package("89000000000000000011", pol1=4, connectivity="A0090607913306896745F3")
    assert bench.download(made) == H("3007A0053003800100")
    assert states(bench) == {"000010": 0x1F, "000011": 0x3F}
    body = commands(enable(ISDP1), definite=False)
    assert bench.https(body) == H("AF80230290000000")
    assert bench.card.response_delivered(bench.now) == [Refresh()]
    assert bench.card.https_closed(bench.now, completed=True) == []
    assert bench.card.enabled_profile() is not None
    assert bench.card.smsc() == "+33609876543"
    kind, sequence, aid = notified(bench.card.attached(bench.now + 5))
    assert (kind, aid) == (2, ISDP1)
    assert bench.run(confirm(sequence)) == [(b"", 0x9000)]
    assert states(bench) == {"000010": 0x3F, "000011": 0x1F}
    # Back again: POL1 says that Profile 1 is deleted when it becomes disabled.
    assert bench.run(disable(ISDP1)) == [(b"", 0x9000)]
    kind, sequence, aid = notified(bench.card.attached(bench.now + 9))
    assert (kind, aid) == (2, ISDP2)
    assert bench.run(confirm(sequence)) == [(H("80124F10") + ISDP1, 0x9000)]
    assert states(bench) == {"000011": 0x3F}
    executed = [entry["command"].split()[0] for entry in bench.card.log]
    assert executed.count("CreateISDP") == executed.count("EnableProfile") == executed.count("DisableProfile") == 1
    assert [entry["n"] for entry in bench.card.log] == list(range(1, len(executed) + 1))
    assert bench.card.log[-1]["sw"] == "9000"
    assert bench.card.log[-1]["via"] == "sms"


def test_whole_key_establishment_and_download_over_sms_with_chaining() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1))
    assert bench.run(for_personalization(ISDP1), certificate_command(CERT_DP), chaining=1)[1][1] == 0x9000
    assert bench.run(key_command(key_parameters()), chaining=3)[0][1] == 0x9000
    host = Host(*REFERENCE_KEYS)
    tar = ISDP1[12:15]
    first = host.initialize_tlv() + host.authenticate_tlv()
    bench.script(ber("AA", H("830101"), first), tar=tar)
    pieces = list(host.segments(package(), 400))
    for at, piece in enumerate(pieces):
        link = H("830103") if at == len(pieces) - 1 else H("830102")
        answer = bench.script(ber("AA", link, piece), tar=tar)
    assert host.read_final(answer[5:]) == H("3007A0053003800100")
    assert states(bench) == {"000010": 0x1F}


def test_without_chaining_a_dialogue_does_not_outlive_its_short_message() -> None:
    for quirks, sw in (({}, 0x6985), ({"keep_context_between_sms": True}, 0x9000)):
        bench = Bench.of(image(quirks=quirks))
        bench.run(create(ISDP1))
        bench.run(for_personalization(ISDP1), certificate_command(CERT_DP))
        assert bench.run(key_command(key_parameters()))[0][1] == sw


def test_kept_chain_carries_a_download_over_a_reset() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1))
    bench.run(for_personalization(ISDP1), certificate_command(CERT_DP), chaining=0x11)
    bench.reload()
    assert bench.run(key_command(key_parameters()), chaining=3)[0][1] == 0x9000
    host, tar = Host(*REFERENCE_KEYS), ISDP1[12:15]
    bench.script(ber("AA", H("830111"), host.initialize_tlv(), host.authenticate_tlv()), tar=tar)
    for piece in host.segments(package(), 900):
        bench.card = Card.load(json.loads(json.dumps(bench.card.dump())), bench.now)
        answer = bench.script(ber("AA", H("830102"), piece), tar=tar)
    assert host.read_final(answer[5:]) == H("3007A0053003800100")


def test_a_refresh_resets_the_ram_of_the_card() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    bench.run(create(ISDP3))
    bench.establish(ISDP3)
    host = Host(*REFERENCE_KEYS, aid=ISDP3)
    bench.https(b"\xae\x80" + host.initialize_tlv() + host.authenticate_tlv() + b"\x00\x00", ISDP3)
    assert bench.https_run(enable(ISDP2)) == [(b"", 0x9000)]
    assert bench.card.response_delivered(bench.now) == [Refresh()]
    segment = b"\xae\x80" + host.segment(b"\xa0") + b"\x00\x00"
    assert bench.https(segment, ISDP3) == H("AF809F4601020000")


def test_a_trigger_after_a_broken_session_resumes_it() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1))
    bench.establish()
    for broken in (True, False):
        opened = bench.send(bench.packet(H("8100")))[1]
        assert isinstance(opened, OpenHTTPS)
        assert not opened.resume
        host = Host(*REFERENCE_KEYS, sequence=1 if broken else 2)
        bench.https(b"\xae\x80" + host.initialize_tlv() + host.authenticate_tlv() + b"\x00\x00", ISDP1)
        bench.card.https_closed(bench.now, completed=not broken)
        again = bench.send(bench.packet(H("8100")))[1]
        assert isinstance(again, OpenHTTPS)
        assert again.resume is broken
        answer = bench.https(b"\xae\x80" + host.segment(b"\xa0") + b"\x00\x00", ISDP1)
        assert answer == (H("AF8086000000") if broken else H("AF809F4601020000"))
        bench.card.https_closed(bench.now, completed=True)


def test_the_session_of_a_dropped_connection_lives_on_but_not_after_its_end() -> None:
    for completed, answer in ((False, H("AF8086000000")), (True, H("AF809F4601020000"))):
        bench = Bench.of()
        bench.run(create(ISDP1))
        bench.establish()
        bench.send(bench.packet(H("8100")))
        host = Host(*REFERENCE_KEYS)
        bench.https(b"\xae\x80" + host.initialize_tlv() + host.authenticate_tlv() + b"\x00\x00", ISDP1)
        bench.card.https_closed(bench.now, completed=completed)
        assert bench.https(b"\xae\x80" + host.segment(b"\xa0") + b"\x00\x00", ISDP1) == answer


def test_row_63_no_confirmation_rolls_back() -> None:
    bench = changing()
    now = bench.now
    first = notified(bench.card.attached(now))
    assert first[0] == 2
    assert notified(bench.card.tick(now + 60)) == first  # by HTTPS this time
    assert notified(bench.card.tick(now + 120)) == first
    assert bench.card.tick(now + 150) == []
    assert bench.card.tick(now + 180) == [Refresh()]
    assert states(bench) == {"000010": 0x3F, "000011": 0x1F}
    kind, sequence, aid = notified(bench.card.attached(now + 190))
    assert (kind, sequence, aid) == (3, first[1] + 1, ISDP1)
    bench.now = now + 200
    assert bench.run(confirm(first[1])) == [(b"", 0x6A88)]
    assert bench.run(confirm(sequence)) == [(b"", 0x9000)]
    assert bench.run(enable(ISDP2)) == [(b"", 0x9000)]


def test_row_63_a_late_confirmation_is_refused() -> None:
    bench = changing()
    kind, sequence, _ = notified(bench.card.attached(bench.now))
    for step in (60, 120, 180):
        actions = bench.card.tick(bench.now + step)
    assert actions == [Refresh()]
    assert kind == 2
    assert bench.run(confirm(sequence)) == [(b"", 0x6985)]
    assert states(bench)["000010"] == 0x3F


def test_row_64_new_profile_cannot_attach() -> None:
    bench = changing()
    assert bench.card.attach_failed(bench.now) == [Refresh()]
    assert notified(bench.card.attached(bench.now + 5))[::2] == (3, ISDP1)
    assert states(bench) == {"000010": 0x3F, "000011": 0x1F}


def test_row_64_attach_timer_and_fault_switch() -> None:
    bench = changing()
    assert bench.card.next_timer() == bench.now + 180
    assert bench.card.tick(bench.now + 180) == [Refresh()]
    assert notified(bench.card.attached(bench.now + 185))[0] == 3
    bench = changing()
    bench.card.faults["no_network_after_enable"] = True
    assert bench.card.attached(bench.now) == [Refresh()]
    assert notified(bench.card.attached(bench.now + 1))[0] == 3


def test_row_65_neither_profile_attaches_and_the_card_falls_back() -> None:
    profiles = [*two_profiles(), installed(ISDP3, package("89000000000000000033"))]
    bench = Bench.of(image(profiles=profiles))
    bench.run(enable(ISDP3))
    assert bench.card.attach_failed(bench.now) == [Refresh()]
    assert states(bench) == {"000010": 0x3F, "000011": 0x1F, "000012": 0x1F}
    assert bench.card.attach_failed(bench.now) == [Refresh()]
    assert states(bench) == {"000010": 0x1F, "000011": 0x3F, "000012": 0x1F}
    assert bench.card.attach_failed(bench.now) == []
    assert bench.card.next_timer() == bench.now + 60
    assert bench.card.tick(bench.now + 60) == [Refresh()]
    kind, sequence, aid = notified(bench.card.attached(bench.now + 70))
    assert (kind, aid) == (5, ISDP2)
    for step in (130, 190):
        assert notified(bench.card.tick(bench.now + step))[1] == sequence
    assert bench.card.tick(bench.now + 250) == []  # no roll-back of a fall-back
    assert bench.card.next_timer() is None
    assert notified(bench.card.attached(bench.now + 300))[:2] == (5, sequence)


def test_fall_back_on_loss_of_connectivity() -> None:
    bench = Bench.of(image(profiles=two_profiles(pol1_first=5)))
    assert bench.card.lose_connectivity(bench.now) == [Refresh()]
    kind, sequence, aid = notified(bench.card.attached(bench.now))
    assert (kind, aid) == (5, ISDP2)
    assert bench.run(confirm(sequence)) == [(b"", 0x9000)]
    assert states(bench) == {"000010": 0x1F, "000011": 0x3F}  # POL1 b3 is not executed
    assert bench.card.lose_connectivity(bench.now) == []


def test_after_fall_back_from_a_profile_that_forbids_disabling_only_that_one_comes_back() -> None:
    profiles = [*two_profiles(pol1_first=1), installed(ISDP3, package("89000000000000000033"))]
    bench = Bench.of(image(profiles=profiles))
    bench.card.lose_connectivity(bench.now)
    sequence = notified(bench.card.attached(bench.now))[1]
    bench.run(confirm(sequence))
    bench.reload()
    assert bench.run(enable(ISDP3)) == [(b"", 0x69E1)]
    assert bench.run(enable(ISDP1)) == [(b"", 0x9000)]
    sequence = notified(bench.card.attached(bench.now))[1]
    bench.run(confirm(sequence))
    assert bench.run(enable(ISDP3)) == [(b"", 0x69E1)]  # now because of POL1 itself


def test_pol1_delete_when_disabled_spares_the_fallback_profile() -> None:
    bench = Bench.of(image(profiles=two_profiles(pol1_first=4)))
    bench.run(set_fallback(ISDP1))
    bench.run(enable(ISDP2))
    sequence = notified(bench.card.attached(bench.now))[1]
    assert bench.run(confirm(sequence)) == [(b"", 0x9000)]
    assert states(bench) == {"000010": 0x1F, "000011": 0x3F}


def test_delete_frees_memory_and_the_aid() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    free = bench.run(H("80CAFF2100"))
    bench.run(create(ISDP3, 50_000))
    assert bench.run(H("80CAFF2100")) != free
    assert bench.run(delete(ISDP3), create(ISDP3, 50_000), delete(ISDP3))[2] == (b"\x00", 0x9000)
    assert bench.run(H("80CAFF2100")) == free


def test_audit_shows_states_and_the_fallback_attribute() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    first = H("E3194F10") + ISDP1 + H("9F70013F530100")
    second = H("E3194F10") + ISDP2 + H("9F70011F530101")
    assert bench.run(status()) == [(first + second, 0x9000)]
    assert bench.run(status(ISDP2)) == [(second, 0x9000)]


def test_notification_transports_and_tags_are_settings() -> None:
    limits = {"notification_transports": ["https", "sms"], "notification_interval": 5, "notification_tries": 2}
    bench = Bench.of(image(profiles=two_profiles(), limits=limits, quirks={"notification_aid_tag": "4F"}))
    bench.run(enable(ISDP2))
    (opened,) = bench.card.attached(bench.now)
    assert isinstance(opened, OpenHTTPS)
    assert opened.notification is not None
    assert H("4F10") + ISDP2 in opened.notification
    (message,) = bench.card.tick(bench.now + 5)
    assert isinstance(message, SendSMS)
    assert bench.card.tick(bench.now + 10) == [Refresh()]


def test_notification_confirmed_in_its_own_https_session() -> None:
    bench = Bench.of(image(profiles=two_profiles(), limits={"notification_transports": ["https"]}))
    bench.run(enable(ISDP2))
    sequence = notified(bench.card.attached(bench.now))[1]
    assert bench.https_run(confirm(sequence)) == [(b"", 0x9000)]
    assert bench.card.response_delivered(bench.now) == []
    assert bench.card.https_closed(bench.now, completed=True) == []
    assert bench.card.next_timer() is None


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

OPERATOR = (REFERENCE_KEYS[0], REFERENCE_KEYS[1])


def with_operator_keys() -> Bench:
    dump = Bench.of(image(profiles=two_profiles(pol1_first=5))).card.dump()
    for item in dump["isdps"]:
        for row in item["profile"]["domains"][0]["keys"]:
            if row[0] == 2 and row[1] in (1, 2):
                row[3] = OPERATOR[row[1] - 1].hex()
    return Bench(Card.load(dump, 0.0), counter=0x100)


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
