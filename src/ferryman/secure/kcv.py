"""Key check values and keys under a DEK (GlobalPlatform Card Specification B.6, Amendment D 7.2; SGP.02 8.4)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from ferryman.codec.isdr_keys import KEY_TYPE_AES, KEY_TYPE_PSK_TLS, KeyComponent, put_keys

KCV_BYTES = 3
_BLOCK = 16


def kcv(key: bytes) -> bytes:
    """First 3 bytes of AES-ECB over sixteen bytes 01; `key` of 16, 24 or 32 bytes."""
    # One block of constant input: ECB is what the rule says, nothing is kept secret by it.
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305
    return (encryptor.update(b"\x01" * _BLOCK) + encryptor.finalize())[:KCV_BYTES]


def encrypt_key(dek: bytes, key: bytes) -> bytes:
    """`key` under `dek`: AES-CBC, IV zero, zero bytes up to a whole block (a 24-byte key takes 32)."""
    encryptor = Cipher(AES(dek), CBC(bytes(_BLOCK))).encryptor()
    return encryptor.update(key + bytes(-len(key) % _BLOCK)) + encryptor.finalize()


def wrap_key(dek: bytes, key: bytes, *, key_type: int = KEY_TYPE_AES) -> KeyComponent:
    """One key of a PUT KEY: type, key under `dek`, key check value."""
    return KeyComponent(key_type, encrypt_key(dek, key), kcv(key))


def put_scp81_keys(dek: bytes, *, key_version: int, psk: bytes, psk_dek: bytes, replace: int = 0) -> bytes:
    """PUT KEY of an SCP81 keyset (8.4): PSK (id 01) and its DEK (id 02) under the DEK of the session's keyset."""
    keys = [wrap_key(dek, psk, key_type=KEY_TYPE_PSK_TLS), wrap_key(dek, psk_dek)]
    return put_keys(key_version, keys, replace=replace)


def put_keys_answer(key_version: int, keys: list[bytes]) -> bytes:
    """What the card must answer to a PUT KEY of `keys`: key version and their check values."""
    return bytes((key_version,)) + b"".join(kcv(key) for key in keys)
