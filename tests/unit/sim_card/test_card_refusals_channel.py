"""What the simulated eUICC refuses (SGP.02 v3.2 card reference, section 10): rows 1 to 13, 54 to 62."""

from __future__ import annotations

import pytest

from ferryman_sim.card import Card, DeliverReport, HTTPSResult, OpenHTTPS, SendSMS
from sim_card_kit import Bench, image, two_profiles
from sim_card_wire import ISDP1, ISDP2, ISDR, KIC, KID, H, commands, confirm, create, delete, set_fallback, status

AUDIT = H("80CAFF2100")


def test_row_01_wrong_cc_is_met_with_silence() -> None:
    bench = Bench.of()
    assert bench.send(bench.packet(commands(AUDIT), flip_cc=True)) == []
    assert bench.card.discards == ["CC wrong"]
    assert bench.card.dump()["isdr"]["scp80"][0]["counter"] < bench.counter


@pytest.mark.parametrize("spi", ["1239", "1439", "1539", "0639", "0E39", "0039", "0239", "9639"])
def test_row_02_low_security_level_is_met_with_silence(spi: str) -> None:
    bench = Bench.of()
    assert bench.send(bench.packet(commands(AUDIT), spi=spi)) == []
    assert bench.card.discards == ["security level"]


def test_row_02_switch_answers_0a_in_clear() -> None:
    bench = Bench.of(image(quirks={"level_por": True}))
    answer = H("027100000B0A000001") + bench.counter.to_bytes(5) + H("000A")
    for spi2, wanted in (("01", DeliverReport), ("21", SendSMS)):
        (action,) = bench.send(bench.packet(commands(AUDIT), spi="12" + spi2, counter=bench.counter))
        assert isinstance(action, wanted)
        assert (action.uds[0] if isinstance(action, SendSMS) else action.ud) == answer


def test_row_02_lower_minimum_level_lets_a_packet_in_clear_in() -> None:
    bench = Bench.of(image(quirks={"minimum_spi1": "12"}))
    (action,) = bench.send(bench.packet(commands(delete(ISDP1)), spi="1201"))
    clear = H("02710000140A000001") + bench.counter.to_bytes(5) + H("0000AB0780010123026A88")
    assert action == DeliverReport(clear)


def test_long_answer_to_a_delivery_report_is_announced_and_follows() -> None:
    bench = Bench.of()
    actions = bench.send(bench.packet(commands(H("80CABF30045C027F2100")), spi="1619"))
    assert [type(action) for action in actions] == [DeliverReport, SendSMS]
    report, answer = actions
    assert isinstance(report, DeliverReport)
    assert bench.open_por(SendSMS("", (report.ud,)))[1:] == (0x0B, b"")
    assert bench.open_por(answer)[1] == 0


@pytest.mark.parametrize("step", [0, -1, -5])
def test_row_03_replay_gets_protected_02(step: int) -> None:
    bench = Bench.of()
    bench.script(commands(AUDIT))
    counter = bench.counter + step
    (action,) = bench.send(bench.packet(commands(create(ISDP1)), counter=counter))
    assert bench.open_por(action) == (counter, 2, b"")
    assert bench.card.profiles() == []


def test_row_03_counter_one_too_high_gets_03_in_the_exact_mode() -> None:
    bench = Bench.of()
    bench.script(commands(AUDIT))
    (action,) = bench.send(bench.packet(commands(AUDIT), spi="1E39", counter=bench.counter + 2))
    assert bench.open_por(action)[1] == 3
    (action,) = bench.send(bench.packet(commands(AUDIT), spi="1E39", counter=bench.counter + 1))
    assert bench.open_por(action)[1] == 0


def test_row_03_the_highest_counter_blocks_the_key_set() -> None:
    bench = Bench.of()
    (action,) = bench.send(bench.packet(commands(AUDIT), counter=0xFFFFFFFFFF))
    assert bench.open_por(action)[1] == 0
    (action,) = bench.send(bench.packet(commands(AUDIT), counter=0xFFFFFFFFFF))
    assert bench.open_por(action)[1] == 4


