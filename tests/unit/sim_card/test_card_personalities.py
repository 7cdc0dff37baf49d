"""The three personalities of the simulated eUICC: each open point of the notes, read one way and the other."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ferryman_sim.card import OpenHTTPS, SendSMS
from ferryman_sim.card.core import LIMITS, QUIRKS
from ferryman_sim.card_maker.personality import PERSONALITIES, RECORDED, REFERENCE, STRICT, Personality
from ferryman_sim.scp81 import Quirks
from sim_card_host import REFERENCE_KEYS, Host
from sim_card_kit import Bench, image, installed, package, two_profiles
from sim_card_operator import OPERATOR, TAR, with_operator_keys
from sim_card_wire import (
    CERT_DP,
    CERT_SR,
    CI,
    EPH_SR,
    ISDP1,
    ISDP2,
    RC,
    SM_DP,
    SM_SR,
    H,
    ber,
    cbc,
    certificate_command,
    commands,
    confirm,
    create,
    enable,
    for_personalization,
    key_command,
    key_parameters,
    mac,
    point,
    set_fallback,
    sign,
    status,
    store,
)

ALL = pytest.mark.parametrize("personality", PERSONALITIES.values(), ids=list(PERSONALITIES))


def card_of(personality: Personality, *, pol1: int | None = None, **changes: Any) -> Bench:
    """A card with two Profiles of this personality."""
    made = image(profiles=two_profiles(pol1_first=pol1), quirks=personality.quirks, limits=personality.limits)
    return Bench.of({**made, **changes})


def is_(personality: Personality, one: Personality) -> bool:
    return personality is one


def test_every_quirk_and_limit_named_exists_and_differs_from_the_reference() -> None:
    http = {field.name: field.default for field in fields(Quirks)}
    assert not REFERENCE.quirks
    assert not REFERENCE.limits
    for personality in (RECORDED, STRICT):
        for name, value in personality.quirks.items():
            assert value != {**QUIRKS, **http}[name], (personality.name, name)
        for name, value in personality.limits.items():
            assert value != LIMITS[name], (personality.name, name)
        Quirks.of(personality.quirks)
    names = {each.platform_type for each in PERSONALITIES.values()}
    assert len(names) == 3, "the EIS tells them apart"


def test_the_document_names_every_difference() -> None:
    path = Path(__file__).resolve().parents[3] / "docs" / "personalities.md"
    rows = [line.split("|")[1:-1] for line in path.read_text().splitlines() if line.startswith("| `")]
    for column, personality in ((2, RECORDED), (3, STRICT)):
        said = {row[0].strip(" `") for row in rows if row[column].strip()}
        assert said == {*personality.quirks, *personality.limits}, personality.name


def notification(bench: Bench) -> bytes:
    """The packet or TLV of the notification that the next attach sends."""
    actions = bench.card.attached(bench.now)
    action = actions[-1]
    if isinstance(action, OpenHTTPS):
        assert action.notification is not None
        return action.notification
    assert isinstance(action, SendSMS)
    return b"".join(ud[1 + ud[0] :] for ud in action.uds)


@ALL
def test_tags_sequence_and_bearer_of_a_notification(personality: Personality) -> None:
    bench = card_of(personality)
    assert bench.run(enable(ISDP2)) == [(b"", 0x9000)]
    made = notification(bench)
    content = made[made.index(b"\xe1") :]
    tag = {"reference": b"\x2f", "recorded": b"\x4f", "strict": b"\xaf"}[personality.name]
    imei = b"\x94" if is_(personality, STRICT) else b"\x14"
    sequence = b"\x00\x00" if is_(personality, RECORDED) else b"\x00\x02"
    assert content[25:27] == sequence
    assert content[27:28] == tag
    assert content[45:46] == imei
    assert (made[:1] == b"\xe1") is is_(personality, STRICT), "HTTPS first"
    assert bench.run(confirm(int.from_bytes(sequence)))[0][1] == 0x9000


def test_the_recorded_card_has_sequence_0_again_and_again() -> None:
    bench = card_of(RECORDED)
    for aid in (ISDP2, ISDP1, ISDP2):
        assert bench.run(enable(aid)) == [(b"", 0x9000)]
        notification(bench)
        assert bench.pending_sequence() == 0
        assert bench.run(confirm(0)) == [(b"", 0x9000)]


@ALL
def test_kic_of_a_notification_packet(personality: Personality) -> None:
    limits = {**personality.limits, "notification_transports": ["sms"]}
    bench = card_of(personality, limits=limits)
    bench.run(enable(ISDP2))
    assert notification(bench)[5] == (0x12 if is_(personality, STRICT) else 0x10)


@ALL
def test_aid_of_a_roll_back(personality: Personality) -> None:
    bench = card_of(personality)
    bench.run(enable(ISDP2))
    bench.card.attach_failed(bench.now)
    made = notification(bench)
    assert (ISDP2 if is_(personality, STRICT) else ISDP1) in made


@ALL
def test_weak_and_repeated_packets(personality: Personality) -> None:
    bench = card_of(personality)
    weak = bench.send(bench.packet(commands(status()), spi="1239"))
    if is_(personality, RECORDED):
        assert bench.open_por(weak[0])[1] == 0
    elif is_(personality, STRICT):
        (action,) = weak
        assert isinstance(action, SendSMS)
        assert action.uds[0][-1] == 0x0A
    else:
        assert weak == []
    packet = bench.packet(commands(status()))
    bench.send(packet)
    again = bench.send(packet)
    assert (again == []) is is_(personality, STRICT)
    if again:
        assert bench.open_por(again[0])[1] == 0x02


@ALL
def test_unprotected_por_of_spi_1601(personality: Personality) -> None:
    bench = card_of(personality)
    (action,) = bench.send(bench.packet(commands(status(ISDP1)), spi="1601"))
    assert isinstance(action, SendSMS) is is_(personality, RECORDED)


def without_authority_key() -> bytes:
    body = (
        ber("93", H("0102030405")) + ber("42", H("0A0B0C0D")) + ber("5F20", H("534D445001")) + ber("95", b"\x88")
    )
    body += ber("5F24", H("20391231")) + ber("73", ber("C8", b"\x01"))
    body += ber("7F49", ber("B0", point(SM_DP)), ber("F0", b"\x00"))
    return ber("7F21", body, ber("5F37", sign(CI, body)))


@ALL
def test_certificates(personality: Personality) -> None:
    bench = card_of(personality)
    answers = bench.run(for_personalization(ISDP1), certificate_command(without_authority_key()))
    assert answers[-1][1] == (0x6982 if is_(personality, STRICT) else 0x9000)
    answers = bench.run(for_personalization(ISDP1), certificate_command(CERT_SR))
    assert answers[-1][1] == (0x6A80 if is_(personality, STRICT) else 0x6982)


@ALL
def test_challenge_and_answer_of_a_key_establishment(personality: Personality) -> None:
    challenge = challenge_of(personality)
    bench = card_of(personality)
    answer = bench.https(commands(for_personalization(ISDP2), certificate_command(CERT_DP), definite=False))
    assert b"\x23\x14\x85\x10" + challenge + b"\x90\x00" in answer
    body = commands(key_command(key_parameters(options=0x0B), challenge=challenge), definite=False)
    answer = bench.https(body)
    receipt, random = answer.index(b"\x86\x10"), answer.index(b"\x85\x10")
    assert (receipt < random) is is_(personality, STRICT)


@ALL
def test_response_scripts(personality: Personality) -> None:
    bench = card_of(personality)
    three = (set_fallback(ISDP1), set_fallback(ISDP2), status(ISDP1), set_fallback(ISDP2))
    answer = bench.script(commands(*three))
    assert answer[2:5] == H("800104")
    assert answer.count(b"\x23\x02\x90\x00") == (1 if is_(personality, STRICT) else 3)
    answer = bench.https(commands(*three, definite=False))
    assert (answer[2:5] == H("800104")) is is_(personality, STRICT)


@ALL
def test_confirmations(personality: Personality) -> None:
    bench = card_of(personality)
    strict = is_(personality, STRICT)
    assert bench.run(confirm(1)) == [(b"", 0x6A88 if strict else 0x6985)]
    bench.run(enable(ISDP2))
    notification(bench)
    assert bench.run(confirm(99)) == [(b"", 0x6A80 if strict else 0x6A88)]
    sequence = bench.pending_sequence()
    assert sequence is not None
    assert bench.run(confirm(sequence)) == [(b"\x80\x00" if strict else b"", 0x9000)]


@ALL
def test_get_status_and_get_data(personality: Personality) -> None:
    strict = is_(personality, STRICT)
    bench = card_of(personality, limits={**personality.limits, "response_data": 60})
    plain = bench.run(H("80F24002124F10") + ISDP1 + b"\x00")[0][0]
    assert (b"\x91\x04" in plain) is strict
    first = bench.run(status(tags="4F9F70538F91"))
    assert first[0][1] == 0x6310
    following = H("80F240030A4F005C064F9F70538F9100")
    assert bench.run(following)[0][1] == (0x6985 if strict else 0x9000), "in a script of its own"
    both = bench.run(status(tags="4F9F70538F91"), following)
    assert [sw for _, sw in both] == [0x6310, 0x9000]
    assert ISDP2 in both[1][0]
    assert bench.run(H("80CA2F0000"))[0][1] == (0x6A88 if strict else 0x9000)
    keys = "C00401018810C00402018810C00403018810C00401408510C00402408810"
    told = (b"", 0x6A88) if strict else (H(f"E01E{keys}"), 0x9000)
    assert bench.run(H("80CA00E000"))[0] == told, "identifier, version, type and length of each key"


def test_a_reset_forgets_the_rest_of_get_status() -> None:
    bench = card_of(REFERENCE, limits={"response_data": 60})
    bench.run(status(tags="4F9F70538F91"))
    bench.card.lose_connectivity(bench.now)
    assert bench.run(H("80F240030A4F005C064F9F70538F9100"))[0][1] == 0x6985


@ALL
def test_fallback_attribute_under_pol1(personality: Personality) -> None:
    bench = card_of(personality, pol1=1)
    assert bench.run(set_fallback(ISDP1))[0][1] == (0x69E1 if is_(personality, STRICT) else 0x9000)
    assert bench.run(set_fallback(ISDP2))[0][1] == 0x9000, "where it is, or was, it may stay or come back"


def challenge_of(personality: Personality) -> bytes:
    return bytes(range(16)) if is_(personality, RECORDED) else RC


def personalised(personality: Personality) -> Bench:
    """A card with an ISD-P that has the reference's keys; the response scripts of the strict one are the usual."""
    bench = Bench.of(
        image(
            profiles=[installed(ISDP2, package("89000000000000000022"), 0x3F, fallback=True)],
            quirks={**personality.quirks, "few_responses": False, "count_always": False},
            limits=personality.limits,
        )
    )
    bench.run(create(ISDP1))
    bench.https_run(for_personalization(ISDP1), certificate_command(CERT_DP))
    made = bench.https_run(key_command(key_parameters(), challenge=challenge_of(personality)))
    assert made[0][1] == 0x9000
    return bench


