"""Profile changes of the simulated eUICC, from command to confirmation (SGP.02 v3.2, 3.2, 3.16, 4.1)."""

from __future__ import annotations

import json

from ferryman_sim.card import Card, OpenHTTPS, Refresh, SendSMS
from sim_card_events import changing, notified, states
from sim_card_host import REFERENCE_KEYS, Host
from sim_card_kit import Bench, image, installed, package, two_profiles
from sim_card_wire import (
    CERT_DP,
    ISDP1,
    ISDP2,
    ISDP3,
    H,
    ber,
    certificate_command,
    commands,
    confirm,
    create,
    delete,
    disable,
    enable,
    for_personalization,
    key_command,
    key_parameters,
    set_fallback,
    status,
)


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
