"""Vectors of ecka_kdf.json and milenage.json: key agreement, derivation, signatures, certificate, Milenage."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec.isdr_keys import signature_input
from ferryman.errors import PeerError
from ferryman.secure import certificate, ecka, kdf, milenage
from ferryman.secure.ecka import Curve
from shared_data import vectors

ALL = vectors("ecka_kdf")
CURVES = {"secp256r1": Curve.P256, "brainpoolP256r1": Curve.BRAINPOOL_P256R1}


def cases(op: str) -> pytest.MarkDecorator:
    chosen = [vector for vector in ALL if vector["input"]["op"] == op]
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: vector["id"])


def unhex(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


@cases("ecdh")
def test_ecdh(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    curve = CURVES[given["curve"]]
    private, peer = bytes.fromhex(given["private"]), bytes.fromhex(given["peer_public"])
    if expected.get("error"):
        with pytest.raises(PeerError, match="not on the curve"):
            ecka.shared_secret(private, peer, curve=curve)
        return
    assert ecka.public_key(private, curve=curve).hex() == expected["public"]
    assert ecka.shared_secret(private, peer, curve=curve).hex() == expected["z"]


@cases("x963")
def test_x963(vector: dict[str, Any]) -> None:
    given = vector["input"]
    output = kdf.x963(bytes.fromhex(given["z"]), bytes.fromhex(given["shared_info"]), given["length"])
    assert output.hex() == vector["expected"]["output"]


@cases("sgp22_bsp_kdf")
def test_sgp22_derivation_by_the_same_function(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    host, eid = bytes.fromhex(given["host_id"]), bytes.fromhex(given["eid"])
    info = bytes.fromhex(given["key_type"]) + bytes((given["key_length"], len(host))) + host
    info += bytes((len(eid),)) + eid
    output = kdf.x963(bytes.fromhex(given["z"]), info, 48).hex()
    assert output == expected["initial_mcv"] + expected["s_enc"] + expected["s_mac"]


@cases("cmac")
def test_cmac(vector: dict[str, Any]) -> None:
    given = vector["input"]
    mac = kdf.cmac(bytes.fromhex(given["key"]), bytes.fromhex(given["message"]))
    assert mac.hex() == vector["expected"]["mac"]


@cases("scp03_kdf")
def test_scp03_kdf(vector: dict[str, Any]) -> None:
    given = vector["input"]
    output = kdf.sp800_108(
        bytes.fromhex(given["key"]), int(given["constant"], 16), bytes.fromhex(given["context"]), given["bits"]
    )
    assert output.hex() == vector["expected"]["output"]


@cases("scenario3")
def test_scenario_3(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    curve = CURVES[given["curve"]]
    private, a6 = bytes.fromhex(given["esk_dp"]), bytes.fromhex(given["crt"])
    assert ecka.public_key(private, curve=curve).hex() == given["epk_dp"]
    shs = ecka.shared_secret(private, bytes.fromhex(given["pk_ecasd"]), curve=curve)
    assert shs.hex() == expected["z"]
    dr = unhex(given["dr"])
    usage = int(expected["shared_info"][:2], 16)
    names: dict[str, bytes | None] = {name: unhex(given[name]) for name in ("host_id", "sin", "sdin")}
    info = ecka.shared_info(usage=usage, key_type=0x88, length=16, dr=dr, **names)
    assert info.hex() == expected["shared_info"]
    receipt_key, keys = ecka.derive_keyset(shs, usage=usage, dr=dr, **names)
    assert receipt_key.hex() == expected["receipt_key"]
    wanted = expected.get("keys") or [expected[name] for name in ("kenc", "kmac", "kdek")]
    assert [key.hex() for key in keys] == wanted
    assert (receipt_key + b"".join(keys)).hex() == expected["key_data"]
    assert ecka.receipt(receipt_key, a6, dr).hex() == expected["receipt"]
    ecka.verify_receipt(receipt_key, a6, bytes.fromhex(expected["receipt"]), dr)
    with pytest.raises(PeerError, match="receipt"):
        ecka.verify_receipt(receipt_key, a6 + b"\x80", bytes.fromhex(expected["receipt"]), dr)


@cases("verify_signature")
def test_parameter_signature(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    signed = signature_input(*(bytes.fromhex(given[name]) for name in ("crt", "epk", "random_challenge")))
    if "signed_data" in expected:
        assert signed.hex() == expected["signed_data"]
    public, signature = bytes.fromhex(given["public"]), bytes.fromhex(given["signature"])
    if expected["valid"]:
        ecka.verify(public, signed, signature)
    else:
        with pytest.raises(PeerError, match="signature is wrong"):
            ecka.verify(public, signed, signature)


@cases("public_from_private")
def test_public_key(vector: dict[str, Any]) -> None:
    given = vector["input"]
    point = ecka.public_key(bytes.fromhex(given["private"]), curve=CURVES[given["curve"]])
    assert point.hex() == vector["expected"]["public"]


@cases("verify_tlv_certificate")
def test_certificate(vector: dict[str, Any]) -> None:
    expected, data = vector["expected"], bytes.fromhex(vector["input"]["certificate"])
    parsed = certificate.parse_certificate(data)
    assert parsed.tbs.hex() == expected["signed_data"]
    assert parsed.public_key.hex() == expected["subject_public"]
    assert parsed.role == certificate.ROLE_SMDP
    assert parsed.not_before is None
    assert expected["valid"]
    certificate.verify(parsed, bytes.fromhex(vector["input"]["ci_public"]))
    assert certificate.build_certificate(parsed.tbs, parsed.signature) == data
    rebuilt = certificate.build_tbs(
        serial=parsed.serial,
        ca_id=parsed.ca_id,
        subject=parsed.subject,
        not_after=parsed.not_after,
        public_key=parsed.public_key,
        role=parsed.role,
    )
    assert rebuilt == parsed.tbs


def test_milenage_lengths() -> None:
    for k, op in ((bytes(15), bytes(16)), (bytes(16), bytes(17))):
        with pytest.raises(ValueError):
            milenage.opc(k, op)


@pytest.mark.parametrize("vector", vectors("milenage"), ids=lambda vector: vector["id"])
def test_milenage(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    k, op, rand, sqn, amf = (bytes.fromhex(given[name]) for name in ("k", "op", "rand", "sqn", "amf"))
    opc = milenage.opc(k, op)
    assert opc.hex() == expected["opc"]
    out = milenage.quintuple(k, opc, rand, sqn, amf)
    pairs = {
        "f1": out.mac_a,
        "f1star": out.mac_s,
        "f2": out.res,
        "f3": out.ck,
        "f4": out.ik,
        "f5": out.ak,
        "f5star": out.ak_star,
    }
    assert {name: value.hex() for name, value in pairs.items()} == {name: expected[name] for name in pairs}