def test_row_03_switch_to_silence() -> None:
    bench = Bench.of(image(quirks={"replay_silent": True}))
    bench.script(commands(AUDIT))
    assert bench.send(bench.packet(commands(AUDIT), counter=bench.counter)) == []


@pytest.mark.parametrize(("kic", "kid"), [(0x22, 0x22), (0x12, 0x22), (0x22, 0x12), (0x02, 0x02), (0x15, 0x15)])
def test_row_04_unknown_or_unequal_key_versions_are_met_with_silence(kic: int, kid: int) -> None:
    bench = Bench.of()
    packet = bytearray(bench.packet(commands(AUDIT)))
    packet[5], packet[6] = kic, kid
    assert bench.send(bytes(packet)) == []


def test_row_05_unknown_tar_gets_protected_09() -> None:
    bench = Bench.of()
    tar = H("000055")
    (action,) = bench.send(bench.packet(commands(AUDIT), tar=tar))
    assert bench.open_por(action, tar=tar) == (bench.counter, 9, b"")
    assert bench.send(bench.packet(commands(AUDIT), tar=tar, flip_cc=True)) == []


@pytest.mark.parametrize("pcntr", [0xFF, 0x30])
def test_row_06_padding_counter_beyond_the_data_is_met_with_silence(pcntr: int) -> None:
    bench = Bench.of()
    assert bench.send(bench.packet(commands(AUDIT), pcntr=pcntr)) == []
    assert bench.card.discards == ["PCNTR beyond the data"]


def test_row_06_bad_lengths_are_met_with_silence() -> None:
    bench = Bench.of()
    packet = bench.packet(commands(AUDIT))
    for bad in (packet[:-1], packet + b"\x00", packet[:-16], packet[:15], b"", packet[:2] + b"\x0d" + packet[3:]):
        assert bench.send(bad) == []
    assert len(bench.card.discards) == 6


def test_row_07_tar_of_a_profile_that_is_not_enabled_gets_09() -> None:
    bench = Bench.of()
    (action,) = bench.send(bench.packet(commands(AUDIT), tar=H("B20100")))
    assert bench.open_por(action, tar=H("B20100"))[1] == 9


def test_row_08_empty_script() -> None:
    bench = Bench.of()
    assert bench.https(H("AE800000")) == H("AF800000")
    assert bench.script(H("AA00")) == H("AB03800100")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("AE80AA0722053080CAFF210000", "AF809001010000"),
        ("AA04 FF020000", "AB06800100900101"),
        ("AE80 2500 0000", "AF809001010000"),
        ("AE80 2205 80CAFF2100 8400 0000", None),
        ("22 05 80CAFF2100", "AB06800100900101"),
        ("", "AB06800100900101"),
    ],
)
def test_row_09_unknown_tag_or_nested_template(body: str, answer: str | None) -> None:
    bench = Bench.of()
    found = bench.https(H(body.replace(" ", "")))
    if answer is None:
        assert found.startswith(H("AF8023"))
        assert found.endswith(H("9001010000"))
    else:
        assert found == H(answer)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("AA05 2208 80CAFF", 2),
        ("AA08 2205 80CAFF2100", 2),
        ("AA06 2205 80CAFF2100", 2),
        ("AE80 2205 80CAFF2100", 2),
        ("AE80 2205 80CAFF2100 000000", 2),
        ("AA01 22", 3),
        ("AA", 3),
        ("AA05 2283 000001", 2),
    ],
)
def test_row_10_wrong_or_missing_length(body: str, code: int) -> None:
    bench = Bench.of()
    found = bench.https(H(body.replace(" ", "")))
    assert H("9001") + bytes([code]) in found


def test_row_10_commands_before_a_bad_one_are_executed_and_counted() -> None:
    bench = Bench.of()
    body = commands(create(ISDP1))
    body = b"\xaa" + bytes([body[1] + 1]) + body[2:] + b"\x22"
    assert bench.script(body) == H("AB0B800101230300900090") + H("0103")
    assert [item["aid"] for item in bench.card.profiles()] == [ISDP1.hex().upper()]


