"""The simulated eUICC against the worked examples of the card reference (SGP.02 v3.2, sections 3 to 9)."""

from __future__ import annotations

import pytest

from ferryman_sim.card import Card, Refresh, SendSMS, notification
from ferryman_sim.card.core import Core
from ferryman_sim.card.state import load_state
from sim_card_host import REFERENCE_KEYS, Host
from sim_card_kit import Bench, entropy_of, image, two_profiles
from sim_card_wire import (
    CERT_DP,
    CERT_SR,
    ECASD,
    EPH_SR,
    ISDP1,
    ISDP2,
    ISDR,
    RC,
    SERVER,
    SM_SR,
    H,
    certificate_command,
    commands,
    key_command,
    key_parameters,
    point,
)

RECEIPT = H("6F39A4B22EE21E20B08D4655197ABC61")
SIGNATURE = (
    "E21DBBE4FD571B6CBA01AE805B704E8AB8BA6C702EA4F2219DD6CEBD867BC7A4"
    "CAE2848F821C017EE3FDB47E9E5EE83196C98A7423A4EA55C23712BE066E127D"
)
HEADER_PE = "A02A800102810103830A8999010000000000185FA50481008400A610060667810F010201060667810F010204"


def isdp_keys(bench: Bench, aid: bytes = ISDP1) -> list[tuple[str, ...]]:
    (found,) = [item for item in bench.card.dump()["isdps"] if item["aid"] == aid.hex().upper()]
    return [(key["enc"], key["mac"], key["dek"]) for key in found["keysets"]]


def test_create_isdp_with_and_without_quota() -> None:
    bench = Bench.of()
    plain = H(
        "80E60C003F10A0000005591010FFFFFFFF8900000D0010A0000005591010FFFFFFFF8900000E00"
        "10A0000005591010FFFFFFFF89000010000380C00006C904810203700000"
    )
    quota = H(
        "80E60C004710A0000005591010FFFFFFFF8900000D0010A0000005591010FFFFFFFF8900000E00"
        "10A0000005591010FFFFFFFF89000011000380C0000EC90481020370EF0683040000C0000000"
    )
    assert bench.run(plain) == [(b"\x00", 0x9000)]
    assert bench.run(quota) == [(b"\x00", 0x9000)]
    assert bench.run(H("80F24002084F005C044F9F708F")) == [
        (
            H("E31C4F10A0000005591010FFFFFFFF89000010009F7001078F0400000000")
            + H("E31C4F10A0000005591010FFFFFFFF89000011009F7001078F040000C000"),
            0x9000,
        )
    ]


def test_enable_profile_packet_and_its_proof_of_receipt() -> None:
    bench = Bench.of(image(profiles=two_profiles()))
    bench.run(H("80E28800153A05124F10A0000005591010FFFFFFFF890000110000"))
    dump = bench.card.dump()
    for item in dump["isdps"]:
        item["state"] = {0x3F: 0x1F, 0x1F: 0x3F}[item["state"]]
    dump["isdr"]["scp80"][0]["counter"] = 0x41
    card = Card.load(dump, 0.0)
    ud = H(
        "027000003815163912120000016786B5C0A140B171566643A448C3C2554E4E8883CA89A11DC43921C41BAFF10A"
        "E0E4A475B25EA1B9187149AA29085DE8"
    )
    por = H("02710000241200000128524B88AD0789E649BAB57725AD07314F3970A896AA5715ECF2FA025C28D987")
    assert card.sms_pp(ud, SERVER, 1.0) == [SendSMS(SERVER, (por,)), Refresh()]
    replay = H("0271000014120000019DEE0E79E1B80B3793E5B58ECFC9CE13")
    assert card.sms_pp(ud, SERVER, 2.0) == [SendSMS(SERVER, (replay,))]


def test_key_establishment_dialogue() -> None:
    bench = Bench.of()
    bench.run(
        H(
            "80E60C003F10A0000005591010FFFFFFFF8900000D0010A0000005591010FFFFFFFF8900000E00"
            "10A0000005591010FFFFFFFF89000010000380C00006C904810203700000"
        )
    )
    assert bench.https_run(H("80E6200016000010A0000005591010FFFFFFFF890000100000000000")) == [(b"\x00", 0x9000)]
    assert CERT_DP.hex().upper().startswith("7F2181CD9305010203040542040A0B0C0D5F2005534D445001950188")
    assert CERT_DP.hex().upper().endswith("653A67D7972F63A207DFCD610FF7C463")
    assert bench.https_run(certificate_command(CERT_DP)) == [(H("8510") + RC, 0x9000)]
    command = key_command(key_parameters())
    assert command.hex().upper().endswith(SIGNATURE + "00")
    assert bench.https_run(command) == [(H("8610") + RECEIPT, 0x9000)]
    assert isdp_keys(bench) == [tuple(key.hex().upper() for key in REFERENCE_KEYS)]
    assert bench.card.profiles()[0]["state"] == 0x0F


