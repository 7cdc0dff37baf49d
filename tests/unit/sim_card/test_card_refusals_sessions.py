"""What the simulated eUICC refuses (SGP.02 v3.2 card reference, section 10): rows 32 to 53a, keys, sessions."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from sim_card_host import REFERENCE_KEYS, Host
from sim_card_kit import Bench, image, package
from sim_card_wire import (
    CERT_DP,
    CERT_SR,
    EPH_DP,
    ISDP1,
    ISDR,
    RC,
    SM_DP,
    SM_SR,
    H,
    ber,
    certificate,
    certificate_command,
    create,
    for_personalization,
    key_command,
    key_parameters,
    point,
)


def personalized(**limits: Any) -> Bench:
    """An ISD-P 1 with the reference's keys, no Profile."""
    bench = Bench.of(image(limits=limits))
    bench.run(create(ISDP1))
    bench.establish()
    return bench


def tlvs(bench: Bench, *items: bytes, aid: bytes = ISDP1) -> bytes:
    """Run TLVs in one script; the content of the answer."""
    return bench.https(b"\xae\x80" + b"".join(items) + b"\x00\x00", aid)[2:-2]


# --- key establishment ----------------------------------------------------------------------------

NOT_ON_CURVE = b"\x04" + point(EPH_DP)[1:64] + bytes([point(EPH_DP)[64] ^ 1])


def established(first: bytes, second: bytes | None = None, aid: bytes | None = ISDP1) -> list[int]:
    """Status words of a key establishment on ISD-P 1, or on the ISD-R when `aid` is None."""
    bench = Bench.of()
    bench.run(create(ISDP1))
    sent = [] if aid is None else [for_personalization(aid)]
    sws = [bench.https_run(apdu)[0][1] for apdu in [*sent, first, *([] if second is None else [second])]]
    assert bench.card.profiles()[0]["state"] == (0x0F if sws[-1] == 0x9000 and second and aid else 0x07)
    return sws[len(sent) :]


@pytest.mark.parametrize(
    "cert",
    [
        certificate(SM_DP, signer=SM_SR),
        CERT_DP[:-1] + bytes([CERT_DP[-1] ^ 1]),
        CERT_DP[:-1],
        CERT_DP + b"\x00",
        certificate(SM_DP, subject="00" * 17),
        certificate(SM_DP, public=NOT_ON_CURVE),
        b"",
    ],
)
def test_rows_32_and_33_bad_certificate_and_then_no_second_store_data(cert: bytes) -> None:
    assert established(certificate_command(cert), key_command(key_parameters())) == [0x6982, 0x6985]


def test_row_32_ber_length_after_the_dgi_tag() -> None:
    body = H("3A0181D1") + CERT_DP
    apdu = H("80E20900") + bytes([len(body)]) + body + b"\x00"
    assert established(apdu) == [0x6982]
    bench = Bench.of(image(quirks={"ber_dgi_lengths": True}))
    bench.run(create(ISDP1))
    assert bench.https_run(for_personalization(ISDP1), apdu)[1][1] == 0x9000


def test_row_33_second_store_data_alone() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1))
    assert [sw for _, sw in bench.https_run(for_personalization(ISDP1), key_command(key_parameters()))] == [
        0x9000,
        0x6985,
    ]


def test_row_34_wrong_role_or_key_usage() -> None:
    assert established(certificate_command(CERT_SR)) == [0x6982]
    assert established(certificate_command(certificate(SM_DP, usage="80"))) == [0x6982]
    assert established(certificate_command(certificate(SM_DP, role=3))) == [0x6982]
    assert established(certificate_command(certificate(SM_DP, role=3)), aid=None) == [0x6982]


@pytest.mark.parametrize(
    "second",
    [
        key_command(key_parameters(), signer=SM_SR),
        key_command(key_parameters(), challenge=bytes(16)),
        key_command(key_parameters(), signature=bytes(64)),
        key_command(key_parameters(), signature=bytes(63)),
        key_command(key_parameters(), signature=b""),
    ],
)
def test_row_35_wrong_signature_and_the_challenge_is_void(second: bytes) -> None:
    bench = Bench.of()
    bench.run(create(ISDP1))
    bench.https_run(for_personalization(ISDP1), certificate_command(CERT_DP))
    assert bench.https_run(second) == [(b"", 0x6982)]
    assert bench.https_run(key_command(key_parameters())) == [(b"", 0x6985)]
    assert bench.https_run(certificate_command(CERT_DP)) == [(H("8510") + RC, 0x9000)]
    assert bench.https_run(key_command(key_parameters()))[0][1] == 0x9000


