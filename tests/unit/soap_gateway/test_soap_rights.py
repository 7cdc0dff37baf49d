"""The table of rights: every kind of peer with every function and notification, on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

import esm_samples
import v4_samples
from ferryman.contracts import es1
from ferryman.contracts.message import Body
from ferryman.contracts.peers import PeerKind, PeersKnown, Quirks
from ferryman.soap_gateway import schema
from ferryman.soap_gateway.esm import extension
from ferryman.soap_gateway.esm.body import decode
from ferryman.soap_gateway.esm.functions import BY_BODY, FUNCTIONS, Function, Shape, Style
from parties import Party
from soap_world import Client, Gateway
from virtual_loop import virtual

# Written out, so that a change of the table shows: O operator, E EUM, D SM-DP, S SM-SR, M device maker, P M2M SP.
ALLOWED = {
    "ES1.RegisterEIS": "E",
    "ES2.GetEIS": "O",
    "ES2.DownloadProfile": "O",
    "ES2.UpdatePolicyRules": "O",
    "ES2.UpdateSubscriptionAddress": "O",
    "ES2.EnableProfile": "O",
    "ES2.DisableProfile": "O",
    "ES2.DeleteProfile": "O",
    "ES2.HandleProfileDisabledNotification": "",
    "ES2.HandleProfileEnabledNotification": "",
    "ES2.HandleProfileDeletedNotification": "",
    "ES2.HandleSMSRChangeNotification": "",
    "ES3.GetEIS": "D",
    "ES3.AuditEIS": "D",
    "ES3.CreateISDP": "D",
    "ES3.SendData": "D",
    "ES3.ProfileDownloadCompleted": "D",
    "ES3.UpdatePolicyRules": "D",
    "ES3.UpdateSubscriptionAddress": "D",
    "ES3.EnableProfile": "D",
    "ES3.DisableProfile": "D",
    "ES3.DeleteISDP": "D",
    "ES3.UpdateConnectivityParameters": "D",
    "ES3.HandleProfileDisabledNotification": "S",
    "ES3.HandleProfileEnabledNotification": "S",
    "ES3.HandleProfileDeletedNotification": "S",
    "ES3.HandleSMSRChangeNotification": "S",
    "ES4.GetEIS": "O",
    "ES4.AuditEIS": "O",
    "ES4.UpdatePolicyRules": "O",
    "ES4.UpdateSubscriptionAddress": "O",
    "ES4.EnableProfile": "O",
    "ES4.DisableProfile": "O",
    "ES4.DeleteProfile": "O",
    "ES4.PrepareSMSRChange": "O",
    "ES4.SMSRChange": "O",
    "ES4.HandleProfileDisabledNotification": "",
    "ES4.HandleProfileEnabledNotification": "",
    "ES4.HandleProfileDeletedNotification": "",
    "ES4.HandleSMSRChangeNotification": "",
    "ES7.HandoverEUICC": "S",
    "ES7.AuthenticateSMSR": "S",
    "ES7.CreateAdditionalKeySet": "S",
    "ES7.HandleSMSRChangeNotification": "S",
}
LETTERS = {
    PeerKind.OPERATOR: "O",
    PeerKind.EUM: "E",
    PeerKind.SM_DP: "D",
    PeerKind.SM_SR: "S",
    PeerKind.DEVICE_MAKER: "M",
    PeerKind.M2M_SP: "P",
}
OID = "1.3.6.1.4.1.99999.77"


def sample(function: Function) -> Body:
    return next(body for body in esm_samples.messages() if BY_BODY[type(body)] == (function, function.request))


def answers(kind: PeerKind, function: Function) -> dict[str, str]:
    """An address for callbacks, so that a refusal has somewhere to go."""
    return {} if function.style is not Style.ASYNC else {"reply_to": f"{POLLED}q"}


POLLED = "http://docs.oasis-open.org/ws-rx/wsmc/200702/anonymous?id="


def test_every_function_has_a_row() -> None:
    assert [function.qualified for function in FUNCTIONS] == list(ALLOWED)


@pytest.mark.parametrize("kind", list(PeerKind))
@virtual
async def test_every_cell(tmp_path: Path, parties: dict[str, Party], kind: PeerKind) -> None:
    gateway = Gateway(tmp_path, parties["ours"])
    await gateway.role.start()
    await gateway.peer(parties["mno"], kind, OID)
    client = Client(gateway, parties["mno"], OID)
    polls = 0
    for function in FUNCTIONS:
        before = len(gateway.heard)
        response = await client.send(sample(function), **answers(kind, function))
        allowed = LETTERS[kind] in ALLOWED[function.qualified]
        asked = gateway.heard[before:]
        if allowed and function.qualified != "ES7.HandleSMSRChangeNotification":
            assert response.status in (200, 202), function.qualified
            assert [type(body) for _, _, body in asked] == [function.request.body], function.qualified
        elif allowed:
            assert response.status == 202
        else:
            assert asked == [], function.qualified
            await _is_refused(client, function, response, polls := polls + 1)
    # Notifications of an SM-DP to Operators have no addressee here, whoever sends them.
    ours = [each for each in FUNCTIONS if each.style is not Style.NOTIFICATION or each.interface != "ES2"]
    refused = sum(LETTERS[kind] not in ALLOWED[function.qualified] for function in ours)
    audits = [row for row in gateway.rows(schema.PLATFORM.audit) if row.outcome == "refused"]
    assert len(audits) == refused
    await gateway.role.stop()
    await gateway.store.close()


async def _is_refused(client: Client, function: Function, response: object, poll: int) -> None:
    if function.request.shape is Shape.NOTIFICATION:
        # For some of them there is no addressee here at all.
        assert response.status in (400, 403), function.qualified  # type: ignore[attr-defined]
        return
    if function.style is Style.ASYNC:
        assert response.status == 202, function.qualified  # type: ignore[attr-defined]
        codes = set()
        for number in range(50):
            found = await client.poll("q", 1_000 * poll + number)
            if found.status == 202:
                break
            body = decode(found.envelope.body).body
            if isinstance(body, function.response.body):  # type: ignore[union-attr]
                codes.add(body.status.code)  # type: ignore[attr-defined]
    else:
        codes = {decode(response.envelope.body).body.status.code}  # type: ignore[attr-defined]
    assert codes <= {"1.1/1.2", "1.6/1.2"}, (function.qualified, codes)
    assert codes, function.qualified


# Beside those of the base set, for a peer whose record has the switch.
ALLOWED_V4 = {
    "ES1.UpdateEISAdditionalProperties": "E",
    "ES2.AuditEIS": "O",
    "ES2.SetFallBackAttribute": "O",
    "ES3.SetFallBackAttribute": "D",
    "ES4.SetFallBackAttribute": "OP",
    "ES4.GetPLMA": "P",
    "ES4A.SetPLMA": "O",
    "ES4A.GetPLMA": "O",
    "ES4A.SetONC": "O",
    "ES4A.GetONC": "O",
    "ES4.HandleProfileDownloadedNotification": "",
    "ES4.HandleProfilePOL2UpdatedNotification": "",
    "ES4.HandleFallBackAttributeSetNotification": "",
    "ES4.HandleFallBackAttributeUnsetNotification": "",
    "ES4.HandlePLMAChangedNotification": "",
    "ES3.HandleProfileDownloadedNotification": "S",
    "ES3.HandleProfilePOL2UpdatedNotification": "S",
    "ES3.HandleFallBackAttributeSetNotification": "S",
    "ES3.HandleFallBackAttributeUnsetNotification": "S",
    "ES2.HandleProfileDownloadedNotification": "",
    "ES2.HandleProfilePOL2UpdatedNotification": "",
    "ES2.HandleFallBackAttributeSetNotification": "",
    "ES2.HandleFallBackAttributeUnsetNotification": "",
}
OF_M2M_SP = {"ES4.GetEIS", "ES4.AuditEIS", "ES4.EnableProfile", "ES4.DisableProfile", "ES4.DeleteProfile"}


def test_every_function_of_v4_has_a_row() -> None:
    assert [function.qualified for function in extension.FUNCTIONS] == list(ALLOWED_V4)


@pytest.mark.parametrize("kind", list(PeerKind))
@virtual
async def test_every_cell_of_v4(tmp_path: Path, parties: dict[str, Party], kind: PeerKind) -> None:
    """With the switch the rights are those of both tables; without it nothing of v4 is even understood."""
    gateway = Gateway(tmp_path, parties["ours"])
    await gateway.role.start()
    samples = {type(body): body for body in v4_samples.messages()}
    polls = 0
    for switched in (False, True):
        await gateway.peer(parties["mno"], kind, OID, quirks=Quirks(v4=switched))
        client = Client(gateway, parties["mno"], OID)
        client.number = 1_000 * switched
        # The switch gives an M2M SP functions of the base set, and nobody else.
        base = FUNCTIONS if switched and kind is PeerKind.M2M_SP else ()
        for function in (*extension.FUNCTIONS, *base):
            new = bool(function.space)
            right = ALLOWED_V4[function.qualified] if new else ALLOWED[function.qualified]
            allowed = LETTERS[kind] in right and (switched or not new)
            allowed |= switched and kind is PeerKind.M2M_SP and function.qualified in OF_M2M_SP
            body = samples[function.request.body] if new else sample(function)
            before = len(gateway.heard)
            response = await client.send(body, **answers(kind, function))
            asked = [type(found) for _, _, found in gateway.heard[before:] if type(found) is not PeersKnown]
            if not switched and new:
                assert response.status == 400, function.qualified
            if allowed and function.qualified != "ES7.HandleSMSRChangeNotification":
                assert response.status in (200, 202), function.qualified
                assert asked == [function.request.body], function.qualified
            else:
                assert asked == [], function.qualified
                if switched and not allowed:
                    await _is_refused(client, function, response, polls := polls + 1)
    await gateway.role.stop()
    await gateway.store.close()


@virtual
async def test_a_record_takes_rights_away(tmp_path: Path, parties: dict[str, Party]) -> None:
    gateway = Gateway(tmp_path, parties["ours"])
    await gateway.role.start()
    await gateway.peer(parties["mno"], PeerKind.OPERATOR, OID, rights=("ES4.UpdatePolicyRules",))
    client = Client(gateway, parties["mno"], OID)
    by_name = {function.qualified: function for function in FUNCTIONS}
    await client.send(sample(by_name["ES4.UpdatePolicyRules"]))
    assert len(gateway.heard) == 1
    response = await client.send(sample(by_name["ES4.GetEIS"]))
    assert decode(response.envelope.body).body.status.code == "1.6/1.2"  # type: ignore[attr-defined]
    assert len(gateway.heard) == 1
    await gateway.role.stop()
    await gateway.store.close()


@virtual
async def test_one_party_may_be_two_kinds(tmp_path: Path, parties: dict[str, Party]) -> None:
    gateway = Gateway(tmp_path, parties["ours"])
    await gateway.role.start()
    await gateway.peer(parties["mno"], PeerKind.OPERATOR, OID)
    await gateway.peer(parties["mno"], PeerKind.SM_DP, OID)
    client = Client(gateway, parties["mno"], OID)
    by_name = {function.qualified: function for function in FUNCTIONS}
    for name in ("ES4.UpdatePolicyRules", "ES3.UpdatePolicyRules"):
        await client.send(sample(by_name[name]))
    assert len(gateway.heard) == 2
    assert not isinstance(gateway.heard[0][2], es1.ES1RegisterEIS)
    await gateway.role.stop()
    await gateway.store.close()