@ALL
def test_delete_token(personality: Personality) -> None:
    bench = personalised(personality)
    assert bench.download(package("89000000000000000011")) == H("3007A0053003800100")
    host = Host(*REFERENCE_KEYS, sequence=2)
    opened = commands(host.initialize_apdu(), host.authenticate_apdu(), definite=False)
    bench.https(opened, ISDP1)
    token_key = bytes(range(0x70, 0x80))
    key = H("70881110") + cbc(REFERENCE_KEYS[2], token_key) + b"\x03" + cbc(token_key, b"\x01" * 16)[:3]
    put = commands(host.wrap("84D80001", key), definite=False)
    assert bench.https(put, ISDP1)[-4:-2] == H("9000")
    for tag, value in (("42", "4953445001"), ("45", "495344505344494E01"), ("5F20", "47534D4101")):
        inner = ber(tag, H(value))
        wrapped = host.wrap("84E28800", H("0070") + bytes([len(inner)]) + inner)
        assert bench.https(commands(wrapped, definite=False), ISDP1)[-4:-2] == H("9000")
    covered = ber("4F", ISDP1) + ber("B6", H("420549534450014509495344505344494E015F200547534D4101930101"))
    message = H("0040") + bytes([len(covered)]) + covered
    good = mac(token_key, message)
    for token, sw in ((bytes(16), 0x6A80 if is_(personality, STRICT) else 0x6982), (good, 0x9000)):
        body = covered + ber("9E", token)
        assert bench.run(H("80E40040") + bytes([len(body)]) + body + b"\x00")[0][1] == sw


