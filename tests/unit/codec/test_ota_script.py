"""Scripts, ES3 data, session triggers: sgp02-euicc.md 4.4, 8.1, 8.6, disagreement 9; sgp02-interfaces.md 2.4."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.codec import isdr, ota_script, tlv
from ferryman.errors import PeerError

P1 = bytes.fromhex("A0000005591010FFFFFFFF8900001000")


def h(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def test_4_4_confirmation_by_sms_and_https() -> None:
    commands = [ota_script.c_apdu(isdr.confirm_notification(7))]
    assert ota_script.build_command_script(commands, indefinite=False) == h("AA0F 220D 80E28900073A08044E02000700")
    assert ota_script.build_command_script(commands, indefinite=True) == h(
        "AE80 220D 80E28900073A08044E02000700 0000"
    )
    script = ota_script.parse_response_script(h("AF80 2316 80124F10A0000005591010FFFFFFFF8900001100 9000 0000"))
    (answer,) = script.r_apdus
    assert isdr.parse_confirmation(answer.data) == [h("A0000005591010FFFFFFFF8900001100")]


def test_8_1_enable_profile() -> None:
    script = ota_script.build_command_script([ota_script.c_apdu(isdr.enable_profile(P1))], indefinite=False)
    assert script == h("AA1D 221B 80E28800153A03124F10A0000005591010FFFFFFFF890000100000")
    answer = ota_script.parse_response_script(h("AB07 800101 23029000"))
    assert answer.executed == 1
    assert answer.r_apdus[0].ok
    assert [item.tag for item in answer.tlvs] == [0x23]


def test_8_1_special_answers() -> None:
    assert ota_script.parse_response_script(h("AF80 0000")).tlvs == ()
    bad = ota_script.parse_response_script(h("AF80 900101 0000"))
    assert bad.bad_format == 1
    assert [item.tag for item in bad.tlvs] == [0x90]
    assert ota_script.parse_response_script(h("AB06 800100 830101")).chaining_error == 1
    # Definite length under AF and indefinite length under AB are read too.
    assert ota_script.parse_response_script(h("AF04 23029000")).executed is None
    assert ota_script.parse_response_script(h("AB80 800102 23029000 0000")).executed == 2
    assert ota_script.parse_response_script(h("AB08 80020100 23029000")).executed == 256
    assert [t.raw for t in ota_script.parse_response_script(h("AF80 9F440103 0000")).tlvs] == [h("9F440103")]


@pytest.mark.parametrize(
    "data",
    [
        "AA022200",
        "AB0023",
        "AF8023029000",
        "AF802302900000",
        "AF8023029000000000",
        "AB05800101900000",
        "AB03230190",
        "AB0324019000",
        "AB028000",
        "AB05900201018000",
    ],
)
def test_broken_answers(data: str) -> None:
    with pytest.raises(PeerError):
        ota_script.parse_response_script(h(data))


def test_objects_of_an_answer_are_bounded() -> None:
    with pytest.raises(PeerError, match="objects"):
        ota_script.parse_response_script(b"\xaf\x80" + h("8500") * (tlv.MAX_OBJECTS + 1) + h("0000"))


@pytest.mark.parametrize(
    "data", ["AB03 900201 01", "AB04 8100 8500", "AB03 240190", "AB02 8000", "AB05 8003000001"]
)
def test_broken_parts_of_an_answer(data: str) -> None:
    with pytest.raises(PeerError):
        ota_script.parse_response_script(h(data))


def test_unknown_chaining_value() -> None:
    with pytest.raises(ValueError):
        ota_script.build_command_script([], indefinite=True, chaining=4)


ENABLE, STATUS, RESOURCES = isdr.enable_profile(P1), isdr.get_status(), isdr.get_card_resources()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            ota_script.c_apdu(ENABLE) + ota_script.c_apdu(STATUS),
            [ota_script.c_apdu(ENABLE), ota_script.c_apdu(STATUS)],
        ),
        (
            h("840A30001122334455667788 851133") + bytes(16),
            [h("840A30001122334455667788"), h("851133") + bytes(16)],
        ),
        (h("8618") + bytes(24) + h("8700 8803AABBCC"), [h("8618") + bytes(24), h("8700"), h("8803AABBCC")]),
        (ENABLE, [ota_script.c_apdu(ENABLE)]),
        (ENABLE[:-1], [ota_script.c_apdu(ENABLE[:-1])]),
        (ENABLE + STATUS + RESOURCES, [ota_script.c_apdu(item) for item in (ENABLE, STATUS, RESOURCES)]),
        (ENABLE[:-1] + STATUS[:-1], [ota_script.c_apdu(ENABLE[:-1]), ota_script.c_apdu(STATUS[:-1])]),
        (h("84E2880010") + bytes(16), [h("2215 84E2880010") + bytes(16)]),
        (h("84823300101F5D021C5898D564CC9D3AD3F1D03010"), [h("2215 84823300101F5D021C5898D564CC9D3AD3F1D03010")]),
        (h("00A40004023F00"), [h("2207 00A40004023F00")]),
    ],
)
def test_es3_data_is_split(data: bytes, expected: list[bytes]) -> None:
    assert ota_script.split_data(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        "",
        "AA0522038001",
        "22038001",
        "220380E200",
        "2204 80E28800 AA00",
        "80E288",
        "80E2880005AA",
        "00A40004023F0000A40004022FE2",
        "86058001",
    ],
)
def test_es3_data_that_is_neither(data: str) -> None:
    with pytest.raises(PeerError):
        ota_script.split_data(h(data))


def test_es3_number_of_bare_apdus_is_bounded() -> None:
    with pytest.raises(PeerError):
        ota_script.split_data(h("80E2880001FF") * (ota_script.MAX_BARE_APDUS + 1))


SHORT = h(
    "8135 8333 841E 350103 39020578 470908696E7465726E6574 3C03021F9A 3E0521C0000201 8911"
    "8A093139322E302E322E31 8C042F61646D"
)


def test_8_6_short_trigger() -> None:
    built = ota_script.build_trigger(
        host="192.0.2.1", uri="/adm", port=8090, ipv4="192.0.2.1", bearer=b"\x03", buffer_size=1400, apn="internet"
    )
    assert built == SHORT
    read = ota_script.parse_trigger(SHORT)
    assert (read.host, read.uri, read.port, read.address, read.apn) == (
        "192.0.2.1",
        "/adm",
        8090,
        "192.0.2.1",
        "internet",
    )
    assert ota_script.build_trigger() == h("8100")
    assert ota_script.parse_trigger(h("8100")) == ota_script.Trigger()


def test_8_6_full_trigger() -> None:
    identity = h("800102 8110 89049032123456789012345678901203 4F10A0000005591010FFFFFFFF8900000100 820101 830140")
    agent = "//se-id/eid/89049032123456789012345678901203;//aa-id/aid/A000000559/1010FFFFFFFF8900000100"
    built = ota_script.build_trigger(
        host="192.0.2.1:8090",
        uri="/gsma/adminagent",
        agent_id=agent,
        port=8090,
        ipv4="192.0.2.1",
        bearer=b"\x03",
        buffer_size=1400,
        apn="internet",
        psk_identity=identity,
        psk_key=(0x40, 0x01),
        retry_count=3,
        retry_delay=60,
    )
    assert built[:6] == h("8181DF 8381DC")
    assert (
        h("8531 2D") + identity + h("024001 8607 0003 A503001000 897E 8A0E3139322E302E322E313A38303930 8B5A")
        in built
    )
    assert ota_script.parse_trigger(built).retry_delay == 60


def test_8_6_timers_in_bcd_and_binary() -> None:
    assert ota_script.parse_trigger(h("810B 8309 8607 0000 A503 000003")).retry_delay == 30
    # 1E is no swapped BCD, so the vendor meant plain binary.
    assert ota_script.parse_trigger(h("810B 8309 8607 0000 2503 00001E")).retry_delay == 30
    trigger = ota_script.Trigger(retry_count=1, retry_delay=3725)
    assert ota_script.build_session_parameters(trigger) == h("8607 0001 A503 102050")


def test_8_6_retry_without_timer() -> None:
    read = ota_script.parse_trigger(h("8106 8304 8602 0005"))
    assert (read.retry_count, read.retry_delay) == (5, None)


def test_trace_trigger() -> None:
    read = ota_script.parse_trigger(
        h("8129 8327 8416 350103390205003C03021F9A2401FF3E05210A08287D 890D 8A0B31302E382E34302E313235")
    )
    assert (read.host, read.port, read.address, read.buffer_size) == ("10.8.40.125", 8090, "10.8.40.125", 1280)


def test_ipv6_and_wrong_values() -> None:
    built = ota_script.build_trigger(ipv6="2001:db8::1")
    assert ota_script.parse_trigger(built).address == "2001:db8::1"
    for wrong in (
        {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"},
        {"retry_count": 1},
        {"psk_identity": b"x"},
        {"apn": "a..b"},
        {"retry_count": 1, "retry_delay": 360000},
        {"ipv4": "example"},
    ):
        with pytest.raises(ValueError):
            ota_script.build_trigger(**wrong)


@pytest.mark.parametrize(
    "inside",
    [
        "840435020303 3E",
        "84063E0421010203",
        "8405 3C03021F",
        "84064704FF6161 61",
        "8600",
        "8606 0000 25020000",
        "850101",
        "8503 02AABB",
        "8904 8A02FF80",
        "84033C0102",
    ],
)
def test_broken_triggers(inside: str) -> None:
    with pytest.raises(PeerError):
        ota_script.parse_trigger(tlv.encode(0x81, tlv.encode(0x83, h(inside))))


OBJECTS = st.lists(st.binary(min_size=4, max_size=40).map(ota_script.c_apdu), max_size=5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=2, max_size=300), max_size=5), st.booleans())
def test_answers_round_trip(answers: list[bytes], indefinite: bool) -> None:
    body = b"".join(tlv.encode(0x23, answer) for answer in answers)
    data = b"\xaf\x80" + body + b"\x00\x00" if indefinite else tlv.encode(0xAB, body)
    assert [item.value for item in ota_script.parse_response_script(data).tlvs] == answers


@settings(max_examples=100, deadline=None)
@given(OBJECTS.filter(bool))
def test_es3_data_round_trip(objects: list[bytes]) -> None:
    assert ota_script.split_data(b"".join(objects)) == objects


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\xab", b"\xaf\x80", b"\x81", b"\x80\xe2\x88\x00"]))
def test_any_bytes_parse_or_are_refused(data: bytes, head: bytes) -> None:
    data = head + data
    for reader in (
        ota_script.parse_response_script,
        ota_script.split_data,
        ota_script.parse_compact_response,
        ota_script.parse_trigger,
        lambda raw: ota_script.parse_trigger(tlv.encode(0x81, tlv.encode(0x83, raw))),
        lambda raw: ota_script.parse_trigger(tlv.encode(0x81, tlv.encode(0x83, tlv.encode(0x84, raw)))),
        lambda raw: ota_script.parse_response_script(tlv.encode(0xAB, raw)),
    ):
        with contextlib.suppress(PeerError):
            reader(data)
