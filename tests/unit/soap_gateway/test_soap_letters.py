"""Letters and answers that stay what they are: given up in time, and never replaced."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ferryman.contracts import es4
from ferryman.contracts.peers import PeerKind
from ferryman.contracts.status import SUCCESS, failed
from ferryman.soap_gateway import calls, schema
from ferryman.soap_gateway.esm.body import decode
from parties import Party
from soap_world import ENABLE, MNO, UPDATE, Client, Receiver, world
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
