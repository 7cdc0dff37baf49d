"""Vectors of sms_tpdu.json: segmentation, TPDUs, reassembly (3GPP TS 23.040, TS 31.115)."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman.codec import sms_tpdu
from shared_data import vectors

ALL = vectors("sms_tpdu")


def cases(op: str) -> pytest.MarkDecorator:
    chosen = [vector for vector in ALL if vector["input"]["op"] == op]
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: vector["id"])


@cases("segment")
def test_segment(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    packet = bytes.fromhex(given["packet"])
    uds = sms_tpdu.segment(
        packet,
        response=given["direction"] == "mo",
        reference=given["reference"],
        reference_bits=given["reference_bits"],
        security_first=given["order"] == "security",
    )
    assert [ud.hex() for ud in uds] == expected["ud"]
    assert [len(ud) for ud in uds] == expected["udl"]
    if given["direction"] == "mt":
        stamp = bytes.fromhex(given["tp_scts"])
        delivers = [
            sms_tpdu.SMSDeliver(given["tp_oa"], stamp, ud, no_more_messages=given["more_messages_bit"])
            for ud in uds
        ]
        assert [sms_tpdu.encode_deliver(item).hex() for item in delivers] == expected["tpdu"]
        assert [sms_tpdu.parse_deliver(bytes.fromhex(t)) for t in expected["tpdu"]] == delivers
    else:
        submits = [
            sms_tpdu.SMSSubmit(reference, given["tp_da"], ud)
            for reference, ud in zip(given["tp_mr"], uds, strict=True)
        ]
        assert [sms_tpdu.encode_submit(item).hex() for item in submits] == expected["tpdu"]
        assert [sms_tpdu.parse_submit(bytes.fromhex(t)) for t in expected["tpdu"]] == submits
    again = sms_tpdu.Reassembler()
    whole = [again.add("x", sms_tpdu.parse_user_data(ud), 0.0) for ud in uds]
    assert whole[-1] == sms_tpdu.UserData(0x71 if given["direction"] == "mo" else 0x70, None, packet)


@cases("parse_envelope")
def test_envelope(vector: dict[str, Any]) -> None:
    expected = vector["expected"]
    data = bytes.fromhex(vector["input"]["envelope"])
    tpdu = sms_tpdu.parse_envelope(data)
    assert tpdu.hex() == expected["tpdu"]
    message = sms_tpdu.parse_deliver(tpdu)
    assert message.originator == expected["tp_oa"]
    assert f"{message.ton_npi:02x}" == expected["tp_oa_ton_npi"]
    assert f"{message.pid:02x}" == expected["tp_pid"]
    assert f"{message.dcs:02x}" == expected["tp_dcs"]
    assert message.timestamp.hex() == expected["tp_scts"]
    assert len(message.ud) == expected["tp_udl"]
    data_part = sms_tpdu.parse_user_data(message.ud)
    assert data_part.kind == 0x70
    assert data_part.payload.hex() == expected["packet"]
    assert sms_tpdu.encode_deliver(message) == tpdu
    assert sms_tpdu.envelope(tpdu) == bytes.fromhex("80c20000") + bytes((len(data),)) + data


@cases("parse_send_sms")
def test_send_short_message(vector: dict[str, Any]) -> None:
    expected = vector["expected"]
    tpdu = sms_tpdu.parse_send_sms(bytes.fromhex(vector["input"]["proactive"]))
    assert tpdu.hex() == expected["tpdu"]
    message = sms_tpdu.parse_submit(tpdu)
    assert (message.reference, message.destination) == (expected["tp_mr"], expected["tp_da"])
    assert (f"{message.pid:02x}", f"{message.dcs:02x}") == (expected["tp_pid"], expected["tp_dcs"])
    data_part = sms_tpdu.parse_user_data(message.ud)
    assert data_part.kind == 0x71
    assert data_part.payload.hex() == expected["packet"]
    assert sms_tpdu.encode_submit(message) == tpdu


@cases("reassemble")
def test_reassemble(vector: dict[str, Any]) -> None:
    table = sms_tpdu.Reassembler()
    complete = []
    for number, arrival in enumerate(vector["input"]["arrivals"]):
        sender = arrival["originator"]
        whole = table.add(sender, sms_tpdu.parse_user_data(bytes.fromhex(arrival["ud"])), float(number))
        if whole is not None:
            complete.append({"originator": sender, "packet": whole.payload.hex()})
    assert complete == vector["expected"]["complete"]
    if "pending" in vector["expected"]:
        assert table.pending == vector["expected"]["pending"]
