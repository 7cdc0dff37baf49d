from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.codec import psk_identity
from ferryman.codec.psk_identity import PSKIdentity
from ferryman.errors import InputError, PeerError

EID = "89049032123456789012345678901203"
AID = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
# The worked example of the reference notes, written as a card would send it.
TEXT = b"8001028110890490321234567890123456789012034F10A0000005591010FFFFFFFF8900000100820101830140"

PARTS = ["800102", f"8110{EID}", f"4F10{AID.hex()}", "820101", "830140"]

identities = st.builds(
    PSKIdentity,
    eid=st.text("0123456789", min_size=32, max_size=32),
    aid=st.binary(min_size=5, max_size=16),
    key_id=st.integers(0, 255),
    key_version=st.integers(0, 255),
)


def test_build_gives_the_text_of_the_example() -> None:
    assert psk_identity.build(PSKIdentity(EID, AID, 1, 0x40)) == TEXT


def test_parse_reads_the_example() -> None:
    assert psk_identity.parse(TEXT) == PSKIdentity(EID, AID, 1, 0x40)


@given(identities)
def test_parse_reverses_build(identity: PSKIdentity) -> None:
    assert psk_identity.parse(psk_identity.build(identity)) == identity


@given(st.randoms(use_true_random=False))
def test_order_and_case_do_not_matter(rng: random.Random) -> None:
    parts = PARTS.copy()
    rng.shuffle(parts)
    text = "".join(rng.choice((c.upper(), c.lower())) for c in "".join(parts))
    assert psk_identity.parse(text.encode()) == PSKIdentity(EID, AID, 1, 0x40)


def test_unknown_tags_are_passed_over() -> None:
    assert psk_identity.parse(("8F01AA" + "".join(PARTS) + "8F00").encode()).eid == EID


@pytest.mark.parametrize("missing", range(5))
def test_every_value_is_needed(missing: int) -> None:
    text = "".join(part for at, part in enumerate(PARTS) if at != missing)
    with pytest.raises(PeerError):
        psk_identity.parse(text.encode())


@pytest.mark.parametrize("repeated", range(5))
def test_no_value_comes_twice(repeated: int) -> None:
    with pytest.raises(PeerError, match="twice"):
        psk_identity.parse(("".join(PARTS) + PARTS[repeated]).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"8",
        b"80 01 02" + TEXT[6:],
        TEXT + b"\n",
        TEXT[:-1],
        TEXT[:-2],
        TEXT + b"84",
        TEXT.replace(b"800102", b"800101"),
        TEXT.replace(b"800102", b"80020002"),
        TEXT.replace(b"8904", b"89A4"),
        TEXT.replace(b"8110", b"810F"),
        TEXT.replace(b"820101", b"82020101"),
        TEXT.replace(b"820101", b"8281" + b"01" * 0x81),
        TEXT.replace(b"4F10A0000005591010FFFFFFFF8900000100", b"4F04A0000005"),
        TEXT.replace(b"4F10", b"4F11").replace(b"000100", b"00010000"),
        TEXT + b"8F7F" + b"00" * 0x7F,
        "８".encode() * 30,
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(PeerError):
        psk_identity.parse(text)


@given(st.binary(max_size=300) | st.text("0123456789abcdefABCDEF", max_size=260).map(str.encode))
def test_any_octets_parse_or_are_refused(octets: bytes) -> None:
    try:
        identity = psk_identity.parse(octets)
    except PeerError:
        return
    assert psk_identity.parse(psk_identity.build(identity)) == identity


@pytest.mark.parametrize(
    ("eid", "aid", "key_id", "key_version", "field"),
    [
        ("8904", AID, 1, 0x40, "eid"),
        (EID[:-1] + "A", AID, 1, 0x40, "eid"),
        (EID[:-1] + "٣", AID, 1, 0x40, "eid"),
        (EID, b"1234", 1, 0x40, "aid"),
        (EID, bytes(17), 1, 0x40, "aid"),
        (EID, AID, 256, 0x40, "key_id"),
        (EID, AID, 1, -1, "key_version"),
    ],
)
def test_a_wrong_identity_cannot_be_written(
    eid: str, aid: bytes, key_id: int, key_version: int, field: str
) -> None:
    with pytest.raises(InputError) as caught:
        psk_identity.build(PSKIdentity(eid, aid, key_id, key_version))
    assert caught.value.field == field
