"""Message exchange patterns: synchronous, callback, polling, notification; what comes twice; restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import esm_samples
from esm_samples import EID, ICCID
from ferryman.contracts import es1, es2, es3, es4, es7
from ferryman.contracts.message import Body, Header, encode
from ferryman.contracts.peers import POLLED, PeerKind
from ferryman.contracts.status import SUCCESS, Status, failed
from ferryman.soap_gateway import schema
from ferryman.soap_gateway.esm.body import decode
from parties import Party
from soap_world import DP, EUM, MNO, SR, SR2, Client, Gateway, Receiver, succeed
from virtual_loop import virtual

ENABLE = es4.ES4EnableProfile(eid=EID, iccid=ICCID)


@asynccontextmanager
async def opened(folder: Path, parties: dict[str, Party], **options: Any) -> AsyncIterator[Gateway]:
    gateway = Gateway(folder, parties["ours"], **options)
    await gateway.role.start()
    try:
        yield gateway
    finally:
        await gateway.role.stop()
        await gateway.store.close()


async def until(condition: Any, seconds: float = 600.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def status_of(response: Any) -> Any:
    return decode(response.envelope.body).body.status


@virtual
async def test_a_synchronous_function(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO)
        client = Client(gateway, parties["mno"], MNO)
        update = es4.ES4UpdatePolicyRules(eid=EID, iccid=ICCID, pol2=esm_samples.rules("DELETE"))
        response = await client.send(update, call_id="call-x")
        assert response.status == 200
        told = response.envelope.addressing
        assert told.action == "http://gsma.com/ES4/ProfileManagement/ES4-UpdatePolicyRulesResponse"
        assert told.relates_to == f"//{MNO}/m-1?TransactionId=t-1&ContextId=c-7"
        assert (told.transaction_id, told.context_id) == ("t-1", "c-7")
        assert (told.sender_id, told.to_id) == (SR, MNO)
        assert status_of(response) == SUCCESS
        [(role, header, body)] = gateway.heard
        assert (role, body, header.requester, header.eid) == ("sm-sr", update, MNO, EID)
        assert header.deadline - gateway.clock.now() <= 3_600.0


@virtual
async def test_get_eis_is_a_question_and_leaves_no_row(tmp_path: Path, parties: dict[str, Party]) -> None:
    def reaction(header: Header, body: Body) -> Body | None:
        return es4.ES4GetEISResponse(status=SUCCESS, eis=esm_samples.eis())

    async with opened(tmp_path, parties, reaction=reaction) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO)
        response = await Client(gateway, parties["mno"], MNO).send(es4.ES4GetEIS(eid=EID))
        answer = decode(response.envelope.body).body
        assert isinstance(answer, es4.ES4GetEISResponse)
        assert answer.eis == esm_samples.eis()
        assert gateway.rows(schema.exchange) == []


@virtual
async def test_a_callback_is_tried_until_it_is_taken(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["mno"], parties["ours"])
    await receiver.start()
    receiver.status = [503, 0, 500, 404]
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, endpoints={"ES4": receiver.url("/es4")})
        client = Client(gateway, parties["mno"], MNO)
        start = gateway.clock.now()
        response = await client.send(ENABLE, reply_to=receiver.url("/back"))
        assert (response.status, response.body) == (202, b"")
        await until(lambda: receiver.got)
        assert gateway.clock.now() - start > 1.0 + 2.0 + 4.0 + 8.0 - 1.0
        told = receiver.got[0].addressing
        assert told.action == "http://gsma.com/ES4/PlatformManagementCallBack/ES4-EnableProfile"
        assert told.relates_to.startswith(f"//{MNO}/m-1?")
        assert (told.to_id, told.sender_id) == (MNO, SR)
        assert decode(receiver.got[0].body).body == es4.ES4EnableProfileResponse(status=SUCCESS)
        await until(lambda: gateway.rows(schema.letter)[0].state == "taken")
        assert len(receiver.raw) == 4  # three refusals that were heard, and the delivery
    await receiver.stop()


@virtual
async def test_a_callback_survives_a_restart(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["mno"], parties["ours"])
    await receiver.start()
    port = receiver.port
    await receiver.stop()
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, endpoints={"ES4": receiver.url("/es4")})
        await Client(gateway, parties["mno"], MNO).send(ENABLE)
        await until(lambda: gateway.rows(schema.letter) and gateway.rows(schema.letter)[0].attempts > 0)
    await receiver.start(port)
    async with opened(tmp_path, parties) as gateway:
        await until(lambda: receiver.got)
        await until(lambda: gateway.rows(schema.letter)[0].state == "taken")
    await receiver.stop()


@virtual
async def test_what_comes_twice_is_done_once(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO)
        client = Client(gateway, parties["mno"], MNO)
        update = es4.ES4UpdatePolicyRules(eid=EID, iccid=ICCID)
        octets = client.compose(update, call_id="one")
        first = await client.post(octets)
        gateway.reaction = lambda header, body: es4.ES4UpdatePolicyRulesResponse(status=failed("1", "2", "late"))
        again = await client.post(octets)  # the same message
        other = await client.send(update, call_id="one")  # the same call in another message
        assert [status_of(found) for found in (first, again, other)] == [SUCCESS] * 3
        assert other.envelope.addressing.relates_to.startswith(f"//{MNO}/m-2?")
        # Sent again later, there is less left of its validity period.
        assert status_of(await client.send(update, call_id="one", validity=17)) == SUCCESS
        assert len(gateway.heard) == 1
        # The same MessageID with another call in it is still the same message.
        forged = client.compose(update, call_id="two", message_id=f"//{MNO}/m-3?TransactionId=t-3&ContextId=c-7")
        assert status_of(await client.post(forged)) == SUCCESS
        assert len(gateway.heard) == 1
        # The same call with other input is none.
        changed = es4.ES4UpdatePolicyRules(eid=EID, iccid="8988101000000000022")
        refused = status_of(await client.send(changed, call_id="one"))
        assert (refused.status, refused.code) == (Status.FAILED, "1.6/3.3")
        assert len(gateway.heard) == 1
        # Another function may use the same identifier; so may another party.
        await client.send(es4.ES4UpdateSubscriptionAddress(eid=EID, iccid=ICCID, imsi="001"), call_id="one")
        assert len(gateway.heard) == 2


@virtual
async def test_a_repeat_after_the_answer_is_called_back_again(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["mno"], parties["ours"])
    await receiver.start()
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, endpoints={"ES4": receiver.url("/es4")})
        client = Client(gateway, parties["mno"], MNO)
        octets = client.compose(ENABLE, call_id="one")
        await client.post(octets)
        await until(lambda: len(receiver.got) == 1)
        await client.post(octets)
        await client.send(ENABLE, call_id="one")
        await until(lambda: len(receiver.got) == 2)
        await asyncio.sleep(30.0)
        assert [found.addressing.relates_to[-24:] for found in receiver.got] == [
            "ransactionId=t-1&ContextId=c-7"[-24:],
            "ransactionId=t-2&ContextId=c-7"[-24:],
        ]
        assert len(gateway.heard) == 1
    await receiver.stop()


@virtual
async def test_polling(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO)
        await gateway.peer(parties["mno2"], PeerKind.OPERATOR, "1.3.6.1.4.1.99999.31")
        client = Client(gateway, parties["mno"], MNO)
        other = Client(gateway, parties["mno2"], "1.3.6.1.4.1.99999.31")
        assert (await client.poll("op-q-1", 1)).status == 202
        for call in ("one", "two"):
            assert (await client.send(ENABLE, call_id=call, reply_to=f"{POLLED}op-q-1")).status == 202
        await until(lambda: len(gateway.rows(schema.letter)) == 2)
        # Knowing the address is not enough.
        assert (await other.poll("op-q-1", 1)).status == 202
        assert (await client.poll("op-q-2", 1)).status == 202  # nor is another address of his own
        first = await client.poll("op-q-1", 2)
        assert first.status == 200
        assert b'pending="true"' in first.body
        assert first.envelope.addressing.to == f"{POLLED}op-q-1"
        assert (await client.poll("op-q-1", 2)).body == first.body  # the answer was lost on the way
        second = await client.poll("op-q-1", 3)
        assert b'pending="false"' in second.body
        assert second.envelope.addressing.relates_to != first.envelope.addressing.relates_to
        assert (await client.poll("op-q-1", 4)).status == 202


@virtual
async def test_notifications_are_sent_and_fetched(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["mno"], parties["ours"])
    await receiver.start()
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, endpoints={"ES4": receiver.url("/es4")})
        polled = {"ES4": f"{POLLED}agreed"}
        await gateway.peer(parties["mno2"], PeerKind.OPERATOR, "1.3.6.1.4.1.99999.31", endpoints=polled)
        note = es4.ES4HandleProfileDisabledNotification(eid=EID, iccid=ICCID, completed=esm_samples.AT)
        await gateway.tell(note, MNO)
        await gateway.tell(note, MNO)  # delivered twice by the bus
        await gateway.tell(note, "1.3.6.1.4.1.99999.31", name="n-2")
        await until(lambda: receiver.got)
        assert decode(receiver.got[0].body).body == note
        assert receiver.got[0].addressing.relates_to == ""
        assert receiver.got[0].addressing.action.endswith("ES4-HandleProfileDisabledNotification")
        fetched = await Client(gateway, parties["mno2"], "1.3.6.1.4.1.99999.31").poll("agreed")
        assert decode(fetched.envelope.body).body == note
        await asyncio.sleep(60.0)
        assert len(receiver.got) == 1
        # Nobody of this name: said in the audit, not sent anywhere.
        await gateway.tell(note, "1.2.3", name="n-3")
        assert [row.outcome for row in gateway.rows(schema.PLATFORM.audit)][-1] == "not sent"
    await receiver.stop()


@virtual
async def test_our_sm_dp_asks_a_foreign_sm_sr(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["sr2"], parties["ours"])
    await receiver.start()
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2, endpoints={"ES3": receiver.url("/es3")})
        create = es3.ES3CreateISDP(eid=EID, iccid=ICCID, owner=MNO, required_memory=1)
        await gateway.tell(create, SR2, sender="sm-dp", name="order-1")
        await until(lambda: receiver.got)
        asked = receiver.got[0]
        assert asked.addressing.reply_to == f"{gateway.url}/es3/callback"
        assert (asked.addressing.sender_id, asked.addressing.to_id) == (DP, SR2)
        base = decode(asked.body).base
        assert base.call_id == "order-1"
        assert 3_590 <= (base.validity or 0) <= 3_600
        client = Client(gateway, parties["sr2"], SR2)
        answer = es3.ES3CreateISDPResponse(status=SUCCESS, isdp_aid=esm_samples.AID)
        relates = asked.addressing.message_id
        # An answer to something else, or of somebody else, reaches nobody.
        assert (await client.send(answer, relates_to="//x/y", path="/es3/callback")).status == 400
        assert gateway.heard == []
        for _ in range(2):
            response = await client.send(answer, relates_to=relates, path="/es3/callback")
            assert (response.status, response.body) == (202, b"")
        await until(lambda: gateway.heard)
        [(role, header, body)] = gateway.heard
        assert (role, body) == ("sm-dp", answer)
        assert (header.function_call_id, header.causation_id) == ("order-1", "sm-dp/order-1")
    await receiver.stop()


@virtual
async def test_an_answer_in_the_http_response_counts(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["sr2"], parties["ours"])
    await receiver.start()
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2, endpoints={"ES3": receiver.url("/es3")})
        client = Client(gateway, parties["sr2"], SR2)
        answer = es3.ES3GetEISResponse(status=SUCCESS, eis=esm_samples.eis())
        receiver.status = [200]
        receiver.answers = [client.compose(answer)]
        await gateway.tell(es3.ES3GetEIS(eid=EID), SR2, sender="sm-dp")
        await until(lambda: gateway.heard)
        assert gateway.heard[0][2] == answer
        # Refused for good: the caller hears that.
        receiver.status = [503, 408, 429, 400]  # all but the last of them mean "try again"
        await gateway.tell(es3.ES3GetEIS(eid=EID), SR2, sender="sm-dp", name="n-2")
        await until(lambda: len(gateway.heard) == 2)
        refused = gateway.heard[1][2].status  # type: ignore[attr-defined]
        assert (refused.code, refused.message[-8:]) == ("1.2/4.2", "HTTP 400")
        # Nobody of this OID.
        await gateway.tell(es3.ES3GetEIS(eid=EID), "1.2.3", sender="sm-dp", name="n-3")
        await until(lambda: len(gateway.heard) == 3)
        assert gateway.heard[2][2].status.code == "8.7/3.9"  # type: ignore[attr-defined]
    await receiver.stop()


@virtual
async def test_es7_both_ways(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["sr2"], parties["ours"])
    await receiver.start()
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2, endpoints={"ES7": receiver.url("/es7")})
        client = Client(gateway, parties["sr2"], SR2)
        handover = es7.ES7HandoverEUICC(eis=esm_samples.eis())
        assert (await client.send(handover)).status == 202
        await until(lambda: receiver.got)
        assert gateway.heard[0][0] == "sm-sr"
        assert gateway.heard[0][2] == handover
        assert gateway.heard[0][1].eid == EID
        assert decode(receiver.got[0].body).body == es7.ES7HandoverEUICCResponse(status=SUCCESS)
        await gateway.tell(es7.ES7AuthenticateSMSR(eid=EID, certificate=b"\x7f\x21\x00"), SR2)
        await until(lambda: len(receiver.got) == 2)
        back = es7.ES7AuthenticateSMSRResponse(status=SUCCESS, random_challenge=bytes(16))
        relates = receiver.got[1].addressing.message_id
        assert (await client.send(back, relates_to=relates, path="/es7/callback")).status == 202
        await until(lambda: len(gateway.heard) == 2)
        assert gateway.heard[1][2] == back
    await receiver.stop()


@virtual
async def test_a_notification_that_no_procedure_has(tmp_path: Path, parties: dict[str, Party]) -> None:
    """ES7.HandleSMSRChangeNotification of an SM-SR is recorded, once; another one is a record of its own."""
    async with opened(tmp_path, parties) as gateway:
        peer = await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2)
        client = Client(gateway, parties["sr2"], SR2)
        told = [
            es7.ES7HandleSMSRChangeNotification(eis=esm_samples.eis(0), completed=esm_samples.AT + hours * 3600.0)
            for hours in (0, 0, 1)
        ]
        for one in told:
            assert (await client.send(one)).status == 202
        assert gateway.heard == [], "no role hears of it"
        found = [row for row in gateway.rows(schema.PLATFORM.audit) if "Notification" in row.action]
        assert {(row.actor, row.action, row.eid, row.object, row.outcome) for row in found} == {
            (SR2, "ES7.HandleSMSRChangeNotification", EID, peer.name, "ignored")
        }
        assert len(found) == 2
        assert gateway.rows(schema.PLATFORM.outbox) == []


@virtual
async def test_an_answer_said_by_another_calls_procedure(tmp_path: Path, parties: dict[str, Party]) -> None:
    """During a change of SM-SR the procedure of ES4.SMSRChange answers ES7: each answer to its own call."""
    receiver = Receiver(parties["sr2"], parties["ours"])
    await receiver.start()
    async with opened(tmp_path, parties, reaction=lambda header, body: None) as gateway:
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2, endpoints={"ES7": receiver.url("/es7")})
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO)
        change = es4.ES4SMSRChange(eid=EID, target_smsr_id=SR2)
        await Client(gateway, parties["mno"], MNO).send(change, reply_to=f"{POLLED}q")
        client = Client(gateway, parties["sr2"], SR2)
        call_id = "handover/" + "x" * 80
        await client.send(es7.ES7AuthenticateSMSR(eid=EID, certificate=b"\x7f"), call_id=call_id)
        changing, asked = (header for _, header, _ in gateway.heard)
        assert len(asked.function_call_id) <= 64
        answer = es7.ES7AuthenticateSMSRResponse(status=SUCCESS, random_challenge=bytes(16))
        back = Header(
            message_id="sm-sr/1",
            sender="sm-sr",
            requester=SR2,
            function_call_id=asked.function_call_id,
            deadline=asked.deadline,
            eid=EID,
            causation_id=changing.message_id,
            recipient=SR2,
        )
        await gateway.role.receive(encode(back, answer))
        await until(lambda: receiver.got)
        assert decode(receiver.got[0].body).body == answer
        states = {row.function: row.answer for row in gateway.rows(schema.exchange)}
        assert states["ES4.SMSRChange"] is None
    await receiver.stop()


@virtual
async def test_a_notification_reaches_our_sm_dp_once(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2)
        client = Client(gateway, parties["sr2"], SR2)
        note = es3.ES3HandleProfileEnabledNotification(eid=EID, iccid=ICCID, owner=MNO, completed=esm_samples.AT)
        for _ in range(2):
            assert (await client.send(note)).status == 202
        await until(lambda: gateway.heard)
        await asyncio.sleep(5.0)
        assert [(role, body) for role, _, body in gateway.heard] == [("sm-dp", note)]


@virtual
async def test_register_eis(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["eum"], PeerKind.EUM, EUM)
        register = esm_samples.messages()[0]
        response = await Client(gateway, parties["eum"], EUM).send(register)
        assert status_of(response) == SUCCESS
        [(role, header, body)] = gateway.heard
        assert isinstance(body, es1.ES1RegisterEIS)
        assert (role, header.eid, body.xml) == ("sm-sr", EID, register.xml)  # type: ignore[attr-defined]


@virtual
async def test_a_late_answer_is_found_by_a_repeat(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with opened(tmp_path, parties, reaction=lambda header, body: None, sync_timeout=5.0) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO)
        client = Client(gateway, parties["mno"], MNO)
        octets = client.compose(es2.ES2UpdatePolicyRules(eid=EID, iccid=ICCID, smsr_id=SR))
        assert (await client.post(octets, path="/es2")).status == 503
        _, asked, body = gateway.heard[0]
        answer = succeed(asked, body)
        assert answer is not None
        await gateway.say(answer, asked, sender="sm-dp")
        assert status_of(await client.post(octets, path="/es2")) == SUCCESS
        assert len(gateway.heard) == 1


@virtual
async def test_descriptions_are_served(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with opened(tmp_path, parties) as gateway:
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO)
        client = Client(gateway, parties["mno"], MNO)
        for name in ("es1", "es2", "es3", "es4", "es7"):
            response = await client.raw(f"GET /{name}?wsdl HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert response.status == 200
            assert f"{gateway.url}/{name}".encode() in response.body
        assert (await client.raw(b"GET /es4?xsd HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
        for target in ("/es4", "/es5?wsdl", "/ES4?wsdl", "/es4/x?wsdl", "/"):
            assert (await client.raw(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())).status == 404
