"""What a broken or hostile SMSC can send: each case with its exact refusal, and proof that the ESME lives on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.codec.smpp import messages as m
from ferryman.codec.smpp.commands import CommandID
from ferryman.codec.smpp.errors import FramingError, SMPPError, UnknownCommand
from ferryman.codec.smpp.framer import Framer
from ferryman.codec.smpp.pdu import MAX_PDU, decode, encode
from ferryman.codec.smpp.receipt import Receipt
from ferryman.codec.smpp.tlv import MAX_TLVS, TLV
from ferryman.errors import PeerError
from ferryman.transport_sms.esme import ESME
from ferryman.transport_sms.link import OutcomeKind
from ferryman.transport_sms.settings import SMPPSettings
from scripted_smsc import Caller, ScriptedSMSC
from virtual_loop import virtual

ABSURD = [0, 1, 15, MAX_PDU + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def sized(command: int, body: bytes, status: int = 0, sequence: int = 1) -> bytes:
    """A PDU with a right command_length around any body."""
    header = (16 + len(body)).to_bytes(4) + command.to_bytes(4) + status.to_bytes(4) + sequence.to_bytes(4)
    return header + body


DELIVER_BODY = encode(m.DeliverSM(short_message=b"12345678"))[16:]
BROKEN = {
    "text without NUL": (sized(0x05, b"abcdef"), 0x01),
    "body that ends in a text": (sized(0x05, b"\0\1\1123"), 0x02),
    "empty body": (sized(0x05, b""), 0x02),
    "too long an address": (sized(0x05, b"\0\1\1" + b"1" * 21 + b"\0" * 20), 0x01),
    "sm_length beyond the body": (sized(0x05, DELIVER_BODY[:-9] + b"\x09" + DELIVER_BODY[-8:]), 0x01),
    "sm_length of 255": (sized(0x05, DELIVER_BODY[:-9] + b"\xff" + bytes(255)), 0x01),
    "TLV over the end": (sized(0x05, DELIVER_BODY + bytes.fromhex("0424000561")), 0xC0),
    "TLV of length FFFF": (sized(0x05, DELIVER_BODY + bytes.fromhex("0424ffff61")), 0xC0),
    "half a TLV header": (sized(0x05, DELIVER_BODY + bytes.fromhex("042400")), 0xC0),
    "thousands of TLVs": (sized(0x05, DELIVER_BODY + bytes.fromhex("14000000") * (MAX_TLVS + 1)), 0xC0),
    "body on a PDU that has none": (sized(0x15, b"x"), 0xC0),
    "destinations that are not there": (sized(0x21, b"\0\0\0\0\xff\1"), 0x02),
    "destination of a third kind": (sized(0x21, b"\0\0\0\0\1\3\0\0\0"), 0x40),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_body_is_refused_with_its_status(name: str) -> None:
    octets, status = BROKEN[name]
    with pytest.raises(SMPPError) as caught:
        decode(octets)
    assert caught.value.status == status
    assert not isinstance(caught.value, FramingError)


@pytest.mark.parametrize("command", [0, 0x0A, 0x110, 0x111, 0x7FFFFFFF, 0x8000000B, 0x80000102, 0xFFFFFFFF])
def test_an_unknown_command_is_refused_alone(command: int) -> None:
    with pytest.raises(UnknownCommand) as caught:
        decode(sized(command, b""))
    assert caught.value.status == 3


@pytest.mark.parametrize("length", ABSURD)
def test_an_absurd_length_loses_the_stream(length: int) -> None:
    framer = Framer()
    good = encode(m.EnquireLink(sequence=1))
    found = framer.feed(good + length.to_bytes(4))
    assert next(found) == good
    with pytest.raises(FramingError):
        next(found)
    with pytest.raises(FramingError):
        list(framer.feed(good))
    assert framer.held == 0


def test_a_framer_never_holds_more_than_one_pdu() -> None:
    framer = Framer()
    start = (MAX_PDU).to_bytes(4)
    assert list(framer.feed(start)) == []
    for _ in range(MAX_PDU // 1000 - 1):
        assert list(framer.feed(bytes(1000))) == []
        assert framer.held < MAX_PDU
    assert [len(pdu) for pdu in framer.feed(bytes(996))] == [MAX_PDU]
    assert framer.held == 0


@given(st.binary(max_size=200))
def test_any_octets_are_a_pdu_or_a_peer_error(octets: bytes) -> None:
    try:
        pdu = decode(octets)
    except PeerError:
        return
    assert decode(encode(pdu)) == pdu


@given(st.sampled_from(sorted(CommandID)), st.binary(max_size=200))
def test_any_body_of_any_command_is_a_pdu_or_a_peer_error(command: int, body: bytes) -> None:
    try:
        pdu = decode(sized(command, body))
    except PeerError:
        return
    assert command == pdu.COMMAND


@given(st.lists(st.binary(max_size=40).map(lambda body: sized(0x04, body)) | st.binary(max_size=20)), st.data())
def test_a_stream_is_the_same_whole_and_split(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)

    def read(parts: list[bytes]) -> tuple[list[bytes], bool]:
        framer, found = Framer(), []
        try:
            for part in parts:
                for pdu in framer.feed(part):
                    found.append(pdu)
        except FramingError:
            return found, True
        return found, False

    cut = data.draw(st.integers(0, len(stream)))
    whole = read([stream])
    assert whole == read([stream[n : n + 1] for n in range(len(stream))])
    assert whole == read([stream[:cut], stream[cut:]])


async def stored(_: m.DeliverSM | Receipt) -> int:
    return 0


async def survive(first: Callable[[Caller], object]) -> ScriptedSMSC:
    """Run an ESME against a first connection that misbehaves; a second one must then work."""

    async def misbehaves(caller: Caller) -> None:
        await caller.accept_bind()
        await caller.expect(m.SubmitSM)
        first(caller)
        await caller.closed()

    async def behaves(caller: Caller) -> None:
        await caller.accept_bind()
        pdu = await caller.expect(m.SubmitSM)
        caller.send(m.SubmitSMResp(sequence=pdu.sequence, message_id="after"))
        unbind = await caller.expect(m.Unbind)
        caller.send(m.UnbindResp(sequence=unbind.sequence))

    async with ScriptedSMSC(misbehaves, behaves) as smsc:
        settings = SMPPSettings(
            host="127.0.0.1", port=smsc.port, system_id="smsr", password="pw", response_timeout=10
        )
        esme = ESME(settings, on_deliver=stored, on_receipt=stored, entropy=random.Random(3))
        await esme.start()
        await esme.bound.wait()
        assert (await esme.submit(m.SubmitSM())).kind is OutcomeKind.UNKNOWN
        while len(smsc.arrivals) < 2:
            await asyncio.sleep(0.1)
        await esme.bound.wait()
        assert (await esme.submit(m.SubmitSM())).message_id == "after"
        await esme.stop()
    return smsc


@pytest.mark.parametrize("length", ABSURD)
def test_an_absurd_length_closes_the_link_at_once_and_it_comes_back(length: int) -> None:
    @virtual
    async def run() -> None:
        smsc = await survive(lambda caller: caller.raw(length.to_bytes(4)))
        assert smsc.arrivals[1] - smsc.arrivals[0] <= 1.1  # no timer was waited for

    run()


@virtual
async def test_a_pdu_that_never_ends_is_given_up() -> None:
    smsc = await survive(lambda caller: caller.raw(MAX_PDU.to_bytes(4) + bytes(60_000)))
    assert smsc.arrivals[1] - smsc.arrivals[0] <= 60


@virtual
async def test_endless_octets_after_an_absurd_length_are_not_kept() -> None:
    smsc = await survive(lambda caller: caller.raw(b"\xff" * 5_000_000))
    assert smsc.arrivals[1] - smsc.arrivals[0] <= 12


@virtual
async def test_questions_from_a_peer_that_never_reads_do_not_fill_memory() -> None:
    """It asks without end and reads no answer: we stop reading it, find it silent and leave."""
    most = 0

    async def floods(caller: Caller) -> None:
        nonlocal most
        await caller.accept_bind()
        caller.writer.transport.pause_reading()
        caller.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        block = encode(m.EnquireLink(sequence=1)) * 10_000
        unread, asked = 0, 0
        while unread < 1_000_000 and asked < 100:  # until the ESME has stopped reading
            asked += 1
            caller.raw(block)
            await asyncio.sleep(0.001)
            unread = caller.writer.transport.get_write_buffer_size()
            assert esme._link is not None
            assert esme._link._transport is not None
            most = max(most, esme._link._transport.get_write_buffer_size())
        assert unread >= 1_000_000
        stuck.set()
        caller.writer.transport.resume_reading()
        with contextlib.suppress(ConnectionResetError):
            while await caller.reader.read(1_000_000):
                pass

    async def behaves(caller: Caller) -> None:
        await caller.accept_bind()
        unbind = await caller.expect(m.Unbind)
        caller.send(m.UnbindResp(sequence=unbind.sequence))

    stuck = asyncio.Event()
    async with ScriptedSMSC(floods, behaves) as smsc:
        settings = SMPPSettings(
            host="127.0.0.1",
            port=smsc.port,
            system_id="smsr",
            password="pw",
            response_timeout=1,
            enquire_interval=1,
        )
        esme = ESME(settings, on_deliver=stored, on_receipt=stored, entropy=random.Random(3))
        await esme.start()
        await stuck.wait()
        assert 0 < most < 600_000  # answers to two reads of the loop at most
        while len(smsc.arrivals) < 2:
            await asyncio.sleep(0.5)
        await esme.bound.wait()
        await esme.stop()


@virtual
async def test_a_receipt_and_a_message_full_of_nonsense_are_answered() -> None:
    async def script(caller: Caller) -> None:
        await caller.accept_bind()
        for number, (octets, status) in enumerate(BROKEN.values()):
            caller.raw(octets[:12] + number.to_bytes(4) + octets[16:])
            answer = await caller.next()
            assert answer is not None
            assert (answer.sequence, answer.status) == (number, status)
        caller.send(
            m.DeliverSM(sequence=99, esm_class=4, short_message=bytes(range(254)), tlvs=(TLV(0x427, b""),))
        )
        assert await caller.next() == m.DeliverSMResp(sequence=99)
        done.set()
        unbind = await caller.expect(m.Unbind)
        caller.send(m.UnbindResp(sequence=unbind.sequence))

    done = asyncio.Event()
    async with ScriptedSMSC(script) as smsc:
        settings = SMPPSettings(host="127.0.0.1", port=smsc.port, system_id="smsr", password="pw")
        esme = ESME(settings, on_deliver=stored, on_receipt=stored, entropy=random.Random(3))
        await esme.start()
        await done.wait()
        await esme.stop()