@pytest.mark.parametrize(
    "ephemeral",
    [
        NOT_ON_CURVE,
        point(EPH_DP)[1:],
        b"\x02" + point(EPH_DP)[1:33],
        b"\x06" + point(EPH_DP)[1:],
        point(EPH_DP)[:-1],
        b"\x04" + bytes(64),
    ],
)
def test_row_36_ephemeral_key_that_is_no_point(ephemeral: bytes) -> None:
    second = key_command(key_parameters(), ephemeral=ephemeral)
    assert established(certificate_command(CERT_DP), second) == [0x9000, 0x6A80]


@pytest.mark.parametrize(
    "crt",
    [
        key_parameters(scenario=4),
        key_parameters(options=0x01),
        key_parameters(options=0x19),
        key_parameters(extra=H("9700")),
        key_parameters(extra=H("450101")),
        key_parameters().replace(H("950110"), H("95015C")),
        key_parameters().replace(H("800188"), H("800180")),
        H("A603900203"),
        H("A700"),
    ],
)
def test_row_37_bad_key_parameters(crt: bytes) -> None:
    assert established(certificate_command(CERT_DP), key_command(crt)) == [0x9000, 0x6A80]


@pytest.mark.parametrize("kvn", [0x00, 0x01, 0x0F, 0x2F, 0x40, 0x70])
def test_row_38_key_version_outside_the_range_of_an_isdp(kvn: int) -> None:
    assert established(certificate_command(CERT_DP), key_command(key_parameters(kvn))) == [0x9000, 0x6A80]


@pytest.mark.parametrize("kvn", [0x00, 0x10, 0x30, 0x40])
def test_row_38_key_version_outside_the_range_of_the_isdr(kvn: int) -> None:
    second = key_command(key_parameters(kvn), signer=SM_SR)
    assert established(certificate_command(CERT_SR), second, aid=None) == [0x9000, 0x6A80]


def test_row_39_key_establishment_without_install() -> None:
    assert established(certificate_command(CERT_DP), key_command(key_parameters()), aid=None) == [0x6985, 0x6985]
    assert Bench.of().run(for_personalization(ISDP1)) == [(b"", 0x6A88)]


def test_identities_of_the_host_are_bound_to_this_card() -> None:
    good = key_parameters(options=0x0D, extra=ber("45", H("45000001")) + ber("84", b"HOST"))
    wrong = key_parameters(options=0x0D, extra=ber("45", H("45000002")) + ber("84", b"HOST"))
    missing = key_parameters(options=0x0D)
    for crt, sw in ((good, 0x9000), (wrong, 0x6A80), (missing, 0x6A80)):
        assert established(certificate_command(CERT_DP), key_command(crt)) == [0x9000, sw]


# --- SCP03t ---------------------------------------------------------------------------------------


def test_row_40_no_keys_and_the_rest_of_the_script_is_not_processed() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1))
    host = Host(*REFERENCE_KEYS)
    assert tlvs(bench, host.initialize_tlv(), host.authenticate_tlv()) == H("9F440103")
    bench = personalized()
    other = Host(*REFERENCE_KEYS, kvn=0x31)
    assert tlvs(bench, other.initialize_tlv()) == H("9F440103")
    assert tlvs(bench, H("840A0000") + host.challenge)[:2] == H("8420")


@pytest.mark.parametrize(
    ("item", "answer"),
    [
        ("84093000112233445566", "9F440101"),
        ("840A30011122334455667788", "9F440101"),
        ("8400", "9F440101"),
        ("8510" + "33" + "00" * 15, "9F450101"),
        ("8500", "9F450101"),
        ("8600", "9F460101"),
        ("8608" + "00" * 8, "9F460101"),
        ("8617" + "00" * 23, "9F460101"),
        ("8619" + "00" * 25, "9F460101"),
    ],
)
def test_row_41_bad_lengths(item: str, answer: str) -> None:
    assert tlvs(personalized(), H("840A30001122334455667788" if answer[3] != "4" else ""), H(item))[-4:] == H(
        answer
    )