@ALL
def test_finalise_reads_its_ranges_its_own_way(personality: Personality) -> None:
    strict = is_(personality, STRICT)
    bench = card_of(personality)
    challenge = challenge_of(personality)
    crt = key_parameters(kvn=2, options=0x08)
    bench.run(certificate_command(CERT_SR), chaining=1)
    made = bench.run(key_command(crt, SM_SR, point(EPH_SR), challenge), chaining=3)
    assert made[0][1] == 0x9000
    keep, drop = H("F203020103"), H("F203010103") + H("F203400102")
    listed = drop if strict else keep
    (answer,) = bench.run(H("80E40000") + bytes([len(listed)]) + listed + b"\x00", kvn=1)
    assert answer == (b"", 0x6985), "the session's own keys stay"
    state = bench.card.dump()["isdr"]
    assert [item["kvn"] for item in state["scp80"]] == [1, 2]
    keys = tuple(bytes.fromhex(state["scp80"][1][name]) for name in ("kic", "kid"))
    packet = bench.packet(
        commands(H("80E40000") + bytes([len(listed)]) + listed + b"\x00"),
        keys=(keys[0], keys[1]), kvn=2, counter=1,
    )  # fmt: skip
    (action,) = bench.send(packet)
    data = bench.open_por(action, keys=(keys[0], keys[1]))[2]
    assert data.endswith(H("2303009000") if strict else H("23029000"))
    after = bench.card.dump()["isdr"]
    assert [item["kvn"] for item in after["scp80"]] == [2]
    assert after["scp81"] == []