def test_key_establishment_with_derivation_random() -> None:
    bench = Bench.of(entropy=entropy_of(RC, bytes(range(0xD0, 0xE0))))
    created = H(
        "80E60C003F10A0000005591010FFFFFFFF8900000D0010A0000005591010FFFFFFFF8900000E00"
        "10A0000005591010FFFFFFFF89000010000380C00006C904810203700000"
    )
    bench.run(created)
    answer = bench.establish(crt=key_parameters(options=0x0B))
    assert answer == H("8510D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF8610C53CF1AA2BFEA1CDD0C231563CC87748")
    assert isdp_keys(bench) == [
        (
            "F6B2309FB392178C4BB6552EB9EE13EE",
            "62F1D08A690A427B3CE89E0D82767C9D",
            "C89E99FF2A512E9D16C067E8738AB9EA",
        )
    ]


def personalized() -> Bench:
    bench = Bench.of()
    bench.run(
        H(
            "80E60C003F10A0000005591010FFFFFFFF8900000D0010A0000005591010FFFFFFFF8900000E00"
            "10A0000005591010FFFFFFFF89000010000380C00006C904810203700000"
        )
    )
    bench.establish()
    return bench


def test_scp03t_dialogue_up_to_the_first_segment() -> None:
    bench = personalized()
    opened = bench.https(H("AE80840A30001122334455667788851133E4975921A06F69D97A5B6EBC354109FE0000"), ISDP1)
    assert opened == H("AF8084200000000000000000000030037001FE70926E9A1D32E99DA7218DD364EA00000185000000")
    segment = H(
        "863866BCE94898D82B3692DC89A07EF88F42394B0C722EC4E2EF969D585EB45595C8"
        "A80469703476F7D528B5836AD9BBA5AB631417F2CE01209C"
    )
    host = Host(*REFERENCE_KEYS)
    host.authenticate_tlv()
    assert host.segment(H(HEADER_PE)) == segment
    assert bench.https(b"\xae\x80" + segment + b"\x00\x00", ISDP1) == H("AF8086000000")


def test_scp03t_final_answer_of_the_example() -> None:
    from ferryman_sim.card import scp03, scp03t
    from ferryman_sim.card.tlv import read_tlv

    session, _ = scp03.initialize(*REFERENCE_KEYS[:2], 0x30, 1, ISDP1, H("1122334455667788"))
    scp03t.external_authenticate(session, read_tlv(H("851133E4975921A06F69D97A5B6EBC354109FE"))[0])
    host = Host(*REFERENCE_KEYS)
    host.authenticate_tlv()
    scp03t.open_segment(session, read_tlv(host.segment(H(HEADER_PE)))[0])
    end = H("86186F08ABDAE44C1CD93090CC2F5C3761E5BFF8E905336AE50A")
    assert scp03t.open_segment(session, read_tlv(end)[0]) == H("AA07A0058000810101")
    assert scp03t.seal_answer(session, H("3007A0053003800100")) == H(
        "861882D3AA74663FB3A9D1EE37745171A3E3EE0EE2B19945F122"
    )


def test_scp03_apdu_mode_update_of_connectivity_parameters() -> None:
    made = image(profiles=two_profiles())
    dump = Bench.of(made).card.dump()
    enc, mac_key, dek = (key.hex() for key in REFERENCE_KEYS)
    dump["isdps"][0]["keysets"] = [{"kvn": 0x30, "enc": enc, "mac": mac_key, "dek": dek, "sequence": 1}]
    bench = Bench(Card.load(dump, 0.0), counter=0x100)
    assert bench.https_run(H("8050300008887766554433221100"), target=ISDP1) == [
        (H("00000000000000000000300370E0473C07B86700281D64A7CF3BFA6FF8000002"), 0x9000)
    ]
    assert bench.https_run(H("84823300101F5D021C5898D564CC9D3AD3F1D03010"), target=ISDP1) == [(b"", 0x9000)]
    assert bench.https_run(H("84E28800189F68EB04FEFDF023E4A7F631DBB2A0E4BA8C7BAD466413F7"), target=ISDP1) == [
        (H("91416261B5E7BF04"), 0x9000)
    ]
    assert bench.card.smsc() == "+33609876543"


