"""SMPP 3.4 7.1.1, 5.2, appendix B and TS 23.040: validity times, user data, receipts; faults out of a seed."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from ferryman_sim.smsc import faults, messages
from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.faults import Faults
from ferryman_sim.smsc.messages import Address, MessageState, Refusal, ShortMessage
from ferryman_sim.smsc.pdu import Pdu
from shared_data import vectors

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 86_400.0),
        ("000000010000000R", 3600.0),
        ("000001000059000R", 86_459.0),
        ("000100000000000R", 30 * 86_400.0),
        ("260102030505000+", 60.0),
        ("260102040505004+", 60.0),
        ("260102020505004-", 60.0),
        ("260102030404000+", -1.0),
    ],
)
def test_validity_periods(text: str, seconds: float) -> None:
    assert messages.validity_seconds(text, NOW) == seconds


@pytest.mark.parametrize("text", ["000000010000000", "269902030404000+", "26010203040400xR", "260102030405000Z"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        messages.validity_seconds(text, NOW)
    assert caught.value.status == smpp.INVALID_EXPIRY


def submit(short: bytes = b"", udhi: bool = True, tlvs: tuple[tuple[int, bytes], ...] = ()) -> Pdu:
    return Pdu("submit_sm", fields={"short_message": short, "esm_class": 0x40 if udhi else 0}, tlvs=tlvs)


def test_user_data_comes_from_either_place_but_not_both() -> None:
    data = bytes.fromhex("027000AABB")
    assert messages.user_data(submit(data)) == (True, data)
    assert messages.user_data(submit(tlvs=((smpp.TLV_MESSAGE_PAYLOAD, data),))) == (True, data)
    with pytest.raises(Refusal):
        messages.user_data(submit(data, tlvs=((smpp.TLV_MESSAGE_PAYLOAD, data),)))


@pytest.mark.parametrize("data", [b"", b"\x05\x00", bytes(141)])
def test_user_data_that_is_none(data: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        messages.user_data(submit(data))
    assert caught.value.status == smpp.INVALID_MESSAGE_LENGTH


def test_sar_parameters_become_a_concatenation_element() -> None:
    sar = ((smpp.TLV_SAR_REFERENCE, b"\x12\x34"), (smpp.TLV_SAR_TOTAL, b"\x03"), (smpp.TLV_SAR_NUMBER, b"\x02"))
    assert messages.user_data(submit(b"abc", udhi=False, tlvs=sar))[1].hex() == "06080412340302616263"
    with_header = messages.user_data(submit(bytes.fromhex("0270006162"), tlvs=sar))
    assert with_header == (True, bytes.fromhex("087000080412340302") + b"ab")
    with pytest.raises(Refusal):
        messages.user_data(submit(b"abc", udhi=False, tlvs=sar[:2]))
    with pytest.raises(Refusal):
        messages.user_data(submit(b"abc", udhi=False, tlvs=(*sar[:2], (smpp.TLV_SAR_NUMBER, b"\x04"))))


@pytest.mark.parametrize(
    ("identifier", "state"), [("dlr-DELIVRD", MessageState.DELIVERED), ("dlr-EXPIRED", MessageState.EXPIRED)]
)
def test_receipts_are_those_of_the_vectors(identifier: str, state: MessageState) -> None:
    found = [v for v in vectors("smpp") if v["id"] == identifier]
    if not found:
        pytest.skip("reference data not present: smpp.json")
    wanted = smpp.decode(bytes.fromhex(found[0]["expected"]["pdu"]))
    message = ShortMessage(
        id="7b31f",
        source=Address(1, 1, "447700900001"),
        destination=Address(1, 1, "447700900123"),
        udhi=True,
        pid=0x7F,
        dcs=0xF6,
        ud=b"",
        expires=0,
        submitted=datetime(2026, 11, 22, 8, 57, tzinfo=UTC),
        state=state,
    )
    fields, tlvs = messages.receipt(message, datetime(2026, 11, 22, 8, 58, tzinfo=UTC))
    made = smpp.decode(smpp.encode(Pdu("deliver_sm", sequence=wanted.sequence, fields=fields, tlvs=tlvs)))
    assert made.fields == wanted.fields
    assert made.tlvs == wanted.tlvs


def test_receipts_are_sent_as_asked_for() -> None:
    message = ShortMessage("1", Address(1, 1, "1"), Address(1, 1, "2"), True, 0, 0, b"", 0, NOW)
    wanted = {}
    for registered in range(4):
        for state in (MessageState.DELIVERED, MessageState.EXPIRED):
            message.registered, message.state = registered, state
            wanted[registered, state.name] = message.wants_receipt
    assert [key for key, value in wanted.items() if value] == [(1, "DELIVERED"), (1, "EXPIRED"), (2, "EXPIRED")]


def test_faults_repeat_from_their_seed() -> None:
    bad = faults.parse("loss=0.2,delay=0.3,delay_seconds=4,repeat=0.2,reorder=0.1")
    one, two = random.Random("x"), random.Random("x")
    drawn = [bad.draw(one) for _ in range(200)]
    assert drawn == [bad.draw(two) for _ in range(200)]
    assert {verdict.lost for verdict in drawn} == {True, False}
    assert 0 < max(verdict.delay for verdict in drawn) <= 4
    assert not any(v.lost or v.delay or v.repeated or v.overtaken for v in (Faults().draw(one) for _ in range(50)))


def test_changing_one_fault_does_not_shift_the_others_draws() -> None:
    a, b = random.Random(3), random.Random(3)
    with_loss = [Faults(loss=0.5, repeat=0.5).draw(a).repeated for _ in range(50)]
    assert with_loss == [Faults(repeat=0.5).draw(b).repeated for _ in range(50)]


@pytest.mark.parametrize(
    "settings", [{"loss": 2}, {"loss": "x"}, {"loss": True}, {"nothing": 1}, {"delay_seconds": -1}]
)
def test_wrong_fault_settings(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Faults().changed(settings)
