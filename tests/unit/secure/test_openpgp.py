"""OpenPGP messages: opened whole or not at all, signatures that count, keys that may be used."""

from __future__ import annotations

import random

import pytest
from openpgp.composed import SignedPublicKey, SignedSecretKey

from ferryman.errors import InputError, PeerError
from ferryman.secure import openpgp
from openpgp_keys import NOW, envelope, our_key, rsa_sender, sender

CONTENT = b"ICCID,IMSI\n" + bytes(range(256)) * 20
FLIPS = 60


def opened(message: bytes, *, signer: bytes | None = None) -> bytes:
    return openpgp.open_message(message, (our_key(),), signer, NOW)


@pytest.mark.parametrize("aead", [False, True])
@pytest.mark.parametrize("compression", ["uncompressed", "zip", "zlib", "bzip2"])
def test_what_is_for_us_opens(compression: str, aead: bool) -> None:
    assert opened(envelope(CONTENT, compression=compression, aead=aead)) == CONTENT


@pytest.mark.parametrize("aead", [False, True])
def test_any_changed_or_missing_octet_refuses_the_whole(aead: bool, seed: int) -> None:
    message, rng = envelope(CONTENT, compression="uncompressed", aead=aead), random.Random(seed)
    for at in [*rng.sample(range(len(message)), FLIPS), len(message) - 1, len(message) - 21]:
        changed = bytearray(message)
        changed[at] ^= 1 << rng.randrange(8)
        try:
            got = opened(bytes(changed))
        except PeerError:
            continue
        # What names the recipient is not authenticated; with it changed the message still is for us.
        assert at < 20, f"octet {at}"
        assert got == CONTENT
    for length in [0, 1, 20, *rng.sample(range(len(message)), FLIPS), len(message) - 1]:
        with pytest.raises(PeerError):
            opened(message[:length])


def test_a_message_for_another_is_refused() -> None:
    with pytest.raises(PeerError, match="not for our key"):
        opened(envelope(CONTENT, to=sender()))


def test_former_keys_open_what_was_sent_to_them() -> None:
    newer = openpgp.make_key("newer", NOW)
    assert openpgp.open_message(envelope(CONTENT), (newer, our_key()), None, NOW) == CONTENT


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"ICCID,IMSI\n", b"-----BEGIN PGP MESSAGE-----\n\nAA==\n", b"\xc1"]
)
def test_what_is_no_message_is_refused(content: bytes) -> None:
    with pytest.raises(PeerError):
        opened(content)


def test_the_signature_is_by_the_key_that_is_named() -> None:
    maker = openpgp.public_of(sender())
    assert opened(envelope(CONTENT, signed_by=sender()), signer=maker) == CONTENT
    assert opened(envelope(CONTENT, signed_by=sender())) == CONTENT
    for message in (envelope(CONTENT), envelope(CONTENT, signed_by=rsa_sender())):
        with pytest.raises(PeerError, match="not signed by the key"):
            opened(message, signer=maker)


def test_a_signature_over_a_weak_digest_does_not_count() -> None:
    maker = openpgp.public_of(rsa_sender())
    assert opened(envelope(CONTENT, signed_by=rsa_sender()), signer=maker) == CONTENT
    with pytest.raises(PeerError, match="weak digest"):
        opened(envelope(CONTENT, signed_by=rsa_sender(), digest="sha1"), signer=maker)


def test_our_own_messages_are_for_one_reader_and_signed() -> None:
    sealed = openpgp.seal_message(CONTENT, openpgp.public_of(sender()), our_key(), NOW, name="x.csv")
    assert CONTENT[:40] not in sealed
    ours = openpgp.public_of(our_key())
    assert openpgp.open_message(sealed, (sender(),), ours, NOW) == CONTENT
    with pytest.raises(PeerError):
        opened(sealed)


def test_keys_from_elsewhere() -> None:
    secret = SignedSecretKey.from_bytes(our_key())
    assert openpgp.read_secret_key(secret.to_armored().encode()) == our_key()
    assert openpgp.read_public_key(openpgp.public_of(our_key())) == openpgp.public_of(our_key())
    fingerprint, user_ids, armour = openpgp.described(openpgp.public_of(our_key()))
    assert (fingerprint, user_ids) == (secret.fingerprint.upper(), ("Ferryman <dp@example.org>",))
    assert SignedPublicKey.from_armor(armour)[0].fingerprint == secret.fingerprint
    for data in (b"", b"x", openpgp.public_of(our_key()), our_key()[:-30]):
        with pytest.raises(InputError):
            openpgp.read_secret_key(data)
    for data in (b"", b"x", our_key(), openpgp.public_of(our_key())[:-30]):
        with pytest.raises(InputError):
            openpgp.read_public_key(data)
    bent = bytearray(openpgp.public_of(our_key()))
    bent[-5] ^= 1  # in the binding of the subkey
    with pytest.raises(InputError):
        openpgp.read_public_key(bytes(bent))


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb"])
def test_a_user_id_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match="printable"):
        openpgp.make_key(name, NOW)
