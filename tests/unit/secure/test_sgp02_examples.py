"""Worked examples with keys of sgp02-euicc.md: section in the test names."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

import pytest

from ferryman.codec import euicc_response, isdr, ota_packet, ota_script, sms_tpdu
from ferryman.codec.apdu import CommandAPDU, ResponseAPDU
from ferryman.errors import PeerError
from ferryman.secure import certificate, ecka, kcv, kdf, scp03, scp03t, scp80

P1 = bytes.fromhex("A0000005591010FFFFFFFF8900001000")


def h(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


KIC, KID = bytes(range(0x10, 0x20)), bytes(range(0x20, 0x30))
DEK = bytes(range(0x30, 0x40))
ENC, MAC = h("54987D05DB14E28ED09EDB948EC684B4"), h("562DC75017C379F40FA654171AF0421D")
DEK_ISDP = h("09A50DE516060B4B352DC9ED0B547023")
STATIC = scp03.StaticKeys(ENC, MAC)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RC_DP = bytes(range(0xA0, 0xB0))
RC_SR = bytes(range(0xB0, 0xC0))


def private(name: str) -> bytes:
    return (int.from_bytes(hashlib.sha256(f"sgp02-ref {name}".encode()).digest()) % ORDER).to_bytes(32)


CI, DP, SR, ECASD = (private(name) for name in ("CI", "SM-DP", "SM-SR", "ECASD ECKA"))
EPH_DP, EPH_SR = private("eph DP"), private("eph SR")


def test_0_1_keys() -> None:
    assert h("48A33F219ED0C4D8D1AC3858C56EB9B60D85BE2B9A949F16EE63FBF3E6CB72CF") == CI
    assert ecka.public_key(ECASD) == h(
        "0491A87305F0AD273DBA2B99098FDF85579D88690671988DC6E3B8EB76D9EA7C35"
        "9066EC7695C096EB744E5C77F76727CFD2BCEBD01268418633015261CDEB7C9E"
    )


def test_3_7_token_and_key_wrapping() -> None:
    token_key = bytes(range(0x70, 0x80))
    token_input = isdr.master_delete_token_input(
        P1, sin=h("4953445001"), sdin=h("495344505344494E01"), provider=h("47534D4101")
    )
    assert kdf.cmac(token_key, token_input) == h("4D3BFD1F3DCF0981F38689CEBE5E04E4")
    component = kcv.wrap_key(DEK_ISDP, token_key)
    assert isdr.put_keys(0x70, [component]) == h(
        "80D8000118 70 8811102AAD9C07418A45BA2D79B8F209A1724F 03DCC3AC 00"
    )


def test_4_2_notification_packet() -> None:
    ud = h(
        "027000004D15020010120000010000000000004341447C63C607B6"
        "E1354C10890490321234567890123456789012034D01024E0200072F10A0000005591010FFFFFFFF8900001000"
        "14083A15325476981032"
    )
    data = sms_tpdu.parse_user_data(ud)
    assert data.kind == 0x70
    header = ota_packet.peek_command(data.payload)
    assert (header.tar, header.open_counter, header.kid >> 4) == (h("000001"), 0, 1)
    opened = scp80.unwrap_command(None, KID, data.payload)
    assert isdr.parse_notification(opened.data).sequence == 7
    other = h("004D1502000012000001000000000000 01C2663D94AF0581") + opened.data
    assert scp80.unwrap_command(None, KID, other).kic == 0
    with pytest.raises(PeerError, match="check value"):
        scp80.unwrap_command(None, KIC, data.payload)
    with pytest.raises(PeerError, match="security level"):
        # The same data without a checksum must never pass for a notification.
        scp80.unwrap_command(None, None, h("00450D00001012000001000000000000") + opened.data)


CERT_DP = h(
    "7F2181CD 93050102030405 42040A0B0C0D 5F2005534D445001 950188 5F250420240101 5F240420391231"
    "7319C80101C91485CA33B37ADB38CA83F8C67B3A822BC66DB72B63"
    "7F4946B041049A75559FC8892643277C0148E5F1A90D61B896C0FA76FB52F2AD792A03D48BD041A33E7D14E836DDC7CC779D4EC8"
    "3C2364E88C5A6E1CE7F2E7FAF43166113B3CF00100"
    "5F3740FDC92763957E496F4421DC3586DC911A95EA466C3706A980A0FBCE786FAEDCBEC0C489A50EDE84D1E0C918B22A44729C65"
    "3A67D7972F63A207DFCD610FF7C463"
)


def build(serial: str, subject: str, role: int, key: bytes) -> bytes:
    ci_public = ecka.public_key(CI)
    tbs = certificate.build_tbs(
        serial=h(serial),
        ca_id=h("0A0B0C0D"),
        subject=h(subject),
        not_before=datetime.date(2024, 1, 1),
        not_after=datetime.date(2039, 12, 31),
        role=role,
        aki=certificate.key_identifier(ci_public),
        public_key=ecka.public_key(key),
    )
    return certificate.build_certificate(tbs, ecka.sign(CI, tbs))


def test_5_2_certificate_built_byte_for_byte() -> None:
    built = build("0102030405", "534D445001", certificate.ROLE_SMDP, DP)
    assert built == CERT_DP
    assert isdr.store_certificate(built)[:7] == h("80E20900D43A01")
    parsed = certificate.parse_certificate(built)
    certificate.verify(parsed, ecka.public_key(CI))
    assert parsed.valid_on(datetime.date(2039, 12, 31))
    assert parsed.valid_on(datetime.date(2024, 1, 1))
    assert not parsed.valid_on(datetime.date(2023, 12, 31))
    assert not parsed.valid_on(datetime.date(2040, 1, 1))
    with pytest.raises(PeerError, match="signature is wrong"):
        certificate.verify(parsed, ecka.public_key(DP))


def test_5_6_key_establishment_of_an_isdp() -> None:
    a6 = isdr.key_parameters_a6(0x30)
    epk = ecka.public_key(EPH_DP)
    signature = ecka.sign(DP, isdr.signature_input(a6, epk, RC_DP))
    assert signature == h(
        "E21DBBE4FD571B6CBA01AE805B704E8AB8BA6C702EA4F2219DD6CEBD867BC7A4"
        "CAE2848F821C017EE3FDB47E9E5EE83196C98A7423A4EA55C23712BE066E127D"
    )
    shs = ecka.shared_secret(EPH_DP, ecka.public_key(ECASD))
    assert shs == h("C450A7A37622FA92DEF94A22D675A737EFD8F41145FBB5D185B38AD2398DBCA8")
    receipt_key, keys = ecka.derive_keyset(shs)
    assert receipt_key == h("1DE1A11BBE76393F46351CAC845CB1CC")
    assert keys == [ENC, MAC, DEK_ISDP]
    received, dr = isdr.parse_receipt(h("86106F39A4B22EE21E20B08D4655197ABC61"))
    assert dr is None
    ecka.verify_receipt(receipt_key, a6, received)


def test_5_6_with_a_derivation_random() -> None:
    a6 = isdr.key_parameters_a6(0x30, scenario=0x0B)
    dr = bytes(range(0xD0, 0xE0))
    shs = ecka.shared_secret(EPH_DP, ecka.public_key(ECASD))
    receipt_key, keys = ecka.derive_keyset(shs, dr=dr)
    assert receipt_key == h("784466D533902A8595ED4D0CD1102E0C")
    assert keys == [
        h("F6B2309FB392178C4BB6552EB9EE13EE"),
        h("62F1D08A690A427B3CE89E0D82767C9D"),
        h("C89E99FF2A512E9D16C067E8738AB9EA"),
    ]
    ecka.verify_receipt(receipt_key, a6, h("C53CF1AA2BFEA1CDD0C231563CC87748"), dr)


def test_5_6_real_card() -> None:
    shs = ecka.shared_secret(
        h("C185AC9B6D5DC344B94A9750127C1FC0C4B82049409AE686359BD48BD3F17A52"),
        h(
            "043F157A6242EC54888EB50967BD84D1A885E51D66B2F6CD135354724C91D790ED"
            "B48B015F6B272DF50E49EAB2E1383BF0EEB0E9848543B971397D274D88E8EA77"
        ),
    )
    receipt_key, _ = ecka.derive_keyset(shs)
    ecka.verify_receipt(receipt_key, isdr.key_parameters_a6(0x30), h("190940FBCB1257B764E7EDA10826D33C"))


PLAIN = (
    h("A02A800102810103830A8999010000000000185FA50481008400A610060667810F010201060667810F010204"),
    h("AA07A0058000810101"),
)
HOST = h("1122334455667788")


def test_5_9_download() -> None:
    place: dict[str, Any] = {"host_challenge": HOST, "sequence_counter": 1, "isdp_aid": P1}
    package = scp03t.protect(STATIC, key_version=0x30, plaintext=PLAIN[0], **place)
    assert package.initialize_update == h("840A30001122334455667788")
    assert package.external_authenticate == h("851133E4975921A06F69D97A5B6EBC354109FE")
    session = scp03.session_keys(STATIC, HOST, scp03t.predict_card_challenge(ENC, 1, P1))
    assert (session.enc, session.mac, session.rmac) == (
        h("64147D45B2E9E609141BB58F27ACBE41"),
        h("30E1E265104C40030571CD6B952AC3C6"),
        h("E0D4C274ECC2A706D5C7831AE89F2446"),
    )
    _, chain = scp03t.authenticate(session, HOST, scp03t.predict_card_challenge(ENC, 1, P1))
    assert chain == h("7A5B6EBC354109FE00E9B9AD5236C1A5")
    assert scp03.command_icv(session.enc, 1) == h("A858367DBD9DC519592A84A2D45F1CDD")
    assert scp03.command_icv(session.enc, 2) == h("0A0B180051F06B91B3E85A0F0F37A7E8")
    assert scp03.command_icv(session.enc, 2, response=True) == h("774F9CED124C404483C15054A6F97EAC")
    segments = scp03t.protect_segments(session, chain, PLAIN)
    assert segments == (
        h(
            "863866BCE94898D82B3692DC89A07EF88F42394B0C722EC4E2EF969D585EB45595C8A80469703476F7D528B5836AD9BBA5AB"
            "631417F2CE01209C"
        ),
        h("86186F08ABDAE44C1CD93090CC2F5C3761E5BFF8E905336AE50A"),
    )
    assert package.segments == segments[:1]
    answer = scp03t.check_initialize_response(
        STATIC, response_84=h("84200000000000000000000030037001FE70926E9A1D32E99DA7218DD364EA000001"), **place
    )
    assert (answer.key_version, answer.option, answer.sequence_counter) == (0x30, 0x70, 1)
    scp03t.check_authenticate_response(h("8500"))
    first = scp03t.unprotect_response(STATIC, segments=segments, index=0, response_86=h("8600"), **place)
    last = scp03t.unprotect_response(
        STATIC,
        segments=segments,
        index=1,
        response_86=h("861882D3AA74663FB3A9D1EE37745171A3E3EE0EE2B19945F122"),
        **place,
    )
    assert first == b""
    assert last == h("3007A0053003800100")
    _written_otherwise(session, segments, place)
    assert euicc_response.parse(last).ok
    script = ota_script.build_command_script(
        [package.initialize_update, package.external_authenticate, segments[0]], indefinite=True
    )
    assert script[:4] == h("AE80840A")
    assert script[-10:] == segments[0][-8:] + h("0000")
    assert [t.tag for t in ota_script.parse_response_script(h("AF80 8400 8500 8600 0000")).tlvs] == [
        0x84,
        0x85,
        0x86,
    ]


def _written_otherwise(session: scp03.SessionKeys, segments: tuple[bytes, ...], place: dict[str, Any]) -> None:
    """An R-MAC covers the length as it was sent, in a long form too; and may stand alone, on no data."""
    ciphered, chain = h("82D3AA74663FB3A9D1EE37745171A3E3"), h("BFF8E905336AE50A1E9F51CBD5CA56AD")
    for header, data, plain in (("868118", ciphered, "3007A0053003800100"), ("8608", b"", "")):
        mac = kdf.cmac(session.rmac, chain + h(header) + data)[:8]
        told = {"segments": segments, "index": 1, **place}
        answer = h(header) + data + mac
        assert scp03t.unprotect_response(STATIC, response_86=answer, **told) == h(plain)
        with pytest.raises(PeerError, match="R-MAC"):
            scp03t.unprotect_response(STATIC, response_86=answer[:-1] + bytes((answer[-1] ^ 1,)), **told)


def test_5_9_real_card_anchor() -> None:
    aid = h("A0000005591010FFFFFFFF8900001300")
    k_enc = h("9369B7DC1DF141DDC1DD0BFF42384CCC")
    challenge = scp03t.predict_card_challenge(k_enc, 1, aid)
    assert challenge == h("5055D1FC0C7AD7A7")
    keys = scp03.StaticKeys(k_enc, h("408DD41AC74AC48515EE1A8653426E7D"))
    host = h("C0CE9759BFDFA9D0")
    session = scp03.session_keys(keys, host, challenge)
    assert scp03.card_cryptogram(session, host, challenge) == h("E52A15FA5163C234")


def test_5_10_apdu_mode() -> None:
    host = h("8877665544332211")
    assert scp03.initialize_update(0x30, host) == h("8050300008887766554433221100")
    channel = scp03.SecureChannel.open(
        STATIC,
        host_challenge=host,
        response=h("00000000000000000000300370E0473C07B86700281D64A7CF3BFA6FF8000002"),
        aid=P1,
    )
    assert channel.external_authenticate() == h("84823300101F5D021C5898D564CC9D3AD3F1D03010")
    plain = isdr.update_connectivity_parameters("+33609876543")
    assert plain == h("80E288000E3A070BA0090607913306896745F300")
    wrapped = CommandAPDU.parse(channel.wrap(plain))
    assert wrapped == CommandAPDU.parse(h("84E28800189F68EB04FEFDF023E4A7F631DBB2A0E4BA8C7BAD466413F7 00"))
    assert channel.unwrap(ResponseAPDU(h("91416261B5E7BF04"), 0x9000)) == ResponseAPDU(b"", 0x9000)


def test_8_2_command_and_responses() -> None:
    script = ota_script.build_command_script([ota_script.c_apdu(isdr.enable_profile(P1))], indefinite=False)
    assert script == h("AA1D 221B 80E28800153A03124F10A0000005591010FFFFFFFF890000100000")
    packet = scp80.wrap_command(
        KIC, KID, spi=h("1639"), kic=0x12, kid=0x12, tar=h("000001"), counter=0x42, data=script
    )
    assert sms_tpdu.segment(packet, reference=1) == [
        h(
            "027000 0038 15 1639 12 12 000001 6786B5C0A140B171566643A448C3C2554E4E8883CA89A11DC43921C41BAFF10A"
            "E0E4A475B25EA1B9187149AA29085DE8"
        )
    ]
    ud = h("027100 0024 12 000001 28524B88AD0789E649BAB57725AD07314F3970A896AA5715ECF2FA025C28D987")
    data = sms_tpdu.parse_user_data(ud)
    assert data.kind == 0x71
    command = {"spi2": 0x39, "kic": 0x12, "kid": 0x12, "tar": h("000001"), "counter": 0x42}
    opened = scp80.unwrap_response(KIC, KID, data.payload, **command)
    assert (opened.status, opened.data) == (0, h("AB0780010123029000"))
    replay = h("0014 12 000001 9DEE0E79E1B80B3793E5B58ECFC9CE13")
    assert scp80.unwrap_response(KIC, KID, replay, **command).status == 0x02


def test_8_2_one_message_holds_98_bytes() -> None:
    options = {"spi": h("1639"), "kic": 0x12, "kid": 0x12, "tar": h("000001"), "counter": 1}
    packets = [scp80.wrap_command(KIC, KID, data=bytes(size), **options) for size in (98, 99)]
    assert [len(sms_tpdu.segment(packet, reference=1)) for packet in packets] == [1, 2]
    assert len(packets[0]) == 122


def test_ota_transports_1_9_real_packet() -> None:
    key = h("11223344556677889910111213141516")
    packet = scp80.wrap_command(
        key,
        key,
        spi=h("1601"),
        kic=0x12,
        kid=0x12,
        tar=h("000001"),
        counter=0x91,
        data=h("aa0f220d80e28900073a08044e02000000"),
    )
    assert packet == h("0028151601121200000141d0955d9b1cecaf0cdce9998369c592ad4c6b61a685d66c7130e31cd8df36e9")


def test_8_4_scp81_keyset() -> None:
    psk, second = bytes(range(0x50, 0x60)), bytes(range(0x60, 0x70))
    assert kcv.put_scp81_keys(DEK, key_version=0x40, psk=psk, psk_dek=second) == h(
        "80D800812F40851110FA46D82069582520ABAE96EE3392F7E003F2A8DF"
        "881110931B24CEB4E3202A9150A3AAAB16089403D7D0E400"
    )
    assert kcv.put_keys_answer(0x40, [psk, second]) == h("40F2A8DFD7D0E4")


def test_9_3_key_establishment_of_an_isdr() -> None:
    cert = build("0102030406", "534D535201", certificate.ROLE_SMSR, SR)
    assert len(isdr.store_certificate(cert)) == 5 + 0xD4 + 1
    example = h(
        "7F2181CD9305010203040642040A0B0C0D5F2005534D5352019501885F2504202401015F2404203912317319C80102C91485CA33"
        "B37ADB38CA83F8C67B3A822BC66DB72B637F4946B0410433D51D4AC73E3988DA648EC700BC746998AF982DC15AF01BF86E42362C"
        "0E77A76B9E39EF567347C0DE8FDD6D55B0C497082CDC095036E40D6BADD20E81305E08F001005F3740E160C0ACC67766632EC54D"
        "20FE1ABEE41F4BB85ADDCFD28AC12EA5131C41B05C987F06701EA92F6D3AB23E7204975B60A7DA6668DC7794F65DC1ADF51A848C"
        "ED"
    )
    assert cert == example
    epk = ecka.public_key(EPH_SR)
    shs = ecka.shared_secret(EPH_SR, ecka.public_key(ECASD))
    assert shs == h("CA770F5327641CF17D3525D00A92411BD93A5E25D44D1F5803288AC3927BE8B2")
    receipt_key, keys = ecka.derive_keyset(shs)
    assert receipt_key == h("98D929B265967E01A202804A9529AC12")
    assert keys == [
        h("D08B6EB4D21DDAE1B1EC7939543618B6"),
        h("3BAEB9E11389E6E0264FA654FA2A2D4A"),
        h("F6F2AEED5E80FBCC9AFEEFEE7C402364"),
    ]
    cases = {
        0x09: (
            "C4FC9CEC94731A257AB7D22119043A3553F66DBB03BC522A56EBEB7329CAEC71"
            "B6C1CA2E662C73D4AC2CB8D89AD1C0AC10E37457793A5DC67832251CF6A9CAF5",
            "5239910D3CCD0E720B7A8B70B92A0BEA",
        ),
        0x08: (
            "3363FD7D04DF012F3BC638CEF83316F51A7323522A81800972997049F6D9FF23"
            "BAAEA3EF928798341062666F58A740B4A0EB8373B8A61784B82D733551758CC0",
            "024D4E3BD4782203680AB5106303C36A",
        ),
    }
    for scenario, (signature, receipt) in cases.items():
        a6 = isdr.key_parameters_a6(0x02, scenario=scenario)
        assert ecka.sign(SR, isdr.signature_input(a6, epk, RC_SR)) == h(signature)
        ecka.verify_receipt(receipt_key, a6, h(receipt))
