"""Small worked examples of `sgp02-euicc.md` on the server side: sections 5.10, 6.2, 8.2 and 8.5."""

from __future__ import annotations

from ferryman.codec import isdr, ota_script, scp81_http
from ferryman.codec.ids import ISDR_AID, isdp_aid
from ferryman.sm_sr.procedures import delivery
from ferryman.transport_https.framing import HTTPExchange

H = bytes.fromhex
ENABLE_SCRIPT = H("AE80221B80E28800153A03124F10A0000005591010FFFFFFFF8900001000000000")


def post(body: bytes) -> bytes:
    agent = scp81_http.admin_from("89001012012341234012345678901224", ISDR_AID)
    head = f"POST /a HTTP/1.1\r\nHost: h\r\nX-Admin-Protocol: {scp81_http.PROTOCOL}\r\nX-Admin-From: {agent}\r\n"
    return head.encode() + b"Transfer-Encoding: chunked\r\nX-Admin-Script-Status: ok\r\n\r\n" + body


def test_5_10_answer_over_sms() -> None:
    """AB0F 800101 230A <R-MAC 8> 9000."""
    answer = delivery.read(H("AB0F800101230A91416261B5E7BF049000"))
    assert answer.ok
    assert answer.apdus == ((H("91416261B5E7BF04"), 0x9000),)


def test_6_2_smsc_address_of_a_real_profile() -> None:
    assert H("A0090607913386994211F1") in isdr.update_connectivity_parameters("+33689924111")
    assert isdr.update_connectivity_parameters("+33609876543") == H("80E288000E3A070BA0090607913306896745F300")


def test_8_2_answer_with_a_refused_script() -> None:
    answer = delivery.read(H("AF8023026A800000"))
    assert not answer.ok
    assert (answer.error_sw, answer.apdus) == (0x6A80, ((b"", 0x6A80),))


def test_8_2_answer_with_an_executed_script() -> None:
    assert delivery.read(H("AB0780010123029000")).apdus == ((b"", 0x9000),)


def test_8_5_example_bodies() -> None:
    script = ota_script.build_command_script(
        (ota_script.c_apdu(isdr.enable_profile(isdp_aid(0x10))),), indefinite=True
    )
    assert script == ENABLE_SCRIPT
    exchange = HTTPExchange()
    request = exchange.feed(post(b"8\r\n" + H("AF80230290000000") + b"\r\n0\r\n\r\n"))
    assert request is not None
    assert delivery.read(request.body).apdus == ((b"", 0x9000),)
    answer = exchange.answer(scp81_http.AdminResponse.script(script, next_uri="/b", target_aid=ISDR_AID))
    assert answer.endswith(b"\r\n\r\n21\r\n" + ENABLE_SCRIPT + b"\r\n0\r\n\r\n")
