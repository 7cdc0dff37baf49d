"""A TS.48 package, ordered and downloaded, authenticates on the card by the test sets of TS 35.208 and 35.233.

The subscription comes with the keys of the test set in a file of the operator; template, personalisation, SCP03t
and installation are those of every order.
"""

from __future__ import annotations

import io
from typing import Any

import pytest

from e2e.bench import bench
from ferryman.codec.saip import decode, encode
from ferryman.contracts import admin
from ferryman.platform.importing import Importer
from ferryman_sim.profile import AuthenticationRefused
from rig import OWNER
from saip_samples import TS48_NAMES, ts48
from shared_data import vectors
from unit.profile.test_templates_authenticate import NO_LIMIT, Tuak, answer, octets, one_round, xor
from virtual_loop import virtual

NAME = TS48_NAMES[-2]
ICCID, IMSI = "8988211900000000001", "001019876543210"
MAPPING = """
algorithm: {algorithm}
published_keys: true
check_digit: false
columns:
  ICCID: {{is: iccid, spelling: digits}}
  IMSI: {{is: imsi, spelling: digits}}
  KI: {{is: ki, bytes: {size}}}
  OPC: {opc}
  PIN1: {{is: pin1, spelling: digits}}
  PUK1: {{is: puk1, spelling: digits}}
  PIN2: {{is: pin2, spelling: digits}}
  PUK2: {{is: puk2, spelling: digits}}
  ADM1: {{is: adm1, spelling: digits}}
  KIC: kic
  KID: kid
  KIK: kik
"""
OTA_KEYS = [f"{n}123456789ABCDEFFEDCBA987654321{n}" for n in (0, 1, 2)]
OTHERS = ",".join(("1234", "12345678", "5678", "87654321", "11223344", *OTA_KEYS))


def template() -> bytes:
    """The published package; test sets jump in their sequence numbers, so there is no limit to a leap."""
    package = decode(ts48(NAME))
    for element in package.named("akaParameter"):
        element.fields["sqnDelta"] = element.fields["sqnAgeLimit"] = NO_LIMIT
    return encode(package)


def milenage(vector: dict[str, Any]) -> tuple[str, bytes, bytes, bytes, bytes, bytes]:
    """Algorithm, K, OPc, RAND, AUTN and the card's answer."""
    given, wanted = octets(vector["input"]), octets(vector["expected"])
    token = xor(given["sqn"], wanted["f5"]) + given["amf"] + wanted["f1"]
    said = answer(wanted["f2"], wanted["f3"], wanted["f4"])
    return "milenage", given["k"], wanted["opc"], given["rand"], token, said


def tuak(vector: dict[str, Any]) -> tuple[str, bytes, bytes, bytes, bytes, bytes]:
    """The same, with lengths of the card's own from an implementation that gives the test sets."""
    given, topc = octets(vector["input"]), octets(vector["expected"])["topc"]
    third = Tuak(given["k"], topc)
    res, ck, ik, ak = third.f2345(given["rand"])
    token = xor(given["sqn"], ak) + given["amf"] + third.f1(given["rand"], given["sqn"], given["amf"])
    return (
        "tuak256" if len(given["k"]) == 32 else "tuak128",
        given["k"],
        topc,
        given["rand"],
        token,
        answer(res, ck, ik),
    )


LONG = next(vector for vector in one_round() if len(vector["input"]["k"]) == 64)
SETS = [milenage(vectors("milenage")[0]), milenage(vectors("milenage")[-1]), tuak(one_round()[0]), tuak(LONG)]


@pytest.mark.parametrize("test_set", SETS, ids=["milenage-first", "milenage-last", "tuak128", "tuak256"])
@virtual
async def test_the_card_answers_as_the_test_set_says(
    test_set: tuple[str, bytes, bytes, bytes, bytes, bytes],
) -> None:
    algorithm, key, opc, rand, token, said = test_set
    named = {"algorithm": algorithm[:4] if algorithm != "milenage" else algorithm, "size": len(key)}
    mapping = MAPPING.format(opc="opc" if algorithm == "milenage" else "{is: topc, bytes: 32}", **named)
    row = f"{ICCID},{IMSI},{key.hex()},{opc.hex()},{OTHERS}"
    content = f"ICCID,IMSI,KI,OPC,PIN1,PUK1,PIN2,PUK2,ADM1,KIC,KID,KIK\n{row}\n"
    async with bench("https") as b:
        made = admin.ImportTemplate(owner=OWNER, name="tests", der=template(), algorithm=algorithm)
        assert isinstance(await b.operator.sm_dp(made), admin.TemplateImported)
        await Importer(b.operator).file(io.BytesIO(content.encode()), "tests", mapping=mapping)
        view, status = await b.run_order(profile_type="tests", enable=False)
        assert (status.ok, view.iccid) == (True, ICCID), status
        [profile] = [
            p.profile for p in b.device().card._core.state.isdps if p.profile and p.profile.iccid == ICCID
        ]
        assert profile.imsi == IMSI
        wrong = token[:-1] + bytes((token[-1] ^ 1,))
        with pytest.raises(AuthenticationRefused):
            profile.authenticate(rand, wrong)
        assert profile.authenticate(rand, token) == said
