"""Our proposal for the functions of v4: every message, its schema and WSDL, and that it stands apart."""

from __future__ import annotations

import pytest
from lxml import etree

import soap_guard
import v4_samples
from ferryman.contracts.message import Body
from ferryman.soap_gateway.esm import description, extension
from ferryman.soap_gateway.esm.body import Base, decode, encode, find
from ferryman.soap_gateway.esm.functions import BY_BODY, FUNCTIONS, NAMESPACE, Shape

SAMPLES = v4_samples.messages()
BASES = {Shape.REQUEST: Base(call_id="c-1", validity=60), Shape.RESPONSE: Base(started=1.0, ended=2.0)}


def test_there_is_a_sample_of_every_message() -> None:
    pairs = [(each.request, each.response) for each in extension.FUNCTIONS]
    assert {type(body) for body in SAMPLES} == {one.body for pair in pairs for one in pair if one is not None}


@pytest.mark.parametrize("body", SAMPLES, ids=lambda body: type(body).__name__)
def test_written_valid_and_read_back(body: Body) -> None:
    base = BASES.get(BY_BODY[type(body)][1].shape, Base())
    element = etree.fromstring(encode(body, base))
    soap_guard.proposal().assertValid(element)
    assert find(element) == BY_BODY[type(body)]
    read = decode(element)
    assert (read.body, read.base) == (body, base)


def test_it_stands_apart() -> None:
    """Nothing of it in the usual namespace, nothing usual in its own, and no name is used twice."""
    element = encode(SAMPLES[0], Base(call_id="c"))
    assert find(etree.fromstring(element.replace(extension.EXTENSION, NAMESPACE))) is None
    assert find(etree.fromstring(f'<ES4-GetEISRequest xmlns="{extension.EXTENSION}"/>')) is None
    assert find(etree.fromstring(f'<ES4-GetEISRequest xmlns="{NAMESPACE}"/>')) is not None
    both = (*FUNCTIONS, *extension.FUNCTIONS)
    assert len({each.qualified for each in both}) == len({each.action for each in both}) == len(both)


def test_what_the_schema_refuses_is_refused() -> None:
    good = encode(v4_samples.messages()[13], Base(call_id="c"))
    for old, new in (
        ("EnableProfile", "UpdatePolicyRules"),
        ("<M2M-SP-id>1", "<M2M-SP-id>x"),
        ("Plma>", "Other>"),
    ):
        changed = etree.fromstring(good.replace(old, new))
        assert not soap_guard.proposal().validate(changed)
        with pytest.raises(Exception, match=r"none of|identifier|expected|missing"):
            decode(changed)


def test_its_wsdl_names_its_functions_alone() -> None:
    for interface in ("ES1", "ES2", "ES3", "ES4", "ES4A"):
        text = description.wsdl(interface, "https://x/es", v4=True)
        root = etree.fromstring(text.encode())
        names = set(root.xpath("//*[local-name()='portType']/*/@name"))
        assert names == {each.name for each in extension.FUNCTIONS if each.interface == interface}