def test_row_42_wrong_host_cryptogram_or_mac() -> None:
    for at in (3, -1):
        bench = personalized()
        host = Host(*REFERENCE_KEYS)
        bad = bytearray(host.authenticate_tlv())
        bad[at] ^= 1
        assert tlvs(bench, host.initialize_tlv(), bytes(bad))[-4:] == H("9F450102")
        assert tlvs(bench, host.authenticate_tlv()) == H("9F450102")  # the session is gone
        again = Host(*REFERENCE_KEYS, sequence=2)  # a failed attempt has used up its counter value
        assert tlvs(bench, again.initialize_tlv(), again.authenticate_tlv())[2:34] == again.initialize_answer()


def test_row_42_wrong_host_cryptogram_under_a_right_mac() -> None:
    """Whoever has K-MAC alone could make this one."""
    bench = personalized()
    host = Host(*REFERENCE_KEYS)
    host.cryptogram = bytes(8)
    assert tlvs(bench, host.initialize_tlv(), host.authenticate_tlv())[-4:] == H("9F450102")
    host = Host(*REFERENCE_KEYS, sequence=2)
    host.cryptogram = bytes(8)
    answers = bench.https_run(host.initialize_apdu(), host.authenticate_apdu(), target=ISDP1)
    assert answers[1] == (b"", 0x6982)


@pytest.mark.parametrize("bad", ["8608" + "00" * 8, "8511" + "33" + "00" * 16, "8400"])
def test_row_43_any_error_ends_the_session(bad: str) -> None:
    bench = personalized()
    host = Host(*REFERENCE_KEYS)
    tlvs(bench, host.initialize_tlv(), host.authenticate_tlv())
    tlvs(bench, H(bad))
    assert tlvs(bench, host.segment(b"\xa0")) == (H("8600") if bad == "8400" else H("9F460102"))


def test_row_43_segment_without_session_or_with_a_wrong_mac() -> None:
    bench = personalized()
    host = Host(*REFERENCE_KEYS)
    host.authenticate_tlv()
    assert tlvs(bench, host.segment(b"x")) == H("9F460102")
    host = Host(*REFERENCE_KEYS)
    assert tlvs(bench, host.initialize_tlv(), host.authenticate_tlv())[-2:] == H("8500")
    bad = bytearray(host.segment(H("A0")))
    bad[-1] ^= 1
    good = host.segment(H("A0"))
    assert tlvs(bench, bytes(bad), good) == H("9F460102")
    assert tlvs(bench, good) == H("9F460102")


def test_row_43_segments_out_of_order_or_repeated() -> None:
    for order in ((1, 0), (0, 0)):
        bench = personalized()
        host = Host(*REFERENCE_KEYS)
        tlvs(bench, host.initialize_tlv(), host.authenticate_tlv())
        pieces = [host.segment(H("A010")), host.segment(bytes(8))]
        answers = [tlvs(bench, pieces[at]) for at in order]
        assert answers[-1] == H("9F460102")


def test_row_43_unauthenticated_session() -> None:
    bench = personalized()
    host = Host(*REFERENCE_KEYS)
    tlvs(bench, host.initialize_tlv())
    host.authenticate_tlv()
    assert tlvs(bench, host.segment(H("A0"))) == H("9F460102")


def test_row_44_segment_of_more_than_1024_bytes() -> None:
    bench = personalized()
    host = Host(*REFERENCE_KEYS)
    tlvs(bench, host.initialize_tlv(), host.authenticate_tlv())
    largest = host.segment(b"\xa0\x82\x10\x00" + bytes(1003))
    assert len(largest) == 1020
    assert tlvs(bench, largest) == H("8600")
    too_long = host.segment(bytes(1024))
    assert len(too_long) == 1052
    assert tlvs(bench, too_long) == H("9F460101")
    relaxed = personalized(segment_tlv=1100)
    host = Host(*REFERENCE_KEYS)
    tlvs(relaxed, host.initialize_tlv(), host.authenticate_tlv())
    assert tlvs(relaxed, host.segment(b"\xa0\x82\x10\x00" + bytes(1020))) == H("8600")


def test_row_45_other_security_level() -> None:
    bench = personalized()
    host = Host(*REFERENCE_KEYS)
    bad = bytearray(host.authenticate_tlv())
    bad[2] = 0x13
    assert tlvs(bench, host.initialize_tlv(), bytes(bad))[-4:] == H("9F450101")