@pytest.mark.parametrize(
    ("quirks", "tag", "check"),
    [({}, "2F", "4341447C63C607B6"), ({"notification_kic": "00"}, "2F", "01C2663D94AF0581")],
)
def test_notification_packet(quirks: dict[str, str], tag: str, check: str) -> None:
    core = Core(load_state(image(quirks=quirks)), entropy_of(), 0.0)
    core.state.next_sequence = 7
    notifier = notification.Notifier(core)
    notifier.new(notification.CHANGE_SUCCEEDED, ISDP1)
    payload = (
        "E1354C10890490321234567890123456789012034D01024E020007"
        f"{tag}10A0000005591010FFFFFFFF890000100014083A15325476981032"
    )
    assert notifier.encode() == H(payload)
    kic = quirks.get("notification_kic", "10")
    ud = H(f"027000004D150200{kic}12000001000000000000{check}{payload}")
    assert notifier.send() == [SendSMS(SERVER, (ud,))]


def test_confirmation_that_deletes_a_profile() -> None:
    bench = Bench.of(image(profiles=two_profiles(pol1_first=4)))
    bench.run(H("80E28800153A03124F10") + ISDP2 + b"\x00")
    assert bench.after == [Refresh()]
    bench.card.attached(bench.now)
    sequence = bench.pending_sequence()
    assert sequence is not None
    script = H("AE80220D80E28900073A08044E02") + sequence.to_bytes(2) + H("000000")
    assert bench.https(script) == H("AF80231680124F10") + ISDP1 + H("90000000")
    assert [item["aid"] for item in bench.card.profiles()] == [ISDP2.hex().upper()]


def test_master_delete() -> None:
    dump = Bench.of(image(profiles=two_profiles())).card.dump()
    first, second = dump["isdps"]
    first["state"], first["fallback"], second["state"], second["fallback"] = 0x1F, False, 0x3F, True
    enc, mac_key, dek = (key.hex() for key in REFERENCE_KEYS)
    first["keysets"] = [{"kvn": 0x30, "enc": enc, "mac": mac_key, "dek": dek, "sequence": 0}]
    bench = Bench(Card.load(dump, 0.0), counter=0x100)
    host = Host(*REFERENCE_KEYS)
    bench.https_run(host.initialize_apdu(), host.authenticate_apdu(), target=ISDP1)
    for identity in ("42054953445001", "4509495344505344494E01", "5F200547534D4101"):
        body = H("0070") + bytes([len(H(identity))]) + H(identity)
        ((answer, sw),) = bench.https_run(host.wrap("84E28800", body), target=ISDP1)
        assert (host.read_answer(answer), sw) == (b"", 0x9000)
    put = H("708811102AAD9C07418A45BA2D79B8F209A1724F03DCC3AC")
    ((answer, sw),) = bench.https_run(host.wrap("84D80001", put), target=ISDP1)
    assert (host.read_answer(answer), sw) == (H("70DCC3AC"), 0x9000)
    command = H(
        "80E40040434F10A0000005591010FFFFFFFF8900001000B61D42054953445001"
        "4509495344505344494E015F200547534D41019301019E104D3BFD1F3DCF0981F38689CEBE5E04E400"
    )
    assert bench.run(command) == [(b"\x00", 0x9000)]
    assert [item["aid"] for item in bench.card.profiles()] == [ISDP2.hex().upper()]


def test_capability_audit() -> None:
    bench = Bench.of(image(memory={"nvm": 400_000, "ram": 8192}))
    free = (400_000).to_bytes(4).hex()
    assert bench.run(H("80CAFF2100")) == [(H(f"FF210D8101018204{free}83022000"), 0x9000)]
    ((data, sw),) = bench.run(H("80CABF30045C027F2100"))
    assert (data[:2], sw) == (H("BF30"), 0x9000)
    assert data.endswith(H(image()["ecasd"]["cert"]))
    assert point(ECASD) in data
    assert bench.run(H("80CABF30035C015A00")) == [(H("BF30125A10") + H(bench.card.eid), 0x9000)]
    assert bench.run(H("80CABF30035C016600"))[0][1] == 0x9000


