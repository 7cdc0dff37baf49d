"""Sealing between two roles that know each other's public key: Noise Protocol Framework, revision 34.

Patterns K (7.4, one message) and KK (7.5, a question and its answer), with 25519, AESGCM and SHA256 (clause 12).
Both ends are authenticated by their static keys. The key of an answer also depends on ephemeral keys of both
ends, so that a recorded answer stays closed when a static key is lost later. One deviation: messages may be
longer than 65,535 octets (clause 3), because a profile travels whole; AES-GCM allows 64 GiB.

Whoever carries the bytes can drop, delay and repeat them, nothing else. A repeat opens again: receivers know it by
their inbox, and calls are repeatable by contract.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ferryman.errors import PeerError

KEY_OCTETS: Final = 32  # octets of a public key, of a private key and of the entropy for an ephemeral one
OVERHEAD: Final = KEY_OCTETS + 16  # octets a sealed message is longer: ephemeral public key and tag
_ONE_WAY: Final = b"Noise_K_25519_AESGCM_SHA256"
_TWO_WAY: Final = b"Noise_KK_25519_AESGCM_SHA256"


class _Symmetric:
    """Noise 5.2: hash and chaining key of one handshake, and the cipher of its current key."""

    def __init__(self, name: bytes, context: bytes, initiator: bytes, responder: bytes) -> None:
        self._hash = name.ljust(hashlib.sha256().digest_size, b"\0")
        self._chain = self._hash
        self._cipher: AESGCM | None = None
        self._nonce = 0
        for known in (
            context,
            initiator,
            responder,
        ):  # prologue, then the static keys both know before (-> s, <- s)
            self.mix_hash(known)

    def mix_hash(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def mix_key(self, private: X25519PrivateKey, public: bytes) -> None:
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:  # a point of low order: the result would be known to everybody
            raise PeerError("a public key of low order", field="sealed message", clause="Noise 12.1") from None
        self._chain, key = _hkdf(self._chain, shared)
        self._cipher, self._nonce = AESGCM(key), 0

    def encrypt(self, plain: bytes) -> bytes:
        cipher, nonce = self._next()
        sealed = cipher.encrypt(nonce, plain, self._hash)
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed: bytes) -> bytes:
        cipher, nonce = self._next()
        try:
            plain = cipher.decrypt(nonce, sealed, self._hash)
        except InvalidTag:
            raise PeerError("does not open", field="sealed message", clause="Noise 5.1") from None
        self.mix_hash(sealed)
        return plain

    def _next(self) -> tuple[AESGCM, bytes]:
        if self._cipher is None:
            raise RuntimeError("a payload before the first key")
        nonce = bytes(4) + self._nonce.to_bytes(8)  # Noise 12.3
        self._nonce += 1
        return self._cipher, nonce


def _hkdf(chain: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Noise 4.3 with two outputs."""
    secret = hmac.digest(chain, material, "sha256")
    first = hmac.digest(secret, b"\x01", "sha256")
    return first, hmac.digest(secret, first + b"\x02", "sha256")


def public_key(private: X25519PrivateKey) -> bytes:
    """The 32 octets others need to know."""
    return private.public_key().public_bytes_raw()


def _split(message: bytes) -> tuple[bytes, bytes]:
    if len(message) < OVERHEAD:
        raise PeerError(f"{len(message)} octets are too few", field="sealed message", clause="Noise 7.1")
    return message[:KEY_OCTETS], message[KEY_OCTETS:]


def _first(
    state: _Symmetric, own: X25519PrivateKey, peer: bytes, ephemeral: X25519PrivateKey, plain: bytes
) -> bytes:
    """Write `-> e, es, ss`, the first message of both patterns."""
    mine = public_key(ephemeral)
    state.mix_hash(mine)
    state.mix_key(ephemeral, peer)
    state.mix_key(own, peer)
    return mine + state.encrypt(plain)


def _read_first(state: _Symmetric, own: X25519PrivateKey, peer: bytes, message: bytes) -> tuple[bytes, bytes]:
    """Read it: the sender's ephemeral key and the payload."""
    ephemeral, sealed = _split(message)
    state.mix_hash(ephemeral)
    state.mix_key(own, ephemeral)
    state.mix_key(own, peer)
    return ephemeral, state.decrypt(sealed)


def seal(own: X25519PrivateKey, peer: bytes, context: bytes, plain: bytes, *, ephemeral: bytes) -> bytes:
    """One message to the holder of the public key `peer`; `ephemeral` is 32 fresh octets of entropy."""
    state = _Symmetric(_ONE_WAY, context, public_key(own), peer)
    return _first(state, own, peer, X25519PrivateKey.from_private_bytes(ephemeral), plain)


def open_sealed(own: X25519PrivateKey, peer: bytes, context: bytes, message: bytes) -> bytes:
    """What `peer` sealed for us in the same context; raises PeerError when it was not so."""
    state = _Symmetric(_ONE_WAY, context, peer, public_key(own))
    return _read_first(state, own, peer, message)[1]


class Question:
    """The asking end of a call: `message` goes out, `open_answer` reads what comes back."""

    def __init__(
        self, own: X25519PrivateKey, peer: bytes, context: bytes, plain: bytes, *, ephemeral: bytes
    ) -> None:
        self._own = own
        self._ephemeral = X25519PrivateKey.from_private_bytes(ephemeral)
        self._state = _Symmetric(_TWO_WAY, context, public_key(own), peer)
        self.message = _first(self._state, own, peer, self._ephemeral, plain)

    def open_answer(self, message: bytes) -> bytes:
        """Once: the answer to this very question; raises PeerError for anything else."""
        theirs, sealed = _split(message)
        self._state.mix_hash(theirs)
        self._state.mix_key(self._ephemeral, theirs)
        self._state.mix_key(self._own, theirs)
        return self._state.decrypt(sealed)


class Asked:
    """The answering end of a call: `plain` is the question; raises PeerError when it is not `peer`'s."""

    def __init__(self, own: X25519PrivateKey, peer: bytes, context: bytes, message: bytes) -> None:
        self._peer = peer
        self._state = _Symmetric(_TWO_WAY, context, peer, public_key(own))
        self._theirs, self.plain = _read_first(self._state, own, peer, message)

    def answer(self, plain: bytes, *, ephemeral: bytes) -> bytes:
        """Once: the sealed answer."""
        private = X25519PrivateKey.from_private_bytes(ephemeral)
        mine = public_key(private)
        self._state.mix_hash(mine)
        self._state.mix_key(private, self._theirs)
        self._state.mix_key(private, self._peer)
        return mine + self._state.encrypt(plain)
