"""The simulated operator's OTA platform: bytes of ES6 and SCP80 from its end (SGP.02 4.1.2, TS 102 225)."""

from __future__ import annotations

import random

import pytest

from ferryman_sim.mno import es6, packets
from ferryman_sim.mno.packets import BadPacket, OtaKeys
from ferryman_sim.mno.platform import MNO, MNOError, read_subscribers
from ferryman_sim.mno.service import MNOService
from sim_card_operator import OPERATOR, TAR, with_operator_keys
from sim_card_wire import ISDP1 as ISDP
from sim_card_wire import KIC, KID, H, enable
from virtual_loop import virtual

ISDR_TAR = H("000001")
KEYS = OtaKeys(1, KIC, KID)
CSV = "ICCID,IMSI,MSISDN,KI,OPC,KIC,KID\n8988211000000000011,00101,+88211,00,00," + "11" * 16 + "," + "22" * 16


def test_commands_of_the_notes() -> None:
    assert es6.update_pol1(3) == H("80E28800063A060381010300")
    assert es6.update_connectivity("+33609876543") == H("80E288000E3A070BA0090607913306896745F300")
    assert es6.update_pol1(4, 0x84) == H("80E28800063A060384010400")
    with pytest.raises(ValueError, match="telephone number"):
        es6.update_connectivity("operator")


def test_packets_of_the_notes() -> None:
    sealed = packets.seal(KEYS, ISDR_TAR, 0x42, es6.script(enable(ISDP)))
    assert sealed == H(
        "00381516391212000001"
        "6786B5C0A140B171566643A448C3C2554E4E8883CA89A11DC43921C41BAFF10AE0E4A475B25EA1B9187149AA29085DE8"
    )
    proof = H("002412000001" + "28524B88AD0789E649BAB57725AD07314F3970A896AA5715ECF2FA025C28D987")
    opened = packets.open_proof(KEYS, ISDR_TAR, proof)
    assert (opened.counter, opened.status) == (0x42, 0)
    assert es6.status_word(opened.data) == 0x9000
    replay = packets.open_proof(KEYS, ISDR_TAR, H("001412000001" + "9DEE0E79E1B80B3793E5B58ECFC9CE13"))
    assert replay.status == 2


def test_anything_else_is_no_proof() -> None:
    proof = H("002412000001" + "28524B88AD0789E649BAB57725AD07314F3970A896AA5715ECF2FA025C28D987")
    for at in range(len(proof)):
        broken = proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :]
        with pytest.raises(BadPacket):
            packets.open_proof(KEYS, ISDR_TAR, broken)
    for cut in range(len(proof)):
        with pytest.raises(BadPacket):
            packets.open_proof(KEYS, ISDR_TAR, proof[:cut])
    twice = "AB0B8001012302900023029000"
    for response in ("", "AB", "AB07800101", "AF80230290000000", "AB0680010123019000", twice):
        with pytest.raises(es6.BadAnswer):
            es6.status_word(H(response))


def test_the_card_and_the_operator_understand_each_other() -> None:
    bench = with_operator_keys()
    keys = OtaKeys(2, *OPERATOR)
    for counter, (pol1, word) in enumerate([(4, 0x9000), (8, 0x6A80)], start=1):
        packet = packets.seal(keys, TAR, counter, es6.script(es6.update_pol1(pol1)))
        (action,) = bench.send(packet)
        uds = getattr(action, "uds", ())
        proof = packets.open_proof(keys, TAR, b"".join(ud[1 + ud[0] :] for ud in uds))
        assert (proof.counter, proof.status, es6.status_word(proof.data)) == (counter, 0, word)
    assert bench.card.profiles()[0]["pol1"] == 4


def test_subscription_lists() -> None:
    (found,) = read_subscribers(CSV)
    assert (found.iccid, found.msisdn, found.counter) == ("8988211000000000011", "88211", 0)
    assert "11" * 16 not in repr(found)
    for bad in (CSV.replace("KIC", "KEY"), CSV.replace("11" * 16, "11" * 15), CSV.replace("22" * 16, "secret")):
        with pytest.raises(ValueError, match=r"subscription list|AES-128") as caught:
            read_subscribers(bad)
        assert "secret" not in str(caught.value)


@virtual
async def test_control_requests_that_make_no_sense() -> None:
    mno = MNO(read_subscribers(CSV), address="+33611111111", system_id="mno", password="x")
    service = MNOService(mno, ("127.0.0.1", 1), "127.0.0.1", 0)
    for request in (
        {"op": "pol1", "iccid": "unknown", "pol1": 1},
        {"op": "pol1", "iccid": "8988211000000000011", "pol1": 256},
        {"op": "pol1", "iccid": "8988211000000000011"},
        {"op": "connectivity", "iccid": "8988211000000000011", "smsc": "none"},
        {"op": "pol1", "iccid": "8988211000000000011", "pol1": 1},  # not bound
        {"op": "dance"},
    ):
        assert set(await service.ask(request)) == {"error"}, request
    with pytest.raises(MNOError):
        await mno.update_pol1("unknown", 1)


def test_random_bytes_are_no_proof() -> None:
    rng = random.Random("no proof")
    for _ in range(300):
        with pytest.raises(BadPacket):
            packets.open_proof(KEYS, ISDR_TAR, rng.randbytes(rng.randrange(60)))
