"""Envelopes: the examples of the reference, a message as recorded in the field, and what is no envelope."""

from __future__ import annotations

import pytest
from lxml import etree

import esm_samples
from ferryman.contracts import es3
from ferryman.contracts.status import Status
from ferryman.soap_gateway.esm import addressing, description, envelope
from ferryman.soap_gateway.esm.body import decode, find
from ferryman.soap_gateway.esm.envelope import Fault
from ferryman.soap_gateway.esm.functions import FUNCTIONS, is_action_of

ENVELOPES = [text for text in esm_samples.reference_xml() if text.startswith("<env:Envelope")]

# What a gSOAP peer of 2018 sent as callback of CreateISDP, put together from what the reference tells of it.
RECORDED = """<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"
 xmlns:wsa5="http://www.w3.org/2005/08/addressing" xmlns:ns1="http://namespaces.gsma.org/esim-messaging/3">
<SOAP-ENV:Header>
<wsa5:MessageID>//1.3.6.1.4.1.20/urn:uuid:0b1f7d9c-6b6e-4e6f-9f0e-2d7f5b1f0001?TransactionId=urn:uuid:0b1f7d9c-0002&amp;\
MessageDate=2018-12-19T02:44:49Z</wsa5:MessageID>
<wsa5:RelatesTo>//1.3.6.1.4.1.10/urn:uuid:1?TransactionId=urn:uuid:0b1f7d9c-0002&amp;MessageDate=2018-12-19T02:44:30Z</wsa5:RelatesTo>
<wsa5:From><wsa5:Address>http://192.0.2.1:8080/es3?EntityId=1.3.6.1.4.1.20&amp;EntityName=SMSR</wsa5:Address></wsa5:From>
<wsa5:To SOAP-ENV:mustUnderstand="true">http://192.0.2.2:8080/es3?EntityId=1.3.6.1.4.1.10</wsa5:To>
<wsa5:Action SOAP-ENV:mustUnderstand="true">http://gsma.com/ES3/ProfileManagementCallBack/ES3-CreateISDP</wsa5:Action>
</SOAP-ENV:Header>
<SOAP-ENV:Body>
<ns1:ES3-CreateISDPResponse>
<ns1:ProcessingStart>2018-12-19T02:44:31Z</ns1:ProcessingStart>
<ns1:ProcessingEnd>2018-12-19T02:44:49Z</ns1:ProcessingEnd>
<ns1:FunctionExecutionStatus><ns1:Status>EXECUTED_SUCCESS</ns1:Status></ns1:FunctionExecutionStatus>
<ns1:Isd-p-aid>A0000005591010FFFFFFFF8900001300</ns1:Isd-p-aid>
</ns1:ES3-CreateISDPResponse>
</SOAP-ENV:Body>
</SOAP-ENV:Envelope>
"""


@pytest.mark.parametrize("text", ENVELOPES, ids=range(len(ENVELOPES)))
def test_examples_of_the_reference(text: str) -> None:
    read = envelope.read(text.encode())
    assert read.addressing.sender_id.startswith("1.3.6.1.4.1.99999.")
    found = find(read.body)
    if found is None:
        assert envelope.make_connection(read.body).endswith("anonymous?id=op-q-1")
        assert addressing.polling_id(envelope.make_connection(read.body)) == "op-q-1"
        return
    assert is_action_of(read.addressing.action, found[0])
    assert not any(is_action_of(read.addressing.action, other) for other in FUNCTIONS if other is not found[0])
    decode(read.body)


def test_the_recorded_message_of_2018() -> None:
    read = envelope.read(RECORDED.encode())
    told = read.addressing
    assert (told.sender_id, told.sender_name, told.to_id) == ("1.3.6.1.4.1.20", "SMSR", "1.3.6.1.4.1.10")
    assert told.transaction_id == "urn:uuid:0b1f7d9c-0002"
    assert told.sent == 1_545_187_489.0
    esm_samples.reference_schema().assertValid(read.body)
    body = decode(read.body).body
    assert isinstance(body, es3.ES3CreateISDPResponse)
    assert body.status.status is Status.SUCCESS
    assert body.isdp_aid.hex() == "a0000005591010ffffffff8900001300"


