"""C-APDUs of ES5 and ES8 against the worked examples of sgp02-euicc.md (section in each test name)."""

from __future__ import annotations

import pytest

from ferryman.codec import isdr
from ferryman.codec.apdu import CommandAPDU
from ferryman.errors import InputError
from shared_data import vectors

P1 = bytes.fromhex("A0000005591010FFFFFFFF8900001000")
TRACE_ISDP = bytes.fromhex("A0000005591010FFFFFFFF8900001300")


def h(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


EPK_DP = h(
    "04A28482F94E96B8B3BD2AD3163C9ADEE12698A3DF4E94371D53C8AD69F80B1040"
    "6C5E1B645E0B1B1D1BE638ADEC2504396EA1F36C17ECB46B7B71BACBF1226AD8"
)
EPK_SR = h(
    "0464741D7A0CAD87EC12162F05B4CDEEDE4BBAF4EBA629D64EE2304145F4496A18"
    "B6B86A09E391BDE8D444010670937CC5C46C2D97030F625B6DA72BC14B61697C"
)
A6_DP = h("A615900203099501108001888101108201018301309100")
SIN, SDIN, PROVIDER = h("4953445001"), h("495344505344494E01"), h("47534D4101")


def test_2_2_get_status_of_one_isdp() -> None:
    assert isdr.get_status(P1, (0x4F, 0x9F70)) == h("80F24002174F10A0000005591010FFFFFFFF89000010005C034F9F7000")


def test_3_2_create_isdp_without_and_with_quota() -> None:
    assert isdr.create_isdp(P1) == h(
        "80E60C003F 10A0000005591010FFFFFFFF8900000D00 10A0000005591010FFFFFFFF8900000E00"
        "10A0000005591010FFFFFFFF8900001000 0380C000 06C90481020370 00 00"
    )
    assert isdr.create_isdp(P1, 49152) == h(
        "80E60C0047 10A0000005591010FFFFFFFF8900000D00 10A0000005591010FFFFFFFF8900000E00"
        "10A0000005591010FFFFFFFF8900001000 0380C000 0EC90481020370EF0683040000C000 00 00"
    )
    with pytest.raises(ValueError):
        isdr.create_isdp(P1, -1)


def test_3_3_enable_profile() -> None:
    assert isdr.enable_profile(P1) == h("80E28800153A03124F10A0000005591010FFFFFFFF890000100000")


def test_3_4_disable_profile() -> None:
    assert isdr.disable_profile(P1) == h("80E28800153A04124F10A0000005591010FFFFFFFF890000100000")


def test_3_5_set_fallback() -> None:
    assert isdr.set_fallback(P1) == h("80E28800153A05124F10A0000005591010FFFFFFFF890000100000")


def test_3_6_delete_profile() -> None:
    assert isdr.delete_profile(P1) == h("80E40040124F10A0000005591010FFFFFFFF890000100000")


def test_3_7_master_delete() -> None:
    assert isdr.master_delete_token_input(P1, sin=SIN, sdin=SDIN, provider=PROVIDER) == h(
        "0040 31 4F10A0000005591010FFFFFFFF8900001000 B61D 42054953445001 4509495344505344494E01"
        "5F200547534D4101 930101"
    )
    token = h("4D3BFD1F3DCF0981F38689CEBE5E04E4")
    assert isdr.master_delete(P1, token=token, sin=SIN, sdin=SDIN, provider=PROVIDER) == h(
        "80E40040434F10A0000005591010FFFFFFFF8900001000B61D420549534450014509495344505344494E01"
        "5F200547534D41019301019E104D3BFD1F3DCF0981F38689CEBE5E04E400"
    )


def test_3_7_put_key_of_the_token_key() -> None:
    key = isdr.KeyComponent(0x88, h("2AAD9C07418A45BA2D79B8F209A1724F"), h("DCC3AC"))
    assert isdr.put_keys(0x70, [key]) == h("80D8000118 70 8811102AAD9C07418A45BA2D79B8F209A1724F 03DCC3AC 00")


def test_3_8_audit() -> None:
    assert isdr.get_status() == h("80F240020A4F005C064F9F70538F9100")
    assert isdr.get_status(following=True)[3] == 0x03
    assert isdr.get_status(tags=()) == h("80F24002024F0000")
    assert isdr.get_card_resources() == h("80CAFF2100")
    assert isdr.get_ecasd_data(0x7F21) == h("80CABF30045C027F2100")
    assert isdr.get_ecasd_data(0x66) == h("80CABF30035C016600")


def test_3_9_update_smsr_addressing() -> None:
    assert isdr.update_smsr_addressing("+33612345678") == h("80E288000F3A070CA30A81080B913316325476F800")
    assert isdr.update_smsr_addressing(https=h("8600"))[:-1] == h("80E28800073A0704A5028600")
    with pytest.raises(ValueError):
        isdr.update_smsr_addressing()
    with pytest.raises(InputError):
        isdr.update_smsr_addressing("+33 6")


def test_4_4_confirm_notification() -> None:
    assert isdr.confirm_notification(7) == h("80E28900073A08044E02000700")


def test_5_4_and_5_6_key_establishment_of_an_isdp() -> None:
    assert isdr.install_for_personalization(P1) == h("80E62000160000 10A0000005591010FFFFFFFF8900001000 000000 00")
    a6 = isdr.key_parameters_a6(0x30)
    assert a6 == A6_DP
    rc = h("A0A1A2A3A4A5A6A7A8A9AAABACADAEAF")
    assert isdr.signature_input(a6, EPK_DP, rc) == (
        h("3A0217") + A6_DP + h("7F4941") + EPK_DP + h("008510A0A1A2A3A4A5A6A7A8A9AAABACADAEAF")
    )
    signature = bytes(range(64))
    assert isdr.store_key_parameters(a6, EPK_DP, signature) == (
        h("80E28901A13A0217") + A6_DP + h("7F4941") + EPK_DP + h("5F3740") + signature + b"\x00"
    )
    assert isdr.key_parameters_a6(0x30, scenario=0x0B)[:6] == h("A6159002030B")


def test_5_2_certificate_store_data_uses_a_dgi_length() -> None:
    certificate = h("7F2181CD") + bytes(0xCD)
    assert isdr.store_certificate(certificate) == h("80E20900D43A01D1") + certificate + b"\x00"


def test_5_4_a_63_byte_signature_is_never_sent() -> None:
    with pytest.raises(ValueError):
        isdr.store_key_parameters(A6_DP, EPK_DP, bytes(63))
    with pytest.raises(ValueError):
        isdr.signature_input(A6_DP, EPK_DP[1:], bytes(16))


def test_5_4_options_of_a6() -> None:
    assert isdr.key_parameters_a6(0x31, initial_counter=5)[-5:] == h("9103000005")
    assert isdr.key_parameters_a6(0x02, initial_counter=5)[-7:] == h("91050000000005")
    assert h("960100 800188") in isdr.key_parameters_a6(0x02, key_access=0)
    with_names = isdr.key_parameters_a6(0x30, scenario=0x0D, sdin=h("0102"), host_id=h("03"))
    assert with_names.endswith(h("9100 45020102 840103"))
    with pytest.raises(ValueError):
        isdr.key_parameters_a6(0x30, scenario=0x0D)
    with pytest.raises(ValueError):
        isdr.key_parameters_a6(0x30, scenario=0x09, sdin=b"1", host_id=b"2")


def test_6_2_update_connectivity_parameters() -> None:
    assert isdr.update_connectivity_parameters("+33609876543") == h("80E288000E3A070BA0090607913306896745F300")
    assert h("A1023501") in isdr.update_connectivity_parameters(cat_tp=h("3501"))
    assert h("A2023501") in isdr.update_connectivity_parameters(https=h("3501"))
    with pytest.raises(ValueError):
        isdr.update_connectivity_parameters()


def test_8_4_put_key_of_a_scp81_keyset() -> None:
    keys = [
        isdr.KeyComponent(0x85, h("FA46D82069582520ABAE96EE3392F7E0"), h("F2A8DF")),
        isdr.KeyComponent(0x88, h("931B24CEB4E3202A9150A3AAAB160894"), h("D7D0E4")),
    ]
    assert isdr.put_keys(0x40, keys) == h(
        "80D800812F40851110FA46D82069582520ABAE96EE3392F7E003F2A8DF"
        "881110931B24CEB4E3202A9150A3AAAB16089403D7D0E400"
    )


def test_9_1_key_parameters_of_an_isdr() -> None:
    assert isdr.key_parameters_a6(0x02) == h("A615900203089501108001888101108201018301029100")
    assert isdr.key_parameters_a6(0x02, scenario=0x09) == h("A615900203099501108001888101108201018301029100")


def test_9_3_second_store_data() -> None:
    signature = h(
        "C4FC9CEC94731A257AB7D22119043A3553F66DBB03BC522A56EBEB7329CAEC71"
        "B6C1CA2E662C73D4AC2CB8D89AD1C0AC10E37457793A5DC67832251CF6A9CAF5"
    )
    a6 = isdr.key_parameters_a6(0x02, scenario=0x09)
    assert isdr.store_key_parameters(a6, EPK_SR, signature) == h(
        "80E28901A13A0217A6159002030995011080018881011082010183010291007F49410464741D7A0CAD87EC12162F05B4CD"
        "EEDE4BBAF4EBA629D64EE2304145F4496A18B6B86A09E391BDE8D444010670937CC5C46C2D97030F625B6DA72BC14B6169"
        "7C5F3740C4FC9CEC94731A257AB7D22119043A3553F66DBB03BC522A56EBEB7329CAEC71B6C1CA2E662C73D4AC2CB8D89A"
        "D1C0AC10E37457793A5DC67832251CF6A9CAF500"
    )


def test_9_3_finalise() -> None:
    assert isdr.finalise_isdr_handover([(2, 1, 3)]) == h("80E4000005F20302010300")
    assert isdr.finalise_isdr_handover([(1, 1, 3), (0x41, 1, 2)]) == h("80E400000AF203010103F20341010200")
    with pytest.raises(ValueError):
        isdr.finalise_isdr_handover([])


BUILDERS = {
    "enable-profile": lambda: isdr.enable_profile(TRACE_ISDP),
    "set-fallback": lambda: isdr.set_fallback(TRACE_ISDP),
    "delete-isdp": lambda: isdr.delete_profile(TRACE_ISDP),
    "confirm-notification": lambda: isdr.confirm_notification(0),
    "extended-card-resources": isdr.get_card_resources,
    "update-sms-parameters (inside SCP03)": lambda: isdr.update_connectivity_parameters("+316540942001"),
}


@pytest.mark.parametrize(
    "vector", [v for v in vectors("remote_apdu") if v["input"]["op"] == "c_apdu"], ids=lambda v: v["id"]
)
def test_remote_apdu_vectors_of_sgp02_functions(vector: dict) -> None:
    built = CommandAPDU.parse(BUILDERS[vector["input"]["function"]]())
    seen = CommandAPDU.parse(bytes.fromhex(vector["expected"]["apdu"]))
    # Le may be there or not (both occur in the traces); everything else must be equal.
    assert (built.cla, built.ins, built.p1, built.p2, built.data) == (
        seen.cla,
        seen.ins,
        seen.p1,
        seen.p2,
        seen.data,
    )
    assert seen.le in (None, 256)
