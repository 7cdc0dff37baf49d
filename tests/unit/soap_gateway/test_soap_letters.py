"""Letters and answers that stay what they are: given up in time, and never replaced."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import v4_samples
from ferryman.contracts import es4, v4
from ferryman.contracts.peers import POLLED, PeerKind, Quirks
from ferryman.contracts.status import SUCCESS, failed
from ferryman.soap_gateway import calls, schema
from ferryman.soap_gateway.esm.body import decode
from parties import Party
from soap_world import ENABLE, MNO, MNO2, UPDATE, Client, Receiver, world
from virtual_loop import virtual


@virtual
async def test_a_callback_that_nobody_takes_is_given_up(
    tmp_path: Path, parties: dict[str, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LETTER_KEEP", 100.0)
    receiver = Receiver(parties["mno"], parties["ours"])
    await receiver.start()
    receiver.status = [503] * 1_000
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, endpoints={"ES4": receiver.url("/es4")})
        assert (await client.send(ENABLE, validity=60)).status == 202
        await asyncio.sleep(150.0)
        [letter] = gateway.rows(schema.letter)
        assert (letter.state, letter.attempts) == ("waiting", 8)  # after 1, 3, 7, 15, 31, 63 and 127 s
        await asyncio.sleep(150.0)
        [letter] = gateway.rows(schema.letter)
        assert (letter.state, letter.detail) == ("expired", "not taken in time")
        heard = len(receiver.raw)
        await asyncio.sleep(1_000.0)
        assert len(receiver.raw) == heard
    await receiver.stop()


@virtual
async def test_the_first_answer_stays(tmp_path: Path, parties: dict[str, Party]) -> None:
    """Whatever a role says later of a call that was answered, and however often."""
    async with world(tmp_path, parties, reaction=lambda header, body: None, sync_timeout=5.0) as (gateway, client):
        octets = client.compose(UPDATE)
        assert (await client.post(octets)).status == 503
        [(_, asked, _)] = gateway.heard
        await gateway.say(es4.ES4UpdatePolicyRulesResponse(status=SUCCESS), asked)
        late = es4.ES4UpdatePolicyRulesResponse(status=failed("1.2", "4.2", "late"))
        for sender in ("sm-sr", "sm-sr/again"):  # the same message, and another one
            await gateway.say(late, asked, sender=sender)
        response = await client.post(octets)
        assert decode(response.envelope.body).body == es4.ES4UpdatePolicyRulesResponse(status=SUCCESS)
        # An answer of another function is none to this call.
        other = Client(gateway, parties["mno"], MNO)
        other.number = 50
        assert (await other.post(other.compose(UPDATE))).status == 503
        await gateway.say(es4.ES4UpdateSubscriptionAddressResponse(status=SUCCESS), gateway.heard[1][1])
        assert gateway.rows(schema.exchange)[1].answer is None


@pytest.mark.parametrize("interface", ["ES3", "ES2"])
@virtual
async def test_notifications_of_v4_on_their_way(tmp_path: Path, parties: dict[str, Party], interface: str) -> None:
    """Our SM-SR to a foreign SM-DP, our SM-DP to an Operator: written for who speaks v4, else not sent."""
    kind, sender, told = {
        "ES3": (PeerKind.SM_DP, "sm-sr", v4.ES3_NOTIFICATIONS),
        "ES2": (PeerKind.OPERATOR, "sm-dp", v4.ES2_NOTIFICATIONS),
    }[interface]
    async with world(tmp_path, parties) as (gateway, _):
        samples = {type(body): body for body in v4_samples.messages()}
        client = Client(gateway, parties["mno2"], MNO2)
        fields: dict[str, Any] = {"endpoints": {interface: f"{POLLED}v4"}, "name": "them"}
        for switched in (False, True):
            await gateway.peer(parties["mno2"], kind, MNO2, quirks=Quirks(v4=switched), **fields)
            for one in told:
                name = f"{one.__name__}-{switched}"
                await gateway.tell(samples[one], MNO2, name=name, sender=sender)
                found = await client.poll("v4", len(gateway.rows(schema.letter)) + 1)
                assert found.status == (200 if switched else 202)
                if switched:
                    assert decode(found.envelope.body).body == samples[one]
                    assert found.envelope.addressing.action.endswith(one.__name__[3:])
        unsent = [row for row in gateway.rows(schema.PLATFORM.audit) if row.outcome == "not sent"]
        assert len(unsent) == len(told)
