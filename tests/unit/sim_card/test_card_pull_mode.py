"""Sessions that the simulated eUICC opens by itself, and RAM that runs out (GlobalPlatform Amendment B)."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman_sim.card import OpenHTTPS, Refresh, SendSMS
from ferryman_sim.card.admin_session import POLL_PLACES
from sim_card_host import REFERENCE_KEYS, Host
from sim_card_kit import Bench, image, two_profiles
from sim_card_wire import (
    CERT_DP,
    EID,
    ISDP1,
    ISDP2,
    H,
    ber,
    certificate_command,
    commands,
    create,
    enable,
    for_personalization,
    key_command,
    key_parameters,
    status,
    store,
)

POLL = 600
FIRST = 1.0 + POLL * (int(EID) % POLL_PLACES + 1) / POLL_PLACES  # the card attaches at 1.0


def polling(**https: Any) -> Bench:
    made = image(profiles=two_profiles())
    made["isdr"]["https"] |= {"poll": POLL, "poll_uri": "/polling"} | https
    return Bench.of(made)


def test_the_timer_opens_a_session_without_any_message() -> None:
    bench = polling()
    assert 1.0 < FIRST <= 1.0 + POLL
    assert bench.card.next_timer() == FIRST
    assert bench.card.tick(FIRST - 0.1) == []
    (opened,) = bench.card.tick(FIRST)
    assert isinstance(opened, OpenHTTPS)
    assert opened.uri == "/polling"
    assert opened.notification is None
    assert not opened.resume
    bench.card.https_closed(FIRST + 2, completed=True)
    assert bench.card.next_timer() == FIRST + POLL
    (opened,) = bench.card.tick(FIRST + POLL)
    assert isinstance(opened, OpenHTTPS)


def test_without_a_polling_uri_the_stored_one_and_a_missed_time_is_not_made_up_for() -> None:
    bench = polling(poll_uri=None)
    late = FIRST + 2.5 * POLL
    (opened,) = bench.card.tick(late)
    assert isinstance(opened, OpenHTTPS)
    assert opened.uri == "/gsma/adminagent"
    bench.card.https_closed(late + 1, completed=True)
    assert bench.card.next_timer() == pytest.approx(FIRST + 3 * POLL)


def test_a_card_without_the_setting_waits_for_a_trigger() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    assert bench.card.next_timer() is None


def test_a_broken_polled_session_is_tried_again_by_the_retry_policy() -> None:
    bench = polling(retries=1, retry_delay=30)
    bench.card.tick(FIRST)
    bench.card.https_closed(FIRST + 5, completed=False)
    assert bench.card.next_timer() == FIRST + 35
    (again,) = bench.card.tick(FIRST + 35)
    assert isinstance(again, OpenHTTPS)
    assert again.uri == "/polling"
    bench.card.https_closed(FIRST + 40, completed=False)
    assert bench.card.next_timer() == FIRST + POLL, "no retry is left, the next interval is"


def test_no_second_session_beside_an_open_one_or_one_that_waits() -> None:
    bench = polling(retries=1, retry_delay=10 * POLL)
    bench.send(bench.packet(H("8100")))
    assert bench.card.tick(FIRST) == []
    bench.card.https_closed(FIRST + 1, completed=False)
    assert bench.card.tick(FIRST + POLL) == []


def test_a_refresh_starts_the_timer_anew_with_the_next_attach() -> None:
    bench = polling()
    assert bench.run(enable(ISDP2)) == [(b"", 0x9000)]
    assert bench.after == [Refresh()]
    assert bench.card.next_timer() != FIRST
    bench.card.attached(5000.0)
    assert bench.card.tick(5000.0 + FIRST - 1.0) != []


def test_new_addressing_parameters_leave_the_polling_alone() -> None:
    bench = polling()
    assert bench.run(store("3A07", ber("A5", ber("89", ber("8C", b"/agent")))))[0][1] == 0x9000
    (opened,) = bench.card.tick(FIRST)
    assert isinstance(opened, OpenHTTPS)
    assert opened.uri == "/polling"


# --- RAM ------------------------------------------------------------------------------------------


def test_a_chain_whose_context_is_dropped_says_so() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1))
    bench.run(for_personalization(ISDP1), certificate_command(CERT_DP), chaining=1)
    bench.card.faults["drop_dialogue"] = 1
    assert bench.script(commands(key_command(key_parameters()), chaining=3)) == H("AB06800100830101")
    assert bench.card.struck == {"drop_dialogue": 1}
    assert bench.run(status(ISDP1))[0][0].endswith(H("9F700107530100")), "no keys were taken"


def test_a_session_whose_context_is_dropped_is_gone() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1))
    bench.establish()
    host = Host(*REFERENCE_KEYS)
    bench.https(b"\xae\x80" + host.initialize_tlv() + host.authenticate_tlv() + b"\x00\x00", ISDP1)
    bench.card.faults["drop_dialogue"] = 1
    segment = b"\xae\x80" + host.segment(b"\xa0") + b"\x00\x00"
    assert bench.https(segment, ISDP1) == H("AF809F4601020000")


def test_no_memory_for_a_packet() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    bench.card.faults["no_memory"] = 1
    packet = bench.packet(commands(enable(ISDP2)))
    (action,) = bench.send(packet)
    assert bench.open_por(action)[1:] == (7, b"")
    assert bench.card.profiles()[0]["state"] == 0x3F, "not executed"
    assert bench.open_por(bench.send(packet)[0])[1] == 2, "but its counter is used up"
    assert bench.run(enable(ISDP2)) == [(b"", 0x9000)]


# --- a notification beside sessions of the card's own ---------------------------------------------------


def told(actions: list[Any]) -> list[str]:
    """What goes out: a short message, a session with a notification, or one without."""
    kinds = []
    for action in actions:
        if isinstance(action, OpenHTTPS):
            kinds.append("poll" if action.notification is None else "https")
        elif isinstance(action, SendSMS):
            kinds.append("sms")
    return kinds


def changed(**limits: Any) -> Bench:
    """A polling card that has just enabled its second Profile and told so by SMS, at 1000."""
    made = image(profiles=two_profiles(), limits=limits)
    made["isdr"]["https"] |= {"poll": 60}
    bench = Bench.of(made)
    assert bench.run(enable(ISDP2)) == [(b"", 0x9000)]
    assert told(bench.card.attached(1000.0)) == ["sms"]
    return bench


def test_a_turn_of_https_waits_for_the_session_that_is_open() -> None:
    """It is neither given to SMS nor counted: the tries are not used up behind a session that never ends."""
    bench = changed(notification_tries=2)
    polled = next(at for at in (1000.0 + n for n in range(1, 60)) if told(bench.card.tick(at)) == ["poll"])
    assert told(bench.card.tick(1060.0)) == [], "its turn, and the session is open"
    assert bench.card.tick(1200.0) == [], "no roll-back, no other bearer, and the poll stays the only session"
    assert bench.pending_sequence() is not None
    assert told(bench.card.https_closed(1201.0, completed=True)) == ["https"]
    assert bench.card.https_closed(1202.0, completed=True) == [], "once"
    assert polled < 1060.0
    bench.card.tick(1261.0 + 60.0)
    assert bench.card.profiles()[0]["state"] == 0x3F, "two tries, then the roll-back"


def test_a_notification_and_a_poll_at_the_same_time_open_one_session() -> None:
    bench = changed()
    assert told(bench.card.tick(1060.0 + 60.0)) == ["https"]


def test_a_session_that_broke_leaves_its_place_to_the_notification() -> None:
    bench = changed()
    bench.card.tick(1059.9)
    assert told(bench.card.tick(1060.0)) == []
    assert told(bench.card.https_closed(1061.0, completed=False)) == ["https"]
