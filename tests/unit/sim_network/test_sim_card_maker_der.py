"""ITU-T X.690: the card maker's DER writer, and the bootstrap package read by a foreign ASN.1 compiler
(pycrate).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ferryman_sim.card_maker import bootstrap, der

SUBSCRIPTION = bootstrap.Subscription(
    iccid="8999970000000000011",
    imsi="999700000000001",
    msisdn="88239000000001",
    ki=bytes(range(16)),
    opc=bytes(range(16, 32)),
    sd_keys=(b"\x01" * 16, b"\x02" * 16, b"\x03" * 16),
    puks=("11111111", "22222222"),
    adm="55555555",
)


@pytest.mark.parametrize(("size", "octets"), [(0, "00"), (127, "7f"), (128, "8180"), (256, "820100")])
def test_lengths_are_shortest_form(size: int, octets: str) -> None:
    assert der.length(size).hex() == octets


@pytest.mark.parametrize(
    ("number", "octets"), [(0, "00"), (127, "7f"), (128, "0080"), (-1, "ff"), (-128, "80"), (-129, "ff7f")]
)
def test_integers_are_shortest_twos_complement(number: int, octets: str) -> None:
    assert der.integer_content(number).hex() == octets


def test_object_identifiers() -> None:
    assert der.oid("1.2.840.10045.2.1").hex() == "06072a8648ce3d0201"
    assert der.oid_content("2.23.143.1.2.1").hex() == "67810f010201"
    for text in ("1", "3.1", "1.40", "1.x"):
        with pytest.raises(ValueError):
            der.oid_content(text)


def test_named_bits_drop_trailing_zeros() -> None:
    assert der.named_bits(5, 6).hex() == "03020106"
    assert der.named_bits(0).hex() == "03020780"


def test_times_change_form_in_2050() -> None:
    assert der.time(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)) == b"\x17\x0d491231235959Z"
    assert der.time(datetime(2050, 1, 1, tzinfo=UTC)) == b"\x18\x0f20500101000000Z"


def test_identity_encodings_of_the_reference() -> None:
    assert bootstrap.ef_imsi("001019876543210").hex() == "080910108967452301"
    assert bootstrap.ef_iccid("8999010000000000185").hex().upper() == "989910000000000081F5"
    assert bootstrap.header_iccid("8999010000000000185").hex().upper() == "8999010000000000185F"
    assert (bootstrap.ef_acc("1230"), bootstrap.ef_acc("1239")) == (b"\x00\x01", b"\x02\x00")


def _elements(package: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(package):
        size, head = package[at + 1], 2
        if size & 0x80:
            head += size & 0x7F
            size = int.from_bytes(package[at + 2 : at + head], "big")
        found.append(package[at : at + head + size])
        at += head + size
    return found


def test_bootstrap_package_is_der_of_the_tca_module() -> None:
    definitions: Any = pytest.importorskip("pycrate_asn1dir.eUICCPP_IFTv2").PEDefinitions
    kinds = []
    for element in _elements(bootstrap.package(SUBSCRIPTION, "bootstrap-m2m")):
        definitions.ProfileElement.from_der(element)
        kind, value = definitions.ProfileElement.get_val()
        kinds.append(kind)
        assert definitions.ProfileElement.to_der() == element
        if kind == "akaParameter":
            algorithm = value["algoConfiguration"][1]
            assert (algorithm["key"], algorithm["opc"]) == (SUBSCRIPTION.ki, SUBSCRIPTION.opc)
        if kind == "usim":
            assert ("fillFileContent", bootstrap.ef_imsi(SUBSCRIPTION.imsi)) in value["ef-imsi"]
    sequence = "header mf pukCodes pinCodes usim pinCodes akaParameter securityDomain end"
    assert kinds == sequence.split()


def test_subscription_repr_has_no_key() -> None:
    shown = repr(SUBSCRIPTION)
    assert SUBSCRIPTION.ki.hex() not in shown
    assert "opc" not in shown
