"""SGP.02 2.3, 5.1.1.3: what the card maker delivers: certificates, EIS with its signature, images, the HLR's
list.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from Cryptodome.Cipher import AES
from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import ECC
from Cryptodome.Signature import DSS
from lxml import etree

from ferryman_sim.__main__ import build_parser, main
from ferryman_sim.card.state import load_state
from ferryman_sim.card_maker import batch, cards, command, der, eid, gp_cert
from ferryman_sim.card_maker.eis import DS, RPS, canonical
from shared_data import shared

NS = {"rps": RPS, "ds": DS}
ARGUMENTS = ["--count", "2", "--seed", "7", "--smsr-address", "+33600000001", "--https-host", "sr.example"]


def produce(*more: str) -> batch.Batch:
    args = build_parser().parse_args(["card-maker", "make", "--out", "unused", *ARGUMENTS, *more])
    return batch.produce(command.order_from(args))


def requests_of(made: batch.Batch) -> list[Any]:
    root = etree.fromstring(made.delivery)
    assert root.tag == "{urn:ferryman:eis-delivery:1}EISDelivery"
    return list(root)


def text(element: Any, path: str) -> str:
    found = element.find(path, NS)
    assert found is not None, path
    return str(found.text or "")


def tlvs(data: bytes) -> list[tuple[int, bytes]]:
    """BER TLVs with one or two tag octets."""
    found, at = [], 0
    while at < len(data):
        tag, at = data[at], at + 1
        if tag & 0x1F == 0x1F:
            tag, at = tag << 8 | data[at], at + 1
        size, at = data[at], at + 1
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        found.append((tag, data[at : at + size]))
        at += size
    assert at == len(data)
    return found


def verify_raw(point: bytes, message: bytes, signature: bytes) -> bool:
    key = ECC.construct(
        curve="P-256", point_x=int.from_bytes(point[1:33], "big"), point_y=int.from_bytes(point[33:], "big")
    )
    try:
        DSS.new(key, "fips-186-3").verify(SHA256.new(message), signature)
    except ValueError:
        return False
    return True


def eis_signature_holds(message: Any) -> bool:
    info = message.find(".//rps:EumSignedInfo", NS)
    signed = message.find(".//ds:SignedInfo", NS)
    digest = base64.b64encode(hashlib.sha256(canonical(info)).digest()).decode()
    certificate = ECC.import_key(base64.b64decode(text(message, ".//ds:X509Certificate")))
    point = b"\x04" + int(certificate.pointQ.x).to_bytes(32, "big") + int(certificate.pointQ.y).to_bytes(32, "big")
    value = base64.b64decode(text(message, ".//ds:SignatureValue"))
    return text(message, ".//ds:DigestValue") == digest and verify_raw(point, canonical(signed), value)


@pytest.fixture(scope="module")
def made() -> batch.Batch:
    return produce()


def test_same_seed_same_bytes_other_seed_other_cards(made: batch.Batch) -> None:
    again = produce()
    assert again.delivery == made.delivery
    assert [cards.image(c) for c in again.cards] == [cards.image(c) for c in made.cards]
    other = produce("--seed", "8")
    assert not {c.eid for c in other.cards} & {c.eid for c in made.cards}


def test_eid_check_digits() -> None:
    assert eid.complete("890490321234567890123456789012") == "89049032123456789012345678901203"
    assert eid.is_valid("89001012012341234012345678901224")
    assert not eid.is_valid("89001012012341234012345678901225")
    assert eid.luhn("899901000000000018") == "8999010000000000185"


def test_cards_have_valid_and_distinct_identities(made: batch.Batch) -> None:
    assert all(eid.is_valid(c.eid) for c in made.cards)
    for field in ("iccid", "imsi", "msisdn"):
        assert len({getattr(c.subscription, field) for c in made.cards}) == 2
    assert [len(c.subscription.iccid) for c in made.cards] == [19, 19]
    assert [len(c.imei) for c in made.cards] == [15, 15]
    assert len({key for c in made.cards for _, _, key in c.scp80.keys + c.scp81.keys}) == 10


def test_requests_validate_against_the_schema(made: batch.Batch) -> None:
    schema = etree.XMLSchema(etree.parse(shared("reference", "sgp02-messaging.xsd")))
    for message in requests_of(made):
        schema.assertValid(etree.fromstring(etree.tostring(message)))


def test_eum_signature_holds_in_the_file_and_on_its_own(made: batch.Batch) -> None:
    for message in requests_of(made):
        reference = message.find(".//ds:Reference", NS)
        assert reference.get("URI") is None
        assert eis_signature_holds(message)
        assert eis_signature_holds(etree.fromstring(etree.tostring(message)))


def test_isdr_keys_are_under_the_transport_key_with_the_clear_keys_kcv(made: batch.Batch) -> None:
    unwrap = AES.new(made.transport_key, AES.MODE_ECB)
    for card, message in zip(made.cards, requests_of(made), strict=True):
        clear = {key for _, _, key in card.scp80.keys + card.scp81.keys}
        shown = set()
        for key in message.iterfind(".//rps:Isd-r/rps:Keyset/rps:Key", NS):
            value = bytes.fromhex(key.find("rps:KeyComponents", NS).get("value"))
            plain = unwrap.decrypt(value)
            shown.add(plain)
            assert key.get("kcv") == AES.new(plain, AES.MODE_ECB).encrypt(b"\x01" * 16)[:3].hex().upper()
        assert shown == clear
        assert not any(key.hex().upper().encode() in made.delivery for key in clear)


def test_kcv_of_the_reference_example() -> None:
    assert cards.kcv(bytes.fromhex("505152535455565758595A5B5C5D5E5F")).hex().upper() == "F2A8DF"


def test_ecasd_certificate_is_the_eums_for_this_eid(made: batch.Batch) -> None:
    for card in made.cards:
        [(tag, content)] = tlvs(card.ecasd_certificate)
        assert tag == 0x7F21
        fields = dict(tlvs(content))
        assert fields[0x5F20].hex() == card.eid
        assert fields[0x42] == der.oid_content("1.3.6.1.4.1.99999.40")
        assert fields[0x95] == b"\x00\x80"
        signed = content[: content.rindex(b"\x5f\x37\x40")]
        assert verify_raw(command_point(made.eum.key), signed, fields[0x5F37])
        point = dict(tlvs(fields[0x7F49]))[0xB0]
        own = ECC.construct(curve="P-256", d=int.from_bytes(card.ecasd_key, "big")).pointQ
        assert point == b"\x04" + int(own.x).to_bytes(32, "big") + int(own.y).to_bytes(32, "big")


def command_point(key: Any) -> bytes:
    return b"\x04" + int(key.pointQ.x).to_bytes(32, "big") + int(key.pointQ.y).to_bytes(32, "big")


def test_image_has_the_agreed_keys(made: batch.Batch) -> None:
    image = json.loads(json.dumps(cards.image(made.cards[0])))
    assert set(image) == {"eid", "imei", "isdr", "ecasd", "memory", "profiles", "limits", "quirks"}
    assert set(image["isdr"]) == {"aid", "sin", "sdin", "scp80", "scp81", "smsr_address", "https"}
    assert set(image["ecasd"]) == {"sk", "cert", "ci_pk", "sin", "sdin"}
    assert set(image["profiles"][0]) == {"isdp_aid", "state", "fallback", "package"}
    assert image["isdr"]["scp80"][0]["kvn"] == 1
    assert image["isdr"]["scp81"][0]["kvn"] == 0x40
    assert image["ecasd"]["ci_pk"] == command_point(made.ci.key).hex().upper()
    aid = "//se-id/eid/{};//aa-id/aid/A000000559/1010FFFFFFFF8900000100"
    assert image["isdr"]["https"]["agent_id"] == aid.format(image["eid"])


def test_certificate_of_the_reference_example() -> None:
    content = gp_cert.Content(
        serial=bytes.fromhex("0102030405"),
        authority=bytes.fromhex("0A0B0C0D"),
        subject=bytes.fromhex("534D445001"),
        usage=gp_cert.USAGE_SIGNATURE_VERIFICATION,
        public_key=bytes.fromhex(
            "049A75559FC8892643277C0148E5F1A90D61B896C0FA76FB52F2AD792A03D48BD0"
            "41A33E7D14E836DDC7CC779D4EC83C2364E88C5A6E1CE7F2E7FAF43166113B3C"
        ),
        effective=command.PRODUCTION.date().replace(month=1, day=1),
        expires=command.PRODUCTION.date().replace(year=2039, month=12, day=31),
        role=gp_cert.Role.DP,
    )
    scalar = 0x48A33F219ED0C4D8D1AC3858C56EB9B60D85BE2B9A949F16EE63FBF3E6CB72CF
    made = gp_cert.issue(content, ECC.construct(curve="P-256", d=scalar)).hex().upper()
    assert made == (
        "7F2181CD9305010203040542040A0B0C0D5F2005534D4450019501885F2504202401015F240420391231"
        "7319C80101C91485CA33B37ADB38CA83F8C67B3A822BC66DB72B637F4946B041"
        "049A75559FC8892643277C0148E5F1A90D61B896C0FA76FB52F2AD792A03D48BD0"
        "41A33E7D14E836DDC7CC779D4EC83C2364E88C5A6E1CE7F2E7FAF43166113B3CF00100"
        "5F3740FDC92763957E496F4421DC3586DC911A95EA466C3706A980A0FBCE786FAEDCBE"
        "C0C489A50EDE84D1E0C918B22A44729C653A67D7972F63A207DFCD610FF7C463"
    )


@pytest.mark.parametrize(
    ("defect", "breaks_signature"),
    [("eum-signature", True), ("eum-info", True), ("eid-check-digits", False), ("eum-not-under-ci", False)],
)
def test_defects_hit_only_the_named_card(defect: str, breaks_signature: bool) -> None:
    bad = requests_of(produce("--defect", f"{defect}:2"))
    good = requests_of(produce())
    assert etree.tostring(bad[0]) == etree.tostring(good[0])
    assert etree.tostring(bad[1]) != etree.tostring(good[1])
    assert eis_signature_holds(bad[1]) is not breaks_signature


def test_defect_eid_has_wrong_check_digits() -> None:
    [first, _] = requests_of(produce("--defect", "eid-check-digits:1"))
    assert not eid.is_valid(text(first, ".//rps:Eid"))


def test_defects_of_the_ecasd_certificate() -> None:
    stranger, other = produce("--defect", "ecasd-not-under-eum"), produce("--defect", "ecasd-other-eid")
    content = tlvs(stranger.cards[0].ecasd_certificate)[0][1]
    signed, signature = content[: content.rindex(b"\x5f\x37\x40")], content[-64:]
    assert not verify_raw(command_point(stranger.eum.key), signed, signature)
    fields = dict(tlvs(tlvs(other.cards[0].ecasd_certificate)[0][1]))
    assert fields[0x5F20].hex() == other.cards[1].eid
    assert eis_signature_holds(requests_of(stranger)[0])
    assert eis_signature_holds(requests_of(other)[0])


def test_properties_given_on_the_command_line() -> None:
    made = produce(
        "--memory",
        "20000",
        "--platform-type",
        "T9",
        "--remote-provisioning-version",
        "4.2.0",
        "--smsr-id",
        "1.2.3",
    )
    [message, _] = requests_of(made)
    assert text(message, ".//rps:AvailableMemoryForProfiles") == "20000"
    assert text(message, ".//rps:PlatformType") == "T9"
    assert text(message, ".//rps:RemoteProvisioningVersion") == "4.2.0"
    assert text(message, ".//rps:Smsr-id") == "1.2.3"
    assert cards.image(made.cards[0])["memory"]["nvm"] == 20000


def test_memory_of_eis_and_card_agree() -> None:
    made = produce("--memory", "20000")
    [message, _] = requests_of(made)
    card = load_state(cards.image(made.cards[0]))
    assert text(message, ".//rps:RemainingMemory") == str(card.free_nvm())
    assert text(message, ".//rps:AllocatedMemory") == str(card.isdps[0].reserved)


def test_cards_without_https_say_so() -> None:
    args = build_parser().parse_args(
        ["card-maker", "make", "--out", "x", "--count", "1", "--seed", "7", "--smsr-address", "33600000001"]
    )
    made = batch.produce(command.order_from(args))
    assert cards.image(made.cards[0])["isdr"]["https"] is None
    assert text(requests_of(made)[0], ".//rps:HttpSupport") == "false"


def test_files_and_their_modes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card-maker", "make", "--out", str(tmp_path), *ARGUMENTS]) == 0
    assert json.loads(capsys.readouterr().out)["cards"] == 2
    public = {"ci.pem", "eum.pem", "eis.xml", "batch.json"}
    for path in tmp_path.rglob("*"):
        if path.is_file():
            open_to_others = bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
            assert open_to_others is (path.name in public), path.name
    rows = list(csv.DictReader(io.StringIO((tmp_path / "subscriptions.csv").read_text())))
    assert list(rows[0]) == ["ICCID", "IMSI", "MSISDN", "KI", "OPC", "KIC", "KID", "KIK"]
    facts = json.loads((tmp_path / "batch.json").read_text())
    assert [row["MSISDN"] for row in rows] == [card["msisdn"] for card in facts["cards"]]
    assert {path.stem for path in (tmp_path / "cards").iterdir()} == {card["eid"] for card in facts["cards"]}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_openssl_accepts_the_chain_and_rejects_the_stranger(tmp_path: Path) -> None:
    batch.write(produce(), tmp_path)
    chain = ["openssl", "verify", "-x509_strict", "-CAfile", str(tmp_path / "ci.pem")]
    assert subprocess.run([*chain, str(tmp_path / "eum.pem")], capture_output=True, check=False).returncode == 0
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(tmp_path / "eum.pem"), "-noout", "-text"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert "Registered ID:1.3.6.1.4.1.99999.40" in shown
    assert "pathlen:0" in shown
    [message, _] = requests_of(produce("--defect", "eum-not-under-ci"))
    stranger = tmp_path / "stranger.der"
    stranger.write_bytes(base64.b64decode(text(message, ".//ds:X509Certificate")))
    refused = subprocess.run([*chain, str(stranger)], capture_output=True, check=False)
    assert refused.returncode != 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_certify_signs_a_key_made_by_openssl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch.write(produce(), tmp_path)
    private, public = tmp_path / "dp.pem", tmp_path / "dp.pub"
    generate = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(private)]
    subprocess.run(generate, capture_output=True, check=True)
    export = ["openssl", "ec", "-in", str(private), "-pubout", "-out", str(public)]
    subprocess.run(export, capture_output=True, check=True)
    arguments = [
        "--out-dir",
        str(tmp_path),
        "--public-key",
        str(public),
        "--role",
        "sr",
        "--subject-id",
        "534D5352",
    ]
    assert main(["card-maker", "certify", *arguments]) == 0
    path = Path(json.loads(capsys.readouterr().out)["certificate"])
    content = tlvs(bytes.fromhex(path.read_text()))[0][1]
    fields = dict(tlvs(content))
    ci = ECC.import_key((tmp_path / "ci-key.pem").read_text())
    assert verify_raw(command_point(ci), content[: content.rindex(b"\x5f\x37\x40")], fields[0x5F37])
    assert dict(tlvs(fields[0x73]))[0xC8] == b"\x02"
    assert fields[0x5F20] == b"SMSR"
    assert dict(tlvs(fields[0x7F49]))[0xB0] == command_point(ECC.import_key(public.read_text()))


def test_certify_refuses_what_is_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch.write(produce(), tmp_path)
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    arguments = ["--out-dir", str(tmp_path), "--public-key", str(wrong), "--role", "dp", "--subject-id", "01"]
    assert main(["card-maker", "certify", *arguments]) == 2
    assert "wrong.pem" in capsys.readouterr().err


def test_personalities_by_card() -> None:
    """The EIS tells them apart by the platform alone; the images hold what the cards do."""
    made = produce("--personality", "strict", "--personality", "recorded:2")
    assert [card.personality.name for card in made.cards] == ["strict", "recorded"]
    platforms = [text(request, ".//rps:PlatformType") for request in requests_of(made)]
    assert platforms == ["ferryman-sim-strict", "ferryman-sim-recorded"]
    for card in made.cards:
        image = cards.image(card)
        assert image["quirks"] == card.personality.quirks
        assert image["limits"] == card.personality.limits
        assert load_state(image).quirks == card.personality.quirks
    named = produce("--personality", "strict", "--platform-type", "mine", "--platform-version", "7")
    assert text(requests_of(named)[0], ".//rps:PlatformType") == "mine"
    plain = produce()
    assert cards.image(plain.cards[0])["quirks"] == {}
    assert text(requests_of(plain)[0], ".//rps:PlatformType") == "ferryman-sim"
    with pytest.raises(SystemExit):
        produce("--personality", "friendly")


def test_spare_profiles_stand_on_the_card_and_in_its_eis() -> None:
    made = produce("--spares", "2", "--spare-smdp-id", "1.3.6.1.4.1.99999.10")
    (first, _) = requests_of(made)
    assert [each.text for each in first.iterfind(".//rps:Smdp-id", NS)] == ["1.3.6.1.4.1.99999.10"] * 2
    assert requests_of(produce("--spares", "1"))[0].find(".//rps:Smdp-id", NS) is None
    found = first.findall(".//rps:ProfileInfo", NS)
    assert [text(each, "rps:State") for each in found] == ["Enabled", "Disabled", "Disabled"]
    assert [text(each, "rps:FallbackAttribute") for each in found] == ["true", "false", "false"]
    assert len({text(each, "rps:Iccid") for each in found}) == 3
    state = load_state(cards.image(made.cards[0]))
    assert [item.aid.hex().upper() for item in state.isdps] == [text(each, "rps:Isd-p-aid") for each in found]
    assert [item.state for item in state.isdps] == [0x3F, 0x1F, 0x1F]
    assert text(first, ".//rps:RemainingMemory") == str(state.free_nvm())
    rows = list(csv.DictReader(io.StringIO(batch.subscriptions_csv(made.cards))))
    assert [row["ICCID"] for row in rows[:3]] == [text(each, "rps:Iccid") for each in found]
    keys = [bytes.fromhex(rows[1][name]) for name in ("KIC", "KID", "KIK")]
    profile = state.isdps[1].profile
    assert profile is not None
    assert [key.value for key in profile.mno_sd_keys] == keys
    other = requests_of(produce("--spares", "1", "--spare-enabled", "2"))
    states = [[text(each, "rps:State") for each in one.iterfind(".//rps:ProfileInfo", NS)] for one in other]
    assert states == [["Enabled", "Disabled"], ["Disabled", "Enabled"]]
    with pytest.raises(ValueError, match="--spare-enabled"):
        produce("--spare-enabled", "1")
    for bad in ("-1", "16"):
        with pytest.raises(ValueError, match="--spares"):
            produce("--spares", bad)


def test_polling_cards() -> None:
    image = cards.image(produce("--poll", "600", "--poll-uri", "/polling").cards[0])
    https = load_state(image).https
    assert https is not None
    assert (https.poll, https.poll_uri) == (600, "/polling")
    with pytest.raises(ValueError, match="--poll"):
        produce("--poll", "0")
