"""What a role needs to speak on NATS: its name key for the broker and its sealing key for the other roles.

One JSON file for each role, mode 600. The broker gets only the public halves; the private halves never leave the
file. `peers` are the public sealing keys of exactly those roles that this one exchanges anything with.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import nkeys
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ferryman.contracts.roles import OPERATOR
from ferryman.contracts.routes import ROLES, peers
from ferryman.errors import InputError
from ferryman.platform import noise
from ferryman.platform.clock import Entropy

PROVISIONER: Final = "provisioner"  # the broker's user that may make streams; no role
NAMES: Final = (*ROLES, OPERATOR, PROVISIONER)
SUFFIX: Final = ".credential"
SEED_OCTETS: Final = 32  # octets of entropy in a name key (Ed25519)


@dataclass(frozen=True, slots=True)
class Credential:
    """One role's keys. `seed` is the NATS nkey seed (SU...)."""

    role: str
    seed: str = field(repr=False)
    private: X25519PrivateKey = field(repr=False)
    peers: dict[str, bytes] = field(repr=False)

    @property
    def user(self) -> str:
        """The public name key (U...), as the broker's configuration holds it."""
        public: bytes = nkeys.from_seed(self.seed.encode()).public_key
        return public.decode()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    seed: str
    private: str
    peers: dict[str, str]


def load(folder: Path, role: str) -> Credential:
    """The credential of `role` in a folder; raises InputError."""
    path = folder / f"{role}{SUFFIX}"
    try:
        if path.stat().st_mode & 0o077:
            raise InputError(str(path), "may be readable by its owner only (chmod 600)")
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        private = X25519PrivateKey.from_private_bytes(bytes.fromhex(file.private))
        known = {name: bytes.fromhex(key) for name, key in file.peers.items()}
        nkeys.from_seed(file.seed.encode())
    except OSError as problem:
        raise InputError(str(path), f"cannot be read ({problem.strerror})") from None
    except (msgspec.DecodeError, ValueError, nkeys.NkeysError):
        # Without the cause: its words could hold a part of a key.
        raise InputError(str(path), "is no credential file; make it anew with nats-config") from None
    if file.role != role:
        raise InputError(str(path), f"belongs to {file.role}, not to {role}")
    if missing := sorted(peers(role) - known.keys()):
        raise InputError(str(path), f"knows no key of {', '.join(missing)}; make it anew with nats-config")
    return Credential(role, file.seed, private, known)


def make(folder: Path, entropy: Entropy) -> dict[str, Credential]:
    """Write the credentials of all roles; those that are there already keep their keys."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys: dict[str, tuple[str, X25519PrivateKey]] = {}
    for name in NAMES:
        if (folder / f"{name}{SUFFIX}").exists():
            kept = load(folder, name)
            keys[name] = (kept.seed, kept.private)
        else:
            seed: bytes = nkeys.encode_seed(entropy(SEED_OCTETS), nkeys.PREFIX_BYTE_USER)
            keys[name] = (seed.decode(), X25519PrivateKey.from_private_bytes(entropy(noise.KEY_OCTETS)))
    public = {name: noise.public_key(private) for name, (_, private) in keys.items()}
    made = {
        name: Credential(name, seed, private, {peer: public[peer] for peer in sorted(peers(name))})
        for name, (seed, private) in keys.items()
    }
    for credential in made.values():
        _write(folder, credential)
    return made


def _write(folder: Path, credential: Credential) -> None:
    file = _File(
        role=credential.role,
        seed=credential.seed,
        private=credential.private.private_bytes_raw().hex(),
        peers={name: key.hex() for name, key in credential.peers.items()},
    )
    path = folder / f"{credential.role}{SUFFIX}"
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(msgspec.json.format(msgspec.json.encode(file)) + b"\n")
    new.replace(path)
