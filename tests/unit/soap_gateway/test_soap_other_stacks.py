"""What SOAP stacks of other vendors do, and the standards under Annex B allow (WS-Addressing, SOAP 1.2, HTTP)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import esm_samples
from ferryman.contracts import codes, es2, es3, es4, message
from ferryman.contracts.message import Header
from ferryman.contracts.peers import PeerKind
from ferryman.contracts.status import SUCCESS, failed
from ferryman.soap_gateway import http_message, schema
from ferryman.soap_gateway.esm import addressing, envelope
from ferryman.soap_gateway.esm.body import Base, decode, encode
from ferryman.soap_gateway.esm.envelope import Fault
from ferryman.soap_gateway.esm.names import SOAP
from ferryman.soap_gateway.server import read_body
from parties import Party
from soap_world import DP, ENABLE, MNO, SR, SR2, Client, Receiver, is_fault, world
from virtual_loop import virtual

EID, ICCID = esm_samples.EID, esm_samples.ICCID
POLLED = "http://docs.oasis-open.org/ws-rx/wsmc/200702/anonymous?id="


async def heard(gateway: Any, count: int) -> Any:
    while len(gateway.heard) < count:
        await asyncio.sleep(0.1)
    return gateway.heard[count - 1][2]


@virtual
async def test_a_callback_to_our_reply_to_as_it_stands(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["sr2"], parties["ours"])
    await receiver.start()
    async with world(tmp_path, parties) as (gateway, _):
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2, endpoints={"ES3": receiver.url("/es3")})
        await gateway.tell(es3.ES3EnableProfile(eid=EID, iccid=ICCID), SR2, sender="sm-dp")
        while not receiver.got:
            await asyncio.sleep(0.1)
        asked = receiver.got[0].addressing
        client = Client(gateway, parties["sr2"], SR2)
        answer = es3.ES3EnableProfileResponse(status=SUCCESS)
        fields = {"relates_to": asked.message_id, "path": "/es3/callback"}
        other = f"{asked.reply_to}?EntityId={SR}"
        is_fault(await client.send(answer, to=other, **fields), 400, "DestinationUnreachable")
        assert (await client.send(answer, to=asked.reply_to, **fields)).status == 202
        assert await heard(gateway, 1) == answer
    await receiver.stop()


@virtual
async def test_an_answer_goes_to_the_whole_reply_to(tmp_path: Path, parties: dict[str, Party]) -> None:
    receiver = Receiver(parties["mno"], parties["ours"])
    await receiver.start()
    async with world(tmp_path, parties) as (gateway, client):
        await gateway.peer(parties["mno"], PeerKind.OPERATOR, MNO, endpoints={"ES4": receiver.url("/es4")})
        await client.send(ENABLE, reply_to=receiver.url("/back?tenant=7&EntityId=1.2"))
        while not receiver.got:
            await asyncio.sleep(0.1)
        assert receiver.got[0].addressing.to == receiver.url(f"/back?tenant=7&EntityId={MNO}")
    await receiver.stop()
    assert addressing.entity("https://x/y", "1.2", "n") == "https://x/y?EntityId=1.2&EntityName=n"


def headers(more: str, *, at: str = "<wsa:To>") -> envelope.Received:
    octets = envelope.write(
        addressing.Addressing(
            action="a", message_id="//m", sender="s", sender_id="1", to="t", to_id="", relates_to="//asked"
        ),
        "<a/>",
    )
    return envelope.read(octets.replace(at.encode(), (more + at).encode(), 1))


def test_headers_that_are_not_about_this_message() -> None:
    """RelatesTo may stand there for other relations (WS-Addressing 3.1), a header for somebody on the way."""
    related = '<wsa:RelatesTo RelationshipType="urn:x">//before</wsa:RelatesTo>'
    assert headers(related).addressing.relates_to == "//asked"
    answers = '<wsa:RelatesTo RelationshipType="http://www.w3.org/2005/08/addressing/reply">//2</wsa:RelatesTo>'
    with pytest.raises(Fault, match="twice"):
        headers(answers)
    strange = '<x:y xmlns:x="urn:x" env:mustUnderstand="true"{}/>'
    role = ' env:role="http://www.w3.org/2003/05/soap-envelope/role/{}"'
    headers(strange.format(' env:role="urn:router"'))
    headers(strange.format(role.format("none")))
    for mine in ("", role.format("next"), role.format("ultimateReceiver")):
        with pytest.raises(Fault, match="understood"):
            headers(strange.format(mine))


@virtual
async def test_a_fault_with_http_500_that_blames_the_message(tmp_path: Path, parties: dict[str, Party]) -> None:
    """Most stacks send every fault so; waiting for the end of the validity period would tell nobody anything."""
    receiver = Receiver(parties["sr2"], parties["ours"])
    await receiver.start()
    async with world(tmp_path, parties) as (gateway, _):
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2, endpoints={"ES3": receiver.url("/es3")})
        receiver.status = [500, 500, 500]
        receiver.answers = [
            b"",
            envelope.write_fault(Fault("out of order", code=envelope.RECEIVER)),
            envelope.write_fault(Fault("no such action")),
        ]
        await gateway.tell(es3.ES3GetEIS(eid=EID), SR2, sender="sm-dp")
        status = (await heard(gateway, 1)).status
        assert (status.code, status.message) == (
            "1.2/4.2", "the peer refused the message with HTTP 500: no such action",
        )  # fmt: skip
        assert len(receiver.raw) == 3
    await receiver.stop()


@virtual
async def test_the_end_of_the_connection_ends_a_response(tmp_path: Path) -> None:
    del tmp_path
    head = http_message.response_head(b"HTTP/1.1 200 OK\r\nConnection: close", 100)
    for octets, whole in ((b"<a/>", True), (b"x" * 101, False)):
        reader = asyncio.StreamReader()
        reader.feed_data(octets)
        reader.feed_eof()
        if whole:
            assert await read_body(reader, head, 100) == octets
            continue
        with pytest.raises(http_message.BadMessage, match="more than"):
            await read_body(reader, head, 100)
    # Nothing follows a 202: its connection may stay open.
    assert not http_message.response_head(b"HTTP/1.1 202 Accepted", 100).open_ended


@virtual
async def test_letters_that_nobody_fetches_go_in_the_end(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties) as (gateway, client):
        await client.send(ENABLE, reply_to=f"{POLLED}q")
        await asyncio.sleep(7 * 86_400.0)
        assert len(gateway.rows(schema.letter)) == 1
        await asyncio.sleep(3 * 3_600.0)
        assert gateway.rows(schema.letter) == []


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (es3.ES3CreateISDPResponse(status=failed(*codes.BUSY, "later")), "Isd-p-aid"),
        (es3.ES3GetEISResponse(status=failed(*codes.EID_UNKNOWN, "no")), "Eis"),
        (es4.ES4EnableProfileResponse(status=SUCCESS), "EuiccResponseData"),
    ],
)
def test_an_empty_result_is_none(answer: Any, name: str) -> None:
    """The recovered schema has its element also where a call has failed: some stacks send it empty."""
    element = etree.fromstring(encode(answer, Base()))
    etree.SubElement(element, f"{{{esm_samples.RPS}}}{name}").text = " "
    assert decode(element).body == answer


@virtual
async def test_a_repeat_says_where_the_answer_goes_now(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with world(tmp_path, parties, reaction=lambda header, body: None) as (gateway, client):
        for queue in ("a", "b"):
            await client.send(ENABLE, call_id="one", reply_to=f"{POLLED}{queue}")
        await gateway.say(es4.ES4EnableProfileResponse(status=SUCCESS), gateway.heard[0][1])
        assert (await client.poll("a", 1)).status == 202
        told = (await client.poll("b", 2)).envelope.addressing
        assert told.relates_to.startswith(f"//{MNO}/m-2?")
        assert told.transaction_id == "t-2"


@virtual
async def test_a_call_onward_has_the_context_of_the_first(tmp_path: Path, parties: dict[str, Party]) -> None:
    """ES2 to ES3: one ContextId through the whole operation (`sgp02-interfaces.md` 6.2)."""
    receiver = Receiver(parties["sr2"], parties["ours"])
    await receiver.start()
    async with world(tmp_path, parties, reaction=lambda header, body: None) as (gateway, client):
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2, endpoints={"ES3": receiver.url("/es3")})
        enable = es2.ES2EnableProfile(eid=EID, smsr_id=SR2, iccid=ICCID)
        await client.send(enable, reply_to=f"{POLLED}q")
        asked = gateway.heard[0][1]
        onward = Header(
            message_id="sm-dp/1", sender="sm-dp", requester=DP, function_call_id="es2.n-1",
            deadline=asked.deadline, eid=EID, causation_id=asked.message_id, recipient=SR2,
        )  # fmt: skip
        await gateway.role.receive(message.encode(onward, es3.ES3EnableProfile(eid=EID, iccid=ICCID)))
        while not receiver.got:
            await asyncio.sleep(0.1)
        assert receiver.got[0].addressing.context_id == "c-7"
    await receiver.stop()


@virtual
async def test_a_call_that_nobody_took_in_its_time_is_not_sent(tmp_path: Path, parties: dict[str, Party]) -> None:
    """The SM-DP has given it up by then: a card must not be changed for it (`sgp02-interfaces.md` 3.1)."""
    receiver = Receiver(parties["sr2"], parties["ours"])
    await receiver.start()
    await receiver.stop()
    async with world(tmp_path, parties) as (gateway, _):
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2, endpoints={"ES3": receiver.url("/es3")})
        await gateway.tell(es3.ES3EnableProfile(eid=EID, iccid=ICCID), SR2, sender="sm-dp")
        await asyncio.sleep(3_601.0)
        await receiver.start(receiver.port)
        await asyncio.sleep(600.0)
        assert receiver.raw == []
        assert [row.state for row in gateway.rows(schema.letter)] == ["expired"]
    await receiver.stop()


@virtual
async def test_an_answer_in_the_http_response_needs_no_headers(tmp_path: Path, parties: dict[str, Party]) -> None:
    """Of whom it is says TLS, to what HTTP; the call would else be made again and again."""
    receiver = Receiver(parties["sr2"], parties["ours"])
    await receiver.start()
    async with world(tmp_path, parties) as (gateway, _):
        await gateway.peer(parties["sr2"], PeerKind.SM_SR, SR2, endpoints={"ES3": receiver.url("/es3")})
        answer = es3.ES3GetEISResponse(status=SUCCESS, eis=esm_samples.eis())
        content = f"<env:Body>{encode(answer, Base())}</env:Body></env:Envelope>"
        opened = f'<env:Envelope xmlns:env="{SOAP}">'
        receiver.status = [200, 200]
        receiver.answers = [f"{opened}{header}{content}".encode() for header in ("", "<env:Header/>")]
        for number in (1, 2):
            await gateway.tell(es3.ES3GetEIS(eid=EID), SR2, sender="sm-dp", name=f"n-{number}")
            assert await heard(gateway, number) == answer
        assert len(receiver.raw) == 2
    await receiver.stop()
    with pytest.raises(Fault, match="From is missing"):
        envelope.read(f"{opened}<env:Header/>{content}".encode())