def test_written_headers_are_read_back() -> None:
    made = addressing.Addressing(
        action="http://gsma.com/x",
        message_id=addressing.message_id("1.2.3", "m&1", transaction="t 1", context="c/ü", sent=1_736_500_000.0),
        sender="https://sr.example/es3",
        sender_id="1.2.3",
        sender_name="a & b",
        to="https://dp.example/es3?EntityId=1.2.4",
        to_id="1.2.4",
        reply_to="https://sr.example/es3/callback",
        relates_to="//1.2.4/m-1",
        transaction_id="t 1",
        context_id="c/ü",
        sent=1_736_500_000.0,
    )
    assert envelope.read(envelope.write(made, "<x/>")).addressing == made


def test_related_messages() -> None:
    full = "//a/1?TransactionId=t"
    assert addressing.is_same_message(full, full)
    assert addressing.is_same_message("//a/1", full)
    assert not addressing.is_same_message("//a/2?TransactionId=t", full)


@pytest.mark.parametrize("code", ["%", "%zz", "%4", "a%2", "%c3%28"])
def test_badly_encoded_items_do_no_harm(code: str) -> None:
    assert addressing.items(f"http://x?EntityId={code}").keys() == {"EntityId"}


def _with(**changes: str) -> bytes:
    text = ENVELOPES[0]
    for old, new in changes.items():
        text = text.replace(old, new)
    return text.encode()


def test_headers_that_are_missing_or_twice() -> None:
    for name in ("From", "To", "MessageID", "Action"):
        root = etree.fromstring(ENVELOPES[0].encode())
        header = root[0]
        block = header.find(f"{{http://www.w3.org/2005/08/addressing}}{name}")
        assert block is not None
        header.remove(block)
        with pytest.raises(Fault) as caught:
            envelope.read(etree.tostring(root))
        assert (caught.value.subcode, caught.value.status) == ("wsa:MessageAddressingHeaderRequired", 400)
        header.extend([block, etree.fromstring(etree.tostring(block))])
        with pytest.raises(Fault, match="twice"):
            envelope.read(etree.tostring(root))


def test_a_header_that_must_be_understood() -> None:
    header = '<x:Y xmlns:x="urn:x" env:mustUnderstand="{}"/></env:Header>'
    for value in ("true", "1"):
        with pytest.raises(Fault) as caught:
            envelope.read(ENVELOPES[0].replace("</env:Header>", header.format(value)).encode())
        assert caught.value.code == "MustUnderstand"
    envelope.read(ENVELOPES[0].replace("</env:Header>", header.format("false")).encode())


def test_soap_1_1_is_another_version() -> None:
    text = ENVELOPES[0].replace(
        "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"
    )
    with pytest.raises(Fault) as caught:
        envelope.read(text.encode())
    assert caught.value.code == "VersionMismatch"


@pytest.mark.parametrize(
    "text", ["", "x", "<a/>", "<a>", ENVELOPES[0][:-5], ENVELOPES[0].replace("Body", "Body2")]
)
def test_no_envelope(text: str) -> None:
    with pytest.raises(Fault):
        envelope.read(text.encode())


def test_two_bodies() -> None:
    text = ENVELOPES[0].replace("</env:Body>", "<x/></env:Body>")
    with pytest.raises(Fault, match="exactly one"):
        envelope.read(text.encode())


def test_a_fault_is_well_formed() -> None:
    for fault in (Fault("a < b"), Fault("x", code="Receiver", subcode="wsse:FailedAuthentication", status=500)):
        root = etree.fromstring(envelope.write_fault(fault))
        assert str(root[0][0].tag) == "{http://www.w3.org/2003/05/soap-envelope}Fault"
        assert root.findtext(".//{*}Text") == fault.reason


def test_a_password_is_not_shown() -> None:
    token = envelope.UsernameToken("name", "word", False, "", "")
    assert "word" not in repr(token)


def test_descriptions_are_well_formed_and_complete() -> None:
    documents = description.documents("https://sr.example")
    base = {"es1.wsdl", "es2.wsdl", "es3.wsdl", "es4.wsdl", "es7.wsdl", "esim-messaging.xsd"}
    proposed = {"es1-v4.wsdl", "es2-v4.wsdl", "es3-v4.wsdl", "es4-v4.wsdl", "es4a-v4.wsdl"}
    assert set(documents) == base | proposed | {"esim-messaging-v4.xsd"}
    for text in documents.values():
        etree.fromstring(text.encode())
    for function in FUNCTIONS:
        assert f'name="{function.name}"' in documents[f"{function.interface.lower()}.wsdl"]
