"""SMPP v3.4 PDUs, streams and receipts of other implementations (reference vectors `smpp`)."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.commands import CommandID
from ferryman.codec.smpp.errors import FramingError, SMPPError
from ferryman.codec.smpp.framer import Framer
from ferryman.codec.smpp.pdu import decode, encode
from ferryman.codec.smpp.receipt import is_receipt, parse_receipt, parse_receipt_text
from ferryman.codec.smpp.session import ESMESession, SessionLimits
from ferryman.codec.smpp.tlv import TLV
from shared_data import vectors

KINDS = {
    kind.COMMAND.name.lower(): kind
    for kind in vars(m).values()
    if isinstance(kind, type) and issubclass(kind, m.PDU) and hasattr(kind, "COMMAND")
}
VECTORS = vectors("smpp")


def of(op: str) -> list[Any]:
    found = [vector for vector in VECTORS if vector["input"]["op"] == op]
    return [pytest.param(vector["input"], vector["expected"], id=vector["id"]) for vector in found]


def pdu_of(given: dict[str, Any]) -> m.PDU:
    fields = dict(given["fields"])
    if "short_message" in fields:
        fields["short_message"] = bytes.fromhex(fields["short_message"])
    if given["body_omitted"] and "body_omitted" in KINDS[given["command"]].__struct_fields__:
        fields["body_omitted"] = True
    return KINDS[given["command"]](
        sequence=given["sequence_number"],
        status=given["command_status"],
        tlvs=tuple(TLV(int(tag, 16), bytes.fromhex(value)) for tag, value in given["tlvs"]),
        **fields,
    )


def bound() -> ESMESession:
    session = ESMESession(SessionLimits(), 0.0)
    session.bind(m.BindTransceiver(), 0.0)
    session.data_to_send()
    session.receive(encode(m.BindTransceiverResp(sequence=1)), 0.0)
    return session


def test_there_are_vectors_for_every_operation() -> None:
    if not VECTORS:
        pytest.skip("reference data not present: vectors/smpp.json")
    operations = {vector["input"]["op"] for vector in VECTORS}
    assert operations == {"codec", "parse_receipt", "stream", "answer", "decode"}
    assert len(VECTORS) == 64


@pytest.mark.parametrize(("given", "expected"), of("codec"))
def test_codec_both_ways(given: dict[str, Any], expected: dict[str, Any]) -> None:
    octets, value = bytes.fromhex(expected["pdu"]), pdu_of(given)
    assert encode(value) == octets
    assert decode(octets) == value


@pytest.mark.parametrize(("given", "expected"), of("parse_receipt"))
def test_receipt_text(given: dict[str, Any], expected: dict[str, Any]) -> None:
    parsed = parse_receipt_text(given["text"])
    assert {key: getattr(parsed, key) for key in expected} == expected


@pytest.mark.parametrize(("given", "expected"), of("stream"))
def test_stream(given: dict[str, Any], expected: dict[str, Any]) -> None:
    framer, found = Framer(), []

    def feed_all() -> None:
        for read in given["reads"]:
            found.extend(pdu.hex() for pdu in framer.feed(bytes.fromhex(read)))

    if expected.get("fatal"):
        with pytest.raises(FramingError):
            feed_all()
    else:
        feed_all()
    assert found == expected["pdus"]


@pytest.mark.parametrize(("given", "expected"), of("answer"))
def test_answer(given: dict[str, Any], expected: dict[str, Any]) -> None:
    session = ESMESession(SessionLimits(), 0.0) if given.get("state") == "open" else bound()
    events = session.receive(bytes.fromhex(given["pdu"]), 1.0)
    assert session.data_to_send().hex() == expected["reply"]
    assert any(type(event).__name__ == "Ended" for event in events) == expected["fatal"]


@pytest.mark.parametrize(("given", "expected"), of("decode"))
def test_broken_pdu(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected == {"error": True, "recoverable": True}
    with pytest.raises(SMPPError) as caught:
        decode(bytes.fromhex(given["pdu"]))
    assert not isinstance(caught.value, FramingError)


@pytest.mark.parametrize(
    ("given", "expected"), [param for param in of("codec") if str(param.id).startswith("dlr-")]
)
def test_receipts_in_parameters_and_text_agree(given: dict[str, Any], expected: dict[str, Any]) -> None:
    pdu = pdu_of(given)
    assert isinstance(pdu, m.DeliverSM)
    assert is_receipt(pdu)
    receipt = parse_receipt(pdu)
    assert receipt.message_id == "7b31f"
    assert receipt.state is not None
    assert pdu.tlvs[1].value[0] == receipt.state
    if pdu.short_message:
        assert receipt.text.id == "7b31f"


def test_every_command_has_a_class() -> None:
    assert {kind.COMMAND for kind in KINDS.values()} == set(CommandID)
