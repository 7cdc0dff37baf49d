"""3GPP TS 35.206, TS 33.102: the home register's Milenage, sequence numbers and resynchronisation, its lists,
its port.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from ferryman_sim.hlr.milenage import Milenage, opc_from_op
from ferryman_sim.hlr.register import IND_BITS, Register
from ferryman_sim.hlr.service import HLR
from ferryman_sim.hlr.subscriptions import SubscriptionError, read
from ferryman_sim.json_lines import TcpRequester
from shared_data import vectors

KI, OPC = bytes(range(16)), bytes(range(16, 32))
LIST = f"ICCID,IMSI,MSISDN,KI,OPC\n8999,999700000000001,+88239001,{KI.hex()},{OPC.hex()}\n"


@pytest.mark.parametrize("vector", vectors("milenage"), ids=lambda v: v["id"])
def test_functions_of_ts_35_208(vector: dict[str, Any]) -> None:
    given = {name: bytes.fromhex(value) for name, value in vector["input"].items()}
    wanted = vector["expected"]
    opc = opc_from_op(given["k"], given["op"])
    functions = Milenage(given["k"], opc)
    rand, sqn, amf = given["rand"], given["sqn"], given["amf"]
    results = {
        "opc": opc,
        "f1": functions.mac_a(rand, sqn, amf),
        "f1star": functions.mac_s(rand, sqn, amf),
        "f2": functions.res(rand),
        "f3": functions.ck(rand),
        "f4": functions.ik(rand),
        "f5": functions.ak(rand),
        "f5star": functions.ak_resync(rand),
    }
    assert {name: value.hex() for name, value in results.items()} == wanted


@pytest.mark.parametrize(
    "vector",
    [v for v in vectors("usim_auth") if v["input"]["op"] == "auth" and v["input"]["algorithm"] == "milenage"],
    ids=lambda v: v["id"],
)
def test_network_side_of_usim_auth(vector: dict[str, Any]) -> None:
    given, wanted = vector["input"], vector["expected"]
    functions = Milenage(bytes.fromhex(given["k"]), bytes.fromhex(given["opc"]))
    rand = bytes.fromhex(given["rand"])
    assert functions.autn(rand, bytes.fromhex(given["sqn"]), bytes.fromhex(given["amf"])).hex() == wanted["autn"]
    assert functions.res(rand).hex() == wanted["res"]
    auts = bytes.fromhex(wanted["auts"])
    assert functions.sqn_of_auts(rand, auts) == bytes.fromhex(given["sqn_ms_for_resync"])
    assert functions.sqn_of_auts(rand, auts[:-1] + bytes([auts[-1] ^ 1])) is None
    assert functions.sqn_of_auts(rand, auts[:-1]) is None


def register() -> Register:
    made = Register(random.Random(1))
    made.load(read(LIST))
    return made


def sqn_of(answer: dict[str, Any]) -> int:
    rand, autn = bytes.fromhex(answer["rand"]), bytes.fromhex(answer["autn"])
    ak = Milenage(KI, OPC).ak(rand)
    return int.from_bytes(bytes(a ^ b for a, b in zip(autn[:6], ak, strict=True)), "big")


def test_every_vector_has_a_higher_sequence_and_the_next_index() -> None:
    home = register()
    seen = [sqn_of(home.handle({"op": "auth-info", "imsi": "999700000000001"})) for _ in range(40)]
    assert [sqn >> IND_BITS for sqn in seen] == list(range(1, 41))
    assert [sqn & 31 for sqn in seen] == [(i + 1) % 32 for i in range(40)]


def test_resynchronisation_takes_the_cards_sequence() -> None:
    home, card = register(), Milenage(KI, OPC)
    first = home.handle({"op": "auth-info", "imsi": "999700000000001"})
    rand, sqn_ms = bytes.fromhex(first["rand"]), (777 << IND_BITS | 3).to_bytes(6, "big")
    concealed = bytes(a ^ b for a, b in zip(sqn_ms, card.ak_resync(rand), strict=True))
    auts = concealed + card.mac_s(rand, sqn_ms)
    request = {"op": "auth-info", "imsi": "999700000000001", "rand": first["rand"], "auts": auts.hex()}
    assert sqn_of(home.handle(request)) >> IND_BITS == 778
    forged = request | {"auts": (auts[:-1] + bytes([auts[-1] ^ 1])).hex()}
    assert "error" in home.handle(forged)
    assert sqn_of(home.handle({"op": "auth-info", "imsi": "999700000000001"})) >> IND_BITS == 779
    status = home.handle({"op": "status", "imsi": "999700000000001"})
    assert status["attached"][0]["resyncs"] == 1


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "auth-info", "imsi": "1"},
        {"op": "auth-info", "imsi": "999700000000001", "auts": "00"},
        {"op": "auth-info", "imsi": "999700000000001", "auts": "zz", "rand": "00" * 16},
        {"op": "auth-info", "imsi": "999700000000001", "auts": "00" * 14, "rand": "00"},
        {"op": "msisdn", "msisdn": "1"},
        {"op": "attached", "imsi": "1", "card": "x"},
        {"op": "load", "path": "/nonexistent"},
        {"op": "nothing"},
        {},
    ],
)
def test_bad_requests_get_an_error(request_: dict[str, Any]) -> None:
    assert list(register().handle(request_)) == ["error"]


def test_attached_and_detached() -> None:
    home = register()
    assert home.handle({"op": "msisdn", "msisdn": "88239001"}) == {"imsi": "999700000000001"}
    assert home.handle({"op": "attached", "imsi": "999700000000001", "card": "A"}) == {"msisdn": "88239001"}
    home.handle({"op": "attached", "imsi": "999700000000001", "card": "B"})
    home.handle({"op": "detached", "imsi": "999700000000001", "card": "A"})
    assert home.handle({"op": "subscriber", "imsi": "999700000000001"})["card"] == "B"
    home.handle({"op": "detached", "imsi": "999700000000001", "card": "B"})
    assert home.handle({"op": "subscriber", "imsi": "999700000000001"})["card"] is None


def test_lists_in_many_forms() -> None:
    op = bytes(16)
    text = f"\ufeffk;Extra;op;imsi;MsIsdn\n{KI.hex().upper()};x;{op.hex()};001019876543210;\n\n"
    [found] = read(text)
    assert (found.imsi, found.msisdn, found.iccid) == ("001019876543210", "", "")
    assert found.opc == opc_from_op(KI, op)
    assert KI.hex() not in repr(found)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "header"),
        ("IMSI,KI\n", "OPC"),
        (LIST.replace("999700000000001", "99x"), "line 2: IMSI"),
        (LIST.replace(KI.hex(), "00"), "line 2: KI"),
        (LIST.replace(OPC.hex(), "zz"), "line 2: OPC"),
        (LIST.replace("+88239001", "88x"), "line 2: MSISDN"),
    ],
)
def test_bad_lists_are_named_by_line_without_values(text: str, complaint: str) -> None:
    with pytest.raises(SubscriptionError, match=complaint) as caught:
        read(text)
    assert KI.hex() not in str(caught.value)


def test_an_msisdn_belongs_to_one_imsi() -> None:
    home = register()
    with pytest.raises(SubscriptionError, match="belongs to"):
        home.load(read(LIST.replace("999700000000001", "999700000000002")))
    assert home.load(read(LIST)) == 0


async def test_port_answers_and_survives_a_restart() -> None:
    hlr = HLR(read(LIST), random.Random(1))
    facts = await hlr.start()
    client = TcpRequester("127.0.0.1", facts["port"])
    assert await client.ask({"op": "msisdn", "msisdn": "88239001", "id": 5}) == {
        "imsi": "999700000000001",
        "id": 5,
    }
    await hlr.stop()
    again = HLR(read(LIST), random.Random(1), port=facts["port"])
    await again.start()
    assert await client.ask({"op": "msisdn", "msisdn": "88239001"}) == {"imsi": "999700000000001"}
    client.close()
    await again.stop()
    with pytest.raises(OSError):
        await client.ask({"op": "status"})
