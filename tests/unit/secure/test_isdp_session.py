"""Commands to an ISD-P wrapped in one call, and their answers verified in another, beside a card end."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from ferryman.crypto_server.isdp_session import verified, wrapped
from ferryman.crypto_server.profile_keys import Keyset
from ferryman.errors import PeerError, Refused
from ferryman.secure import scp03
from ferryman.secure.kdf import cmac

AID = bytes.fromhex("A0000005591010FFFFFFFF8900001000")
HOST = bytes(range(8))
KEYSET = Keyset(bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48)))
CHALLENGE = scp03.predict_card_challenge(KEYSET.enc, 1, AID)
SESSION = scp03.session_keys(KEYSET.static(), HOST, CHALLENGE)
COMMANDS = [bytes.fromhex("80E2880003420101"), bytes.fromhex("80D80000047088AABB")]


@dataclass(frozen=True)
class Opened:
    """What the card said to INITIALIZE UPDATE."""

    eid: str = "89033023000000000061494360000191"
    isdp_aid: bytes = AID
    host_challenge: bytes = HOST
    initialize_response: bytes = (
        bytes(10) + b"\x30\x03\x70" + CHALLENGE + scp03.card_cryptogram(SESSION, HOST, CHALLENGE) + b"\x00\x00\x01"
    )


def answers(*datas: bytes, sw: int = 0x9000) -> list[bytes]:
    """The card's answers with this status, their data ciphered and each with its R-MAC."""
    channel = scp03.SecureChannel.open(
        KEYSET.static(), host_challenge=HOST, response=Opened().initialize_response, aid=AID
    )
    channel.external_authenticate()
    made = []
    for command, data in zip(COMMANDS, datas, strict=False):
        channel.wrap(command)
        if data:
            icv = scp03.command_icv(SESSION.enc, channel._counter, response=True)
            encryptor = Cipher(AES(SESSION.enc), CBC(icv)).encryptor()
            data = encryptor.update(scp03.pad(data)) + encryptor.finalize()
        mac = cmac(SESSION.rmac, channel._chain + data + sw.to_bytes(2))[:8]
        made.append(data + mac + sw.to_bytes(2))
    return made


GOOD = answers(b"", b"\x70\x00")
AUTHENTICATED = b"\x90\x00"


def test_commands_stand_behind_the_authentication() -> None:
    authenticate, *protected = wrapped(KEYSET, Opened(), COMMANDS)
    assert authenticate.startswith(bytes.fromhex("848233"))
    assert [(apdu[0], apdu[1]) for apdu in protected] == [(0x84, 0xE2), (0x84, 0xD8)]
    assert wrapped(KEYSET, Opened(), COMMANDS) == (authenticate, *protected)


def test_a_card_with_other_keys_is_refused() -> None:
    other = Keyset(bytes(16), bytes(16), bytes(16))
    with pytest.raises(Refused, match="SCP03"):
        wrapped(other, Opened(), COMMANDS)
    with pytest.raises(PeerError):
        verified(other, Opened(), COMMANDS, GOOD)


def test_the_answer_to_the_authentication_may_be_left_out() -> None:
    assert verified(KEYSET, Opened(), COMMANDS, GOOD) == b"\x70\x00"
    assert verified(KEYSET, Opened(), COMMANDS, [AUTHENTICATED, *GOOD]) == b"\x70\x00"


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ([], "0 answers"),
        (GOOD[:1], "1 answers"),
        ([*GOOD, AUTHENTICATED], "R-MAC"),
        ([AUTHENTICATED, AUTHENTICATED, *GOOD], "4 answers"),
        ([b"\x63\x00", *GOOD], "3 answers"),
        ([GOOD[0], b"\x6a\x80"], "the card answered 6A80"),
        ([b"\x69\x85", GOOD[1]], "the card answered 6985"),
        (answers(b"", b"\x70\x00", sw=0x6310), "the card answered 6310"),
        ([GOOD[0], AUTHENTICATED], "R-MAC"),
        ([GOOD[0], b"\x70\x00\x91\x0f"], "R-MAC"),  # a normal ending beside 9000 is no way around it
        ([AUTHENTICATED, AUTHENTICATED], "R-MAC"),
        (GOOD[::-1], "R-MAC"),
        ([GOOD[0], GOOD[1][:-3] + b"\x00\x90\x00"], "R-MAC is wrong"),
    ],
)
def test_answers_that_prove_nothing(said: list[bytes], rule: str) -> None:
    with pytest.raises(PeerError, match=rule):
        verified(KEYSET, Opened(), COMMANDS, said)


def test_another_normal_ending_under_its_own_r_mac() -> None:
    assert verified(KEYSET, Opened(), COMMANDS, answers(b"", b"\x70\x00", sw=0x910F)) == b"\x70\x00"


def test_answers_belong_to_these_commands() -> None:
    other = [COMMANDS[0], bytes.fromhex("80D80000047088AABC")]
    with pytest.raises(PeerError, match="R-MAC is wrong"):
        verified(KEYSET, Opened(), other, GOOD)