def test_row_11_nothing_is_executed_after_a_failing_command() -> None:
    bench = Bench.of()
    assert bench.run(delete(ISDP1), create(ISDP2)) == [(b"", 0x6A88)]
    assert bench.card.profiles() == []
    assert [entry["sw"] for entry in bench.card.log] == ["6A88"]


@pytest.mark.parametrize(
    ("apdu", "sw"),
    [
        ("80000000", 0x6D00),
        ("80EC0101", 0x6D00),
        ("00A40004023F00", 0x6E00),
        ("84E2880000", 0x6E00),
        ("90CAFF2100", 0x6E00),
    ],
)
def test_row_12_unknown_instruction_or_class(apdu: str, sw: int) -> None:
    assert Bench.of().run(H(apdu)) == [(b"", sw)]


@pytest.mark.parametrize(
    ("apdu", "sw"),
    [
        ("80E6030000", 0x6A86),
        ("80E40001024F00", 0x6A86),
        ("80F24001024F00", 0x6A86),
        ("80E28801073A08044E020001", 0x6A86),
        ("80E28800073A08044E020001", 0x6A86),
        ("80E2890007 3A08044E0200", 0x6700),
        ("80E2890005 3A08044E020001", 0x6700),
        ("80F240", 0x6700),
    ],
)
def test_row_13_wrong_p1p2_or_lc(apdu: str, sw: int) -> None:
    assert Bench.of().run(H(apdu.replace(" ", ""))) == [(b"", sw)]


def test_row_54_target_not_on_the_card() -> None:
    card = Bench.of().card
    result = card.https_script(ISDP1, H("AE800000"), 1.0)
    assert result == HTTPSResult("unknown-application", None)


def test_row_55_target_is_no_security_domain() -> None:
    made = image(applications=["A0000000871002"])
    card = Bench.of(made).card
    assert card.https_script(H("A0000000871002"), H("AE800000"), 1.0).status == "not-a-security-domain"
    card = Bench.of(image(profiles=two_profiles())).card
    enabled = card.enabled_profile()
    assert enabled is not None
    assert card.https_script(enabled.naas[0].aid, H("AE800000"), 1.0).status == "not-a-security-domain"


def test_row_56_domain_of_a_disabled_profile_and_of_the_enabled_one() -> None:
    mno_sd = H("A000000151000000")
    profiles = two_profiles()
    card = Bench.of(image(profiles=profiles)).card
    assert card.https_script(mno_sd, H("AE800000"), 1.0).status == "security-error"
    profiles[0]["state"] = 0x1F
    card = Card.load(image(profiles=profiles), 0.0)
    assert card.https_script(mno_sd, H("AE800000"), 1.0).status == "unknown-application"


def test_row_57_a_broken_session_is_tried_again_by_the_retry_policy() -> None:
    bench = Bench.of()
    trigger = H("810B830986070002A503000003")
    actions = bench.send(bench.packet(trigger))
    assert bench.open_por(actions[0])[1:] == (0, b"")
    first = actions[1]
    assert isinstance(first, OpenHTTPS)
    assert (first.host, first.port, first.uri, first.resume) == ("192.0.2.1", 8090, "/gsma/adminagent", False)
    bench.https(H("AE800000"))
    assert bench.card.https_closed(2000.0, completed=False) == []
    assert bench.card.next_timer() == 2030.0
    assert bench.card.tick(2029.9) == []
    (again,) = bench.card.tick(2030.0)
    assert isinstance(again, OpenHTTPS)
    assert again.resume
    bench.card.https_closed(2031.0, completed=False)
    assert len(bench.card.tick(2061.0)) == 1
    bench.card.https_closed(2062.0, completed=False)
    assert bench.card.next_timer() is None


def test_row_60_trigger_while_a_session_is_open() -> None:
    bench = Bench.of()
    actions = bench.send(bench.packet(H("8100")))
    assert len(actions) == 2
    actions = bench.send(bench.packet(H("8100")))
    assert [bench.open_por(action)[1] for action in actions] == [0]
    bench.card.https_closed(bench.now, completed=True)
    assert len(bench.send(bench.packet(H("8100")))) == 2