@ALL
def test_codings_of_session_parameters(personality: Personality) -> None:
    strict = is_(personality, STRICT)
    bench = card_of(personality)
    binary_timer = store("3A07", ber("A5", ber("86", H("0001A50300001E"))))
    assert bench.run(binary_timer)[0][1] == (0x6A80 if strict else 0x9000)
    assert bench.run(store("3A07", ber("A5", ber("86", H("0001A503000003")))))[0][1] == 0x9000
    for identity, opens in ((binary_identity(), not strict), (binary_identity().hex().upper().encode(), True)):
        security = ber("85", bytes([len(identity)]) + identity + H("024001"))
        actions = bench.send(bench.packet(ber("81", ber("83", security))))
        assert any(isinstance(action, OpenHTTPS) for action in actions) is opens
        if opens:
            bench.card.https_closed(bench.now, completed=True)


def binary_identity() -> bytes:
    eid, isdr = H("89049032123456789012345678901203"), H("A0000005591010FFFFFFFF8900000100")
    return H("800102") + ber("81", eid) + ber("4F", isdr) + H("820101830140")


@ALL
def test_tag_of_pol1_in_es6(personality: Personality) -> None:
    bench = with_operator_keys(quirks=personality.quirks)
    words = {}
    for counter, tag in enumerate(("81", "84"), start=1):
        update = commands(store("3A06", ber(tag, b"\x04")))
        (action,) = bench.send(bench.packet(update, tar=TAR, keys=OPERATOR, kvn=2, counter=counter))
        words[tag] = bench.open_por(action, keys=OPERATOR, tar=TAR)[2][-2:]
    good, bad = ("84", "81") if is_(personality, STRICT) else ("81", "84")
    assert words == {good: H("9000"), bad: H("6A80")}


@ALL
@pytest.mark.parametrize("plain", [1007, 1030])
def test_longest_scp03t_tlv(personality: Personality, plain: int) -> None:
    """1020 bytes go everywhere, 1052 only into the recorded card."""
    bench = personalised(personality)
    host = Host(*REFERENCE_KEYS)
    bench.https(b"\xae\x80" + host.initialize_tlv() + host.authenticate_tlv() + b"\x00\x00", ISDP1)
    segment = host.segment(package()[:plain])
    assert len(segment) == (1020 if plain == 1007 else 1052)
    taken = plain == 1007 or is_(personality, RECORDED)
    answer = bench.https(b"\xae\x80" + segment + b"\x00\x00", ISDP1)
    assert answer == (H("AF8086000000") if taken else H("AF809F4601010000"))


@ALL
def test_platform_management_while_a_change_is_unconfirmed(personality: Personality) -> None:
    bench = card_of(personality)
    assert bench.run(enable(ISDP2)) == [(b"", 0x9000)]
    notification(bench)
    word = 0x6986 if is_(personality, STRICT) else 0x6985
    for command in (enable(ISDP1), create(b"\xa0\x00\x00\x05\x59\x10\x10\xff\xff\xff\xff\x89\x00\x00\x20\x00")):
        assert bench.run(command)[-1][1] == word


