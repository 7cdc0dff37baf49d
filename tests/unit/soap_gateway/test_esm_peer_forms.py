"""Forms that single peers need: the older namespace with what was signed in it, and every result element."""

from __future__ import annotations

import pytest
from lxml import etree

import esm_samples
from ferryman.codec import eis_xml
from ferryman.contracts import es1, es3, es7
from ferryman.contracts.message import Body
from ferryman.contracts.status import SUCCESS, failed
from ferryman.soap_gateway.esm.body import Base, decode, encode
from ferryman.soap_gateway.esm.functions import BY_BODY, NAMESPACE, OLD_NAMESPACE
from premises import make_batch

NO = failed("8.1.1", "3.9", "no eUICC with this EID", esm_samples.EID)


def strict(kind: type[Body]) -> etree.XMLSchema:
    """The reference schema as it was before its note (d): every result element of this answer is mandatory."""
    tree = etree.parse(str(esm_samples.shared("reference/sgp02-messaging.xsd")))
    name = BY_BODY[kind][1].element
    [element] = tree.xpath("/*/*[local-name()='element'][@name=$name]", name=name)
    for each in element.iter("{*}element"):
        if each is not element and each.get("name") != "EuiccResponseData":
            each.attrib.pop("minOccurs", None)
    return etree.XMLSchema(tree)


@pytest.mark.parametrize(
    "body",
    [
        es3.ES3CreateISDPResponse(status=NO),
        es7.ES7AuthenticateSMSRResponse(status=NO),
        es7.ES7CreateAdditionalKeySetResponse(status=NO),
    ],
    ids=lambda body: type(body).__name__,
)
def test_every_result_element_for_a_strict_peer(body: Body) -> None:
    base = Base(started=1.0, ended=2.0)
    full, usual = (etree.fromstring(encode(body, base, full=each)) for each in (True, False))
    schema = strict(type(body))
    assert schema.validate(full), schema.error_log
    assert not schema.validate(usual)
    esm_samples.reference_schema().assertValid(full)
    assert decode(full).body.status == NO  # type: ignore[attr-defined]


def test_results_that_are_there_stay() -> None:
    body = es3.ES3CreateISDPResponse(status=SUCCESS, isdp_aid=esm_samples.AID)
    assert encode(body, full=True) == encode(body)


def in_the_older(text: str) -> str:
    return text.replace(NAMESPACE, OLD_NAMESPACE)


def test_an_eis_of_the_older_namespace_keeps_its_octets() -> None:
    register = encode(esm_samples.messages()[0])
    old = decode(etree.fromstring(in_the_older(register))).body
    assert isinstance(old, es1.ES1RegisterEIS)
    assert old.xml.decode() == in_the_older(register)
    offer = es7.ES7HandoverEUICC(eis=esm_samples.eis())
    element = in_the_older(encode(offer, Base(call_id="c")))
    taken = decode(etree.fromstring(element)).body
    assert isinstance(taken, es7.ES7HandoverEUICC)
    assert taken.eis.signed_info.decode() == in_the_older(offer.eis.signed_info.decode())
    assert taken.eis.eid == offer.eis.eid
    # Signed in the one, sent in the other, both ways: what was signed is not touched.
    for signed, message in ((taken, NAMESPACE), (offer, OLD_NAMESPACE)):
        again = decode(etree.fromstring(encode(signed, Base(call_id="c"), target=message))).body
        assert again.eis.signed_info == signed.eis.signed_info  # type: ignore[attr-defined]
        assert again.eis.signature == signed.eis.signature  # type: ignore[attr-defined]


def test_a_delivery_of_the_older_namespace(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = make_batch(tmp_path_factory.mktemp("files"), count=1, seed="older")
    usual = (folder / "eis.xml").read_bytes()
    [new] = eis_xml.parse_delivery(usual)
    [old] = eis_xml.parse_delivery(usual.replace(NAMESPACE.encode(), OLD_NAMESPACE.encode()))
    assert old.signed == new.signed
    assert old.profiles == new.profiles
    assert old.keysets == new.keysets
    assert old.signed_xml == new.signed_xml.replace(NAMESPACE.encode(), OLD_NAMESPACE.encode())
