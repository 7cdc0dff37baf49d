"""brainpoolP256r1 of the simulator against OpenSSL: public points, ECDH, ECDSA; what is no point is refused."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ferryman_sim import brainpool
from ferryman_sim.card import crypto


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def test_against_openssl(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(5):
        mine, theirs = rng.randrange(1, brainpool.ORDER), rng.randrange(1, brainpool.ORDER)
        other = ec.derive_private_key(theirs, ec.BrainpoolP256R1())
        own = ec.derive_private_key(mine, ec.BrainpoolP256R1())
        assert brainpool.public(mine) == point_of(own.public_key())
        peer = brainpool.decode(point_of(other.public_key()))
        assert brainpool.agree(mine, peer) == own.exchange(ec.ECDH(), other.public_key())
        message = rng.randbytes(50)
        r, s = decode_dss_signature(other.sign(message, ec.ECDSA(SHA256())))
        signature = r.to_bytes(32) + s.to_bytes(32)
        assert brainpool.verifies(peer, message, signature)
        assert not brainpool.verifies(peer, message + b"x", signature)
        assert not brainpool.verifies(brainpool.decode(brainpool.public(mine)), message, signature)
        swapped = signature[32:] + signature[:32]
        assert not brainpool.verifies(peer, message, swapped)


def test_what_is_refused() -> None:
    good = brainpool.public(7)
    assert crypto.point_of(crypto.read_point(good, crypto.BRAINPOOL)) == good
    on_p256 = point_of(ec.derive_private_key(7, ec.SECP256R1()).public_key())
    wrapped = b"\x04" + (int.from_bytes(good[1:33]) + brainpool.P).to_bytes(33)[-32:] + good[33:]
    for data in (on_p256, good[:-1], b"\x02" + good[1:33], b"\x04" + bytes(64), good[:-1] + b"\0", wrapped, b""):
        with pytest.raises(crypto.BadPoint):
            crypto.read_point(data, crypto.BRAINPOOL)
    with pytest.raises(crypto.BadPoint):
        crypto.read_point(good, b"\x07")
    for signature in (bytes(64), b"\xff" * 64, bytes(63), good[1:33] + bytes(32)):
        assert not brainpool.verifies(brainpool.GENERATOR, b"x", signature)
    assert brainpool.multiply(brainpool.ORDER, brainpool.GENERATOR) is None
    assert brainpool.multiply(brainpool.ORDER + 1, brainpool.GENERATOR) == brainpool.GENERATOR
