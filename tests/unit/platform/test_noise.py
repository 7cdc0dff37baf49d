"""Noise K and KK against messages of another implementation (PyPI noiseprotocol 0.3.1), and what must not open."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ferryman.errors import PeerError
from ferryman.platform import noise

ONE = X25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = X25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
EPHEMERAL, ANSWER_EPHEMERAL = bytes(range(64, 96)), bytes(range(96, 128))
CONTEXT = b"a context"

# Made with noiseprotocol from the keys above, prologue "a context".
K = (
    "79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51ab0eb286bf45a8dac21fd21743294c8cd1bb923ffcb392c5f"
    "c2cd83cb"
)
KK = (
    "79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51a2d54f39bf86c3fc66f28d2cc6672594852618586de857712"
    "7d69649b"
)
KK_ANSWER = (
    "675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52fb3766d21ab1b80b8180acd5de7be79fe293701f571f5042f"
    "12f4"
)


def question() -> noise.Question:
    return noise.Question(ONE, noise.public_key(OTHER), CONTEXT, b"the question", ephemeral=EPHEMERAL)


def test_one_message_is_as_a_stranger_makes_it() -> None:
    sealed = noise.seal(ONE, noise.public_key(OTHER), CONTEXT, b"the question", ephemeral=EPHEMERAL)
    assert sealed.hex() == K
    assert len(sealed) == len(b"the question") + noise.OVERHEAD
    assert noise.open_sealed(OTHER, noise.public_key(ONE), CONTEXT, sealed) == b"the question"


def test_question_and_answer_are_as_a_stranger_makes_them() -> None:
    asking = question()
    assert asking.message.hex() == KK
    asked = noise.Asked(OTHER, noise.public_key(ONE), CONTEXT, asking.message)
    assert asked.plain == b"the question"
    assert asked.answer(b"the answer", ephemeral=ANSWER_EPHEMERAL).hex() == KK_ANSWER
    assert asking.open_answer(bytes.fromhex(KK_ANSWER)) == b"the answer"


@pytest.mark.parametrize("place", range(0, len(K) // 2, 7))
def test_no_changed_octet_opens(place: int) -> None:
    message = bytearray.fromhex(K)
    message[place] ^= 1
    with pytest.raises(PeerError):
        noise.open_sealed(OTHER, noise.public_key(ONE), CONTEXT, bytes(message))
    changed = bytearray.fromhex(KK)
    changed[place] ^= 1
    with pytest.raises(PeerError):
        noise.Asked(OTHER, noise.public_key(ONE), CONTEXT, bytes(changed))


@pytest.mark.parametrize("place", range(0, len(KK_ANSWER) // 2, 7))
def test_no_changed_answer_opens(place: int) -> None:
    answer = bytearray.fromhex(KK_ANSWER)
    answer[place] ^= 1
    with pytest.raises(PeerError):
        question().open_answer(bytes(answer))


@pytest.mark.parametrize("length", [0, 31, 32, noise.OVERHEAD - 1])
def test_short_messages_are_refused(length: int) -> None:
    with pytest.raises(PeerError):
        noise.open_sealed(OTHER, noise.public_key(ONE), CONTEXT, bytes.fromhex(K)[:length])
    with pytest.raises(PeerError):
        question().open_answer(bytes.fromhex(KK_ANSWER)[:length])


def test_another_context_sender_or_receiver_does_not_open() -> None:
    stranger = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    sealed = bytes.fromhex(K)
    for own, peer, context in (
        (OTHER, noise.public_key(ONE), b"another context"),
        (OTHER, noise.public_key(stranger), CONTEXT),
        (stranger, noise.public_key(ONE), CONTEXT),
    ):
        with pytest.raises(PeerError):
            noise.open_sealed(own, peer, context, sealed)


def test_an_answer_belongs_to_one_question_only() -> None:
    later = noise.Question(ONE, noise.public_key(OTHER), CONTEXT, b"the question", ephemeral=ANSWER_EPHEMERAL)
    with pytest.raises(PeerError):
        later.open_answer(bytes.fromhex(KK_ANSWER))


def test_a_question_is_no_message() -> None:
    with pytest.raises(PeerError):
        noise.open_sealed(OTHER, noise.public_key(ONE), CONTEXT, bytes.fromhex(KK))


def test_a_public_key_of_low_order_is_refused() -> None:
    with pytest.raises(PeerError, match="low order"):
        noise.open_sealed(OTHER, noise.public_key(ONE), CONTEXT, bytes(32) + bytes.fromhex(K)[32:])
