"""Secrets at rest: every value sealed with AES-256-GCM under the vault key, its reference as associated data.

A value copied to another reference, or from another vault, does not open. The vault key is a file of 32 bytes
that only the CryptoServer's user may read; without it the database is worthless, and with it alone too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, bindparam, delete, insert, select

from ferryman.crypto_server.schema import secret
from ferryman.errors import InputError
from ferryman.platform.clock import Entropy
from ferryman.platform.prepared import Prepared

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32
CHECK_REF = "vault/check"
CHECK_VALUE = b"ferryman vault"

_BY_REF = Prepared(lambda _: select(secret.c.sealed).where(secret.c.ref == bindparam("ref")))


def open_key_file(path: Path, entropy: Entropy) -> bytes:
    """The vault key; made at the first start. Raises InputError when others may read it or it is damaged."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(entropy(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(path.name, "the vault key must be readable by its owner only (chmod 600)")
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError(path.name, f"the vault key must be {KEY_BYTES} bytes in hexadecimal")
    return key


class Vault:
    """Seals and opens; reads and writes run inside a transaction of the caller."""

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        self._cipher = AESGCM(key)
        self._entropy = entropy

    def __repr__(self) -> str:
        return "Vault(***)"

    def check(self, connection: Connection, now: float) -> None:
        """Refuse to run with a key that is not this database's."""
        if self.get(connection, CHECK_REF) is None:
            self.put(connection, [(CHECK_REF, CHECK_VALUE)], now)

    def put(self, connection: Connection, entries: Iterable[tuple[str, bytes]], now: float) -> None:
        """Store values under new references; one that exists is replaced."""
        for ref, value in entries:
            connection.execute(delete(secret).where(secret.c.ref == ref))
            connection.execute(insert(secret).values(ref=ref, sealed=self._seal(ref, value), created=now))

    def get(self, connection: Connection, ref: str) -> bytes | None:
        """The value, or None when there is none. Raises InputError when it does not open."""
        sealed = self.sealed(connection, ref)
        return None if sealed is None else self.open(ref, sealed)

    def sealed(self, connection: Connection, ref: str) -> bytes | None:
        """The value as it is stored, None when there is none."""
        row = _BY_REF.row(connection, {"ref": ref})
        return None if row is None else bytes(row[0])

    def remove(self, connection: Connection, prefix: str) -> int:
        """Destroy every value whose reference is `prefix` or starts with `prefix/`."""
        below = secret.c.ref.startswith(f"{prefix}/", autoescape=True)
        return connection.execute(delete(secret).where((secret.c.ref == prefix) | below)).rowcount

    def seal_many(self, bound: Sequence[bytes], values: Sequence[bytes]) -> list[bytes]:
        """Sealed values, each bound to its text; kept by the caller."""
        nonces = self._entropy(NONCE_BYTES * len(values))
        encrypt = self._cipher.encrypt
        sealed: list[bytes] = []
        for at, (value, text) in enumerate(zip(values, bound, strict=True)):
            nonce = nonces[NONCE_BYTES * at : NONCE_BYTES * (at + 1)]
            sealed.append(VERSION + nonce + encrypt(nonce, value, text))
        return sealed

    def open_one(self, bound: bytes, sealed: bytes) -> bytes:
        """A value of `seal_many`. Raises InputError when it does not open."""
        return self.open(bound.decode(), sealed)

    def _seal(self, ref: str, value: bytes) -> bytes:
        nonce = self._entropy(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, value, ref.encode())

    def open(self, ref: str, sealed: bytes) -> bytes:
        """What was sealed under a reference. Raises InputError when it does not open."""
        nonce, ciphered = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphered, ref.encode())
        except InvalidTag:
            raise InputError("vault", "the vault key does not belong to this database") from None