def test_row_61_finalise_that_would_remove_the_key_set_in_use() -> None:
    dump = Bench.of().card.dump()
    dump["isdr"]["scp80"].append({"kvn": 2, "kic": KID.hex(), "kid": KIC.hex(), "dek": KIC.hex(), "counter": 0})
    bench = Bench(Card.load(dump, 0.0), counter=0x100)
    assert bench.run(H("80E4000005F20302010300")) == [(b"", 0x6985)]
    assert bench.run(H("80E4000005F20303010300")) == [(b"", 0x6A88)]
    assert bench.run(H("80E4000004F203020100")) == [(b"", 0x6A80)]
    assert bench.run(H("80E4000005F20301010300")) == [(b"", 0x9000)]
    assert [item["kvn"] for item in bench.card.dump()["isdr"]["scp80"]] == [1]


def test_row_61_switch_reads_the_list_as_keys_to_delete() -> None:
    dump = Bench.of(image(quirks={"finalise_deletes": True})).card.dump()
    dump["isdr"]["scp80"].append({"kvn": 2, "kic": KID.hex(), "kid": KIC.hex(), "dek": KIC.hex(), "counter": 0})
    bench = Bench(Card.load(dump, 0.0), counter=0x100)
    assert bench.run(H("80E4000005F20301010300")) == [(b"", 0x6985)]
    assert bench.run(H("80E400000AF203020103F20340010200")) == [(b"", 0x9000)]
    isdr = bench.card.dump()["isdr"]
    assert ([item["kvn"] for item in isdr["scp80"]], isdr["scp81"]) == ([1], [])


def test_row_62_old_key_set_after_finalise_is_silent() -> None:
    dump = Bench.of().card.dump()
    dump["isdr"]["scp80"].append({"kvn": 2, "kic": KID.hex(), "kid": KIC.hex(), "dek": KIC.hex(), "counter": 0})
    bench = Bench(Card.load(dump, 0.0), counter=0x100)
    new = (KID, KIC)
    (action,) = bench.send(bench.packet(commands(H("80E4000005F20302010300")), keys=new, kvn=2, counter=1))
    assert bench.open_por(action, keys=new)[1] == 0
    assert bench.send(bench.packet(commands(AUDIT))) == []
    assert bench.card.discards[-1] == "key version"


# --- bearers beyond the table ---------------------------------------------------------------------


def test_trigger_parameters_of_the_reference() -> None:
    bench = Bench.of(image(isdr={**image()["isdr"], "https": None}))
    short = H(
        "81358333841E350103390205784709"
        "08696E7465726E65743C03021F9A3E0521C0000201"
        "89118A093139322E302E322E318C042F61646D"
    )
    actions = bench.send(bench.packet(short))
    opened = actions[1]
    assert isinstance(opened, OpenHTTPS)
    assert (opened.host, opened.port, opened.uri) == ("192.0.2.1", 8090, "/adm")
    identity = "8001028110890490321234567890123456789012034F10A0000005591010FFFFFFFF8900000100820101830140"
    assert opened.identity == identity
    assert "psk" not in repr(opened)
    bench.card.https_closed(1.0, completed=True)
    for coded in (H(identity), identity.encode()):
        security = bytes([len(coded)]) + coded + H("024001")
        body = b"\x85" + bytes([len(security)]) + security + H("890B8A093139322E302E322E31")
        inner = b"\x83\x81" + bytes([len(body)]) + body if len(body) > 127 else b"\x83" + bytes([len(body)]) + body
        outer = (
            b"\x81\x81" + bytes([len(inner)]) + inner
            if len(inner) > 127
            else b"\x81" + bytes([len(inner)]) + inner
        )
        actions = bench.send(bench.packet(outer))
        assert isinstance(actions[1], OpenHTTPS)
        bench.card.https_closed(1.0, completed=True)


def test_trigger_that_names_a_key_the_card_lacks_opens_nothing() -> None:
    bench = Bench.of()
    assert len(bench.send(bench.packet(H("8108830685040002") + H("4101")))) == 1