@ALL
def test_further_bits_of_the_attributes(personality: Personality) -> None:
    bench = card_of(personality)
    bits = 2 if is_(personality, STRICT) else 0
    found = {bench.run(status(aid, tags="4F9F7053"))[0][0][-1] for aid in (ISDP1, ISDP2)}
    assert found == {bits | 1, bits}


@ALL
def test_identities_in_a_key_establishment(personality: Personality) -> None:
    bench = card_of(personality)
    sdin = bytes.fromhex(bench.card.dump()["isdr"]["sdin"])
    bench.run(for_personalization(ISDP2), certificate_command(CERT_DP), chaining=1)
    crt = key_parameters(options=0x0C, extra=ber("45", sdin) + ber("84", b"\x01\x02"))
    word = bench.run(key_command(crt, challenge=challenge_of(personality)), chaining=3)[-1][1]
    assert word == (0x6A80 if is_(personality, STRICT) else 0x9000)


@ALL
def test_security_level_of_scp03t(personality: Personality) -> None:
    bench = personalised(personality)
    host = Host(*REFERENCE_KEYS)
    other = bytearray(host.authenticate_tlv() if host.initialize_tlv() else b"")
    other[2] = 0x13
    answer = bench.https(b"\xae\x80" + host.initialize_tlv() + bytes(other) + b"\x00\x00", ISDP1)
    assert answer[-6:-2] == H("9F450102" if is_(personality, STRICT) else "9F450101")


@ALL
def test_cat_tp_parameters(personality: Personality) -> None:
    strict = is_(personality, STRICT)
    bench = card_of(personality)
    assert bench.run(store("3A07", ber("A4", H("3C030201CC"))))[0][1] == (0x6A80 if strict else 0x9000)
    operator = with_operator_keys(quirks=personality.quirks)
    update = commands(store("3A07", ber("A1", ber("35", b"\x03"))))
    (action,) = operator.send(operator.packet(update, tar=TAR, keys=OPERATOR, kvn=2, counter=1))
    assert operator.open_por(action, keys=OPERATOR, tar=TAR)[2][-2:] == H("6A80" if strict else "9000")


@ALL
def test_order_of_session_parameters(personality: Personality) -> None:
    bench = card_of(personality)
    retry, http = ber("86", H("0001A503000003")), ber("89", ber("8C", b"/agent"))
    assert bench.run(store("3A07", ber("A5", retry + http)))[0][1] == 0x9000
    turned = bench.run(store("3A07", ber("A5", http + retry)))[0][1]
    assert turned == (0x6A80 if is_(personality, STRICT) else 0x9000)


@ALL
def test_the_ecasd_as_a_target(personality: Personality) -> None:
    strict = is_(personality, STRICT)
    bench = card_of(personality)
    (action,) = bench.send(bench.packet(commands(H("80CA005A00")), tar=H("000002")))
    assert bench.open_por(action, tar=H("000002"))[1] == (0x09 if strict else 0x00)
    aid = H("A0000005591010FFFFFFFF8900000200")
    made = bench.card.https_script(aid, commands(H("80CA005A00"), definite=False), bench.now)
    assert made.status == ("unknown-application" if strict else "ok")
    through_isdr = bench.run(H("80CABF30035C015A00"))[0]
    assert through_isdr[1] == 0x9000, "its data are there all the same"


@ALL
@pytest.mark.parametrize("dgi", ["3A09", "3A0A"])
def test_functions_of_later_versions_are_refused(personality: Personality, dgi: str) -> None:
    """SetEmergencyProfileAttribute is not in v3.2 (open point 13); several TP-DA neither (8)."""
    bench = card_of(personality)
    assert bench.run(store(dgi, ber("4F", ISDP1)))[0][1] == 0x6A80
    two = ber("A3", ber("81", H("0B913316325476F8")) * 2)
    assert bench.run(store("3A07", two))[0][1] == 0x6A80


@ALL
def test_pol1_bits_that_mean_nothing_are_refused(personality: Personality) -> None:
    bench = with_operator_keys(quirks=personality.quirks)
    tag = "84" if is_(personality, STRICT) else "81"
    update = commands(store("3A06", ber(tag, b"\x08")))
    (action,) = bench.send(bench.packet(update, tar=TAR, keys=OPERATOR, kvn=2, counter=1))
    assert bench.open_por(action, keys=OPERATOR, tar=TAR)[2][-2:] == H("6A80")
