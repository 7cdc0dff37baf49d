"""zeep, which knows nothing of us but our WSDL, calls every function of ES1, ES2, ES3, ES4 and ES7."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import esm_samples
from esm_samples import EID, ICCID
from ferryman.contracts import es4
from ferryman.contracts.message import Body, Header
from ferryman.contracts.peers import PeerKind
from ferryman.contracts.status import SUCCESS
from ferryman.soap_gateway.esm.body import decode
from ferryman.soap_gateway.esm.functions import FUNCTIONS, Style
from parties import Party
from soap_world import DP, EUM, MNO, SR, SR2, Gateway, Receiver, succeed
from zeep_client import ZeepPeer

AID = "A0000005591010FFFFFFFF8900001300"
RULES = {"Rule": [{"Subject": "PROFILE", "Action": "DELETE", "Qualification": "Not-Allowed"}]}
ADDRESS = {"Imsi": "001010000000001", "Msisdn": "882360000000001"}
P: dict[str, Any] = {"Eid": EID, "Iccid": ICCID}
VALUES: dict[str, dict[str, Any]] = {
    "ES2.GetEIS": {"Eid": EID, "Smsr-id": SR},
    "ES2.DownloadProfile": {"Eid": EID, "SmSr-id": SR, "Iccid": ICCID, "EnableProfile": True},
    "ES2.UpdatePolicyRules": {**P, "Smsr-id": SR, "pol2": RULES},
    "ES2.UpdateSubscriptionAddress": {**P, "Smsr-id": SR, "newSubscriptionAddress": ADDRESS},
    "ES2.EnableProfile": {**P, "SmSr-id": SR},
    "ES2.DisableProfile": {**P, "Smsr-id": SR},
    "ES2.DeleteProfile": {**P, "Smsr-id": SR},
    "ES3.GetEIS": {"Eid": EID},
    "ES3.AuditEIS": {"Eid": EID, "Iccid": [ICCID]},
    "ES3.CreateISDP": {**P, "Mno-id": MNO, "RequiredMemory": 65_536, "MoreToDo": True},
    "ES3.SendData": {"Eid": EID, "Sd-aid": AID, "Data": "2200", "MoreToDo": False},
    "ES3.ProfileDownloadCompleted": {**P, "SubscriptionAddress": ADDRESS, "pol2": RULES},
    "ES3.UpdatePolicyRules": {**P, "pol2": RULES},
    "ES3.UpdateSubscriptionAddress": {**P, "newSubscriptionAddress": ADDRESS},
    "ES3.EnableProfile": P,
    "ES3.DisableProfile": P,
    "ES3.DeleteISDP": P,
    "ES3.UpdateConnectivityParameters": {**P, "ConnectivityParameters": "2200"},
    "ES4.GetEIS": {"Eid": EID},
    "ES4.AuditEIS": {"Eid": EID},
    "ES4.UpdatePolicyRules": {**P, "pol2": RULES},
    "ES4.UpdateSubscriptionAddress": {**P, "newSubscriptionAddress": ADDRESS},
    "ES4.EnableProfile": P,
    "ES4.DisableProfile": P,
    "ES4.DeleteProfile": P,
    "ES4.PrepareSMSRChange": {"Eid": EID, "CurrentSMSRid": SR},
    "ES4.SMSRChange": {"Eid": EID, "Target-Smsr-id": SR2},
    "ES7.AuthenticateSMSR": {"Eid": EID, "SmsrCertificate": "7F21"},
    "ES7.CreateAdditionalKeySet": {
        "Eid": EID,
        "KeyVersionNumber": 2,
        "InitialSequenceCounter": 0,
        "ECCKeyLength": "ECC-256",
        "ScenarioParameter": 8,
        "HostId": "",
        "EphemeralPublicKey": "04" + 128 * "0",
        "Signature": 128 * "0",
    },
}
KINDS = {"ES1": PeerKind.EUM, "ES2": PeerKind.OPERATOR, "ES3": PeerKind.SM_DP, "ES4": PeerKind.OPERATOR}


def reaction(header: Header, body: Body) -> Body | None:
    if isinstance(body, es4.ES4GetEIS):
        return es4.ES4GetEISResponse(status=SUCCESS, eis=esm_samples.eis())
    return succeed(header, body)


@pytest.fixture
async def gateway(tmp_path: Path, parties: dict[str, Party]) -> AsyncIterator[Gateway]:
    made = Gateway(tmp_path, parties["ours"], reaction=reaction)
    await made.role.start()
    yield made
    await made.role.stop()
    await made.store.close()


async def test_every_function(gateway: Gateway, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["mno"], parties["ours"])
    await receiver.start()
    endpoints = {name: receiver.url(f"/{name.lower()}") for name in ("ES2", "ES3", "ES4", "ES7")}
    for kind in (PeerKind.OPERATOR, PeerKind.SM_DP, PeerKind.SM_SR):
        await gateway.peer(parties["mno"], kind, MNO, endpoints=endpoints)
    peer = ZeepPeer(gateway.url, parties["mno"], gateway.party, MNO, reply_to=receiver.url("/back"))
    asked = [each for each in FUNCTIONS if each.qualified in VALUES]
    for function in asked:
        provider = DP if function.interface == "ES2" else SR
        answer = await asyncio.to_thread(peer.call, function.qualified, provider, **VALUES[function.qualified])
        if function.style is Style.SYNC:
            assert answer["FunctionExecutionStatus"]["Status"] == "EXECUTED_SUCCESS", function.qualified
        else:
            assert answer is None, function.qualified  # 202
    heard = {type(body) for _, _, body in gateway.heard}
    assert heard == {function.request.body for function in asked}
    expected = sum(function.style is Style.ASYNC for function in asked)
    async with asyncio.timeout(30):
        while len(receiver.got) < expected:
            await asyncio.sleep(0.02)
    answered = {type(decode(found.body).body) for found in receiver.got}
    assert answered == {each.response.body for each in asked if each.style is Style.ASYNC and each.response}
    assert peer.transport.sent == len(asked)
    peer.close()
    await receiver.stop()


async def test_an_eis_as_zeep_reads_it(gateway: Gateway, parties: dict[str, Party]) -> None:
    await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO)
    peer = ZeepPeer(gateway.url, parties["mno"], gateway.party, MNO)
    answer = await asyncio.to_thread(peer.call, "ES4.GetEIS", SR, Eid=EID)
    eis = answer["Eis"]
    assert eis["EumSignedInfo"]["Eid"] == EID
    assert [one["Iccid"] for one in eis["ProfileInfo"]] == [one.iccid for one in esm_samples.eis().profiles]
    assert eis["ProfileInfo"][0]["ProfileType"] == "m2m <&> type"
    assert eis["AuditTrail"]["Record"][1]["OperationExecutionStatus"]["StatusCodeData"]["Subject"] == "8.2.2"
    peer.close()


async def test_register_eis(gateway: Gateway, parties: dict[str, Party]) -> None:
    await gateway.peer(parties["eum"], PeerKind.EUM, EUM)
    peer = ZeepPeer(gateway.url, parties["eum"], gateway.party, EUM)
    document = next(text for text in esm_samples.reference_xml() if text.startswith("<Eis")).encode()
    eis = await asyncio.to_thread(peer.eis, document)
    answer = await asyncio.to_thread(peer.call, "ES1.RegisterEIS", SR, Eis=eis)
    assert answer["FunctionExecutionStatus"]["Status"] == "EXECUTED_SUCCESS"
    [(_, _, body)] = gateway.heard
    assert body.eid == EID  # type: ignore[attr-defined]
    peer.close()