def test_malformed_trigger_opens_nothing() -> None:
    bench = Bench.of()
    (action,) = bench.send(bench.packet(H("81058303") + H("8405FF")))
    assert bench.open_por(action)[1:] == (0, H("AB06800100900102"))


@pytest.mark.parametrize(
    ("spi2", "good", "bad"), [("39", 1, 1), ("38", 0, 0), ("3A", 0, 1), ("19", 1, 1), ("00", 0, 0), ("09", 1, 1)]
)
def test_proof_of_receipt_is_sent_as_asked(spi2: str, good: int, bad: int) -> None:
    bench = Bench.of()
    assert len(bench.send(bench.packet(commands(AUDIT), spi="16" + spi2))) == good
    assert len(bench.send(bench.packet(commands(AUDIT), spi="16" + spi2, counter=1))) == bad


def test_long_answers_come_in_several_messages_and_long_commands_are_put_together() -> None:
    bench = Bench.of()
    data = bench.script(commands(H("80CABF30045C027F2100")))
    assert len(data) > 150
    actions = bench.send(bench.packet(commands(H("80CABF30045C027F2100"))))
    assert isinstance(actions[0], SendSMS)
    assert [ud[:2] for ud in actions[0].uds] == [H("0700"), H("0500")]
    long = commands(*[create(bytes([*ISDP1[:14], n, 0])) for n in range(0x20, 0x23)])
    packet = bench.packet(long)
    uds = bench.uds(packet)
    assert len(uds) > 1
    answers = [action for ud in reversed(uds) for action in bench.card.sms_pp(ud, "+33600000000", 5.0)]
    assert isinstance(answers[0], SendSMS)
    assert answers[0].da == "+33600000000"
    assert len(bench.card.profiles()) == 3


def test_script_chaining_over_sms() -> None:
    bench = Bench.of()
    answer = bench.script(commands(AUDIT, chaining=2))
    assert answer == H("AB06800100830101")
    answer = bench.script(commands(AUDIT, chaining=7))
    assert answer == H("AB06800100830102")
    assert bench.run(AUDIT, chaining=1)[0][1] == 0x9000
    assert bench.run(AUDIT, chaining=2)[0][1] == 0x9000
    assert bench.run(AUDIT, chaining=3)[0][1] == 0x9000
    assert bench.script(commands(AUDIT, chaining=3)) == H("AB06800100830101")
    bench.run(AUDIT, chaining=1)
    bench.reload()
    assert bench.script(commands(AUDIT, chaining=2)) == H("AB06800100830101")
    bench.run(AUDIT, chaining=0x11)
    bench.reload()
    assert bench.run(AUDIT, chaining=3)[0][1] == 0x9000


def test_chaining_tlv_is_only_taken_as_the_first() -> None:
    bench = Bench.of()
    assert bench.script(H("AA0A") + H("220580CAFF2100") + H("830101")).endswith(H("900101"))


def test_get_status_in_several_answers() -> None:
    bench = Bench.of(image(limits={"response_data": 60}))
    aids = [bytes([*ISDP1[:14], n, 0]) for n in range(0x20, 0x25)]
    for aid in aids:
        bench.run(create(aid))
    first = status()
    following = first[:3] + b"\x03" + first[4:]
    answers = bench.run(first, following, following)
    assert [sw for _, sw in answers] == [0x6310, 0x6310, 0x9000]
    assert all(aid in b"".join(data for data, _ in answers) for aid in aids)
    assert bench.run(following) == [(b"", 0x6985)]


def test_confirmation_has_no_effect_on_other_targets() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    ((_, sw),) = bench.run(confirm(1), tar=ISDP1[12:15])
    assert sw != 0x9000
    ((_, sw),) = bench.run(set_fallback(ISDP1), tar=ISDP1[12:15])
    assert sw == 0x6982
    assert bench.https(
        H("AE80") + H("2204") + H("80CA005A") + b"\x00\x00", H("A0000005591010FFFFFFFF8900000200")
    ).startswith(H("AF8023145A10"))
    assert bench.https(commands(AUDIT, definite=False), ISDR).startswith(H("AF8023"))