def test_update_of_sms_addressing() -> None:
    bench = Bench.of()
    assert bench.run(H("80E288000F3A070CA30A81080B913316325476F800")) == [(b"", 0x9000)]
    assert bench.card.dump()["isdr"]["smsr_address"] == "+33612345678"
    assert bench.run(H("80E288000C3A0709A3078105068521436500")) == [(b"", 0x9000)]
    assert bench.card.dump()["isdr"]["smsr_address"] == "123456"


def test_put_key_of_an_scp81_key_set() -> None:
    bench = Bench.of(image())
    bench.card.dump()
    dump = bench.card.dump()
    dump["isdr"]["scp81"] = []
    bench = Bench(Card.load(dump, 0.0), counter=0x100)
    command = H(
        "80D800812F40851110FA46D82069582520ABAE96EE3392F7E003F2A8DF"
        "881110931B24CEB4E3202A9150A3AAAB16089403D7D0E400"
    )
    assert bench.run(command) == [(H("40F2A8DFD7D0E4"), 0x9000)]
    assert bench.card.dump()["isdr"]["scp81"] == [
        {
            "kvn": 0x40,
            "psk": "505152535455565758595A5B5C5D5E5F",
            "dek": "606162636465666768696A6B6C6D6E6F",
        }
    ]


def test_handover_key_set_and_finalise() -> None:
    challenge = bytes(range(0xB0, 0xC0))
    bench = Bench.of(entropy=entropy_of(challenge))
    first = certificate_command(CERT_SR)
    assert first.hex().upper().startswith("80E20900D43A01D17F2181CD9305010203040642040A0B0C0D5F2005534D535201")
    assert bench.https_run(first) == [(H("8510") + challenge, 0x9000)]
    second = key_command(key_parameters(2, 0x08), SM_SR, point(EPH_SR), challenge)
    signature = (
        "3363FD7D04DF012F3BC638CEF83316F51A7323522A81800972997049F6D9FF23"
        "BAAEA3EF928798341062666F58A740B4A0EB8373B8A61784B82D733551758CC0"
    )
    assert second.hex().upper().endswith(signature + "00")
    assert bench.https_run(second) == [(H("8610024D4E3BD4782203680AB5106303C36A"), 0x9000)]
    assert [item["kvn"] for item in bench.card.dump()["isdr"]["scp80"]] == [1, 2]
    new = H("D08B6EB4D21DDAE1B1EC7939543618B6"), H("3BAEB9E11389E6E0264FA654FA2A2D4A")
    actions = bench.send(bench.packet(commands(H("80E4000005F20302010300")), keys=new, kvn=2, counter=1))
    assert bench.open_por(actions[0], keys=new) == (1, 0, H("AB0780010123029000"))
    isdr = bench.card.dump()["isdr"]
    assert [item["kvn"] for item in isdr["scp80"]] == [2]
    assert isdr["scp80"][0]["dek"] == "F6F2AEED5E80FBCC9AFEEFEE7C402364"
    assert isdr["scp81"] == []
    assert bench.send(bench.packet(commands(H("80CAFF2100")))) == []  # the old keys are silent


def test_handover_example_with_delete_bit() -> None:
    challenge = bytes(range(0xB0, 0xC0))
    bench = Bench.of(entropy=entropy_of(challenge))
    bench.https_run(certificate_command(CERT_SR))
    answer = bench.https_run(key_command(key_parameters(2, 0x09), SM_SR, point(EPH_SR), challenge))
    assert answer == [(H("86105239910D3CCD0E720B7A8B70B92A0BEA"), 0x9000)]
    # "delete existing" only ever replaces the same version here: the old SM-SR still has to be heard.
    assert [item["kvn"] for item in bench.card.dump()["isdr"]["scp80"]] == [1, 2]


def test_disable_of_the_fallback_profile_by_https() -> None:
    profiles = two_profiles()
    profiles[0]["fallback"], profiles[1]["fallback"] = True, False
    bench = Bench.of(image(profiles=profiles))
    script = H("AE80221B80E28800153A04124F10A0000005591010FFFFFFFF890000100000") + b"\x00\x00"
    assert bench.https(script, ISDR) == H("AF80230269850000")