@pytest.mark.parametrize("tag", ["87", "88", "89"])
def test_row_46_tlvs_this_card_does_not_know(tag: str) -> None:
    bench = personalized()
    host = Host(*REFERENCE_KEYS)
    answer = tlvs(bench, host.initialize_tlv(), host.authenticate_tlv(), H(tag + "18") + bytes(24))
    assert answer[-3:] == H("900101")


def final(bench: Bench, made: bytes, aid: bytes = ISDP1) -> str:
    return bench.download(made, aid).hex().upper()


@pytest.mark.parametrize("made", ["00" * 20, "3000", "A080", "A1058003000000"])
def test_row_47_bytes_that_are_no_profile(made: str) -> None:
    bench = personalized()
    answer = final(bench, H(made))
    assert "800105" in answer
    assert answer.endswith("8100")
    assert bench.card.profiles()[0]["state"] == 0x0F


def test_row_47_a_new_download_is_possible_after_the_failure() -> None:
    bench = personalized()
    final(bench, bytes(20))
    host = Host(*REFERENCE_KEYS, sequence=2)
    tlvs(bench, host.initialize_tlv(), host.authenticate_tlv())
    for piece in host.segments(package()):
        answer = tlvs(bench, piece)
    assert host.read_final(answer) == H("3007A0053003800100")
    assert bench.card.profiles()[0]["state"] == 0x1F


def test_row_48_profile_larger_than_the_quota() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1, 5000))
    bench.establish()
    answer = final(bench, package())
    assert "800104" in answer
    assert answer.endswith("8100")
    assert bench.card.profiles()[0]["iccid"] is None


def test_row_48_an_element_that_never_ends_is_given_up() -> None:
    bench = Bench.of()
    bench.run(create(ISDP1, 5000))
    bench.establish()
    host = Host(*REFERENCE_KEYS)
    tlvs(bench, host.initialize_tlv(), host.authenticate_tlv())
    for piece in host.segments(b"\xa0\x83\x08\x00\x00" + bytes(11_000)):
        answer = tlvs(bench, piece)
        if answer != H("8600"):
            break
    assert host.read_final(answer) == H("3009A00530038001048100")


def test_row_49_mandated_element_that_is_not_supported() -> None:
    made = package()
    unknown = H("AB07A0058000810163")
    split = made.rindex(b"\xaa\x07")
    bench = personalized()
    answer = final(bench, made[:split] + unknown + made[split:])
    assert "800101" in answer
    assert answer.endswith("8100")
    assert bench.card.profiles()[0]["iccid"] is None


def test_row_50_unsupported_version_of_the_format() -> None:
    made = package().replace(H("800102810101"), H("800109810101"), 1)
    answer = final(personalized(), made)
    assert "80011F" in answer
    assert answer.endswith("8100")


def test_row_51_download_to_an_isdp_with_a_profile() -> None:
    bench = personalized()
    made = package()
    assert final(bench, made) == "3007A0053003800100"
    host = Host(*REFERENCE_KEYS, sequence=2)
    tlvs(bench, host.initialize_tlv(), host.authenticate_tlv())
    answer = tlvs(bench, host.segment(made[:1007]))
    assert host.read_final(answer) == H("3009A00530038001058100")
    assert tlvs(bench, host.segment(made[1007:2014])) == H("9F460102")


# --- SCP03 in APDU mode ---------------------------------------------------------------------------


def opened() -> tuple[Bench, Host]:
    bench = personalized()
    host = Host(*REFERENCE_KEYS)
    answers = bench.https_run(host.initialize_apdu(), host.authenticate_apdu(), target=ISDP1)
    assert answers == [(host.initialize_answer(), 0x9000), (b"", 0x9000)]
    return bench, host


def test_row_52_put_key_with_a_wrong_check_value() -> None:
    bench, host = opened()
    put = H("708811102AAD9C07418A45BA2D79B8F209A1724F03DCC3AD")
    assert bench.https_run(host.wrap("84D80001", put), target=ISDP1) == [(b"", 0x9485)]
    assert bench.card.dump()["isdps"][0]["token_key"] is None
    bench = Bench.of()
    command = H(
        "80D800812F41851110FA46D82069582520ABAE96EE3392F7E003F2A8DF881110931B24CEB4E3202A9150A3AAAB16089403D7D0E500"
    )
    assert bench.run(command) == [(b"", 0x9485)]
    assert [item["kvn"] for item in bench.card.dump()["isdr"]["scp81"]] == [0x40]


