"""OpenPGP keys and messages (RFC 9580, RFC 4880) by rPGP; the rules that are ours on top of it.

- A message is opened whole or not at all: its integrity (MDC or AEAD) is proved before a byte of it is given out,
  and one without integrity protection is refused.
- A signature counts when it is by the named key, over a SHA-2 digest or better, and by a key that is still valid.
- We encrypt with AES-256 and MDC, which every implementation reads, to a subkey that is made for it.

`now` is in seconds since 1970. The library draws its own randomness from the operating system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openpgp.composed import (
    EncryptionCaps,
    KeyType,
    Message,
    MessageBuilder,
    SecretKeyParamsBuilder,
    SignedPublicKey,
    SignedPublicSubKey,
    SignedSecretKey,
    SubkeyParamsBuilder,
)
from openpgp.errors import Error
from openpgp.packet import Signature

from ferryman.errors import InputError, PeerError

MAX_KEY_BYTES = 1 << 20
"""A transferable key has a few thousand bytes; one with many certifications some hundred thousand."""

ARMOUR = b"-----BEGIN PGP "
PROTECTED = frozenset(("seipd-v1", "seipd-v2", "gnupg-aead"))
"""Kinds of encrypted data whose integrity is proved; `sed` has none."""

WEAK_DIGESTS = frozenset(("none", "md5", "sha1", "ripemd160", None))
_CLAUSE = "RFC 9580"


def make_key(user_id: str, now: float) -> bytes:
    """A transferable secret key: Ed25519 for signatures, X25519 for encryption, in the form of version 4."""
    if not 1 <= len(user_id) <= 200 or not user_id.isprintable():
        raise InputError("user id", "must be 1 to 200 printable characters")
    subkey = SubkeyParamsBuilder().version(4).key_type(KeyType.ecdh("curve25519")).created_at(int(now))
    made = (
        SecretKeyParamsBuilder()
        .version(4)
        .key_type(KeyType.ed25519_legacy())
        .created_at(int(now))
        .can_certify(True)
        .can_sign(True)
        .feature_seipd_v1(True)
        .preferred_symmetric_algorithms(["aes256", "aes128"])
        .preferred_hash_algorithms(["sha512", "sha256"])
        .preferred_compression_algorithms(["zlib", "zip"])
        .primary_user_id(user_id)
        .subkey(subkey.can_encrypt(EncryptionCaps.all()).build())
    )
    return made.build().generate().to_bytes()


def read_secret_key(data: bytes) -> bytes:
    """A transferable secret key that somebody else made, in binary form. Raises InputError."""
    try:
        key = _secret(data)
        key.verify_bindings()
        protections = [key.primary_secret_s2k(), *key.secret_subkey_s2ks()]
    except (Error, UnicodeDecodeError):
        raise InputError("OpenPGP key", "is not a well-formed secret key") from None
    if any(each.usage != "unprotected" for each in protections):
        raise InputError("OpenPGP key", "has a passphrase; export it without one, the vault encrypts it")
    if not key.secret_subkeys:
        raise InputError("OpenPGP key", "has no subkey for encryption")
    return key.to_bytes()


def read_public_key(data: bytes) -> bytes:
    """A transferable public key in binary form, its bindings verified. Raises InputError."""
    try:
        key = _public(data)
        key.verify_bindings()
    except (Error, UnicodeDecodeError):
        raise InputError("OpenPGP key", "is not a well-formed public key") from None
    return key.to_bytes()


def public_of(secret: bytes) -> bytes:
    """The public half of a secret key."""
    return _secret(secret).to_public_key().to_bytes()


def described(public: bytes) -> tuple[str, tuple[str, ...], str]:
    """Fingerprint, user ids and ASCII armour of a public key."""
    key = _public(public)
    return key.fingerprint.upper(), tuple(key.user_ids), key.to_armored()


def open_message(message: bytes, secrets: Sequence[bytes], signer: bytes | None, now: float) -> bytes:
    """The content of an encrypted message to one of our keys. Raises PeerError, then with nothing of it.

    With `signer` (a public key) it must be signed by that key.
    """
    found = _parsed(message)
    try:
        protected = found.encrypted_data_packet().kind in PROTECTED
    except Error:
        raise PeerError("is no encrypted message, or not whole", field="envelope", clause=_CLAUSE) from None
    if not protected:
        raise PeerError("has no integrity protection", field="envelope", clause=_CLAUSE)
    for secret in secrets:
        try:
            opened = found.decrypt(None, _secret(secret))
            content = opened.as_data_vec()
        except Error:
            continue
        if signer is not None:
            try:
                signature = opened.verify(_public(signer))
            except Error:
                raise PeerError("is not signed by the key it must be", field="envelope", clause=_CLAUSE) from None
            _check_signature(signature, _public(signer), now)
        return content
    raise PeerError("is damaged, changed, or not for our key", field="envelope", clause=_CLAUSE)


def seal_message(content: bytes, recipient: bytes, secret: bytes, now: float, *, name: str) -> bytes:
    """`content` encrypted to `recipient`, signed with `secret`. Raises InputError when the key cannot be used."""
    subkey = encryption_subkey(_public(recipient), now)
    builder = MessageBuilder.from_bytes(name, content).compression("zlib").seipd_v1("aes256")
    return builder.encrypt_to_key(subkey).sign(_secret(secret), None, "sha256").to_vec()


def encryption_subkey(key: SignedPublicKey, now: float) -> SignedPublicSubKey:
    """The newest subkey for encryption that is valid. Raises InputError."""
    if key.details.revocation_signatures:
        raise InputError("OpenPGP key", "is revoked")
    own = _newest(each for user in key.details.users for each in user.signatures)
    if own is not None and _ended(own, key.created_at, now):
        raise InputError("OpenPGP key", "has expired")
    valid: list[tuple[int, SignedPublicSubKey]] = []
    for subkey in key.public_subkeys:
        binding = _newest(subkey.signatures)
        revoked = any(each.typ() == "subkey-revocation" for each in subkey.signatures)
        flags = binding.key_flags() if binding is not None else None
        if revoked or binding is None or flags is None:
            continue
        made = subkey.key.created_at
        if (flags.encrypt_storage or flags.encrypt_communications) and not _ended(binding, made, now):
            valid.append((made, subkey))
    if not valid:
        raise InputError("OpenPGP key", "has no valid subkey for encryption")
    return max(valid, key=lambda each: each[0])[1]


def _check_signature(signature: Signature, key: SignedPublicKey, now: float) -> None:
    """The digest is a strong one, and neither the key nor the subkey that signed has expired or is revoked."""
    if signature.hash_alg() in WEAK_DIGESTS:
        raise PeerError("is signed over a weak digest", field="envelope", clause=_CLAUSE)
    own = _newest(each for user in key.details.users for each in user.signatures)
    invalid = bool(key.details.revocation_signatures) or own is None or _ended(own, key.created_at, now)
    issuers = {each.upper() for each in (*signature.issuer_fingerprint(), *signature.issuer_key_id())}
    for subkey in key.public_subkeys:
        names = {subkey.key.fingerprint.upper(), subkey.key.key_id.upper()}
        if names & issuers:
            binding = _newest(subkey.signatures)
            revoked = any(each.typ() == "subkey-revocation" for each in subkey.signatures)
            invalid |= revoked or binding is None or not binding.key_flags().sign
            invalid |= binding is not None and _ended(binding, subkey.key.created_at, now)
    if invalid:
        raise PeerError("is signed by a key that is no longer valid", field="envelope", clause=_CLAUSE)


def _newest(signatures: Iterable[Signature]) -> Signature | None:
    """The last binding or self-signature: it says what holds."""
    kinds = ("cert-generic", "cert-persona", "cert-casual", "cert-positive", "subkey-binding")
    found = [each for each in signatures if each.typ() in kinds]
    return max(found, key=lambda each: each.created() or 0, default=None)


def _ended(signature: Signature, created: int, now: float) -> bool:
    """Whether a key of this self-signature or binding has expired; the time counts from its making."""
    span = signature.key_expiration_time()
    return bool(span) and created + (span or 0) <= now


def _parsed(data: bytes) -> Message:
    try:
        if data.lstrip().startswith(ARMOUR):
            return Message.from_armor(data.decode("ascii"))[0]
        return Message.from_bytes(data)
    except (Error, UnicodeDecodeError):
        raise PeerError("is not an OpenPGP message", field="envelope", clause=_CLAUSE) from None


def _secret(data: bytes) -> SignedSecretKey:
    if data.lstrip().startswith(ARMOUR):
        return SignedSecretKey.from_armor(data.decode("ascii"))[0]
    return SignedSecretKey.from_bytes(data)


def _public(data: bytes) -> SignedPublicKey:
    if data.lstrip().startswith(ARMOUR):
        return SignedPublicKey.from_armor(data.decode("ascii"))[0]
    return SignedPublicKey.from_bytes(data)
