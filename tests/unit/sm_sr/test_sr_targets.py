"""Where a security domain is addressed: as EIS and eUICC type say, else by its AID (SGP.02 Annex H)."""

from __future__ import annotations

from typing import Any

import pytest

import sr_steps as s
from ferryman.codec import ids, ota_script
from ferryman.codec.ota_packet import response_header
from ferryman.contracts import codes, crypto
from ferryman.contracts.eis import SecurityDomain
from ferryman.contracts.es3 import ES3CreateISDP
from ferryman.contracts.es5 import SMSReceived
from ferryman.contracts.message import Header
from ferryman.contracts.queue import RunScript
from ferryman.errors import InputError, PeerError
from ferryman.platform.procedure import Answered, Ask, Begin, Received, Signalled
from ferryman.sm_sr.euicc_type import Effective, merged
from ferryman.sm_sr.procedures import channel, create_isdp, run_script
from ferryman.sm_sr.procedures.channel_state import Channel
from ferryman.sm_sr.procedures.delivery import Command
from ferryman.sm_sr.records import EUICC, AddISDP
from ferryman.sm_sr.targets import is_there, own_tars, tar_of
from shared_data import shared

LISTED = bytes.fromhex("0000A1")
SAID = "0000A2"
ECASD_TAR = bytes.fromhex("0000A3")
PLAIN, TYPED = Effective(transports=("sms",)), Effective(transports=("sms",), isdr_tar=SAID)
HEADER = Header(message_id="m", sender="t", requester="t", function_call_id="f", deadline=s.DEADLINE, eid=s.EID)
TLVS = (ota_script.c_apdu(bytes.fromhex("80F24002024F00")),)


def listing(*tars: bytes, **changes: Any) -> EUICC:
    return s.card(isdr=SecurityDomain(aid=ids.ISDR_AID, tars=tars), **changes)


def signed(tar: bytes) -> bytes:
    """The signed part of the reference's EIS, with another TAR of the ECASD."""
    text = shared("reference/sgp02-interfaces.md").read_text(encoding="utf-8")
    info = text[text.index("<EumSignedInfo>") : text.index("</EumSignedInfo>")] + "</EumSignedInfo>"
    namespace = '<EumSignedInfo xmlns="http://namespaces.gsma.org/esim-messaging/3">'
    with_tar = info.replace("<EumSignedInfo>", namespace).replace("<Tar>000002</Tar>", f"<Tar>{tar.hex()}</Tar>")
    return with_tar.replace("89001012012341234012345678901224", s.EID).encode()


@pytest.mark.parametrize(
    ("card", "effective", "expected"),
    [
        (s.card(), PLAIN, ids.ISDR_TAR),
        (listing(), PLAIN, ids.ISDR_TAR),
        (listing(LISTED), PLAIN, LISTED),
        (listing(LISTED, b"\0\0\1"), PLAIN, LISTED),
        (listing(LISTED), TYPED, bytes.fromhex(SAID)),
        (s.card(), TYPED, bytes.fromhex(SAID)),
    ],
    ids=["nobody says", "none listed", "listed", "the first one", "the type says", "only the type says"],
)
def test_the_tar_of_the_isdr(card: EUICC, effective: Effective, expected: bytes) -> None:
    assert tar_of(card, ids.ISDR_AID, effective) == expected
    assert tar_of(card, s.NEW, effective) == bytes.fromhex("000011"), "an ISD-P's is its AID's"


def test_the_tar_of_the_ecasd_stands_in_the_signed_part() -> None:
    for unread in (b"", b"<none/>"):
        assert tar_of(s.card(signed_info=unread), ids.ECASD_AID, PLAIN) == bytes.fromhex("000002")
    card = s.card(signed_info=signed(ECASD_TAR))
    assert tar_of(card, ids.ECASD_AID, PLAIN) == ECASD_TAR
    assert own_tars(card, TYPED) == {ids.ISDR_TAR, b"\0\0\2", ECASD_TAR, bytes.fromhex(SAID)}
    assert is_there(card, ids.ECASD_AID)
    assert is_there(card, s.BOOT)
    assert not is_there(card, ids.isdp_aid(0x99))
    assert not is_there(card, b"")


def test_an_aid_that_has_no_tar() -> None:
    with pytest.raises(PeerError, match="no TAR"):
        tar_of(s.card(), bytes(12), PLAIN)


def test_a_type_says_three_octets_or_nothing() -> None:
    assert merged(PLAIN, {"isdr_tar": SAID}).isdr_tar == SAID
    for wrong in ("0000", "000001FF", "ISDR01"):
        with pytest.raises(InputError) as refused:
            merged(PLAIN, {"isdr_tar": wrong})
        assert refused.value.field == "isdr_tar"


def packed(state: Channel, event: Any, **changes: Any) -> tuple[Channel, list[Any]]:
    taken = channel.step(state, event, s.context(procedure_id="channel", caller=False, **changes))
    return taken.state, [e.body for e in taken.effects if isinstance(e, Ask)]


@pytest.mark.parametrize("transport", ["sms", "https"])
def test_packets_go_to_that_tar_and_only_its_answers_are_read(transport: str) -> None:
    """Commands by SMS, and the trigger of an HTTPS session (TS 102 225 5.1, SGP.02 2.4.3)."""
    card = listing(LISTED)
    command = Command(id="c", owner="p", tlvs=TLVS, target_aid=ids.ISDR_AID, transport=transport)
    state, (wrap,) = packed(Channel(), Signalled("p", command), euicc=card)
    assert wrap.tar == LISTED
    state, _ = packed(state, Answered("wrap", reply=crypto.SCP80Wrapped(packet=b"packet")), euicc=card)
    for tar, asked in ((ids.ISDR_TAR, []), (LISTED, [LISTED])):
        packet = response_header(tar, check_bytes=8, body_bytes=15) + bytes(15)
        answer = Received(HEADER, SMSReceived(mo_id="1", originator="882", kind=0x71, packet=packet))
        _, asks = packed(state, answer, euicc=card)
        assert [ask.tar for ask in asks] == asked


def test_a_new_isdp_does_not_take_a_tar_of_the_isdr() -> None:
    """The EIS gives the ISD-R what would be the next ISD-P's."""
    request = ES3CreateISDP(eid=s.EID, iccid=s.ICCID, owner=s.OWNER, required_memory=0)
    card = listing(bytes.fromhex("000011"), profiles=(s.isdp(s.BOOT),))
    taken = create_isdp.step(create_isdp.State(request=request, requester=s.DP), Begin(), s.context(card))
    (added,) = [change for change in s.changes(taken) if isinstance(change, AddISDP)]
    assert added.isdp.aid == ids.isdp_aid(0x12)


def test_a_raw_script_may_go_to_the_ecasd() -> None:
    request = RunScript(eid=s.EID, sd_aid=ids.ECASD_AID, data=TLVS[0], reason="to see its certificate")
    taken = run_script.step(run_script.State(request=request, requester=s.DP), Begin(), s.context())
    assert s.command(taken).target_aid == ids.ECASD_AID
    elsewhere = RunScript(eid=s.EID, sd_aid=ids.isdp_aid(0x99), data=TLVS[0], reason="no such")
    refused = run_script.step(run_script.State(request=elsewhere, requester=s.DP), Begin(), s.context())
    assert s.reply(refused).code == "/".join(codes.SD_AID_UNKNOWN)
    assert not s.commands(refused)