def test_put_key_in_a_session_is_under_the_dek_of_the_sessions_key_set() -> None:
    """The key set that protects the session, not the one that protects packets (8.4)."""
    keys = image()["isdr"]
    deks = {name: bytes.fromhex(keys[name][0]["dek"]) for name in ("scp80", "scp81")}
    assert deks["scp80"] != deks["scp81"]
    fresh = bytes(range(0x50, 0x60)), bytes(range(0x60, 0x70))
    answers = {}
    for name, dek in deks.items():
        polling = image()
        polling["isdr"]["https"] |= {"poll": 600}
        bench = Bench.of(polling)
        assert bench.card.tick(601.0), "it opens a session of its own"
        body = bytearray(b"\x41")
        for kind, key in zip((0x85, 0x88), fresh, strict=True):
            cipher = Cipher(AES(dek), CBC(bytes(16))).encryptor()
            check = Cipher(AES(key), ECB()).encryptor().update(b"\x01" * 16)[:3]
            body += bytes((kind, 0x11, 0x10)) + cipher.update(key) + b"\x03" + check
        answers[name] = bench.https_run(b"\x80\xd8\x40\x81" + bytes((len(body),)) + bytes(body) + b"\x00")
        state = bench.card.dump()["isdr"]["scp81"]
        assert [item["kvn"] for item in state] == ([0x41] if name == "scp81" else [0x40])
    assert answers["scp80"] == [(b"", 0x9485)]
    assert answers["scp81"][0][1] == 0x9000


def test_row_53_put_key_of_an_unsupported_type() -> None:
    bench, host = opened()
    put = H("708011102AAD9C07418A45BA2D79B8F209A1724F03DCC3AC")
    assert bench.https_run(host.wrap("84D80001", put), target=ISDP1) == [(b"", 0x9484)]
    put = H("308811102AAD9C07418A45BA2D79B8F209A1724F03DCC3AC")
    assert bench.https_run(host.wrap("84D80001", put), target=ISDP1) == [(b"", 0x6A80)]


def test_row_53a_wrong_host_cryptogram_and_then_a_secured_command() -> None:
    bench = personalized()
    host = Host(*REFERENCE_KEYS)
    bad = bytearray(host.authenticate_apdu())
    bad[5] ^= 1
    assert bench.https_run(host.initialize_apdu(), bytes(bad), target=ISDP1)[1] == (b"", 0x6982)
    assert bench.https_run(host.wrap("84E28800", H("0070")), target=ISDP1) == [(b"", 0x6985)]


def test_row_53a_wrong_c_mac_or_replay() -> None:
    body = H("00700742054953445001")
    for step in ("mac", "replay", "header"):
        bench, host = opened()
        wrapped = bytearray(host.wrap("84E28800", body))
        if step == "replay":
            assert bench.https_run(bytes(wrapped), target=ISDP1)[0][1] == 0x9000
        else:
            wrapped[-1 if step == "mac" else 3] ^= 1
        assert bench.https_run(bytes(wrapped), target=ISDP1) == [(b"", 0x6982)]
        assert bench.https_run(host.wrap("84E28800", body), target=ISDP1) == [(b"", 0x6985)]


def test_row_53a_initialize_update_where_there_is_no_scp03_or_no_key() -> None:
    bench = personalized()
    apdu = Host(*REFERENCE_KEYS).initialize_apdu()
    assert bench.https_run(apdu, target=ISDR) == [(b"", 0x6A80)]
    assert bench.https_run(apdu[:2] + b"\x31" + apdu[3:], target=ISDP1) == [(b"", 0x6A88)]
    assert bench.https_run(H("80E288000A00700742054953445001"), target=ISDP1) == [(b"", 0x6982)]


def test_commands_of_the_sm_dp_without_a_profile() -> None:
    bench, host = opened()
    connectivity = H("3A070BA0090607913306896745F3")
    assert bench.https_run(host.wrap("84E28800", connectivity), target=ISDP1) == [(b"", 0x6985)]
