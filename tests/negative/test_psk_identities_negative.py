"""Hostile PSK identities and handshakes against the live server (RFC 4279, SGP.02): one answer for all."""

from __future__ import annotations

import pytest

from bounds import memory_within
from hostile_cards import besieged, talk
from psk_peer import EID, IDENTITY, ISDR, identity_of, records
from virtual_loop import virtual

ALERT, HANDSHAKE = 21, 22
BAD_RECORD_MAC, DECODE_ERROR, UNEXPECTED, PROTOCOL_VERSION = 20, 50, 10, 70


def record(kind: int, fragment: bytes) -> bytes:
    return bytes((kind, 3, 3)) + len(fragment).to_bytes(2) + fragment


def hello(version: str = "0303", suites: str = "00A800AE", extensions: str = "") -> bytes:
    body = bytes.fromhex(version) + bytes(range(32)) + b"\0"
    body += (len(suites) // 2).to_bytes(2) + bytes.fromhex(suites) + b"\x01\0"
    if extensions:
        body += (len(extensions) // 2).to_bytes(2) + bytes.fromhex(extensions)
    return b"\x01" + len(body).to_bytes(3) + body


def exchange(identity: bytes) -> bytes:
    return b"\x10" + (len(identity) + 2).to_bytes(3) + len(identity).to_bytes(2) + identity


def flight(identity: bytes) -> bytes:
    """A handshake of somebody who knows no key: the Finished is noise."""
    first = record(HANDSHAKE, hello()) + record(HANDSHAKE, exchange(identity))
    return first + record(20, b"\x01") + record(HANDSHAKE, bytes(64))


IDENTITIES = {
    "nobody's": identity_of("89001012012341234012345678909999").encode(),
    "a real one, without its key": IDENTITY.encode(),
    "empty": b"",
    "one octet": b"8",
    "no hexadecimal": b"card number one",
    "the longest": b"80" * 127,
    "digits of another script": "٨٠".encode() * 20,
    "a zero octet in the middle": IDENTITY.encode()[:20] + b"\0" + IDENTITY.encode()[20:],
    "a zero octet at the end": IDENTITY.encode() + b"\0",
    "a space between digits": IDENTITY.encode().replace(b"8110", b"81 10"),
    "EID twice": f"8001028110{EID}8110{EID}820101830140".encode(),
    "EID of letters": f"8001028110{EID[:-2]}AB4F10{ISDR}820101830140".encode(),
    "AID of 40 octets": b"8001028110" + EID.encode() + b"4F28" + b"00" * 40 + b"820101830140",
    "a value over the end": b"8001028110" + EID.encode() + b"4FFF",
    "SQL": b"' OR 1=1; DROP TABLE euicc; --",
    "a path": b"../../../../etc/passwd\n",
    "line ends": b"8001\r\nX-Admin-From: other\r\n\r\n",
}


def alert_of(answer: bytes) -> int:
    """The alert at the end of what the server said, whatever came before it."""
    last = records(answer)[-1]
    assert last[0] == ALERT, records(answer)
    return last[1][1]


@virtual
async def test_every_identity_ends_like_a_wrong_key_and_the_good_card_is_served() -> None:
    async with besieged() as (place, good):
        answers = set()
        for name, identity in IDENTITIES.items():
            before = len(place.refusals)
            answer = await talk(place.server.port, flight(identity))
            assert alert_of(answer) == BAD_RECORD_MAC, name
            answers.add(len(answer))
            assert [refusal.identity for refusal in place.refusals[before:]] == [identity], name
        # Nothing in the answers tells which identities exist: not even their length.
        assert len(answers) == 1
        assert len(place.server.sessions) == 1
        await good.post()


@virtual
async def test_an_identity_that_is_no_text_is_asked_of_nobody() -> None:
    async with besieged() as (place, _):
        asked = len(place.asked)
        assert alert_of(await talk(place.server.port, flight(b"\xff\xfe" * 20))) == BAD_RECORD_MAC
        assert len(place.asked) == asked


@pytest.mark.parametrize(
    ("octets", "alert"),
    [
        (record(HANDSHAKE, hello()) + record(HANDSHAKE, exchange(b"8" * 256)), DECODE_ERROR),
        (record(HANDSHAKE, hello()) + record(HANDSHAKE, exchange(b"80") + b"\x10"), UNEXPECTED),
        (record(HANDSHAKE, hello()) + record(HANDSHAKE, b"\x10\0\0\x02\0\x05"), DECODE_ERROR),
        (record(HANDSHAKE, hello()) + record(HANDSHAKE, b"\x10\0\0\x05\0\x01abc"), DECODE_ERROR),
        (record(HANDSHAKE, hello()) * 2, UNEXPECTED),
        (record(HANDSHAKE, exchange(IDENTITY.encode())), UNEXPECTED),
        (record(HANDSHAKE, hello("0300")), PROTOCOL_VERSION),
        (record(HANDSHAKE, hello("0203")), PROTOCOL_VERSION),
        (record(HANDSHAKE, b"\x01\xff\xff\xff"), DECODE_ERROR),
        (record(HANDSHAKE, hello(extensions="0001000100" * 2)), DECODE_ERROR),
        (record(HANDSHAKE, hello(extensions="0023FFFF")), DECODE_ERROR),
        (record(HANDSHAKE, hello(suites="00")), DECODE_ERROR),
        (record(20, b"\x01"), UNEXPECTED),
        (record(23, b"early"), UNEXPECTED),
        (record(HANDSHAKE, b""), DECODE_ERROR),
        (b"POST / HTTP/1.1\r\n\r\n", UNEXPECTED),
    ],
)
def test_flights_that_break_the_handshake(octets: bytes, alert: int) -> None:
    @virtual
    async def scenario() -> None:
        async with besieged() as (place, _):
            asked = len(place.asked)
            answer = await talk(place.server.port, octets)
            assert alert_of(answer) == alert
            assert len(place.asked) == asked

    scenario()


@virtual
async def test_hundreds_of_strangers_leave_nothing_behind() -> None:
    async with besieged() as (place, good):
        for identity in IDENTITIES.values():  # warm: contexts, caches
            await talk(place.server.port, flight(identity))
        with memory_within(peak=3_000_000, kept=400_000):
            for number in range(300):
                await talk(place.server.port, flight(b"%064d" % number))
                if number % 100 == 0:
                    await good.post()
                    place.refusals.clear()
                    place.asked.clear()
        await place.quiet(others=1)
