"""OpenPGP keys and messages of correspondents, as another program would make them."""

from __future__ import annotations

from functools import cache

from openpgp.composed import (
    EncryptionCaps,
    KeyType,
    MessageBuilder,
    SecretKeyParamsBuilder,
    SignedPublicKey,
    SignedSecretKey,
    SubkeyParamsBuilder,
)

from ferryman.secure import openpgp

NOW = 1_800_000_000.0


@cache
def our_key() -> bytes:
    """A secret key of the platform."""
    return openpgp.make_key("Ferryman <dp@example.org>", NOW - 100)


@cache
def sender() -> bytes:
    """A secret key of somebody who sends files."""
    return openpgp.make_key("Maker <maker@example.org>", NOW - 100)


@cache
def rsa_sender() -> bytes:
    """The same with RSA, which signs over any digest."""
    subkey = SubkeyParamsBuilder().version(4).key_type(KeyType.rsa(2048)).can_encrypt(EncryptionCaps.all()).build()
    builder = SecretKeyParamsBuilder().version(4).key_type(KeyType.rsa(2048)).can_certify(True).can_sign(True)
    return builder.primary_user_id("old <old@example.org>").subkey(subkey).build().generate().to_bytes()


def envelope(
    content: bytes,
    *,
    to: bytes | None = None,
    signed_by: bytes | None = None,
    digest: str = "sha256",
    compression: str = "zlib",
    aead: bool = False,
) -> bytes:
    """A message with `content` to the public half of `to` (ours), signed or not."""
    builder = MessageBuilder.from_bytes("x.csv", content).compression(compression)  # type: ignore[arg-type]
    builder = builder.seipd_v2("aes256", "ocb") if aead else builder.seipd_v1("aes256")
    builder = builder.encrypt_to_key(SignedPublicKey.from_bytes(openpgp.public_of(to or our_key())))
    if signed_by is not None:
        builder = builder.sign(SignedSecretKey.from_bytes(signed_by), None, digest)  # type: ignore[arg-type]
    return builder.to_vec()
